"""Generated columns whose values a restore computes otherwise: in UTC, or with other backslashes.

A dump holds no generated values. It sets the time zone to UTC for whoever executes it, so that TIMESTAMPs
are the same everywhere, and what depends on the time zone of the session is computed in UTC (mysqldump 9.7,
mariadb-dump 10.11 and 11.8).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.preflight.expressions import (
    NAME,
    OF_TIME_ZONES,
    depends_on_zone,
    names_in,
    table_definition,
)
from vya_backupdb.engines.mysql.preflight.suspects import IndexSuspect, RowSuspect, Suspect, UniqueSuspect
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import ServerFacts

_GENERATED: Final = re.compile(
    rf"^  {NAME} .* GENERATED ALWAYS AS \((.*?)\) (?:STORED|VIRTUAL)(?: |,?$)", re.MULTILINE
)

_EXACT: Final = {
    "decimal": "CAST(({expression}) AS DECIMAL({precision},{scale}))",
    "date": "CAST(CAST(({expression}) AS DATETIME) AS DATE)",  # MySQL rounds to the nearest day
    "datetime": "CAST(({expression}) AS DATETIME({precision}))",
    "timestamp": "CAST(({expression}) AS DATETIME({precision}))",
    "time": "CAST(({expression}) AS TIME({precision}))",
}
"""What a column of a type makes of an expression."""
_WHOLE: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit"})


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    precision: int
    scale: int
    stored: bool
    expression: str
    """As information_schema gives it; empty where the column is not generated."""


@dataclass(frozen=True)
class _KeyPart:
    index: str
    column: str | None
    whole: bool
    expression: str
    unique: bool


def generated_suspects(queries: Queries, facts: ServerFacts, database: str) -> Iterator[Suspect]:
    """Give the generated columns that may be computed otherwise, and the indexes over virtual ones."""
    keys = _key_parts(queries, facts, database)
    for table, columns in _columns(queries, database).items():
        times = {column.name.casefold() for column in columns if column.type == "timestamp"}
        if not any(column.expression for column in columns) and not any(
            part.expression for part in keys[table]
        ):
            continue
        if not times and not any(_may_differ(facts, column.expression) for column in columns):
            continue
        said = table_definition(queries, database, table)
        expressions = {name.replace("``", "`"): text for name, text in _GENERATED.findall(said)}
        zoned = _depending(expressions, times)
        for column in columns:
            if column.stored and (expression := expressions.get(column.name)):
                follows = frozenset(_sources(expressions, column.name))
                condition = f"NOT {_comparison(column, expression)}"
                if column.name.casefold() in zoned:
                    yield RowSuspect(table, column.name, "times", condition, follows=follows)
                elif "\\" in expression and not is_mariadb(facts):
                    yield RowSuspect(table, column.name, "backslashes", condition, follows=follows)
        stored = {column.name for column in columns if column.stored or not column.expression}
        for part in keys[table]:
            yield from _over_times(table, part, expressions, zoned, times, stored)
        made = {c.name: _made(c, expressions[c.name]) for c in columns if c.name in expressions}
        yield from _unique(table, [part for part in keys[table] if part.unique], made, zoned, stored)


def _may_differ(facts: ServerFacts, expression: str) -> bool:
    return OF_TIME_ZONES.search(expression) is not None or (
        # MySQL reads it as the sql_mode of whoever opens a table says, not of who made the table.
        "\\\\" in expression and not is_mariadb(facts)
    )


# ---------------------------------------------------------------------------- what there is


def _columns(queries: Queries, database: str) -> Mapping[str, list[_Column]]:
    """Give, for each table, its generated columns and those of the type TIMESTAMP."""
    found: dict[str, list[_Column]] = defaultdict(list)
    for table, name, kind, precision, scale, extra, expression in queries.rows(
        "SELECT table_name, column_name, data_type, COALESCE(datetime_precision, numeric_precision, 0),"
        " COALESCE(numeric_scale, 0), extra, COALESCE(generation_expression, '')"
        " FROM information_schema.columns WHERE table_schema = %s"
        " AND (data_type = 'timestamp' OR COALESCE(generation_expression, '') <> '')"
        " ORDER BY table_name, ordinal_position",
        database,
    ):
        text = "" if str(expression) in ("ROW START", "ROW END") else str(expression)
        stored = bool(text) and "STORED GENERATED" in str(extra)
        found[str(table)].append(_Column(str(name), str(kind), int(precision), int(scale), stored, text))
    return found


def _key_parts(queries: Queries, facts: ServerFacts, database: str) -> Mapping[str, list[_KeyPart]]:
    """Give the columns and expressions of indexes, for each table."""
    expression = "''"
    if not is_mariadb(facts) and facts.version_number >= (8, 0, 13):
        expression = "COALESCE(expression, '')"
    found: dict[str, list[_KeyPart]] = defaultdict(list)
    for table, index, column, whole, text, unique in queries.rows(
        f"SELECT table_name, index_name, column_name, sub_part IS NULL, {expression}, non_unique = 0"  # noqa: S608
        " FROM information_schema.statistics WHERE table_schema = %s AND index_type = 'BTREE'"
        " ORDER BY table_name, index_name, seq_in_index",
        database,
    ):
        # Quotes are written with a backslash there (found with 9.7).
        plain = str(text).replace("\\'", "'")
        found[str(table)].append(_KeyPart(str(index), column, bool(whole), plain, bool(unique)))
    return found


# ---------------------------------------------------------------------------- what depends on what


def _depending(expressions: Mapping[str, str], times: set[str]) -> set[str]:
    """Give the columns whose values may depend on the time zone, directly or by way of others."""
    found = set(times)
    while more := {
        name.casefold()
        for name, text in expressions.items()
        if name.casefold() not in found and depends_on_zone(text, found)
    }:
        found |= more
    return found


def _sources(expressions: Mapping[str, str], name: str) -> set[str]:
    """Give the generated columns from which one is computed, directly or by way of others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        named = names_in(expressions[waiting.pop()])
        more = {other for other in expressions if other.casefold() in named} - found
        found |= more
        waiting += more
    return found - {name}


