"""What the role that backs up must be allowed: one list, for the preflight, `init` and docs/privileges.md.

Tests take each of these away on real servers, and a backup has to fail or to say so.
"""

from __future__ import annotations

from typing import Final

from vya_backupdb.engines.account import BackupAccount, LoginKind, Need

READS_ALL: Final = "pg_read_all_data"
READS_ALL_SINCE: Final = 140000
"""The version that brought it, as server_version_num has it."""

PASSWORD: Final = "<'password'>"  # noqa: S105  # no server takes it

NEEDED: Final = (
    Need("LOGIN", "connects", "nobody can log in"),
    Need(
        "BYPASSRLS",
        "reads all rows of tables with row security",
        "pg_dump fails on such tables",
        where="databases with row security",
    ),
    Need(
        READS_ALL,
        "reads tables, sequences and schemas; in `pg_authid` also the hashes of passwords",
        "the databases cannot be dumped, and roles without their passwords only",
    ),
)
"""From 14 on; in every database that PUBLIC may connect to."""

_LOOPBACK: Final = ("127.0.0.1", "::1")


def quoted(name: str) -> str:
    """Give a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def backup_account(name: str, *, login: LoginKind, client: str | None) -> BackupAccount:
    """Give the SQL that makes the role from version 14 on; `client`: where it logs in from, if known.

    `localhost` is the socket.
    """
    role = quoted(name)
    password = f" PASSWORD {PASSWORD}" if login == "password" else ""
    if login == "socket":
        access = f"pg_hba.conf needs a line as Debian's `local all all peer`, or: local all {role} peer"
    elif client == "localhost":
        access = f"pg_hba.conf needs a line as: local all {role} scram-sha-256"
    else:
        address = f"{client or '<address>'}/{128 if ':' in (client or '') else 32}"
        kind = "host" if client in _LOOPBACK else "hostssl"
        access = f"pg_hba.conf needs a line as: {kind} all {role} {address} scram-sha-256"
    return BackupAccount(
        login,
        (f"CREATE ROLE {role} LOGIN BYPASSRLS{password}", read_all(role)),
        (
            access,
            f"where PUBLIC may not connect to a database: {connect('<database>', role)};",
            f"where others own large objects: GRANT <owner> TO {role};",
            f"PostgreSQL 13 has no {READS_ALL}: see docs/privileges.md",
        ),
    )


def read_all(role: str) -> str:
    """Give the statement that lets a (quoted) role read everything; from 14 on."""
    return f"GRANT {READS_ALL} TO {role}"


def read_schema(schema: str, role: str) -> tuple[str, ...]:
    """Give the statements that let a role read what is in a schema (13, or no more than that)."""
    return (
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
        f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    )


def read_passwords(role: str) -> str:
    """Give the statement that lets a role read the hashes of passwords without READS_ALL."""
    return f"GRANT SELECT ON pg_catalog.pg_authid TO {role}"


def connect(database: str, role: str) -> str:
    """Give the statement that lets a role connect where PUBLIC may not."""
    return f"GRANT CONNECT ON DATABASE {database} TO {role}"


def pass_row_security(role: str) -> str:
    """Give the statement that lets a role read all rows."""
    return f"ALTER ROLE {role} BYPASSRLS"
