"""What a database itself is: read from the source, and made again on a target."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from psycopg import sql
from psycopg.rows import dict_row

from vya_backupdb.engines.postgresql import acl
from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.model import DatabaseSetting, PostgreSQLDefinition

PROVIDERS: Final = {"c": "libc", "i": "icu", "b": "builtin"}
"""pg_database.datlocprovider to the word of CREATE DATABASE."""

PROVIDER_SINCE: Final = {"libc": 0, "icu": 150000, "builtin": 170000}
"""The server version from which a database can have it."""

LIST_SETTINGS: Final = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings whose value is a list of quoted names (GUC_LIST_QUOTE): as one literal the list would be one name
(src/bin/pg_dump/dumputils.c, variable_is_guc_list_quote)."""

_COMPUTED_WITH: Final = frozenset(
    {
        "bytea_output",
        "datestyle",
        "default_text_search_config",
        "extra_float_digits",
        "lc_monetary",
        "lc_numeric",
        "lc_time",
        "timezone",
        "timezone_abbreviations",
        "xmlbinary",
    }
)
"""Settings that decide what a value is as text, or a text as a value, in lower case.

Not IntervalStyle: intervals are read in the one of pg_dump (`connection`).
"""


def locale_columns(version: int) -> tuple[str, str, str]:
    """Give the columns of pg_database that hold provider, locale and ICU rules in a server's version."""
    if version < 150000:
        return "'c'", "NULL", "NULL"
    locale = "datlocale" if version >= 170000 else "daticulocale"
    return "datlocprovider", locale, "daticurules" if version >= 160000 else "NULL"


def read(connection: Connection) -> PostgreSQLDefinition:
    """Give the definition of the connection's database.

    Comments, settings and names in the shared catalogs are bytes in the encoding of the database in which
    they were written; that is mostly the one that they are about, and pg_dump reads them there too.
    """
    provider, locale, rules = locale_columns(connection.info.server_version)
    query = sql.SQL(
        """
        SELECT pg_catalog.pg_get_userbyid(datdba) AS owner,
            pg_catalog.pg_encoding_to_char(encoding) AS encoding,
            {provider} AS locale_provider, datcollate AS collate, datctype AS ctype, {locale} AS locale,
            {rules} AS icu_rules, spcname AS tablespace, datconnlimit AS connection_limit,
            datistemplate AS is_template, datacl::text[] AS acl,
            pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
        FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = dattablespace
        WHERE datname = pg_catalog.current_database()
        """
    ).format(provider=sql.SQL(provider), locale=sql.SQL(locale), rules=sql.SQL(rules))
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query).fetchone()
    if row is None:
        raise LookupError("a connection's database is in the list of databases")
    letter: str = row.pop("locale_provider")
    items = row.pop("acl")
    return PostgreSQLDefinition(
        **row,
        locale_provider=PROVIDERS.get(letter, letter),
        acl=None if items is None else tuple(items),
        settings=tuple(_settings(connection)),
        security_labels=tuple(
            connection.execute(
                """
                SELECT provider, label FROM pg_catalog.pg_shseclabel
                JOIN pg_catalog.pg_database d ON d.oid = objoid
                WHERE classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
                    AND datname = pg_catalog.current_database() ORDER BY 1
                """
            ).fetchall()
        ),
        lacks=tuple(name for (name,) in connection.execute(_LACKS)),
    )


_LACKS: Final = """
    SELECT name FROM (VALUES
        ('schema public', EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'public')),
        ('extension plpgsql', EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'plpgsql'))
    ) template (name, there) WHERE NOT there
"""


def _settings(connection: Connection) -> Iterator[DatabaseSetting]:
    rows = connection.execute(
        """
        SELECT rolname, setconfig FROM pg_catalog.pg_db_role_setting
        JOIN pg_catalog.pg_database d ON d.oid = setdatabase
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = setrole
        WHERE datname = pg_catalog.current_database() AND (setrole = 0 OR r.oid IS NOT NULL)
        ORDER BY rolname NULLS FIRST
        """
    )
    for role, entries in rows:
        for entry in entries:
            name, _, value = entry.partition("=")
            yield DatabaseSetting(name, value, role)


def removals(definition: PostgreSQLDefinition) -> Iterator[sql.Composed]:
    """Give what takes away from a new database what the definition lacks; nothing that is in use goes."""
    for lacking in definition.lacks:
        kind, _, name = lacking.partition(" ")
        if kind in ("schema", "extension"):
            yield sql.SQL(f"DROP {kind.upper()} IF EXISTS {{}}").format(sql.Identifier(name))


