"""Functions that a restore runs: in constraints, generated columns, indexes, materialized views.

It runs them, and the functions that these call, with an empty search_path (pg_dump's scripts set it so, and
PostgreSQL itself from 17 on), and those of constraints, generated columns and partition keys while rows are
loaded, when the rows of other tables may not be there yet. The server keeps no account of what a body in
quotes names: it is read here, and what cannot be told for sure is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
        UNION ALL
        SELECT classid, objid, o.oprcode FROM pg_catalog.pg_depend JOIN pg_catalog.pg_operator o
            ON refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND refobjid = o.oid
        WHERE deptype = 'n' AND refobjid >= 16384
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
    SELECT what, with_rows, function FROM evaluated ORDER BY 1, 3
"""
"""What a restore evaluates, whether it does so while rows are loaded, and the function."""

_FUNCTIONS: Final = b"""
    SELECT p.oid, p.oid::pg_catalog.regprocedure::text,
        CASE WHEN lanname NOT IN ('c', 'internal') THEN prosrc ELSE '' END,
        EXISTS (SELECT FROM pg_catalog.unnest(proconfig) c WHERE c LIKE 'search\\_path=%%'),
        ARRAY(SELECT DISTINCT d.refobjid::pg_catalog.regclass::text FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass ORDER BY 1),
        ARRAY(SELECT d.refobjid FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = prolang
    WHERE p.oid = ANY (%s) AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
"""
"""Functions that are no extension's: name, body, whether they have a search_path of their own, and the
relations and functions that a body of standard SQL, or an aggregate, depends on."""

_CALLED: Final = b"""
    SELECT n.nspname, p.proname, p.oid FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proname = ANY (%s) AND p.oid >= 16384
"""

_KNOWN: Final = b"""
    SELECT kind, name, pg_catalog.bool_or(matview) FROM (
        SELECT 'relation' AS kind, relname AS name, relnamespace AS schema, relkind = 'm' AS matview
        FROM pg_catalog.pg_class
        UNION ALL SELECT 'function', proname, pronamespace, false FROM pg_catalog.pg_proc
        UNION ALL SELECT 'type', typname, typnamespace, false FROM pg_catalog.pg_type
    ) o
    JOIN ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) asked(kind, name)
        USING (kind, name)
    GROUP BY 1, 2 HAVING pg_catalog.bool_and(schema <> 'pg_catalog'::pg_catalog.regnamespace)
"""
"""Which of the names are some object's, and none of the system's own: these are found by a schema only.

And whether one of them is a materialized view."""

_NOT_CODE: Final = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_NAME: Final = r'(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*))'
_READS: Final = re.compile(
    rf"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+)?({_NAME}\s*\.\s*)?{_NAME}", re.IGNORECASE
)
_CALLS: Final = re.compile(rf'(?<![.\w"$])({_NAME}\s*\.\s*)?{_NAME}\s*\(')
_CASTS: Final = re.compile(rf"::\s*({_NAME}\s*\.\s*)?{_NAME}")


@dataclass(frozen=True, slots=True)
class _Named:
    kind: str
    schema: str
    """Empty where it is named without."""
    name: str


@dataclass(frozen=True, slots=True)
class _Function:
    signature: str
    names: tuple[_Named, ...]
    has_path: bool
    reads: tuple[str, ...]
    calls: tuple[int, ...]


def evaluated_findings(connection: Connection) -> Iterator[Finding]:
    """Name what a restore may not be able to make, for a function does not find what it needs."""
    evaluated = connection.execute(_EVALUATED).fetchall()
    functions = _functions(connection, [function for _, _, function in evaluated])
    asked = sorted({(one.kind, one.name) for each in functions.values() for one in each.names})
    known: dict[tuple[str, str], bool] = {}
    if asked:
        rows = connection.execute(_KNOWN, [[k for k, _ in asked], [n for _, n in asked]])
        known = {(kind, name): is_matview for kind, name, is_matview in rows}
    said = set()
    for what, with_rows, first in evaluated:
        for function, has_path in _reached(functions, first):
            if (what, function.signature) in said:
                continue
            said.add((what, function.signature))
            yield from _findings(what, function, known, has_path=has_path, with_rows=with_rows)


