"""The snapshot that pg_dump reads in: taken when all tables are locked, and not before, as it would itself.

A table that a transaction truncates, rewrites or loads anew has no rows for a snapshot from before its commit
(the manual: "Caveats" of concurrency control). pg_dump takes its snapshot first and waits for the lock then:
it finds the table empty, and ends with status 0. Where the server has no room for twice as many locks as
pg_dump takes, tables are not locked: when pg_dump has its locks, it is asked whether they are as they were.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus

from vya_backupdb.config.models import Instance
from vya_backupdb.engines.postgresql.connection import CONNECT_TIMEOUT, LONGEST_ANSWER, Connection
from vya_backupdb.errors import DumpFailed, few
from vya_backupdb.model import DumpPlan

_TABLES: Final = b"""
    SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
        AND NOT pg_catalog.format('%%I.%%I', n.nspname, c.relname) = ANY (%s)
        AND (NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
            OR EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE c.oid = ANY (e.extconfig)))
    ORDER BY c.oid
"""
"""What pg_dump locks, and in its order; %s is what it leaves out."""

_HOLDERS: Final = b"""
    SELECT DISTINCT l.relation::pg_catalog.regclass::text, l.pid
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_database b ON b.oid = l.database AND datname = pg_catalog.current_database()
    WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation'
        AND l.relation >= 16384 AND l.pid <> pg_catalog.pg_backend_pid() ORDER BY 1, 2
"""
"""Who has tables for itself alone."""

_TRIES: Final = 5
"""Tables may come and go between the list and the locks."""

_DEFERRABLE: Final = "--serializable-deferrable"
"""A transaction that was given its snapshot is not: the one that gives it must be."""


_FILES: Final = b"""
    SELECT oid, pg_catalog.format('%I.%I', relnamespace::pg_catalog.regnamespace, relname), relfilenode
    FROM pg_catalog.pg_class WHERE relkind = 'r'
"""
"""The file of each table: one that is truncated or rewritten gets another."""

_ROOM: Final = b"""
    SELECT pg_catalog.current_setting('max_locks_per_transaction')::int
        * (pg_catalog.current_setting('max_connections')::int
            + pg_catalog.current_setting('max_prepared_transactions')::int)
"""
"""How many locks the server is sure to have room for (the manual: max_locks_per_transaction)."""


class Snapshot:
    """An exported snapshot, and what keeps tables as they were in it until the dump tool has locked them."""

    def __init__(self, connection: Connection, plan: DumpPlan, instance: Instance) -> None:
        """Take it. Raises DumpFailed where a table stays locked for longer than `lock_wait`."""
        self._connection = connection
        self._database = plan.database
        self._files: dict[int, tuple[str, int]] | None = None
        """As the snapshot shows them; None: all tables are locked."""
        isolation = b"SERIALIZABLE" if _DEFERRABLE in instance.dump.extra_options else b"REPEATABLE READ"
        deferrable = b" DEFERRABLE" if isolation == b"SERIALIZABLE" else b""
        self._begin = b"BEGIN ISOLATION LEVEL " + isolation + b" READ ONLY" + deferrable
        self.name = self._taken(list(plan.left_out.tables))

    def _taken(self, left_out: list[str]) -> str:
        ((room,),) = self._connection.execute(_ROOM)
        for _ in range(_TRIES):
            tables = _tables(self._connection, left_out)
            if 2 * len(tables) > room:  # the tool needs as many once more
                return self._unlocked(tables)
            self._connection.execute(self._begin)
            if not _lock(self._connection, tables, self._database):
                continue
            exported = self._exported()
            if _tables(self._connection, left_out) <= tables:
                return exported
            self._connection.execute(b"ROLLBACK")
        raise DumpFailed(
            f"{self._database}: tables come and go faster than they can be locked",
            cure="back up when it is calmer, or exclude them (`tables.exclude`)",
        )

    def _unlocked(self, tables: set[str]) -> str:
        """Take it without locks; what became of the tables is asked when the tool has its own."""
        self._connection.execute(self._begin)
        exported = self._exported()
        files = _files(self._connection)
        self._files = {oid: (name, file) for oid, (name, file) in files.items() if name in tables}
        return exported

    def _exported(self) -> str:
        ((name,),) = self._connection.execute(b"SELECT pg_catalog.pg_export_snapshot()")
        return str(name)

    def begun(self) -> None:
        """Let go: the tool has its own locks. Raises DumpFailed where a table is not as it was."""
        self._connection.execute(b"ROLLBACK")
        if self._files is None:
            return
        now = _files(self._connection)
        changed = sorted(name for oid, (name, file) in self._files.items() if now.get(oid) != (name, file))
        if changed:
            raise DumpFailed(
                f"{self._database}: truncated, rewritten or made anew while the dump began, so that rows "
                f"may be missing: {few(changed)}",
                cure="back up again; with a larger max_locks_per_transaction tables are locked beforehand",
            )

    def close(self) -> None:
        """Let go, whatever happened."""
        self._connection.patience = CONNECT_TIMEOUT  # the dump may have failed because the server hangs
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            with suppress(psycopg.Error):  # a lost connection shows itself to whoever needs it next
                self._connection.execute(b"ROLLBACK")
        self._connection.patience = LONGEST_ANSWER


def _files(connection: Connection) -> dict[int, tuple[str, int]]:
    return {oid: (name, file) for oid, name, file in connection.execute(_FILES)}


def _tables(connection: Connection, left_out: list[str]) -> set[str]:
    return {name for (name,) in connection.execute(_TABLES, [left_out])}


def _lock(connection: Connection, tables: set[str], database: str) -> bool:
    """Lock all of the tables; False where one of them is not there any more."""
    if not tables:
        return True
    names = b", ONLY ".join(name.encode("utf-8", "surrogateescape") for name in sorted(tables))
    try:
        connection.execute(b"LOCK TABLE ONLY " + names + b" IN ACCESS SHARE MODE")
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        connection.execute(b"ROLLBACK")
        return False
    except psycopg.errors.LockNotAvailable as error:
        connection.execute(b"ROLLBACK")
        held = connection.execute(_HOLDERS)
        holders = [f"{table} (process {pid})" for table, pid in held if table in tables]
        raise DumpFailed(
            f"{database}: a table stays locked: {', '.join(holders[:5]) or 'it is free again by now'}",
            cure="end what locks it (pg_stat_activity), or raise the instance's `lock_wait`",
        ) from error
    return True
