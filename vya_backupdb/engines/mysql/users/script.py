"""Accounts as a script, and the script read again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from vya_backupdb.engines.mysql.facts import on
from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.engines.mysql.script.lexer import Kind, scan
from vya_backupdb.engines.mysql.script.modes import PLAIN
from vya_backupdb.engines.mysql.users import reading
from vya_backupdb.engines.mysql.users.definition import PUBLIC, Definition, Name
from vya_backupdb.engines.mysql.users.parsing import definition_in, rights_in
from vya_backupdb.engines.mysql.users.rights import Right, arranged, as_literal, as_pattern, marks
from vya_backupdb.engines.mysql.users.source import Source, SourceAccount, line_of, source_in
from vya_backupdb.engines.mysql.users.words import UnknownStatementError
from vya_backupdb.errors import BackupError, VerificationError
from vya_backupdb.model import Account, DumpTool, Finding, Section, SectionKind, ServerFacts

_SETTINGS: Final = (b"SET NAMES utf8mb4", b"SET SESSION sql_mode = ''")
_LITERAL: Final = b"SET @names_are_literal = 1"
"""Says that the server had partial_revokes on; there a granted database's name is no pattern."""


class MySQLAccountScript:
    """AccountScript of model.py."""

    tool: DumpTool | None = None
    options: tuple[str, ...] = ()

    def __init__(self, queries: Queries, facts: ServerFacts, mend: str, *, system: bool) -> None:
        self.notes: list[Finding] = []
        self._queries = queries
        self._facts = facts
        self._mend = mend
        """What lets the account read the others."""
        self._system = system

    def __iter__(self) -> Iterator[Section]:
        """Give the sections. Raises BackupError."""
        with explained(self._mend):
            yield from self._sections()

    def _sections(self) -> Iterator[Section]:
        server = reading.Accounts(self._queries, self._facts)
        users = self._queries.instance.users
        chosen = [
            found
            for found in server.all()
            if (self._system or not found.is_system) and users.take(found.name.name, found.name.label)
        ]
        self._refuse_twins(chosen)
        self.notes += reading.notes(self._queries, self._facts, chosen)
        literal = on(self._facts, "partial_revokes")
        yield Section(SectionKind.HEADER, self._header(literal))
        for found in chosen:
            if statements := server.account(found, ()).create:
                yield _section(SectionKind.SCHEMA, found.name, _script(statements))
        for found, rights in server.with_rights(chosen):
            if literal:
                rights = tuple(right for right in map(as_literal, rights) if right is not None)
            grants = [right.statement(found.name).encode("utf-8", "surrogateescape") for right in rights]
            if grants:
                yield _section(SectionKind.POST, found.name, _script(grants))

    def _header(self, literal: bool) -> bytes:
        lines = [*_SETTINGS, *([_LITERAL] if literal else [])]
        return line_of(self._facts) + _script(lines)

    def _refuse_twins(self, accounts: Sequence[reading.Found]) -> None:
        labels = Counter(found.name.label for found in accounts)
        for label, number in labels.items():
            if number > 1:
                raise BackupError(
                    f"{self._queries.instance.id}: the role {label} has the same name as the user {label}",
                    cure="give the role a name without an @",
                )


@contextmanager
def explained(mend: str) -> Iterator[None]:
    """Turn what the server refuses into a BackupError; `mend` is what lets the account read the others."""
    try:
        yield
    except QueryError as error:
        if error.code in DENIED:
            raise BackupError(f"{error.what}: accounts cannot be read", cure=mend) from error
        raise BackupError(error.what) from error


def _section(kind: SectionKind, name: Name, body: bytes) -> Section:
    return Section(kind, body, name.label, largest_statement=len(body))


def _script(statements: Iterable[bytes]) -> bytes:
    return b"".join(statement + b";\n" for statement in statements)


# ---------------------------------------------------------------------------- reading it


def accounts_in(script: Iterable[Section]) -> list[Account]:
    """Read a script of accounts. Raises VerificationError for what is none."""
    reader = _Reader()
    for section in script:
        reader.source = reader.source or source_in(section.body)
        try:
            for statement in _statements(section.body):
                reader.take(statement)
        except UnknownStatementError:
            raise VerificationError(
                "this is no backup of accounts: it holds a statement that makes none and grants nothing"
            ) from None
    return reader.accounts()


_PLAIN: Final = rb"[^;'`\"#/\\$\n-]*"
_OURS: Final = re.compile(
    rb"((?:GRANT|REVOKE|CREATE|ALTER|SET) " + _PLAIN + rb"(?:(?:`[^`]*`|'[^'\\]*')" + _PLAIN + rb")*);\n"
)
"""A statement as this module writes it, but one with a backslash: where it ends is plain to see."""


def _statements(body: bytes) -> Iterator[bytes]:
    pos = 0
    while (found := _OURS.match(body, pos)) is not None:
        yield found[1]
        pos = found.end()
    while (unit := scan(body, pos, b";", PLAIN, final=True)) is not None and unit.kind is not Kind.REST:
        if unit.kind is not Kind.STATEMENT or unit.argument:
            raise UnknownStatementError
        if unit.text_end > unit.text_start:
            yield body[unit.text_start : unit.text_end]
        pos = unit.end


class _Reader:
    """Takes a script's statements in their order."""

    def __init__(self) -> None:
        self.source: Source | None = None
        self._created: dict[Name, list[bytes]] = {}
        self._definitions: dict[Name, Definition] = {}
        self._rights: dict[Name, list[Right]] = {}
        self._literal = False

    def take(self, statement: bytes) -> None:
        first, second = _words(statement)
        if first == b"SET" and second != b"DEFAULT":
            if statement not in (*_SETTINGS, _LITERAL):
                raise UnknownStatementError
            self._literal = self._literal or statement == _LITERAL
        elif first in (b"CREATE", b"ALTER"):
            name, definition = definition_in(statement, Definition())
            if first == b"ALTER" and name in self._definitions:
                name, definition = definition_in(statement, self._definitions[name])
            elif first == b"ALTER" or name in self._definitions:
                raise UnknownStatementError
            self._created.setdefault(name, []).append(statement)
            self._definitions[name] = definition
        else:
            name, rights = rights_in(statement)
            if name not in self._definitions:
                if name != Name(PUBLIC, None):
                    raise UnknownStatementError
                self._created[name], self._definitions[name] = [], Definition()
            self._rights.setdefault(name, []).extend(rights)

    def accounts(self) -> list[Account]:
        granted = (right for rights in self._rights.values() for right in rights if right.kind == "role")
        roles = {role for right in granted for role in right.accounts}
        return [
            self._account(name, is_role=name in roles or name.host is None or definition.is_role)
            for name, definition in self._definitions.items()
        ]

    def _account(self, name: Name, *, is_role: bool) -> Account:
        definition = self._definitions[name]
        rights = self._rights.get(name, [])
        if self._literal:
            rights = [as_pattern(right) for right in rights]
        ordered = arranged(rights)
        return SourceAccount(
            name.name,
            name.host,
            "role" if is_role else "user",
            tuple(self._created[name]),
            tuple(right.grant(name) for right in ordered),
            definition.properties(),
            definition.secrets(),
            marks(ordered),
            self.source,
            definition,
        )


def _words(statement: bytes) -> tuple[bytes, bytes]:
    first, second, *_ = [*statement.upper().split(None, 2), b"", b""]
    return first, second
