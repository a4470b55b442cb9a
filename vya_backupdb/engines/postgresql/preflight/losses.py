"""What a dump, or its restore, loses without a word though the account may read everything: a query for each.

Each was seen by comparing the catalogs of a database with those of its restored dump. What only a privilege
keeps out of a dump is in `privileges`, functions that a restore cannot run are in `evaluated`. The losses of
the system's own are in `system`, of what comes along with others in `made_along`, of tables that inherit in
`inheritance`, and values that no server reads back in `unreadable`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vya_backupdb.model import Severity


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of loss. `query` gives the names of what it befalls, `what` takes them."""

    query: bytes
    what: str
    cure: str
    severity: Severity = Severity.WARNING


LOSSES: Final = (
    Loss(
        b"""
        SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT ((i.indisvalid OR t.relkind = 'p') AND i.indisready) AND n.nspname !~ '^pg_'
        ORDER BY 1
        """,
        "invalid, and so left out by pg_dump: index {}",
        "REINDEX INDEX CONCURRENTLY, or drop them",
    ),
    Loss(
        b"""
        SELECT DISTINCT pg_catalog.format('%I.%I', n.nspname, c.relname)
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE t.tgisinternal AND t.tgconstraint <> 0 AND t.tgparentid = 0 AND t.tgenabled <> 'O'
        ORDER BY 1
        """,
        "foreign keys are switched off (DISABLE TRIGGER ALL), which no dump keeps: a restore enforces them"
        " and refuses those that rows violate: table {}",
        "ALTER TABLE ... ENABLE TRIGGER ALL",
    ),
    Loss(
        b"""
        SELECT pg_catalog.quote_ident(subname) FROM pg_catalog.pg_subscription s
        JOIN pg_catalog.pg_database b ON b.oid = s.subdbid
        WHERE subenabled AND datname = pg_catalog.current_database() ORDER BY 1
        """,
        "enabled here, and disabled after a restore: subscription {}",
        "after a restore: ALTER SUBSCRIPTION ... ENABLE, then REFRESH PUBLICATION",
        Severity.NOTE,
    ),
    Loss(
        b"""
        SELECT pg_catalog.quote_ident(extname) FROM pg_catalog.pg_extension e
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions a WHERE a.name = e.extname)
        ORDER BY 1
        """,
        "installed in the database, but its files are gone from the server: a restore onto this server"
        " would fail: extension {}",
        "install its package",
    ),
    Loss(
        b"""
        SELECT pg_catalog.quote_ident(extname) || ' ' || extversion || ' (' || default_version || ')'
        FROM pg_catalog.pg_extension JOIN pg_catalog.pg_available_extensions ON name = extname
        WHERE extversion <> default_version ORDER BY 1
        """,
        "a dump does not keep the version: a restore here makes the one in brackets: extension {}",
        "ALTER EXTENSION ... UPDATE, and restore onto a server with the same packages",
        Severity.NOTE,
    ),
    Loss(
        b"""
        SELECT pg_catalog.quote_ident(extname) || ' (' || pg_catalog.pg_get_userbyid(extowner) || ')'
        FROM pg_catalog.pg_extension WHERE extowner <> 10 ORDER BY 1
        """,
        "a dump does not keep the owner: a restore makes it whoever restores: extension {}",
        "where its owner is to change or drop it: restore as that role, or SET ROLE before CREATE EXTENSION",
        Severity.NOTE,
    ),
    Loss(
        b"""
        SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || c.oid::pg_catalog.regclass
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'S')
        WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
            AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND NOT c.oid = ANY (coalesce(e.extconfig, '{}'))
            AND CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_relation_size(c.oid) > 0
                WHEN c.relpersistence = 'p' AND pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                THEN pg_catalog.pg_sequence_last_value(c.oid) IS NOT NULL END
        ORDER BY 1
        """,
        "rows and numbers that an extension has not marked as its configuration, and so are in no dump: {}",
        "keep rows of your own in a table of your own (ALTER EXTENSION ... DROP TABLE makes it one)",
    ),
    Loss(
        b"""
        WITH members AS (
            SELECT classid, objid, refobjid AS extension, xmin::text AS transaction
            FROM pg_catalog.pg_depend
            WHERE refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND deptype = 'e'
        ), made AS (
            SELECT extension, transaction FROM members
            UNION SELECT oid, xmin::text FROM pg_catalog.pg_extension
        ), known AS (
            -- not those that pg_upgrade made, one thing after another, or among all the others
            SELECT oid AS extension FROM pg_catalog.pg_extension e WHERE NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.objid = e.oid
                    AND d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                    AND d.xmin::text NOT IN (SELECT transaction FROM members WHERE extension = e.oid)
            ) AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_class c JOIN made ON made.transaction = c.xmin::text
                WHERE made.extension = e.oid AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                    AND NOT EXISTS (SELECT FROM members m WHERE m.objid = c.oid AND m.extension = e.oid
                        AND m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
            )
        )
        SELECT what FROM members JOIN known USING (extension) JOIN (
            -- the names of members only are made, of a few among the thousands that every database has
            SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS classid, indrelid AS objid,
                xmin::text AS changed, 'index ' || indexrelid::pg_catalog.regclass AS what
            FROM pg_catalog.pg_index WHERE indrelid = ANY (ARRAY(SELECT objid FROM members))
            UNION ALL
            SELECT 'pg_catalog.pg_class', tgrelid, xmin::text,
                pg_catalog.format('trigger %I on %s', tgname, tgrelid::pg_catalog.regclass)
            FROM pg_catalog.pg_trigger
            WHERE tgrelid = ANY (ARRAY(SELECT objid FROM members)) AND NOT tgisinternal
            UNION ALL
            SELECT 'pg_catalog.pg_class', ev_class, xmin::text, CASE rulename
                WHEN '_RETURN' THEN 'view ' || ev_class::pg_catalog.regclass
                ELSE pg_catalog.format('rule %I on %s', rulename, ev_class::pg_catalog.regclass) END
            FROM pg_catalog.pg_rewrite WHERE ev_class = ANY (ARRAY(SELECT objid FROM members))
            UNION ALL
            SELECT 'pg_catalog.pg_class', polrelid, xmin::text,
                pg_catalog.format('policy %I on %s', polname, polrelid::pg_catalog.regclass)
            FROM pg_catalog.pg_policy WHERE polrelid = ANY (ARRAY(SELECT objid FROM members))
            UNION ALL
            SELECT 'pg_catalog.pg_class', conrelid, xmin::text,
                pg_catalog.format('constraint %I of %s', conname, conrelid::pg_catalog.regclass)
            FROM pg_catalog.pg_constraint
            WHERE conrelid = ANY (ARRAY(SELECT objid FROM members)) AND contype = 'c'
            UNION ALL
            SELECT 'pg_catalog.pg_class', attrelid, xmin::text,
                pg_catalog.format('column %I of %s', attname, attrelid::pg_catalog.regclass)
            FROM pg_catalog.pg_attribute
            WHERE attrelid = ANY (ARRAY(SELECT objid FROM members))
                AND attnum > 0 AND NOT attisdropped AND attacl IS NULL
            UNION ALL
            -- a GRANT, which is dumped, changes the same row
            SELECT 'pg_catalog.pg_proc', oid, xmin::text, 'function ' || oid::pg_catalog.regprocedure
            FROM pg_catalog.pg_proc WHERE oid = ANY (ARRAY(SELECT objid FROM members)) AND proacl IS NULL
            UNION ALL
            SELECT classoid, objoid, xmin::text,
                'comment on ' || pg_catalog.pg_describe_object(classoid, objoid, objsubid)
            FROM pg_catalog.pg_description
            WHERE objoid = ANY (ARRAY(SELECT objid FROM members)) AND objoid >= 16384
        ) part USING (classid, objid)
        WHERE NOT EXISTS (SELECT FROM made m
            WHERE m.extension = members.extension AND m.transaction = part.changed)
        ORDER BY 1
        """,
        "added to what an extension made or changed there, and so in no dump: {}",
        "keep them in a script, and execute it after a restore",
    ),
    Loss(
        b"""
        SELECT DISTINCT pg_catalog.pg_describe_object(classoid, objoid, objsubid) || ' (role ' || role || ')'
        FROM pg_catalog.pg_init_privs, pg_catalog.aclexplode(initprivs) a,
            pg_catalog.unnest(ARRAY[a.grantor, a.grantee]) role
        WHERE role <> 0 AND role NOT IN (SELECT oid FROM pg_catalog.pg_roles) ORDER BY 1
        """,
        "an extension gave privileges to a role that is gone, and the dump names it by its number, so that a"
        " restore asks for a role of that name: {}",
        "drop the extension and make it anew, or before a restore: CREATE ROLE with the number as its name",
    ),
    Loss(
        b"""
        SELECT pg_catalog.pg_describe_object(d.classoid, d.objoid, 0) FROM pg_catalog.pg_description d
        LEFT JOIN pg_catalog.pg_trigger t
            ON d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = d.objoid
        LEFT JOIN pg_catalog.pg_trigger p ON p.oid = t.tgparentid
        LEFT JOIN pg_catalog.pg_constraint c
            ON d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND c.oid = d.objoid
        LEFT JOIN pg_catalog.pg_rewrite r
            ON d.classoid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objoid
        WHERE d.objoid >= 16384 AND (t.tgenabled = p.tgenabled
            OR c.contype = 'c' AND NOT c.conislocal AND c.conrelid <> 0
            OR c.contype = 'f' AND c.conparentid <> 0 OR c.contype = 't'
            OR r.rulename = '_RETURN')
        ORDER BY 1
        """,
        "comments on what a table has from its parent, a view from its query, or a trigger as a constraint,"
        " are in no dump: {}",
        "comment on the parent's, on the view, or on the trigger",
    ),
    Loss(
        b"""
        SELECT pg_catalog.quote_ident(lanname) FROM pg_catalog.pg_language l
        WHERE oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_language'::pg_catalog.regclass AND d.objid = l.oid
                    AND d.deptype = 'e')
            AND EXISTS (SELECT FROM pg_catalog.pg_proc p
                WHERE p.oid IN (lanplcallfoid, laninline, lanvalidator)
                    AND pronamespace = 'pg_catalog'::pg_catalog.regnamespace)
        ORDER BY 1
        """,
        "made of functions that pg_dump leaves out, so that a restore takes them for extensions and fails:"
        " language {}",
        "drop them, or make them of functions in a schema of your own",
    ),
    Loss(
        b"""
        SELECT pg_catalog.format('%I of %s', conname, CASE contypid
            WHEN 0 THEN 'table ' || conrelid::pg_catalog.regclass
            ELSE 'domain ' || contypid::pg_catalog.regtype END)
        FROM pg_catalog.pg_constraint
        WHERE contype = 'c' AND convalidated AND oid >= 16384 AND conislocal
            AND (conbin::text LIKE '%{SQLVALUEFUNCTION %' OR EXISTS (
                SELECT FROM pg_catalog.regexp_matches(conbin::text, ':funcid (\\d+)', 'g') called
                JOIN pg_catalog.pg_proc p ON p.oid = called[1]::pg_catalog.oid
                WHERE pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND provolatile <> 'i'
                    AND (proname IN ('now', 'transaction_timestamp', 'statement_timestamp', 'clock_timestamp',
                        'timeofday', 'age', 'random', 'current_setting', 'current_database', 'getpgusername')
                        OR proname ~ '^inet_(client|server)_' OR proname ~ '^has_.*_privilege$')))
        ORDER BY 1
        """,
        "depend on when, where or by whom they are checked, so that a restore may refuse rows that were taken"
        " once: constraint {}",
        "make them triggers, or NOT VALID, which a restore does not check for rows that are there",
    ),
    Loss(
        b"""
        SELECT DISTINCT m.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class m
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = m.oid
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.oid <> m.oid
            AND t.relkind IN ('r', 'p', 'v', 'm', 'f')
        WHERE m.relkind = 'm' AND m.relispopulated
            AND NOT (pg_catalog.has_any_column_privilege(m.relowner, t.oid, 'SELECT')
                AND pg_catalog.has_schema_privilege(m.relowner, t.relnamespace, 'USAGE'))
        ORDER BY 1
        """,
        "a restore refreshes them with the rights of their owner, who may not read what they show:"
        " materialized view {}",
        "GRANT their owner SELECT on the tables, and USAGE on their schemas",
    ),
    Loss(
        b"""
        SELECT DISTINCT c.oid::pg_catalog.regcollation::text FROM pg_catalog.pg_collation c
        JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_collation'::pg_catalog.regclass
            AND d.refobjid = c.oid AND d.objid >= 16384
        WHERE collversion <> pg_catalog.pg_collation_actual_version(c.oid) ORDER BY 1
        """,
        "in use, and of another version than the system's library has now, so that indexes may be out of"
        " order: collation {}",
        "REINDEX what uses them, then ALTER COLLATION ... REFRESH VERSION",
    ),
    Loss(
        b"""
        SELECT gid FROM pg_catalog.pg_prepared_xacts
        WHERE database = pg_catalog.current_database() ORDER BY 1
        """,
        "prepared and not committed, so that no dump holds its changes: transaction {}",
        "COMMIT PREPARED or ROLLBACK PREPARED",
    ),
    Loss(
        b"""
        SELECT slot_name FROM pg_catalog.pg_replication_slots
        WHERE database = pg_catalog.current_database() AND NOT temporary ORDER BY 1
        """,
        "in no dump, so that after a restore what reads from it must begin anew: replication slot {}",
        "after a restore: pg_create_logical_replication_slot, or make the subscriptions anew",
        Severity.NOTE,
    ),
)
"""Each is one finding, which names the first few."""
