"""Accounts as a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from vya_backupdb.engines.mysql.facts import on
from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.engines.mysql.users import reading
from vya_backupdb.engines.mysql.users.definition import Name
from vya_backupdb.engines.mysql.users.rights import as_literal
from vya_backupdb.engines.mysql.users.source import line_of
from vya_backupdb.errors import BackupError
from vya_backupdb.model import DumpTool, Finding, Section, SectionKind, ServerFacts

SETTINGS: Final = (b"SET NAMES utf8mb4", b"SET SESSION sql_mode = ''")
LITERAL: Final = b"SET @names_are_literal = 1"
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
        lines = [*SETTINGS, *([LITERAL] if literal else [])]
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
