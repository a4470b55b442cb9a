"""Roles and tablespaces in place of those that a throw-away server has not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import psycopg
from psycopg import sql

from vya_backupdb.engines.postgresql import acl
from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.needed import READS_ALL, READS_ALL_SINCE
from vya_backupdb.engines.postgresql.restore.requirements import Requirements
from vya_backupdb.engines.postgresql.restore.target import missing_roles, missing_tablespaces
from vya_backupdb.model import PostgreSQLDefinition


def make(
    connection: Connection, named: Requirements, definition: PostgreSQLDefinition | None
) -> Sequence[str]:
    """Make what a script and a definition name and is not there, as far as the server lets itself; name it.

    The roles cannot log in, and are no superusers: what they own (functions of indexes, materialized views)
    runs with their rights, and a superuser's reach out of the server. They may read all, for what they were
    members of at home is not known.
    """
    roles, tablespaces = set(named.roles), set(named.tablespaces)
    if definition is not None:
        roles |= {definition.owner, *acl.roles(definition.acl or ())}
        roles |= {setting.role for setting in definition.settings if setting.role is not None}
        tablespaces.add(definition.tablespace)
    return [
        *_roles(connection, missing_roles(connection, roles)),
        *_tablespaces(connection, missing_tablespaces(connection, tablespaces)),
    ]


def _roles(connection: Connection, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        role = sql.Identifier(name)
        with suppress(psycopg.errors.DatabaseError):  # a reserved name: the restore then says so
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
            if connection.info.server_version >= READS_ALL_SINCE:
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(READS_ALL), role))
            yield name


def _tablespaces(connection: Connection, names: Sequence[str]) -> Iterator[str]:
    """Make tablespaces without a folder of their own: those of the source lie on other disks."""
    for name in names:
        with suppress(psycopg.errors.DatabaseError):  # before 15 not every minor version has the setting
            connection.execute("SET allow_in_place_tablespaces = on")
            connection.execute(sql.SQL("CREATE TABLESPACE {} LOCATION ''").format(sql.Identifier(name)))
            yield f"tablespace {name}"
