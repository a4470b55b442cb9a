"""Who holds the locks that sessions in a database wait for."""

from __future__ import annotations

from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.log import printable
from vya_backupdb.model import ServerFacts

_OF_LOCKS: Final = """
    SELECT t.processlist_id, t.processlist_user, t.processlist_host, t.processlist_time,
        COALESCE(t.processlist_info, MAX(e.sql_text), '')
    FROM performance_schema.metadata_locks w
    JOIN performance_schema.metadata_locks b USING (object_type, object_schema, object_name)
    JOIN performance_schema.threads t ON t.thread_id = b.owner_thread_id
    LEFT JOIN performance_schema.events_statements_current e ON e.thread_id = b.owner_thread_id
    WHERE w.object_type = 'TABLE' AND w.object_schema = %s AND w.lock_status = 'PENDING'
        AND b.owner_thread_id <> w.owner_thread_id AND NOT EXISTS (
            SELECT 1 FROM performance_schema.metadata_locks r WHERE r.owner_thread_id = b.owner_thread_id
            AND r.lock_status = 'PENDING' AND r.lock_type LIKE 'SHARED%%'
        )
    GROUP BY 1, 2, 3, 4, t.processlist_info ORDER BY t.processlist_time DESC
"""
"""Who has a lock on a table for which another waits, or waits for one that shuts all others out. Who waits to
read, as the dump tools do, holds nobody up."""

_OF_SESSIONS: Final = """
    SELECT p.id, p.user, p.host, p.time, COALESCE(p.info, '')
    FROM information_schema.processlist p
    LEFT JOIN information_schema.innodb_trx x ON x.trx_mysql_thread_id = p.id
    WHERE p.id <> CONNECTION_ID() AND EXISTS (
        SELECT 1 FROM information_schema.processlist w
        WHERE w.db = %s AND w.state LIKE 'Waiting for table%%'
    ) AND IF(p.state LIKE 'Waiting for table%%',
        p.db = %s AND p.info NOT REGEXP '^(SELECT|SHOW|LOCK)',
        x.trx_id IS NOT NULL OR (p.db = %s AND p.command = 'Sleep'))
    ORDER BY p.info IS NULL, x.trx_id IS NULL, p.time DESC
"""
"""Where the server does not tell its locks: the changes that wait for one, the open transactions, and who is
idle in the database, maybe with LOCK TABLES; the likeliest first."""


def blockers(queries: Queries, facts: ServerFacts, database: str) -> list[str]:
    """Name those sessions, with what they run or ran last; none where nobody waits.

    Raises QueryError where the account may not see the sessions of others.
    """
    rows = None
    if not is_mariadb(facts):
        try:
            rows = queries.rows(_OF_LOCKS, database)
        except QueryError as error:
            if error.code not in DENIED:
                raise
    if rows is None:
        rows = queries.rows(_OF_SESSIONS, database, database, database)
    return [
        f"session {number} of {user}@{host} ({_doing(str(statement))} for {seconds} s)"
        for number, user, host, seconds, statement in rows
    ]


def _doing(statement: str) -> str:
    """Give the first words: what follows may hold values of rows."""
    return f"`{printable(' '.join(statement.split()[:4]))}`" if statement else "idle"
