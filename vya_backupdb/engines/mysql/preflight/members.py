"""ENUM and SET columns whose values return as other members, or as none.

The tools write a value as the text of its member. The server takes the first member that is the same under
the column's collation, and no two are alike only where the list was made in strict mode. It shows a list as
utf8mb3, with `?` for what that does not hold (found with MySQL 9.7, MariaDB 10.11 and 11.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.mysql.preflight.suspects import RowSuspect
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import identifier

_MEMBER: Final = re.compile(r"'(?:[^'\\]|''|\\.)*'", re.DOTALL)

_AT_ONCE: Final = 1000
"""Members for one question."""


@dataclass(frozen=True, order=True)
class _List:
    charset: str
    collation: str
    members: str
    """As literals with commas between them."""


def member_suspects(queries: Queries, database: str) -> Iterator[RowSuspect]:
    """Give the columns with members that are alike, and with such as are shown with a `?`."""
    columns = [
        (str(table), str(column), str(kind), _List(str(charset), str(collation), _within(str(said))))
        for table, column, kind, charset, collation, said in queries.rows(
            "SELECT table_name, column_name, data_type, COALESCE(character_set_name, 'binary'),"
            " collation_name, column_type FROM information_schema.columns"
            " WHERE table_schema = %s AND data_type IN ('enum', 'set')"
            " AND COALESCE(generation_expression, '') = '' ORDER BY table_name, ordinal_position",
            database,
        )
    ]
    twins = _twins(queries, sorted({members for _, _, _, members in columns}))
    for table, column, kind, members in columns:
        name = identifier(column)
        if kind == "enum":
            numbers = ", ".join(str(number + 1) for number in twins[members])
            alike, shown = f"{name} + 0 IN ({numbers})", f"ELT({name} + 0, {members.members})"
        else:
            bits = f"CAST({name} AS UNSIGNED)"
            alike = f"{bits} & {sum(1 << number for number in twins[members])}"
            shown = f"MAKE_SET({bits}, {members.members})"
            literals = _MEMBER.findall(members.members)
            if "''" in literals:
                empty = 1 << literals.index("''")
                yield RowSuspect(table, column, "empty", f"{bits} & {empty} AND NOT {bits} & {empty - 1}")
        if twins[members]:
            yield RowSuspect(table, column, "alike", alike)
        if "?" in members.members:
            value = name if members.charset == "binary" else f"CONVERT({name} USING utf8mb4)"
            condition = f"CAST({value} AS BINARY) <> CAST({shown} AS BINARY)"
            yield RowSuspect(table, column, "unwritten", condition)


def _twins(queries: Queries, lists: Sequence[_List]) -> dict[_List, list[int]]:
    """Give, for each list, the members that are the same as one before them, counted from 0."""
    members = [
        (each, number, literal)
        for each in lists
        for number, literal in enumerate(_MEMBER.findall(each.members))
        if each.charset != "binary" and "?" not in literal
    ]
    found: dict[_List, list[int]] = {each: [] for each in lists}
    seen: set[tuple[_List, str]] = set()
    for start in range(0, len(members), _AT_ONCE):
        some = members[start : start + _AT_ONCE]
        asked = ", ".join(_weight(each, literal) for each, _, literal in some)
        (weights,) = queries.rows(f"SELECT {asked}")
        for (each, number, _), weight in zip(some, weights, strict=True):
            if (each, str(weight)) in seen:
                found[each].append(number)
            seen.add((each, str(weight)))
    return found


def _weight(members: _List, literal: str) -> str:
    """Ask for what two texts have in common that are the same under a collation."""
    converted = f"CONVERT({literal} USING {members.charset}) COLLATE {members.collation}"
    return f"HEX(WEIGHT_STRING({converted}))"


def _within(said: str) -> str:
    return said[said.index("(") + 1 : said.rindex(")")]
