"""Spatial reference systems of columns: no dump of a database holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.listing import Table
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import text
from vya_backupdb.model import Finding, ServerFacts, Severity

_OWN_SYSTEMS: Final = """
    SELECT c.table_name, c.column_name, s.srs_id, s.srs_name, s.organization,
        s.organization_coordsys_id, s.definition, s.description
    FROM information_schema.columns c JOIN information_schema.st_spatial_reference_systems s USING (srs_id)
    WHERE c.table_schema = %s AND s.srs_id <> 0 AND COALESCE(s.organization, '') <> 'EPSG'
    ORDER BY c.table_name, c.ordinal_position
"""
"""MySQL brings those of EPSG along."""

_IDS_OF_COLUMNS: Final = """
    SELECT f_table_name, g_geometry_column FROM information_schema.geometry_columns
    WHERE f_table_schema = %s AND srid <> 0 ORDER BY 1, 2
"""


def reference_systems(
    queries: Queries, facts: ServerFacts, database: str, tables: Sequence[Table]
) -> Iterator[Finding]:
    """Name MySQL's own ones with what makes them anew, and the REF_SYSTEM_ID of MariaDB's columns."""
    known = {table.name for table in tables if table.kind == "table"}
    if is_mariadb(facts):
        lost: dict[str, list[str]] = defaultdict(list)
        for table, column in queries.rows(_IDS_OF_COLUMNS, database):
            lost[str(table)].append(str(column))
        for name in known & set(lost):
            yield Finding(
                Severity.WARNING,
                f"{name} ({', '.join(lost[name])}): their REF_SYSTEM_ID is in no dump, and returns as 0",
                object=name,
            )
        return
    if facts.version_number < (8,):
        return
    for table, column, number, *described in queries.rows(_OWN_SYSTEMS, database):
        if table in known:
            yield Finding(
                Severity.WARNING,
                f"{table} ({column}): the spatial reference system {number} is in no dump of a database",
                object=str(table),
                cure=f"make it before a restore: {_statement(int(number), *described)}",
            )


def _statement(
    number: int,
    name: str,
    organization: str | None,
    identifier: int | None,
    definition: str,
    description: str | None,
) -> str:
    statement = f"CREATE SPATIAL REFERENCE SYSTEM {number} NAME {text(name)}"
    if organization is not None:
        statement += f" ORGANIZATION {text(organization)} IDENTIFIED BY {identifier}"
    statement += f" DEFINITION {text(definition)}"
    return statement if description is None else f"{statement} DESCRIPTION {text(description)}"
