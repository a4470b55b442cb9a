"""What the dump tools choke on, and what they write but no server takes back: looked for before a dump."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.listing import Table
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import Finding, ServerFacts, Severity

_DOCUMENT_STEP: Final = 65535
"""InnoDB refuses a row whose FTS_DOC_ID is so much larger than the last one committed (182; fts0fts.h)."""


def hostile_objects(
    queries: Queries, facts: ServerFacts, database: str, tables: Sequence[Table]
) -> Iterator[Finding]:
    """Name them, each with what to do. Raises ConnectionFailed."""
    yield from _events_without_end(queries, database)
    yield from _events_of_the_past(queries, database)
    yield from _lost_history(queries, facts, database, tables)
    if is_mariadb(facts):
        yield from _lost_statistics(queries, database, tables)
        yield from _sequences_run_out(queries, database, tables)
    else:
        yield from _only_generated(queries, database, tables)
        yield from _document_ids(queries, facts, database, tables)


def histogram_options(queries: Queries, facts: ServerFacts, database: str) -> tuple[str, ...]:
    """Give the option that keeps the histograms of a database, where it has any.

    Otherwise it is off: mysqldump fails with it on servers before 8.
    """
    if is_mariadb(facts) or facts.version_number < (8,):
        return ()
    found = queries.rows(
        "SELECT 1 FROM information_schema.column_statistics WHERE schema_name = %s LIMIT 1", database
    )
    return ("--column-statistics=1",) if found else ()


# ---------------------------------------------------------------------------- events


def _events_without_end(queries: Queries, database: str) -> Iterator[Finding]:
    """Name the events over which the tools never end.

    They look for a delimiter that is not in SHOW CREATE EVENT, and with `;;` in it they look for ever
    (mysqldump 9.7, mariadb-dump 10.11 and 11.8).
    """
    rows = queries.rows(
        "SELECT event_name FROM information_schema.events WHERE event_schema = %s AND"
        " LOCATE(';;', CONCAT_WS(' ', event_name, event_definition, event_comment, definer)) > 0",
        database,
    )
    for (name,) in rows:
        yield Finding(
            Severity.FAULT,
            f"the event {name} has two semicolons in a row in its body, name or comment: the dump tool "
            "would never end",
            object=str(name),
            cure=f"write the event {name} without `;;` (ALTER EVENT)",
        )


def _events_of_the_past(queries: Queries, database: str) -> Iterator[Finding]:
    """Name the events that the server's own client would not create again.

    Times are in each event's own time zone; a day more than the widest difference is certain.
    """
    rows = queries.rows(
        "SELECT event_name, status FROM information_schema.events WHERE event_schema = %s"
        " AND on_completion = 'NOT PRESERVE'"
        " AND COALESCE(execute_at, ends) < UTC_TIMESTAMP() - INTERVAL 1 DAY ORDER BY event_name",
        database,
    )
    if rows:
        enabled = " (enabled ones disabled)" if any(status == "ENABLED" for _, status in rows) else ""
        yield Finding(
            Severity.WARNING,
            f"the time of these events is over: {few(str(name) for name, _ in rows)}: this program restores "
            f"them{enabled}, the server's own client drops them",
            object=str(rows[0][0]),
            cure="drop them, or let them be preserved: ALTER EVENT ... ON COMPLETION PRESERVE",
        )


# ---------------------------------------------------------------------------- tables


def _lost_history(
    queries: Queries, facts: ServerFacts, database: str, tables: Sequence[Table]
) -> Iterator[Finding]:
    """Name the system-versioned tables whose history mariadb-dump cannot write."""
    versioned = [table.name for table in tables if table.versioned]
    if not versioned:
        return
    if facts.version_number < (10, 11):
        yield Finding(
            Severity.WARNING,
            f"system-versioned tables: {few(versioned)}: the dump tools before 10.11 leave their history out",
            cure="upgrade the server",
        )
        return
    by_transaction = [
        str(name)
        for (name,) in queries.rows(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = %s"
            " AND generation_expression = 'ROW START' AND data_type = 'bigint'",
            database,
        )
    ]
    if by_transaction:
        yield Finding(
            Severity.FAULT,
            f"tables with history by transaction: {few(by_transaction)}: mariadb-dump refuses them",
            cure="version them by time (TIMESTAMP(6) columns), or keep them in a database of their own",
        )


def _lost_statistics(queries: Queries, database: str, tables: Sequence[Table]) -> Iterator[Finding]:
    """Name the tables whose statistics MariaDB keeps in `mysql`, where the account may read them."""
    try:
        names = _among(
            queries.rows("SELECT table_name FROM mysql.table_stats WHERE db_name = %s", database), tables
        )
    except QueryError as error:
        if error.code not in DENIED:
            raise
        return
    if names:
        yield Finding(
            Severity.WARNING,
            f"persistent statistics (histograms) are in no dump of a database: {few(names)}",
            object=names[0],
            cure="after a restore: ANALYZE TABLE ... PERSISTENT FOR ALL",
        )


def _sequences_run_out(queries: Queries, database: str, tables: Sequence[Table]) -> Iterator[Finding]:
    """Name the sequences that have no number left, but for those that the server keeps in its memory.

    The dump goes on behind them, as the server does after a restart (mariadb-dump 10.11 and 11.8).
    """
    over = (
        "CASE WHEN increment < 0 THEN next_not_cached_value < minimum_value"
        " ELSE next_not_cached_value > maximum_value END"
    )
    names = [
        table.name
        for table in tables
        if table.kind == "sequence"
        and _first(
            queries,
            f"SELECT 1 FROM {identifier(database)}.{identifier(table.name)}"  # noqa: S608
            f" WHERE cycle_option = 0 AND {over}",
        )
    ]
    if names:
        yield Finding(
            Severity.WARNING,
            f"sequences without a number left, but for those in the server's cache: {few(names)}: restored, "
            "they have run out (4084)",
            object=names[0],
            cure="after a restore: SELECT SETVAL(...) to the last number that was used; or a smaller CACHE",
        )


def _only_generated(queries: Queries, database: str, tables: Sequence[Table]) -> Iterator[Finding]:
    """Name the tables with rows and none but generated columns: mysqldump 9.7 writes `VALUES ),)`."""
    names = queries.rows(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = %s"
        " GROUP BY table_name HAVING MIN(generation_expression) <> ''",
        database,
    )
    for name in _among(names, tables):
        if _first(queries, f"SELECT 1 FROM {identifier(database)}.{identifier(name)} LIMIT 1"):  # noqa: S608
            yield Finding(
                Severity.FAULT,
                f"the table {name} has rows and none but generated columns: mysqldump writes no valid SQL",
                object=name,
                cure=f"give {name} an ordinary column, or delete its rows",
            )


def _document_ids(
    queries: Queries, facts: ServerFacts, database: str, tables: Sequence[Table]
) -> Iterator[Finding]:
    """Name the full-text tables whose own document ids make larger steps than the server takes.

    Only servers from 8 on can be asked.
    """
    if facts.version_number < (8,):
        return
    names = queries.rows(
        "SELECT c.table_name FROM information_schema.columns c WHERE c.table_schema = %s"
        " AND c.column_name = BINARY 'FTS_DOC_ID' AND EXISTS (SELECT 1 FROM information_schema.statistics s"
        " WHERE s.table_schema = c.table_schema AND s.table_name = c.table_name"
        " AND s.index_type = 'FULLTEXT')",
        database,
    )
    for name in _among(names, tables):
        table = f"{identifier(database)}.{identifier(name)}"
        if _first(
            queries,
            "SELECT 1 FROM (SELECT FTS_DOC_ID - LAG(FTS_DOC_ID, 1, 0) OVER (ORDER BY FTS_DOC_ID) AS step"  # noqa: S608
            f" FROM {table}) AS steps WHERE step >= {_DOCUMENT_STEP} LIMIT 1",
        ):
            yield Finding(
                Severity.FAULT,
                f"the FTS_DOC_ID of {name} leaves out {_DOCUMENT_STEP:,} numbers or more: no server takes "
                "the rows back (182)",
                object=name,
                cure=f"number the rows of {name} anew, or drop its FULLTEXT index",
            )


def _among(names: Sequence[tuple[object, ...]], tables: Sequence[Table]) -> list[str]:
    known = {table.name for table in tables}
    return sorted({str(name) for (name,) in names} & known)


def _first(queries: Queries, sql: str) -> bool:
    """Whether there is a row; what may not be read is named elsewhere."""
    try:
        return bool(queries.rows(sql))
    except QueryError as error:
        if error.code in DENIED:
            return False
        raise
