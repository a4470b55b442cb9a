"""What a database holds: numbers of objects by kind, and the first few by name.

Counted is what pg_dump writes: nothing of the system's own, no members of extensions (CREATE EXTENSION
brings them back, maybe of another version), nothing that PostgreSQL makes along with something else (array
types, functions and casts of range types, what partitions copy from their parent), no invalid indexes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection

_BUILT_IN: Final = 16384
"""The first oid that is not the system's own (FirstNormalObjectId)."""

_USERS_SCHEMA: Final = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

_PART_OF_ANOTHER: Final = """
    EXISTS (SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass AND d.objid = {oid}
            AND d.deptype IN ('e', 'i'))
"""
"""An extension's member (e), or made along with something else (i), as the constructors of a range type."""

_RELATIONS: Final = """
    WITH relations AS (
        SELECT c.oid, c.relkind FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND n.nspname !~ '^pg_'
            AND n.nspname <> 'information_schema' AND NOT c.oid = ANY (%(left_out)s::pg_catalog.oid[])
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
    )
"""

_RELATION_KINDS: Final = {
    "table": "r",
    "partitioned table": "p",
    "view": "v",
    "materialized view": "m",
    "sequence": "S",
    "foreign table": "f",
    "composite type": "c",
}

_ON_RELATIONS: Final = {
    "index": """pg_catalog.pg_index i JOIN relations r ON r.oid = i.indrelid
        WHERE (i.indisvalid OR r.relkind = 'p') AND i.indisready""",
    # not null (contype n) is a constraint of its own from 18 on only; partitions get copies from their parent
    "constraint": """pg_catalog.pg_constraint i JOIN relations r ON r.oid = i.conrelid
        WHERE i.contype <> 'n' AND i.conparentid = 0""",
    "trigger": """pg_catalog.pg_trigger i JOIN relations r ON r.oid = i.tgrelid
        WHERE NOT i.tgisinternal AND i.tgparentid = 0""",
    "rule": "pg_catalog.pg_rewrite i JOIN relations r ON r.oid = i.ev_class WHERE i.rulename <> '_RETURN'",
    "policy": "pg_catalog.pg_policy i JOIN relations r ON r.oid = i.polrelid",
    "statistics": "pg_catalog.pg_statistic_ext i JOIN relations r ON r.oid = i.stxrelid",
}

_IN_SCHEMAS: Final = {
    "function": ("pg_proc", "pronamespace", "o.prokind IN ('f', 'w')"),
    "procedure": ("pg_proc", "pronamespace", "o.prokind = 'p'"),
    "aggregate": ("pg_proc", "pronamespace", "o.prokind = 'a'"),
    "enum type": ("pg_type", "typnamespace", "o.typtype = 'e'"),
    "domain": ("pg_type", "typnamespace", "o.typtype = 'd'"),
    "range type": ("pg_type", "typnamespace", "o.typtype = 'r'"),
    "base type": ("pg_type", "typnamespace", "o.typtype = 'b' AND o.typcategory <> 'A'"),
    "operator": ("pg_operator", "oprnamespace", "true"),
    "operator class": ("pg_opclass", "opcnamespace", "true"),
    "operator family": ("pg_opfamily", "opfnamespace", "true"),
    "collation": ("pg_collation", "collnamespace", "true"),
    "conversion": ("pg_conversion", "connamespace", "true"),
    "text search configuration": ("pg_ts_config", "cfgnamespace", "true"),
    "text search dictionary": ("pg_ts_dict", "dictnamespace", "true"),
    "text search parser": ("pg_ts_parser", "prsnamespace", "true"),
    "text search template": ("pg_ts_template", "tmplnamespace", "true"),
}
"""Kind to catalog, its column for the schema, and what makes the kind."""

_OF_THE_DATABASE: Final = {
    "cast": "pg_cast",
    "language": "pg_language",
    "access method": "pg_am",
    "transform": "pg_transform",
    "foreign data wrapper": "pg_foreign_data_wrapper",
    "foreign server": "pg_foreign_server",
    "event trigger": "pg_event_trigger",
    "publication": "pg_publication",
}

_SCHEMAS: Final = """
    SELECT count(*) FROM pg_catalog.pg_namespace n WHERE {users_schema} AND NOT {part_of_another}
"""

_OTHERS: Final = {
    "schema": _SCHEMAS.format(
        users_schema=_USERS_SCHEMA,
        part_of_another=_PART_OF_ANOTHER.format(catalog="pg_namespace", oid="n.oid"),
    ),
    "extension": "SELECT count(*) FROM pg_catalog.pg_extension",
    "user mapping": "SELECT count(*) FROM pg_catalog.pg_user_mappings",
    "default privilege": "SELECT count(*) FROM pg_catalog.pg_default_acl",
    "subscription": """
        SELECT count(*) FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database b ON b.oid = s.subdbid
        WHERE b.datname = pg_catalog.current_database()
    """,
    "large object": "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata",
}

