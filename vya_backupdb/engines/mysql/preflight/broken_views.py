"""Views that cannot be read any more: the dump tools stop at the first one, and write nothing after it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import Finding, Severity

_INVALID: Final = 1356
"""ER_VIEW_INVALID: it refers to what is not there, or its definer or its user lacks rights."""


def broken_views(queries: Queries, database: str, left_out: Collection[str]) -> dict[str, str]:
    """Give the views that cannot be read, each with the statement that would create it."""
    # With `table_rows` MariaDB opens the views, and says of a broken one why it cannot.
    candidates = queries.rows(
        "SELECT table_name, table_comment, table_rows FROM information_schema.tables"
        " WHERE table_schema = %s AND table_type = 'VIEW' ORDER BY table_name",
        database,
    )
    return {
        str(name): _statement(queries, database, str(name))
        for name, comment, _ in candidates
        if comment != "VIEW" and name not in left_out and _is_broken(queries, database, str(name))
    }


def _is_broken(queries: Queries, database: str, view: str) -> bool:
    """Ask as the tools do; another error is for them to meet."""
    try:
        queries.rows(f"SHOW FIELDS FROM {identifier(database)}.{identifier(view)}")
    except QueryError as error:
        return error.code == _INVALID
    return False


def _statement(queries: Queries, database: str, view: str) -> str:
    try:
        return str(queries.rows(f"SHOW CREATE VIEW {identifier(database)}.{identifier(view)}")[0][1])
    except QueryError as error:
        return f"not shown: {error.what}"


def broken_findings(broken: Mapping[str, str], *, skipped: bool) -> Iterator[Finding]:
    """Name broken views; those that are skipped with what would create them, for the metadata to keep."""
    for view, statement in broken.items():
        if skipped:
            yield Finding(
                Severity.WARNING,
                f"the view {view} is broken (1356) and left out",
                object=view,
                cure=f"mend what it refers to, then create it: {statement}",
            )
        else:
            yield Finding(
                Severity.FAULT,
                f"the view {view} is broken: it refers to what is not there, or its definer or the account "
                "lacks rights (1356)",
                object=view,
                cure=f"mend or drop {view}, or leave it out with broken_views: skip",
            )
