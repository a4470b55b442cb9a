from __future__ import annotations

from dataclasses import replace

import pytest

from vya_backupdb.engines.postgresql import definition as definitions
from vya_backupdb.model import DatabaseSetting, PostgreSQLDefinition

LIBC = PostgreSQLDefinition("me", "UTF8", "libc", "sv_SE.UTF-8", "C")
ICU = replace(LIBC, locale_provider="icu", locale="sv", icu_rules="&a < b")
BUILTIN = replace(LIBC, locale_provider="builtin", locale="C.UTF-8")


@pytest.mark.parametrize(
    ("definition", "version", "options"),
    [
        (LIBC, 130010, ""),
        (LIBC, 150010, " LOCALE_PROVIDER 'libc'"),
        (ICU, 150010, " LOCALE_PROVIDER 'icu' ICU_LOCALE 'sv'"),
        (ICU, 160010, " LOCALE_PROVIDER 'icu' ICU_LOCALE 'sv' ICU_RULES '&a < b'"),
        (BUILTIN, 170010, " LOCALE_PROVIDER 'builtin' BUILTIN_LOCALE 'C.UTF-8'"),
    ],
)
def test_create_speaks_the_servers_version(
    definition: PostgreSQLDefinition, version: int, options: str
) -> None:
    assert definitions.creation("d", definition, version).as_string(None) == (
        'CREATE DATABASE "d" WITH TEMPLATE template0 OWNER "me" ENCODING \'UTF8\''
        f" LC_COLLATE 'sv_SE.UTF-8' LC_CTYPE 'C'{options}"
    )


def test_names_and_values_of_a_creation_are_quoted() -> None:
    odd = replace(LIBC, owner='o"w', collate="x'y", tablespace='t"s')
    text = definitions.creation('d"b', odd, 140000).as_string(None)
    assert text.startswith('CREATE DATABASE "d""b" WITH TEMPLATE template0 OWNER "o""w"')
    assert "LC_COLLATE 'x''y'" in text
    assert text.endswith('TABLESPACE "t""s"')


def test_without_a_definition_a_database_is_as_the_server_makes_it() -> None:
    text = definitions.creation("d", None, 150000).as_string(None)
    assert text == 'CREATE DATABASE "d" WITH TEMPLATE template0'


@pytest.mark.parametrize(
    ("version", "columns"),
    [
        (140000, ("'c'", "NULL", "NULL")),
        (150000, ("datlocprovider", "daticulocale", "NULL")),
        (160000, ("datlocprovider", "daticulocale", "daticurules")),
        (180000, ("datlocprovider", "datlocale", "daticurules")),
    ],
)
def test_the_columns_of_the_catalog_follow_the_version(version: int, columns: tuple[str, str, str]) -> None:
    assert definitions.locale_columns(version) == columns


@pytest.mark.parametrize(
    ("name", "value", "values"),
    [
        ("work_mem", "7MB", ["7MB"]),
        ("datestyle", "SQL, DMY", ["SQL, DMY"]),
        ("app.list", '"a", b', ['"a", b']),
        ("search_path", '"$user", public', ["$user", "public"]),
        ("search_path", '"a ""b, c",d , "E"', ['a "b, c', "d", "E"]),
        ("search_path", '""', [""]),
        ("search_path", "", [""]),
        ("Session_Preload_Libraries", '"/a b/c", d', ["/a b/c", "d"]),
    ],
)
def test_only_lists_of_names_are_taken_apart(name: str, value: str, values: list[str]) -> None:
    assert definitions.setting_values(DatabaseSetting(name, value)) == values


def test_a_setting_becomes_an_alter() -> None:
    of_database = definitions.setting_statement("d", DatabaseSetting("app.x", "it's"))
    assert of_database.as_string(None) == "ALTER DATABASE \"d\" SET \"app.x\" TO 'it''s'"
    of_role = definitions.setting_statement("d", DatabaseSetting("search_path", '"a b", c', "r o"))
    assert of_role.as_string(None) == ('ALTER ROLE "r o" IN DATABASE "d" SET "search_path" TO \'a b\', \'c\'')


def test_only_what_the_load_needs_is_set_before_it() -> None:
    settings = (
        DatabaseSetting("default_transaction_read_only", "on"),
        DatabaseSetting("lc_monetary", "sv_SE.UTF-8"),
        DatabaseSetting("TimeZone", "Asia/Tokyo"),
        DatabaseSetting("app.tenant", "1"),
        DatabaseSetting("app.role", "1", "somebody"),
        DatabaseSetting("DateStyle", "German", "somebody"),
    )
    needed = definitions.needed_for_the_load(replace(LIBC, settings=settings))
    assert [setting.name for setting in needed] == ["lc_monetary", "TimeZone", "app.tenant"]


def test_completion_leaves_limits_to_the_end_and_absent_roles_out() -> None:
    whole = replace(
        LIBC,
        comment="c",
        connection_limit=0,
        is_template=True,
        acl=("=c/me",),
        security_labels=(("p", "l"),),
        settings=(
            DatabaseSetting("a.b", "1"),
            DatabaseSetting("x", "1", "here"),
            DatabaseSetting("x", "1", "gone"),
        ),
    )
    found = definitions.completion(
        "d", whole, owner="me", present=("=Tc/me",), default=("=Tc/me",), roles=frozenset({"here"})
    )
    assert [statement.as_string(None) for _, statement in found] == [
        "COMMENT ON DATABASE \"d\" IS 'c'",
        'SECURITY LABEL FOR "p" ON DATABASE "d" IS \'l\'',
        'REVOKE ALL ON DATABASE "d" FROM PUBLIC CASCADE',
        'REVOKE ALL ON DATABASE "d" FROM "me" CASCADE',
        'GRANT CONNECT ON DATABASE "d" TO PUBLIC',
        'ALTER DATABASE "d" RESET "a.b"',
        'ALTER DATABASE "d" SET "a.b" TO \'1\'',
        'ALTER ROLE "here" IN DATABASE "d" SET "x" TO \'1\'',
        'ALTER DATABASE "d" IS_TEMPLATE true',
        'ALTER DATABASE "d" CONNECTION LIMIT 0',
    ]


def test_only_schemas_and_extensions_are_ever_removed() -> None:
    lacking = replace(LIBC, lacks=("schema public", "extension plpgsql", "database postgres"))
    assert [statement.as_string(None) for statement in definitions.removals(lacking)] == [
        'DROP SCHEMA IF EXISTS "public"',
        'DROP EXTENSION IF EXISTS "plpgsql"',
    ]


@pytest.mark.threat("store-metadata")
def test_a_locale_provider_of_hostile_metadata_is_a_value_and_nothing_else() -> None:
    hostile = replace(ICU, locale_provider="x 'y'; DROP DATABASE z; --", locale="en")
    statement = definitions.creation("db", hostile, 170000).as_string(None)
    assert "DROP DATABASE" not in statement.replace("'x ''y''; DROP DATABASE z; --'", "")
