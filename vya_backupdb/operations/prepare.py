"""What a restore finds out before anything runs: what of the script, into what, and what is wrong."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.errors import StorageError, few
from vya_backupdb.model import DatabaseDefinition, Finding
from vya_backupdb.operations.checks import (
    NOT_ROWS,
    check_script,
    check_whole,
    refuse_obstacles,
    refuse_system,
)
from vya_backupdb.operations.choose import Chosen
from vya_backupdb.operations.earlier import last_restore, unfinished
from vya_backupdb.operations.owners import owned
from vya_backupdb.operations.request import RestoreRequest, Target
from vya_backupdb.operations.tables import ChosenTables, choose_tables


@dataclass(frozen=True)
class Prepared:
    """A restore that may begin."""

    script: ScriptSource
    """What of the file is restored."""
    definition: DatabaseDefinition | None
    """Of the database; None: not known, or the database is left as it is."""
    is_present: bool
    """Whether the database is there."""
    tables: ChosenTables | None
    """None: the whole database is restored."""
    to_drop: str | None
    """The question that must be answered before anything is dropped; None: nothing is."""
    enable_events: bool
    findings: tuple[Finding, ...]


def prepare(
    target: Target,
    source: ScriptSource,
    chosen: Chosen,
    request: RestoreRequest,
    *,
    is_present: bool,
    is_loaded: bool = False,
) -> Prepared:
    """Read and check the file and the target. Raises Refused with all that is in the way.

    `is_loaded`: what is there is this very backup, loaded by an earlier run.
    """
    connector, database, record = target.connector, target.database, chosen.record
    if is_present:
        refuse_system(connector, str(target), database)
    definition = record.definition if record else None
    findings: list[Finding] = []
    script, tables = source, None
    source.scan()
    if request.tables:
        tables = choose_tables(target, source, request.tables)
        script = tables.script
        findings += tables.findings
        if is_present:
            definition = None
    if request.no_owner:
        disowned = owned(target, script, definition)
        script, definition = disowned.script, disowned.definition
        findings += disowned.findings
    check_whole(source, script, record)
    check_script(target.engine, script)
    findings += connector.examine_target(
        database,
        definition,
        record.server if record else None,
        script.sections(NOT_ROWS),
        script.scan().largest_statement,
        allow_references=request.allow_references,
        stays=tables is not None and is_present,
        original=record.database if record else None,
        coming=request.coming,
    )
    in_the_way = () if is_loaded else _in_the_way(target, tables, is_present=is_present)
    if tables is not None and in_the_way and request.drop:
        findings += connector.examine_drop(database, in_the_way)
    refuse_obstacles(
        str(target),
        in_the_way,
        findings,
        drop=request.drop,
        what="tables" if tables else "database",
        remark=None if tables else _unfinished(target),
    )
    return Prepared(
        script=script,
        definition=definition,
        is_present=is_present,
        tables=tables,
        to_drop=_question(target, tables) if in_the_way else None,
        enable_events=not request.allow_references or (record is not None and record.database == database),
        findings=tuple(findings),
    )


def _in_the_way(target: Target, tables: ChosenTables | None, *, is_present: bool) -> tuple[str, ...]:
    if tables is not None:
        return tables.present
    return tuple(target.connector.contents(target.database)) if is_present else ()


def _unfinished(target: Target) -> str | None:
    """Say how the last restore into the database went wrong; None: it did not, or that is not known."""
    with suppress(StorageError):
        return unfinished(last_restore(target))
    return None


def _question(target: Target, tables: ChosenTables | None) -> str:
    if tables is None:
        return f"Drop the database {target.database} on {target.instance.id} with all that is in it?"
    return f"Drop the tables {few(tables.present, ', ')} of {target} with all their rows?"
