"""What the configuration leaves out of a dump, what goes along with it, and what stays that needs it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from vya_backupdb.config.models import Tables
from vya_backupdb.config.tables import TablePattern
from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.preflight.plan import listed
from vya_backupdb.engines.postgresql.privileges import HANGS_ON_THEM, KINDS, exact_pattern
from vya_backupdb.model import Finding, Severity

_RELATIONS: Final = b"""
    SELECT c.oid, c.relkind, n.nspname, c.relname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                AND d.deptype = 'e')
"""

_WITH_PARTITIONS: Final = b"""
    WITH RECURSIVE bare(oid) AS (
        SELECT pg_catalog.unnest(%s::pg_catalog.oid[])
        UNION
        SELECT i.inhrelid FROM bare JOIN pg_catalog.pg_inherits i ON i.inhparent = bare.oid
        JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relispartition
    )
    SELECT c.oid, n.nspname, c.relname, pg_catalog.format('%%I.%%I', n.nspname, c.relname)
    FROM bare JOIN pg_catalog.pg_class c USING (oid) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY 2, 3
"""

_MADE_OF_ROW_TYPES: Final = b"""
    WITH lost AS (SELECT pg_catalog.unnest(%s::pg_catalog.oid[]) AS oid),
    types AS (
        SELECT t.oid FROM pg_catalog.pg_type t JOIN lost ON t.typrelid = lost.oid
        UNION
        SELECT t.typarray FROM pg_catalog.pg_type t JOIN lost ON t.typrelid = lost.oid
    )
    SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, 0)
    FROM pg_catalog.pg_depend d
    WHERE (d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (SELECT oid FROM types)
            OR d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.refobjid IN (SELECT oid FROM lost)
            AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
        AND d.classid = ANY ('{pg_catalog.pg_proc,pg_catalog.pg_class,pg_catalog.pg_type,pg_catalog.pg_cast,
            pg_catalog.pg_operator}'::pg_catalog.regclass[])
        AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid IN (SELECT oid FROM lost))
        AND NOT (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid IN (SELECT oid FROM types))
        AND d.deptype = 'n'
    ORDER BY 1
"""

_FOREIGN_KEYS: Final = b"""
    SELECT pg_catalog.quote_ident(k.conname), pg_catalog.format('%%I.%%I', n.nspname, c.relname),
        pg_catalog.format('%%I.%%I', m.nspname, r.relname)
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace m ON m.oid = r.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY (%s::pg_catalog.oid[])
        AND NOT k.conrelid = ANY (%s::pg_catalog.oid[])
    ORDER BY 2, 1
"""

_POLICIES: Final = b"""
    SELECT DISTINCT pg_catalog.quote_ident(p.polname), pg_catalog.format('%%I.%%I', n.nspname, c.relname)
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_policy p ON p.oid = d.objid
    JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refobjid = ANY (%s::pg_catalog.oid[]) AND NOT p.polrelid = ANY (%s::pg_catalog.oid[])
    ORDER BY 2, 1
"""

_BODIES: Final = rb"""
    SELECT p.oid::pg_catalog.regprocedure::text, pg_catalog.format('%%I.%%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_proc p ON p.prosrc ~*
        ('(^|[^\w$])' || pg_catalog.regexp_replace(c.relname, '([^\w])', '\\\1', 'g') || '($|[^\w$])')
    JOIN pg_catalog.pg_namespace m ON m.oid = p.pronamespace
    WHERE c.oid = ANY (%s::pg_catalog.oid[]) AND m.nspname !~ '^pg_' AND m.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                AND d.deptype = 'e')
    ORDER BY 1, 2
"""

_REFRESHED: Final = b"""
    SELECT DISTINCT pg_catalog.format('%%I.%%I', n.nspname, c.relname)
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
    JOIN pg_catalog.pg_class c ON c.oid = r.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refobjid = ANY (%s::pg_catalog.oid[]) AND c.relkind = 'm'
        AND NOT c.oid = ANY (%s::pg_catalog.oid[])
    ORDER BY 1
"""


@dataclass
class Filtered:
    """What the patterns of the configuration take of one database, and how the tool is told."""

    relations: list[int] = field(default_factory=list)
    """oids of what is left out altogether."""
    bare: list[int] = field(default_factory=list)
    """oids of the tables and materialized views whose rows are left out."""
    tables: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def filtered(connection: Connection, filters: Tables) -> Filtered:
    """Find what is to be left out of the connection's database, and what cannot be restored without it."""
    found = Filtered()
    if not filters.exclude and not filters.exclude_rows:
        return found
    database = connection.info.dbname
    relations = list(connection.execute(_RELATIONS))
    with_rows = [relation for relation in relations if relation[1] in "rpm"]
    excluded = _matched(filters.exclude, "exclude", database, relations, found)
    bare = _matched(filters.exclude_rows, "exclude_rows", database, with_rows, found)
    if excluded:
        _leave_out(connection, excluded, found)
    if bare:
        _leave_rows_out(connection, bare, found)
    found.findings += _needing(connection, found)
    return found


