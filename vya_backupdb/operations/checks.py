"""What a restore checks: the script and the target before anything runs, the objects afterwards."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Literal

from vya_backupdb.archive.places import place
from vya_backupdb.archive.reader import Archive
from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.catalog.publish import storage_errors
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.engines.base import Connector, Engine
from vya_backupdb.errors import Refused, VerificationError, few
from vya_backupdb.model import Action, Finding, SectionKind, Severity

_CHECK_THREADS: Final = 2
"""Sections in memory at a time; decompression is a hundred times as fast as any load."""

_MOST_PLACED: Final = 5
"""Refused statements whose line is counted: each takes a pass over the script, and an error names no more."""

NOT_ROWS: Final = frozenset({SectionKind.HEADER, SectionKind.SCHEMA, SectionKind.POST, SectionKind.FOOTER})


def check_whole(source: ScriptSource, taken: ScriptSource, record: BackupRecord | None) -> None:
    """Read what is taken of a source once: damage must be found before anything is dropped.

    A whole file that its record describes need not be decompressed for that: its hash is enough. Raises
    VerificationError, where it can be told with the frame that is damaged.
    """
    source.scan()
    if not isinstance(source, Archive):
        return  # the pass of `scan` has read all of it
    is_other = False
    if record is not None and taken is source:
        with storage_errors(source.path), source.path.open("rb") as file:
            is_other = hashlib.file_digest(file, "sha256").hexdigest() != record.file.sha256
        if not is_other:
            return
    _check_frames(taken)
    if is_other:
        raise VerificationError(
            f"{source.path}: its parts are whole, but its sha256 is not the one in its metadata",
            cure="choose another backup (restore list); without its .json file it can still be restored: "
            "--file F --target-database NAME",
        )


def _check_frames(taken: ScriptSource) -> None:
    with ThreadPoolExecutor(_CHECK_THREADS, thread_name_prefix="check") as pool:
        running: deque[Future[object]] = deque()
        for task in taken.row_tasks():
            if len(running) > _CHECK_THREADS:
                running.popleft().result()
            running.append(pool.submit(task.read))
        for future in running:
            future.result()


def check_script(engine: Engine, source: ScriptSource) -> None:
    """Read all that is not rows, and refuse statements that a restore never executes."""
    refused = [
        (
            None if section.position is None else section.position + statement.offset,
            statement.reason or "a statement that leaves the database",
        )
        for section in source.sections(NOT_ROWS)
        for statement in engine.statements(section)
        if statement.action is Action.REFUSE
    ]
    if refused:
        placed = [f"{_place(source, position)}{reason}" for position, reason in refused[:_MOST_PLACED]]
        others = [f"byte {position}: {reason}" for position, reason in refused[_MOST_PLACED:]]
        raise Refused.of_faults(
            f"{source.path}: holds what a restore never executes",
            ((text, None) for text in placed + others),
            cure="remove it from the script, or dump the database alone (without --create or --databases)",
        )


def _place(source: ScriptSource, position: int | None) -> str:
    return "" if position is None else f"{place(source.path, position)}: "


def refuse_system(connector: Connector, where: str, database: str) -> None:
    """Raise Refused for a database that belongs to the server, or that has just gone."""
    own = {info.name.casefold() for info in connector.databases()}
    if database.casefold() not in own:
        if not connector.exists(database):  # the end of a DROP whose client was killed, say
            raise Refused(f"{where}: was dropped while it was looked at", cure="run it again")
        raise Refused(
            f"{where}: belongs to the server itself",
            cure="restore into another name with --target-database",
        )


def refuse_obstacles(
    where: str,
    contents: Sequence[str],
    findings: Sequence[Finding],
    *,
    drop: bool,
    what: Literal["database", "tables"] = "database",
    remark: str | None = None,
) -> None:
    """Raise Refused with all that stands in the way of a restore of a database, or of some tables.

    `remark` tells what is known of a database that is not empty.
    """
    faults = [finding for finding in findings if finding.severity not in (Severity.NOTE, Severity.WARNING)]
    said = [(finding.what, finding.cure) for finding in faults]
    if contents and not drop:
        if what == "tables":
            there = f"tables are there already: {few(contents, ', ')}"
            cure = "replace them, and nothing else, with --drop"
        else:
            there = f"the database is not empty ({', '.join(list(contents)[:3])} ...)"
            cure = "restore into another name with --target-database, or replace it with --drop"
            if remark is not None:
                there += f", {remark}"
                cure = "replace it with --drop"
        said.insert(0, (there, cure))
    if said:
        raise Refused.of_faults(where, said)


def check_objects(database: str, record: BackupRecord | None, found: Mapping[str, int]) -> None:
    """Raise VerificationError where fewer objects came back than were counted before the dump."""
    expected = record.contents.objects if record else {}
    missing = [
        f"{kind}: {found.get(kind, 0)} of {count}"
        for kind, count in expected.items()
        if found.get(kind, 0) < count
    ]
    if missing:
        raise VerificationError(
            f"{database}: objects are missing after the restore: " + "; ".join(missing),
            cure="compare with the source; the dump or this server left them out",
        )
