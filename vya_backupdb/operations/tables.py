"""Single tables of a script: which are meant, what of the script is theirs, what they need of the target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from vya_backupdb.archive.selected import SelectedScript, only
from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.engines.base import ScriptTables
from vya_backupdb.model import Finding, Reference, Section, SectionKind, Severity
from vya_backupdb.operations.meant import meant
from vya_backupdb.operations.request import Target


@dataclass(frozen=True)
class ChosenTables:
    """The tables that are restored."""

    names: frozenset[str]
    """As in Section.object."""
    script: ScriptSource
    """What of the script is theirs."""
    present: tuple[str, ...]
    """Those that the target has already."""
    findings: tuple[Finding, ...]


def choose_tables(target: Target, source: ScriptSource, written: Sequence[str]) -> ChosenTables:
    """Find the tables that are meant, and what they need that the target has not.

    Raises Refused for a name that is none, or may be several.
    """
    found = target.engine.tables(source.sections({SectionKind.SCHEMA, SectionKind.POST}))
    names = found.whole([meant(source.path, found, name) for name in written])
    references = [each for each in found.references if each.table in names and each.other not in names]
    others = {each.other for each in references}
    absent = target.connector.missing(target.database, names | others)
    return ChosenTables(
        names=names,
        script=SelectedScript(source, partial(_only, found, names, absent & others), names),
        present=tuple(sorted(names - absent)),
        findings=tuple(_findings(references, absent)),
    )


def _only(found: ScriptTables, names: Collection[str], absent: Collection[str], section: Section) -> Section:
    return only(section, found.spans(section, names, absent))


def _findings(references: Sequence[Reference], absent: Collection[str]) -> Iterator[Finding]:
    told: set[tuple[str, str]] = set()
    for each in references:
        if each.kind == "partitioned table":
            yield Finding(
                Severity.WARNING,
                f"left out, because {each.other} is not restored with it: {each.statement}",
                each.table,
                f"execute it afterwards, or name {each.other} with --table",
            )
        if each.other not in absent or each.kind == "partitioned table":
            continue
        if each.kind == "schema":
            if ("", each.other) not in told:
                yield Finding(Severity.WARNING, f"the {each.other} is not there, and is created", each.other)
            told.add(("", each.other))
        elif not each.vital:
            yield Finding(
                Severity.WARNING,
                f"left out, because {each.other} is not there: {each.statement}",
                each.table,
                f"execute it when {each.other} is there, or name that with --table too",
            )
        elif (each.table, each.other) not in told:
            told.add((each.table, each.other))
            cure = "name it with --table too" if each.kind == "table" else "create it first"
            yield Finding(
                Severity.FAULT,
                f"{each.table} needs the {each.kind} {each.other}, which is not there: {each.statement}",
                each.other,
                cure,
            )
