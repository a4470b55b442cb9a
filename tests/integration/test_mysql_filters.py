"""What the patterns of an instance leave out of a dump of MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scripts.sample.clients import run_sql
from vya_backupdb.model import DumpPlan, LeftOut, Severity
from vya_backupdb.scratch import ScratchServer

from .mysql_support import account, connected, dumped, only_on, privilege_findings

NewDatabase = Callable[..., str]


def plan(server: ScratchServer, database: str, *exclude: str, rows: tuple[str, ...] = ()) -> DumpPlan:
    with connected(server, **filters(database, *exclude, rows=rows)) as connector:
        return connector.plan(database)


def filters(database: str, *exclude: str, rows: tuple[str, ...] = ()) -> dict[str, object]:
    return {
        "tables": {
            "exclude": [f"{database}.{name}" for name in exclude],
            "exclude_rows": [f"{database}.{name}" for name in rows],
        }
    }


def faults(plan: DumpPlan) -> list[str]:
    return [finding.what for finding in plan.findings if finding.severity is Severity.FAULT]


def warnings(plan: DumpPlan) -> list[str]:
    return [finding.what for finding in plan.findings if finding.severity is Severity.WARNING]


@pytest.mark.limitation("mysql-ignore-table-folds")
@pytest.mark.parametrize(("gone", "kept"), [("t", "T"), ("é", "©")])
def test_a_table_that_the_tool_would_leave_out_with_another_is_a_fault(
    mysql_server: ScratchServer, new_database: NewDatabase, gone: str, kept: str
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, f"CREATE TABLE `{gone}` (a int); CREATE TABLE `{kept}` (a int)", database)
    (fault,) = faults(plan(mysql_server, database, gone))
    assert f"{gone} cannot be left out without {kept}" in fault
    assert faults(plan(mysql_server, database, gone, kept)) == []


def test_rows_that_the_tool_would_leave_out_with_others_are_a_fault(
    mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mariadb)
    run_sql(mariadb, "CREATE TABLE t (a int); CREATE TABLE T (a int); INSERT INTO T VALUES (1)", database)
    (fault,) = faults(plan(mariadb, database, rows=("t",)))
    assert "the rows of t cannot be left out without those of T" in fault
    assert faults(plan(mariadb, database, rows=("t", "T"))) == []
    # If this holds no more, the tool has mended it, and the fault can go.
    assert b"INSERT" not in dumped(mariadb, database, **filters(database, rows=("t",))).stdout


def test_rows_of_a_history_are_left_out_too(mariadb: ScratchServer, new_database: NewDatabase) -> None:
    database = new_database(mariadb)
    run_sql(
        mariadb,
        "CREATE TABLE h (a int) WITH SYSTEM VERSIONING; INSERT INTO h VALUES (1); DELETE FROM h",
        database,
    )
    done = dumped(mariadb, database, **filters(database, rows=("h",)))
    assert b"CREATE TABLE `h`" in done.stdout
    assert b"INSERT" not in done.stdout


@pytest.mark.limitation("mysql-rows-are-read")
def test_mysqldump_cannot_leave_out_rows_of_one_table(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    """They are dropped on their way to the file: tests/end_to_end/test_table_filters.py."""
    database = new_database(mysql)
    run_sql(mysql, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)", database)
    found = plan(mysql, database, rows=("t",))
    assert found.left_out == LeftOut(rows=("t",))
    assert found.tool_options == ()
    assert b"INSERT" in dumped(mysql, database, **filters(database, rows=("t",))).stdout


def test_names_with_dots_and_spaces_are_left_out(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE `a.b c` (a int); CREATE TABLE `a` (a int)", database)
    done = dumped(mysql_server, database, **filters(database, "a[.]b c"))
    assert done.returncode == 0, done.stderr
    assert b"CREATE TABLE `a`" in done.stdout
    assert b"a.b" not in done.stdout


def test_select_is_not_asked_for_on_what_is_left_out(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE public_ (a int); CREATE TABLE private (a int)", database)
    grants = [f"{right} ON {database}.*" for right in ("SHOW VIEW", "TRIGGER", "EVENT")]
    if mysql_server.flavour == "mysql":
        grants.append("SHOW_ROUTINE ON *.*")
    with account(mysql_server, *grants, f"SELECT ON {database}.public_") as credential:
        with connected(mysql_server, credential) as connector:
            wanted = privilege_findings(connector.plan(database).findings)
        with connected(mysql_server, credential, **filters(database, "private")) as connector:
            spared = privilege_findings(connector.plan(database).findings)
        done = dumped(mysql_server, database, credential, **filters(database, "private"))
    assert any(finding.what.startswith("SELECT is missing") for finding in wanted)
    assert not any(finding.what.startswith("SELECT is missing") for finding in spared)
    assert done.returncode == 0, done.stderr
    assert b"CREATE TABLE `public_`" in done.stdout


def test_triggers_go_with_their_table_and_are_not_counted(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE gone (a int); CREATE TABLE stays (a int);"
        "CREATE TRIGGER g BEFORE INSERT ON gone FOR EACH ROW SET NEW.a = 1;"
        "CREATE TRIGGER s AFTER INSERT ON stays FOR EACH ROW INSERT INTO gone VALUES (1);",
        database,
    )
    found = plan(mysql_server, database, "gone")
    assert found.object_counts == {"table": 1, "trigger": 1}
    assert [text for text in warnings(found) if "trigger" in text] == [
        "the trigger s seems to need what is left out: gone: it is restored, and fails when it runs"
    ]


def test_sequences_stay(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    only_on(mysql_server, "mariadb")
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE SEQUENCE s; CREATE TABLE t (a int DEFAULT (NEXT VALUE FOR s))", database)
    found = plan(mysql_server, database, "*")
    assert found.left_out == LeftOut(tables=("t",))
    assert found.object_counts == {"sequence": 1}
    assert b"CREATE SEQUENCE" in dumped(mysql_server, database, **filters(database, "*")).stdout


def test_tables_without_transactions_that_are_left_out_lock_nothing(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE old (a int) ENGINE=MyISAM; CREATE TABLE new (a int)", database)
    assert plan(mysql_server, database).consistency == "locked"
    assert plan(mysql_server, database, "old").consistency == "snapshot"
    assert plan(mysql_server, database, rows=("old",)).consistency == "snapshot"
