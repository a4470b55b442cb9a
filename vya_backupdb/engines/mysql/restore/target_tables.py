"""Tables that are restored into a database that holds other things."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Final

from vya_backupdb.engines.mysql.listing import tables as listed
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import Finding, ServerFacts, Severity


def missing(queries: Queries, facts: ServerFacts, database: str, names: Collection[str]) -> frozenset[str]:
    """Give those of these tables and sequences that are not there."""
    fold = _folding(facts)
    present = {fold(table.name) for table in listed(queries, database)}
    return frozenset(name for name in names if fold(name) not in present)


def examine_drop(
    queries: Queries, facts: ServerFacts, database: str, names: Collection[str]
) -> Iterator[Finding]:
    """Name what is there under the name of a table and is none."""
    fold = _folding(facts)
    wanted = {fold(name) for name in names}
    for table in listed(queries, database):
        if table.kind != "table" and fold(table.name) in wanted:
            yield Finding(
                Severity.FAULT,
                f"{table.name} is a {table.kind} there, not a table",
                table.name,
                f"drop the {table.kind} yourself, or restore under another name of the database",
            )


def drop_statements(database: str, names: Collection[str]) -> Iterator[str]:
    """Give what drops tables to which other tables refer; their foreign keys stay as they are."""
    tables = ", ".join(f"{identifier(database)}.{identifier(name)}" for name in sorted(names))
    yield "SET SESSION foreign_key_checks = 0"
    yield f"DROP TABLE {tables}"
    yield "SET SESSION foreign_key_checks = 1"


_KEYS: Final = """
    SELECT k.table_name, k.constraint_name, k.referenced_table_name, k.column_name, k.referenced_column_name
    FROM information_schema.key_column_usage k
    WHERE k.table_schema = %s AND k.referenced_table_schema = k.table_schema
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position
"""


def unmatched(queries: Queries, facts: ServerFacts, database: str, names: Collection[str]) -> list[str]:
    """Count rows that refer to nothing, over foreign keys between these tables and others.

    The scripts switch foreign_key_checks off, and no server makes up for it when it is on again.
    """
    fold = _folding(facts)
    wanted = {fold(name) for name in names}
    keys: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for table, constraint, other, column, referred in queries.rows(_KEYS, database):
        if (fold(str(table)) in wanted) != (fold(str(other)) in wanted):
            keys[str(table), str(constraint), str(other)].append((str(column), str(referred)))
    found = []
    for (table, constraint, other), columns in keys.items():
        count = queries.value(_count(database, table, other, columns))
        if count:
            found.append(f"{count:,} rows of {table} refer to nothing in {other} (foreign key {constraint})")
    return found


def _count(database: str, table: str, other: str, columns: list[tuple[str, str]]) -> str:
    of_database = identifier(database)
    pairs = [(f"c.{identifier(column)}", f"p.{identifier(referred)}") for column, referred in columns]
    equal = " AND ".join(f"{column} = {referred}" for column, referred in pairs)
    given = " AND ".join(f"{column} IS NOT NULL" for column, _ in pairs)
    return (
        f"SELECT COUNT(*) FROM {of_database}.{identifier(table)} c"  # noqa: S608
        f" LEFT JOIN {of_database}.{identifier(other)} p ON {equal}"
        f" WHERE {given} AND {pairs[0][1]} IS NULL"
    )


def _folding(facts: ServerFacts) -> Callable[[str], str]:
    """Give what makes names equal that are one table on the server."""
    folds = facts.settings.get("lower_case_table_names", "0") != "0"
    return str.lower if folds else str
