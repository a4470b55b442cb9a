"""The other sessions of a server: who is in a database, and who holds up those that are."""

from __future__ import annotations

import time
from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.failures import one_line

_CLOSING: Final = 3.0
"""Seconds that the server may take to notice that a client, ours or another, has gone."""

_BLOCKING: Final = b"""
    SELECT DISTINCT pid, coalesce(usename, backend_type, '?'), coalesce(query, ''),
        coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)
    FROM pg_catalog.pg_stat_activity WHERE pid IN (
        SELECT unnest(pg_catalog.pg_blocking_pids(pid)) FROM pg_catalog.pg_stat_activity
        WHERE datname = %s AND wait_event_type = 'Lock'
    )
"""

_CONNECTED: Final = b"""
    SELECT coalesce(usename, backend_type, '?'), application_name, pid FROM pg_catalog.pg_stat_activity
    WHERE datname = %s AND backend_type IS DISTINCT FROM 'autovacuum worker'
    ORDER BY 1, 3
"""


def blockers(connection: Connection, database: str) -> list[str]:
    """Name the sessions for whose locks others in the database wait, with what they run or ran last."""
    return [
        f"session {pid} of {user} (`{' '.join(one_line(query).split()[:4])}` for {seconds:.0f} s)"
        for pid, user, query, seconds in connection.execute(_BLOCKING, [database])
    ]


def connected(connection: Connection, database: str) -> list[str]:
    """Name who is connected to a database; closed connections, a dump's too, are given time to go."""
    deadline = time.monotonic() + _CLOSING
    while True:
        found = connection.execute(_CONNECTED, [database]).fetchall()
        if not found or time.monotonic() > deadline:
            return [f"{user} ({name or 'no name'}, process {pid})" for user, name, pid in found]
        time.sleep(0.02)
