"""Values that the dump tools change: looked for on the server, and named by table and column.

The tools write what SELECT shows, as utf8mb4, and no option changes that (mysqldump 9.7, mariadb-dump 10.11
and 11.8, found by comparing the stored bytes before a dump and after its restore).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.listing import Table
from vya_backupdb.engines.mysql.preflight.checks import check_suspects
from vya_backupdb.engines.mysql.preflight.defaults import default_suspects
from vya_backupdb.engines.mysql.preflight.generated import generated_suspects
from vya_backupdb.engines.mysql.preflight.members import member_suspects
from vya_backupdb.engines.mysql.preflight.suspects import (
    RowSuspect,
    Suspect,
    UniqueSuspect,
    holds_changed,
)
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import Finding, ServerFacts, Severity

LOSSY_SETS: Final = (
    *(
        "armscii8",
        "ascii",
        "big5",
        "cp1250",
        "cp1251",
        "cp1256",
        "cp1257",
        "cp932",
        "dec8",
        "eucjpms",
        "euckr",
    ),
    *("gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "sjis", "swe7", "tis620", "ucs2", "ujis"),
)
"""Character sets with bytes that do not come back from utf8mb4. Found by sending every code of every set
there and back; all others return whole."""

_PATIENCE: Final = 10.0
"""Seconds for looking at the values of one database."""


@dataclass(frozen=True)
class _Kind:
    """One way in which values change."""

    changed: str
    """A condition on a `{column}` of a character `{charset}`; empty where it is not about one column."""
    what: str
    cure: str
    severity: Severity = Severity.WARNING
    """Of values that were seen."""


_KINDS: Final = {
    # Six digits are another number if they are further away than half of FLOAT's last binary digit.
    "float": _Kind(
        "ABS({column} * 1E0 - CAST({column} AS CHAR) * 1E0)"
        " > POW(2, GREATEST(FLOOR(LOG2(ABS({column} * 1E0))), -126) - 24)",
        "FLOAT values have more than the six digits that the dump tool writes, and return rounded",
        "make the columns DOUBLE",
    ),
    "text": _Kind(
        "CAST(CONVERT(CONVERT({column} USING utf8mb4) USING {charset}) AS BINARY)"
        " <> CAST({column} AS BINARY)",
        "characters have no twin in utf8mb4, and return as others or as `?`",
        "convert the columns to utf8mb4, or to a binary type",
    ),
    "json": _Kind(
        "JSON_STORAGE_SIZE({column}) - JSON_STORAGE_FREE({column})"
        " <> JSON_STORAGE_SIZE(CAST(CAST({column} AS CHAR) AS JSON))"
        " OR CAST({column} AS CHAR) <> CAST(CAST(CAST({column} AS CHAR) AS JSON) AS CHAR)",
        "JSON documents hold decimals, dates or binary values, which return as doubles and strings",
        "keep such values in columns of their own, or as strings",
    ),
    "backslashes": _Kind(
        "",
        "generated values were computed under NO_BACKSLASH_ESCAPES, and are computed anew without it",
        "write their expressions without backslashes (CHAR(92))",
    ),
    "times": _Kind(
        "",
        "generated values were computed in another time zone than UTC, in which a restore computes them anew",
        "after a restore, in a session with their time zone: ALTER TABLE {table} FORCE, ALGORITHM=COPY",
    ),
    "index": _Kind(
        "",
        "values of another time zone than UTC, in which a restore computes them anew: sessions in another "
        "time zone will not find rows by them",
        "after a restore, in a session with their time zone: ALTER TABLE {table} FORCE, ALGORITHM=COPY",
    ),
    "enum": _Kind(
        "{column} + 0 = 0",
        "values outside of the ENUM's list return as its member ''",
        "set them to a member of the list, or to NULL",
    ),
    "check": _Kind(
        "",
        "rows do not hold to the CHECK constraint in UTC, in which a restore loads them: it would be refused"
        " (3819)",
        "write it so that it does not depend on the time zone (DATETIME columns), or keep it NOT ENFORCED",
        Severity.FAULT,
    ),
    "unique": _Kind(
        "",
        "rows that differ in a unique index are the same there in UTC, in which a restore computes generated"
        " values: it would be refused (1062)",
        "compute them from DATETIME columns, or drop the index",
        Severity.FAULT,
    ),
    "empty": _Kind(
        "",
        "the member '' of a SET is written as nothing before others or alone, and is gone",
        "name the member, or make it the last one and never the only one of a value",
    ),
    "alike": _Kind(
        "",
        "values return as another member of the list, which is the same under the column's collation",
        "make the members differ, or give the columns a collation that tells them apart (utf8mb4_bin)",
    ),
    "default": _Kind(
        "",
        "the server writes the default with `?` for characters of four bytes (emoji), and so it returns",
        "write it as an expression, DEFAULT (CONCAT(...)), or set it anew after a restore",
    ),
    "member as default": _Kind(
        "",
        "the server writes the member that is the default as `?`, and no server makes the table anew (1067)",
        "name the member without characters of four bytes (emoji), or take the default away",
        Severity.FAULT,
    ),
    "unwritten": _Kind(
        "",
        "values return as '', for the server writes their members with `?`",
        "name the members without characters of four bytes (emoji)",
    ),
}


def changed_values(
    queries: Queries, facts: ServerFacts, database: str, tables: Sequence[Table]
) -> Iterator[Finding]:
    """Name the columns of these tables in which the dump tools change values.

    Each is asked for its first such value. Where that takes too long, or fails, they are named all the same.
    """
    known = {table.name: table for table in tables if table.kind == "table"}
    deadline = time.monotonic() + _PATIENCE
    found: dict[tuple[str, str, bool], list[str]] = {}
    gone: set[tuple[str, str]] = set()
    for suspect in _suspects(queries, facts, database):
        if suspect.table in known and _is_to_be_asked(suspect, gone):
            seconds = deadline - time.monotonic()
            changed = None
            if seconds > 0:
                name = f"{identifier(database)}.{identifier(suspect.table)}"
                history = " FOR SYSTEM_TIME ALL" if known[suspect.table].versioned else ""
                changed = holds_changed(queries, facts, name, history, suspect, seconds)
            if changed is False and any((suspect.table, source) in gone for source in suspect.follows):
                changed = True
            if changed is not False:
                gone.add((suspect.table, suspect.name))
                names = found.setdefault((suspect.table, suspect.kind, changed is None), [])
                names += [suspect.name] if suspect.name not in names else []
    for (table, kind, unseen), names in found.items():
        doubt = "not all values could be looked at; it may be that " if unseen else ""
        yield Finding(
            Severity.WARNING if unseen else _KINDS[kind].severity,
            f"{table} ({', '.join(names)}): {doubt}{_KINDS[kind].what}",
            object=table,
            cure=_KINDS[kind].cure.format(table=identifier(table)),
        )


def _is_to_be_asked(suspect: Suspect, gone: Collection[tuple[str, str]]) -> bool:
    if not isinstance(suspect, UniqueSuspect) or not suspect.only_with:
        return True
    return any((suspect.table, name) in gone for name in suspect.only_with)


def _suspects(queries: Queries, facts: ServerFacts, database: str) -> Iterator[Suspect]:
    """Give the columns whose values might change. Generated values are made anew by a restore."""
    sets = ", ".join(f"'{name}'" for name in LOSSY_SETS)
    json = "" if is_mariadb(facts) else "'json', "  # on MariaDB it is text
    empty = "data_type = 'enum' AND column_type REGEXP '[(,]''''[,)]'"
    rows = queries.rows(
        "SELECT table_name, column_name, COALESCE(character_set_name, ''),"  # noqa: S608
        f" IF(data_type = 'enum' AND NOT ({empty}), '', data_type)"
        " FROM information_schema.columns WHERE table_schema = %s"
        " AND COALESCE(generation_expression, '') = ''"
        f" AND (data_type IN ({json}'float') OR character_set_name IN ({sets}) OR ({empty}))"
        " ORDER BY table_name, ordinal_position",
        database,
    )
    for table, column, charset, kind in rows:
        kinds = ["text"] if charset in LOSSY_SETS else []
        if kind in ("float", "json", "enum"):
            kinds.append(str(kind))
        for each in kinds:
            condition = _KINDS[each].changed.format(column=identifier(str(column)), charset=charset)
            yield RowSuspect(str(table), str(column), each, condition)
    yield from member_suspects(queries, database)
    yield from default_suspects(queries, facts, database)
    yield from generated_suspects(queries, facts, database)
    yield from check_suspects(queries, facts, database)