def _findings(
    what: str, function: _Function, known: dict[tuple[str, str], bool], *, has_path: bool, with_rows: bool
) -> Iterator[Finding]:
    found = [one for one in function.names if (one.kind, one.name) in known]
    lost = sorted({one.name for one in found if not one.schema})
    if lost and not has_path:
        yield Finding(
            Severity.WARNING,
            f"{what} needs the function {function.signature}, which names {', '.join(lost)} without a "
            "schema: a restore, whose search_path is empty, may fail on it",
            what,
            f"write the schema in its body, or ALTER FUNCTION {function.signature} SET search_path = ...",
        )
    tables = sorted({*function.reads, *(one.name for one in found if one.kind == "relation")})
    if tables and with_rows:
        yield Finding(
            Severity.WARNING,
            f"{what} needs the function {function.signature}, which reads {', '.join(tables)}: "
            "a restore may load the rows in another order and have them refused",
            what,
            "make it a trigger, or of a constraint of a table NOT VALID",
        )
    matviews = sorted({one.name for one in found if known[one.kind, one.name]})
    if matviews and not with_rows:
        yield Finding(
            Severity.WARNING,
            f"{what} needs the function {function.signature}, which reads the materialized view "
            f"{', '.join(matviews)}: a restore may refresh that later, and fail on this",
            what,
            "after a restore: execute what failed once more, or read it in the query itself",
        )


def _functions(connection: Connection, oids: Iterable[int]) -> dict[int, _Function]:
    """Read these functions, and all that they call, as far as it can be told by name."""
    functions: dict[int, _Function] = {}
    seen: set[int] = set()
    wanted = set(oids)
    while wanted:
        seen |= wanted
        rows = connection.execute(_FUNCTIONS, [sorted(wanted)]).fetchall()
        named = {source: _named(source) for _, _, source, *_ in rows}
        calls = {one.name for names in named.values() for one in names if one.kind == "function"}
        called = connection.execute(_CALLED, [sorted(calls)]).fetchall() if calls else []
        for oid, signature, source, has_path, reads, depends in rows:
            names = named[source]
            by_name = {(one.schema, one.name) for one in names if one.kind == "function"}
            by_path = {name for schema, name in by_name if not schema}
            callees = {o for s, n, o in called if (s, n) in by_name or n in by_path}
            functions[oid] = _Function(
                signature, names, has_path, tuple(reads), tuple(sorted({*depends, *callees} - {oid}))
            )
        wanted = {callee for each in functions.values() for callee in each.calls} - seen
    return functions


def _reached(functions: dict[int, _Function], first: int) -> Iterator[tuple[_Function, bool]]:
    """Give a function and all that it calls, and whether a search_path is set there by it or by a caller."""
    waiting = [(first, False)]
    seen = set()
    while waiting:
        oid, has_path = waiting.pop()
        function = functions.get(oid)
        if function is None or oid in seen:
            continue
        seen.add(oid)
        yield function, has_path or function.has_path
        waiting += [(callee, has_path or function.has_path) for callee in function.calls]


def _named(source: str) -> tuple[_Named, ...]:
    """Give what a function's body names in places where only relations, functions or types can be."""
    code = _NOT_CODE.sub(" ", source)
    found = []
    for kind, pattern in (("relation", _READS), ("function", _CALLS), ("type", _CASTS)):
        for match in pattern.finditer(code):
            _, quoted_schema, schema, quoted, plain = match.groups()
            found.append(_Named(kind, _identifier(quoted_schema, schema), _identifier(quoted, plain)))
    return tuple(found)


def _identifier(quoted: str | None, plain: str | None) -> str:
    return quoted.replace('""', '"') if quoted else (plain or "").lower()
