"""Gives a loaded database what would have stood in the way of the load."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import sql

from vya_backupdb.engines.postgresql import definition as definitions
from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.failures import server_says
from vya_backupdb.model import PostgreSQLDefinition

_PRESENT: Final = b"""
    SELECT pg_catalog.pg_get_userbyid(datdba),
        coalesce(datacl, pg_catalog.acldefault('d', datdba))::text[],
        pg_catalog.acldefault('d', datdba)::text[],
        ARRAY(SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (%s))
    FROM pg_catalog.pg_database WHERE datname = %s
"""
"""Of the roles only those that matter: another's name may be none in the encoding of the database."""


def complete(main: Connection, within: Connection, database: str, wanted: PostgreSQLDefinition) -> list[str]:
    """Make the database what the definition says; give the statements that the server refused, with reasons.

    `within` is a connection to the database. In it texts are in its encoding, but the database's name may
    be in that of another, so a name beyond ASCII is used elsewhere.
    """
    refused: list[str] = []
    for removal in definitions.removals(wanted):
        _attempt(within, None, removal, refused)
    connection = within if database.isascii() else main
    owner = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
        sql.Identifier(database), sql.Identifier(wanted.owner)
    )
    needed = [setting.role for setting in wanted.settings if setting.role is not None]
    if _present(connection, database, needed)[0] != wanted.owner:
        _attempt(connection, None, owner, refused)
    owned_by, present, default, roles = _present(connection, database, needed)
    for actor, statement in definitions.completion(
        database,
        wanted,
        owner=owned_by,
        present=tuple(present),
        default=tuple(default),
        roles=frozenset(roles),
    ):
        _attempt(connection, actor, statement, refused)
    return refused


def _present(
    connection: Connection, database: str, roles: list[str]
) -> tuple[str, list[str], list[str], list[str]]:
    row = connection.execute(_PRESENT, [roles, database]).fetchone()
    if row is None:
        raise psycopg.errors.InvalidCatalogName(f"there is no database {database!r} any more")
    owner, present, default, there = row
    return owner, present, default, there


def _attempt(connection: Connection, actor: str | None, statement: sql.Composed, refused: list[str]) -> None:
    try:
        if actor is not None:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(actor)))
        connection.execute(statement)
    except psycopg.errors.DatabaseError as error:
        if connection.closed:
            raise
        text, quote, _ = statement.as_string(connection).partition("'")  # a value may be a secret
        refused.append(f"{text}{'...' if quote else ''} ({server_says(error)})")
    finally:
        if actor is not None and not connection.closed:
            connection.execute("RESET ROLE")
