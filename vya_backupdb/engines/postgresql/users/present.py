"""The roles that a server has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.definition import setting_values
from vya_backupdb.engines.postgresql.users.quoting import is_utf8
from vya_backupdb.engines.postgresql.users.reading import instant
from vya_backupdb.engines.postgresql.users.roles import FLAGS, PREDEFINED, Membership, ParameterGrant, Role
from vya_backupdb.model import DatabaseSetting

BOOTSTRAP: Final = 10
"""The oid of the superuser that initdb has made (BOOTSTRAP_SUPERUSERID in pg_authid.dat)."""

# the flags are in the order of FLAGS
_ROLES: Final = """
    SELECT r.oid, rolname, rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, rolreplication,
        rolbypassrls, rolconnlimit, rolvaliduntil::text, rolpassword,
        pg_catalog.shobj_description(r.oid, 'pg_authid')
    FROM pg_catalog.{catalog} r WHERE {chosen} ORDER BY rolname COLLATE "C"
"""

_SETTINGS: Final = """
    SELECT setrole, pg_catalog.unnest(setconfig) FROM pg_catalog.pg_db_role_setting
    JOIN pg_catalog.pg_roles r ON r.oid = setrole WHERE setdatabase = 0 AND {chosen}
"""

_LABELS: Final = """
    SELECT objoid, provider, label FROM pg_catalog.pg_shseclabel JOIN pg_catalog.pg_roles r ON r.oid = objoid
    WHERE classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND {chosen} ORDER BY 1, 2
"""

_MEMBERSHIPS: Final = """
    SELECT m.member, g.rolname, admin_option, {options}, CASE WHEN m.grantor <> 10 THEN b.rolname END
    FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
    JOIN pg_catalog.pg_roles r ON r.oid = m.member LEFT JOIN pg_catalog.pg_roles b ON b.oid = m.grantor
    WHERE {chosen} AND NOT (g.rolname ~ '^pg_' AND r.rolname ~ '^pg_')
    ORDER BY g.rolname COLLATE "C", 6 NULLS FIRST
"""

_PARAMETERS: Final = """
    SELECT a.grantee, parname, pg_catalog.string_agg(a.privilege_type, ', '),
        a.is_grantable, CASE WHEN a.grantor <> 10 THEN b.rolname END
    FROM pg_catalog.pg_parameter_acl CROSS JOIN LATERAL pg_catalog.aclexplode(paracl) a
    JOIN pg_catalog.pg_roles r ON r.oid = a.grantee LEFT JOIN pg_catalog.pg_roles b ON b.oid = a.grantor
    WHERE a.grantee <> 10 AND {chosen} GROUP BY a.grantee, parname, a.is_grantable, 5 ORDER BY 2, 5, 4
"""

_CHOSEN: Final = "r.rolname = ANY (%s)"


def sees_passwords(connection: Connection) -> bool:
    """Whether the account may read pg_authid, where the hashes of passwords are."""
    row = connection.execute(
        b"SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')"
    ).fetchone()
    return row is not None and bool(row[0])


def bootstrap_superuser(connection: Connection) -> str:
    """Give the name of the superuser that initdb has made."""
    row = connection.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE oid = %s", [BOOTSTRAP]).fetchone()
    if row is None:
        raise LookupError("a server has the superuser that initdb made")
    return str(row[0])


def names(connection: Connection) -> list[str]:
    """Give the names of all roles."""
    return [name for (name,) in connection.execute(b"SELECT rolname FROM pg_catalog.pg_roles")]


def present(connection: Connection, labels: Collection[str] | None = None) -> list[Role]:
    """Give all roles as they are at one moment, the server's own included; or only those of these names."""
    with connection.transaction():
        connection.execute(
            b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
            b" SET LOCAL DateStyle TO ISO; SET LOCAL TimeZone TO 'UTC'"
        )
        return list(_present(connection, labels))


def _present(connection: Connection, labels: Collection[str] | None) -> Iterator[Role]:
    version = connection.info.server_version
    wanted = None if labels is None else frozenset(labels)
    # a name that is not UTF-8 cannot be bound
    values = [list(labels)] if labels is not None and all(map(is_utf8, labels)) else None
    chosen = "true" if values is None else _CHOSEN
    seen = sees_passwords(connection)
    catalog = "pg_authid" if seen else "pg_roles"
    options = "inherit_option, set_option" if version >= 160000 else "NULL, true"

    def rows(query: str, **parts: str) -> list[tuple[object, ...]]:
        text = query.format(chosen=chosen, **parts).encode()
        return connection.execute(text, values).fetchall()

    roles: dict[object, Role] = {}
    for oid, name, *rest in rows(_ROLES, catalog=catalog):
        flags, (limit, until, password, comment) = rest[: len(FLAGS)], rest[len(FLAGS) :]
        made = not str(name).startswith(PREDEFINED)
        roles[oid] = Role(
            str(name),
            made=made,
            flags=frozenset(flag for flag, on in zip(FLAGS, flags, strict=True) if on),
            connection_limit=int(str(limit)),
            valid_until=None if until is None else instant(str(until)),
            password=str(password or "") if seen and made else None,
            comment=None if comment is None else str(comment),
        )
    settings: dict[object, list[tuple[str, tuple[str, ...]]]] = {}
    for oid, entry in rows(_SETTINGS):
        name, _, value = str(entry).partition("=")
        values_of = tuple(setting_values(DatabaseSetting(name, value)))
        settings.setdefault(oid, []).append((name, values_of))
    gathered: dict[object, list[tuple[str, str]]] = {}
    for oid, provider, label in rows(_LABELS):
        gathered.setdefault(oid, []).append((str(provider), str(label)))
    memberships: dict[object, list[Membership]] = {}
    for oid, role, admin, inherit, can_set, grantor in rows(_MEMBERSHIPS, options=options):
        memberships.setdefault(oid, []).append(
            Membership(
                str(role),
                bool(admin),
                None if inherit is None else bool(inherit),
                bool(can_set),
                None if grantor is None else str(grantor),
            )
        )
    parameters: dict[object, list[ParameterGrant]] = {}
    for oid, name, privileges, grantable, grantor in rows(_PARAMETERS) if version >= 150000 else []:
        may = tuple(sorted(str(privileges).split(", ")))
        by = None if grantor is None else str(grantor)
        parameters.setdefault(oid, []).append(ParameterGrant(str(name), may, bool(grantable), by))
    for oid, role in roles.items():
        if wanted is not None and role.name not in wanted:
            continue
        yield replace(
            role,
            settings=tuple(settings.get(oid, ())),
            labels=tuple(gathered.get(oid, ())),
            memberships=tuple(memberships.get(oid, ())),
            parameters=tuple(parameters.get(oid, ())),
        )
