"""How a restore executes the sections of a script: the statements as a driver sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from vya_backupdb.engines.mysql.restore.rewriting import (
    counted_by_rows,
    keeping_dates,
    kept_disabled,
    trigger_here,
    unwrapped,
    without_database,
)
from vya_backupdb.engines.mysql.script.definitions import Definition
from vya_backupdb.engines.mysql.script.lexer import Kind
from vya_backupdb.engines.mysql.script.modes import PLAIN
from vya_backupdb.engines.mysql.script.reader import UnusualSection
from vya_backupdb.engines.mysql.script.settings import Scope
from vya_backupdb.engines.mysql.script.splitter import Part, Splitter
from vya_backupdb.engines.mysql.script.statements import Meaning
from vya_backupdb.model import Action, Section, SectionKind, Statement

_EVENT_SETTINGS: Final = frozenset({"character_set_client", "collation_connection", "time_zone"})
"""What ALTER EVENT takes from the session (beside the definer and the database's default collation)."""


def statements(section: Section) -> Iterator[Statement]:
    """Give every statement of a section, in order.

    Events are created disabled; what makes them as they were is in `later`, and so are the settings that must
    be in force then: the `later`s of all sections are for one session, in order.
    """
    found = (_statement(section, part) for part in parts(section))
    pairs = (pair for pair in found if pair is not None)
    if section.kind is SectionKind.POST:
        return iter(_with_settings_for_later(list(pairs)))
    return (statement for statement, _ in pairs)


def definitions(section: Section) -> Iterator[Definition]:
    """Tell what a section creates, alters and drops: kind, name and definer of each."""
    if section.kind is SectionKind.ROWS:
        return
    for part in parts(section):
        if part.meaning.definition is not None:
            yield part.meaning.definition


def definers(section: Section) -> frozenset[str]:
    """Give the accounts (`user@host`) or roles that a section's CREATE statements name as DEFINER."""
    return frozenset(
        made.definer.decode("utf-8", "surrogateescape")
        for made in definitions(section)
        if made.definer is not None and made.definer != b"CURRENT_USER"
    )


def parts(section: Section) -> Iterator[Part]:
    """Give every unit of a section in order but the blanks and comments at its end."""
    modes = section.modes if isinstance(section, UnusualSection) else PLAIN
    splitter = Splitter(section.body, modes)
    while (part := splitter.next(final=True)) is not None and part.unit.kind is not Kind.REST:
        yield part


_Pair = tuple[Statement, Meaning]


def _statement(section: Section, part: Part) -> _Pair | None:
    unit, meaning = part.unit, part.meaning
    if unit.kind is Kind.UNFINISHED:
        meaning = replace(
            meaning, action=Action.REFUSE, reason=f"it has no end: the script ends inside {unit.inside}"
        )
    elif unit.text_start == unit.text_end or (unit.kind is Kind.DELIMITER and meaning.action is Action.SKIP):
        return None
    text = section.body[unit.text_start : unit.text_end]
    later: tuple[bytes, ...] = ()
    if meaning.action is Action.EXECUTE and meaning.definition is not None:
        made = meaning.definition
        if made.verb == "CREATE" and made.kind in ("trigger", "event"):
            text = unwrapped(text, part.modes)
            if made.kind == "event":
                text, later = kept_disabled(text, part.modes)
        elif made.verb == "CREATE" and made.kind == "table":
            text = counted_by_rows(text, part.modes)
        if made.kind == "trigger":
            text = trigger_here(text, part.modes)
        elif made.verb == "ALTER" and made.kind in ("database", "schema"):
            text = without_database(text, part.modes)
    elif section.kind is SectionKind.HEADER and meaning.assignments:
        text = keeping_dates(text)
    return Statement(text, unit.text_start, meaning.action, meaning.reason, later=later), meaning


def _with_settings_for_later(pairs: Sequence[_Pair]) -> list[Statement]:
    """Repeat, where an event is enabled later, the settings that stand around its creation."""
    done: list[Statement] = []
    group: list[int] = []
    """Statements since settings were first changed, of those that matter for events."""
    saved: set[str] = set()
    altered = enables = False
    for statement, meaning in pairs:
        done.append(statement)
        enables = enables or bool(statement.later)
        is_setting = statement.action is Action.EXECUTE and _matters_for_events(meaning)
        if is_setting:
            group.append(len(done) - 1)
            saved = (saved | set(meaning.saves)) - set(meaning.restores)
            altered = altered != (meaning.definition is not None)
        if saved or altered:
            continue
        if enables:
            for i in group:
                done[i] = replace(done[i], later=(done[i].text,))
        if is_setting or enables:
            group, enables = [], False
    if enables:
        for i in group:
            done[i] = replace(done[i], later=(done[i].text,))
    return done


def _matters_for_events(meaning: Meaning) -> bool:
    if meaning.definition is not None:
        return meaning.definition.verb == "ALTER" and meaning.definition.kind in ("database", "schema")
    return any(
        (a.name if a.scope is Scope.SESSION else a.reads) in _EVENT_SETTINGS for a in meaning.assignments
    )
