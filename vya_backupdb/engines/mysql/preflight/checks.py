"""CHECK constraints that rows hold to in one time zone, and not in UTC, in which a restore loads them.

MySQL knows no setting that takes such rows (3819, found with 9.7); MariaDB does.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.preflight.expressions import (
    NAME,
    depends_on_zone,
    table_definition,
)
from vya_backupdb.engines.mysql.preflight.suspects import RowSuspect
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.model import ServerFacts

_CHECK: Final = re.compile(rf"^  CONSTRAINT {NAME} CHECK (\(.*\)),?$", re.MULTILINE)
"""Behind one that is not enforced stands a comment."""

_COLUMNS: Final = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = %s AND (data_type = 'timestamp' OR generation_expression <> '')
"""
_CONSTRAINTS: Final = """
    SELECT table_name, constraint_name FROM information_schema.table_constraints
    WHERE table_schema = %s AND constraint_type = 'CHECK' AND enforced = 'YES'
"""
_CLAUSES: Final = """
    SELECT constraint_name, check_clause FROM information_schema.check_constraints
    WHERE constraint_schema = %s
"""
"""A query for both takes MySQL 18 s where there are 2,000 tables."""


def check_suspects(queries: Queries, facts: ServerFacts, database: str) -> Iterator[RowSuspect]:
    """Give the constraints over a TIMESTAMP, or over a column that may be computed from one."""
    if is_mariadb(facts) or facts.version_number < (8, 0, 16):
        return
    columns: dict[str, set[str]] = defaultdict(set)
    for table, column in queries.rows(_COLUMNS, database):
        columns[str(table)].add(str(column).casefold())
    clauses = {str(name): str(clause) for name, clause in queries.rows(_CLAUSES, database)}
    tables = set()
    for table, constraint in queries.rows(_CONSTRAINTS, database):
        clause = clauses.get(str(constraint), "")
        # what is not ASCII is garbled there
        if depends_on_zone(clause, columns[str(table)]) or not clause.isascii():
            tables.add(str(table))
    for table in sorted(tables):
        for constraint, expression in _CHECK.findall(table_definition(queries, database, table)):
            if depends_on_zone(expression, columns[table]):
                yield RowSuspect(table, constraint.replace("``", "`"), "check", f"NOT {expression}")
