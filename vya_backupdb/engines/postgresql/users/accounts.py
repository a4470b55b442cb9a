"""The users and roles of an instance, over the connection of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Final

import psycopg

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql import tools
from vya_backupdb.engines.postgresql.connection import Connection, lock_wait, where
from vya_backupdb.engines.postgresql.failures import one_line
from vya_backupdb.engines.postgresql.users import dump, present
from vya_backupdb.engines.postgresql.users.alter import alterations
from vya_backupdb.engines.postgresql.users.beside import beside
from vya_backupdb.engines.postgresql.users.fit import fit
from vya_backupdb.engines.postgresql.users.quoting import is_utf8
from vya_backupdb.engines.postgresql.users.writing import accounts_of, role_of
from vya_backupdb.errors import (
    BackupError,
    MissingObject,
    RestoreError,
    StatementFailed,
    VyaBackupDBError,
    few,
)
from vya_backupdb.model import Account, Fitted, ServerFacts

Errors = Callable[[type[VyaBackupDBError], str], AbstractContextManager[None]]
"""Turns what the driver raises into errors of ours."""

_SECRET: Final = re.compile(r"SCRAM-SHA-256\$[^'\"\s]*|md5[0-9a-f]{32}")
_GRANTS: Final = re.compile(rb"(?:SET SESSION AUTHORIZATION .*; )?GRANT ", re.DOTALL)
_UNLOGGED: Final = b"SELECT pg_catalog.set_config('log_min_error_statement', 'panic', false)"
_IF_ALLOWED: Final = b" WHERE pg_catalog.has_parameter_privilege('log_min_error_statement', 'SET')"
_SHOWN: Final = 120
"""Characters of a failed statement that its error shows."""


class PostgreSQLAccounts:
    """Dumps, compares and changes roles."""

    def __init__(
        self,
        connection: Callable[[], Connection],
        errors: Errors,
        facts: ServerFacts,
        instance: Instance,
        credential: Credential,
    ) -> None:
        self._connection = connection
        self._errors = errors
        self._facts = facts
        self._instance = instance
        self._credential = credential
        self._settled: Connection | None = None

    def dump(self, *, system: bool = False) -> dump.PostgreSQLAccountScript:
        """Dump all roles; the server's own (the first superuser, postgres, pg_*) only with `system`."""
        tool = tools.dumpall_beside(tools.find_tool(self._facts, self._instance), self._instance)
        with self._errors(BackupError, "the roles cannot be read"):
            connection = self._connection()
            encoding = dump.encoding(connection)
            self._refuse_odd_names(encoding, present.names(connection))
            return dump.PostgreSQLAccountScript(
                instance=self._instance,
                credential=self._credential,
                tool=tool,
                bootstrap=present.bootstrap_superuser(connection),
                encoding=encoding,
                passwords=present.sees_passwords(connection),
                system=system,
                beside=beside(connection),
            )

    def _refuse_odd_names(self, encoding: str, names: Sequence[str]) -> None:
        odd = [name for name in names if not is_utf8(name)]
        if odd and encoding == "UTF8":  # pg_dumpall asks for each role by its name
            raise BackupError(
                f"{self._instance.id}: names of roles are not UTF-8: {few(map(one_line, odd), ', ')}",
                cure="name a database in SQL_ASCII with maintenance_database, or rename them",
            )

    def present(self, labels: Collection[str] | None = None) -> Sequence[Account]:
        """Give the roles that are there; their passwords only where the account may read pg_authid."""
        with self._errors(RestoreError, "the roles cannot be read"):
            return accounts_of(present.present(self._connection(), labels))

    def fit(self, accounts: Sequence[Account]) -> Sequence[Fitted]:
        """Say of each account what of it this server can have."""
        with self._errors(RestoreError, "whether the roles can be made cannot be told"):
            wait = lock_wait(self._instance)
            return fit(self._connection(), self._facts, accounts, lock_wait=wait)

    def alter(self, wanted: Account, present: Account) -> Sequence[bytes]:
        """Give the statements that make a role that is there be as it is wanted."""
        with self._errors(RestoreError, "the roles cannot be read"):
            bootstrap = _bootstrap(self._connection())
        version = self._facts.version_number[0] * 10000
        return tuple(alterations(role_of(wanted), role_of(present), version=version, bootstrap=bootstrap))

    def execute(self, statement: bytes) -> None:
        """Execute one statement. Raises MissingObject where it grants a role that is not there."""
        connection = self._connection()
        failure: StatementFailed | None = None
        try:
            self._settle(connection)
            connection.execute(statement)
        except psycopg.Error as error:
            failure = self._failed(statement, error, lost=connection.closed)
        if failure is not None:  # outside of the handler: the driver's own error quotes the statement
            raise failure

    def _settle(self, connection: Connection) -> None:
        """Let CREATE ROLE give the account in use no more of the new role than it must (16 and later).

        And let the server write no failed statement into its log, as it does by default: a password's hash
        may be in it. Only superusers may ask for that, and from 15 on whom they let.
        """
        if self._settled is not connection:
            version = connection.info.server_version
            if version >= 160000:
                connection.execute(b"SET createrole_self_grant TO ''")
            if version >= 150000:
                connection.execute(_UNLOGGED + _IF_ALLOWED)
            elif self._facts.settings["superuser"] == "on":
                connection.execute(_UNLOGGED)
            self._settled = connection

    def _failed(self, statement: bytes, error: psycopg.Error, *, lost: bool) -> StatementFailed:
        said = one_line(_SECRET.sub("(secret)", error.diag.message_primary or "the connection was lost"))
        head = _SECRET.sub("(secret)", statement.partition(b"'")[0].decode("utf-8", "backslashreplace"))
        shown = one_line(head if len(head) <= _SHOWN else f"{head[:_SHOWN]} ...")
        missing = isinstance(error, psycopg.errors.UndefinedObject) and _GRANTS.match(statement)
        kind = MissingObject if missing else StatementFailed
        return kind(
            f"{self._instance.id} ({where(self._instance)}): {said}: {shown}",
            cure=_cure(error, lost=lost),
            connection_lost=lost,
        )


def _cure(error: psycopg.Error, *, lost: bool) -> str | None:
    if lost:
        return "look at the server's log, then the same command again"
    if isinstance(error, psycopg.errors.DependentObjectsStillExist):
        return "it was granted on to roles that the backup does not have: the same statement with CASCADE"
    if isinstance(error, psycopg.errors.InsufficientPrivilege) and error.diag.message_detail:
        return one_line(_SECRET.sub("(secret)", error.diag.message_detail))  # says who may
    return None


_bootstrap = present.bootstrap_superuser
