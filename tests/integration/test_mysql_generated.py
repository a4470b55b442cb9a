"""Generated values that depend on the time zone, which a restore computes in UTC, are named beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import dumped, only_on, plan_of, restored, trip
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import DumpPlan, Finding, Severity
from vya_backupdb.scratch import ScratchServer

_ELSEWHERE = "SET time_zone = '+05:30';"
_TIMES = "('2024-01-01 03:00:00'), (NULL), ('2024-06-30 21:30:00')"


@pytest.mark.limitation("mysql-generated-times")
@pytest.mark.parametrize(
    "column",
    [
        "g int AS (HOUR(ts)) STORED",
        "g date AS (DATE(ts)) STORED",
        "g date AS (ts) STORED",
        "g datetime AS (ts + INTERVAL 1 HOUR) STORED",
        "g varchar(30) AS (CAST(ts AS CHAR)) STORED",
        "g boolean AS (HOUR(ts) < 12) STORED",
        "v int AS (HOUR(ts)) VIRTUAL, g decimal(9,3) AS (v / 7) STORED",
    ],
)
def test_stored_values_of_another_time_zone_are_named(
    mysql_server: ScratchServer, new_database: NewDatabase, column: str
) -> None:
    made = trip(
        mysql_server,
        new_database,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, {column}); INSERT INTO t (ts) VALUES {_TIMES}",
    )
    assert not made.same_values
    (finding,) = made.findings
    assert (finding.object, finding.severity) == ("t", Severity.WARNING)
    assert finding.what.startswith("t (g): generated values were computed in another time zone than UTC")


@contextmanager
def _elsewhere(server: ScratchServer) -> Iterator[None]:
    """The server's own time zone is another one."""
    before = run_sql(server, "SELECT @@GLOBAL.time_zone").strip()
    run_sql(server, "SET GLOBAL time_zone = '+05:30'")
    try:
        yield
    finally:
        run_sql(server, f"SET GLOBAL time_zone = '{before}'")


@pytest.mark.limitation("mysql-generated-times")
def test_stored_values_are_named_on_a_server_that_lives_in_their_time_zone(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, g int AS (HOUR(ts)) STORED);"
        f"INSERT INTO t (ts) VALUES {_TIMES}",
        database,
    )
    with _elsewhere(mysql_server):
        (finding,) = plan_of(mysql_server, database).findings
    assert finding.what.startswith("t (g): generated values were computed in another")


@pytest.mark.limitation("mysql-generated-times")
def test_stored_values_over_such_values_are_named_too(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql_server,
        new_database,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, `a``b` int AS (HOUR(ts)) STORED,"
        " `é` int AS (`a``b` * 2) STORED, plain int AS (ts IS NULL) STORED);"
        f"INSERT INTO t (ts) VALUES {_TIMES}",
    )
    assert not made.same_values
    assert made.named["t"].startswith("t (a`b, é): generated values were computed in another")


