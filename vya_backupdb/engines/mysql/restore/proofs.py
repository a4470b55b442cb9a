"""What proves that a database came back: rows as the server counts them, CHECK TABLE, own queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, Self

import pymysql

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.listing import Table, tables
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.engines.mysql.wire import open_wire
from vya_backupdb.errors import RestoreError
from vya_backupdb.model import Answer, Finding, ServerFacts, Severity

_LONGEST_CHECK: Final = 24 * 3600.0
"""Seconds for one table to be counted or checked."""

_WITHOUT_ROWS: Final = frozenset({"mrg_myisam", "mrg_isam", "federated"})
"""Storage engines of which mysqldump writes no rows: they show those of other tables."""


class MySQLProofs:
    """Proofs of base.py for MySQL and MariaDB."""

    def __init__(self, instance: Instance, credential: Credential, facts: ServerFacts, database: str) -> None:
        self._instance = instance
        self._credential = credential
        self._facts = facts
        self._database = database
        self._queries = Queries(instance, credential, _LONGEST_CHECK)
        try:
            self._queries.prepare(mariadb=is_mariadb(facts))
            self._tables = tables(self._queries, database)
        except BaseException:
            self._queries.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._queries.close()

    def row_counts(self, expected: Mapping[str, int]) -> Mapping[str, int]:
        """Count the rows of every table, history included, whether or not it stands in `expected`."""
        return {
            table.name: self._count(table)
            for table in self._tables
            if table.kind == "table" and (table.engine or "").lower() not in _WITHOUT_ROWS
        }

    def _count(self, table: Table) -> int:
        history = " FOR SYSTEM_TIME ALL" if table.versioned else ""
        try:
            return int(self._queries.value(f"SELECT COUNT(*) FROM {self._named(table)}{history}"))  # noqa: S608
        except QueryError as error:
            raise RestoreError(f"{table.name}: its rows cannot be counted: {error.what}") from error

    def _named(self, table: Table) -> str:
        return f"{identifier(self._database)}.{identifier(table.name)}"

    def integrity(self) -> Sequence[Finding]:
        """Let the server check every table, view and sequence (CHECK TABLE)."""
        return [finding for table in self._tables for finding in self._checked(table)]

    def _checked(self, table: Table) -> Iterator[Finding]:
        try:
            rows = self._queries.rows(f"CHECK TABLE {self._named(table)}")
        except QueryError as error:
            yield Finding(Severity.FAULT, f"CHECK TABLE {table.name}: {error.what}", table.name)
            return
        for row in rows:
            kind, said = str(row[2]).lower(), str(row[3])
            if kind == "error" or (kind == "status" and said not in ("OK", "Table is already up to date")):
                yield Finding(Severity.FAULT, f"CHECK TABLE {table.name}: {said}", table.name)
            elif kind == "warning":
                yield Finding(Severity.WARNING, f"CHECK TABLE {table.name}: {said}", table.name)

    def ask(self, query: str, seconds: int) -> Answer:
        """Ask, and give the beginning of the answer."""
        wire = open_wire(
            self._instance, self._credential, read_timeout=seconds + 60.0, database=self._database
        )
        limit = f"max_statement_time = {seconds}" if is_mariadb(self._facts) else _milliseconds(seconds)
        try:
            wire.query(f"SET SESSION sql_select_limit = 2, SESSION {limit}")  # two tell that it is not one
            with wire.cursor() as cursor:
                cursor.execute(query)
                if cursor.description is None:
                    return Answer(rows=None)
                rows = cursor.fetchmany(2)
        except (pymysql.err.Error, OSError) as error:
            return Answer(rows=None, error=str(error.args[-1] if error.args else error))
        finally:
            wire.release()
        value = rows[0][0] if rows else None
        return Answer(len(rows), value, is_true=isinstance(value, int | float | Decimal) and value != 0)


def _milliseconds(seconds: int) -> str:
    return f"max_execution_time = {seconds * 1000}"
