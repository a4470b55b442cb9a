"""What a server can have, and what the account in use may give: asked once for many roles."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import psycopg

from vya_backupdb.engines.postgresql.connection import UNCONVERTED, Connection
from vya_backupdb.engines.postgresql.users.present import bootstrap_superuser, sees_passwords
from vya_backupdb.engines.postgresql.users.quoting import identifier, is_utf8
from vya_backupdb.engines.postgresql.users.roles import FLAGS
from vya_backupdb.model import ServerFacts

_ROLES: Final = b"""
    SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, rolreplication,
        rolbypassrls
    FROM pg_catalog.pg_roles
"""
"""The flags are in the order of FLAGS."""

_ADMINS: Final = b"""
    SELECT g.rolname, r.rolname FROM pg_catalog.pg_auth_members m
    JOIN pg_catalog.pg_roles g ON g.oid = m.roleid JOIN pg_catalog.pg_roles r ON r.oid = m.member
    WHERE admin_option
"""

_MAY_GRANT: Final = b"""
    SELECT rolname FROM pg_catalog.pg_roles
    WHERE pg_catalog.pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')
"""

_PASSWORDS: Final = b"""
    SELECT rolname, coalesce(rolpassword, '') FROM pg_catalog.pg_authid WHERE rolname = ANY (%s)
"""

_UNKNOWN: Final = b"""
    SELECT name FROM pg_catalog.unnest(%s::text[]) name
    WHERE pg_catalog.strpos(name, '.') = 0 AND pg_catalog.current_setting(name, true) IS NULL
"""

_FORBIDDEN: Final = """
    SELECT wanted FROM pg_catalog.unnest(%s::text[]) wanted
    JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(wanted)
    WHERE s.context IN ('superuser', 'superuser-backend') {granted}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A server as somebody sees it who makes roles there."""

    version: int
    """As server_version_num."""
    account: str
    superuser: bool
    standby: bool
    bootstrap: str
    utf8: bool
    """Whether names can only be given in UTF-8."""
    flags: dict[str, frozenset[str]]
    """Of each role that is there."""
    admins: frozenset[tuple[str, str]]
    """(role, member) where the member may grant the role."""
    may_grant: frozenset[str]
    """The roles that the account may grant: those that it has WITH ADMIN OPTION, however it came by them."""
    unknown_settings: frozenset[str]
    forbidden_settings: frozenset[str]
    """Those that only a superuser may give a role."""
    missing_providers: frozenset[str]
    passwords: dict[str, str] | None
    """Hashes of the roles that are there; "": none. None: the account may not read them."""

    @property
    def chains(self) -> bool:
        """Whether whoever grants a role must have it WITH ADMIN OPTION, as from PostgreSQL 16 on."""
        return self.version >= 160000


def examine(
    connection: Connection,
    facts: ServerFacts,
    *,
    settings: Collection[str],
    providers: Collection[str],
    without_password: Collection[str],
) -> Target:
    """Ask a server what it has, and what it knows of these settings and providers of security labels.

    `without_password` are the roles whose passwords are asked for.
    """
    version = connection.info.server_version
    superuser = facts.settings["superuser"] == "on"
    names = sorted(filter(is_utf8, settings))
    granted = "AND NOT pg_catalog.has_parameter_privilege(s.name, 'SET')" if version >= 150000 else ""
    forbidden: list[tuple[str]] = []
    if not superuser:
        forbidden = connection.execute(_FORBIDDEN.format(granted=granted).encode(), [names]).fetchall()
    passwords: dict[str, str] | None = None
    if sees_passwords(connection):
        asked = sorted(filter(is_utf8, without_password))
        passwords = dict(connection.execute(_PASSWORDS, [asked]).fetchall())
    encoding = (connection.pgconn.parameter_status(b"server_encoding") or b"").decode()
    return Target(
        version=version,
        account=facts.account,
        superuser=superuser,
        standby=facts.settings["in_recovery"] == "on",
        bootstrap=bootstrap_superuser(connection),
        utf8=encoding not in UNCONVERTED,
        flags={
            name: frozenset(flag for flag, on in zip(FLAGS, flags, strict=True) if on)
            for name, *flags in connection.execute(_ROLES)
        },
        admins=frozenset((role, member) for role, member in connection.execute(_ADMINS)),
        may_grant=frozenset(name for (name,) in connection.execute(_MAY_GRANT)),
        unknown_settings=frozenset(name for (name,) in connection.execute(_UNKNOWN, [names])),
        forbidden_settings=frozenset(name for (name,) in forbidden),
        missing_providers=frozenset(
            provider for provider in providers if not _is_loaded(connection, facts.account, provider)
        ),
        passwords=passwords,
    )


def _is_loaded(connection: Connection, account: str, provider: str) -> bool:
    """Whether a provider of security labels is there: no catalog tells. Nothing is changed."""
    try:
        with connection.transaction(force_rollback=True):
            statement = b"SECURITY LABEL FOR " + identifier(provider) + b" ON ROLE " + identifier(account)
            connection.execute(statement + b" IS NULL")
    except psycopg.errors.InvalidParameterValue:
        return False
    except psycopg.errors.DatabaseError:
        return True  # it has looked at the label, or the account may give none
    return True