def test_stored_values_without_a_timestamp_may_depend_on_the_time_zone(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    expression = {"mysql": "FROM_UNIXTIME(n)", "mariadb": "UNIX_TIMESTAMP(d)"}[mysql_server.flavour]
    made = trip(
        mysql_server,
        new_database,
        f"{_ELSEWHERE} CREATE TABLE t (n bigint, d datetime, g varchar(30) AS ({expression}) STORED);"
        "INSERT INTO t (n, d) VALUES (1700000000, '2024-01-01 03:00:00')",
    )
    assert not made.same_values
    assert made.named["t"].startswith("t (g): generated values were computed in another")


def test_the_cure_for_such_values_makes_them_what_they_were(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql_server,
        new_database,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, g int AS (HOUR(ts)) STORED, v int AS (HOUR(ts))"
        f" VIRTUAL, KEY k (v)); INSERT INTO t (ts) VALUES {_TIMES}",
    )
    assert all("ALTER TABLE `t` FORCE, ALGORITHM=COPY" in str(finding.cure) for finding in made.findings)
    asked = (
        f"{_ELSEWHERE} SELECT COUNT(*) FROM t WHERE g = 3; SELECT COUNT(*) FROM t FORCE INDEX (k) WHERE v = 3"
    )
    assert run_sql(mysql_server, asked, made.copy).split() == ["0", "0"]
    run_sql(mysql_server, f"{_ELSEWHERE} ALTER TABLE t FORCE, ALGORITHM=COPY", made.copy)
    assert run_sql(mysql_server, asked, made.copy).split() == ["1", "1"]


def test_generated_values_that_are_the_same_in_utc_are_not_named(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    columns = (
        "a date AS (ts) STORED, b int AS (d / 3) STORED, c decimal(9,2) AS (d / 3) STORED,"
        " e double AS (d / 3) STORED, f float AS (d / 3e0) STORED, h time AS (TIME(ts)) STORED,"
        " i datetime(3) AS (ts) STORED, j timestamp(2) AS (ts) STORED, k year AS (YEAR(ts)) STORED,"
        " l char(30) AS (ts) STORED, m bigint AS (ts + d) STORED, n varchar(40) AS (CONCAT(ts, d)) STORED,"
        " o varbinary(40) AS (CONCAT(ts, x'ff')) STORED, v int AS (HOUR(ts)) VIRTUAL, KEY (v)"
    )
    # MariaDB generates nothing from what it would have to round by a setting
    times = "timestamp(6)" if mysql_server.flavour == "mysql" else "timestamp"
    made = trip(
        mysql_server,
        new_database,
        f"SET time_zone = '+00:00'; CREATE TABLE t (ts {times} NULL, d int, {columns});"
        "INSERT INTO t (ts, d)"
        " VALUES ('2024-01-01 23:59:59.987654', 5), (NULL, 1), ('2024-06-30 12:00:00', NULL)",
    )
    assert made.same_values
    assert made.findings == ()


def test_stored_values_that_no_time_zone_changes_are_not_named(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql_server,
        new_database,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, a boolean AS (ts IS NULL) STORED, c timestamp AS"
        " (ts) STORED, d varchar(9) AS (IF(ts IS NULL, '😀', 'é')) STORED, e int AS (SECOND(ts)) STORED)"
        f" CHARACTER SET utf8mb4; INSERT INTO t (ts) VALUES {_TIMES}",
    )
    assert made.same_values
    assert made.findings == ()


# ---------------------------------------------------------------------------- indexes


@pytest.mark.limitation("mysql-indexed-times")
@pytest.mark.parametrize("versioned", ["", " WITH SYSTEM VERSIONING"])
def test_an_index_that_holds_values_of_another_time_zone_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase, versioned: str
) -> None:
    if versioned:
        only_on(mysql_server, "mariadb")
    made = trip(
        mysql_server,
        new_database,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, a int, v int AS (HOUR(ts)) VIRTUAL,"
        f" KEY `k``1` (a, v), w int AS (a + 1) VIRTUAL, KEY (w)){versioned};"
        f"INSERT INTO t (ts) VALUES {_TIMES}",
    )
    found = "SELECT COUNT(*) FROM t FORCE INDEX (`k``1`) WHERE a IS NULL AND v = 3"
    assert run_sql(mysql_server, f"{_ELSEWHERE} {found}", made.copy).strip() == "0"
    (finding,) = made.findings
    assert (finding.object, finding.severity) == ("t", Severity.WARNING)
    assert finding.what.startswith("t (index k`1): values of another time zone than UTC")


@pytest.mark.limitation("mysql-indexed-times")
def test_an_index_over_an_expression_is_named_where_the_server_has_another_time_zone(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql)
    run_sql(
        mysql,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, other datetime, KEY k ((DATE_FORMAT(ts, '%H'))),"
        f" KEY ((SECOND(ts))), KEY ((HOUR(other)))); INSERT INTO t (ts) VALUES {_TIMES}",
        database,
    )
    with _elsewhere(mysql):
        (finding,) = plan_of(mysql, database).findings
    assert finding.what.startswith("t (index k): values of another time zone than UTC")


# ---------------------------------------------------------------------------- constraints


@pytest.mark.limitation("mysql-unique-times")
@pytest.mark.parametrize(
    "key",
    [
        "d date AS (DATE(ts)) STORED, UNIQUE k (u, d)",
        "d date AS (DATE(ts)) VIRTUAL, UNIQUE k (u, d)",
        "d int, UNIQUE k (u, (DATE(ts)))",
    ],
)
def test_rows_that_are_the_same_in_utc_in_a_unique_index_are_a_fault(
    mysql_server: ScratchServer, new_database: NewDatabase, key: str
) -> None:
    if "(u, (" in key:
        only_on(mysql_server, "mysql")
    database, copy = new_database(mysql_server), new_database(mysql_server)
    rows = "(1, '2024-01-01 07:00:00'), (1, '2024-01-02 03:00:00'), (1, NULL), (1, NULL)"
    run_sql(
        mysql_server,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, u int, UNIQUE (u, ts), {key});"
        f"INSERT INTO t (u, ts) VALUES {rows}",
        database,
    )
    (finding,) = faults(plan_of(mysql_server, database))
    assert finding.what.startswith("t (index k): rows that differ in a unique index are the same there")
    with pytest.raises(StatementFailed, match=r"1062|1180"):
        restored(mysql_server, copy, dumped(mysql_server, database).stdout)
    run_sql(mysql_server, "DELETE FROM t WHERE ts > '2024-01-01 12:00:00'", database)
    assert faults(plan_of(mysql_server, database)) == []


