"""Asking a server: rows as tuples, and errors as ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pymysql

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.failures import code_of, connection_failed, is_lost, message_of
from vya_backupdb.engines.mysql.wire import open_wire
from vya_backupdb.errors import VyaBackupDBError

Row = tuple[Any, ...]

_READ_TIMEOUT: Final = 600.0
"""Seconds for one answer: information_schema opens every table on older servers."""

DENIED: Final = frozenset({1044, 1142, 1143})
"""ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR."""

SHOW_GENERATED_KEYS: Final = "/*!80030 , SESSION show_gipk_in_create_table_and_information_schema = ON */"
"""The end of a SET that shows what MySQL generated (`my_row_id`), also where the server hides it."""

_IDLE: Final = 7 * 24 * 3600
"""Seconds that the server lets the connection rest, while a dump runs for instance."""


class QueryError(VyaBackupDBError):
    """The server answered a query with an error; who asked knows what that means."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what)
        self.code = code


class Queries:
    """The connection that all questions to an instance go through."""

    def __init__(
        self, instance: Instance, credential: Credential, read_timeout: float = _READ_TIMEOUT
    ) -> None:
        self.instance = instance
        self.credential = credential
        self._wire = open_wire(instance, credential, read_timeout=read_timeout)

    def close(self) -> None:
        """End the connection. Never raises."""
        self._wire.release()

    def prepare(self, *, mariadb: bool) -> None:
        """Make the session's answers independent of the server's settings, and its waits bounded."""
        seconds = max(1, int(self.instance.lock_wait.total_seconds()))
        settings = [
            "sql_mode = ''",
            "time_zone = '+00:00'",
            "sql_quote_show_create = 1",
            "autocommit = 1",
            f"lock_wait_timeout = {seconds}",
            f"wait_timeout = {_IDLE}",
            f"interactive_timeout = {_IDLE}",
            "net_write_timeout = 600",
            "max_statement_time = 0" if mariadb else "max_execution_time = 0",
        ]
        self.execute(f"SET SESSION {', SESSION '.join(settings)} {SHOW_GENERATED_KEYS}")

    @property
    def login_plugin(self) -> str:
        """The authentication plugin with which the account logged in."""
        return self._wire.login_plugin

    @property
    def offers_tls(self) -> bool:
        """Whether the server can do TLS."""
        return self._wire.offers_tls()

    def rows(self, sql: str, *values: str | int) -> list[Row]:
        """Give all rows of an answer. Values stand for the `%s` in the text.

        Raises QueryError with the server's error number; ConnectionFailed where the connection is lost.
        """
        with self._wire.cursor() as cursor:
            try:
                cursor.execute(sql, values or None)
                return list(cursor.fetchall())
            except (pymysql.err.Error, OSError) as error:
                raise self._failure(error) from error

    def rows_of_each(self, statements: Sequence[str]) -> list[list[Row]]:
        """Give the rows of several statements, which go to the server and come back together.

        Raises QueryError for the first that fails, as `rows` does; those after it are not executed.
        """
        try:
            with self._wire.several_statements(), self._wire.cursor() as cursor:
                cursor.execute(";".join(statements))
                answers = [list(cursor.fetchall())]
                while cursor.nextset():
                    answers.append(list(cursor.fetchall()))
                return answers
        except (pymysql.err.Error, OSError) as error:
            raise self._failure(error) from error

    def named_rows(self, sql: str) -> list[dict[str, str]]:
        """Give the rows of a SHOW statement by lower-case column name; NULL is the empty string."""
        with self._wire.cursor() as cursor:
            try:
                cursor.execute(sql)
                names = [str(column[0]).lower() for column in cursor.description or ()]
                rows = cursor.fetchall()
            except (pymysql.err.Error, OSError) as error:
                raise self._failure(error) from error
        return [
            {name: "" if value is None else str(value) for name, value in zip(names, row, strict=True)}
            for row in rows
        ]

    def value(self, sql: str, *values: str | int) -> Any:
        """Give the first column of the first row; None where there is no row."""
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def execute(self, sql: str, *values: str | int) -> None:
        """Execute a statement that has no rows."""
        self.rows(sql, *values)

    def _failure(self, error: Exception) -> VyaBackupDBError:
        if is_lost(error):
            return connection_failed(self.instance, self.credential, error)
        return QueryError(f"{self.instance.id}: {message_of(error)}", code_of(error))
