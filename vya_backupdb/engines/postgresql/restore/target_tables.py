"""Tables that are restored into a database that holds other things."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from psycopg import sql

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.restore.about import identifiers
from vya_backupdb.model import Finding, Severity

IN_A_NEW_DATABASE: Final = frozenset({"schema public"})

_MISSING: Final = b"""
    SELECT wanted.script_name
    FROM ROWS FROM (
        pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])
    ) wanted (script_name, schema, name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = wanted.schema AND (
        wanted.name IS NULL
        OR EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = n.oid AND relname = wanted.name)
        OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = n.oid AND typname = wanted.name)
        OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = n.oid AND proname = wanted.name)
        OR EXISTS (SELECT FROM pg_catalog.pg_collation WHERE collnamespace = n.oid AND collname = wanted.name)
        OR EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oprnamespace = n.oid AND oprname = wanted.name)
        OR EXISTS (SELECT FROM pg_catalog.pg_ts_config WHERE cfgnamespace = n.oid AND cfgname = wanted.name)
    ))
"""


def missing(connection: Connection, names: Collection[str]) -> frozenset[str]:
    """Give those of a script's names (`app.t`, `schema app`) that are nothing in the database."""
    wanted = sorted(names)
    parts = [identifiers(name.removeprefix("schema ")) for name in wanted]
    schemas = [part[0] if part else None for part in parts]
    lasts = [part[-1] if len(part) > 1 else None for part in parts]
    return frozenset(name for (name,) in connection.execute(_MISSING, [wanted, schemas, lasts]))


_OTHERS: Final = b"""
    WITH RECURSIVE named AS (
        SELECT pg_catalog.to_regclass(name)::oid AS oid FROM pg_catalog.unnest(%s::text[]) name
    ), own (classid, objid) AS (
        -- what goes with the tables as a matter of course: indexes, constraints, triggers, owned sequences
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, oid FROM named
        UNION
        SELECT d.classid, d.objid FROM own
        JOIN pg_catalog.pg_depend d ON d.refclassid = own.classid AND d.refobjid = own.objid
        WHERE d.deptype IN ('a', 'i')
            AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND EXISTS (
                SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid AND c.relispartition
                    AND c.relkind IN ('r', 'p', 'f') AND c.oid NOT IN (SELECT oid FROM named)))
    )
    SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, 0)
    FROM own JOIN pg_catalog.pg_depend d ON d.refclassid = own.classid AND d.refobjid = own.objid
    WHERE d.deptype IN ('n', 'a') AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM own)
        AND d.classid <> 'pg_catalog.pg_publication_rel'::pg_catalog.regclass
    ORDER BY 1
"""

_PUBLISHED: Final = b"""
    SELECT p.pubname, r.prrelid::pg_catalog.regclass::text FROM pg_catalog.pg_publication_rel r
    JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
    WHERE r.prrelid IN (SELECT pg_catalog.to_regclass(name)::oid FROM pg_catalog.unnest(%s::text[]) name)
    ORDER BY 1, 2
"""

_NO_TABLES: Final = b"""
    SELECT name FROM pg_catalog.unnest(%s::text[]) name
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(name)::oid
    WHERE c.relkind NOT IN ('r', 'p', 'f') ORDER BY 1
"""


_NOT_OWN: Final = b"""
    SELECT name, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)),
        pg_catalog.quote_ident(current_user)
    FROM pg_catalog.unnest(%s::text[]) name
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(name)::oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') AND NOT pg_catalog.pg_has_role(n.nspowner, 'USAGE')
    ORDER BY 1
"""


def examine_drop(connection: Connection, tables: Collection[str]) -> Iterator[Finding]:
    """Name what depends on the tables, and so is in the way of dropping them alone."""
    names = [sorted(tables)]
    for (name,) in connection.execute(_NO_TABLES, names):
        yield Finding(Severity.FAULT, f"{name} is there and is not a table", name, "drop it yourself")
    for name, owner, account in connection.execute(_NOT_OWN, names):
        yield Finding(
            Severity.PRIVILEGE,
            f"{account} does not own the table {name}",
            name,
            f"GRANT {owner} TO {account}",
        )
    for (other,) in connection.execute(_OTHERS, names):
        yield Finding(
            Severity.FAULT,
            f"{other} depends on the tables and would have to be dropped with them",
            other,
            "drop it first, or restore into another database with --target-database",
        )
    for publication, table in connection.execute(_PUBLISHED, names):
        yield Finding(
            Severity.WARNING,
            f"the publication {publication} loses the table {table} when that is dropped",
            publication,
            f"afterwards: ALTER PUBLICATION {publication} ADD TABLE {table}",
        )


def drop_statement(tables: Collection[str]) -> sql.Composed:
    """Give the DROP of all these tables at once, which refuses to take anything else along."""
    names = [sql.Identifier(*identifiers(name)) for name in sorted(tables)]
    return sql.SQL("DROP TABLE {}").format(sql.SQL(", ").join(names))
