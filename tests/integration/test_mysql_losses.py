"""What the dump tools lose in silence is cured, or named beforehand with table and column."""

from __future__ import annotations

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_script_support import connect
from tests.integration.mysql_support import account, dumped, install_archive, only_on, plan_of, restored, trip
from vya_backupdb.engines.mysql.preflight import losses
from vya_backupdb.engines.mysql.preflight.losses import LOSSY_SETS
from vya_backupdb.model import Severity
from vya_backupdb.scratch import ScratchServer

# ---------------------------------------------------------------------------- values


@pytest.mark.limitation("mysql-float")
@pytest.mark.parametrize("value", ["-1220223", "16777217", "0.1234567", "3.4028234e38", "1.1754943e-38"])
def test_a_float_of_more_than_six_digits_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase, value: str
) -> None:
    made = trip(
        mysql_server,
        new_database,
        "CREATE TABLE f (a float, `other``s` float, d double, t float GENERATED ALWAYS AS (a) STORED);"
        f"INSERT INTO f (a, d) VALUES ({value}, 1/3)",
    )
    assert not made.same_values
    assert made.named["f"].startswith("f (a): FLOAT values")
    assert [finding.severity for finding in made.findings] == [Severity.WARNING]


def test_floats_that_come_back_are_not_named(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    values = [
        "0",
        "1.5",
        "1.1",
        "-123456",
        "3.40282e38",
        "1.17549e-38",
        "1e-40",
        "0.000123456",
        "1e10",
        "NULL",
    ]
    made = trip(
        mysql_server,
        new_database,
        "CREATE TABLE f (a float, b float(7,3));"
        + "".join(f"INSERT INTO f VALUES ({value}, 1234.567);" for value in values),
    )
    assert made.same_values
    assert made.findings == ()


@pytest.mark.limitation("mysql-characters")
@pytest.mark.parametrize(
    ("charset", "code"),
    [
        ("sjis", "5C"),
        ("ujis", "A1C0"),
        ("gbk", "A140"),
        ("big5", "A1C3"),
        ("gb2312", "A2A1"),
        ("hebrew", "A1"),
    ],
)
def test_characters_without_a_twin_in_utf8mb4_are_named(
    mysql_server: ScratchServer, new_database: NewDatabase, charset: str, code: str
) -> None:
    made = trip(
        mysql_server,
        new_database,
        f"CREATE TABLE c (a varchar(10) CHARACTER SET {charset}, b text CHARACTER SET {charset});"
        f"INSERT INTO c VALUES (0x{code}, 'plain')",
    )
    assert not made.same_values
    assert made.named["c"].startswith("c (a): characters have no twin in utf8mb4")


def test_characters_with_a_twin_are_not_named(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    made = trip(
        mysql_server,
        new_database,
        "CREATE TABLE c (a varchar(10) CHARACTER SET sjis, b varchar(10) CHARACTER SET gbk,"
        " c varchar(10) CHARACTER SET latin1, d varchar(10) CHARACTER SET ucs2, e varchar(10) CHARACTER SET"
        " utf16, f varchar(10) CHARACTER SET utf32, g enum('日','本') CHARACTER SET ujis, h set('日','本','')"
        " CHARACTER SET sjis, i text CHARACTER SET big5); SET sql_mode = '';"
        "INSERT INTO c VALUES ('日本', '中文', 'é€', '日本', '日🎉', '🎉', '日', 7, '中'),"
        " (NULL, '', '', '', '', '', NULL, 2, ''), ('', '', '', '', '', '', 'nonesuch', 0, NULL)",
    )
    assert made.same_values
    assert made.findings == ()


def test_the_character_sets_that_are_not_looked_at_return_whole(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    known = {line.split("\t")[0] for line in run_sql(mysql_server, "SHOW CHARACTER SET").splitlines()}
    safe = known - {*LOSSY_SETS, "binary"}
    assert "latin1" in safe
    connection = connect(mysql_server, database)
    try:
        with connection.cursor() as cursor:
            for charset in sorted(safe):
                width = 4 if charset == "utf32" else 2 if charset in ("utf16", "utf16le") else 1
                cursor.execute("SET sql_mode = ''")
                cursor.execute(f"CREATE TABLE c (a varchar(2) CHARACTER SET {charset})")
                codes = range(0, 1 << 8 * min(width, 2), 1 if width == 1 else 7)
                rows = ",".join(f"(0x{code:0{2 * width}x})" for code in codes)
                cursor.execute(f"INSERT IGNORE INTO c VALUES {rows}")
                cursor.execute(
                    "SELECT HEX(a) FROM c WHERE CAST(CONVERT(CONVERT(a USING utf8mb4) USING"
                    f" {charset}) AS BINARY) <> CAST(a AS BINARY)"
                )
                assert cursor.fetchall() == (), charset
                cursor.execute("DROP TABLE c")
    finally:
        connection.close()


@pytest.mark.limitation("mysql-json")
@pytest.mark.parametrize(
    "document",
    [
        "JSON_OBJECT('a', CAST('123456789.123456789123456789' AS DECIMAL(40,18)))",
        "JSON_ARRAY(CAST(1.10 AS DECIMAL(3,2)))",
        "JSON_OBJECT('d', CAST('2020-01-01' AS DATE))",
        "JSON_OBJECT('b', JSON_ARRAY(x'ff00'))",
    ],
)
def test_json_with_what_a_text_cannot_say_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase, document: str
) -> None:
    only_on(mysql_server, "mysql")
    made = trip(
        mysql_server,
        new_database,
        f"CREATE TABLE j (a json, b json); INSERT INTO j VALUES ({document}, '[1, 2.5, 1e300, \"x\", null]')",
    )
    assert not made.same_values
    assert made.named["j"].startswith("j (a): JSON documents hold decimals")


def test_json_that_was_changed_in_place_is_not_named(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    only_on(mysql_server, "mysql")
    made = trip(
        mysql_server,
        new_database,
        """CREATE TABLE j (a json); INSERT INTO j VALUES ('{"a": "a long string", "b": 2.5}');"""
        """UPDATE j SET a = JSON_SET(a, '$.a', 'short')""",
    )
    assert made.findings == ()


@pytest.mark.limitation("mysql-enum")
def test_an_invalid_value_of_an_enum_with_an_empty_member_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql_server,
        new_database,
        "SET sql_mode = ''; CREATE TABLE e (a enum('x', '', 'y'), b enum('x', ''), c enum('x', 'y'));"
        "INSERT INTO e VALUES ('nonesuch', '', 'nonesuch')",
    )
    assert not made.same_values
    assert made.named == {"e": "e (a): values outside of the ENUM's list return as its member ''"}


@pytest.mark.limitation("mysql-generated-backslashes")
def test_stored_values_whose_backslashes_are_read_otherwise_are_named(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql,
        new_database,
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES';"
        "CREATE TABLE g (a varchar(50), s varchar(50) AS (CONCAT(a, '\\x')) STORED,"
        " v varchar(50) AS (CONCAT(a, '\\y')) VIRTUAL, plain varchar(50) AS (CONCAT(a, '%s')) STORED);"
        "INSERT INTO g (a) VALUES (NULL), ('c:')",
    )
    assert not made.same_values
    assert set(made.named) == {"g"}
    assert made.named["g"].startswith("g (s): generated values were computed under NO_BACKSLASH_ESCAPES")


def test_stored_values_that_are_computed_the_same_are_not_named(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql,
        new_database,
        "CREATE TABLE g (a varchar(50) COLLATE utf8mb4_bin, s varchar(50) AS (CONCAT(a, '\\\\x\\n\\'\"%s{}'))"
        " STORED, n int AS (LENGTH(REPLACE(a, '\\\\', ''))) STORED,"
        " l varchar(50) CHARACTER SET latin1 AS (CONCAT(a, '\\\\é')) STORED);"
        "INSERT INTO g (a) VALUES (NULL), ('c:\\\\d'), ('É')",
    )
    assert made.same_values
    assert made.findings == ()


def test_history_is_looked_at_too(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    only_on(mysql_server, "mariadb")
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE h (f float) WITH SYSTEM VERSIONING; INSERT INTO h VALUES (1234567); UPDATE h SET f = 1",
        database,
    )
    assert [finding.object for finding in plan_of(mysql_server, database).findings] == ["h"]


def test_values_that_cannot_be_looked_at_in_time_are_named_as_such(
    mysql_server: ScratchServer, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database(mysql_server)
    double = "INSERT INTO f SELECT f + 1 FROM f;" * 18
    run_sql(mysql_server, f"CREATE TABLE f (f float); INSERT INTO f VALUES (1); {double}", database)
    assert plan_of(mysql_server, database).findings == ()
    monkeypatch.setattr(losses, "_PATIENCE", 0.005)
    (finding,) = plan_of(mysql_server, database).findings
    assert finding.what.startswith("f (f): not all values could be looked at; it may be that FLOAT")


def test_a_table_that_may_not_be_read_is_named_for_that_alone(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE f (f float); INSERT INTO f VALUES (1234567)", database)
    with account(mysql_server, f"INSERT ON {database}.*") as credential:
        found = plan_of(mysql_server, database, credential).findings
    assert {finding.severity for finding in found} == {Severity.PRIVILEGE}


@pytest.mark.limitation("mysql-negative-zero")
def test_the_sign_of_zero_is_lost_and_the_number_is_equal(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    only_on(mysql_server, "mysql")
    made = trip(mysql_server, new_database, "CREATE TABLE z (a double); INSERT INTO z VALUES (-0e0)")
    assert b"VALUES (-0)" in made.script
    assert not made.same_values
    assert made.findings == ()


# ---------------------------------------------------------------------------- cured by how rows are loaded


@pytest.mark.limitation("mysql-impossible-dates")
def test_dates_that_no_calendar_has_come_back(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    made = trip(
        mysql_server,
        new_database,
        "SET sql_mode = 'ALLOW_INVALID_DATES';"
        "CREATE TABLE d (a date NOT NULL DEFAULT '2004-02-30', b datetime(6), c timestamp NULL);"
        "INSERT INTO d VALUES (DEFAULT, '2003-02-31 01:02:03.5', '0000-00-00'),"
        " ('0000-00-00', '2004-00-15', NULL)",
    )
    assert made.same_values


@pytest.mark.limitation("mysql-check-constraints")
def test_rows_that_break_a_check_constraint_come_back(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    only_on(mysql_server, "mariadb")
    made = trip(
        mysql_server,
        new_database,
        "CREATE TABLE c (a int CHECK (a > 0), CONSTRAINT k CHECK (a < 100));"
        "SET check_constraint_checks = OFF; INSERT INTO c VALUES (-1), (1000)",
    )
    assert made.same_values


@pytest.mark.limitation("mysql-archive-numbers")
def test_rows_of_archive_tables_come_back(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    if mysql_server.flavour == "mariadb":
        install_archive(mysql_server)
    column = "int AUTO_INCREMENT PRIMARY KEY COMMENT ') ENGINE=ARCHIVE AUTO_INCREMENT=9'"
    made = trip(
        mysql_server,
        new_database,
        f"CREATE TABLE a (`x\n) ENGINE=ARCHIVE AUTO_INCREMENT=9` {column}, b int) ENGINE=ARCHIVE COMMENT 'c';"
        "INSERT INTO a VALUES (5, 1), (20, 2); INSERT INTO a (b) VALUES (3);"
        f"CREATE TABLE i (`x\n) ENGINE=ARCHIVE AUTO_INCREMENT=9` {column}) ENGINE=InnoDB AUTO_INCREMENT=50",
    )
    assert made.same_values
    added = "INSERT INTO a (b) VALUES (4); INSERT INTO i VALUES (NULL); SELECT LAST_INSERT_ID();"
    assert run_sql(
        mysql_server, f"{added} SELECT MAX(`x\n) ENGINE=ARCHIVE AUTO_INCREMENT=9`) FROM a", made.copy
    ).split() == ["50", "22"]
    shown = run_sql(mysql_server, "SHOW CREATE TABLE a", made.copy)
    assert "COMMENT ') ENGINE=ARCHIVE AUTO_INCREMENT=9'" in shown
    assert "COMMENT='c'" in shown


@pytest.mark.limitation("mysql-histograms")
def test_histograms_come_back(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    only_on(mysql_server, "mysql")
    made = trip(
        mysql_server,
        new_database,
        "CREATE TABLE a (x int, y int); INSERT INTO a VALUES (1, 2), (3, 4);"
        "ANALYZE TABLE a UPDATE HISTOGRAM ON x, y WITH 7 BUCKETS; CREATE TABLE b (x int)",
    )
    assert made.script.count(b"UPDATE HISTOGRAM") == 2
    kept = run_sql(
        mysql_server,
        "SELECT COUNT(*), COUNT(DISTINCT JSON_REMOVE(histogram, '$.\"last-updated\"'))"
        " FROM information_schema.column_statistics WHERE table_name = 'a'",
    )
    assert kept.split() == ["4", "2"]


@pytest.mark.limitation("mysql-persistent-statistics")
def test_statistics_that_the_server_keeps_elsewhere_are_named(
    mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mariadb,
        new_database,
        "CREATE TABLE a (x int); CREATE TABLE b (x int); ANALYZE TABLE a PERSISTENT FOR ALL",
    )
    (finding,) = made.findings
    assert (finding.object, finding.severity) == ("a", Severity.WARNING)
    assert "statistics" in finding.what
    kept = f"SELECT COUNT(*) FROM mysql.table_stats WHERE db_name = '{made.copy}'"
    assert run_sql(mariadb, kept).strip() == "0"


# ---------------------------------------------------------------------------- events


@pytest.mark.limitation("mysql-events-over")
@pytest.mark.parametrize("scheduler", ["ON", "OFF"])
def test_events_whose_time_is_over_come_back_and_are_not_executed(
    mysql_server: ScratchServer, new_database: NewDatabase, scheduler: str
) -> None:
    replica = "REPLICA" if mysql_server.flavour == "mysql" else "SLAVE"
    insert = "DO INSERT INTO fired VALUES (1)"
    once, often = "AT '2020-01-02'", "EVERY 1 SECOND STARTS '2020-01-01' ENDS '2020-02-01'"
    before = run_sql(mysql_server, "SELECT @@GLOBAL.event_scheduler").strip()
    run_sql(mysql_server, "SET GLOBAL event_scheduler = OFF")
    database, copy = new_database(mysql_server), new_database(mysql_server)
    try:
        run_sql(
            mysql_server,
            "CREATE TABLE fired (a int); SET timestamp = UNIX_TIMESTAMP('2019-01-01');"
            f"CREATE EVENT once ON SCHEDULE {once} {insert}; CREATE EVENT often ON SCHEDULE {often} {insert};"
            f"CREATE EVENT off ON SCHEDULE {once} DISABLE {insert};"
            f"CREATE EVENT kept ON SCHEDULE {once} ON COMPLETION PRESERVE DISABLE {insert};"
            f"CREATE EVENT replica ON SCHEDULE {once} DISABLE ON {replica} {insert};"
            "SET time_zone = '+05:00';"
            f"CREATE EVENT later ON SCHEDULE AT '2037-01-01' {insert}",
            database,
        )
        states = (
            "SELECT event_name, REPLACE(status, 'ENABLED', 'DISABLED'), on_completion, execute_at, starts,"
            " ends, time_zone FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY 1"
        )
        wanted = run_sql(mysql_server, states, database)
        (finding,) = plan_of(mysql_server, database).findings
        assert "is over: off, often, once, replica: " in finding.what
        script = dumped(mysql_server, database).stdout
        run_sql(mysql_server, f"SET GLOBAL event_scheduler = {scheduler}")
        restored(mysql_server, copy, script)
        assert run_sql(mysql_server, states, copy) == wanted
        left_on = (
            "SELECT event_name FROM information_schema.events"
            " WHERE event_schema = DATABASE() AND status = 'ENABLED'"
        )
        assert run_sql(mysql_server, left_on, copy).split() == ["later"]
        assert run_sql(mysql_server, "SELECT SLEEP(1.2); SELECT COUNT(*) FROM fired", copy).split()[1] == "0"
    finally:
        run_sql(mysql_server, f"SET GLOBAL event_scheduler = {before}")
