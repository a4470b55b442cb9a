r"""Where a statement of a mysql/mariadb script ends, in bytes.

The rules are those of the clients (`add_line` and `find_command` in client/mysql.cc of MySQL and MariaDB),
checked by running both:

- A delimiter counts outside of strings, quoted names and comments. `DELIMITER` is a line of its own where a
  statement may begin.
- `/*! ... */` and `/*M! ... */` hold code, so strings, comments and delimiters in them count; MariaDB's
  sandbox line (`/*M!999999\- ...`) is the one exception, no server ever executes it.
- `--` begins a comment before white space or the line's end, and always where a statement may begin.
- A backslash outside of quotes and comments is a client command (`\! ls`), but for `\N`, which is NULL. Long
  names (`system ls`) are commands at the beginning of a statement.
- The body of what is written in another language (MySQL 9) may stand in dollar quotes: `AS $tag$ ... $tag$`.
  MySQL's client takes them for quotes anywhere, MariaDB's nowhere.

The servers agree on all of it, with two exceptions. In some character sets a character's second byte may look
like a backslash or backtick; the clients go by their own character set, the servers by character_set_client,
as is done here. And mysqldump (9.7) writes a routine, trigger or event that ends in a line comment so that it
hides the delimiter (`-- why */;;`). The clients run past it; here the line that always follows
(`DELIMITER ;`, or the restoring of the time zone) shows where the statement was meant to end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from typing import Final

import regex as re

from vya_backupdb.engines.mysql.script.modes import Modes, masked

Buffer = bytes | bytearray

COMMANDS: Final = frozenset(
    b"? charset clear connect costs edit ego exit go help nopager notee nowarning pager print prompt"
    b" query_attributes quit rehash resetconnection sandbox source ssl_session_data_print status system tee"
    b" use warnings".split()
)
"""Long names of commands but DELIMITER: `help` of mysql 9.7 with --commands, of mariadb 10.11 and 11.8."""


class Kind(Enum):
    """What a unit of a script is."""

    STATEMENT = auto()
    """Between two delimiters; empty where there was nothing, or only comments."""
    DELIMITER = auto()
    COMMAND = auto()
    """A line that a client takes as a command of its own."""
    REST = auto()
    """White space and comments at the end of the script."""
    UNFINISHED = auto()
    """The script ends inside of something."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A statement or client line with the comments before it and the rest of its last line; offsets."""

    kind: Kind
    text_start: int
    text_end: int
    end: int
    argument: bytes = b""
    """DELIMITER: the new one (empty: none given); COMMAND, STATEMENT: the client command found in it."""
    inside: str = ""
    """UNFINISHED: what the script ends in."""
    hidden_end: bool = False
    """The delimiter stood in a line comment."""


_SPACE = re.compile(rb"[\s\x00]*+")
_LINE_END = re.compile(rb"[ \t]*+(?:\r?+\n|(?P<cut>\r?+\Z))")
_WORD = re.compile(rb"\?|[A-Za-z_]++")
_DOLLAR = re.compile(rb"\$[A-Za-z0-9_\x80-\xff]*+(?P<end>\$)?")
_OTHER_LANGUAGE = re.compile(rb"\bLANGUAGE\b.*\bAS\s*+\Z", re.IGNORECASE | re.DOTALL)
_LONGEST_HEAD = 1 << 16
"""Bytes before a routine's body in which its language is looked for."""
_SANDBOX = b"/*M!999999\\-"
_DELIMITER_LINE = re.compile(
    rb"DELIMITER[ \t]*+(?:'([^']*+)'|\"([^\"]*+)\"|`([^`]*+)`|(\S*+))", re.IGNORECASE
)
_AFTER_HIDDEN_END = re.compile(
    rb"DELIMITER ;|/\*!50003 SET time_zone             = @saved_time_zone \*/ (?P<delimiter>\S++)"
)


@lru_cache(maxsize=64)
def _stops(delimiter: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"[\"'`#$/\\" + re.escape(delimiter[:1]) + rb"-]")


