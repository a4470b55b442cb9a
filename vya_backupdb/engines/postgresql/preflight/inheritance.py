"""What a dump loses of tables that inherit from others, partitions among them: a query for each.

pg_dump makes an inheriting table with INHERITS and writes only what it takes to differ from its parents;
partitions it makes one by one, and attaches them. Each loss was seen by comparing the catalogs of a database
with those of its restored dump, on PostgreSQL 15, 17 and 18.
"""

from __future__ import annotations

from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.preflight.losses import Loss
from vya_backupdb.model import Severity

_INHERITING: Final = b"""
    WITH RECURSIVE inheriting AS (
        -- pg_dump writes the parents as they lie in the catalog, whatever inhseqno says
        SELECT inhrelid AS child, inhparent AS parent,
            pg_catalog.row_number() OVER (PARTITION BY inhrelid ORDER BY i.ctid)::int AS turn
        FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = inhrelid
        WHERE c.relkind IN ('r', 'f') AND NOT c.relispartition
    ), ancestors(child, parent, ancestor) AS (
        SELECT child, parent, parent FROM inheriting
        UNION
        SELECT a.child, a.parent, i.parent FROM ancestors a JOIN inheriting i ON i.child = a.ancestor
    )
"""
"""Who inherits from whom, directly and over others. Partitions are another matter."""

_GIVEN: Final = (
    _INHERITING
    + b"""
    , inherited AS MATERIALIZED (
        SELECT child, parent, attname FROM inheriting JOIN pg_catalog.pg_attribute ON attrelid = child
        WHERE NOT attislocal AND attnum > 0
    ), given(relation, name, expression) AS (
        -- pg_get_expr, which waits for a table that is locked, only where other columns may be named
        SELECT adrelid, attname, CASE attgenerated
            WHEN '' THEN pg_catalog.regexp_replace(adbin::text, ':location -?[0-9]+', '', 'g')
            ELSE pg_catalog.pg_get_expr(adbin, adrelid) END
        FROM pg_catalog.pg_attrdef e JOIN pg_catalog.pg_attribute ON attrelid = adrelid AND attnum = adnum
        WHERE attislocal AND adrelid IN (SELECT parent FROM inheriting)
            -- of a sequence that is the column's own: written after all tables
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_depend s
                    ON s.classid = d.refclassid AND s.objid = d.refobjid AND s.deptype IN ('a', 'i')
                WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid
                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND s.refobjid = adrelid AND s.refobjsubid > 0)
        UNION
        SELECT child, name, expression FROM given JOIN inherited ON parent = relation AND attname = name
    )
    """
)
"""What a restored table is made with: the defaults and generation expressions of the tables further up."""

_KEPT: Final = (
    _INHERITING
    + b"""
    , columns AS (
        SELECT attrelid, attname, attinhcount, property, value, own FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_type t ON t.oid = atttypid,
        -- attcompression is there from 14 on
        LATERAL (VALUES ('STORAGE', attstorage::text, attstorage <> typstorage),
            ('COMPRESSION', pg_catalog.to_jsonb(a) ->> 'attcompression',
                pg_catalog.to_jsonb(a) ->> 'attcompression' <> '')) p(property, value, own)
        WHERE attrelid IN (SELECT child FROM inheriting UNION SELECT parent FROM inheriting) AND attnum > 0
            AND NOT attisdropped
    ), kept(relation, name, property, value) AS (
        SELECT attrelid, attname, property, value FROM columns
        WHERE own OR property = 'STORAGE' AND attinhcount = 0
        UNION
        SELECT i.child, k.name, k.property, k.value FROM kept k JOIN inheriting i ON i.parent = k.relation
        JOIN columns c ON c.attrelid = i.child AND c.attname = k.name AND c.property = k.property AND NOT own
    ), offered AS (
        SELECT i.child, c.attname, c.property, c.value, c.own, k.value AS parents FROM inheriting i
        JOIN kept k ON k.relation = i.parent
        JOIN columns c ON c.attrelid = i.child AND c.attname = k.name AND c.property = k.property
    )
    """
)
"""The storage and compression of parents' columns after a restore, beside those of their children."""

_FOREIGN_KEYS: Final = b"""
    WITH RECURSIVE keys(oid, top) AS (
        SELECT oid, oid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0
        UNION ALL
        SELECT k.oid, top FROM keys JOIN pg_catalog.pg_constraint k ON k.conparentid = keys.oid
    )
    SELECT pg_catalog.format('%I of %s (%I)', k.conname, k.conrelid::pg_catalog.regclass, t.conname)
    FROM keys JOIN pg_catalog.pg_constraint k ON k.oid = keys.oid
    JOIN pg_catalog.pg_constraint t ON t.oid = top
"""
"""Those of partitions beside those of the tables that they are partitions of."""

