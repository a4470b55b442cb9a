"""What a statement is made of."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache

import regex as re

from vya_backupdb.engines.mysql.script.modes import Modes, masked


class Token(Enum):
    """What a piece of a statement is."""

    WORD = auto()
    """A keyword, an unquoted name or a number."""
    NAME = auto()
    STRING = auto()
    VARIABLE = auto()
    """`@x`, `@'x'` or `@@session.x`."""
    OPEN = auto()
    """The beginning of a conditional comment with its version."""
    CLOSE = auto()
    OTHER = auto()
    """One character."""


Piece = tuple[Token, int, int]
"""What it is, and where it begins and ends."""

_TOKENS = r"""
    (?: [\s\x00]++ | /\*(?!!|M!).*?\*/ | --(?=[\s\x00-\x1f]|\Z)[^\n]*+ | \#[^\n]*+ )*+
    (?: (?P<OPEN>/\*M?!\d*+)
      | (?P<CLOSE>\*/)
      | (?P<NAME>`(?:[^`]++|``)*+`{name})
      | (?P<STRING>{string})
      | (?P<VARIABLE>@@?+(?:[A-Za-z0-9_.$\x80-\xff]++|`(?:[^`]++|``)*+`|{string}))
      | (?P<WORD>[A-Za-z0-9_$\x80-\xff]++)
      | (?P<OTHER>.)
    )"""


@lru_cache(maxsize=4)
def _tokens(ansi_quotes: bool, no_backslash_escapes: bool) -> re.Pattern[bytes]:
    escape = "" if no_backslash_escapes else r"|\\."
    excluded = "" if no_backslash_escapes else r"\\"
    string = rf"'(?:[^'{excluded}]++|''{escape})*+'"
    double = rf"\"(?:[^\"{excluded}]++|\"\"{escape})*+\""
    name = r"|\"(?:[^\"]++|\"\")*+\""
    pattern = (
        _TOKENS.replace("{name}", name).replace("{string}", string)
        if ansi_quotes
        else _TOKENS.replace("{name}", "").replace("{string}", f"{string}|{double}")
    )
    return re.compile(pattern.encode("latin-1"), re.VERBOSE | re.DOTALL)


def tokens(text: bytes, modes: Modes, pos: int = 0) -> Iterator[Piece]:
    """Give the pieces of a statement, from `pos` on, without white space and comments, lazily."""
    text = masked(text, modes)
    pattern = _tokens(modes.ansi_quotes, modes.no_backslash_escapes)
    while True:
        found = pattern.match(text, pos)
        if found is None:
            return
        group = found.lastgroup or "OTHER"
        pos = found.end()
        yield Token[group], found.start(group), pos


def unquoted(piece: bytes) -> bytes:
    """Give a name without its quotes; anything else as it is."""
    quote = piece[:1]
    if quote in (b"`", b'"') and len(piece) > 1:
        return piece[1:-1].replace(quote * 2, quote)
    return piece
