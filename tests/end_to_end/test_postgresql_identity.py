"""Hard databases come back identical: as their dumps show it, and as the server itself tells.

Each is made by a script of the folder hard_postgresql, and altered by the one named `.database.sql`. What a
restore legitimately changes is in none of them: see docs/limitations.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from scripts.sample.clients import create_database, drop_database, plain_dump, run_sql
from vya_backupdb.scratch import ScratchServer

from .conftest import Site
from .postgresql_fingerprint import fingerprint

pytestmark = pytest.mark.postgresql

SCRIPTS: Final = Path(__file__).parent / "hard_postgresql"
ROLES: Final = ("hard_owner", "hard_reader", '"hard ""odd"", role"')
MEGABYTES: Final = "100" if os.environ.get("VYA_TEST_LARGE") else "20"
"""Of each large row."""


@dataclass(frozen=True)
class Special:
    """What one database needs beyond its scripts."""

    create: str = ""
    """Options of CREATE DATABASE."""
    encoding: str = "UTF8"
    since: int = 13
    """The first major version that knows what is in it."""
    clean: str = ""
    """Executed before it is dropped."""


def encoded(name: str) -> Special:
    return Special(f"TEMPLATE template0 ENCODING {name} LOCALE 'C'", name)


SPECIAL: Final = {
    "a_collation_of_its_own": Special("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv'", since=15),
    "columns_and_constraints": Special(since=14),
    "euc_jp": encoded("EUC_JP"),
    "latin1": encoded("LATIN1"),
    "replication_and_foreign_data": Special(clean="DROP SUBSCRIPTION IF EXISTS sub"),
    "routines": Special(since=14),
    "sql_ascii": encoded("SQL_ASCII"),
    "types": Special(since=14),
}
SUBJECTS: Final = sorted(path.stem for path in SCRIPTS.glob("*.sql") if "." not in path.stem)


@pytest.fixture(scope="module")
def server(postgresql: ScratchServer) -> Iterator[ScratchServer]:
    yield from with_roles(postgresql)


@pytest.fixture(scope="module")
def target(postgresql_target: ScratchServer) -> Iterator[ScratchServer]:
    yield from with_roles(postgresql_target)


def with_roles(server: ScratchServer) -> Iterator[ScratchServer]:
    run_sql(server, "".join(f"CREATE ROLE {role};" for role in ROLES))
    yield server
    run_sql(server, "".join(f"DROP OWNED BY {role}; DROP ROLE {role};" for role in ROLES))


def make(site: Site, name: str, subject: str, special: Special) -> None:
    run_sql(site.source, f"CREATE DATABASE {site.quoted(name)} {special.create}")
    run_sql(site.source, (SCRIPTS / f"{subject}.sql").read_text().replace("MEGABYTES", MEGABYTES), name)
    if (altered := SCRIPTS / f"{subject}.database.sql").exists():
        run_sql(site.source, altered.read_text().replace("THE_DATABASE", site.quoted(name)))


@pytest.fixture
def extension(server: ScratchServer) -> Iterator[str]:
    """The name of an extension with tables of both kinds, among the files of both servers."""
    folder = (
        Path(run_sql(server, "SELECT setting FROM pg_config WHERE name = 'SHAREDIR'").strip()) / "extension"
    )
    if not os.access(folder, os.W_OK):
        pytest.skip(f"an extension can be added only where {folder} is writable")
    name = f"vya_test_{os.getpid()}"
    files = {
        f"{name}.control": "default_version = '1.0'\nrelocatable = true\n",
        f"{name}--1.0.sql": """
            CREATE TABLE kept (id serial PRIMARY KEY, v text, own boolean DEFAULT true);
            CREATE TABLE not_kept (id int); CREATE INDEX on_kept ON kept (v); CREATE VIEW shown AS TABLE kept;
            INSERT INTO kept (v, own) VALUES ('of the extension', false); INSERT INTO not_kept VALUES (1);
            SELECT pg_extension_config_dump('kept', 'WHERE own');
            SELECT pg_extension_config_dump('kept_id_seq', '');
        """,
    }
    try:
        for file, text in files.items():
            (folder / file).write_text(text)
        yield name
    finally:
        for file in files:
            (folder / file).unlink(missing_ok=True)


def test_configuration_tables_of_an_extension_come_back_with_the_rows_that_are_the_users(
    site: Site, database: str, extension: str
) -> None:
    create_database(site.source, database)
    run_sql(
        site.source,
        f"CREATE SCHEMA ext; CREATE EXTENSION {extension} SCHEMA ext;"
        "INSERT INTO ext.kept (v) SELECT 'v' || n FROM generate_series(1, 20) n;"
        "CREATE TABLE pointing (id int REFERENCES ext.kept); INSERT INTO pointing VALUES (7);"
        "GRANT SELECT ON ext.kept TO hard_reader",
        database,
    )
    entry = site.backup(database)
    assert entry["rows"] == 21
    (warning,) = entry["warnings"]
    assert warning.startswith("rows and numbers that an extension has not marked as its configuration")
    assert warning.endswith("table ext.not_kept")
    assert site.restore(database)["rows_verified"]
    assert fingerprint(site.target, database) == fingerprint(site.source, database)
    assert site.same(database)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_hard_database_comes_back_identical(site: Site, subject: str) -> None:
    special = SPECIAL.get(subject, Special())
    if site.source.binaries.version_number < (special.since,):
        pytest.skip(f"PostgreSQL knows what is in it from {special.since} on")
    name = 'hard ;"it\'s" %s'
    try:
        make(site, name, subject, special)
        entry = site.backup(name)
        outcome = site.restore(name, "--jobs", "2")
        assert outcome["rows_verified"]
        assert outcome["rows"] == entry["rows"]
        before, after = (fingerprint(server, name) for server in (site.source, site.target))
        assert after == before
        before_dump, after_dump = (
            plain_dump(server, name, special.encoding) for server in (site.source, site.target)
        )
        assert after_dump == before_dump
    finally:
        for server in (site.source, site.target):
            if special.clean and site.exists(server, name.replace("'", "''")):
                run_sql(server, special.clean, name)
            drop_database(server, name)
