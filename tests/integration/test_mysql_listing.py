from __future__ import annotations

from pathlib import Path

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import account, connected, only_on
from vya_backupdb.errors import RestoreError
from vya_backupdb.model import MySQLDefinition, PostgreSQLDefinition
from vya_backupdb.scratch import ScratchServer

UTF8 = MySQLDefinition(charset="utf8mb4", collation="utf8mb4_bin")


def test_databases_are_listed_with_sizes_and_without_the_systems_own(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    big, empty = new_database(mysql_server), new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE t (a longtext); INSERT INTO t VALUES (REPEAT('x', 1000000)); ANALYZE TABLE t; "
        "CREATE VIEW v AS SELECT * FROM t",
        big,
    )
    with connected(mysql_server) as connector:
        found = {info.name: info for info in connector.databases()}
        assert list(found) == sorted(found)
    assert found[big].estimated_bytes >= 1_000_000
    assert found[empty].estimated_bytes == 0
    assert all(info.unavailable is None for info in found.values())
    lowered = {name.lower() for name in found}
    assert not lowered & {"information_schema", "performance_schema", "mysql", "sys"}


def test_an_account_sees_only_databases_on_which_it_has_a_privilege(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    mine, other = new_database(mysql_server), new_database(mysql_server)
    with (
        account(mysql_server, f"SELECT ON {mine}.*") as credential,
        connected(mysql_server, credential) as connector,
    ):
        names = [info.name for info in connector.databases()]
    assert mine in names
    assert other not in names


def test_a_folder_that_is_no_database_is_not_listed(mysql_server: ScratchServer) -> None:
    only_on(mysql_server, "mariadb")  # MySQL keeps a list of its own
    data = Path(run_sql(mysql_server, "SELECT @@datadir").strip())
    folders = [data / "lost+found", data / "#innodb_redo", data / ".snapshot"]
    for folder in folders:
        folder.mkdir(mode=0o777)
    try:
        with connected(mysql_server) as connector:
            names = [info.name for info in connector.databases()]
    finally:
        for folder in folders:
            folder.rmdir()
    assert not any("#mysql50#" in name for name in names)


@pytest.mark.parametrize(
    "name", ["shop", "we ird", "back`tick", "semi;colon", "-dash", "per%cent", "quote'\"", "ünï"]
)
def test_a_database_is_created_found_and_dropped_by_any_name(mysql_server: ScratchServer, name: str) -> None:
    name = f"{name}{id(object())}"
    with connected(mysql_server) as connector:
        assert not connector.exists(name)
        connector.create(name, UTF8)
        try:
            assert connector.exists(name)
            assert connector.contents(name) == []
            assert connector.plan(name).definition == UTF8
            with pytest.raises(RestoreError, match="exists"):
                connector.create(name, None)
        finally:
            connector.drop(name)
        assert not connector.exists(name)


def test_what_is_in_a_database_is_told_by_kind_and_name(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE PROCEDURE p() SELECT 1", database)
    with connected(mysql_server) as connector:
        assert connector.contents(database) == ["procedure p"]
        run_sql(mysql_server, " ".join(f"CREATE TABLE t{i} (a int);" for i in range(12)), database)
        assert connector.contents(database) == [f"table t{i}" for i in (0, 1, 10, 11, 2, 3, 4, 5, 6, 7)]


def test_a_definition_comes_back_as_it_was(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, f"ALTER DATABASE {database} CHARACTER SET latin1 COLLATE latin1_german2_ci")
    wanted = MySQLDefinition(charset="latin1", collation="latin1_german2_ci")
    if mysql_server.flavour == "mariadb":
        wanted = MySQLDefinition(charset="latin1", collation="latin1_german2_ci", comment='it\'s 100% \\ "x"')
        run_sql(mysql_server, f"ALTER DATABASE {database} COMMENT 'it''s 100% \\\\ \"x\"'")
    with connected(mysql_server) as connector:
        assert connector.plan(database).definition == wanted
        connector.drop(database)
        connector.create(database, wanted)
        assert connector.plan(database).definition == wanted
        connector.complete(database, wanted)


def test_encryption_by_default_is_part_of_the_definition(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    only_on(mysql_server, "mysql")
    database = new_database(mysql_server)
    wanted = MySQLDefinition(charset="utf8mb4", collation="utf8mb4_bin", encryption=True)
    with connected(mysql_server) as connector:
        connector.drop(database)
        connector.create(database, wanted)
        assert connector.plan(database).definition == wanted


def test_without_a_definition_the_servers_defaults_are_taken(mysql_server: ScratchServer) -> None:
    with connected(mysql_server) as connector:
        name = f"d{id(connector)}"
        connector.create(name, None)
        try:
            definition = connector.plan(name).definition
        finally:
            connector.drop(name)
        assert isinstance(definition, MySQLDefinition)
        assert definition.collation == connector.facts.settings["collation_server"]


@pytest.mark.parametrize("name", ["mysql", "sys", "INFORMATION_SCHEMA"])
def test_a_database_of_the_server_is_never_dropped(mysql_server: ScratchServer, name: str) -> None:
    with connected(mysql_server) as connector, pytest.raises(RestoreError, match="belongs to the server"):
        connector.drop(name)


def test_a_definition_of_postgresql_is_refused(mysql_server: ScratchServer) -> None:
    other = PostgreSQLDefinition("owner", "UTF8", "libc", "C", "C")
    with connected(mysql_server) as connector:
        with pytest.raises(RestoreError, match="postgresql"):
            connector.create("anything", other)
        (finding,) = connector.examine_target("anything", other, None, iter(()))
    assert "postgresql" in finding.what
