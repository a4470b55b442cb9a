"""What pg_dump cannot read with the account in use: asked of the server, which knows memberships best.

pg_dump 13 to 18 lock every table (`LOCK TABLE`, which asks for SELECT on the table and USAGE on its
schema), read every sequence, and open every large object; without these they fail. What they leave out and
yet end with status 0: subscriptions and the options of user mappings. Members of extensions are read only
where the extension has marked them as its configuration.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.needed import READS_ALL, pass_row_security
from vya_backupdb.model import Finding, Severity

_UNREADABLE: Final = b"""
    SELECT c.oid, c.relkind, n.nspname, pg_catalog.format('%%I.%%I', n.nspname, c.relname),
        pg_catalog.quote_ident(n.nspname), pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT c.oid = ANY (%s::pg_catalog.oid[])
        AND (NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
            OR EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE c.oid = ANY (e.extconfig)))
        AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE')
            AND CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END)
    ORDER BY 3, 4
"""

HANGS_ON_THEM: Final = b"""
    WITH RECURSIVE lost(oid) AS (
        SELECT pg_catalog.unnest(%s::pg_catalog.oid[])
        UNION
        SELECT hanging.oid FROM lost CROSS JOIN LATERAL (
            -- inheriting tables and partitions
            SELECT inhrelid AS oid FROM pg_catalog.pg_inherits WHERE inhparent = lost.oid
            UNION ALL
            -- views and materialized views that read it
            SELECT r.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
            WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = lost.oid
            UNION ALL
            -- tables with a default that draws from it
            SELECT a.adrelid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid
            WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = lost.oid
            UNION ALL
            -- the table that a sequence belongs to (pg_dump takes the sequence whenever it takes the table)
            SELECT d.refobjid FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = lost.oid
                AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
                AND EXISTS (SELECT FROM pg_catalog.pg_class s WHERE s.oid = d.objid AND s.relkind = 'S')
            UNION ALL
            -- the sequences of a table
            SELECT d.objid FROM pg_catalog.pg_depend d
            WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = lost.oid
                AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
                AND EXISTS (SELECT FROM pg_catalog.pg_class s WHERE s.oid = d.objid AND s.relkind = 'S')
        ) hanging
    )
    SELECT c.oid, c.relkind, n.nspname, c.relname, pg_catalog.format('%%I.%%I', n.nspname, c.relname),
        c.relispartition
    FROM lost JOIN pg_catalog.pg_class c USING (oid) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') ORDER BY 3, 4
"""
"""What no restore can make without the relations given, and these themselves."""

_LARGE_OBJECTS: Final = b"""
    SELECT count(*), min(o.oid)::text, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(min(o.lomowner)))
    FROM pg_catalog.pg_largeobject_metadata o
    WHERE pg_catalog.current_setting('lo_compat_privileges') = 'off'
        AND NOT EXISTS (
            SELECT FROM pg_catalog.aclexplode(
                coalesce(o.lomacl, pg_catalog.acldefault('L', o.lomowner))) a
            WHERE a.privilege_type = 'SELECT'
                AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))
"""

_ROW_SECURITY: Final = b"""
    SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relrowsecurity AND pg_catalog.row_security_active(c.oid)
        AND NOT c.oid = ANY (%s::pg_catalog.oid[])
    ORDER BY 1
"""

_SUBSCRIPTIONS: Final = b"""
    SELECT pg_catalog.quote_ident(subname) FROM pg_catalog.pg_subscription s
    JOIN pg_catalog.pg_database b ON b.oid = s.subdbid
    WHERE b.datname = pg_catalog.current_database() ORDER BY 1
"""

_USER_MAPPINGS: Final = b"""
    SELECT pg_catalog.quote_ident(m.usename), pg_catalog.quote_ident(m.srvname)
    FROM pg_catalog.pg_user_mappings m JOIN pg_catalog.pg_foreign_server s ON s.oid = m.srvid
    WHERE m.umoptions IS NULL AND NOT (
        CASE WHEN m.umuser = 0 THEN pg_catalog.pg_has_role(s.srvowner, 'USAGE')
        ELSE m.usename = current_user AND (pg_catalog.pg_has_role(s.srvowner, 'USAGE')
            OR pg_catalog.has_server_privilege(s.oid, 'USAGE')) END)
    ORDER BY 2, 1
