"""What the configuration leaves out of a dump, and what stays that needs it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vya_backupdb.config.models import Tables
from vya_backupdb.config.tables import TablePattern
from vya_backupdb.engines.mysql.listing import Table
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.model import Finding, Severity

_BODIES: Final = (
    "SELECT 'trigger', trigger_name, event_object_table, action_statement"
    " FROM information_schema.triggers WHERE trigger_schema = %s"
    " UNION ALL SELECT LOWER(routine_type), routine_name, '', routine_definition"
    " FROM information_schema.routines WHERE routine_schema = %s AND routine_type IS NOT NULL"
    " UNION ALL SELECT 'event', event_name, '', event_definition"
    " FROM information_schema.events WHERE event_schema = %s"
)


@dataclass(frozen=True)
class Filtered:
    """What the patterns of the configuration take of one database."""

    tables: frozenset[str]
    rows: frozenset[str]
    findings: tuple[Finding, ...]


def filtered(filters: Tables, database: str, tables: Sequence[Table]) -> Filtered:
    """Choose tables and views to leave out, and tables whose rows are left out; sequences always stay."""
    relations = [table.name for table in tables if table.kind != "sequence"]
    plain = [table.name for table in tables if table.kind == "table"]
    excluded = _matched(filters.exclude, database, relations)
    without_rows = _matched(filters.exclude_rows, database, plain)
    return Filtered(
        frozenset(excluded),
        frozenset(without_rows - excluded),
        (
            *_idle(filters.exclude, "exclude", database, relations),
            *_idle(filters.exclude_rows, "exclude_rows", database, plain),
        ),
    )


def _matched(patterns: Sequence[TablePattern], database: str, names: Sequence[str]) -> set[str]:
    return {name for name in names if any(pattern.fits(database, name) for pattern in patterns)}


def _idle(
    patterns: Sequence[TablePattern], key: str, database: str, names: Sequence[str]
) -> Iterator[Finding]:
    for pattern in patterns:
        speaks_of_it = pattern.names_database and pattern.fits_database(database)
        if speaks_of_it and not any(pattern.fits(database, name) for name in names):
            yield Finding(
                Severity.WARNING,
                f"tables.{key}: {pattern} matches no table of {database}",
                cure="mend the pattern, or take it out",
            )


# ---------------------------------------------------------------------------- what needs them


def needing(
    queries: Queries, database: str, tables: Collection[str], rows: Collection[str], kept: Collection[str]
) -> Iterator[Finding]:
    """Name what stays in the dump and needs what is left out, with what becomes of it at a restore.

    Views are not among them: those on a table that is not there are left out as well.
    """
    if not tables and not rows:
        return
    keys = queries.rows(
        "SELECT table_name, constraint_name, referenced_table_name"
        " FROM information_schema.referential_constraints"
        " WHERE constraint_schema = %s AND unique_constraint_schema = %s",
        database,
        database,
    )
    for table, key, referenced in keys:
        if table in kept and table not in rows and referenced in (*tables, *rows):
            what = "which is left out" if referenced in tables else "whose rows are left out"
            yield Finding(
                Severity.WARNING,
                f"the foreign key {key} of {table} refers to {referenced}, {what}: after a restore its rows "
                "refer to nothing, and the server refuses new ones (1452)",
                object=str(table),
                cure=f"leave out {table} too, or keep {referenced}",
            )
    yield from _bodies(queries, database, tables, kept)


def _bodies(
    queries: Queries, database: str, tables: Collection[str], kept: Collection[str]
) -> Iterator[Finding]:
    """Name triggers, routines and events whose bodies seem to name a table that is left out."""
    if not tables:
        return
    written = "|".join(re.escape(name) for name in sorted(tables, key=len, reverse=True))
    named = re.compile(rf"(?<![\w$])(?:{written})(?![\w$])", re.IGNORECASE)
    for kind, name, on, body in queries.rows(_BODIES, database, database, database):
        if kind == "trigger" and on not in kept:
            continue
        found = list(dict.fromkeys(named.findall(str(body or ""))))
        if found:
            yield Finding(
                Severity.WARNING,
                f"the {kind} {name} seems to need what is left out: {few(found)}: it is restored, and fails "
                "when it runs",
                object=str(name),
            )
