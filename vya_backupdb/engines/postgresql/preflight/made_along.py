"""What comes along with a table, a view or a type, and is in no dump by itself: a query for each loss.

These are the row types of relations, the array type of each type, and the multirange type, constructors and
cast of a range. The server makes them anew; what was done to them since is lost, or its restore fails.
"""

from __future__ import annotations

from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.preflight.losses import Loss
from vya_backupdb.model import Severity

_ALONG: Final = b"""
    WITH along AS (
        SELECT classid, objid, refclassid, refobjid FROM pg_catalog.pg_depend d
        WHERE deptype = 'i' AND objid >= 16384
            AND classid IN ('pg_catalog.pg_type'::pg_catalog.regclass,
                'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_cast'::pg_catalog.regclass)
            AND refclassid IN ('pg_catalog.pg_type'::pg_catalog.regclass,
                'pg_catalog.pg_class'::pg_catalog.regclass)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e'
                AND e.classid = d.refclassid AND e.objid = d.refobjid)
    )
"""
"""What depends on a type or a relation as a part of it, and on what; extensions make their own."""

_MADE_ALONG: Final = (
    Loss(
        _ALONG
        + b"""
        SELECT DISTINCT what || pg_catalog.pg_describe_object(classid, objid, 0) FROM along JOIN (
            SELECT classoid AS classid, objoid AS objid, 'comment on ' AS what FROM pg_catalog.pg_description
            UNION ALL
            SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, 'privileges on ' FROM pg_catalog.pg_type
            WHERE typacl IS NOT NULL
            UNION ALL
            SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, 'privileges on ' FROM pg_catalog.pg_proc
            WHERE proacl IS NOT NULL
        ) part USING (classid, objid)
        ORDER BY 1
        """,
        "of what comes along with a table, a view or a type, and so in no dump: {}",
        "comment on the table, view or type itself; keep the rest in a script for after a restore",
    ),
    Loss(
        _ALONG
        + b"""
        SELECT pg_catalog.format('%s (%s.%I)', p.oid::pg_catalog.regprocedure,
            coalesce(r.typnamespace, t.typnamespace)::pg_catalog.regnamespace, t.typname)
        FROM along a JOIN pg_catalog.pg_proc p ON p.oid = a.objid
        JOIN pg_catalog.pg_type t ON t.oid = a.refobjid
        -- those of a multirange are made in the schema of its range
        LEFT JOIN along m ON t.typtype = 'm' AND m.classid = a.refclassid AND m.objid = t.oid
        LEFT JOIN pg_catalog.pg_type r ON r.oid = m.refobjid
        WHERE a.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND (p.proname <> t.typname
            OR p.pronamespace <> coalesce(r.typnamespace, t.typnamespace))
        ORDER BY 1
        """,
        "of a range type that was renamed or moved, and back under the type's name and schema (in brackets),"
        " so that what calls them cannot be restored: constructor {}",
        "ALTER FUNCTION ... RENAME TO, and SET SCHEMA, as the type's",
    ),
    Loss(
        _ALONG
        + b"""
        SELECT objid::pg_catalog.regtype || ' (' || pg_catalog.pg_get_userbyid(typowner) || ')'
        FROM along JOIN pg_catalog.pg_type t ON t.oid = objid AND typtype = 'm' AND typowner <> 10
        WHERE classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            -- from 17 on it is the owner of the range
            AND pg_catalog.current_setting('server_version_num')::int < 170000 ORDER BY 1
        """,
        "a dump does not keep the owner: a restore makes it whoever restores: multirange type {}",
        "after a restore: ALTER TYPE ... OWNER TO, where its owner is to change it",
        Severity.NOTE,
    ),
)


def made_along_losses(connection: Connection) -> tuple[Loss, ...]:
    """Give what to look for: nothing without ranges, and privileges and comments on types."""
    any_made = connection.execute(
        b"""
        SELECT WHERE EXISTS (SELECT FROM pg_catalog.pg_type
                WHERE oid >= 16384 AND (typacl IS NOT NULL OR typtype = 'r'))
            OR EXISTS (SELECT FROM pg_catalog.pg_description
                WHERE objoid >= 16384 AND classoid = 'pg_catalog.pg_type'::pg_catalog.regclass)
        """
    ).fetchone()
    return () if any_made is None else _MADE_ALONG
