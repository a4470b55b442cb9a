"""What a statement creates, alters or drops, told from its first words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from vya_backupdb.engines.mysql.script.modes import Modes
from vya_backupdb.engines.mysql.script.tokens import Piece, Token, tokens, unquoted

_MOST = 64
"""Pieces looked at to tell what a statement is; a DEFINER and a list of options fit in."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a CREATE, ALTER or DROP is about."""

    verb: str
    """CREATE, ALTER or DROP."""
    kind: str
    """In lower case: `table`, `view`, `trigger`, `package body` ..."""
    name: bytes
    database: bytes | None = None
    """Where the name is qualified with one."""
    definer: bytes | None = None
    """As `user@host`, or `CURRENT_USER`, or a role; None where there is no DEFINER."""


@dataclass(slots=True)
class Head:
    """The first pieces of a statement, without the marks of conditional comments."""

    text: bytes
    modes: Modes
    pieces: Sequence[Piece] = field(init=False)

    def __post_init__(self) -> None:
        found = (p for p in tokens(self.text, self.modes) if p[0] not in (Token.OPEN, Token.CLOSE))
        self.pieces = list(islice(found, _MOST))

    def raw(self, index: int) -> bytes:
        """Give a piece as it is written, empty behind the last."""
        if index >= len(self.pieces):
            return b""
        _, start, end = self.pieces[index]
        return self.text[start:end]

    def word(self, index: int) -> str:
        """Give a keyword in upper case, `""` for anything else."""
        if index >= len(self.pieces) or self.pieces[index][0] is not Token.WORD:
            return ""
        return self.raw(index).decode("latin-1").upper()

    def words(self, index: int, *expected: str) -> bool:
        """Tell whether these keywords stand here."""
        return all(self.word(index + i) == word for i, word in enumerate(expected))

    def excerpt(self) -> str:
        """Give the first words for a message."""
        if not self.pieces:
            return "this"
        shown = b" ".join(self.raw(i) for i in range(min(4, len(self.pieces))))
        return "`" + shown[:60].decode("utf-8", "replace").replace("\n", " ") + "`"

    def is_name(self, index: int) -> bool:
        """Tell whether a name can stand here: a string is none."""
        return index >= len(self.pieces) or self.pieces[index][0] is not Token.STRING

    def name(self, index: int) -> tuple[bytes | None, bytes, int]:
        """Give the database, the name and what follows, where a name stands."""
        first = unquoted(self.raw(index))
        if self.raw(index + 1) == b".":
            return first, unquoted(self.raw(index + 2)), index + 3
        return None, first, index + 1


def definition(text: bytes, modes: Modes) -> Definition | None:
    """Tell what a statement creates, alters or drops, and who its definer is; None for all others."""
    return definition_in(Head(text, modes))


def definition_in(head: Head) -> Definition | None:
    """Tell the same of a statement's first pieces."""
    verb = head.word(0)
    if verb not in ("CREATE", "DROP", "ALTER"):
        return None
    index, definer = 1, None
    while True:
        word = head.word(index)
        if word == "DEFINER":
            definer, index = _definer(head, index + 2)
        elif word in ("ALGORITHM", "SQL"):  # ALGORITHM = x, SQL SECURITY x
            index += 3
        elif word in _MODIFIERS:
            index += 1
        else:
            break
    kind = word.lower()
    index += 1
    if kind == "package" and head.word(index) == "BODY":
        kind, index = "package body", index + 1
    if head.words(index, "IF", "NOT", "EXISTS"):
        index += 3
    elif head.words(index, "IF", "EXISTS"):
        index += 2
    if not head.is_name(index):
        return None
    database, name, _ = head.name(index)
    return Definition(verb, kind, name, database, definer)


_MODIFIERS: Final = frozenset(
    {
        "OR",
        "REPLACE",
        "AGGREGATE",
        "UNIQUE",
        "FULLTEXT",
        "SPATIAL",
        "ONLINE",
        "IGNORE",
        "JSON",
        "RELATIONAL",
        "DUALITY",
    }
)


def _definer(head: Head, index: int) -> tuple[bytes, int]:
    """Give `user@host` and the index of what follows."""
    user = unquoted(_unstring(head.raw(index)))
    after = head.raw(index + 1)
    if after == b"(" and user.upper() == b"CURRENT_USER":
        return b"CURRENT_USER", index + 3
    if after == b"@":
        return user + b"@" + unquoted(_unstring(head.raw(index + 2))), index + 3
    if after.startswith(b"@"):
        return user + b"@" + unquoted(_unstring(after[1:])), index + 2
    return (b"CURRENT_USER" if user.upper() == b"CURRENT_USER" else user), index + 1


def _unstring(piece: bytes) -> bytes:
    return piece[1:-1].replace(b"''", b"'") if piece.startswith(b"'") and len(piece) > 1 else piece
