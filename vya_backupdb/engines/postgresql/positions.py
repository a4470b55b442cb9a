"""Where in the write-ahead log a server is."""

from __future__ import annotations

from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection

_PRIMARY: Final = b"""
    SELECT 'wal_lsn', pg_catalog.pg_current_wal_insert_lsn()::text
    UNION ALL SELECT 'wal_file', pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn())
"""
"""The insert position: with synchronous_commit off, what is committed may not be written yet."""

_STANDBY: Final = b"""
    SELECT 'wal_lsn', pg_catalog.pg_last_wal_replay_lsn()::text
    UNION ALL SELECT 'received_lsn', pg_catalog.pg_last_wal_receive_lsn()::text
    UNION ALL SELECT 'replayed_transaction_at', pg_catalog.pg_last_xact_replay_timestamp()::text
    UNION ALL SELECT 'source', sender_host || ':' || sender_port FROM pg_catalog.pg_stat_wal_receiver
"""
"""pg_stat_wal_receiver shows its columns to superusers and members of pg_read_all_stats only."""

_BOTH: Final = b"""
    SELECT 'timeline', timeline_id::text FROM pg_catalog.pg_control_checkpoint()
    UNION ALL SELECT 'system_identifier', system_identifier::text FROM pg_catalog.pg_control_system()
"""


def positions(connection: Connection) -> dict[str, str]:
    """Give the WAL position (on a standby, what is replayed), the timeline, and which cluster it is.

    What the server does not tell is left out. The timeline is that of the last checkpoint.
    """
    row = connection.execute(b"SELECT pg_catalog.pg_is_in_recovery()").fetchone()
    standby = row is not None and row[0]
    found = {"role": "standby" if standby else "primary"}
    for query in (_STANDBY if standby else _PRIMARY, _BOTH):
        found |= {name: value for name, value in connection.execute(query) if value is not None}
    return found