_COUNT_RELATIONS: Final = "SELECT '{kind}', count(*) FROM relations WHERE relkind = '{letter}'"
_COUNT_ON_RELATIONS: Final = "SELECT '{kind}', count(*) FROM {source}"
_COUNT_IN_SCHEMAS: Final = """
    SELECT '{kind}', count(*) FROM pg_catalog.{catalog} o JOIN pg_catalog.pg_namespace n ON n.oid = o.{schema}
    WHERE {users_schema} AND {which} AND NOT {part_of_another}
"""
_COUNT_OF_THE_DATABASE: Final = """
    SELECT '{kind}', count(*) FROM pg_catalog.{catalog} o WHERE o.oid >= {built_in} AND NOT {part_of_another}
"""
_COUNT_OTHERS: Final = "SELECT '{kind}', ({query})"


def _query() -> str:
    parts = [_COUNT_RELATIONS.format(kind=kind, letter=letter) for kind, letter in _RELATION_KINDS.items()]
    parts += [_COUNT_ON_RELATIONS.format(kind=kind, source=source) for kind, source in _ON_RELATIONS.items()]
    for kind, (catalog, schema, which) in _IN_SCHEMAS.items():
        another = _PART_OF_ANOTHER.format(catalog=catalog, oid="o.oid")
        parts.append(
            _COUNT_IN_SCHEMAS.format(
                kind=kind,
                catalog=catalog,
                schema=schema,
                which=which,
                users_schema=_USERS_SCHEMA,
                part_of_another=another,
            )
        )
    for kind, catalog in _OF_THE_DATABASE.items():
        another = _PART_OF_ANOTHER.format(catalog=catalog, oid="o.oid")
        parts.append(
            _COUNT_OF_THE_DATABASE.format(
                kind=kind, catalog=catalog, built_in=_BUILT_IN, part_of_another=another
            )
        )
    parts += [_COUNT_OTHERS.format(kind=kind, query=query) for kind, query in _OTHERS.items()]
    return _RELATIONS + " UNION ALL ".join(parts)


_COUNTS: Final = _query().encode()

_FIRST_TEN: Final = """
    SELECT kind || ' ' || name FROM (
        SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view'
                WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                ELSE 'type' END AS kind,
            pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, 1 AS place
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND {users_schema}
        UNION ALL
        SELECT 'function', p.oid::pg_catalog.regprocedure::text, 2
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE {users_schema}
        UNION ALL
        SELECT 'type', t.oid::pg_catalog.regtype::text, 3
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE {users_schema} AND t.typtype IN ('b', 'd', 'e', 'r') AND t.typcategory <> 'A'
        UNION ALL
        SELECT 'schema', n.nspname, 4 FROM pg_catalog.pg_namespace n
        WHERE {users_schema} AND n.nspname <> 'public'
        UNION ALL
        SELECT 'extension', extname, 5 FROM pg_catalog.pg_extension WHERE oid >= 16384
        UNION ALL
        SELECT 'large object', oid::text, 6 FROM pg_catalog.pg_largeobject_metadata
        UNION ALL
        SELECT 'event trigger', evtname, 7 FROM pg_catalog.pg_event_trigger
        UNION ALL
        SELECT 'publication', pubname, 7 FROM pg_catalog.pg_publication
        UNION ALL
        SELECT 'foreign data wrapper', fdwname, 7 FROM pg_catalog.pg_foreign_data_wrapper
        UNION ALL
        SELECT 'operator', oprname, 7 FROM pg_catalog.pg_operator o
        JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace WHERE {users_schema}
        UNION ALL
        SELECT 'collation', collname, 7 FROM pg_catalog.pg_collation o
        JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace WHERE {users_schema}
        UNION ALL
        SELECT 'cast', castsource::pg_catalog.regtype || ' as ' || casttarget::pg_catalog.regtype, 7
        FROM pg_catalog.pg_cast WHERE oid >= 16384
    ) found ORDER BY place, name COLLATE "C" LIMIT 10
""".replace("{users_schema}", _USERS_SCHEMA).encode()


def object_counts(connection: Connection, left_out: Collection[int] = ()) -> dict[str, int]:
    """Count the objects of the connection's database by kind; kinds of which there are none are not named.

    `left_out` are relations (oids) that are not counted, nor what hangs on them.
    """
    rows = connection.execute(_COUNTS, {"left_out": list(left_out)})
    return {kind: number for kind, number in rows if number}


def first_objects(connection: Connection) -> tuple[str, ...]:
    """Name up to ten objects that the connection's database has beyond what a new one has."""
    return tuple(name for (name,) in connection.execute(_FIRST_TEN))
