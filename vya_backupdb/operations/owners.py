"""A restore without the owners of the source: everything belongs to the account that restores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from vya_backupdb.archive.selected import SelectedScript, without
from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.engines.base import Engine
from vya_backupdb.errors import few
from vya_backupdb.model import DatabaseDefinition, Finding, Ownership, Section, Severity
from vya_backupdb.operations.checks import NOT_ROWS
from vya_backupdb.operations.request import Target


@dataclass(frozen=True)
class Owned:
    """A script and a definition in which nothing belongs to somebody else."""

    script: ScriptSource
    definition: DatabaseDefinition | None
    findings: tuple[Finding, ...]


def owned(target: Target, source: ScriptSource, definition: DatabaseDefinition | None) -> Owned:
    """Leave out who owns what, and what is granted to roles that the server has not; name all of it."""
    connector, engine = target.connector, target.engine
    script = SelectedScript(source, partial(_disowned, engine, ()))
    if definition is not None:
        definition = connector.own(definition, ())
    absent = connector.absent_roles(script.sections(NOT_ROWS), definition)
    found = [
        each for section in source.sections(NOT_ROWS) for each in engine.ownerships(section, sorted(absent))
    ]
    return Owned(
        script=SelectedScript(source, partial(_disowned, engine, absent)),
        definition=definition and connector.own(definition, absent),
        findings=tuple(_findings(found, connector.facts.account)),
    )


def _disowned(engine: Engine, absent: Collection[str], section: Section) -> Section:
    spans = [each.span for each in engine.ownerships(section, absent) if each.span is not None]
    return without(section, spans) if spans else section


def _findings(found: Sequence[Ownership], account: str) -> Iterator[Finding]:
    objects: dict[str, list[str]] = defaultdict(list)
    for each in found:
        if each.kind == "owner" and each.object:
            objects[each.role].append(each.object)
    own = tuple(objects.pop(account, ()))
    for role, named in objects.items():
        yield Finding(
            Severity.WARNING,
            f"{len(named):,} objects of {role} become those of {account}: {few(named, ', ')}",
            role,
        )
    actors = [each.object for each in found if each.kind == "actor" and not _is_among(each, own)]
    if actors:
        yield Finding(
            Severity.WARNING,
            f"they act with the rights of {account} from now on: {', '.join(actors)}",
            cure="see that these rights are not more than they had",
        )
    for each in found:
        if each.kind == "grant":
            yield Finding(
                Severity.WARNING,
                f"left out, because the role {each.role} is not on the server: {each.object}",
                each.role,
                "execute it when the role is there",
            )


def _is_among(actor: Ownership, objects: Sequence[str]) -> bool:
    """Compare with owners: of a function they are told with its arguments, its rights without."""
    return any(name == actor.object or name.startswith(f"{actor.object}(") for name in objects)
