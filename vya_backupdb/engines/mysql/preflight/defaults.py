"""Defaults that the server writes with `?`, for it shows definitions as utf8mb3.

Found with MariaDB 10.11 and 11.8; MySQL 9.7 writes them in hex, and only members of an ENUM or SET so.
"""

from __future__ import annotations

from collections.abc import Iterator

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.preflight.suspects import DefaultSuspect
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import text
from vya_backupdb.model import ServerFacts


def default_suspects(queries: Queries, facts: ServerFacts, database: str) -> Iterator[DefaultSuspect]:
    """Give the columns whose default is shown with a `?`, which may stand for another character."""
    in_hex = not is_mariadb(facts) and facts.version_number >= (8,)
    types = " AND data_type IN ('enum', 'set')" if in_hex else ""
    for table, column, shown in queries.rows(
        "SELECT table_name, column_name, column_default FROM information_schema.columns"  # noqa: S608
        f" WHERE table_schema = %s AND LOCATE('?', column_default) > 0{types}"
        " ORDER BY table_name, ordinal_position",
        database,
    ):
        literal = str(shown) if is_mariadb(facts) else text(str(shown))
        if literal.startswith("'"):  # expressions are written as they are
            kind = "member as default" if in_hex else "default"
            condition = f"CAST(CONVERT(made USING utf8mb4) AS BINARY) <> CAST({literal} AS BINARY)"
            yield DefaultSuspect(str(table), str(column), kind, condition)
