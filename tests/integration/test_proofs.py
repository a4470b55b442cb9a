"""What proves that a database came back: counted rows, the server's own checks, and answers to queries."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration import mysql_support, postgresql_support
from vya_backupdb.model import Answer, PostgreSQLDefinition, Section, SectionKind, Severity
from vya_backupdb.scratch import ScratchServer


@pytest.fixture
def no_asker(postgresql: ScratchServer) -> Iterator[None]:
    """Drop the role that asks, with what it was granted."""
    yield
    run_sql(postgresql, "DROP OWNED BY vya_backupdb_checks; DROP ROLE vya_backupdb_checks")


# ---------------------------------------------------------------------------- MySQL and MariaDB


def test_every_row_of_mysql_is_counted_once(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        """CREATE TABLE `a``b` (i INT) ENGINE=MyISAM; INSERT INTO `a``b` VALUES (1), (2);
        CREATE TABLE both_of_them (i INT) ENGINE=MERGE UNION=(`a``b`); CREATE TABLE no_rows (i INT);
        CREATE VIEW v AS SELECT * FROM `a``b`;
        CREATE TABLE parted (i INT) PARTITION BY HASH (i) PARTITIONS 3;
        INSERT INTO parted VALUES (1), (2), (3)""",
        database,
    )
    expected = {"a`b": 2, "no_rows": 0, "parted": 3}
    if mysql_server.flavour == "mariadb":
        run_sql(
            mysql_server,
            """CREATE TABLE versioned (i INT) WITH SYSTEM VERSIONING; INSERT INTO versioned VALUES (1), (2);
            DELETE FROM versioned WHERE i = 1; CREATE SEQUENCE s""",
            database,
        )
        expected["versioned"] = 2
    with mysql_support.connected(mysql_server) as connector, connector.proofs(database) as proofs:
        assert proofs.row_counts({}) == expected
        assert proofs.integrity() == []


def test_what_mysql_finds_damaged_is_named(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        """CREATE TABLE t (i INT, v VARCHAR(99), KEY (v)) ENGINE=MyISAM;
        INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three'); FLUSH TABLES t;
        CREATE TABLE gone (i INT); CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone""",
        database,
    )
    rows = Path(run_sql(mysql_server, "SELECT @@datadir").strip()) / database / "t.MYD"
    rows.write_bytes(rows.read_bytes()[:-20])
    with mysql_support.connected(mysql_server) as connector, connector.proofs(database) as proofs:
        found = proofs.integrity()
    faults = {finding.object for finding in found if finding.severity is Severity.FAULT}
    assert faults == {"t", "broken"}
    assert all(finding.what.startswith(f"CHECK TABLE {finding.object}: ") for finding in found)


@pytest.mark.threat("dumps-drilled")
def test_mysql_answers_queries_and_has_no_way_to_other_files(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE t (i INT); INSERT INTO t VALUES (1), (2), (3)", database)
    with mysql_support.connected(mysql_server) as connector, connector.proofs(database) as proofs:
        assert proofs.ask("SELECT COUNT(*) > 2 FROM t WHERE '%' = '%'", 60) == Answer(1, 1, is_true=True)
        assert proofs.ask("SELECT 2.5", 60).is_true
        assert not proofs.ask("SELECT 0", 60).is_true
        assert not proofs.ask("SELECT '1'", 60).is_true
        assert proofs.ask("SELECT i FROM t", 60).rows == 2
        assert proofs.ask("SELECT i FROM t WHERE i > 7", 60) == Answer(0)
        assert proofs.ask("DELETE FROM t WHERE i = 3", 60) == Answer(None)
        assert "secure-file-priv" in str(proofs.ask("SELECT 1 INTO OUTFILE '/tmp/drilled'", 60).error)
        assert proofs.ask("SELECT LOAD_FILE('/etc/passwd') IS NULL", 60).is_true
        assert "syntax" in str(proofs.ask("SELECT 1; SELECT 1", 60).error)
        tables = [f"t{number}" for number in range(40)]
        sum_of_all = " + ".join(f"{name}.i" for name in tables)
        long = f"SELECT COUNT(*) FROM {', '.join(f't {name}' for name in tables)} WHERE {sum_of_all} > 999"
        assert "time" in str(proofs.ask(long, 1).error)


@pytest.mark.threat("dumps-drilled")
def test_definers_that_are_absent_are_made_and_can_do_nothing_elsewhere(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database, name = new_database(mysql_server, f"a_b_{secrets.token_hex(3)}"), f"d_{secrets.token_hex(3)}"
    view = Section(
        SectionKind.POST, f"CREATE DEFINER=`{name}`@`10.%` VIEW `v` AS SELECT 1 AS `i`;\n".encode()
    )
    with mysql_support.connected(mysql_server) as connector:
        try:
            assert connector.stand_in(iter([view]), None, [database]) == [f"{name}@10.%"]
            assert connector.stand_in(iter([view]), None, [database]) == []
            granted = run_sql(mysql_server, f"SHOW GRANTS FOR `{name}`@`10.%`").splitlines()
            escaped = database.replace("_", "\\_")
            assert [line for line in granted if "USAGE" not in line and f"`{escaped}`.*" not in line] == []
            assert "ACCOUNT LOCK" in run_sql(mysql_server, f"SHOW CREATE USER `{name}`@`10.%`")
        finally:
            run_sql(mysql_server, f"DROP USER IF EXISTS `{name}`@`10.%`")


def test_a_time_zone_that_the_server_does_not_know_is_made_for_events(mysql_server: ScratchServer) -> None:
    zone = f"Mars/Z{secrets.token_hex(3)}"
    script = Section(
        SectionKind.POST,
        f"/*!50106 SET TIME_ZONE= '{zone}' */ ;;\n/*!50106 SET TIME_ZONE= 'SYSTEM' */ ;;\n".encode(),
    )
    with mysql_support.connected(mysql_server) as connector:
        try:
            assert connector.stand_in(iter([script]), None, []) == [f"time zone {zone} (as UTC)"]
            assert connector.stand_in(iter([script]), None, []) == []
            run_sql(mysql_server, f"SET time_zone = '{zone}'")
        finally:
            asked = f"SELECT time_zone_id FROM mysql.time_zone_name WHERE name = '{zone}'"
            for number in run_sql(mysql_server, asked).split():
                for table in ("time_zone_transition_type", "time_zone", "time_zone_name"):
                    run_sql(mysql_server, f"DELETE FROM mysql.{table} WHERE time_zone_id = {number}")


# ---------------------------------------------------------------------------- PostgreSQL


@pytest.mark.postgresql
def test_every_row_of_postgresql_is_counted_once(
    postgresql: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(postgresql)
    run_sql(
        postgresql,
        """CREATE SCHEMA "S x"; CREATE TABLE "S x"."T" (i int); INSERT INTO "S x"."T" VALUES (1), (2);
        CREATE TABLE parent (i int); CREATE TABLE child () INHERITS (parent);
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2), (3);
        CREATE TABLE p (i int) PARTITION BY LIST (i); CREATE TABLE p1 PARTITION OF p DEFAULT;
        INSERT INTO p VALUES (1), (2); CREATE MATERIALIZED VIEW m AS SELECT * FROM p;
        CREATE TABLE "user" (i int)""",
        database,
    )
    names = ['"S x"."T"', "public.parent", "public.child", "public.p1", 'public."user"']
    with (
        postgresql_support.connected(postgresql, socket=postgresql.socket) as connector,
        connector.proofs(database) as proofs,
    ):
        rows = dict(zip(names, (2, 1, 2, 2, 0), strict=True))
        assert proofs.row_counts(rows) == rows
        assert proofs.row_counts({})['"S x"."T"'] == 2
        by_root = proofs.row_counts({"public.p": 7})
        assert (by_root["public.p"], "public.p1" in by_root) == (2, False)


@pytest.mark.postgresql
def test_rows_that_an_extension_brings_itself_are_no_difference(
    postgresql: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(postgresql)
    run_sql(
        postgresql,
        """CREATE TABLE own (i int); INSERT INTO own VALUES (1), (2), (3);
        ALTER EXTENSION plpgsql ADD TABLE own""",
        database,
    )
    with (
        postgresql_support.connected(postgresql, socket=postgresql.socket) as connector,
        connector.proofs(database) as proofs,
    ):
        assert proofs.row_counts({}) == {}
        assert proofs.row_counts({"public.own": 2}) == {"public.own": 2}
        assert proofs.row_counts({"public.own": 5}) == {"public.own": 3}


@pytest.mark.postgresql
def test_what_amcheck_finds_is_named_and_nothing_of_it_stays(
    postgresql: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(postgresql)
    function = (
        "CREATE OR REPLACE FUNCTION f(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN {}; END'"
    )
    run_sql(
        postgresql,
        f"""{function.format("i")}; CREATE TABLE t (i int PRIMARY KEY, x text);
        CREATE INDEX other ON t (f(i));
        INSERT INTO t SELECT g, repeat('x', g * 10) FROM generate_series(1, 300) g;
        CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS 'begin raise ''no''; end';
        CREATE EVENT TRIGGER forbids ON ddl_command_start EXECUTE FUNCTION no()""",
        database,
    )
    with (
        postgresql_support.connected(postgresql, socket=postgresql.socket) as connector,
        connector.proofs(database) as proofs,
    ):
        before = connector.object_counts(database)
        assert proofs.integrity() == []
        run_sql(postgresql, f"SET session_replication_role = replica; {function.format('i + 1')}", database)
        (fault,) = proofs.integrity()
        assert (fault.severity, fault.object) == (Severity.FAULT, "public.other")
        assert fault.what.startswith("amcheck of public.other: heap tuple")
        assert connector.object_counts(database) == before


@pytest.mark.threat("dumps-drilled")
@pytest.mark.postgresql
@pytest.mark.usefixtures("no_asker")
def test_postgresql_answers_queries_as_one_who_may_only_read(
    postgresql: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(postgresql)
    run_sql(
        postgresql,
        f"""CREATE TABLE t (i int); INSERT INTO t VALUES (1), (2), (3);
        ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        REVOKE ALL ON DATABASE {database} FROM PUBLIC; ALTER DATABASE {database} CONNECTION LIMIT 0""",
        database,
    )
    with (
        postgresql_support.connected(postgresql, socket=postgresql.socket) as connector,
        connector.proofs(database) as proofs,
    ):
        assert proofs.ask("SELECT count(*) > 2 FROM t WHERE '%' = '%'", 60) == Answer(1, True, is_true=True)
        assert not proofs.ask("SELECT 1", 60).is_true
        assert proofs.ask("SELECT true FROM t", 60).rows == 2
        assert proofs.ask("SELECT i FROM t WHERE i > 7", 60) == Answer(0)
        assert "permission denied" in str(proofs.ask("DELETE FROM t", 60).error)
        assert "permission denied" in str(proofs.ask("SELECT pg_read_file('/etc/passwd')", 60).error)
        assert proofs.ask("SELECT true; SELECT true", 60).error is not None
        assert "timeout" in str(proofs.ask("SELECT pg_sleep(20) IS NULL", 1).error)


@pytest.mark.threat("dumps-drilled")
@pytest.mark.postgresql
def test_roles_and_tablespaces_that_are_absent_are_made_without_power(postgresql: ScratchServer) -> None:
    mark = secrets.token_hex(3)
    names = [f"{each}_{mark}" for each in ("grantee", "owner", "setting")]
    script = Section(SectionKind.SCHEMA, f"GRANT SELECT ON TABLE public.t TO {names[0]};\n".encode())
    definition = PostgreSQLDefinition(
        owner=names[1],
        encoding="UTF8",
        locale_provider="libc",
        collate="C",
        ctype="C",
        tablespace=f"x_{mark}",
    )
    with postgresql_support.connected(postgresql) as connector:
        try:
            made = connector.stand_in(iter([script]), definition, ["d"])
            in_place = [f"tablespace x_{mark}"] if postgresql.binaries.version_number >= (15,) else []
            assert made == [*names[:2], *in_place]
            for _ in in_place:
                run_sql(postgresql, f"CREATE TABLE x_{mark} (i int) TABLESPACE x_{mark}; DROP TABLE x_{mark}")
            powers = run_sql(
                postgresql,
                f"""SELECT bool_or(rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb)
                FROM pg_roles WHERE rolname LIKE '%{mark}'""",
            )
            assert powers.strip() == "f"
            assert connector.stand_in(iter([script]), definition, ["d"]) == []
        finally:
            for name in names[:2]:
                run_sql(postgresql, f"DROP ROLE IF EXISTS {name}")
            if f"tablespace x_{mark}" in made:
                run_sql(postgresql, f"DROP TABLESPACE x_{mark}")
