"""What the dump tools choke on, and what no server would take back, is found before a dump."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest

from scripts.sample.clients import ClientError, run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import (
    account,
    connected,
    dumped,
    instance_of,
    plan_of,
    restored,
    superuser,
    trip,
)
from vya_backupdb.engines.mysql.engine import ENGINE
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Finding, Severity
from vya_backupdb.scratch import ScratchServer


def faults(found: tuple[Finding, ...] | list[Finding]) -> dict[str | None, str]:
    return {finding.object: finding.what for finding in found if finding.severity is Severity.FAULT}


# ---------------------------------------------------------------------------- broken views

BROKEN = (
    "CREATE TABLE t (a int, b int); CREATE VIEW no_column AS SELECT b FROM t; ALTER TABLE t DROP b;"
    "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1; CREATE VIEW no_function AS SELECT f() AS x;"
    "DROP FUNCTION f; CREATE TABLE u (a int); CREATE VIEW `no``table` AS SELECT a FROM u;"
    "CREATE VIEW on_broken AS SELECT a FROM `no``table`; DROP TABLE u;"
    "CREATE VIEW good AS SELECT a FROM t; INSERT INTO t VALUES (4717);"
    "CREATE DEFINER=nobody@nowhere SQL SECURITY INVOKER VIEW orphan AS SELECT a FROM t"
)
NAMES = {"no_column", "no_function", "no`table", "on_broken"}


@pytest.mark.limitation("mysql-broken-views")
def test_broken_views_are_found_before_the_tool_stops_at_them(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, BROKEN, database)
    found = faults(plan_of(mysql_server, database).findings)
    assert set(found) == NAMES
    assert "1356" in found["on_broken"]
    assert dumped(mysql_server, database).returncode != 0


@pytest.mark.limitation("mysql-broken-views")
def test_broken_views_are_left_out_where_that_is_configured_and_kept_in_the_metadata(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database, copy = new_database(mysql_server), new_database(mysql_server)
    run_sql(mysql_server, BROKEN, database)
    with connected(mysql_server, broken_views="skip") as connector:
        plan = connector.plan(database)
    assert {finding.object for finding in plan.findings} == NAMES
    assert {finding.severity for finding in plan.findings} == {Severity.WARNING}
    kept = {finding.object: finding.cure or "" for finding in plan.findings}
    assert "`no_column` AS select" in kept["no_column"]
    assert plan.object_counts == {"table": 1, "view": 2}
    done = dumped(mysql_server, database, broken_views="skip")
    assert done.returncode == 0, done.stderr
    restored(mysql_server, copy, done.stdout)
    with connected(mysql_server) as connector:
        assert connector.object_counts(copy) == plan.object_counts


# ---------------------------------------------------------------------------- tables


@pytest.mark.limitation("mysql-only-generated")
def test_rows_of_nothing_but_generated_columns_are_a_fault(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = "CREATE TABLE g (a int AS (1 + 1), b int AS (3)); CREATE TABLE h (a int AS (2));"
    if mysql_server.flavour == "mariadb":
        whole = trip(mysql_server, new_database, made + "INSERT INTO g VALUES (), ()")
        assert whole.same_values
        assert whole.findings == ()
        return
    database, copy = new_database(mysql_server), new_database(mysql_server)
    run_sql(mysql_server, made, database)
    assert plan_of(mysql_server, database).findings == ()
    run_sql(mysql_server, "INSERT INTO g VALUES (), ()", database)
    assert set(faults(plan_of(mysql_server, database).findings)) == {"g"}
    # If this holds no more, the tool has mended it, and the fault can go.
    with pytest.raises(StatementFailed, match="1064"):
        restored(mysql_server, copy, dumped(mysql_server, database).stdout)


@pytest.mark.limitation("mysql-document-ids")
def test_gaps_between_document_ids_are_a_fault(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = (
        "CREATE TABLE f (FTS_DOC_ID bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, t text);"
        "INSERT INTO f VALUES (1, 'a'), (1000000, 'b'); CREATE FULLTEXT INDEX i ON f (t);"
        "CREATE TABLE near (FTS_DOC_ID bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, t longtext);"
        "INSERT INTO near VALUES (1, REPEAT('a', 1 << 20)), (60000, REPEAT('b', 1 << 20)), (120000, 'c');"
        "CREATE FULLTEXT INDEX i ON near (t)"
    )
    if mysql_server.flavour == "mariadb":
        whole = trip(mysql_server, new_database, made)
        assert whole.same_values
        assert whole.findings == ()
        return
    database, copy = new_database(mysql_server), new_database(mysql_server)
    run_sql(mysql_server, made, database)
    plan = plan_of(mysql_server, database)
    assert set(faults(plan.findings)) == {"f"}
    assert {finding.object for finding in plan.findings} == {"f"}
    with pytest.raises(StatementFailed, match="182"):
        restored(mysql_server, copy, dumped(mysql_server, database).stdout)
    run_sql(mysql_server, "DROP TABLE f", database)
    other = new_database(mysql_server)
    restored(mysql_server, other, dumped(mysql_server, database).stdout)


LOOSE = (
    "SET SESSION restrict_fk_on_non_standard_key = OFF; CREATE TABLE p (a int, b int, c int, KEY (a),"
    " UNIQUE (b), PRIMARY KEY (c, b)); INSERT INTO p VALUES (1, 1, 1), (1, 2, 1);"
    "CREATE TABLE loose (a int, FOREIGN KEY (a) REFERENCES p (a)); INSERT INTO loose VALUES (1);"
    "CREATE TABLE part (c int, FOREIGN KEY (c) REFERENCES p (c)); INSERT INTO part VALUES (1);"
    "CREATE TABLE strict (b int, c int, FOREIGN KEY (b) REFERENCES p (b), FOREIGN KEY (c, b) REFERENCES"
    " p (c, b)); INSERT INTO strict VALUES (2, 1)"
)


@pytest.mark.limitation("mysql-loose-foreign-keys")
def test_foreign_keys_on_keys_that_are_not_unique_come_back(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    assert run_sql(mysql, "SELECT @@GLOBAL.restrict_fk_on_non_standard_key").strip() == "1"
    made = trip(mysql, new_database, LOOSE)
    assert made.same_values
    assert made.same_objects
    keys = (
        "SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()"
    )
    assert run_sql(mysql, keys, made.copy).strip() == "4"


def interrupted(
    server: ScratchServer, database: str, act: Callable[[], object]
) -> tuple[bytes, bytes, bytes, int]:
    """Dump, act in the midst; give the output before and after it, what the tool says, and its status."""
    instance, credential = instance_of(server), superuser(server)
    with ENGINE.connect(instance, credential) as connector:
        plan = connector.plan(database)
        tool = ENGINE.find_tool(connector.facts, instance)
        with (
            ENGINE.dump_command(plan, tool, connector.facts, instance, credential) as command,
            subprocess.Popen(
                command.argv,
                env=dict(command.environment),
                pass_fds=command.pass_fds,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as child,
        ):
            assert child.stdout is not None
            first = child.stdout.read(1 << 16)
            act()
            rest, said = child.communicate(timeout=60)
    return first, rest, said, child.returncode


@pytest.mark.limitation("mysql-ddl-during-dump")
def test_a_table_that_is_changed_during_the_dump_fails_it(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    double = "INSERT INTO a SELECT * FROM a;" * 13
    run_sql(
        mysql_server,
        f"CREATE TABLE a (t text); INSERT INTO a VALUES (REPEAT('x', 4000)); {double}"
        "CREATE TABLE z (b int); INSERT INTO z VALUES (1)",
        database,
    )
    first, rest, said, status = interrupted(
        mysql_server, database, lambda: run_sql(mysql_server, "ALTER TABLE z FORCE, ALGORITHM=COPY", database)
    )
    assert b"INSERT INTO `a`" in first
    assert status != 0
    assert b"1412" in said
    assert b"Dump completed" not in rest


@pytest.mark.limitation("mysql-stalled-reader")
def test_a_dump_that_the_server_gave_up_fails(mariadb: ScratchServer, new_database: NewDatabase) -> None:
    database = new_database(mariadb)
    double = "INSERT INTO a SELECT * FROM a;" * 3
    run_sql(
        mariadb,
        f"CREATE TABLE a (t longtext); INSERT INTO a VALUES (REPEAT('x', 4 << 20)); {double}",
        database,
    )
    run_sql(mariadb, "SET GLOBAL net_write_timeout = 1")
    try:
        _, rest, said, status = interrupted(mariadb, database, lambda: time.sleep(4))
    finally:
        run_sql(mariadb, "SET GLOBAL net_write_timeout = DEFAULT")
    assert status != 0
    assert b"2013" in said
    assert b"Dump completed" not in rest


@pytest.mark.limitation("mysql-global-lock")
def test_with_gtids_no_global_lock_is_taken(mysql: ScratchServer, new_database: NewDatabase) -> None:
    database = new_database(mysql)
    run_sql(mysql, "CREATE TABLE t (a int)", database)
    assert run_sql(mysql, "SELECT @@GLOBAL.gtid_mode").strip() == "ON"
    with account(mysql, f"SELECT, SHOW VIEW, TRIGGER, EVENT ON {database}.*") as credential:
        done = dumped(mysql, database, credential)
    assert done.returncode == 0, done.stderr  # it would need RELOAD
    assert b"GTID_PURGED" not in done.stdout


@pytest.mark.limitation("mysql-end-comment")
def test_a_body_that_ends_in_a_line_comment_comes_back(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql_server,
        new_database,
        "DELIMITER //\nCREATE TABLE t (a int)//\nCREATE PROCEDURE p() SELECT 1 -- why\n//\n"
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1 # why\n//\n"
        "CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO SELECT 1 -- why\n//\n",
    )
    assert made.same_objects


@pytest.mark.limitation("mysql-comments")
def test_bodies_with_comments_of_every_kind_come_back_as_they_were(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database, copy = new_database(mysql_server), new_database(mysql_server)
    body = "BEGIN /* block ; */ SET @a = '*/'; -- line ; '\n # hash ; \"\n SET @b = 1 /*! + 1 */; END"
    run_sql(
        mysql_server,
        f"DELIMITER //\nCREATE TABLE t (a int)//\nCREATE PROCEDURE p() {body}//\n"
        f"CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW {body}//\n"
        f"CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO {body}//\n",
        database,
    )
    restored(mysql_server, copy, dumped(mysql_server, database).stdout)
    bodies = (
        "SELECT routine_definition FROM information_schema.routines WHERE routine_schema = DATABASE()"
        " UNION ALL SELECT action_statement FROM information_schema.triggers"
        " WHERE trigger_schema = DATABASE()"
        " UNION ALL SELECT event_definition FROM information_schema.events WHERE event_schema = DATABASE()"
    )
    assert run_sql(mysql_server, bodies, copy) == run_sql(mysql_server, bodies, database)
    assert run_sql(mysql_server, bodies, copy).count("/* block ; */") == 3


@pytest.mark.limitation("mysql-sandbox")
def test_the_line_for_the_sandbox_of_the_client_stays_and_does_no_harm(
    mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(mariadb, new_database, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    assert made.script.startswith(b"/*M!999999\\- enable the sandbox mode */")
    assert made.same_values


@pytest.mark.limitation("mysql-vector")
def test_vectors_come_back_bit_by_bit(mysql: ScratchServer, new_database: NewDatabase) -> None:
    made = trip(
        mysql,
        new_database,
        "CREATE TABLE v (a vector(3));"
        "INSERT INTO v VALUES (STRING_TO_VECTOR('[1.1, 16777217, 3e38]')), (NULL)",
    )
    assert made.same_values
    assert made.findings == ()


@pytest.mark.limitation("mysql-cached-numbers")
@pytest.mark.parametrize(("limits", "next_"), [("MAXVALUE 10", "2"), ("INCREMENT -2 MINVALUE -10", "-3")])
def test_a_sequence_whose_last_numbers_are_cached_is_named(
    mariadb: ScratchServer, new_database: NewDatabase, limits: str, next_: str
) -> None:
    database, copy = new_database(mariadb), new_database(mariadb)
    run_sql(
        mariadb,
        f"CREATE SEQUENCE s START WITH {'-1' if '-' in limits else '1'} {limits} CACHE 100;"
        "CREATE SEQUENCE more; CREATE SEQUENCE again MAXVALUE 10 CACHE 100 CYCLE;"
        "SELECT NEXTVAL(s), NEXTVAL(more), NEXTVAL(again)",
        database,
    )
    (finding,) = plan_of(mariadb, database).findings
    assert (finding.object, finding.severity) == ("s", Severity.WARNING)
    assert finding.what.startswith(
        "sequences without a number left, but for those in the server's cache: s: "
    )
    restored(mariadb, copy, dumped(mariadb, database).stdout)
    assert run_sql(mariadb, "SELECT NEXTVAL(s)", database).strip() == next_
    with pytest.raises(ClientError, match="4084"):
        run_sql(mariadb, "SELECT NEXTVAL(s)", copy)


@pytest.mark.limitation("mysql-disabled-keys")
def test_keys_that_were_disabled_come_back_enabled(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql_server,
        new_database,
        "CREATE TABLE m (a int, KEY k (a)) ENGINE=MyISAM; ALTER TABLE m DISABLE KEYS;"
        "INSERT INTO m VALUES (1)",
    )
    assert made.same_values
    assert "disabled" not in run_sql(mysql_server, "SHOW INDEX FROM m", made.copy)


@pytest.mark.limitation("mysql-unknown-options")
def test_options_that_no_engine_knows_are_left_out(mariadb: ScratchServer, new_database: NewDatabase) -> None:
    made = trip(
        mariadb,
        new_database,
        "SET sql_mode = 'IGNORE_BAD_TABLE_OPTIONS'; CREATE TABLE m (a int OPTION_A='x') OPTION_B='y'",
    )
    assert made.same_objects
    assert "OPTION" not in run_sql(mariadb, "SHOW CREATE TABLE m", made.copy)


# ---------------------------------------------------------------------------- texts that look like SQL


@pytest.mark.threat("server-definitions")
def test_what_looks_like_sql_in_a_definition_is_none_to_who_asks_for_its_values(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    ends = r"?\\\')) OR gotcha() -- "  # the text is ?\')) OR gotcha() --
    run_sql(
        mysql_server,
        "CREATE TABLE called (n int); INSERT INTO called VALUES (0);\nDELIMITER $$\n"
        "CREATE FUNCTION gotcha() RETURNS int DETERMINISTIC MODIFIES SQL DATA"
        " BEGIN UPDATE called SET n = n + 1; RETURN 1; END$$\nDELIMITER ;\n"
        f"CREATE TABLE t (ts timestamp NULL, e enum('{ends}', 'x') DEFAULT '{ends}', s set('{ends}'),"
        f" d varchar(99) DEFAULT '{ends}', g varchar(99) AS (CONCAT(ts, '{ends}')) STORED UNIQUE,"
        f" CHECK (CONCAT(ts, d) <> '{ends}')); INSERT INTO t (ts, e) VALUES ('2024-01-01 03:00:00', 'x')",
        database,
    )
    assert plan_of(mysql_server, database).findings == ()
    assert run_sql(mysql_server, "SELECT n FROM called", database).strip() == "0"
