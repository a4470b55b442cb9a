"""The connections that all the queries of a run use: to the maintenance database, and to that in work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.connection import Connection, connect, lock_wait, where
from vya_backupdb.engines.postgresql.failures import server_says
from vya_backupdb.errors import ConnectionFailed, VyaBackupDBError

OURS: Final = "vya-backupdb"
"""application_name of the connections, as pg_stat_activity and the server's log show it."""


class Connections:
    """One to the maintenance database, and one to the database in work, opened when needed."""

    def __init__(self, instance: Instance, credential: Credential) -> None:
        """Connect. Raises ConnectionFailed with one clear line."""
        self._instance = instance
        self._credential = credential
        self.main = self.another()
        self._work: Connection | None = None

    @property
    def where(self) -> str:
        """The instance and its address, for messages."""
        return f"{self._instance.id} ({where(self._instance)})"

    def another(self) -> Connection:
        """Open one more to the maintenance database, which the caller closes. Raises ConnectionFailed."""
        return self._connect(self._instance.maintenance_database)

    def within(self, database: str) -> Connection:
        """Give that to a database; it is kept until another one is asked for. Raises ConnectionFailed."""
        if self.main.info.dbname == database:
            return self.main
        if self._work is None or self._work.closed or self._work.info.dbname != database:
            self._leave_work()
            self._work = self._connect(database)
        return self._work

    def leave(self, database: str) -> None:
        """Have none to the database; where it is the one for maintenance, take another for that."""
        self._leave_work()
        if self.main.info.dbname != database:
            return
        elsewhere = "template1" if database == "postgres" else "postgres"
        other = self._connect(elsewhere)
        self.main.close()
        self.main = other

    def close(self) -> None:
        """Close both."""
        self._leave_work()
        self.main.close()

    @contextmanager
    def errors(self, kind: type[VyaBackupDBError], what: str) -> Iterator[None]:
        """Turn what the driver raises in the block into a ConnectionFailed or an error of this kind."""
        try:
            yield
        except psycopg.Error as error:
            if self.main.closed or (self._work is not None and self._work.closed):
                raise ConnectionFailed(
                    f"{self.where}: the connection was lost: {server_says(error)}",
                    cure="look at the server's log",
                ) from error
            raise kind(f"{self.where}: {what}: {server_says(error)}", cure=_cure(error)) from error
        except UnicodeEncodeError as error:
            raise kind(f"{self.where}: {what}: the name is not UTF-8") from error

    def _connect(self, database: str) -> Connection:
        connection = connect(self._instance, self._credential, database, application=OURS)
        connection.execute(b"SET search_path TO ''")  # names are shown with their schema
        wait = sql.Literal(lock_wait(self._instance))
        connection.execute(sql.SQL("SET lock_timeout TO {}").format(wait))
        return connection

    def _leave_work(self) -> None:
        if self._work is not None:
            self._work.close()
            self._work = None


def _cure(error: psycopg.Error) -> str | None:
    if isinstance(error, psycopg.errors.CharacterNotInRepertoire | psycopg.errors.UntranslatableCharacter):
        return (
            "the name of a role that has to do with it, or a comment, was written in a database of another "
            "encoding, and no script can say it here: give it another one (ALTER ROLE ... RENAME TO ...)"
        )
    return None
