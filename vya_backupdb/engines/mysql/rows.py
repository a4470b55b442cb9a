r"""INSERT statements: where one ends and how many rows it holds, fast and exact.

Nearly all bytes of a dump are rows, so a statement is taken as a whole here, by operations that run in C:

1. A candidate for its end is found: `;` at the end of a line. (The tools escape newlines in values.)
2. Escaped quotes are replaced, then dropped all bytes but quotes, parentheses and what must not be outside of
   strings. Then quotes that stand side by side go: a pair taken out never changes whether the rest is inside.
3. Now few strings are left, those with kept bytes in them. They are cut out at their quotes.
4. What remains stood outside of strings and must be `()()()`: the rows, none nested.

What does not answer as the tools' output does (a `;`, a comment, a quoted name, nested parentheses or a
clause behind the rows outside of strings, no end in sight) is left to the lexer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import regex as re

from vya_backupdb.engines.mysql.lexer import Buffer
from vya_backupdb.engines.mysql.modes import Modes
from vya_backupdb.engines.mysql.tokens import Token, tokens, unquoted

Match = re.Match[bytes]

_NAME = rb"(?:`(?:[^`]++|``)++`|\"(?:[^\"]++|\"\")++\"|[A-Za-z0-9_$]++)"
_TRIVIA = rb"(?:[\s\x00]++|--[^\n]*+\n|\#[^\n]*+\n)*+"
_COLUMNS = rb"\((?:[^()`\"]++|`(?:[^`]++|``)*+`|\"(?:[^\"]++|\"\")*+\")*+\)"
_HEAD: Final = re.compile(
    _TRIVIA
    + rb"(?P<text>(?:INSERT|REPLACE)(?: ++(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*+ ++INTO ++)"
    + rb"(?P<table>"
    + _NAME
    + rb") *+(?:"
    + _COLUMNS
    + rb" *+)?+VALUES\s*+(?=\()"
)

_KEPT = b"'()\"`#;*=\\"
"""Quotes, parentheses, and what shows that something else than values stands outside of strings."""
_DROPPED: Final = bytes(set(range(256)) - set(_KEPT))
_DROPPED_BUT_DASHES: Final = bytes(set(range(256)) - set(_KEPT + b"-"))
_CLAUSE: Final = re.compile(rb"\)[\s\x00]*+(?:AS|ON|RETURNING)\b", re.IGNORECASE)
"""What may follow the rows; it may have parentheses of its own."""
_LONGEST_CLAUSE = 1 << 14


@dataclass(frozen=True, slots=True)
class Insert:
    """Where an INSERT begins and ends (its delimiter excluded), its table and rows."""

    text_start: int
    text_end: int
    table: bytes
    rows: int


def begins(data: Buffer, pos: int) -> Match | None:
    """Tell whether an INSERT as the tools write it begins here, after white space and comments."""
    return _HEAD.match(data, pos)


def insert(data: Buffer, head: Match, end: int, modes: Modes) -> Insert | None:
    """Give the INSERT that ends at the delimiter at `end`, or None if that takes the lexer."""
    with memoryview(data) as view:
        values = bytes(view[head.end() : end])
    rows = counted(values, backslashes=not modes.no_backslash_escapes)
    if rows is None:
        return None
    while data[end - 1] in b" \t\r\n\f\v\x00":
        end -= 1
    return Insert(head.start("text"), end, unquoted(bytes(head["table"])), rows)


def counted(values: bytes, *, backslashes: bool = True) -> int | None:
    """Count the rows of a list of values as the tools write it; None where it is not for certain."""
    if backslashes and b"\\" in values:
        pieces = values.split(b"\\'")
        if any(piece.endswith(b"\\") for piece in pieces):
            pieces = values.replace(b"\\\\", b"=").split(b"\\'")
        values = b"=".join(pieces)  # suspicious, in case it did not stand in a string
    dashes = b"--" in values
    left = values.translate(None, _DROPPED_BUT_DASHES if dashes else _DROPPED).replace(b"''", b"")
    if b"'" in left:
        pieces = left.split(b"'")
        if len(pieces) % 2 == 0:
            return None
        left = b"".join(pieces[::2])
    if dashes:
        if b"--" in left and b"--" in b"'".join(values.split(b"'")[::2]):  # not -1,-2
            return None
        left = left.translate(None, b"-")
    rows = len(left) // 2
    return None if not rows or left != b"()" * rows or _has_clause(values[-_LONGEST_CLAUSE:]) else rows


def _has_clause(end: bytes) -> bool:
    """Tell whether something else than rows stands outside of strings at the end, which is outside itself."""
    if not _CLAUSE.search(end):
        return False
    from_behind = end.split(b"'")[::-1]
    return _CLAUSE.search(b"'".join(from_behind[::2][::-1])) is not None


def counted_slowly(text: bytes, modes: Modes) -> int | None:
    """Count the rows of any INSERT by its tokens; None for one whose rows a script does not tell (SELECT)."""
    rows = depth = 0
    after_values = False
    before = piece = b""
    for token, start, end in tokens(text, modes):
        before, piece = piece, text[start:end]
        if token is Token.OTHER and piece in b"()":
            depth += 1 if piece == b"(" else -1
            if after_values and depth == 0:
                rows += 1
        elif depth == 0 and token is Token.WORD:
            word = piece.upper()
            if after_values:
                if before == b")" and word in (b"AS", b"ON", b"RETURNING"):
                    return rows
            elif word in (b"SELECT", b"TABLE", b"WITH"):
                return None
            elif word == b"SET":
                return 1
            else:
                after_values = word in (b"VALUES", b"VALUE")
    return rows if after_values else None
