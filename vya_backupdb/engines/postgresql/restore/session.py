"""Executes a script's statements in one database, one at a time, as bytes."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.failures import one_line, server_says
from vya_backupdb.errors import StatementFailed
from vya_backupdb.log import get_logger
from vya_backupdb.model import Action, Statement

log = get_logger(__name__)

_BLOCK: Final = 1 << 20
"""Bytes of COPY data handed to the driver at once; it copies each block."""

_CANCEL_TIMEOUT: Final = 5.0
"""Seconds until a request to cancel is given up; the connection is then shut down under the statement."""

_LOADS: Final = re.compile(rb"\s*(?:INSERT|COPY)\b", re.IGNORECASE)
_SETS: Final = re.compile(rb"\s*SET\s+(?:SESSION\s+)?(\w+)\s*(?:=|TO)\s", re.IGNORECASE)
_ROWS: Final = re.compile(r"(?:INSERT 0|COPY|MERGE) (\d+)$")
_LONGEST_STATEMENT: Final = 24 * 3600.0
"""Seconds: an index or a foreign key may take hours. A dead peer is noticed by keep-alive packets."""
_SHOWN: Final = 120
"""Characters of a failed statement that its error shows."""


class PostgreSQLSession:
    """One connection in autocommit; what loads rows runs in a transaction that `commit` ends.

    So a section of rows that fails half-way leaves nothing, and can be loaded again. Transactions that the
    script itself begins (large objects) are its own to end.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        connection.patience = _LONGEST_STATEMENT
        self._name = name
        self._begun = False
        """Whether the open transaction is ours."""

    def execute(self, statement: Statement) -> int:
        """Execute and give the number of rows taken. Raises StatementFailed with the server's message."""
        if b"\0" in statement.text:  # libpq would send what stands before it
            raise self._failed(statement, "there is a NUL byte in it")
        try:
            self._begin_if_it_loads(statement)
            if statement.action is Action.COPY:
                return self._copy(statement)
            with self._connection.cursor() as cursor:
                # in this form of the protocol the server takes one statement, whatever its strings hide
                cursor.execute(statement.text, prepare=False, binary=True)
                match = _ROWS.match(cursor.statusmessage or "")
                return int(match[1]) if match else 0
        except psycopg.errors.UndefinedObject as error:
            if (setting := _SETS.match(statement.text)) and self._idle():
                name = setting[1].decode("ascii", "backslashreplace")
                log.debug("setting unknown to the server left out", setting=name)
                return 0
            raise self._refused(statement, error) from error
        except psycopg.Error as error:
            raise self._refused(statement, error) from error

    def commit(self) -> None:
        """Make durable what was loaded since the last commit. Raises StatementFailed."""
        if not self._begun:
            return
        self._begun = False
        try:
            self._connection.execute(b"COMMIT")
        except psycopg.Error as error:
            raise self._refused(Statement(b"COMMIT", 0), error) from error

    def cancel(self) -> None:
        """Make a running statement end soon; called from another thread.

        Where the server does not even take the request, the connection is cut.
        """
        try:
            self._connection.cancel_safe(timeout=_CANCEL_TIMEOUT)
        except psycopg.Error as error:
            log.debug("a statement could not be cancelled", error=one_line(str(error)))
            with (
                suppress(psycopg.Error, OSError),
                socket.socket(fileno=os.dup(self._connection.fileno())) as end,
            ):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection; what was not committed is lost."""
        self._connection.close()

    def _begin_if_it_loads(self, statement: Statement) -> None:
        loads = statement.action is Action.COPY or _LOADS.match(statement.text)
        if loads and self._idle():
            self._connection.execute(b"BEGIN")
            self._begun = True

    def _idle(self) -> bool:
        return self._connection.info.transaction_status is TransactionStatus.IDLE

    def _copy(self, statement: Statement) -> int:
        data = statement.copy_data if statement.copy_data is not None else memoryview(b"")
        with self._connection.cursor() as cursor:
            with cursor.copy(statement.text) as copy:
                for start in range(0, len(data), _BLOCK):
                    copy.write(data[start : start + _BLOCK])
            return cursor.rowcount

    def _refused(self, statement: Statement, error: psycopg.Error) -> StatementFailed:
        lost = self._connection.closed
        if not lost and self._begun:
            self._begun = False
            try:
                self._connection.execute(b"ROLLBACK")
            except psycopg.Error:
                lost = True
        retryable = not lost and isinstance(
            error, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure
        )
        return self._failed(statement, server_says(error), retryable=retryable, lost=lost)

    def _failed(
        self, statement: Statement, reason: str, *, retryable: bool = False, lost: bool = False
    ) -> StatementFailed:
        # not beyond the first string: in those of servers, mappings and subscriptions there are passwords
        head = statement.text[: 4 * _SHOWN].partition(b"'")[0]
        shown = one_line(head.decode("utf-8", "backslashreplace"))
        shown = (
            shown if len(shown) <= _SHOWN and len(head) == len(statement.text) else f"{shown[:_SHOWN]} ..."
        )
        return StatementFailed(f"{self._name}: {reason}: {shown}", retryable=retryable, connection_lost=lost)
