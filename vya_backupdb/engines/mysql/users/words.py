"""A statement about accounts, taken apart into words, names and strings.

It is less than script/tokens.py knows: no comment stands in a statement of ours, and no string in double
quotes. In return thousands of accounts are read in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from vya_backupdb.engines.mysql.users.definition import PUBLIC, Name

_NAME: Final = r"`[^`]*(?:``[^`]*)*`(?!`)"
_PIECE: Final = re.compile(
    rf"""\s*(?: (?P<name>{_NAME})
              | (?P<host>@{_NAME})
              | (?P<string>'[^'\\]*(?:(?:''|\\.)[^'\\]*)*'(?!'))
              | (?P<word>[A-Za-z0-9_$\x80-\xff]+)
              | (?P<other>\S) )""".encode("latin-1"),
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPES: Final = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}
_LONGEST_NUMBER: Final = 20
"""Digits; the servers' own are of 64 bits."""


class UnknownStatementError(Exception):
    """A statement says what no dump of accounts does."""


class Words:
    """A statement's pieces, taken from the left. Every method that expects raises UnknownStatementError."""

    def __init__(self, statement: bytes) -> None:
        found = [(piece.lastgroup, piece) for piece in _PIECE.finditer(statement)]
        self._kinds = [kind for kind, _ in found]
        self._pieces = [piece[kind or 0] for kind, piece in found]
        self._words = [
            piece.decode("latin-1").upper() if kind == "word" else ""
            for kind, piece in zip(self._kinds, self._pieces, strict=True)
        ]
        self._kinds.append(None)
        self._words.append("")
        self._next = 0

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._kinds[self._next] is None

    def word(self) -> str:
        """Give the next piece if it is a word, in capitals; else an empty string."""
        return self._words[self._next]

    def next_word(self) -> str:
        """Take a word, whatever it is."""
        word = self._words[self._next]
        if not word:
            raise UnknownStatementError
        self._next += 1
        return word

    def take(self, word: str) -> bool:
        """Take this word if it is the next one."""
        found = self._words[self._next] == word
        self._next += found
        return found

    def expect(self, word: str) -> None:
        """Take this word."""
        if not self.take(word):
            raise UnknownStatementError

    def one_of(self, *words: str) -> str:
        """Take one of these words."""
        word = self.next_word()
        if word not in words:
            raise UnknownStatementError
        return word

    def has(self, first: str, second: str) -> bool:
        """Whether two words stand together in what is left, outside of strings."""
        return (first, second) in pairwise(self._words[self._next :])

    def sign(self, character: str) -> bool:
        """Take this character if it is the next piece."""
        found = self._kinds[self._next] == "other" and self._pieces[self._next] == character.encode()
        self._next += found
        return found

    def expect_sign(self, character: str) -> None:
        """Take this character."""
        if not self.sign(character):
            raise UnknownStatementError

    def is_name(self) -> bool:
        """Whether a quoted name comes next."""
        return self._kinds[self._next] == "name"

    def name(self) -> str:
        """Take a quoted name."""
        if not self.is_name():
            raise UnknownStatementError
        return _identifier(self._taken())

    def account(self) -> Name:
        """Take the name of an account: a quoted name, a quoted host; PUBLIC."""
        if self.take(PUBLIC):
            return Name(PUBLIC, None)
        if self._kinds[self._next] == "string":  # up to 10.11.18, MariaDB writes those of GRANT PROXY so
            name = self._plain()
            self.expect_sign("@")
            return Name(name, self._plain())
        name = self.name()
        if self._kinds[self._next] != "host":
            return Name(name, None)
        return Name(name, _identifier(self._taken()[1:]))

    def accounts(self) -> Iterator[Name]:
        """Take names of accounts with commas between them."""
        yield self.account()
        while self.sign(","):
            yield self.account()

    def string(self) -> str:
        """Take a literal, which may be in hexadecimal."""
        kind = self._kinds[self._next]
        piece = self._taken() if kind in ("string", "word") else b""
        if kind == "string":
            return _ESCAPED.sub(_unescaped, _decoded(piece[1:-1]))
        if piece[:2] == b"0x":
            try:
                return _decoded(bytes.fromhex(piece[2:].decode("ascii")))
            except ValueError:
                raise UnknownStatementError from None
        raise UnknownStatementError

    def _plain(self) -> str:
        """Take a literal that means what it shows: the server escapes nothing in it."""
        if self._kinds[self._next] != "string":
            raise UnknownStatementError
        piece = self._taken()
        if b"\\" in piece or b"'" in piece[1:-1]:
            raise UnknownStatementError
        return _decoded(piece[1:-1])

    def number(self) -> int:
        """Take a whole number."""
        word = self.next_word()
        if not word.isdecimal() or len(word) > _LONGEST_NUMBER:
            raise UnknownStatementError
        return int(word)

    def decimal(self) -> str:
        """Take a number, which may have decimals, and a sign (MariaDB: MAX_USER_CONNECTIONS -1)."""
        sign = "-" if self.sign("-") else ""
        whole = f"{sign}{self.number()}"
        if not self.sign("."):
            return whole
        decimals = self.next_word()
        if not decimals.isdecimal():
            raise UnknownStatementError
        return f"{whole}.{decimals}"

    def _taken(self) -> bytes:
        piece = self._pieces[self._next]
        self._next += 1
        return piece


def _identifier(piece: bytes) -> str:
    if b"\0" in piece:  # no identifier may hold it
        raise UnknownStatementError
    return _decoded(piece[1:-1].replace(b"``", b"`"))


def _decoded(piece: bytes) -> str:
    return piece.decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[str]) -> str:
    escaped = found[1]
    return "'" if escaped is None else _ESCAPES.get(escaped, escaped)
