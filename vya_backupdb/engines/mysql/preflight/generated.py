"""Generated columns whose values a restore computes otherwise: in UTC, or with other backslashes.

A dump holds no generated values. It sets the time zone to UTC for whoever executes it, so that TIMESTAMPs
are the same everywhere, and what depends on the time zone of the session is computed in UTC (mysqldump 9.7,
mariadb-dump 10.11 and 11.8).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.preflight.expressions import (
    NAME,
    OF_TIME_ZONES,
    names_in,
    table_definition,
)
from vya_backupdb.engines.mysql.preflight.suspects import IndexSuspect, Suspect
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
        made = table_definition(queries, database, table)
        expressions = {name.replace("``", "`"): text for name, text in _GENERATED.findall(made)}
        zoned = _depending(expressions, times)
        for column in columns:
            if column.stored and (expression := expressions.get(column.name)):
                follows = frozenset(_sources(expressions, column.name))
                condition = f"NOT {_comparison(column, expression)}"
                if column.name.casefold() in zoned:
                    yield Suspect(table, column.name, "times", condition, follows)
                elif "\\" in expression and not is_mariadb(facts):
                    yield Suspect(table, column.name, "backslashes", condition, follows)
        stored = {column.name for column in columns if column.stored or not column.expression}
        for part in keys[table]:
            yield from _over_times(table, part, expressions, zoned, times, stored)


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
    for table, index, column, whole, text in queries.rows(
        f"SELECT table_name, index_name, column_name, sub_part IS NULL, {expression}"  # noqa: S608
        " FROM information_schema.statistics WHERE table_schema = %s AND index_type = 'BTREE'"
        " ORDER BY table_name, index_name, seq_in_index",
        database,
    ):
        # Quotes are written with a backslash there (found with 9.7).
        found[str(table)].append(_KeyPart(str(index), column, bool(whole), str(text).replace("\\'", "'")))
    return found


# ---------------------------------------------------------------------------- what depends on what


def _depending(expressions: Mapping[str, str], times: set[str]) -> set[str]:
    """Give the columns whose values may depend on the time zone, directly or by way of others."""
    found = set(times)
    while more := {
        name.casefold()
        for name, text in expressions.items()
        if name.casefold() not in found and (names_in(text) & found or OF_TIME_ZONES.search(text))
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


def _comparison(column: _Column, expression: str) -> str:
    """Give a condition that is true where a stored value is what its expression gives now.

    What a column of its type would make of it is compared.
    """
    name = identifier(column.name)
    if column.type in _EXACT:
        exact = _EXACT[column.type]
        return f"{name} <=> " + exact.format(
            expression=expression, precision=column.precision, scale=column.scale
        )
    if column.type in _WHOLE:
        return f"{name} + 0 <=> ROUND(({expression}) + 0)"
    if column.type in ("float", "double"):
        close = f"ABS({name} - ({expression})) <= ABS({expression}) * 1E-6"
        return f"COALESCE({close}, {name} IS NULL AND ({expression}) IS NULL)"
    texts = (f"CAST(CONVERT({value} USING utf8mb4) AS BINARY)" for value in (name, f"({expression})"))
    return " <=> ".join(texts)


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
    label = f"index {part.index}"
    if part.column is not None and part.whole:
        if part.column.casefold() in zoned:
            yield IndexSuspect(table, label, "index", "", index=part.index, column=part.column)
        return
    here = part.expression or expressions.get(part.column or "", "")

    def local(found: re.Match[str]) -> str:
        if found.group(1).replace("``", "`").casefold() not in times:
            return found.group()
        return f"CONVERT_TZ({found.group()}, '+00:00', @@GLOBAL.time_zone)"

    there = re.sub(NAME, local, here)
    if there != here:
        yield Suspect(table, label, "index", f"NOT ({here}) <=> ({there})")
