"""One connection that executes a script."""

from __future__ import annotations

import re
import threading
from typing import Final

import pymysql

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.failures import code_of, connection_failed, is_lost, message_of
from vya_backupdb.engines.mysql.script.modes import PLAIN
from vya_backupdb.engines.mysql.script.settings import assignments, changes_reading
from vya_backupdb.engines.mysql.wire import open_wire
from vya_backupdb.errors import ConnectionFailed, RestoreError, StatementFailed
from vya_backupdb.log import get_logger
from vya_backupdb.model import Statement

log = get_logger(__name__)

HARMLESS_MODES: Final = frozenset(
    {"NO_AUTO_CREATE_USER", "NO_FIELD_OPTIONS", "NO_KEY_OPTIONS", "NO_TABLE_OPTIONS"}
)
"""Words of sql_mode that change nothing about what a script creates: the first is about GRANT, the others
about what SHOW CREATE TABLE says. MariaDB writes them before routines, and MySQL 8 refuses them (1231)."""

_LONGEST_STATEMENT: Final = 24 * 3600.0
"""Seconds: an ALTER TABLE of a foreign dump may take hours. A dead peer is noticed by keep-alive packets."""

_IDLE: Final = 7 * 24 * 3600

_CANCEL_PATIENCE: Final = 3.0
"""Seconds for the second connection that cancels a statement."""

_DEADLOCK: Final = frozenset({1205, 1213})
"""Lock wait timeout, deadlock."""
_NOT_ROLLED_BACK: Final = 1196
_UNKNOWN_SETTING: Final = 1193
_WRONG_VALUE: Final = 1231
_DOCUMENT_STEP: Final = 182
_NOT_OURS_TO_SET: Final = frozenset({_UNKNOWN_SETTING, 1227})

_AS_WRITTEN: Final = (
    b"restrict_fk_on_non_standard_key = OFF",  # keys that are not unique may be referred to, as before 8.4
    b"explicit_defaults_for_timestamp = ON",  # a TIMESTAMP without a default gets none
    b"sql_generate_invisible_primary_key ="
    b" @@sql_generate_invisible_primary_key AND @@sql_require_primary_key",
)
"""Settings under which tables are made as their definitions are written; not every server knows them. No key
is added but to tables that would be refused without one."""

_SET: Final = re.compile(rb"\s*(?:/\*M?!\d*\s*)?SET\b", re.IGNORECASE)
_EVENT: Final = re.compile(rb"\s*ALTER\b[^;]*?\bEVENT\b", re.IGNORECASE)
_EVENT_IS_OVER: Final = 1544
_ROWS: Final = re.compile(rb"\s*(?:INSERT|REPLACE)\b", re.IGNORECASE)
_IGNORE: Final = re.compile(rb"\s*INSERT\s+(?:\w+\s+)?IGNORE\b", re.IGNORECASE)
"""Without unique_checks MariaDB (found with 10.11) loads an empty table in bulk, and at the first duplicate
of an INSERT IGNORE it empties the table, reporting all rows as taken: status OK, no warning."""
_SQL_MODE: Final = re.compile(rb"(?<=')[A-Za-z0-9_, ]*(?=')")
_SHOWN: Final = 120