_INHERITANCE: Final = (
    Loss(
        _INHERITING
        + b"""
        , places AS (
            SELECT DISTINCT ON (child, a.attnum) child, a.attnum, CASE WHEN p.attnum IS NULL
                THEN ARRAY[2147483647] ELSE ARRAY[turn, p.attnum] END AS place
            FROM inheriting JOIN pg_catalog.pg_attribute a
                ON a.attrelid = child AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_catalog.pg_attribute p
                ON p.attrelid = parent AND p.attname = a.attname AND p.attnum > 0 AND NOT p.attisdropped
            ORDER BY child, a.attnum, p.attnum IS NULL, turn
        ), moved(child) AS (
            SELECT child FROM (SELECT child, place < pg_catalog.lag(place) OVER (
                PARTITION BY child ORDER BY attnum) AS lost FROM places) o WHERE lost
            UNION
            SELECT i.child FROM moved JOIN inheriting i ON i.parent = moved.child
        )
        SELECT child::pg_catalog.regclass::text FROM moved ORDER BY 1
        """,
        "their columns come back in another order, those of the parent first (SELECT *, and INSERT without"
        " names, depend on it): inheriting table {}",
        "name columns in statements, or make the table anew in the parent's order",
    ),
    Loss(
        _GIVEN
        + b"""
        SELECT pg_catalog.format('%I of %s', name, relation::pg_catalog.regclass)
        FROM given GROUP BY name, relation HAVING pg_catalog.count(*) > 1 ORDER BY 1
        """,
        "inherited with different defaults or generation expressions from several tables, so that a restore"
        " cannot make the table: column {}",
        "make the column its own, in one transaction: ALTER TABLE ... NO INHERIT of each, then INHERIT",
    ),
    Loss(
        _KEPT
        + b"""
        SELECT pg_catalog.format('%I of %s', attname, child::pg_catalog.regclass) FROM offered
        GROUP BY attname, child, property HAVING pg_catalog.count(DISTINCT parents) > 1 ORDER BY 1
        """,
        "inherited with different storage or compression from several tables, so that a restore cannot make"
        " the table: column {}",
        "SET STORAGE, or SET COMPRESSION, alike in all that it inherits from (ALTER TABLE ONLY)",
    ),
    Loss(
        _KEPT
        + b"""
        SELECT DISTINCT pg_catalog.format('%I of %s', attname, child::pg_catalog.regclass) FROM offered
        WHERE NOT own AND parents <> value ORDER BY 1
        """,
        "of its type's own storage or compression, and back with that of the table that it inherits from:"
        " column {}",
        "after a restore: ALTER TABLE ONLY ... ALTER COLUMN ... SET STORAGE, or SET COMPRESSION",
        Severity.NOTE,
    ),
    Loss(
        _GIVEN
        + b"""
        SELECT DISTINCT pg_catalog.format('%I of %s', name, relation::pg_catalog.regclass)
        FROM given JOIN pg_catalog.pg_attribute
            ON attrelid = relation AND attname = name AND NOT attislocal
        JOIN pg_catalog.pg_attrdef ON adrelid = relation AND adnum = attnum
        WHERE CASE WHEN attgenerated <> '' THEN expression <> pg_catalog.pg_get_expr(adbin, adrelid) END
        ORDER BY 1
        """,
        "generated by another expression than in the table that it inherits from, and back with that one's,"
        " so with other values: column {}",
        "make the column its own, in one transaction: ALTER TABLE ... NO INHERIT, then INHERIT",
    ),
    Loss(
        _INHERITING
        + b"""
        SELECT DISTINCT pg_catalog.format('%I of %s', a.attname, child::pg_catalog.regclass)
        FROM ancestors JOIN pg_catalog.pg_attribute a ON a.attrelid = child AND a.attinhcount > 0
        JOIN pg_catalog.pg_attribute p ON p.attrelid = parent AND p.attname = a.attname AND NOT p.attisdropped
        JOIN pg_catalog.pg_attribute o
            ON o.attrelid = ancestor AND o.attname = a.attname AND NOT o.attisdropped AND o.attnotnull
        -- 18 knows whose each NOT NULL is, and lets none be dropped that is inherited
        WHERE NOT a.attnotnull AND pg_catalog.current_setting('server_version_num')::int < 180000 ORDER BY 1
        """,
        "NOT NULL in a table that it inherits from, but not here: a restore makes it NOT NULL, and refuses"
        " the rows of the table if one is NULL: column {}",
        "up there: DROP NOT NULL, and ADD CHECK (... IS NOT NULL) NO INHERIT instead",
    ),
    Loss(
        _INHERITING
        + b"""
        SELECT DISTINCT pg_catalog.format('%I of %s', a.attname, child::pg_catalog.regclass)
        FROM ancestors
        JOIN pg_catalog.pg_attribute a ON a.attrelid = child AND a.attinhcount > 0 AND NOT a.atthasdef
        JOIN pg_catalog.pg_attribute p ON p.attrelid = parent AND p.attname = a.attname AND NOT p.atthasdef
        JOIN pg_catalog.pg_attribute o ON o.attrelid = ancestor AND o.attname = a.attname AND o.atthasdef
        WHERE pg_catalog.current_setting('server_version_num')::int >= 160000 ORDER BY 1
        """,
        "without a default here, and back with the one of a table further up after a restore: column {}",
        "after a restore: ALTER TABLE ONLY ... ALTER COLUMN ... DROP DEFAULT",
    ),
    Loss(
        b"""
        SELECT pg_catalog.format('%I of %s', k.conname, k.conrelid::pg_catalog.regclass)
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        WHERE k.contype = 'c' AND NOT k.conislocal AND NOT c.relispartition AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_constraint p ON p.conrelid = inhparent
            WHERE inhrelid = k.conrelid AND p.conname = k.conname AND p.contype = 'c')
        ORDER BY 1
        """,
        "inherited from a table that has it no more (ALTER TABLE ONLY ... DROP COLUMN), and so in no dump:"
        " constraint {}",
        "ALTER TABLE ... ADD CONSTRAINT with the same condition, under another name",
    ),
    Loss(
        _INHERITING
        + b"""
        SELECT DISTINCT pg_catalog.format('%I of %s', k.conname, child::pg_catalog.regclass)
        FROM ancestors JOIN pg_catalog.pg_constraint k
            ON k.conrelid = child AND k.contype = 'c' AND k.convalidated AND NOT k.conislocal
        JOIN pg_catalog.pg_constraint o ON o.conrelid = ancestor AND o.conname = k.conname
            AND o.contype = 'c' AND NOT o.convalidated AND NOT o.connoinherit
        UNION
        SELECT pg_catalog.format('%I of %s', k.conname, k.conrelid::pg_catalog.regclass)
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_constraint p ON p.oid = k.conparentid
        WHERE k.contype = 'f' AND k.convalidated AND NOT p.convalidated
        ORDER BY 1
        """,
        "valid here, NOT VALID in the table that it comes from, and so also here after a restore:"
        " constraint {}",
        "VALIDATE CONSTRAINT up there, or here after a restore",
        Severity.NOTE,
    ),
    Loss(
        b"""
        SELECT inhrelid::pg_catalog.regclass::text FROM pg_catalog.pg_inherits i
        -- it is there from 14 on
        WHERE pg_catalog.to_jsonb(i) ->> 'inhdetachpending' = 'true' ORDER BY 1
        """,
        "DETACH PARTITION ... CONCURRENTLY was interrupted, and a restore attaches it again: partition {}",
        "ALTER TABLE ... DETACH PARTITION ... FINALIZE",
    ),
    Loss(
        _FOREIGN_KEYS
        + b"""
        -- nor those towards the parts of what is referred to, which the top's own table has
        WHERE k.conname <> t.conname AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint o WHERE o.conrelid = k.conrelid AND o.conname = t.conname)
        ORDER BY 1
        """,
        "of a partition, and back under the name of the partitioned table's (in brackets): foreign key {}",
        "after a restore: ALTER TABLE ... RENAME CONSTRAINT, where statements name it",
        Severity.NOTE,
    ),
)


def inheritance_losses(connection: Connection) -> tuple[Loss, ...]:
    """Give what to look for: nothing where no table inherits, as in most databases, for it takes a while."""
    any_inherits = connection.execute(
        b"""
        SELECT WHERE EXISTS (SELECT FROM pg_catalog.pg_inherits)
            OR EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contype = 'c' AND NOT conislocal)
        """
    ).fetchone()
    return () if any_inherits is None else _INHERITANCE
