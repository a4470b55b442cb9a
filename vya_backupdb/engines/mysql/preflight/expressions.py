"""Expressions in the definition of a table, and what they name."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final

from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier

NAME: Final = r"`((?:[^`]|``)*)`"

OF_TIME_ZONES: Final = re.compile(r"\b(?:from_unixtime|unix_timestamp|datetime|timestamp)\b", re.IGNORECASE)
"""What makes a value depend on the time zone without a TIMESTAMP column."""


def names_in(expression: str) -> set[str]:
    """Give the columns that an expression names, case-folded."""
    return {name.replace("``", "`").casefold() for name in re.findall(NAME, expression)}


def depends_on_zone(expression: str, times: Set[str]) -> bool:
    """Whether a value may depend on the time zone; `times` are the columns that do, case-folded."""
    return bool(names_in(expression) & times) or OF_TIME_ZONES.search(expression) is not None


def table_definition(queries: Queries, database: str, table: str) -> str:
    """Give CREATE TABLE with its expressions as they are; empty where the account may not see it.

    information_schema garbles what is not ASCII in them, and so does SHOW CREATE TABLE with an emoji unless
    no character set is asked for (found with MySQL 9.7).
    """
    queries.execute("SET SESSION character_set_results = NULL")
    try:
        return str(queries.rows(f"SHOW CREATE TABLE {identifier(database)}.{identifier(table)}")[0][1])
    except QueryError as error:
        if error.code not in DENIED:
            raise
        return ""
    finally:
        queries.execute("SET SESSION character_set_results = utf8mb4")
