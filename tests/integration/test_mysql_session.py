from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import connected, only_on
from vya_backupdb.engines.mysql.restore.session import MySQLSession
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Statement
from vya_backupdb.scratch import ScratchServer

Open = Callable[..., MySQLSession]


@pytest.fixture
def database(mysql_server: ScratchServer, new_database: NewDatabase) -> str:
    name = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE t (id int PRIMARY KEY, v longblob)", name)
    return name


@pytest.fixture
def opened(mysql_server: ScratchServer, database: str) -> Iterator[Open]:
    """`opened()` gives another session on the test's database."""
    made: list[MySQLSession] = []

    def make(**keys: object) -> MySQLSession:
        with connected(mysql_server, **keys) as connector:
            made.append(connector.session(database))
        return made[-1]

    yield make
    for session in made:
        session.close()


def do(session: MySQLSession, *texts: str | bytes) -> int:
    return sum(
        session.execute(Statement(text.encode() if isinstance(text, str) else text, 0)) for text in texts
    )


def rows(server: ScratchServer, database: str, table: str = "t") -> int:
    return int(run_sql(server, f"SELECT COUNT(*) FROM {table}", database))


def test_the_rows_that_an_insert_took_are_counted_and_nothing_else(opened: Open) -> None:
    session = opened()
    assert do(session, "INSERT INTO `t` VALUES (1,'a'),(2,'b')") == 2
    assert (
        do(
            session,
            "SELECT * FROM t",
            "SET @a = 1",
            "UPDATE t SET v = 'c'",
            "CREATE TABLE u AS SELECT * FROM t",
        )
        == 0
    )
    assert do(session, "REPLACE INTO t VALUES (3,'x')") == 1


def test_rows_are_durable_only_after_the_commit(
    mysql_server: ScratchServer, database: str, opened: Open
) -> None:
    session = opened()
    do(session, "INSERT INTO t VALUES (1,'a')")
    assert rows(mysql_server, database) == 0
    session.commit()
    assert rows(mysql_server, database) == 1
    do(session, "INSERT INTO t VALUES (2,'b')")
    session.close()
    assert rows(mysql_server, database) == 1


def test_bytes_that_are_no_characters_arrive_unchanged(
    mysql_server: ScratchServer, database: str, opened: Open
) -> None:
    session = opened()
    every = bytes(range(256)).replace(b"\\", b"\\\\").replace(b"'", b"\\'")
    do(session, b"INSERT INTO t VALUES (1, _binary '" + every + b"')")
    session.commit()
    assert run_sql(mysql_server, "SELECT HEX(v) FROM t", database).strip() == bytes(range(256)).hex().upper()


def test_names_in_any_character_set_do_not_confuse_it(opened: Open) -> None:
    session = opened()
    do(session, "SET NAMES latin1", b"SELECT 1 AS `\xe4\xf6`, '\xff\x81'", "SET character_set_results = NULL")
    do(session, b"SELECT 1 AS `\xe4\xf6`, '\xff\x81'")


def test_a_percent_sign_is_no_placeholder(mysql_server: ScratchServer, database: str, opened: Open) -> None:
    session = opened()
    do(session, "INSERT INTO t VALUES (1, '100% %s %(x)s')")
    session.commit()
    assert run_sql(mysql_server, "SELECT v FROM t", database).strip() == "100% %s %(x)s"


def test_a_refused_statement_says_what_the_server_says_and_no_values(opened: Open) -> None:
    session = opened()
    do(session, "INSERT INTO t VALUES (1,'a')")
    with pytest.raises(StatementFailed, match=r"Duplicate entry .*\(1062\): INSERT INTO t") as failure:
        do(session, "INSERT INTO t VALUES (1,'private value')")
    assert "private" not in str(failure.value)
    assert not failure.value.retryable
    assert not failure.value.connection_lost
    assert do(session, "INSERT INTO t VALUES (2,'b')") == 1


def test_two_statements_at_once_are_refused(mysql_server: ScratchServer, database: str, opened: Open) -> None:
    session = opened()
    with pytest.raises(StatementFailed, match="1064"):
        do(session, "SELECT 1; DROP TABLE t")
    assert rows(mysql_server, database) == 0


