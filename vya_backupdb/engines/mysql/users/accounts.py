"""The accounts of a server, over the connection that everything is asked over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.privileges import Privileges
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.script.modes import PLAIN
from vya_backupdb.engines.mysql.script.tokens import Token, tokens
from vya_backupdb.engines.mysql.users import fitting, reading
from vya_backupdb.engines.mysql.users.altering import regranting
from vya_backupdb.engines.mysql.users.definition import Name
from vya_backupdb.engines.mysql.users.here import here
from vya_backupdb.engines.mysql.users.parsing import account_of, made_by, rights_of
from vya_backupdb.engines.mysql.users.rendering import alteration
from vya_backupdb.engines.mysql.users.script import MySQLAccountScript, explained
from vya_backupdb.errors import MissingObject, StatementFailed, VyaBackupDBError
from vya_backupdb.model import Account, Fitted, ServerFacts

_MISSING: Final = frozenset({1049, 1146, 1305})
"""ER_BAD_DB_ERROR, ER_NO_SUCH_TABLE, ER_SP_DOES_NOT_EXIST."""
_CURES: Final = {
    1227: "it takes the privilege that is named to give it",
    1290: "look at the options of the server that are named",
    1524: "install the plugin",
    1698: "grant the account the role WITH ADMIN OPTION first",
    1819: "the server checks passwords; let it take hashes, or relax its policy for the restore",
}
_QUOTING: Final = frozenset({1064, 1149, 1300, 1366})
"""Errors whose messages quote the statement."""


class MySQLAccounts:
    """Accounts of base.py for MySQL and MariaDB."""

    def __init__(self, queries: Queries, facts: ServerFacts, privileges: Privileges) -> None:
        self._queries = queries
        self._facts = facts
        self._mend = privileges.mend(["SELECT"], "mysql")
        self._server = reading.Accounts(queries, facts)
        self._made: list[Name] = []
        """MariaDB's roles, of which the account became an admin by making them."""

    def dump(self, *, system: bool = False) -> MySQLAccountScript:
        """Dump all accounts; those of the server itself only with `system`."""
        return MySQLAccountScript(self._queries, self._facts, self._mend, system=system)

    def present(self, labels: Collection[str] | None = None) -> Sequence[Account]:
        """Give the accounts that are there. Raises BackupError where they cannot be read."""
        wanted = None if labels is None else frozenset(labels)
        accounts = []
        with explained(self._mend):
            chosen = [found for found in self._server.all() if wanted is None or found.name.label in wanted]
            for found, rights in self._server.with_rights(chosen):
                account = self._server.account(found, rights)
                if account.create or account.grants:
                    accounts.append(account)
        return accounts

    def fit(self, accounts: Sequence[Account]) -> Sequence[Fitted]:
        """Say of each account what of it this server can have. Raises BackupError as `present` does."""
        with explained(self._mend):
            names = [found.name for found in self._server.all()]
            return fitting.fit(accounts, here(self._queries, self._facts, names))

    def alter(self, wanted: Account, present: Account) -> Sequence[bytes]:
        """Give the statements that make an account that is there be as it is wanted."""
        name, definition = account_of(wanted)
        _, before = account_of(present)
        granted = regranting(name, list(rights_of(wanted)), list(rights_of(present)))
        return [
            *alteration(name, definition, before, self._facts.flavour),
            *(statement.encode("utf-8", "surrogateescape") for statement in granted),
        ]

    def execute(self, statement: bytes) -> None:
        """Execute one statement. Raises MissingObject, else StatementFailed; neither quotes it."""
        try:
            self._queries.execute(statement.decode("utf-8", "surrogateescape"))
        except QueryError as error:
            raise self._failure(statement, error) from None
        if is_mariadb(self._facts) and statement.startswith(b"CREATE ROLE "):
            self._made.append(made_by([statement])[0])

    def close(self) -> None:
        """Take back from the account that it is admin of what it made, where others are. Never raises.

        A role without an admin could not be granted to anybody any more.
        """
        with suppress(VyaBackupDBError):
            for role in self._made:
                others = self._queries.value(
                    "SELECT COUNT(*) FROM mysql.roles_mapping WHERE Role = %s AND Admin_option = 'Y'"
                    " AND CONCAT(User, '@', Host) <> CURRENT_USER()",
                    role.name,
                )
                if others:
                    self._queries.execute(f"REVOKE {role.sql} FROM CURRENT_USER")
        self._made.clear()

    def _failure(self, statement: bytes, error: QueryError) -> StatementFailed:
        what = error.what
        if error.code in _QUOTING or quotes_secret(what, statement):
            what = f"{self._queries.instance.id}: the server does not take the statement ({error.code})"
        kind = MissingObject if error.code in _MISSING else StatementFailed
        return kind(what, cure=_CURES.get(error.code))


def quotes_secret(what: str, statement: bytes) -> bool:
    """Whether a message has a piece of what may be a secret in the statement that it is about."""
    return any(
        secret[start : start + _SHORT] in what
        for secret in _literals(statement)
        for start in range(len(secret) - _SHORT + 1)
    )


def _literals(statement: bytes) -> Iterator[str]:
    """Give a statement's strings but the names of plugins, also those in hexadecimal, as both."""
    before = b""
    for token, start, end in tokens(statement, PLAIN):
        piece = statement[start:end]
        if token is Token.STRING and before.upper() != b"WITH":
            yield piece.decode("utf-8", "replace").strip("'")
        elif piece[:2] == b"0x":
            digits = piece[2:].decode("latin-1")
            yield digits
            with suppress(ValueError):
                yield bytes.fromhex(digits).decode("utf-8", "replace")
        before = piece


_SHORT: Final = 10
"""Characters: less of a secret may be anything else as well."""
