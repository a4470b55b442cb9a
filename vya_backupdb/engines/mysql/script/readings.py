"""What servers of other versions and flavours read in a statement with conditional comments.

`/*!50003 ... */` is code for MySQL from 5.0.3 on and a comment for what is older; `/*M!...*/` is a comment
for MySQL, and MariaDB takes 50700 to 99999 for versions that only MySQL has. A server does not look into what
it passes over: a quote in there begins no string.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import regex as re

from vya_backupdb.engines.mysql.script.modes import Modes, masked
from vya_backupdb.engines.mysql.script.tokens import Token, tokens
from vya_backupdb.model import Span

_HEAD: Final = 1 << 16
"""Bytes of an INSERT in which conditional comments are looked for: its values do not change what it is."""

_MOST: Final = 8
"""Different versions in one statement: the tools write four at the very most."""

_SHORTEST_VERSION: Final = 5
"""Digits; fewer are no version but the beginning of the code."""

_OF_MYSQL_ALONE: Final = range(50700, 100000)
"""Below are versions that every server executes: no older one is supported."""
_CONDITION: Final = re.compile(rb"/\*(M?)!(\d*+)")
_COMMENT_MARK: Final = re.compile(rb"/\*|\*/")
_ROWS: Final = re.compile(rb"(?:INSERT|REPLACE)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Server:
    is_mariadb: bool
    version: int

    def executes(self, of_mariadb: bool, version: int) -> bool:
        """Tell whether what stands in a conditional comment is code here."""
        if version > self.version:
            return False
        return self.is_mariadb if of_mariadb else not (self.is_mariadb and version in _OF_MYSQL_ALONE)


def is_for_all(text: bytes) -> bool:
    """Tell whether every server that is supported executes what begins here in a conditional comment."""
    condition = _CONDITION.match(text)
    return condition is None or (not condition[1] and int(condition[2] or 0) < _OF_MYSQL_ALONE.start)


def readings(text: bytes, modes: Modes) -> list[bytes] | None:
    """Give what is left of a statement where servers pass over some of its conditional comments.

    None where it has too many to tell. What every server executes, or passes over as a whole, is not read
    otherwise.
    """
    if _CONDITION.search(text) is None:
        return []
    if text.startswith(b"/*") and text.endswith(b"*/") and text.count(b"*/") == 1:
        return []
    found: dict[bytes, None] = {}
    versions = {_OF_MYSQL_ALONE.start}
    tried: set[int] = set()
    while untried := versions - tried:
        if len(versions) > _MOST:
            return None
        version = untried.pop()
        tried.add(version)
        for is_mariadb in (False, True):
            found[_read(text, modes, _Server(is_mariadb, version), versions)] = None
    return [reading for reading in found if reading != text]


def _read(text: bytes, modes: Modes, server: _Server, versions: set[int]) -> bytes:
    """Give a statement without what the server passes over; the versions that stand in it are added."""
    kept: list[bytes] = []
    begin = 0
    for start, end in _passed_over(masked(text, modes), replace(modes, charset=None), server, versions):
        kept.append(text[begin:start])
        begin = end
    return b" ".join((*kept, text[begin:]))


def _passed_over(text: bytes, modes: Modes, server: _Server, versions: set[int]) -> Iterator[Span]:
    pos = looked_at = 0
    most = _HEAD if _ROWS.match(text) else len(text)
    while True:
        for token, start, end in tokens(text, modes, pos):
            looked_at += end - pos
            pos = end
            if looked_at > most:
                return
            condition = _CONDITION.match(text, start) if token is Token.OPEN else None
            if condition is None:
                continue
            version = int(condition[2][:6]) if len(condition[2]) >= _SHORTEST_VERSION else 0
            versions.add(max(version, _OF_MYSQL_ALONE.start))
            if not server.executes(bool(condition[1]), version):
                pos = _behind(text, end, nested=server.is_mariadb or not condition[1])
                yield start, pos
                break
        else:
            return


def _behind(text: bytes, pos: int, *, nested: bool) -> int:
    """Give the end of a comment; in a conditional one another comment may stand."""
    while nested and (mark := _COMMENT_MARK.search(text, pos)) is not None and mark.group() == b"/*":
        inner = text.find(b"*/", mark.end())
        pos = len(text) if inner < 0 else inner + 2
    end = text.find(b"*/", pos)
    return len(text) if end < 0 else end + 2