def faults(plan: DumpPlan) -> list[Finding]:
    return [finding for finding in plan.findings if finding.severity is Severity.FAULT]


def test_the_history_of_a_unique_value_is_no_fault(mariadb: ScratchServer, new_database: NewDatabase) -> None:
    database = new_database(mariadb)
    run_sql(
        mariadb,
        "CREATE TABLE t (ts timestamp NULL, a int, d date AS (DATE(ts)) STORED, UNIQUE k (d))"
        " WITH SYSTEM VERSIONING;"
        "INSERT INTO t (ts, a) VALUES ('2024-01-01 07:00:00', 1); UPDATE t SET a = 2; UPDATE t SET a = 3",
        database,
    )
    assert plan_of(mariadb, database).findings == ()


@pytest.mark.limitation("mysql-checked-times")
def test_a_constraint_that_rows_break_in_utc_is_a_fault(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    database, copy = new_database(mysql), new_database(mysql)
    run_sql(
        mysql,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, s varchar(9), `é` int AS (HOUR(ts)) VIRTUAL,"
        " CONSTRAINT `a``b` CHECK (HOUR(ts) <> 16 OR s <=> 'it''s 😀'), CONSTRAINT virtual_"
        " CHECK (`é` <> 16), CONSTRAINT off CHECK (HOUR(ts) <> 16) NOT ENFORCED,"
        " CONSTRAINT whole CHECK (SECOND(ts) < 59),"
        f" CONSTRAINT other CHECK (s <> 'y')); INSERT INTO t (ts) VALUES {_TIMES}",
        database,
    )
    (finding,) = plan_of(mysql, database).findings
    assert (finding.object, finding.severity) == ("t", Severity.FAULT)
    assert finding.what.startswith("t (a`b, virtual_): rows do not hold to the CHECK constraint in UTC")
    with pytest.raises(StatementFailed, match="3819"):
        restored(mysql, copy, dumped(mysql, database).stdout)
    for name in ("`a``b`", "virtual_"):
        run_sql(mysql, f"ALTER TABLE t ALTER CHECK {name} NOT ENFORCED", database)
    assert plan_of(mysql, database).findings == ()
    restored(mysql, new_database(mysql), dumped(mysql, database).stdout)


def test_a_constraint_over_times_is_no_hindrance_on_mariadb(
    mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mariadb,
        new_database,
        f"{_ELSEWHERE} CREATE TABLE t (ts timestamp NULL, CHECK (HOUR(ts) <> 16));"
        f"INSERT INTO t VALUES {_TIMES}",
    )
    assert made.same_values
    assert made.findings == ()