def scan(data: Buffer, start: int, delimiter: bytes, modes: Modes, *, final: bool) -> Unit | None:
    """Find the unit that begins at `start`: at the beginning of a line, or after a delimiter (the same here).

    None: it does not end in what is there. With `final` nothing more will come.
    """
    if modes.charset is None:
        return _Scan(data, start, delimiter, modes, final).unit()
    window = 4096
    while True:
        whole = start + window >= len(data)
        piece = masked(bytes(data[start : start + window]), modes)
        unit = _Scan(piece, 0, delimiter, modes, final and whole).unit()
        if unit is not None:
            return replace(
                unit,
                text_start=start + unit.text_start,
                text_end=start + unit.text_end,
                end=start + unit.end,
            )
        if whole:
            return None
        window *= 2


class _Scan:
    """One walk from a unit's beginning to its end."""

    def __init__(self, data: Buffer, start: int, delimiter: bytes, modes: Modes, final: bool) -> None:
        self._data = data
        self._start = start
        self._delimiter = delimiter
        self._modes = modes
        self._final = final
        self._begin = -1
        """Where the statement begins; -1: nothing but white space and comments so far."""
        self._command = b""
        self._may_be_body = True
        """Whether the first `AS $`, which begins a body in another language, is still to come."""

    def unit(self) -> Unit | None:
        data, size = self._data, len(self._data)
        stops = _stops(self._delimiter)
        pos = self._start
        while True:
            if self._begin < 0:
                found = _SPACE.match(data, pos)
                pos = found.end() if found else pos
                if pos == size:
                    return self._unfinished("")
                unit = self._line(pos)
                if unit is not None:
                    return unit if unit.end >= 0 else None
            else:
                stop = stops.search(data, pos)
                if stop is None:
                    return self._unfinished("a statement")
                pos = stop.start()
            if data.startswith(self._delimiter, pos):
                return self._ended(pos, pos + len(self._delimiter))
            char = data[pos]
            if char in b"'\"`":
                self._begin = pos if self._begin < 0 else self._begin
                after = self._quoted(pos, char)
                if after < 0:
                    return self._unfinished("a quoted name" if char == 0x60 else "a string")
                pos = after
            elif char == 0x23 or (char == 0x2D and self._dashes(pos)):
                hidden = self._line_comment(pos)
                if isinstance(hidden, Unit):
                    return hidden
                if hidden < 0:
                    return self._unfinished("" if self._begin < 0 and self._final else "a comment")
                pos = hidden
            elif char == 0x24 and self._begin >= 0:
                after = self._dollar_quoted(pos)
                if after < 0:
                    return self._unfinished("a body in dollar quotes")
                pos = after
            elif data.startswith(b"/*", pos) and self._is_comment(pos):
                end = data.find(b"*/", pos + 2)
                if end < 0:
                    return self._unfinished("a comment")
                pos = end + 2
            else:
                self._begin = pos if self._begin < 0 else self._begin
                pos = (
                    self._backslash(pos) if char == 0x5C else pos + (3 if data.startswith(b"/*", pos) else 1)
                )
                if pos < 0:
                    return self._unfinished("a statement")

    def _unfinished(self, inside: str) -> Unit | None:
        if not self._final:
            return None
        size = len(self._data)
        begin = size if self._begin < 0 else self._begin
        kind = Kind.UNFINISHED if inside else Kind.REST
        return Unit(kind, begin, size, size, self._command, inside)

    def _ended(self, text_end: int, pos: int, *, hidden: bool = False) -> Unit | None:
        """Give the statement that ends at `text_end`; the rest of the line belongs to it if it is blank."""
        line_end = _LINE_END.match(self._data, pos)
        if line_end is not None:
            if line_end["cut"] is not None and not self._final:
                return None
            pos = line_end.end()
        begin = text_end if self._begin < 0 else self._begin
        while text_end > begin and self._data[text_end - 1] in b" \t\r\n\f\v\x00":
            text_end -= 1
        return Unit(Kind.STATEMENT, begin, text_end, pos, self._command, hidden_end=hidden)

    def _line(self, pos: int) -> Unit | None:
        """Give the DELIMITER line or client command at `pos`, None if there is none; end -1: wait."""
        data = self._data
        wait = Unit(Kind.REST, 0, 0, -1)
        word = _WORD.match(data, pos)
        if word is None:
            return None
        name = word[0].lower()
        if (name != b"delimiter" and name not in COMMANDS) or not self._begins_line(pos):
            return None
        newline = data.find(b"\n", pos)
        if newline < 0 and not self._final:
            return wait
        end = len(data) if newline < 0 else newline + 1
        line = bytes(data[pos:end])
        text_end = pos + len(line.rstrip())
        if name == b"delimiter":
            found = _DELIMITER_LINE.match(line)
            argument = next(filter(None, found.groups()), b"") if found else b""
            return Unit(Kind.DELIMITER, pos, text_end, end, argument)
        if self._delimiter in line or b"\\g" in line or line[len(name) :][:1].strip():
            return None
        return Unit(Kind.COMMAND, pos, text_end, end, name)

    def _begins_line(self, pos: int) -> bool:
        newline = self._data.rfind(b"\n", self._start, pos)
        return not self._data[max(self._start, newline + 1) : pos].strip(b" \t")

    def _dashes(self, pos: int) -> bool:
        if not self._data.startswith(b"--", pos):
            return False
        return self._begin < 0 or self._data[pos + 2 : pos + 3] <= b" "

    def _is_comment(self, pos: int) -> bool:
        data = self._data
        if self._begin < 0 and data.startswith(b"/*M!9", pos) and data.startswith(_SANDBOX, pos):
            return True
        return not data.startswith((b"/*!", b"/*M!"), pos)

    def _quoted(self, pos: int, quote: int) -> int:
        """Give the offset after the closing quote, -1 if there is none; a doubled one is two strings here."""
        escapes = quote != 0x60 and not self._modes.no_backslash_escapes
        if quote == 0x22 and self._modes.ansi_quotes:
            escapes = False
        first = pos + 1
        end = pos
        while True:
            end = self._data.find(quote, end + 1)
            if end < 0 or not escapes or self._data[end - 1] != 0x5C:
                return end + 1 if end >= 0 else -1
            run = end - 1
            while run >= first and self._data[run] == 0x5C:
                run -= 1
            if (end - 1 - run) % 2 == 0:
                return end + 1

    def _dollar_quoted(self, pos: int) -> int:
        """Give the offset after a body in dollar quotes, else after the `$`; -1: no end."""
        data = self._data
        quote = _DOLLAR.match(data, pos)
        if quote is None or not self._is_body(pos):
            return pos + 1
        if not quote["end"]:
            return -1 if quote.end() == len(data) and not self._final else pos + 1
        end = data.find(quote[0], quote.end())
        return end + len(quote[0]) if end >= 0 else -1

    def _is_body(self, pos: int) -> bool:
        before = bytes(self._data[max(self._begin, pos - 20) : pos])
        if not self._may_be_body or not before.upper().rstrip().endswith(b"AS"):
            return False
        self._may_be_body = False
        head = bytes(self._data[max(self._begin, pos - _LONGEST_HEAD) : pos])
        return _OTHER_LANGUAGE.search(head) is not None

    def _line_comment(self, pos: int) -> int | Unit:
        """Give the offset after a line comment, or the statement that ends in it; -1: no end."""
        data = self._data
        newline = data.find(b"\n", pos)
        if newline < 0:
            return -1
        if self._begin < 0 or self._delimiter == b";":
            return newline + 1
        line = bytes(data[pos:newline]).rstrip(b" \t\r")
        if not line.endswith(self._delimiter):
            return newline + 1
        after = _AFTER_HIDDEN_END.match(data, newline + 1)
        if after is None or after["delimiter"] not in (None, self._delimiter):
            return newline + 1
        end = pos + len(line)
        unit = self._ended(end - len(self._delimiter), end, hidden=True)
        return -1 if unit is None else unit

    def _backslash(self, pos: int) -> int:
        r"""Give the offset after `\N`, or after the line of a client command, which is noted; -1: no end."""
        if self._data.startswith(b"\\N", pos):
            return pos + 2
        if not self._command:
            self._command = bytes(self._data[pos : pos + 2])
        newline = self._data.find(b"\n", pos)
        return newline + 1 if newline >= 0 else -1
