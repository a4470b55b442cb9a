r"""INSERT statements: where one ends and how many rows it holds, fast and exact.

Nearly all bytes of a dump are rows, so a statement is taken as a whole here, by operations that run in C:

1. A candidate for its end is found: `;` at the end of a line. (The tools escape newlines in values.)
2. What stands in strings is taken out: by dropping all bytes that do not matter, which costs by the byte, or,
   where strings are long and have escapes in them, by cutting at their quotes, which costs by the string.
3. Of what is left only parentheses are kept, and what must not stand outside of strings.
4. It must be `()()()`: the rows, none nested.

What does not answer as the tools' output does (a `;`, a comment, a quoted name, nested parentheses or a
clause behind the rows outside of strings, no end in sight) is left to the lexer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import regex as re

from vya_backupdb.engines.mysql.script.lexer import Buffer
from vya_backupdb.engines.mysql.script.modes import Modes
from vya_backupdb.engines.mysql.script.tokens import Token, tokens, unquoted

Match = re.Match[bytes]

_NAME = rb"(?:`(?:[^`]++|``)++`|\"(?:[^\"]++|\"\")++\"|[A-Za-z0-9_$]++)"
_TRIVIA = rb"(?:[\s\x00]++|--[^\n]*+\n|\#[^\n]*+\n)*+"
_COLUMNS = rb"\((?:[A-Za-z0-9_$\x80-\xff,\s]++|`(?:[^`]++|``)*+`|\"(?:[^\"]++|\"\")*+\")*+\)"
_FIRST_LETTER: Final = re.compile(_TRIVIA + rb"[IR]")
_HEAD: Final = re.compile(
    _TRIVIA
    + rb"(?P<text>(?:INSERT|REPLACE)(?: ++(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*+ ++INTO ++)"
    + rb"(?P<table>"
    + _NAME
    + rb") *+(?:"
    + _COLUMNS
    + rb" *+)?+VALUES\s*+(?=\()"
)

_STRUCTURE: Final = b'()"`#;*=\\'
"""Parentheses, and what shows that something else than values stands outside of strings."""
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(_STRUCTURE))
_NOT_STRUCTURE_OR_QUOTES_OR_DASHES: Final = bytes(set(_NOT_STRUCTURE) - set(b"'-"))
_NOT_ROWS_OR_QUOTES: Final = bytes(set(range(256)) - set(b"()'"))
_DATE: Final = b"\0"
"""Stands for the `'--'` that is left of a date: nothing else leaves this byte."""
_QUOTE: Final = ord("'")
_SAMPLE: Final = 1 << 14
_LONG: Final = 64
"""Bytes for each quote above which it is faster to cut out strings one by one, if there are escapes; without
them it never is (measured with 16 to 256)."""
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
    # asked first, for _HEAD is not tried before all that follows was searched for a blank, which it needs
    return _HEAD.match(data, pos) if _FIRST_LETTER.match(data, pos) else None


def insert(data: Buffer, head: Match, end: int, modes: Modes, *, from_tool: bool = False) -> Insert | None:
    """Give the INSERT that ends at the delimiter at `end`, or None if that takes the lexer."""
    rows = _lines(data, head.end(), end) if from_tool else None
    if rows is None:
        with memoryview(data) as view:
            values = bytes(view[head.end() : end])
        rows = counted(values, backslashes=not modes.no_backslash_escapes, from_tool=from_tool)
    if rows is None:
        return None
    while data[end - 1] in b" \t\r\n\f\v\x00":
        end -= 1
    return Insert(head.start("text"), end, unquoted(bytes(head["table"])), rows)


def _lines(data: Buffer, start: int, end: int) -> int | None:
    r"""Count the rows as mariadb-dump itself writes them: each on a line, newlines in values as `\n`.

    None where there is one line only, or where it is not for certain. This is ten times as fast as `counted`,
    and is right of what comes from the tool; a script of unknown origin may have newlines in its strings.
    """
    first = data.find(b"\n", start, end)
    if first < 0 or data[first - 2 : first + 2] != b"),\n(" or data[end - 1 : end] != b")":
        return None
    return data.count(b"\n", start, end) + 1


def counted(values: bytes, *, backslashes: bool = True, from_tool: bool = False) -> int | None:
    """Count the rows of a list of values as the tools write it; None where it is not for certain.

    `from_tool`: a tool of ours is writing it, and none writes comments, names or clauses between values.
    """
    escapes = backslashes and b"\\" in values
    sample = min(len(values), _SAMPLE)
    are_long = escapes and values.count(b"'", 0, sample) * _LONG < sample
    if are_long:
        left = _without_long_strings(values, escapes)
    elif from_tool:
        left = _outside(_without_escapes(values, escapes).translate(None, _NOT_ROWS_OR_QUOTES))
    else:
        left = _without_short_strings(values, escapes)
    if left is None:
        return None
    rows = len(left) // 2
    return None if not rows or left != b"()" * rows or _has_clause(values[-_LONGEST_CLAUSE:]) else rows


def _without_long_strings(values: bytes, escapes: bool) -> bytes | None:
    """Give the structure outside of strings; None where a string has no end, or for what may be a comment."""
    pieces = values.split(b"'")
    if escapes:
        pieces = _at_real_quotes(pieces)
    if len(pieces) % 2 == 0:
        return None
    outside = b"'".join(pieces[::2])
    if b"-" in outside and b"--" in outside:  # the first is twenty times as fast
        return None
    return outside.translate(None, _NOT_STRUCTURE)


def _at_real_quotes(pieces: list[bytes]) -> list[bytes]:
    """Leave out what follows an escaped quote, and so belongs to the string before it.

    Of a quote that is escaped outside of strings the backslash stays, which nothing there may be.
    """
    kept = []
    is_escaped = False
    for piece in pieces:
        if not is_escaped:
            kept.append(piece)
        is_escaped = piece.endswith(b"\\") and (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1
    return kept


def _without_escapes(values: bytes, escapes: bool) -> bytes:
    """Replace every backslash, and a quote that it escapes, by what is suspicious if not in a string."""
    if not escapes:
        return values
    pieces = iter(values.split(b"\\"))
    kept = [next(pieces)]
    for piece in pieces:
        if not piece:  # a backslash is escaped: what follows it is not
            kept.append(next(pieces, b""))
        else:
            kept.append(piece[1:] if piece[0] == _QUOTE else piece)
    return b"=".join(kept)


def _outside(left: bytes) -> bytes | None:
    """Give what stands outside of strings; None where a string has no end.

    Quotes that stand side by side once all else is dropped go first: a pair taken out never changes whether
    the rest is inside of a string. Now few strings are left, those with kept bytes in them.
    """
    pieces = left.replace(b"''", b"").split(b"'")
    return b"".join(pieces[::2]) if len(pieces) % 2 else None


def _without_short_strings(values: bytes, escapes: bool) -> bytes | None:
    """Give the same as the other way, with what shows that it is not certain."""
    values = _without_escapes(values, escapes)
    left = values.translate(None, _NOT_STRUCTURE_OR_QUOTES_OR_DASHES)
    left = left.replace(b"'--'", _DATE).replace(b"''", b"")
    pieces = left.split(b"'")
    if len(pieces) % 2 == 0:
        return None
    left = b"".join(pieces[::2])
    # the quotes of a "date" inside of a string end it and begin the next: its dashes stand between them
    has_dashes = b"-" in left or _DATE in b"".join(pieces[1::2])
    if has_dashes and b"--" in values and b"--" in b"'".join(values.split(b"'")[::2]):  # not -1,-2
        return None
    return left.translate(None, b"-" + _DATE)


def _has_clause(end: bytes) -> bool:
    """Tell whether something else than rows stands outside of strings at the end, which is outside itself."""
    if not _CLAUSE.search(end):
        return False
    from_behind = end.split(b"'")[::-1]
    return _CLAUSE.search(b"'".join(from_behind[::2][::-1])) is not None


def counted_slowly(text: bytes, modes: Modes) -> int | None:
    """Count the rows of any INSERT by its tokens.

    None for one whose rows a script does not tell (SELECT), or that sets a variable (`@x := 1`).
    """
    rows = depth = 0
    after_values = False
    before = piece = b""
    for token, start, end in tokens(text, modes):
        before, piece = piece, text[start:end]
        if piece == b"=" and before == b":":
            return None
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
