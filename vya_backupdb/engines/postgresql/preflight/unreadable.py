"""Columns whose values a server writes as text that it, or another one, does not read back."""

from __future__ import annotations

from typing import Final

from vya_backupdb.engines.postgresql.preflight.losses import Loss
from vya_backupdb.model import Severity

UNREADABLE: Final = (
    Loss(
        b"""
        SELECT pg_catalog.format('%I of %s (%s)', attname, c.oid::pg_catalog.regclass, typname)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute ON attrelid = c.oid AND NOT attisdropped
        JOIN pg_catalog.pg_type t ON t.oid = atttypid
        WHERE c.oid >= 16384 AND relkind = 'r' AND typnamespace = 'pg_catalog'::pg_catalog.regnamespace
            -- whose input functions refuse every value
            AND typname IN ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list',
                'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary')
        ORDER BY 1
        """,
        "of a type whose values no server reads back, so that a restore refuses the rows of the table, unless"
        " all are NULL there: column {}",
        "ALTER TABLE ... ALTER COLUMN ... TYPE text USING ...::text",
    ),
    Loss(
        b"""
        SELECT pg_catalog.format('%I of %s (%s)', attname, c.oid::pg_catalog.regclass,
            pg_catalog.format_type(t.oid, NULL))
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute ON attrelid = c.oid AND NOT attisdropped
        JOIN pg_catalog.pg_type t ON t.oid = atttypid
        WHERE c.oid >= 16384 AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0
            AND CASE typtype WHEN 'd' THEN typbasetype ELSE coalesce(nullif(typelem, 0), t.oid) END
                IN ('pg_catalog.regclass'::pg_catalog.regtype, 'pg_catalog.regproc'::pg_catalog.regtype,
                    'pg_catalog.regoper'::pg_catalog.regtype, 'pg_catalog.regrole'::pg_catalog.regtype,
                    'pg_catalog.aclitem'::pg_catalog.regtype)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
        ORDER BY 1
        """,
        "hold names of objects and roles, and a restore refuses the rows of the table if one is not there yet"
        " (an index), is several objects' (functions and operators), or is not on the target: column {}",
        "regprocedure and regoperator instead of regproc and regoper; else text",
        Severity.NOTE,
    ),
)
"""Each is one finding, which names the first few."""
