"""What would go wrong with a restore onto a server, found before anything is changed."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from typing import Final

import psycopg
from psycopg import sql

from vya_backupdb.engines.postgresql import acl
from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.definition import PROVIDER_SINCE
from vya_backupdb.engines.postgresql.restore.needs import Needs
from vya_backupdb.errors import few
from vya_backupdb.model import Finding, PostgreSQLDefinition, ServerFacts, Severity

_MISSING: Final = """
    SELECT name FROM pg_catalog.unnest(%s::text[]) name
    WHERE name NOT IN (SELECT {column} FROM pg_catalog.{catalog}) ORDER BY 1
"""


def examine(
    connection: Connection,
    facts: ServerFacts,
    database: str,
    definition: PostgreSQLDefinition | None,
    source: ServerFacts | None,
    needs: Needs,
    *,
    present: PostgreSQLDefinition | None,
    stays: bool = False,
    coming: Collection[str] = (),
) -> Iterator[Finding]:
    """Give everything that stands in the way of a script with these needs.

    `present`: the database as it is there already and will be used; None: it will be created, or it
    `stays` with all that it has. `coming`: roles that are not missed.
    """
    if facts.settings["in_recovery"] == "on":
        yield Finding(
            Severity.FAULT, "the server is a standby: nothing can be written", cure="restore onto the primary"
        )
    yield from _versions(connection, facts, source, needs)
    yield from _roles(connection, definition, needs, coming)
    yield from _things(connection, definition, needs)
    yield from _label_providers(connection, definition, needs)
    if definition is not None:
        if present is not None:
            yield from _differences(database, present, definition)
        else:
            yield from _locale(connection, facts, definition)
    yield from _money(facts, definition, source, needs)
    if facts.settings["superuser"] != "on":
        if not stays:
            yield from _of_the_database(connection, facts.account, database, creates=present is None)
        yield from _privileges(connection, facts, definition, needs)


def _missing(connection: Connection, catalog: str, column: str, names: Collection[str]) -> list[str]:
    query = _MISSING.format(catalog=catalog, column=column).encode()
    return [name for (name,) in connection.execute(query, [sorted(names)])]


def missing_roles(connection: Connection, names: Collection[str]) -> list[str]:
    """Give those of these roles that the server has not."""
    return _missing(connection, "pg_roles", "rolname", names)


def missing_tablespaces(connection: Connection, names: Collection[str]) -> list[str]:
    """Give those of these tablespaces that the server has not."""
    return _missing(connection, "pg_tablespace", "spcname", names)


def _versions(
    connection: Connection, facts: ServerFacts, source: ServerFacts | None, needs: Needs
) -> Iterator[Finding]:
    major = facts.version_number[0]
    origin = source.version_number[0] if source else needs.major
    if origin is not None and origin > major:
        yield Finding(
            Severity.WARNING,
            f"the server is PostgreSQL {facts.version}, older than the source ({origin}): "
            "what is new in the source's version will be refused",
            cure=f"restore onto PostgreSQL {origin} or later",
        )
    if origin is not None and origin < 15 <= major and not needs.public_opened:
        yield Finding(
            Severity.WARNING,
            "from PostgreSQL 15 on, not everybody may create objects in the schema public, as on the source",
            "public",
            "if that is wanted: GRANT CREATE ON SCHEMA public TO PUBLIC",
        )
    known = connection.execute(
        b"SELECT name FROM pg_catalog.unnest(%s::text[]) name"
        b" WHERE pg_catalog.current_setting(name, true) IS NULL ORDER BY 1",
        [sorted(needs.settings)],
    )
    for (name,) in known:
        yield Finding(
            Severity.WARNING,
            f"the script sets {name}, which PostgreSQL {facts.version} does not know: left out",
            name,
        )


def _roles(
    connection: Connection,
    definition: PostgreSQLDefinition | None,
    needs: Needs,
    coming: Collection[str],
) -> Iterator[Finding]:
    named = set(needs.named.roles)
    settings: set[str] = set()
    if definition is not None:
        named |= {definition.owner, *acl.roles(definition.acl or ())}
        settings = {setting.role for setting in definition.settings if setting.role is not None}
    for name in missing_roles(connection, named - set(coming)):
        yield Finding(
            Severity.FAULT,
            f"the role {name!r} owns something or was granted something, and is not on the server",
            name,
            "restore the users first, or CREATE ROLE, or restore with --no-owner",
        )
    for name in missing_roles(connection, settings - named - set(coming)):
        yield Finding(
            Severity.WARNING,
            f"the role {name!r} has settings in the database, and is not on the server: they are left out",
            name,
            "restore the users first",
        )


def _things(
    connection: Connection, definition: PostgreSQLDefinition | None, needs: Needs
) -> Iterator[Finding]:
    tablespaces = set(needs.named.tablespaces) | ({definition.tablespace} if definition else set())
    for name in missing_tablespaces(connection, tablespaces):
        yield Finding(
            Severity.FAULT,
            f"the tablespace {name!r} is not on the server",
            name,
            "CREATE TABLESPACE ... LOCATION ...",
        )
    for name in _missing(connection, "pg_available_extensions", "name", needs.named.extensions):
        yield Finding(
            Severity.FAULT,
            f"the extension {name!r} is not installed on the server",
            name,
            "install its package",
        )
    for name in _missing(connection, "pg_collation", "collname", needs.collations):
        yield Finding(
            Severity.FAULT,
            f"the collation {name!r} is not on the server",
            name,
            "install the system's locale, then SELECT pg_import_system_collations('pg_catalog')"
            " in template1 and template0",
        )


def _label_providers(
    connection: Connection, definition: PostgreSQLDefinition | None, needs: Needs
) -> Iterator[Finding]:
    """Ask for a label on a database that is not there: the server looks for the provider first."""
    labels = definition.security_labels if definition else ()
    for name in sorted(needs.label_providers | {provider for provider, _ in labels}):
        try:
            connection.execute(
                sql.SQL("SECURITY LABEL FOR {} ON DATABASE {} IS NULL").format(
                    sql.Identifier(name), sql.Identifier(f"no database {secrets.token_hex(8)}")
                )
            )
        except psycopg.errors.InvalidParameterValue:
            yield Finding(
                Severity.FAULT,
                f"the script holds security labels of {name!r}, which the server has not loaded",
                name,
                "name its library in shared_preload_libraries, or dump with --no-security-labels",
            )
        except psycopg.errors.DatabaseError:
            continue


def _locale(
    connection: Connection, facts: ServerFacts, definition: PostgreSQLDefinition
) -> Iterator[Finding]:
    """Whether CREATE DATABASE will take the locale."""
    provider = definition.locale_provider
    if connection.info.server_version < PROVIDER_SINCE.get(provider, 0):
        yield Finding(
            Severity.FAULT,
            f"PostgreSQL {facts.version} knows no database with the locale provider {provider}",
            provider,
            "restore onto a newer server, or create an empty database with another locale first",
        )
        return
    for name in dict.fromkeys((definition.collate, definition.ctype)):
        try:
            # what checks lc_monetary asks the server's system for the locale, as CREATE DATABASE does
            connection.execute("SELECT pg_catalog.set_config('lc_monetary', %s, false)", [name])
        except psycopg.errors.InvalidParameterValue:
            yield Finding(
                Severity.FAULT,
                f"the server's system has no locale {name!r}",
                name,
                "install it there (locale-gen or localedef) and restart the server",
            )
        finally:
            connection.execute(b"RESET lc_monetary")


def _differences(
    database: str, there: PostgreSQLDefinition, definition: PostgreSQLDefinition
) -> Iterator[Finding]:
    """Name what the database that is there already has otherwise than the source, for good."""
    cure = "drop the empty database: the restore creates it as the source was"
    if there.encoding != definition.encoding:
        yield Finding(
            Severity.FAULT,
            f"the database {database!r} is there in the encoding {there.encoding}, "
            f"and the backup is in {definition.encoding}",
            database,
            cure,
        )
    if _locale_of(there) != _locale_of(definition):
        yield Finding(
            Severity.WARNING,
            f"the database {database!r} is there with the locale {_locale_of(there)}, "
            f"and the source has {_locale_of(definition)}: text sorts otherwise",
            database,
            cure,
        )


def _locale_of(definition: PostgreSQLDefinition) -> str:
    parts = (definition.locale_provider, definition.locale, definition.collate, definition.ctype)
    return " ".join(dict.fromkeys(part for part in parts if part))


def _money(
    facts: ServerFacts, definition: PostgreSQLDefinition | None, source: ServerFacts | None, needs: Needs
) -> Iterator[Finding]:
    """Values of type money are written and read in the format of lc_monetary."""
    if not needs.money or source is None or definition is None:
        return
    own = next(
        (
            setting.value
            for setting in definition.settings
            if setting.name == "lc_monetary" and not setting.role
        ),
        None,
    )
    if own is None and source.settings.get("lc_monetary") != facts.settings["lc_monetary"]:
        yield Finding(
            Severity.WARNING,
            f"values of type money were written with lc_monetary {source.settings.get('lc_monetary')!r}, "
            f"and the server reads them with {facts.settings['lc_monetary']!r}",
            "lc_monetary",
            "set lc_monetary on the server as on the source before restoring",
        )


_OWNER: Final = b"""
    SELECT pg_catalog.pg_get_userbyid(datdba), pg_catalog.pg_has_role(datdba, 'USAGE')
    FROM pg_catalog.pg_database WHERE datname = %s
