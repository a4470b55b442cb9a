"""What a server says of itself and of its databases."""

from __future__ import annotations

from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.errors import BackupError
from vya_backupdb.model import DatabaseInfo, ServerFacts

_FACTS: Final = b"""
    SELECT pg_catalog.current_setting('server_version'),
        pg_catalog.current_setting('server_version_num')::int,
        session_user, pg_catalog.current_setting('is_superuser'),
        CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' ELSE 'off' END
"""

_SETTINGS: Final = (
    "lc_monetary",
    "max_connections",
    "max_standby_streaming_delay",
    "wal_level",
    "server_encoding",
)


def server_facts(connection: Connection) -> ServerFacts:
    """Give version, account and the settings that decide about a dump or restore."""
    row = connection.execute(_FACTS).fetchone()
    if row is None:
        raise BackupError("the server does not say what it is")
    version, number, account, superuser, in_recovery = row
    names = connection.execute(
        "SELECT n, pg_catalog.current_setting(n) FROM pg_catalog.unnest(%s::text[]) n", [list(_SETTINGS)]
    )
    return ServerFacts(
        engine="postgresql",
        flavour="postgresql",
        version=version.split()[0],
        version_number=(number // 10000, number % 10000),
        account=account,
        settings={"superuser": superuser, "in_recovery": in_recovery, **dict(names.fetchall())},
    )


_DATABASES: Final = b"""
    SELECT datname,
        CASE WHEN datconnlimit <> -2
            AND (pg_catalog.has_database_privilege(oid, 'CONNECT')
                OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'))
            THEN greatest(pg_catalog.pg_database_size(oid) - template.size, 0) END,
        datallowconn, datconnlimit
    FROM pg_catalog.pg_database, (
        SELECT coalesce(max(pg_catalog.pg_database_size(oid)), 0) FROM pg_catalog.pg_database
        WHERE datname = 'template1' AND pg_catalog.has_database_privilege(oid, 'CONNECT')) template (size)
    WHERE datname NOT IN ('template0', 'template1') ORDER BY datname COLLATE "C"
"""


def databases(connection: Connection) -> list[DatabaseInfo]:
    """Give all databases but template0 and template1; their sizes are without the system's catalogs.

    Indexes are part of them; the server tells no more of a database without a connection to it.
    """
    return [
        DatabaseInfo(
            name, size or 0, _unavailable(name, allowed=allowed, limit=limit), remains=limit == _INTERRUPTED
        )
        for name, size, allowed, limit in connection.execute(_DATABASES)
    ]


_INTERRUPTED: Final = -2
"""datconnlimit of a database that DROP DATABASE began with and did not end (DATCONNLIMIT_INVALID_DB)."""


def _unavailable(name: str, *, allowed: bool, limit: int) -> str | None:
    if limit == _INTERRUPTED:
        return "a DROP DATABASE of it was interrupted (datconnlimit is -2): all it can be is dropped"
    if not allowed:
        return "it allows no connections (ALTER DATABASE ... ALLOW_CONNECTIONS true)"
    if any("\udc80" <= char <= "\udcff" for char in name):
        return "its name is not UTF-8 (ALTER DATABASE ... RENAME TO)"
    return None