def test_no_local_file_is_ever_sent(opened: Open) -> None:
    session = opened()
    with pytest.raises(StatementFailed, match=r"LOCAL|local|not allowed|disabled"):
        do(session, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t (v)")


def test_definitions_and_settings_of_a_header_work(
    mysql_server: ScratchServer, database: str, opened: Open
) -> None:
    session = opened()
    do(
        session,
        "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */",
        "/*!50503 SET NAMES utf8mb4 */",
        "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */",
        "/*!40103 SET TIME_ZONE='+00:00' */",
        "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */",
        "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
        "CREATE TABLE child (id int PRIMARY KEY AUTO_INCREMENT, t int,"
        " FOREIGN KEY (t) REFERENCES later (id))",
        "CREATE TABLE later (id int PRIMARY KEY)",
        "INSERT INTO child VALUES (0, 99)",
    )
    session.commit()
    assert run_sql(mysql_server, "SELECT id, t FROM child", database).split() == ["0", "99"]


def test_a_setting_that_the_server_does_not_know_is_skipped(opened: Open) -> None:
    session = opened()
    assert do(session, "SET @OLD=@@NO_SUCH_VARIABLE, NO_SUCH_VARIABLE=0", "/*!40101 SET no_such = 1 */") == 0
    with pytest.raises(StatementFailed, match="1064"):
        do(session, "SET nonsense nonsense")


def test_a_wrong_value_of_a_known_setting_is_an_error(opened: Open) -> None:
    session = opened()
    with pytest.raises(StatementFailed, match="1231"):
        do(session, "SET sql_mode = 'NO_SUCH_MODE'")


def test_modes_without_meaning_for_a_restore_are_left_out_where_they_are_unknown(
    mysql_server: ScratchServer, opened: Open
) -> None:
    only_on(mysql_server, "mysql")
    session = opened()
    do(session, "/*!50003 SET sql_mode = 'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER,ANSI_QUOTES' */")
    do(session, "CREATE TABLE modes AS SELECT @@sql_mode AS m")
    session.commit()
    with connected(mysql_server) as connector:
        database = session._database
        mode = connector._queries.value(f"SELECT m FROM `{database}`.modes")
    assert set(mode.split(",")) == {"STRICT_TRANS_TABLES", "ANSI_QUOTES"}


def test_rows_that_the_server_changes_to_make_them_fit_are_logged(
    opened: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    session = opened()
    do(session, "CREATE TABLE small (a varchar(2))", "SET sql_mode = ''")
    do(session, "INSERT INTO small VALUES ('abc')", "INSERT INTO small VALUES ('abc')")
    assert capsys.readouterr().err.count("rows changed by the server") == 1


def test_the_servers_limit_for_queries_does_not_end_a_statement(
    mysql_server: ScratchServer, opened: Open
) -> None:
    only_on(mysql_server, "mariadb")  # MySQL's concerns SELECT only
    run_sql(mysql_server, "SET GLOBAL max_statement_time = 0.2")
    try:
        session = opened()
        do(session, "INSERT INTO t VALUES (1,'')", "UPDATE t SET v = SLEEP(0.6)")
    finally:
        run_sql(mysql_server, "SET GLOBAL max_statement_time = 0")


# ---------------------------------------------------------------------------- locks


def test_after_a_deadlock_nothing_stays_and_it_may_be_tried_again(
    mysql_server: ScratchServer, database: str, opened: Open
) -> None:
    first, second = opened(), opened()
    do(first, "INSERT INTO t VALUES (1,''),(2,'')")
    first.commit()
    do(first, "INSERT INTO t VALUES (10,'')", "UPDATE t SET v = 'a' WHERE id = 1")
    do(second, "INSERT INTO t VALUES (20,''),(21,''),(22,'')", "UPDATE t SET v = 'b' WHERE id = 2")
    failures: list[StatementFailed] = []

    def act(session: MySQLSession, text: str) -> None:
        try:
            do(session, text)
        except StatementFailed as failure:
            failures.append(failure)

    other = threading.Thread(target=act, args=(second, "UPDATE t SET v = 'b' WHERE id = 1"))
    other.start()
    time.sleep(0.3)
    act(first, "UPDATE t SET v = 'a' WHERE id = 2")
    other.join()
    (failure,) = failures
    assert "1213" in failure.what
    assert failure.retryable
    first.commit()
    second.commit()
    assert rows(mysql_server, database) in (3, 5)


def test_after_a_lock_wait_the_whole_transaction_is_undone(
    mysql_server: ScratchServer, database: str, opened: Open
) -> None:
    first, second = opened(), opened()
    do(first, "INSERT INTO t VALUES (1,'')")
    do(second, "SET innodb_lock_wait_timeout = 1", "INSERT INTO t VALUES (2,'')")
    with pytest.raises(StatementFailed, match="1205") as failure:
        do(second, "INSERT INTO t VALUES (1,'x')")
    assert failure.value.retryable
    first.close()
    second.commit()
    assert rows(mysql_server, database) == 0


def test_rows_that_cannot_be_rolled_back_are_not_tried_again(
    mysql_server: ScratchServer, database: str, opened: Open
) -> None:
    session = opened()
    blocker = opened()
    do(session, "CREATE TABLE old (a int) ENGINE=MyISAM")
    do(blocker, "INSERT INTO t VALUES (1,'')")
    do(session, "SET innodb_lock_wait_timeout = 1", "INSERT INTO old VALUES (1)")
    with pytest.raises(StatementFailed, match="1205") as failure:
        do(session, "INSERT INTO t VALUES (1,'x')")
    assert not failure.value.retryable
    assert rows(mysql_server, database, "old") == 1


def test_a_definition_does_not_wait_for_ever_for_a_lock(mysql_server: ScratchServer, opened: Open) -> None:
    holder, session = opened(), opened(lock_wait=timedelta(seconds=1))
    do(holder, "INSERT INTO t VALUES (1,'')")
    started = time.monotonic()
    with pytest.raises(StatementFailed, match="1205"):
        do(session, "DROP TABLE t")
    assert time.monotonic() - started < 10


# ---------------------------------------------------------------------------- ends


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "cut"])
def test_a_running_statement_is_cancelled_soon(
    opened: Open, monkeypatch: pytest.MonkeyPatch, *, kill: bool
) -> None:
    session = opened()
    if not kill:
        # A server that takes no further connection.
        monkeypatch.setattr("vya_backupdb.engines.mysql.restore.session.open_wire", _refuse)
    threading.Timer(0.3, session.cancel).start()
    started = time.monotonic()
    with pytest.raises(StatementFailed) as failure:
        # SLEEP in a SELECT returns 1 when it is killed; in an UPDATE it is an error.
        do(session, "INSERT INTO t VALUES (1,'')", "UPDATE t SET v = SLEEP(60)")
    assert time.monotonic() - started < 10
    assert failure.value.connection_lost is not kill