_Relation = tuple[int, str, str, str]
"""oid, relkind, schema, name."""


def _matched(
    patterns: Sequence[TablePattern],
    key: str,
    database: str,
    relations: Sequence[_Relation],
    found: Filtered,
) -> set[int]:
    matched: set[int] = set()
    for pattern in patterns:
        fitting = {oid for oid, _, schema, name in relations if pattern.fits(database, name, schema)}
        matched |= fitting
        if not fitting and pattern.names_database and pattern.fits_database(database):
            found.findings.append(
                Finding(
                    Severity.WARNING,
                    f"tables.{key}: {pattern} matches no table of {database}",
                    cure="mend the pattern, or take it out",
                )
            )
    return matched


def _leave_out(connection: Connection, excluded: Collection[int], found: Filtered) -> None:
    """Leave out with the tables their partitions, their sequences and the views that read them."""
    inseparable = []
    for oid, kind, schema, name, full, is_partition in connection.execute(HANGS_ON_THEM, [sorted(excluded)]):
        found.relations.append(oid)
        found.tables.append(full)
        found.options.append(f"--exclude-table={exact_pattern(schema)}.{exact_pattern(name)}")
        if oid in excluded or kind == "S":
            continue
        if kind in "vm" or is_partition:
            what = "it reads" if kind in "vm" else "it is a part of"
            found.findings.append(
                Finding(
                    Severity.WARNING,
                    f"{KINDS[kind]} {full} is left out, for {what} what the configuration leaves out",
                    full,
                )
            )
        else:
            inseparable.append(f"{KINDS[kind]} {full}")
    inseparable += [name for (name,) in connection.execute(_MADE_OF_ROW_TYPES, [found.relations])]
    if inseparable:
        found.findings.append(
            Finding(
                Severity.FAULT,
                f"cannot be restored without what the configuration leaves out: {listed(inseparable)}",
                inseparable[0],
                "leave that out too (`tables.exclude`), or only rows (`tables.exclude_rows`)",
            )
        )


def _leave_rows_out(connection: Connection, bare: Collection[int], found: Filtered) -> None:
    for oid, schema, name, full in connection.execute(_WITH_PARTITIONS, [sorted(bare)]):
        if oid not in found.relations:
            found.bare.append(oid)
            found.rows.append(full)
            found.options.append(f"--exclude-table-data={exact_pattern(schema)}.{exact_pattern(name)}")


# ---------------------------------------------------------------------------- what needs them


def _needing(connection: Connection, found: Filtered) -> Iterator[Finding]:
    """Name what stays in the dump and needs what is left out, with what becomes of it at a restore."""
    gone, bare = found.relations, found.bare
    for key, table, referenced in connection.execute(_FOREIGN_KEYS, [gone, gone]):
        yield Finding(
            Severity.WARNING,
            f"the foreign key {key} of {table} refers to {referenced}, which is left out: a restore cannot "
            "make it, says so, and ends with status 21 though all rows are there",
            table,
            f"leave out {table} too, or keep {referenced}, with or without its rows",
        )
    for key, table, referenced in connection.execute(_FOREIGN_KEYS, [bare, gone + bare]):
        yield Finding(
            Severity.WARNING,
            f"the foreign key {key} of {table} refers to {referenced}, whose rows are left out: a restore "
            "cannot make it where rows refer to them, says so, and ends with status 21 though all rows are "
            "there",
            table,
            f"leave out the rows of {table} too, or keep those of {referenced}",
        )
    for policy, table in connection.execute(_POLICIES, [gone, gone]):
        yield Finding(
            Severity.WARNING,
            f"the policy {policy} of {table} needs what is left out: a restore cannot make it, says so, and "
            "ends with status 21 though all rows are there",
            table,
        )
    for function, table in connection.execute(_BODIES, [gone]):
        yield Finding(
            Severity.WARNING,
            f"the function {function} seems to need {table}, which is left out: it is restored, and fails "
            "when it runs, also as a trigger",
            function,
        )
    for (view,) in connection.execute(_REFRESHED, [bare, gone + bare]):
        yield Finding(
            Severity.WARNING,
            f"materialized view {view} reads tables whose rows are left out: a restore makes it anew "
            "without them",
            view,
        )
