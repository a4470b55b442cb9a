"""What proves that a database came back: rows as the server counts them, amcheck, own queries."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Final, Self, cast

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.connection import Connection, connect
from vya_backupdb.engines.postgresql.failures import server_says
from vya_backupdb.engines.postgresql.needed import READS_ALL, READS_ALL_SINCE
from vya_backupdb.engines.postgresql.restore.about import identifiers
from vya_backupdb.errors import RestoreError
from vya_backupdb.model import Answer, Finding, Severity

_OURS: Final = "vya-backupdb drill"
_ASKER: Final = "vya_backupdb_checks"
"""The role that asks the queries of the configuration."""

_TABLES: Final = b"""
    SELECT c.oid, n.nspname, c.relname, c.relkind = 'p',
        coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid),
        EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e' AND d.objid = c.oid
            AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass),
        pg_catalog.format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY 2, 3
"""

_STORED: Final = b"""
    SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_am a ON a.oid = c.relam
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND (
        c.relkind IN ('r', 'm') AND a.amname = 'heap'
        OR c.relkind = 'i' AND a.amname = 'btree' AND i.indisvalid AND i.indisready)
    ORDER BY 2
"""

_HEAP_SINCE: Final = 140000
"""The version from which amcheck looks at tables too."""


class PostgreSQLProofs:
    """Proofs of base.py for PostgreSQL."""

    def __init__(self, instance: Instance, credential: Credential, database: str) -> None:
        self._instance = instance
        self._credential = credential
        self._database = database
        self._connection = connect(instance, credential, database, application=_OURS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._connection.close()

    # ------------------------------------------------------------------ rows

    def row_counts(self, expected: Mapping[str, int]) -> Mapping[str, int]:
        """Count the rows of every table.

        A table is called as in `expected` where it stands there. A partitioned one that does is counted, and
        its partitions are not (pg_dump --load-via-partition-root). Tables of extensions have rows that no
        dump holds: they are counted only where they stand there, and to no more than that.
        """
        with self._refusals("the rows cannot be counted"):
            known = {tuple(identifiers(name)): name for name in expected}
            tables = self._connection.execute(_TABLES).fetchall()
            roots = {oid for oid, schema, table, parted, *_ in tables if parted and (schema, table) in known}
            counts: dict[str, int] = {}
            for oid, schema, table, parted, root, of_extension, shown in tables:
                name = known.get((schema, table))
                if (parted and oid not in roots) or (not parted and root in roots):
                    continue
                if of_extension and name is None:
                    continue
                only = sql.SQL("" if parted else "ONLY ")
                query = sql.SQL("SELECT pg_catalog.count(*) FROM {}{}").format(
                    only, sql.Identifier(schema, table)
                )
                count = self._number(query)
                counts[name or shown] = min(count, expected[name]) if of_extension and name else count
            return counts

    def _number(self, query: sql.Composed) -> int:
        row = self._connection.execute(query).fetchone()
        return int(row[0]) if row else 0

    # ------------------------------------------------------------------ amcheck

    def integrity(self) -> Sequence[Finding]:
        """Let amcheck compare every B-tree index with its table, and look at every row that is stored."""
        with self._refusals("the tables cannot be checked"):
            # event triggers of the database must not see what we make
            self._connection.execute("SET session_replication_role = replica")
            there = self._connection.execute(
                "SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck'"
            ).fetchone()
            if there is None:
                return [
                    Finding(
                        Severity.WARNING,
                        "indexes and tables were not checked: the server has no extension amcheck",
                        cure="install PostgreSQL's contrib package",
                    )
                ]
            with self._amcheck() as schema:
                return [
                    finding
                    for oid, name, kind in self._connection.execute(_STORED).fetchall()
                    for finding in self._checked(schema, oid, name, is_index=kind == "i")
                ]

    @contextmanager
    def _amcheck(self) -> Iterator[sql.Identifier]:
        """Give the schema of amcheck's functions, which is there already or goes with the block."""
        row = self._connection.execute(
            "SELECT n.nspname FROM pg_catalog.pg_extension e"
            " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'"
        ).fetchone()
        if row is not None:
            yield sql.Identifier(row[0])
            return
        schema = sql.Identifier("vya-backupdb drill")
        self._connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        self._connection.execute(sql.SQL("CREATE EXTENSION amcheck SCHEMA {}").format(schema))
        yield schema
        self._connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))

    def _checked(self, schema: sql.Identifier, oid: int, name: str, *, is_index: bool) -> Iterator[Finding]:
        if is_index:
            query = sql.SQL("SELECT {}.bt_index_check({}, true)")
        elif self._connection.info.server_version >= _HEAP_SINCE:
            query = sql.SQL("SELECT msg FROM {}.verify_heapam({}, check_toast => true) LIMIT 1")
        else:
            return
        try:
            found = self._connection.execute(query.format(schema, sql.Literal(oid))).fetchall()
        except psycopg.errors.DatabaseError as error:
            yield Finding(Severity.FAULT, f"amcheck of {name}: {server_says(error)}", name)
            return
        for (said,) in () if is_index else found:
            yield Finding(Severity.FAULT, f"amcheck of {name}: {said}", name)

    # ------------------------------------------------------------------ own queries

    def ask(self, query: str, seconds: int) -> Answer:
        """Ask, and give the beginning of the answer; from 14 on as a role that may only read.

        What functions and views of the database do must not be done by a superuser, who reaches out of
        the server.
        """
        credential = self._credential
        if self._connection.info.server_version >= READS_ALL_SINCE:
            with self._refusals("the role that asks cannot be made"):
                credential = self._asker()
        with closing(connect(self._instance, credential, self._database, application=_OURS)) as connection:
            return _answer(connection, query, seconds)

    def _asker(self) -> Credential:
        role, database = sql.Identifier(_ASKER), sql.Identifier(self._database)
        there = self._connection.execute(
            "SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [_ASKER]
        ).fetchone()
        if there is None:
            self._connection.execute(sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS").format(role))
            self._connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(READS_ALL), role))
        self._connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role))
        self._connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(database))
        return Credential(_ASKER)

    @contextmanager
    def _refusals(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.DatabaseError as error:
            raise RestoreError(f"{self._database}: {what}: {server_says(error)}") from error


def _answer(connection: Connection, query: str, seconds: int) -> Answer:
    try:
        connection.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(seconds * 1000)))
        with connection.cursor() as cursor:
            stream = cast("Generator[TupleRow]", cursor.stream(query.encode()))
            with closing(stream):  # the rest of the answer is not fetched
                rows = list(islice(stream, 2))
    except psycopg.Error as error:
        return Answer(rows=None, error=server_says(error))
    value = rows[0][0] if rows and rows[0] else None
    return Answer(len(rows), value, is_true=value is True)