def _refuse(*args: object, **keys: object) -> None:
    from vya_backupdb.errors import ConnectionFailed

    raise ConnectionFailed("too many connections")


def test_closing_and_cancelling_never_raise(opened: Open) -> None:
    session = opened()
    session.cancel()
    session.close()
    session.close()
    session.cancel()
    with pytest.raises(StatementFailed) as failure:
        do(session, "SELECT 1")
    assert failure.value.connection_lost


def test_a_session_that_the_server_ends_says_so_and_does_not_come_back(
    mysql_server: ScratchServer, opened: Open
) -> None:
    session = opened()
    do(session, "SET @state = 1")
    run_sql(mysql_server, f"KILL {session._number}")
    for _ in range(2):
        with pytest.raises(StatementFailed) as failure:
            do(session, "SELECT @state")
        assert failure.value.connection_lost


def test_a_statement_larger_than_the_server_takes_is_told_before_it_is_sent(
    mysql_server: ScratchServer, opened: Open
) -> None:
    session = opened()
    allowed = int(run_sql(mysql_server, "SELECT @@global.max_allowed_packet"))
    with pytest.raises(StatementFailed, match="more than the server takes at once") as failure:
        do(session, b"INSERT INTO t VALUES (1,'" + b"x" * allowed + b"')")
    assert "SET GLOBAL max_allowed_packet = " in (failure.value.cure or "")
    assert do(session, b"INSERT INTO t VALUES (1,'" + b"x" * (allowed - 1000) + b"')") == 1


def test_the_servers_short_idle_time_does_not_end_a_session(
    mysql_server: ScratchServer, database: str
) -> None:
    run_sql(mysql_server, "SET GLOBAL wait_timeout = 1, GLOBAL interactive_timeout = 1")
    try:
        with connected(mysql_server) as connector, closing(connector.session(database)) as session:
            time.sleep(2.5)
            do(session, "INSERT INTO t VALUES (1,'')")
            assert connector.exists(database)
    finally:
        run_sql(mysql_server, "SET GLOBAL wait_timeout = 28800, GLOBAL interactive_timeout = 28800")
