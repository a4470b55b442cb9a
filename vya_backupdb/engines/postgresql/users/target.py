"""What a server can have, and what the account in use may give: asked once for many roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from vya_backupdb.engines.postgresql.connection import UNCONVERTED, Connection
from vya_backupdb.engines.postgresql.users.present import bootstrap_superuser, present, sees_passwords
from vya_backupdb.engines.postgresql.users.probing import Setting, refusals
from vya_backupdb.engines.postgresql.users.quoting import identifier, is_utf8
from vya_backupdb.engines.postgresql.users.roles import FLAGS, Role
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
    refused_settings: Mapping[Setting, str]
    """Those that this account cannot give a role here, and why."""
    unknown_parameters: frozenset[str]
    """Those to be granted that the server does not have."""
    missing_providers: frozenset[str]
    passwords: dict[str, str] | None
    """Hashes of the roles that are there; "": none. None: the account may not read them."""
    present: Mapping[str, Role]
    """The roles that are there, for an account that may not give everything; else none."""

    @property
    def chains(self) -> bool:
        """Whether whoever grants a role must have it WITH ADMIN OPTION, as from PostgreSQL 16 on."""
        return self.version >= 160000


def examine(
    connection: Connection,
    facts: ServerFacts,
    roles: Sequence[Role],
    *,
    lock_wait: int,
) -> Target:
    """Ask a server what it has, and what it takes of these roles. `lock_wait`: milliseconds."""
    version = connection.info.server_version
    superuser = facts.settings["superuser"] == "on"
    standby = facts.settings["in_recovery"] == "on"
    settings = {one for role in roles for one in role.settings}
    providers = {provider for role in roles for provider, _ in role.labels}
    parameters = {grant.parameter for role in roles for grant in role.parameters}
    without_password = [role.name for role in roles if role.password is None]
    passwords: dict[str, str] | None = None
    if sees_passwords(connection):
        asked = sorted(filter(is_utf8, without_password))
        passwords = dict(connection.execute(_PASSWORDS, [asked]).fetchall())
    encoding = (connection.pgconn.parameter_status(b"server_encoding") or b"").decode()
    utf8 = encoding not in UNCONVERTED
    if utf8:
        settings = {(name, values) for name, values in settings if all(map(is_utf8, (name, *values)))}
    unknown: list[tuple[str]] = []
    if superuser:  # nobody else may ask for the value of each parameter, nor grant any
        unknown = connection.execute(_UNKNOWN, [sorted(filter(is_utf8, parameters))]).fetchall()
    return Target(
        version=version,
        account=facts.account,
        superuser=superuser,
        standby=standby,
        bootstrap=bootstrap_superuser(connection),
        utf8=utf8,
        flags={
            name: frozenset(flag for flag, on in zip(FLAGS, flags, strict=True) if on)
            for name, *flags in connection.execute(_ROLES)
        },
        admins=frozenset((role, member) for role, member in connection.execute(_ADMINS)),
        may_grant=frozenset(name for (name,) in connection.execute(_MAY_GRANT)),
        refused_settings={}
        if standby
        else refusals(connection, facts.account, settings, lock_wait=lock_wait),
        unknown_parameters=frozenset(name for (name,) in unknown),
        missing_providers=frozenset(
            provider for provider in providers if not _is_loaded(connection, facts.account, provider)
        ),
        passwords=passwords,
        present={}
        if superuser
        else {role.name: role for role in present(connection, [role.name for role in roles])},
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