"""


def _of_the_database(
    connection: Connection, account: str, database: str, *, creates: bool
) -> Iterator[Finding]:
    row = connection.execute(
        "SELECT rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = session_user"
    ).fetchone()
    if creates and not (row and row[0]):
        yield _lacks(f"{account} may not create databases", account, f"ALTER ROLE {account} CREATEDB")
    owner = connection.execute(_OWNER, [database]).fetchone()
    if owner is not None and not owner[1]:
        yield _lacks(
            f"{account} does not own the database {database!r}", database, f"GRANT {owner[0]} TO {account}"
        )


def _privileges(
    connection: Connection, facts: ServerFacts, definition: PostgreSQLDefinition | None, needs: Needs
) -> Iterator[Finding]:
    account = facts.account
    owners = needs.owners | ({definition.owner} if definition else set())
    how = "SET" if facts.version_number[0] >= 16 else "MEMBER"
    rows = connection.execute(
        b"SELECT pg_catalog.quote_ident(rolname) FROM pg_catalog.pg_roles"
        b" WHERE rolname = ANY (%s) AND NOT pg_catalog.pg_has_role(oid, %s) ORDER BY 1",
        [sorted(owners), how],
    )
    for (name,) in rows:
        yield _lacks(
            f"{account} may not give objects to their owner {name}",
            name,
            f"GRANT {name} TO {account}, or a superuser",
        )
    rows = connection.execute(
        b"""
        SELECT name FROM pg_catalog.pg_available_extension_versions v
        JOIN pg_catalog.pg_available_extensions a USING (name)
        WHERE name = ANY (%s) AND v.version = a.default_version AND v.superuser AND NOT v.trusted
            AND name <> 'plpgsql' ORDER BY 1
        """,
        [sorted(needs.named.extensions)],
    )
    for (name,) in rows:
        yield _lacks(
            f"only a superuser may create the extension {name!r}", name, f"ALTER ROLE {account} SUPERUSER"
        )
    for kind, example in needs.superuser.items():
        if kind == "subscription" and facts.version_number[0] >= 16:
            continue
        yield _lacks(
            f"only a superuser may create a {kind} ({example})", kind, f"ALTER ROLE {account} SUPERUSER"
        )


_SCHEMAS: Final = b"""
    SELECT name, pg_catalog.quote_ident(name), n.oid IS NOT NULL
    FROM pg_catalog.unnest(%s::text[]) name LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = name
    WHERE NOT CASE WHEN n.oid IS NULL
        THEN pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
        ELSE pg_catalog.has_schema_privilege(n.oid, 'CREATE') END
    ORDER BY 1
