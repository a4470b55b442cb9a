"""What stands in the way of a dump, and what a dump or its restore will lose without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.failures import one_line
from vya_backupdb.engines.postgresql.needed import READS_ALL_SINCE, connect, read_all
from vya_backupdb.engines.postgresql.preflight.evaluated import evaluated_findings
from vya_backupdb.engines.postgresql.preflight.inheritance import inheritance_losses
from vya_backupdb.engines.postgresql.preflight.losses import LOSSES
from vya_backupdb.engines.postgresql.preflight.made_along import made_along_losses
from vya_backupdb.engines.postgresql.preflight.system import SYSTEM
from vya_backupdb.engines.postgresql.preflight.unreadable import UNREADABLE
from vya_backupdb.model import Finding, PostgreSQLDefinition, ServerFacts, Severity

OLDEST: Final = 13
NEWEST: Final = 18
"""The major versions that this program has been made for."""

_FEW = 5
"""Names that one finding lists."""

_ON_A_STANDBY: Final = b"""
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'S') AND n.nspname !~ '^pg_' ORDER BY 1
"""


def definition_findings(definition: PostgreSQLDefinition) -> Iterator[Finding]:
    """Refuse what no metadata can hold: they are UTF-8."""
    try:
        json.dumps(asdict(definition), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        yield Finding(
            Severity.FAULT,
            "the comment of the database, one of its settings, or a role that they name is not UTF-8",
            cure="write it anew: COMMENT ON DATABASE, ALTER DATABASE ... SET, ALTER ROLE ... RENAME TO",
        )


def shown(finding: Finding) -> Finding:
    """Give a finding that can be written anywhere: without control characters, and in UTF-8."""
    return Finding(
        finding.severity,
        one_line(finding.what),
        finding.object and one_line(finding.object),
        finding.cure and one_line(finding.cure),
    )


def database_findings(connection: Connection, facts: ServerFacts) -> Iterator[Finding]:
    """Give what is worth knowing of the connection's database before it is dumped, but the privileges."""
    losses = (*SYSTEM, *LOSSES, *UNREADABLE, *made_along_losses(connection), *inheritance_losses(connection))
    for loss in losses:
        names = [name for (name,) in connection.execute(loss.query)]
        if names:
            yield Finding(loss.severity, loss.what.format(listed(names)), names[0], loss.cure)
    yield from evaluated_findings(connection)
    if facts.settings["in_recovery"] == "on":
        names = [name for (name,) in connection.execute(_ON_A_STANDBY)]
        if names:
            yield Finding(
                Severity.WARNING,
                f"the rows of unlogged tables are not on a standby, so not in its dumps: {listed(names)}",
                names[0],
                "back up the primary",
            )
    yield from _collation_versions(connection)


def listed(names: list[str]) -> str:
    """Give the first few names, and how many more there are."""
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def _collation_versions(connection: Connection) -> Iterator[Finding]:
    """Compare the recorded version of the database's collation with the library's.

    The server warns of a difference at each connect; indexes over text may be corrupt.
    """
    if connection.info.server_version < 150000:
        return
    row = connection.execute(
        b"""
        SELECT pg_catalog.quote_ident(datname), datcollversion,
            pg_catalog.pg_database_collation_actual_version(oid)
        FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
        """
    ).fetchone()
    if row is not None and row[1] is not None and row[2] is not None and row[1] != row[2]:
        yield Finding(
            Severity.WARNING,
            f"the collation of database {row[0]} was of version {row[1]}, and the system's library now has "
            f"{row[2]}: indexes over text may be out of order",
            row[0],
            f"REINDEX DATABASE {row[0]}, then ALTER DATABASE {row[0]} REFRESH COLLATION VERSION",
        )


def instance_findings(connection: Connection, facts: ServerFacts) -> Iterator[Finding]:
    """Give what the account lacks and what is worth knowing of the server, whatever the database."""
    major = facts.version_number[0]
    if major > NEWEST:
        yield Finding(
            Severity.WARNING,
            f"PostgreSQL {facts.version} is newer than what this program has been made for (up to {NEWEST})",
            cure="update this program",
        )
    if facts.settings["in_recovery"] == "on":
        delay = facts.settings["max_standby_streaming_delay"]
        yield Finding(
            Severity.WARNING,
            "the server is a standby: a dump that stands in the way of replay is cancelled after "
            f"max_standby_streaming_delay ({delay})",
            cure="raise it, or back up the primary, if dumps are cancelled",
        )
    if facts.settings["superuser"] == "on":
        return
    yield from _account_findings(connection, major)


def _account_findings(connection: Connection, major: int) -> Iterator[Finding]:
    rows = connection.execute(
        b"""
        SELECT pg_catalog.quote_ident(datname), pg_catalog.quote_ident(current_user)
        FROM pg_catalog.pg_database
        WHERE datallowconn AND datname NOT IN ('template0', 'template1')
            AND NOT pg_catalog.has_database_privilege(oid, 'CONNECT') ORDER BY 1
        """
    )
    for database, role in rows:
        yield Finding(
            Severity.PRIVILEGE,
            f"no CONNECT on database {database}",
            database,
            connect(database, role),
        )
    if major * 10000 >= READS_ALL_SINCE:
        cure = read_all("{}")
    else:
        cure = "GRANT SELECT ON ALL TABLES IN SCHEMA ... TO {}, and on all sequences, in each database"
    # pg_shdepend holds, for all databases, who owns something or was granted something
    row = connection.execute(
        b"""
        SELECT pg_catalog.quote_ident(current_user) WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_roles
            WHERE rolname = 'pg_read_all_data' AND pg_catalog.pg_has_role(oid, 'USAGE'))
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_shdepend
            WHERE refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND dbid <> 0
                AND pg_catalog.pg_has_role(refobjid, 'USAGE'))
        """
    ).fetchone()
    if row is not None:
        yield Finding(
            Severity.PRIVILEGE,
            f"{row[0]} has no privilege on anything: it can read only what everybody may",
            cure=cure.format(row[0]),
        )
