"""What a dump loses of what was made in the system's own schemas, or changed there: a query for each.

pg_dump takes all that is in pg_catalog and information_schema for what every new database has anyway.
"""

from __future__ import annotations

from typing import Final

from vya_backupdb.engines.postgresql.preflight.losses import Loss
from vya_backupdb.model import Severity

SYSTEM: Final = (
    Loss(
        b"""
        SELECT kind || ' ' || name FROM (
            SELECT 'function' AS kind, 'pg_proc' AS catalog, oid, oid::pg_catalog.regprocedure::text AS name,
                pronamespace AS schema FROM pg_catalog.pg_proc
            UNION ALL
            SELECT 'table', 'pg_class', oid, relname, relnamespace FROM pg_catalog.pg_class
            WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
            UNION ALL
            SELECT 'type', 'pg_type', oid, typname, typnamespace FROM pg_catalog.pg_type
            WHERE typtype IN ('b', 'd', 'e', 'r') AND typcategory <> 'A'
            UNION ALL
            SELECT 'type', 'pg_type', t.oid, typname, typnamespace
            FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid = typrelid
            WHERE t.oid >= 16384 AND relkind = 'c'
            UNION ALL
            SELECT 'collation', 'pg_collation', oid, collname, collnamespace FROM pg_catalog.pg_collation
            UNION ALL
            SELECT 'statistics', 'pg_statistic_ext', oid, stxname, stxnamespace
            FROM pg_catalog.pg_statistic_ext
            UNION ALL
            SELECT 'rule', 'pg_rewrite', r.oid, r.rulename || ' on ' || relname, relnamespace
            FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = ev_class
            WHERE r.oid >= 16384 AND ev_class < 16384
            UNION ALL
            SELECT 'trigger', 'pg_trigger', t.oid, tgname || ' on ' || relname, relnamespace
            FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = tgrelid
            WHERE tgrelid < 16384 AND NOT tgisinternal
            UNION ALL
            SELECT 'default privileges of', 'pg_default_acl', oid, pg_catalog.pg_get_userbyid(defaclrole),
                defaclnamespace FROM pg_catalog.pg_default_acl
            UNION ALL
            SELECT 'operator family', 'pg_opfamily', oid, opfname, opfnamespace FROM pg_catalog.pg_opfamily
            UNION ALL
            SELECT 'operator', 'pg_operator', oid, oprname, oprnamespace FROM pg_catalog.pg_operator
            UNION ALL
            SELECT 'operator class', 'pg_opclass', oid, opcname, opcnamespace FROM pg_catalog.pg_opclass
            UNION ALL
            SELECT 'conversion', 'pg_conversion', oid, conname, connamespace FROM pg_catalog.pg_conversion
            UNION ALL
            SELECT 'text search configuration', 'pg_ts_config', oid, cfgname, cfgnamespace
            FROM pg_catalog.pg_ts_config
            UNION ALL
            SELECT 'text search dictionary', 'pg_ts_dict', oid, dictname, dictnamespace
            FROM pg_catalog.pg_ts_dict
            UNION ALL
            SELECT 'text search template', 'pg_ts_template', oid, tmplname, tmplnamespace
            FROM pg_catalog.pg_ts_template
            UNION ALL
            SELECT 'text search parser', 'pg_ts_parser', oid, prsname, prsnamespace
            FROM pg_catalog.pg_ts_parser
        ) o
        WHERE oid >= 16384 AND schema <> 0
            AND schema::pg_catalog.regnamespace::text IN ('pg_catalog', 'information_schema')
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.objid = o.oid AND d.deptype IN ('e', 'i')
                    AND d.classid = ('pg_catalog.' || catalog)::pg_catalog.regclass)
        ORDER BY 1
        """,
        "in the system's own schemas, which pg_dump never dumps: {}",
        "move them to a schema of your own",
    ),
    Loss(
        b"""
        SELECT DISTINCT 'text search configuration ' || mapcfg::pg_catalog.regconfig
        FROM pg_catalog.pg_ts_config_map WHERE mapcfg < 16384 AND mapdict >= 16384
        UNION ALL
        SELECT DISTINCT pg_catalog.format('operator family %I (%s)', opfname, amname)
        FROM (
            SELECT 'pg_catalog.pg_amop'::pg_catalog.regclass AS catalog, oid, amopfamily AS family,
                'pg_catalog.pg_operator'::pg_catalog.regclass AS of, amopopr AS added FROM pg_catalog.pg_amop
            UNION ALL
            SELECT 'pg_catalog.pg_amproc', oid, amprocfamily, 'pg_catalog.pg_proc', amproc
            FROM pg_catalog.pg_amproc
        ) m JOIN pg_catalog.pg_opfamily f ON f.oid = family JOIN pg_catalog.pg_am a ON a.oid = opfmethod
        WHERE m.oid >= 16384 AND family < 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
            WHERE (d.classid, d.objid) = (catalog, m.oid)
                    AND d.refclassid = 'pg_catalog.pg_opclass'::pg_catalog.regclass
                OR (d.classid, d.objid, d.deptype) = (of, added, 'e'))
        ORDER BY 1
        """,
        "the system's own, which pg_dump never dumps, and what was added to them is lost: {}",
        "make one of your own (CREATE TEXT SEARCH CONFIGURATION ... (COPY = ...), CREATE OPERATOR FAMILY)",
    ),
    Loss(
        b"""
        SELECT DISTINCT kind || ' ' || name FROM (
            SELECT 'table' AS kind, relname AS name, relnamespace AS schema, oid, relacl AS acl,
                pg_catalog.acldefault('r', relowner)
                || pg_catalog.makeaclitem(0, relowner, 'SELECT', false) AS made FROM pg_catalog.pg_class
            UNION ALL
            SELECT 'schema', nspname, oid, oid, coalesce(nspacl, '{}'), pg_catalog.acldefault('n', nspowner)
                || pg_catalog.makeaclitem(0, nspowner, 'USAGE', false) FROM pg_catalog.pg_namespace
            UNION ALL
            SELECT 'function', proname, pronamespace, oid, proacl, NULL FROM pg_catalog.pg_proc
            UNION ALL
            SELECT 'table', relname, relnamespace, oid, attacl, NULL
            FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class c ON c.oid = attrelid
        ) o
        WHERE schema = 'information_schema'::pg_catalog.regnamespace AND oid < 16384 AND acl IS NOT NULL
            AND (made IS NULL OR NOT (acl @> made AND made @> acl))
        ORDER BY 1
        """,
        "privileges on what is in information_schema are in no dump, and were changed: {}",
        "keep the GRANT and REVOKE in a script, and execute it after a restore",
    ),
    Loss(
        b"""
        SELECT what FROM (
            SELECT 'comment on extension plpgsql' AS what, 'PL/pgSQL procedural language' AS made,
                pg_catalog.obj_description(oid, 'pg_extension') AS text
            FROM pg_catalog.pg_extension WHERE extname = 'plpgsql'
            UNION ALL
            SELECT 'comment on schema ' || nspname,
                CASE nspname WHEN 'pg_catalog' THEN 'system catalog schema' ELSE '' END,
                pg_catalog.obj_description(oid, 'pg_namespace')
            FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema')
            UNION ALL
            SELECT 'extension plpgsql, which was dropped', '', 'and is in template0' WHERE NOT EXISTS (
                SELECT FROM pg_catalog.pg_extension WHERE extname = 'plpgsql')
        ) o WHERE text <> made ORDER BY 1
        """,
        "as in every new database after a restore, for no dump holds the change: {}",
        "after a restore: COMMENT ON ..., or DROP EXTENSION plpgsql",
        Severity.NOTE,
    ),
)
"""Each is one finding, which names the first few."""
