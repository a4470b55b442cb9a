"""How a session's settings change the reading of a script: quotes, backslashes, wide characters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_HIDING: Final = {
    "sjis": rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]",
    "cp932": rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]",
    "big5": rb"[\xa1-\xf9][\x40-\x7e\xa1-\xfe]",
    "gbk": rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]",
    "gb18030": rb"[\x81-\xfe](?:[\x40-\x7e\x80-\xfe]|[0-9][\x81-\xfe][0-9])",
}
"""Character sets of clients in which a byte of a character may look like a backslash or backtick, and what
their wide characters are (strings/ctype-*.c of both servers)."""
_IMPLY_ANSI_QUOTES: Final = frozenset(
    {"ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"}
)


@dataclass(frozen=True, slots=True)
class Modes:
    """What the session's settings change about reading."""

    ansi_quotes: bool = False
    """`"x"` is a name, not a string."""
    no_backslash_escapes: bool = False
    charset: str | None = None
    """The client's character set where it is one of those that hide bytes."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(sql_mode: str, charset: str) -> Modes:
        """Give the modes of an sql_mode (a list, or any expression that names modes) and character set."""
        named = set(re.findall(r"[A-Z0-9_]+", sql_mode.upper()))
        return Modes(
            ansi_quotes=not named.isdisjoint(_IMPLY_ANSI_QUOTES),
            no_backslash_escapes="NO_BACKSLASH_ESCAPES" in named,
            charset=charset.lower() if charset.lower() in _HIDING else None,
        )


PLAIN: Final = Modes()


def masked(text: bytes, modes: Modes) -> bytes:
    """Give text of the same length in which no byte of a wide character looks like a backslash or quote."""
    if modes.charset is None:
        return text
    pattern = _wide(modes.charset, modes.no_backslash_escapes)
    return pattern.sub(lambda found: found[0] if found[0][:1] == b"\\" else b"\x80" * len(found[0]), text)


@lru_cache(maxsize=16)
def _wide(charset: str, no_backslash_escapes: bool) -> re.Pattern[bytes]:
    """Match wide characters; and what a backslash escapes, which is a byte, as for the servers."""
    escape = b"" if no_backslash_escapes else rb"\\.|"
    return re.compile(escape + _HIDING[charset], re.DOTALL)
