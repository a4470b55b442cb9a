"""Reading the statements that make accounts and grant them something: what is dumped, and SHOW GRANTS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final, Literal

import regex as re

from vya_backupdb.engines.mysql.script.modes import PLAIN
from vya_backupdb.engines.mysql.script.tokens import Token, tokens, unquoted
from vya_backupdb.engines.mysql.users.definition import NEW_ROLE, PUBLIC, Definition, Factor, Name
from vya_backupdb.engines.mysql.users.rights import Place, Privilege, Right

_ESCAPED: Final = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPES: Final = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}
_TLS: Final = ("SUBJECT", "ISSUER", "CIPHER")


class UnknownStatementError(Exception):
    """A statement says what no dump of accounts does."""


def account_of(statements: Iterable[bytes]) -> tuple[Name, Definition]:
    """Read the statements that make one account.

    Raises UnknownStatementError.
    """
    name, definition = Name(PUBLIC, None), NEW_ROLE
    for statement in statements:
        name, definition = definition_in(statement, definition)
    return name, definition


def definition_in(statement: bytes, before: Definition) -> tuple[Name, Definition]:
    """Read a CREATE USER, a CREATE ROLE, or an ALTER USER of what was made before it."""
    words = _Words(statement)
    is_new = words.take("CREATE")
    if is_new and words.take("ROLE"):
        before = NEW_ROLE
    elif (is_new or words.take("ALTER")) and words.take("USER"):
        before = Definition() if is_new else before
    else:
        raise UnknownStatementError
    name = words.account()
    told: dict[str, Any] = {}
    while not words.at_end():
        told.update(_clause(words))
    return name, replace(before, **told)


def _clause(words: _Words) -> dict[str, object]:
    if words.take("IDENTIFIED"):
        return _factors(words)
    if words.take("REQUIRE"):
        return {"tls": tuple(_tls(words))}
    if words.take("WITH"):
        return {"limits": tuple(sorted(_limits(words)))}
    if words.take("PASSWORD"):
        return _password(words)
    if words.take("ACCOUNT"):
        return {"locked": words.one_of("LOCK", "UNLOCK") == "LOCK"}
    if words.take("FAILED_LOGIN_ATTEMPTS"):
        return {"failed_attempts": words.number()}
    if words.take("PASSWORD_LOCK_TIME"):
        return {"lock_days": -1 if words.take("UNBOUNDED") else words.number()}
    words.expect("ATTRIBUTE")
    return {"attribute": words.string()}


def _factors(words: _Words) -> dict[str, object]:
    if words.take("VIA"):
        found = [Factor(words.name(), words.string() if words.take("USING") else "")]
        while words.take("OR"):
            found.append(Factor(words.name(), words.string() if words.take("USING") else ""))
        return {"factors": tuple(found), "alternatives": len(found) > 1}
    found = []
    while True:
        words.expect("WITH")
        found.append(Factor(words.string(), words.string() if words.take("AS") else ""))
        if not words.take("AND"):
            return {"factors": tuple(found)}
        words.expect("IDENTIFIED")


def _tls(words: _Words) -> Iterator[tuple[str, str]]:
    if words.take("NONE"):
        return
    for key in ("SSL", "X509"):
        if words.take(key):
            yield key, ""
    for key in _TLS:
        if words.take(key):
            yield key, words.string()


def _limits(words: _Words) -> Iterator[tuple[str, str]]:
    while words.word().startswith("MAX_"):
        key = words.next_word()
        yield key, limit(words.decimal())


def limit(value: str) -> str:
    """Give a limit without needless zeros: seconds may have decimals."""
    return value.rstrip("0").rstrip(".") if "." in value else value


def _password(words: _Words) -> dict[str, object]:
    if words.take("EXPIRE"):
        if words.take("NEVER"):
            return {"lifetime": 0, "expired": False}
        if words.take("INTERVAL"):
            days = words.number()
            words.expect("DAY")
            return {"lifetime": days, "expired": False}
        return {"expired": True}
    if words.take("HISTORY"):
        return {"history": words.number()}
    if words.take("REUSE"):
        words.expect("INTERVAL")
        days = words.number()
        words.expect("DAY")
        return {"reuse_interval": days}
    words.expect("REQUIRE")
    words.expect("CURRENT")
    return {"require_current": not words.take("OPTIONAL")}


# ---------------------------------------------------------------------------- grants


def rights_in(statement: bytes) -> tuple[Name, tuple[Right, ...]]:
    """Read a GRANT, REVOKE or SET DEFAULT ROLE: to whom, and what.

    What MariaDB's SHOW GRANTS says of passwords, TLS and limits is passed over. Raises
    UnknownStatementError.
    """
    words = _Words(statement)
    if words.take("SET"):
        words.expect("DEFAULT")
        words.expect("ROLE")
        names = tuple(sorted(words.accounts()))
        words.one_of("TO", "FOR")
        return words.account(), (Right("default", accounts=names),)
    verb = words.one_of("GRANT", "REVOKE")
    if words.is_name():
        roles = list(words.accounts())
        words.expect("TO")
        grantee, option = words.account(), words.has("ADMIN", "OPTION")
        return grantee, tuple(Right("role", accounts=(role,), option=option) for role in roles)
    if words.take("PROXY"):
        words.expect("ON")
        proxied = words.account()
        words.expect("TO")
        return words.account(), (Right("proxy", accounts=(proxied,), option=words.has("GRANT", "OPTION")),)
    privileges = frozenset(_privileges(words))
    place = _place(words)
    words.expect("TO" if verb == "GRANT" else "FROM")
    grantee = words.account()
    kind: Literal["privileges", "revoked"] = "privileges" if verb == "GRANT" else "revoked"
    return grantee, (Right(kind, place, privileges, option=words.has("GRANT", "OPTION")),)


def _privileges(words: _Words) -> Iterator[Privilege]:
    while True:
        name = [words.next_word()]
        while words.word() not in ("", "ON"):
            name.append(words.next_word())
        if words.sign("("):
            yield " ".join(name), words.name()
            while words.sign(","):
                yield " ".join(name), words.name()
            words.expect_sign(")")
        else:
            yield " ".join(name), ""
        if not words.sign(","):
            words.expect("ON")
            return


def _place(words: _Words) -> Place:
    kind = []
    while words.word():
        kind.append(words.next_word())
    database = None if words.sign("*") else words.name()
    words.expect_sign(".")
    return Place(database, None if words.sign("*") else words.name(), " ".join(kind))


# ---------------------------------------------------------------------------- words


class _Words:
    """A statement's pieces, taken from the left."""

    def __init__(self, statement: bytes) -> None:
        self._text = statement
        self._pieces = list(tokens(statement, PLAIN))
        self._next = 0

    def at_end(self) -> bool:
        return self._next >= len(self._pieces)

    def word(self) -> str:
        """Give the next piece if it is a word, in capitals; else an empty string."""
        return "" if self.at_end() else self._word(self._next)

    def _word(self, number: int) -> str:
        token, start, end = self._pieces[number]
        return self._text[start:end].decode("latin-1").upper() if token is Token.WORD else ""

    def next_word(self) -> str:
        word = self.word()
        if not word:
            raise UnknownStatementError
        self._next += 1
        return word

    def take(self, word: str) -> bool:
        found = self.word() == word
        self._next += found
        return found

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise UnknownStatementError

    def one_of(self, *words: str) -> str:
        word = self.next_word()
        if word not in words:
            raise UnknownStatementError
        return word

    def has(self, first: str, second: str) -> bool:
        """Whether two words stand together in what is left, outside of strings."""
        rest = [self._word(number) for number in range(self._next, len(self._pieces))]
        return (first, second) in pairwise(rest)

    def sign(self, character: str) -> bool:
        found = not self.at_end() and self._piece() == (Token.OTHER, character.encode())
        self._next += found
        return found

    def expect_sign(self, character: str) -> None:
        if not self.sign(character):
            raise UnknownStatementError

    def is_name(self) -> bool:
        return not self.at_end() and self._pieces[self._next][0] is Token.NAME

    def name(self) -> str:
        if not self.is_name():
            raise UnknownStatementError
        return _decoded(unquoted(self._taken()))

    def account(self) -> Name:
        if self.take(PUBLIC):
            return Name(PUBLIC, None)
        name = self.name()
        if self.at_end() or self._piece()[0] is not Token.VARIABLE:
            return Name(name, None)
        return Name(name, _decoded(unquoted(self._taken()[1:])))

    def accounts(self) -> Iterator[Name]:
        yield self.account()
        while self.sign(","):
            yield self.account()

    def string(self) -> str:
        """Take a literal, which may be in hexadecimal."""
        if self.at_end():
            raise UnknownStatementError
        token, piece = self._piece()
        self._next += 1
        if token is Token.STRING and piece[:1] == b"'":
            return _ESCAPED.sub(_unescaped, _decoded(piece[1:-1]))
        if token is Token.WORD and piece[:2] == b"0x":
            try:
                return _decoded(bytes.fromhex(piece[2:].decode("ascii")))
            except ValueError:
                raise UnknownStatementError from None
        raise UnknownStatementError

    def number(self) -> int:
        word = self.next_word()
        if not word.isdecimal():
            raise UnknownStatementError
        return int(word)

    def decimal(self) -> str:
        whole = str(self.number())
        return f"{whole}.{self.next_word()}" if self.sign(".") else whole

    def _piece(self) -> tuple[Token, bytes]:
        token, start, end = self._pieces[self._next]
        return token, self._text[start:end]

    def _taken(self) -> bytes:
        piece = self._piece()[1]
        self._next += 1
        return piece


def _decoded(piece: bytes) -> str:
    return piece.decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[str]) -> str:
    escaped = found[1]
    return "'" if escaped is None else _ESCAPES.get(escaped, escaped)
