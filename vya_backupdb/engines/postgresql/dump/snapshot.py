"""The snapshot that pg_dump reads in: taken when all tables are locked, and not before, as it would itself.

A table that a transaction truncates, rewrites or loads anew has no rows for a snapshot from before its commit
(the manual: "Caveats" of concurrency control). pg_dump takes its snapshot first and waits for the lock then:
it finds the table empty, and ends with status 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg

from vya_backupdb.config.models import Instance
from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.errors import DumpFailed
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


@contextmanager
def snapshot(connection: Connection, plan: DumpPlan, instance: Instance) -> Iterator[str]:
    """Lock the tables of a dump as the dump tool will, then give a snapshot that it may use meanwhile.

    Raises DumpFailed where a table stays locked for longer than `lock_wait`.
    """
    isolation = b"SERIALIZABLE" if _DEFERRABLE in instance.dump.extra_options else b"REPEATABLE READ"
    deferrable = b" DEFERRABLE" if isolation == b"SERIALIZABLE" else b""
    begin = b"BEGIN ISOLATION LEVEL " + isolation + b" READ ONLY" + deferrable
    left_out = list(plan.left_out.tables)
    try:
        for _ in range(_TRIES):
            tables = _tables(connection, left_out)
            connection.execute(begin)
            if not _lock(connection, tables, plan.database):
                continue
            (exported,) = next(iter(connection.execute(b"SELECT pg_catalog.pg_export_snapshot()")))
            if _tables(connection, left_out) <= tables:
                break
            connection.execute(b"ROLLBACK")
        else:
            raise DumpFailed(
                f"{plan.database}: tables come and go faster than they can be locked",
                cure="back up when it is calmer, or exclude them (`tables.exclude`)",
            )
        yield exported
    finally:
        with suppress(psycopg.Error):  # a lost connection shows itself to whoever needs it next
            connection.execute(b"ROLLBACK")


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
