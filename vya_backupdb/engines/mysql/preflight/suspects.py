"""A column that may hold values which do not come back, and the question whether it does."""

from __future__ import annotations

from dataclasses import dataclass

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import ServerFacts


@dataclass(frozen=True)
class Suspect:
    """A column or an index whose values might change."""

    table: str
    name: str
    """Of the column; `index k` for an index."""
    kind: str
    condition: str
    """What is true of a row that changes."""
    follows: frozenset[str] = frozenset()
    """The columns from which its values are computed: it changes with them."""


@dataclass(frozen=True)
class IndexSuspect(Suspect):
    """An index over a virtual column: what it holds is compared with what is computed now."""

    index: str = ""
    column: str = ""


@dataclass(frozen=True)
class UniqueSuspect(Suspect):
    """A unique index: whether two rows have the same values in it."""

    values: tuple[str, ...] = ()
    """Expressions, computed without the index."""
    only_with: frozenset[str] = frozenset()
    """The suspects of which one must change for it to be so; empty: nobody knows."""


@dataclass(frozen=True)
class DefaultSuspect(Suspect):
    """The default of a column; the condition is about `made`, which is what the server makes of it."""


def holds_changed(
    queries: Queries, facts: ServerFacts, table: str, history: str, suspect: Suspect, seconds: float
) -> bool | None:
    """Whether one value of a suspect changes; None where that cannot be seen in so many seconds.

    `table` is its quoted name, and `history` what stands behind it where the history is to be looked at too.
    """
    limit, hint = "", f" /*+ MAX_EXECUTION_TIME({int(seconds * 1000) + 1}) */"
    if is_mariadb(facts):
        limit, hint = f"SET STATEMENT max_statement_time = {seconds:.3f} FOR ", ""
    rows = table + history
    where = f"{rows} WHERE {suspect.condition}"
    if isinstance(suspect, IndexSuspect):
        # An index that holds the column is read alone; without one the values are computed.
        values = f"SELECT SUM(CRC32({identifier(suspect.column)})) FROM {rows}"  # noqa: S608
        kept = f"{values} FORCE INDEX ({identifier(suspect.index)})"
        where = f"DUAL WHERE NOT ({kept}) <=> ({values} USE INDEX ())"
    if isinstance(suspect, DefaultSuspect):
        # There need be no row.
        made = f"SELECT DEFAULT({identifier(suspect.name)}) AS made FROM (SELECT 1 AS one) AS anything"  # noqa: S608
        where = f"({made} LEFT JOIN {table} ON FALSE LIMIT 1) AS column_default WHERE {suspect.condition}"
    if isinstance(suspect, UniqueSuspect):
        present = " AND ".join(f"({value}) IS NOT NULL" for value in suspect.values)
        where = (
            f"{table} USE INDEX () WHERE {present} GROUP BY {', '.join(suspect.values)} HAVING COUNT(*) > 1"
        )
    try:
        return bool(queries.rows(f"{limit}SELECT{hint} 1 FROM {where} LIMIT 1"))
    except QueryError as error:
        # What may not be read is named as such elsewhere.
        return False if error.code in DENIED else None
