"""Values of ENUM and SET columns that return as other members, or as none, are named beforehand."""

from __future__ import annotations

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import dumped, plan_of, restored, trip
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Severity
from vya_backupdb.scratch import ScratchServer

_ALIKE = "return as another member of the list, which is the same under the column's collation"


@pytest.mark.limitation("mysql-members-alike")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("enum('a', 'A', 'b') COLLATE utf8mb4_general_ci", "2"),
        ("set('a', 'A', 'b') COLLATE utf8mb4_general_ci", "6"),
        ("enum('b', 'e', 'é') CHARACTER SET latin1", "3"),
        ("enum('ss', 'x''\\\\\\n', 'ß') COLLATE utf8mb4_unicode_ci", "3"),
    ],
)
def test_a_value_whose_member_has_a_twin_before_it_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase, column: str, value: str
) -> None:
    made = trip(
        mysql_server,
        new_database,
        f"SET sql_mode = ''; CREATE TABLE e (a {column}, other {column}); INSERT INTO e VALUES ({value}, 1)",
    )
    assert not made.same_values
    (finding,) = made.findings
    assert (finding.object, finding.severity) == ("e", Severity.WARNING)
    assert finding.what == f"e (a): values {_ALIKE}"


@pytest.mark.limitation("mysql-members-alike")
def test_the_last_of_many_members_is_looked_at(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    many = ", ".join(f"'m{number}'" for number in range(1500))
    bits = ", ".join(f"'m{number}'" for number in range(62))
    made = trip(
        mysql_server,
        new_database,
        f"SET sql_mode = ''; CREATE TABLE e (a enum({many}, 'M7') COLLATE utf8mb4_general_ci,"
        f" b set({bits}, 'x', 'M7') COLLATE utf8mb4_general_ci); INSERT INTO e VALUES (1501, {1 << 63 | 1})",
    )
    assert not made.same_values
    assert made.named == {"e": f"e (a, b): values {_ALIKE}"}


def test_values_that_come_back_as_their_members_are_not_named(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    made = trip(
        mysql_server,
        new_database,
        "SET sql_mode = ''; CREATE TABLE e (a enum('a', 'A') COLLATE utf8mb4_general_ci,"
        " b enum('a', 'A') COLLATE utf8mb4_bin, c set('e', 'é', '?') COLLATE utf8mb4_bin,"
        " d enum('é?', '?', 'it''s\\\\') CHARACTER SET latin1, f enum('é', 'E', 'e') CHARACTER SET binary,"
        " g set('?', 'y', 'x', '') CHARACTER SET utf8mb3 COLLATE utf8mb3_bin);"
        "INSERT INTO e VALUES (1, 2, 3, 1, 1, 1), (NULL, 1, 7, 3, 3, 7), (1, 1, 0, 2, 2, 2)",
    )
    assert made.same_values
    assert made.findings == ()


@pytest.mark.limitation("mysql-members-unwritten")
@pytest.mark.parametrize("kind", ["enum", "set"])
def test_a_value_whose_member_is_written_as_question_marks_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase, kind: str
) -> None:
    made = trip(
        mysql_server,
        new_database,
        f"CREATE TABLE e (a {kind}('😀', '😁', 'b'), c {kind}('😀', 'b')) COLLATE utf8mb4_bin;"
        "INSERT INTO e VALUES (1, 2), (3, 2)",
    )
    assert not made.same_values
    (finding,) = made.findings
    assert finding.what.startswith("e (a): values return as ''")


@pytest.mark.limitation("mysql-members-unwritten")
def test_a_binary_member_that_is_no_utf8_is_named(mariadb: ScratchServer, new_database: NewDatabase) -> None:
    database, copy = new_database(mariadb), new_database(mariadb)
    made = b"SET NAMES latin1; CREATE TABLE e (a enum('\xe9', 'b') CHARACTER SET binary);"
    run_sql(mariadb, made + b"INSERT INTO e VALUES (1), (2)", database)
    (finding,) = plan_of(mariadb, database).findings
    assert finding.what.startswith("e (a): values return as ''")
    restored(mariadb, copy, dumped(mariadb, database).stdout)
    assert run_sql(mariadb, "SELECT a + 0 FROM e", copy).split() == ["0", "2"]


@pytest.mark.limitation("mysql-set-empty")
@pytest.mark.parametrize(("value", "returns"), [(2, 0), (6, 4), (3, 3), (7, 7), (5, 5), (0, 0)])
def test_a_set_whose_first_member_is_empty_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase, value: int, returns: int
) -> None:
    made = trip(
        mysql_server,
        new_database,
        f"CREATE TABLE e (a set('x', '', 'y'), other set('x', 'y')); INSERT INTO e VALUES ({value}, 1)",
    )
    assert run_sql(mysql_server, "SELECT a + 0 FROM e", made.copy).strip() == str(returns)
    assert made.same_values == (value == returns)
    whats = [finding.what for finding in made.findings]
    named = ["e (a): the member '' of a SET is written as nothing before others or alone, and is gone"]
    assert whats == ([] if value == returns else named)


# ---------------------------------------------------------------------------- defaults

_SHOW_DEFAULT = "SELECT HEX(DEFAULT(a)), HEX(DEFAULT(b)) FROM (SELECT 1 AS one) AS x LEFT JOIN d ON FALSE"


@pytest.mark.limitation("mysql-definitions-unwritten")
def test_a_default_that_is_written_as_question_marks_is_named(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database, copy = new_database(mysql_server), new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE d (a varchar(9) DEFAULT 'it''s 😀?', b varchar(9) DEFAULT 'why?',"
        " c varchar(9) DEFAULT (CONCAT('😀', '?')), e enum('?', 'b') DEFAULT '?')"
        " COLLATE utf8mb4_bin COMMENT '😀'",
        database,
    )
    findings = plan_of(mysql_server, database).findings
    restored(mysql_server, copy, dumped(mysql_server, database).stdout)
    same = run_sql(mysql_server, _SHOW_DEFAULT, copy) == run_sql(mysql_server, _SHOW_DEFAULT, database)
    assert "COMMENT='?'" in run_sql(mysql_server, "SHOW CREATE TABLE d", copy)
    if mysql_server.flavour == "mysql":
        assert same
        assert findings == ()
        return
    assert not same
    assert [finding.severity for finding in findings] == [Severity.WARNING]
    assert findings[0].what.startswith("d (a): the server writes the default with `?`")


@pytest.mark.limitation("mysql-definitions-unwritten")
def test_a_member_as_default_that_is_written_as_a_question_mark_is_a_fault_on_mysql(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    database, copy = new_database(mysql), new_database(mysql)
    run_sql(
        mysql,
        "CREATE TABLE d (a enum('😀', 'b') DEFAULT '😀', b set('😀', 'b') DEFAULT 'b') COLLATE utf8mb4_bin",
        database,
    )
    (finding,) = plan_of(mysql, database).findings
    assert (finding.object, finding.severity) == ("d", Severity.FAULT)
    assert finding.what.startswith("d (a): the server writes the member that is the default as `?`")
    with pytest.raises(StatementFailed, match="1067"):
        restored(mysql, copy, dumped(mysql, database).stdout)
