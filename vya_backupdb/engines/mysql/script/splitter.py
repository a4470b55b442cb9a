"""A script taken apart into statements, each with its meaning; the same for a stream and for a section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.mysql.script import rows
from vya_backupdb.engines.mysql.script.lexer import Buffer, Kind, Unit, scan
from vya_backupdb.engines.mysql.script.modes import PLAIN, Modes
from vya_backupdb.engines.mysql.script.settings import Session
from vya_backupdb.engines.mysql.script.statements import Meaning, Place, understand
from vya_backupdb.model import Action
from vya_backupdb.streams.search import find

_PATIENCE: Final = 32 << 20
"""Bytes without `;` at a line's end after which the lexer looks where an INSERT ends.

The tools write statements of up to 16 MiB (net_buffer_length), or of one row.
"""
_SMALL: Final = 64 << 10
"""Bytes below which an unfinished statement is read again from its beginning whenever more comes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One unit of a script and what it means."""

    unit: Unit
    meaning: Meaning
    modes: Modes
    """How it was read."""
    delimiter: bytes
    """In force after it."""
    values: Mapping[str, str]
    """The settings in force after it (see Session.values)."""
    rows: int = 0


class Splitter:
    """Takes a buffer apart from its beginning; the caller appends to it and says when nothing more comes.

    `from_tool`: a dump tool of ours is writing it.
    """

    def __init__(self, data: Buffer, modes: Modes = PLAIN, *, from_tool: bool = False) -> None:
        self.data = data
        self._from_tool = from_tool
        self.pos = 0
        self.delimiter = b";"
        self.session = Session(modes)
        self._line_end = b";\n"
        self._rows_are_lines = False
        self._searched = 0
        """Where the buffer has no `;` at a line's end before, from `pos` on."""
        self._enough = 0
        """With fewer bytes than that from `pos`, nothing need be tried again."""

    def forget(self, size: int) -> None:
        """Take account of `size` bytes removed from the beginning of the buffer."""
        self.pos -= size
        self._searched = max(0, self._searched - size)

    def next(self, *, final: bool) -> Part | None:
        """Give the next unit, None where it is not whole yet. REST and UNFINISHED are the last."""
        data, pos, modes = self.data, self.pos, self.session.modes
        if len(data) - pos < self._enough and not final:
            return None
        if self.delimiter == b";" and modes.charset is None:
            head = rows.begins(data, pos)
            if head is not None:
                end = self._find_end(head.end())
                if end >= 0:
                    found = self._insert(head, end, modes)
                    if found is not None:
                        return found
                elif len(data) - pos < _PATIENCE and not final:
                    return None
        unit = scan(data, pos, self.delimiter, modes, final=final)
        if unit is None:
            size = len(data) - pos
            self._enough = size * 3 // 2 if size > _SMALL else 0
            return None
        return self._part(unit, modes)

    def _find_end(self, start: int) -> int:
        r"""Find `;` at a line's end behind `start`; -1: none yet.

        The newline is the rarer of the two: in values the tools write it as `\n`. But in MariaDB's dumps
        each row begins a line.
        """
        start = max(start, self._searched)
        rare = 0 if self._rows_are_lines else len(self._line_end) - 1
        end = find(self.data, self._line_end, start, rare=rare)
        self._searched = end if end >= 0 else max(start, len(self.data) - len(self._line_end) + 1)
        return end

    def _insert(self, head: rows.Match, end: int, modes: Modes) -> Part | None:
        """Give the INSERT that ends at `end`, None where it is not as the tools write it."""
        found = rows.insert(self.data, head, end, modes, from_tool=self._from_tool)
        if found is None:
            return None
        self._rows_are_lines = self.data.find(b"\n", head.end(), end) >= 0
        unit = Unit(Kind.STATEMENT, found.text_start, found.text_end, end + len(self._line_end))
        meaning = Meaning(Place.ROWS, table=found.table)
        return self._ended(Part(unit, meaning, modes, b";", self.session.values, found.rows))

    def _part(self, unit: Unit, modes: Modes) -> Part:
        meaning, count = Meaning(Place.NEXT, Action.SKIP), 0
        if unit.kind is Kind.DELIMITER:
            meaning = self._new_delimiter(unit)
        elif unit.argument:
            meaning = _client_command(unit.argument)
        elif unit.kind is Kind.STATEMENT and unit.text_end > unit.text_start:
            text = bytes(self.data[unit.text_start : unit.text_end])
            meaning = understand(text, modes)
            self.session.apply(meaning.assignments)
            if meaning.place is Place.ROWS and meaning.action is Action.EXECUTE:
                counted = rows.counted_slowly(text, modes)
                count = counted or 0
                if counted is None:
                    reason = "an INSERT of something else than values: it depends on what was executed before"
                    meaning = Meaning(Place.ROWS, Action.REFUSE, reason, meaning.table)
        return self._ended(Part(unit, meaning, modes, self.delimiter, self.session.values, count))

    def _new_delimiter(self, unit: Unit) -> Meaning:
        if not unit.argument or b"\\" in unit.argument:
            return Meaning(Place.NEXT, Action.REFUSE, "DELIMITER needs an argument without a backslash")
        self.delimiter = unit.argument
        return Meaning(Place.PREVIOUS if unit.argument == b";" else Place.NEXT, Action.SKIP)

    def _ended(self, part: Part) -> Part:
        self.pos = part.unit.end
        self._enough = 0
        line_end = b";\r\n" if self.data[self.pos - 2 : self.pos] == b"\r\n" else b";\n"
        if line_end != self._line_end:
            self._line_end, self._searched = line_end, 0
        return part


def _client_command(command: bytes) -> Meaning:
    shown = command.decode("latin-1")
    return Meaning(Place.SCHEMA, Action.REFUSE, f"`{shown}` is a command of the mysql client, not SQL")
