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
    OF_TIME_ZONES,
    names_in,
    table_definition,
)
from vya_backupdb.engines.mysql.preflight.suspects import Suspect
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.model import ServerFacts

_CHECK: Final = re.compile(rf"^  CONSTRAINT {NAME} CHECK (\(.*\)),?$", re.MULTILINE)
"""Behind one that is not enforced stands a comment."""

_TABLES: Final = """
    SELECT c.table_name, c.column_name FROM information_schema.columns c
    WHERE c.table_schema = %s AND (c.data_type = 'timestamp' OR c.generation_expression <> '')
        AND EXISTS (SELECT 1 FROM information_schema.table_constraints t
            WHERE t.table_schema = c.table_schema AND t.table_name = c.table_name
                AND t.constraint_type = 'CHECK' AND t.enforced = 'YES')
    ORDER BY c.table_name
"""


def check_suspects(queries: Queries, facts: ServerFacts, database: str) -> Iterator[Suspect]:
    """Give the constraints over a TIMESTAMP, or over a column that may be computed from one."""
    if is_mariadb(facts) or facts.version_number < (8, 0, 16):
        return
    columns: dict[str, set[str]] = defaultdict(set)
    for table, column in queries.rows(_TABLES, database):
        columns[str(table)].add(str(column).casefold())
    for table, names in columns.items():
        for constraint, expression in _CHECK.findall(table_definition(queries, database, table)):
            if names_in(expression) & names or OF_TIME_ZONES.search(expression):
                yield Suspect(table, constraint.replace("``", "`"), "check", f"NOT {expression}")
