"""Settings of a server that would change what a dump holds, or what a restore makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import (
    account,
    dumped,
    examined,
    plan_of,
    restored,
    trip,
)
from vya_backupdb.model import Severity
from vya_backupdb.scratch import ScratchServer, start

WITHOUT_KEY = "SET SESSION sql_generate_invisible_primary_key = OFF; CREATE TABLE g (a int)"


@contextmanager
def setting(server: ScratchServer, name: str, value: str) -> Iterator[None]:
    """Let the server have a global setting for a while."""
    before = run_sql(server, f"SELECT @@GLOBAL.{name}").strip()
    run_sql(server, f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        run_sql(server, f"SET GLOBAL {name} = {before}")


# ---------------------------------------------------------------------------- generated invisible keys


@pytest.mark.limitation("mysql-hidden-keys")
def test_invisible_keys_that_the_server_hides_come_back(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    made = (
        "SET SESSION sql_generate_invisible_primary_key = ON; CREATE TABLE g (a int);"
        "INSERT INTO g VALUES (1), (2), (3); DELETE FROM g WHERE a = 2"
    )
    with setting(mysql, "show_gipk_in_create_table_and_information_schema", "OFF"):
        copy = trip(mysql, new_database, made).copy
    assert run_sql(mysql, "SELECT my_row_id, a FROM g ORDER BY a", copy).split() == ["1", "1", "3", "3"]


@pytest.mark.limitation("mysql-added-keys")
def test_a_restore_lets_the_server_add_no_keys(mysql: ScratchServer, new_database: NewDatabase) -> None:
    with setting(mysql, "sql_generate_invisible_primary_key", "ON"):
        copy = trip(mysql, new_database, WITHOUT_KEY).copy
    assert "my_row_id" not in run_sql(mysql, "SHOW CREATE TABLE g", copy)


@pytest.mark.limitation("mysql-added-keys")
def test_keys_that_the_server_adds_all_the_same_are_named(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    database, copy = new_database(mysql), new_database(mysql)
    run_sql(mysql, WITHOUT_KEY, database)
    script = dumped(mysql, database).stdout
    with (
        setting(mysql, "sql_generate_invisible_primary_key", "ON"),
        account(mysql, f"ALL ON {copy}.*") as credential,
    ):
        (finding,) = examined(mysql, copy, script, credential)
        assert (finding.severity, "adds an invisible primary key" in finding.what) == (Severity.WARNING, True)
        assert "SESSION_VARIABLES_ADMIN" in str(finding.cure)
        restored(mysql, copy, script, credential)
        assert "my_row_id" in run_sql(mysql, "SHOW CREATE TABLE g", copy)
        assert examined(mysql, copy, script) == []
        with setting(mysql, "sql_require_primary_key", "ON"):
            (finding,) = examined(mysql, copy, script)
            assert "adds an invisible primary key" in finding.what
            run_sql(mysql, "DROP TABLE g", copy)
            restored(mysql, copy, script)


# ---------------------------------------------------------------------------- timestamps


@pytest.mark.limitation("mysql-added-defaults")
def test_timestamps_without_a_default_get_none(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = "CREATE TABLE t (a timestamp NOT NULL, b timestamp NOT NULL, c timestamp NULL)"
    explicit = f"SET SESSION explicit_defaults_for_timestamp = ON; {made}"
    with setting(mysql_server, "explicit_defaults_for_timestamp", "OFF"):
        copy = trip(mysql_server, new_database, explicit).copy
    assert "CURRENT_TIMESTAMP" not in run_sql(mysql_server, "SHOW CREATE TABLE t", copy).upper()


# ---------------------------------------------------------------------------- storage engines


@pytest.mark.limitation("mysql-unknown-to-the-target")
def test_storage_engines_that_the_server_does_not_want_are_told(
    mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mariadb)
    run_sql(mariadb, "CREATE TABLE t (a int) ENGINE=Aria; CREATE TABLE i (a int)", database)
    assert plan_of(mariadb, database).object_counts == {"table": 2}
    script = dumped(mariadb, database).stdout
    with setting(mariadb, "enforce_storage_engine", "InnoDB"):
        (fault,) = examined(mariadb, database, script)
    assert fault.severity is Severity.FAULT
    assert "would use InnoDB in place of Aria (t)" in fault.what


@pytest.mark.limitation("mysql-unknown-to-the-target")
def test_storage_engines_that_are_disabled_are_told(mysql: ScratchServer, new_database: NewDatabase) -> None:
    database = new_database(mysql)
    run_sql(mysql, "CREATE TABLE t (a int) ENGINE=MyISAM; CREATE TABLE i (a int)", database)
    script = dumped(mysql, database).stdout
    with start(mysql.binaries, settings={"disabled-storage-engines": "MyISAM,FEDERATED"}) as server:
        (fault,) = examined(server, database, script)
    assert "refuses the storage engine MyISAM (t): disabled_storage_engines" in fault.what