# ---------------------------------------------------------------------------- how to tell


def _made(column: _Column, expression: str) -> str:
    """Give what a column of its type makes of its expression now."""
    if column.type in _EXACT:
        exact = _EXACT[column.type]
        return exact.format(expression=expression, precision=column.precision, scale=column.scale)
    if column.type in _WHOLE:
        return f"ROUND(({expression}) + 0)"
    if column.type in ("float", "double"):
        return f"({expression}) + 0E0"
    return f"CAST(CONVERT(({expression}) USING utf8mb4) AS BINARY)"


def _comparison(column: _Column, expression: str) -> str:
    """Give a condition that is true where a stored value is what its expression gives now."""
    name, made = identifier(column.name), _made(column, expression)
    if column.type in _EXACT:
        return f"{name} <=> {made}"
    if column.type in _WHOLE:
        return f"{name} + 0 <=> {made}"
    if column.type in ("float", "double"):
        return f"COALESCE(ABS({name} - ({made})) <= ABS({made}) * 1E-6, {name} IS NULL AND ({made}) IS NULL)"
    return f"CAST(CONVERT({name} USING utf8mb4) AS BINARY) <=> {made}"


def _label(part: _KeyPart) -> str:
    return f"index {part.index}"


def _unique(
    table: str, parts: Sequence[_KeyPart], made: Mapping[str, str], zoned: set[str], stored: set[str]
) -> Iterator[Suspect]:
    """Give the unique indexes in which rows may be the same in UTC."""
    indexes: dict[str, list[_KeyPart]] = defaultdict(list)
    for part in parts:
        indexes[part.index].append(part)
    for own in indexes.values():
        computed = [part.expression or made.get(part.column or "", "") for part in own]
        depend = [
            part
            for part in own
            if names_in(part.expression) & zoned
            or (part.column in made and str(part.column).casefold() in zoned)
        ]
        if depend:
            changing = {part.column if part.column in stored else _label(part) for part in depend}
            sure = all(part.column is not None and part.whole for part in depend)
            values = tuple(
                text or identifier(str(part.column)) for text, part in zip(computed, own, strict=True)
            )
            only_with = frozenset(str(name) for name in changing) if sure else frozenset()
            yield UniqueSuspect(table, _label(own[0]), "unique", values, only_with)


def _over_times(
    table: str,
    part: _KeyPart,
    expressions: Mapping[str, str],
    zoned: set[str],
    times: set[str],
    stored: set[str],
) -> Iterator[Suspect]:
    """Give an index whose entries depend on the time zone.

    What a key of a whole column holds is looked at. Of one of an expression, or of a column's beginning, it
    is asked whether the server's own time zone makes another value of it than UTC.
    """
    if part.column in stored:
        return
    label = _label(part)
    if part.column is not None and part.whole:
        if part.column.casefold() in zoned:
            yield IndexSuspect(table, label, "index", part.index, part.column)
        return
    here = part.expression or expressions.get(part.column or "", "")

    def local(found: re.Match[str]) -> str:
        if found.group(1).replace("``", "`").casefold() not in times:
            return found.group()
        return f"CONVERT_TZ({found.group()}, '+00:00', @@GLOBAL.time_zone)"

    there = re.sub(NAME, local, here)
    if there != here:
        yield RowSuspect(table, label, "index", f"NOT ({here}) <=> ({there})")
