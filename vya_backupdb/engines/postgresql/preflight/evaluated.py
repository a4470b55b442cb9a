"""Functions that a restore runs: in constraints, generated columns, indexes, materialized views.

It runs them with an empty search_path (pg_dump's scripts set it so, and PostgreSQL itself from 17 on), and
those of constraints, generated columns and partition keys while rows are loaded, when the rows of other
tables may not be there yet. The server keeps no account of what a body in quotes names: it is read here, and
what cannot be told for sure is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.model import Finding, Severity

_EVALUATED: Final = b"""
    WITH RECURSIVE read(matview, relation) AS (
        SELECT oid, oid FROM pg_catalog.pg_class WHERE relkind = 'm' AND relispopulated
        UNION
        SELECT read.matview, v.oid FROM read JOIN pg_catalog.pg_rewrite r ON r.ev_class = read.relation
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        JOIN pg_catalog.pg_class v ON v.oid = d.refobjid AND v.relkind = 'v'
    ), calls AS (
        SELECT classid, objid, refobjid AS function FROM pg_catalog.pg_depend
        WHERE refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND deptype = 'n' AND refobjid >= 16384
    ), evaluated(what, function, with_rows) AS (
        SELECT CASE relkind WHEN 'p' THEN 'the partition key of table ' ELSE 'index ' END
            || objid::pg_catalog.regclass, function, relkind = 'p'
        FROM calls JOIN pg_catalog.pg_class c ON c.oid = objid AND relkind IN ('i', 'I', 'p')
        WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        UNION
        SELECT pg_catalog.format('the generated column %I of table %s', attname,
            attrelid::pg_catalog.regclass), function, true
        FROM calls JOIN pg_catalog.pg_attrdef e ON e.oid = objid
        JOIN pg_catalog.pg_attribute ON attrelid = adrelid AND attnum = adnum AND attgenerated = 's'
        WHERE classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        UNION
        SELECT pg_catalog.format('the constraint %I of %s', conname, CASE contypid
            WHEN 0 THEN 'table ' || conrelid::pg_catalog.regclass
            ELSE 'domain ' || contypid::pg_catalog.regtype END), function, true
        FROM calls JOIN pg_catalog.pg_constraint c ON c.oid = objid AND contype = 'c' AND convalidated
        WHERE classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
        UNION
        SELECT 'materialized view ' || matview::pg_catalog.regclass, function, false
        FROM calls JOIN pg_catalog.pg_rewrite r ON r.oid = objid JOIN read ON read.relation = r.ev_class
        WHERE classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    )
    SELECT what, with_rows, p.oid::pg_catalog.regprocedure::text, prosrc,
        EXISTS (SELECT FROM pg_catalog.unnest(proconfig) c WHERE c LIKE 'search\\_path=%'),
        ARRAY(SELECT DISTINCT d.refobjid::pg_catalog.regclass::text FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass ORDER BY 1)
    FROM evaluated JOIN pg_catalog.pg_proc p ON p.oid = function
    JOIN pg_catalog.pg_language l ON l.oid = prolang
    WHERE lanname NOT IN ('c', 'internal') AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
    ORDER BY 1, 3
"""
"""What a restore evaluates, whether it does so while rows are loaded, and the function: its name, its body,
whether it has a search_path of its own, and the relations that a body of standard SQL depends on."""

_KNOWN: Final = b"""
    SELECT DISTINCT kind, name FROM (
        SELECT 'relation' AS kind, relname AS name, relnamespace AS schema FROM pg_catalog.pg_class
        UNION ALL SELECT 'function', proname, pronamespace FROM pg_catalog.pg_proc
        UNION ALL SELECT 'type', typname, typnamespace FROM pg_catalog.pg_type
    ) o
    JOIN ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) asked(kind, name)
        USING (kind, name)
    GROUP BY 1, 2 HAVING pg_catalog.bool_and(schema <> 'pg_catalog'::pg_catalog.regnamespace)
"""
"""Which of the names are some object's, and none of the system's own: these are found by a schema only."""

_NOT_CODE: Final = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_NAME: Final = r'(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*))'
_READS: Final = re.compile(
    rf"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+)?({_NAME}\s*\.\s*)?{_NAME}", re.IGNORECASE
)
_CALLS: Final = re.compile(rf'(?<![.\w"$])(){_NAME}\s*\(')
_CASTS: Final = re.compile(rf"::\s*({_NAME}\s*\.\s*)?{_NAME}")


@dataclass(frozen=True, slots=True)
class _Named:
    kind: str
    name: str
    with_schema: bool


def evaluated_findings(connection: Connection) -> Iterator[Finding]:
    """Name what a restore may not be able to make, for a function does not find what it needs."""
    rows = connection.execute(_EVALUATED).fetchall()
    named = {source: _named(source) for _, _, _, source, _, _ in rows}
    asked = sorted({(one.kind, one.name) for names in named.values() for one in names})
    known = set()
    if asked:
        known = set(connection.execute(_KNOWN, [[k for k, _ in asked], [n for _, n in asked]]).fetchall())
    for what, with_rows, function, source, has_path, depends_on in rows:
        found = [one for one in named[source] if (one.kind, one.name) in known]
        lost = sorted({one.name for one in found if not one.with_schema})
        if lost and not has_path:
            yield Finding(
                Severity.WARNING,
                f"{what} needs the function {function}, which names {', '.join(lost)} without a schema: "
                "a restore, whose search_path is empty, may fail on it",
                what,
                f"write the schema in its body, or ALTER FUNCTION {function} SET search_path = ...",
            )
        tables = sorted({*depends_on, *(one.name for one in found if one.kind == "relation")})
        if tables and with_rows:
            yield Finding(
                Severity.WARNING,
                f"{what} needs the function {function}, which reads {', '.join(tables)}: "
                "a restore may load the rows in another order and have them refused",
                what,
                "make it a trigger, or of a constraint of a table NOT VALID",
            )


def _named(source: str) -> list[_Named]:
    """Give what a function's body names in places where only relations, functions or types can be."""
    code = _NOT_CODE.sub(" ", source)
    found = []
    for kind, pattern in (("relation", _READS), ("function", _CALLS), ("type", _CASTS)):
        for match in pattern.finditer(code):
            *_, quoted, plain = match.groups()
            name = quoted.replace('""', '"') if quoted else plain.lower()
            found.append(_Named(kind, name, with_schema=bool(match[1])))
    return found
