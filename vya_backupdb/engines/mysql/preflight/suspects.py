"""What may hold values that do not come back, and the question whether it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import ServerFacts


@dataclass(frozen=True)
class Suspect(ABC):
    """What might change."""

    table: str
    name: str
    """Of the column; `index k` for an index."""
    kind: str
    follows: frozenset[str] = field(default=frozenset(), kw_only=True)
    """The columns from which its values are computed: it changes with them."""

    @abstractmethod
    def source(self, table: str, history: str) -> str:
        """Give what stands behind FROM, so that there is a row where it changes.

        `table` is its quoted name, and `history` what stands behind it where the history is to be looked at.
        """


@dataclass(frozen=True)
class RowSuspect(Suspect):
    """A column whose values might change, or a constraint."""

    condition: str
    """What is true of a row that changes."""

    def source(self, table: str, history: str) -> str:
        """Look for one such row."""
        return f"{table}{history} WHERE {self.condition}"


@dataclass(frozen=True)
class IndexSuspect(Suspect):
    """An index over a virtual column: what it holds is compared with what is computed now."""

    index: str
    column: str

    def source(self, table: str, history: str) -> str:
        """Read the index alone, for it holds the column, and compute the values without one."""
        values = f"SELECT SUM(CRC32({identifier(self.column)})) FROM {table}{history}"  # noqa: S608
        kept = f"{values} FORCE INDEX ({identifier(self.index)})"
        return f"DUAL WHERE NOT ({kept}) <=> ({values} USE INDEX ())"


@dataclass(frozen=True)
class UniqueSuspect(Suspect):
    """A unique index: whether two rows have the same values in it."""

    values: tuple[str, ...]
    """Expressions, computed without the index."""
    only_with: frozenset[str]
    """The suspects of which one must change for it to be so; empty: nobody knows."""

    def source(self, table: str, history: str) -> str:
        """Compute what the index would hold. Of the history no row is held to it."""
        present = " AND ".join(f"({value}) IS NOT NULL" for value in self.values)
        alike = f"GROUP BY {', '.join(self.values)} HAVING COUNT(*) > 1"
        return f"{table} USE INDEX () WHERE {present} {alike}"


@dataclass(frozen=True)
class DefaultSuspect(Suspect):
    """The default of a column."""

    condition: str
    """About `made`, which is what the server makes of it."""

    def source(self, table: str, history: str) -> str:
        """Ask for the default, for which there need be no row."""
        made = f"SELECT DEFAULT({identifier(self.name)}) AS made FROM (SELECT 1 AS one) AS anything"  # noqa: S608
        return f"({made} LEFT JOIN {table} ON FALSE LIMIT 1) AS column_default WHERE {self.condition}"


def holds_changed(
    queries: Queries, facts: ServerFacts, table: str, history: str, suspect: Suspect, seconds: float
) -> bool | None:
    """Whether one value of a suspect changes; None where that cannot be seen in so many seconds.

    `table` and `history` are those of `Suspect.source`.
    """
    limit, hint = "", f" /*+ MAX_EXECUTION_TIME({int(seconds * 1000) + 1}) */"
    if is_mariadb(facts):
        limit, hint = f"SET STATEMENT max_statement_time = {seconds:.3f} FOR ", ""
    source = suspect.source(table, history)
    try:
        return bool(queries.rows(f"{limit}SELECT{hint} 1 FROM {source} LIMIT 1"))
    except QueryError as error:
        # What may not be read is named as such elsewhere.
        return False if error.code in DENIED else None