"""


def examine_schemas(within: Connection, account: str, needs: Needs) -> Iterator[Finding]:
    """Say where the account may not make things in a database that stays as it is."""
    for name, quoted, is_there in within.execute(_SCHEMAS, [sorted(needs.schemas)]):
        if is_there:
            yield _lacks(
                f"{account} may not create anything in the schema {name!r}",
                name,
                f"GRANT USAGE, CREATE ON SCHEMA {quoted} TO {account}",
            )
        else:
            yield _lacks(
                f"{account} may not create the schema {name!r}",
                name,
                f"GRANT CREATE ON DATABASE ... TO {account}",
            )


def examine_references(original: str, needs: Needs, *, allowed: bool) -> Iterator[Finding]:
    """Name what in a copy under another name would connect to the database that was dumped."""
    named = sorted(needs.connects.get(original, ()))
    if named and allowed:
        yield Finding(
            Severity.WARNING,
            f"objects of the copy connect to the database {original}, not to the copy: {few(named, ', ')}",
            original,
            "alter them in the copy, or drop them",
        )
    elif named:
        yield Finding(
            Severity.FAULT,
            f"objects connect to the database {original}, and in a copy they would act on it: "
            f"{few(named, ', ')}",
            original,
            "restore under the original name on another instance, or allow it: --allow-references",
        )


def _lacks(what: str, name: str, cure: str) -> Finding:
    return Finding(Severity.PRIVILEGE, what, name, cure)