class MySQLSession:
    """Executes statements in one database, in transactions that `commit` ends. Never reconnects.

    A script's session state (`@saved_*`, SET NAMES, SQL_MODE) lives in its connection.
    """

    def __init__(self, instance: Instance, credential: Credential, database: str) -> None:
        self._instance = instance
        self._credential = credential
        self._database = database
        self._wire = open_wire(instance, credential, read_timeout=_LONGEST_STATEMENT, database=database)
        self._warned: set[int] = set()
        self._ignores = False
        """Whether the script has INSERT IGNORE; see _IGNORE."""
        self._cancelling = threading.Lock()
        self._closed = False
        try:
            self._wire.query(self._preparation().encode())
            self._take_definitions_as_written()
            with self._wire.cursor() as cursor:
                cursor.execute("SELECT @@max_allowed_packet, CONNECTION_ID()")
                self._largest, self._number = cursor.fetchall()[0]
        except (pymysql.err.Error, OSError) as error:
            self._wire.release()
            raise connection_failed(instance, credential, error, database=database) from error
        # A name of a column may be in any character set of the script; Latin-1 reads all bytes.
        self._wire.encoding = "latin-1"

    def _preparation(self) -> str:
        """Give what a session is set to.

        MariaDB's check constraints are not asked again: rows may be there that were never held to them.
        """
        seconds = max(1, int(self._instance.lock_wait.total_seconds()))
        return (
            f"SET SESSION autocommit = 0, SESSION lock_wait_timeout = {seconds},"
            f" SESSION wait_timeout = {_IDLE}, SESSION interactive_timeout = {_IDLE},"
            " SESSION net_read_timeout = 3600, SESSION net_write_timeout = 3600"
            " /*M!, SESSION max_statement_time = 0, SESSION check_constraint_checks = 0 */"
        )

    def _take_definitions_as_written(self) -> None:
        for setting in _AS_WRITTEN:
            try:
                self._wire.query(b"SET SESSION " + setting)
            except pymysql.err.Error as error:
                if code_of(error) not in _NOT_OURS_TO_SET:
                    raise

    def execute(self, statement: Statement) -> int:
        """Execute, and give the number of rows that an INSERT or REPLACE took; 0 for everything else.

        A setting that the server does not know is skipped with a warning. Raises StatementFailed.
        """
        text = statement.text
        if len(text) >= self._largest:
            raise StatementFailed(
                f"{self._database}: a statement of {len(text):,} bytes is more than the server takes at once "
                f"({self._largest:,}): {_excerpt(text)}",
                cure=f"SET GLOBAL max_allowed_packet = {1 << len(text).bit_length()}, and restore again",
            )
        try:
            if not self._ignores and _IGNORE.match(text):
                self._wire.query(b"SET SESSION unique_checks = 1")
                self._ignores = True
            rows = self._wire.query(text)
        except (pymysql.err.Error, OSError) as error:
            return self._after_error(text, error)
        if _ROWS.match(text) is None:
            if _EVENT.match(text):
                self._look_for_events_of_the_past(text)
            return 0
        self._look_at_warnings(text)
        return rows

    def commit(self) -> None:
        """Make durable what was executed since the last commit. Raises StatementFailed."""
        try:
            self._wire.commit()
        except (pymysql.err.Error, OSError) as error:
            raise self._failure(b"COMMIT", error) from error

    def cancel(self) -> None:
        """Make a running statement end soon; called from another thread. Never raises.

        The statement is killed over a second connection; where that fails, the connection is cut.
        """
        with self._cancelling:
            if self._closed:
                return
            try:
                killer = open_wire(
                    self._instance, self._credential, read_timeout=_CANCEL_PATIENCE, patience=_CANCEL_PATIENCE
                )
            except (ConnectionFailed, RestoreError):
                self._wire.cut()
                return
            try:
                killer.query(b"KILL QUERY %d" % self._number)
            except (pymysql.err.Error, OSError):
                self._wire.cut()
            finally:
                killer.release()

    def close(self) -> None:
        """End the connection; uncommitted rows are lost. Never raises."""
        with self._cancelling:
            self._closed = True
            self._wire.release()

    # ------------------------------------------------------------------ errors and warnings

    def _after_error(self, text: bytes, error: Exception) -> int:
        """Mend what can be: settings of another version or flavour. Raises StatementFailed for all else."""
        code = code_of(error)
        if _SET.match(text):
            if code == _UNKNOWN_SETTING and not changes_reading(assignments(text, PLAIN) or ()):
                log.warning(
                    "setting skipped",
                    database=self._database,
                    statement=_excerpt(text),
                    said=message_of(error),
                )
                return 0
            if code == _WRONG_VALUE and (mended := _without_harmless_modes(text)) != text:
                try:
                    self._wire.query(mended)
                except (pymysql.err.Error, OSError) as again:
                    raise self._failure(text, again) from again
                return 0
        if code == _DOCUMENT_STEP and _ROWS.match(text):
            # Document ids of a full-text index may run only so far ahead of those that are committed.
            try:
                self._wire.commit()
                rows = self._wire.query(text)
            except (pymysql.err.Error, OSError) as again:
                raise self._failure(text, again) from again
            self._look_at_warnings(text)
            return rows
        raise self._failure(text, error) from error

    def _failure(self, text: bytes, error: Exception) -> StatementFailed:
        lost = is_lost(error) or not self._wire.open
        return StatementFailed(
            f"{self._database}: {message_of(error)}: {_excerpt(text)}",
            cure="look into the server's log" if lost else None,
            retryable=not lost and code_of(error) in _DEADLOCK and self._roll_back(),
            connection_lost=lost,
        )

    def _roll_back(self) -> bool:
        """Roll the transaction back, and say whether nothing of it stayed.

        After a lock wait timeout only the statement is undone, and rows of tables that know no transactions
        (1196) are never: executed again they would be there twice.
        """
        try:
            self._wire.query(b"ROLLBACK")
            codes = {code for _, code, _ in self._warnings()}
        except (pymysql.err.Error, OSError):
            return False
        return _NOT_ROLLED_BACK not in codes

    def _warnings(self) -> list[tuple[str, int, str]]:
        """Give level, code and text of the warnings of the last statement."""
        if not self._wire.warning_count():
            return []
        with self._wire.cursor() as cursor:
            cursor.execute("SHOW WARNINGS")
            return [(str(level), int(code), str(said)) for level, code, said in cursor.fetchall()]

    def _look_for_events_of_the_past(self, text: bytes) -> None:
        if _EVENT_IS_OVER in {code for _, code, _ in self._warnings()}:
            log.warning(
                "event stays disabled",
                database=self._database,
                statement=_excerpt(text),
                said="its time is over",
            )

    def _look_at_warnings(self, text: bytes) -> None:
        """Log what the server changed in rows to make them fit, each kind once."""
        try:
            found = self._warnings()
        except (pymysql.err.Error, OSError) as error:
            raise self._failure(text, error) from error
        for level, code, said in found:
            if code not in self._warned:
                self._warned.add(code)
                log.warning(
                    "rows changed by the server",
                    database=self._database,
                    severity=level,
                    code=code,
                    said=said,
                )


def _without_harmless_modes(text: bytes) -> bytes:
    def keep(found: re.Match[bytes]) -> bytes:
        words = [
            word for word in found.group().split(b",") if word.strip().decode().upper() not in HARMLESS_MODES
        ]
        return b",".join(words)

    return _SQL_MODE.sub(keep, text) if b"sql_mode" in text.lower() else text


def _excerpt(text: bytes) -> str:
    """Give the beginning of a statement on one line, without values of rows or control characters."""
    start = text[: 4 * _SHOWN].lstrip()
    if _ROWS.match(start):
        start = re.split(rb"\bVALUES\b", start, maxsplit=1, flags=re.IGNORECASE)[0]
    shown = re.sub(r"[\x00-\x20\x7f-\x9f]+", " ", start.decode(errors="replace")).strip()
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + " ..."