def creation(database: str, definition: PostgreSQLDefinition | None, version: int) -> sql.Composed:
    """Give CREATE DATABASE from template0, for a server of the version, as pg_dump --create writes it."""
    parts = [sql.SQL("CREATE DATABASE {} WITH TEMPLATE template0").format(sql.Identifier(database))]
    if definition is None:
        return sql.Composed(parts)
    options: list[tuple[str, str | None]] = [
        ("ENCODING", definition.encoding),
        ("LC_COLLATE", definition.collate),
        ("LC_CTYPE", definition.ctype),
    ]
    if version >= 150000:
        options.append(("LOCALE_PROVIDER", definition.locale_provider))
    if definition.locale is not None and definition.locale_provider in PROVIDER_SINCE:
        options.append((f"{definition.locale_provider.upper()}_LOCALE", definition.locale))
    if version >= 160000:
        options.append(("ICU_RULES", definition.icu_rules))
    parts.append(sql.SQL("OWNER {}").format(sql.Identifier(definition.owner)))
    parts += [
        sql.SQL(name + " {}").format(sql.Literal(value)) for name, value in options if value is not None
    ]
    if definition.tablespace != "pg_default":
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(definition.tablespace)))
    return sql.SQL(" ").join(parts)


def owned(
    definition: PostgreSQLDefinition, account: str, absent_roles: Collection[str]
) -> PostgreSQLDefinition:
    """Give the same database as the account's own, without what is granted to roles that are absent."""
    items = definition.acl
    if items is not None:
        items = tuple(acl.owned(items, definition.owner, account, absent_roles))
    return replace(definition, owner=account, acl=items)


def needed_for_the_load(definition: PostgreSQLDefinition) -> Iterator[DatabaseSetting]:
    """Give the settings of the database without which its rows are read wrongly or refused.

    lc_monetary decides how money is written and read, others what materialized views hold that are refreshed;
    parameters of the user's own (`app.tenant`) may be asked for in CHECK constraints and index expressions.
    All others wait until the load is done.
    """
    for setting in definition.settings:
        if setting.role is None and (setting.name.lower() in _COMPUTED_WITH or "." in setting.name):
            yield setting


def setting_statement(database: str, setting: DatabaseSetting) -> sql.Composed:
    """Give the ALTER that makes a setting of a database, or of a role in it."""
    values = sql.SQL(", ").join(map(sql.Literal, setting_values(setting)))
    name = sql.Identifier(setting.name)
    if setting.role is None:
        return sql.SQL("ALTER DATABASE {} SET {} TO {}").format(sql.Identifier(database), name, values)
    return sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} TO {}").format(
        sql.Identifier(setting.role), sql.Identifier(database), name, values
    )


def setting_values(setting: DatabaseSetting) -> list[str]:
    """Give the literals that make up a setting's value: more than one only for a list of names."""
    if setting.name.lower() not in LIST_SETTINGS:
        return [setting.value]
    values, text = [], setting.value.strip()
    while text:
        if text.startswith('"'):
            end = 1
            while end < len(text) and (text[end] != '"' or text[end + 1 : end + 2] == '"'):
                end += 2 if text[end] == '"' else 1
            value, text = text[1:end].replace('""', '"'), text[end + 1 :]
            _, _, text = text.partition(",")
        else:
            value, _, text = text.partition(",")
            value = value.strip()
        values.append(value)
        text = text.strip()
    return values or [""]


def completion(
    database: str,
    definition: PostgreSQLDefinition,
    *,
    owner: str,
    present: tuple[str, ...],
    default: tuple[str, ...],
    roles: frozenset[str],
) -> Iterator[tuple[str | None, sql.Composed]]:
    """Give what must wait until a database is loaded, in order, each with the role to act as.

    `owner` is who owns the target, `present` its privileges and `default` those of a new database.
    Settings of roles that are not in `roles` are left out: the preflight has named them.
    """
    name = sql.Identifier(database)
    if definition.comment is not None:
        yield None, sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(definition.comment))
    for provider, label in definition.security_labels:
        yield (
            None,
            sql.SQL("SECURITY LABEL FOR {} ON DATABASE {} IS {}").format(
                sql.Identifier(provider), name, sql.Literal(label)
            ),
        )
    wanted = default if definition.acl is None else definition.acl
    yield from acl.statements(database, owner, wanted, present)
    for setting in needed_for_the_load(definition):  # made already; now all in the source's order
        yield None, sql.SQL("ALTER DATABASE {} RESET {}").format(name, sql.Identifier(setting.name))
    for setting in definition.settings:
        if setting.role is None or setting.role in roles:
            yield None, setting_statement(database, setting)
    if definition.is_template:
        yield None, sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(name)
    yield (
        None,
        sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
            name, sql.Literal(definition.connection_limit)
        ),
    )