"""
"""Those whose options the view pg_user_mappings hides (its definition in system_views.sql)."""

KINDS: Final = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "f": "foreign table",
}


@dataclass
class Unreadable:
    """What a dump with the account in use would fail on or leave out, and how it can be done without."""

    findings: list[Finding] = field(default_factory=list)
    relations: list[int] = field(default_factory=list)
    """oids of the relations that have to be left out."""
    names: list[str] = field(default_factory=list)
    """With `allow_partial`, theirs."""
    kinds: list[str] = field(default_factory=list)
    """Kinds of objects that are left out altogether."""
    options: list[str] = field(default_factory=list)
    """The dump tool's options that leave it out."""


def unreadable(
    connection: Connection,
    account: str,
    *,
    allow_partial: bool,
    excluded: Collection[int] = (),
    without_rows: Collection[int] = (),
) -> Unreadable:
    """Find what the account may not read; with `allow_partial`, also what has to be left out along with it.

    `excluded` and `without_rows` are relations (oids) that are left out, or whose rows are, anyway. The
    account must not be a superuser: for that one, nothing is unreadable.
    """
    who = connection.execute("SELECT pg_catalog.quote_ident(%s)", [account]).fetchone()
    role = who[0] if who else account
    found = Unreadable()
    _relations(connection, role, excluded, found)
    if allow_partial and found.relations:
        _leave_out(connection, found)
    _large_objects(connection, role, found)
    for (name,) in connection.execute(_ROW_SECURITY, [[*excluded, *without_rows]]):
        found.findings.append(
            Finding(
                Severity.FAULT,
                f"row security applies to {role} on table {name}: pg_dump fails on it",
                name,
                pass_row_security(role),
            )
        )
    for (name,) in connection.execute(_SUBSCRIPTIONS):
        found.kinds.append("subscription")
        found.findings.append(
            Finding(
                Severity.PRIVILEGE,
                f"subscription {name} is left out: pg_dump takes subscriptions only for a superuser",
                name,
                f"ALTER ROLE {role} SUPERUSER",
            )
        )
    for user, server in connection.execute(_USER_MAPPINGS):
        found.findings.append(
            Finding(
                Severity.PRIVILEGE,
                f"the options of the user mapping for {user} on server {server} are hidden from {role}: "
                "they are left out",
                server,
                f"ALTER ROLE {role} SUPERUSER",
            )
        )
    return found


def _relations(connection: Connection, role: str, excluded: Collection[int], found: Unreadable) -> None:
    schemas = set()
    rows = connection.execute(_UNREADABLE, [list(excluded)])
    for oid, kind, schema, name, schema_quoted, usage in rows:
        found.relations.append(oid)
        if not usage:
            if schema not in schemas:
                schemas.add(schema)
                found.findings.append(
                    Finding(
                        Severity.PRIVILEGE,
                        f"no USAGE on schema {schema_quoted}",
                        schema_quoted,
                        f"GRANT USAGE ON SCHEMA {schema_quoted} TO {role}",
                    )
                )
            continue
        word = KINDS[kind]
        found.findings.append(
            Finding(
                Severity.PRIVILEGE,
                f"no SELECT on {word} {name}",
                name,
                f"GRANT SELECT ON {word.upper()} {name} TO {role}",
            )
        )


def _leave_out(connection: Connection, found: Unreadable) -> None:
    unreadable_ones = set(found.relations)
    found.relations.clear()
    for oid, kind, schema, name, full, _ in connection.execute(HANGS_ON_THEM, [sorted(unreadable_ones)]):
        found.relations.append(oid)
        found.names.append(full)
        found.options.append(f"--exclude-table={exact_pattern(schema)}.{exact_pattern(name)}")
        if oid not in unreadable_ones:
            found.findings.append(
                Finding(
                    Severity.WARNING,
                    f"{KINDS[kind]} {full} is left out, for it needs what may not be read",
                    full,
                )
            )


def exact_pattern(name: str) -> str:
    """Write a name as a pattern of pg_dump that matches it alone: in quotes nothing but them is special."""
    return '"' + name.replace('"', '""') + '"'


def _large_objects(connection: Connection, role: str, found: Unreadable) -> None:
    number, first, owner = next(iter(connection.execute(_LARGE_OBJECTS)))
    if not number:
        return
    more = f" and {number - 1:,} more" if number > 1 else ""
    found.kinds.append("large object")
    found.options.append("--no-blobs")  # 16 and later call it --no-large-objects and take this one too
    found.findings.append(
        Finding(
            Severity.PRIVILEGE,
            f"no SELECT on large object {first}{more}",
            "large objects",
            f"GRANT SELECT ON LARGE OBJECT {first} TO {role} ({READS_ALL} does not cover large objects;"
            f" GRANT {owner} TO {role} covers all of their owner's)",
        )
    )
