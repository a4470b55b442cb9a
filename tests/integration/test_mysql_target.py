"""What the preflight of a restore says is held against what the server then does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from scripts.sample.clients import plain_dump, run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import (
    account,
    account_while_writable,
    connected,
    dumped,
    examined,
    only_on,
    privilege_findings,
    restored,
    superuser,
)
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Finding, MySQLDefinition, Severity
from vya_backupdb.scratch import ScratchServer, start

OBJECTS = """
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1), (2);
CREATE TABLE t (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id));
INSERT INTO t VALUES (1, 2), (2, 2);
CREATE VIEW v AS SELECT * FROM t;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @x = 1;
CREATE PROCEDURE p() SELECT 1;
CREATE FUNCTION f() RETURNS int DETERMINISTIC NO SQL RETURN 1;
CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO SELECT 1;
"""
OF_MARIADB = "CREATE SEQUENCE s; SELECT NEXTVAL(s);"


def script_of(server: ScratchServer, database: str) -> bytes:
    done = dumped(server, database)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def database(mysql_server: ScratchServer, new_database: NewDatabase) -> str:
    name = new_database(mysql_server)
    run_sql(mysql_server, OBJECTS + (OF_MARIADB if mysql_server.flavour == "mariadb" else ""), name)
    return name


@pytest.fixture
def free_name(mysql_server: ScratchServer) -> Iterator[str]:
    """The name of a database that is not there, dropped after the test."""
    name = f"r_{secrets.token_hex(4)}"
    yield name
    run_sql(mysql_server, f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def trusting(mysql_server: ScratchServer) -> Iterator[None]:
    """A server that lets accounts without SUPER create triggers and functions."""
    run_sql(mysql_server, "SET GLOBAL log_bin_trust_function_creators = ON")
    yield
    run_sql(mysql_server, "SET GLOBAL log_bin_trust_function_creators = OFF")


def same(server: ScratchServer, one: str, other: str) -> bool:
    """Whether two databases are dumped the same; the tools name them in comments."""
    return plain_dump(server, one).replace(one.encode(), other.encode()) == plain_dump(server, other)


def faults(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.severity is not Severity.WARNING]


def header(database: str = "elsewhere") -> bytes:
    return f"-- MySQL dump 10.13\n--\n-- Host: localhost    Database: {database}\n".encode() + (
        b"-- ------------------------------------------------------\n"
        b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n"
    )


def script(*statements: str, database: str = "elsewhere") -> bytes:
    body = "".join(f"{statement};\n" for statement in statements).encode()
    return header(database) + b"\n" + body + b"\n-- Dump completed\n"


def table(options: str = "", columns: str = "`id` int NOT NULL,\n  PRIMARY KEY (`id`)") -> str:
    return f"CREATE TABLE `t` (\n  {columns}\n) ENGINE=InnoDB{options}"


def stored(text: str) -> str:
    return f"DELIMITER ;;\n{text} ;;\nDELIMITER ;\nSET @a = 1"


# ---------------------------------------------------------------------------- privileges


def test_the_superuser_is_told_of_nothing_and_the_restore_is_the_same(
    mysql_server: ScratchServer, database: str, free_name: str
) -> None:
    dump = script_of(mysql_server, database)
    assert examined(mysql_server, free_name, dump.replace(database.encode(), free_name.encode())) == []
    restored(mysql_server, free_name, dump)
    assert same(mysql_server, free_name, database)


@pytest.mark.usefixtures("trusting")
def test_the_named_grants_are_enough_for_a_restore(
    mysql_server: ScratchServer, database: str, free_name: str
) -> None:
    dump = script_of(mysql_server, database).replace(database.encode(), free_name.encode())
    with account(mysql_server, "SELECT ON mysql.*") as credential:
        missing = privilege_findings(tuple(examined(mysql_server, free_name, dump, credential)))
        assert missing
        for cure in dict.fromkeys(finding.cure for finding in missing):
            run_sql(mysql_server, cure or "")
        assert examined(mysql_server, free_name, dump, credential) == []
        restored(mysql_server, free_name, dump, credential)
    assert same(mysql_server, free_name, database)


@pytest.mark.usefixtures("trusting")
@pytest.mark.limitation("mysql-definers")
def test_without_the_privilege_for_other_definers_it_fails_and_was_foretold(
    mysql_server: ScratchServer, database: str, free_name: str
) -> None:
    dump = script_of(mysql_server, database)
    with account(mysql_server, f"ALL ON `{free_name}`.*") as credential:
        said = " ".join(faults(examined(mysql_server, free_name, dump, credential)))
        assert "root@localhost" in said
        assert ("SET USER" if mysql_server.flavour == "mariadb" else "SET_ANY_DEFINER") in said
        with pytest.raises(StatementFailed, match=r"\(1227\)"):
            restored(mysql_server, free_name, dump, credential)


def test_definers_that_the_account_cannot_look_up_are_a_warning(
    mysql_server: ScratchServer, free_name: str
) -> None:
    dump = script(stored("CREATE DEFINER=`someone`@`%` PROCEDURE `p`() SELECT 1"))
    with account(mysql_server, f"ALL ON `{free_name}`.*") as credential:
        findings = examined(mysql_server, free_name, dump, credential)
    assert [finding.severity for finding in findings] == [Severity.PRIVILEGE, Severity.WARNING]
    assert "someone@%" in findings[1].what


def test_own_objects_need_no_privilege_for_definers(mysql_server: ScratchServer, free_name: str) -> None:
    with account(mysql_server, f"ALL ON `{free_name}`.*") as credential:
        own = script(stored(f"CREATE DEFINER=`{credential.username}`@`%` PROCEDURE `p`() SELECT 1"))
        assert examined(mysql_server, free_name, own, credential) == []
        restored(mysql_server, free_name, own, credential)


def test_a_definer_that_does_not_exist_is_a_warning(mysql_server: ScratchServer, free_name: str) -> None:
    dump = script(stored("CREATE DEFINER=`no``body`@`10.%` PROCEDURE `p`() SELECT 1"))
    (finding,) = examined(mysql_server, free_name, dump)
    assert finding.severity is Severity.WARNING
    assert "no`body@10.%" in finding.what
    restored(mysql_server, free_name, dump)


def test_a_missing_definer_needs_a_privilege_of_its_own_on_mysql(
    mysql_server: ScratchServer, free_name: str
) -> None:
    only_on(mysql_server, "mysql")
    dump = script(stored("CREATE DEFINER=`nobody`@`%` PROCEDURE `p`() SELECT 1"))
    grants = (f"ALL ON `{free_name}`.*", "SET_ANY_DEFINER ON *.*", "SELECT ON mysql.*")
    with account(mysql_server, *grants) as credential:
        assert "ALLOW_NONEXISTENT_DEFINER" in " ".join(
            faults(examined(mysql_server, free_name, dump, credential))
        )
        with pytest.raises(StatementFailed, match="ALLOW_NONEXISTENT_DEFINER"):
            restored(mysql_server, free_name, dump, credential)


def test_a_system_account_as_definer_needs_system_user_on_mysql(
    mysql_server: ScratchServer, free_name: str
) -> None:
    only_on(mysql_server, "mysql")
    dump = script(stored("CREATE DEFINER=`root`@`localhost` PROCEDURE `p`() SELECT 1"))
    with account(
        mysql_server, f"ALL ON `{free_name}`.*", "SET_ANY_DEFINER ON *.*", "SELECT ON mysql.*"
    ) as credential:
        (fault,) = faults(examined(mysql_server, free_name, dump, credential))
        assert "SYSTEM_USER" in fault
        with pytest.raises(StatementFailed, match="SYSTEM_USER"):
            restored(mysql_server, free_name, dump, credential)


# ---------------------------------------------------------------------------- the server's settings


@pytest.fixture(scope="module")
def strict(mysql_server: ScratchServer) -> Iterator[ScratchServer]:
    """A server with a binary log and a small packet."""
    settings: dict[str, str | int] = {"log-bin": "binlog", "server-id": 3, "max-allowed-packet": "1M"}
    with start(mysql_server.binaries, settings=settings) as server:
        run_sql(server, "CREATE DATABASE r")
        yield server


FUNCTION = "CREATE DEFINER=`root`@`localhost` FUNCTION `f{}`() RETURNS int {} RETURN 1"


@pytest.mark.limitation("mysql-binary-log")
def test_functions_that_promise_nothing_are_refused_with_the_binary_log(strict: ScratchServer) -> None:
    dump = script(stored(FUNCTION.format(1, "")))
    (finding,) = examined(strict, "r", dump)
    assert "(1418): f1" in finding.what
    with pytest.raises(StatementFailed, match=r"\(1418\)"):
        restored(strict, "r", dump)
    good = script(stored(FUNCTION.format(2, "NO SQL")))
    assert examined(strict, "r", good) == []
    restored(strict, "r", good)
    assert finding.cure is not None
    run_sql(strict, finding.cure)
    try:
        assert examined(strict, "r", dump) == []
        restored(strict, "r", dump)
    finally:
        run_sql(strict, "SET GLOBAL log_bin_trust_function_creators = OFF")


@pytest.mark.limitation("mysql-binary-log")
def test_triggers_need_super_with_the_binary_log(strict: ScratchServer) -> None:
    with account(strict, "ALL ON r.*") as credential:
        dump = script(
            "CREATE TABLE `tt` (`a` int)",
            stored(
                f"CREATE DEFINER=`{credential.username}`@`%` TRIGGER `x` BEFORE INSERT ON `tt` "
                "FOR EACH ROW SET @a=1"
            ),
        )
        (fault,) = faults(examined(strict, "r", dump, credential))
        assert "(1419)" in fault
        with pytest.raises(StatementFailed, match=r"\(1419\)"):
            restored(strict, "r", dump, credential)


@pytest.mark.parametrize("where", ["rows", "definitions"])
@pytest.mark.limitation("mysql-packets")
def test_a_statement_larger_than_the_packet_is_told_with_a_value_that_is_enough(
    strict: ScratchServer, where: str
) -> None:
    large = 1_500_000
    if where == "rows":
        (finding,) = examined(strict, "r", script(table()), largest_statement=large)
    else:
        (finding,) = examined(strict, "r", script(stored(f"CREATE PROCEDURE `p`() SELECT '{'x' * large}'")))
    assert "max_allowed_packet is 1,048,576" in finding.what
    assert finding.cure == "SET GLOBAL max_allowed_packet = 2097152"


def test_a_read_only_server_is_told(strict: ScratchServer) -> None:
    run_sql(strict, "SET GLOBAL read_only = ON")
    try:
        with account_while_writable(strict) as credential:
            (fault,) = faults(examined(strict, "r", script(table()), credential))
            assert "read-only (read_only is on)" in fault
            with pytest.raises(StatementFailed, match=r"\(1290\)"):
                restored(strict, "r", script(table()), credential)
        if strict.flavour == "mysql":
            assert examined(strict, "r", script(table())) == []
            run_sql(strict, "SET GLOBAL super_read_only = ON")
            (fault,) = faults(examined(strict, "r", script(table())))
            assert "super_read_only" in fault
    finally:
        run_sql(strict, "SET GLOBAL read_only = OFF")


@pytest.mark.limitation("mysql-primary-keys")
def test_tables_without_a_primary_key_are_told_where_one_is_required(mysql_server: ScratchServer) -> None:
    only_on(mysql_server, "mysql")
    with start(mysql_server.binaries, settings={"sql-require-primary-key": "ON"}) as server:
        run_sql(server, "CREATE DATABASE r")
        dump = script(table(columns="`a` int"))
        (fault,) = faults(examined(server, "r", dump))
        assert "without a primary key (sql_require_primary_key): t" in fault
        with pytest.raises(StatementFailed, match=r"\(3750\)"):
            restored(server, "r", dump)
        assert examined(server, "r", script(table())) == []


@pytest.mark.limitation("mysql-case")
def test_tables_that_differ_by_case_only_are_told_where_case_is_folded(mariadb: ScratchServer) -> None:
    with start(mariadb.binaries, settings={"lower-case-table-names": 1}) as server:
        dump = script(table(), table().replace("`t`", "`T`"))
        (fault,) = faults(examined(server, "r", dump))
    assert "t and T are one table" in fault


# ---------------------------------------------------------------------------- what a server does not know


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (" DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_no_such_ci", "collation utf8mb4_no_such_ci (t)"),
        (" DEFAULT CHARSET=nonsense", "character set nonsense (t)"),
    ],
)
@pytest.mark.limitation("mysql-unknown-to-the-target")
def test_unknown_collations_and_character_sets_are_told(
    mysql_server: ScratchServer, new_database: NewDatabase, options: str, said: str
) -> None:
    database = new_database(mysql_server)
    (fault,) = faults(examined(mysql_server, database, script(table(options))))
    assert said in fault
    with pytest.raises(StatementFailed, match=r"\((1273|1115)\)"):
        restored(mysql_server, database, script(table(options)))


@pytest.mark.parametrize(
    "options",
    [
        " DEFAULT CHARSET=utf8 COLLATE=utf8_general_ci",
        " DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin COMMENT='COLLATE nonsense'",
        " DEFAULT CHARSET=binary",
        " DEFAULT CHARSET=latin1",
    ],
)
def test_known_ones_and_their_aliases_are_not(
    mysql_server: ScratchServer, new_database: NewDatabase, options: str
) -> None:
    database = new_database(mysql_server)
    assert examined(mysql_server, database, script(table(options))) == []
    restored(mysql_server, database, script(table(options)))


def test_the_collation_of_the_other_flavour_is_told_also_for_the_database(
    mysql_server: ScratchServer,
) -> None:
    other = "utf8mb4_0900_ai_ci" if mysql_server.flavour == "mariadb" else "utf8mb4_uca1400_ai_ci"
    if mysql_server.flavour == "mariadb" and mysql_server.binaries.version_number >= (11, 4):
        pytest.skip("this MariaDB knows MySQL's collations")
    findings = examined(mysql_server, "r", script(table()), definition=MySQLDefinition("utf8mb4", other))
    assert f"collation {other} (the database itself)" in faults(findings)[0]


@pytest.mark.limitation("mysql-unknown-to-the-target")
def test_an_absent_storage_engine_is_told(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    dump = script(table().replace("InnoDB", "Nonesuch"))
    (fault,) = faults(examined(mysql_server, new_database(mysql_server), dump))
    assert "no storage engine Nonesuch (t)" in fault


@pytest.mark.limitation("mysql-unknown-to-the-target")
def test_an_unknown_mode_is_a_fault_and_a_harmless_one_a_warning(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    dump = script(
        "/*!50003 SET sql_mode = 'NO_SUCH_MODE' */",
        stored("CREATE DEFINER=`root`@`localhost` PROCEDURE `p`() SELECT 1"),
    )
    (fault,) = faults(examined(mysql_server, database, dump))
    assert "sql_mode NO_SUCH_MODE" in fault
    harmless = dump.replace(b"NO_SUCH_MODE", b"NO_AUTO_CREATE_USER")
    findings = examined(mysql_server, database, harmless)
    assert [finding.severity for finding in findings] == [Severity.WARNING] * (
        mysql_server.flavour == "mysql"
    )
    restored(mysql_server, database, harmless)


def test_an_unknown_setting_of_the_header_is_a_warning(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    dump = script("/*!40101 SET @OLD_NEW=@@BRAND_NEW, BRAND_NEW=0 */", table())
    (finding,) = examined(mysql_server, database, dump)
    assert finding.severity is Severity.WARNING
    assert "brand_new" in finding.what
    restored(mysql_server, database, dump)


@pytest.mark.limitation("mysql-default-collations")
def test_a_collation_that_an_older_server_did_not_write_is_told(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    dump = script(table(" DEFAULT CHARSET=utf8mb4"))
    restored(mysql_server, database, dump)
    became = run_sql(
        mysql_server,
        "SELECT table_collation FROM information_schema.tables WHERE table_schema = DATABASE()",
        database,
    ).strip()
    said = [finding.what for finding in examined(mysql_server, database, dump)]
    assert [what.endswith(f"here it becomes {became}") for what in said] == (
        [] if became == "utf8mb4_general_ci" else [True]
    )
    written = table(" DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='CHARSET=utf8mb4'")
    assert examined(mysql_server, database, script(written)) == []


@pytest.mark.limitation("mysql-other-flavour")
def test_a_dump_of_the_other_flavour_is_told_with_what_cannot_be_read(
    mysql: ScratchServer, mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    source = new_database(mariadb)
    run_sql(mariadb, "CREATE SEQUENCE s; CREATE TABLE h (a int) WITH SYSTEM VERSIONING", source)
    with connected(mariadb) as connector:
        facts = connector.facts
    findings = examined(mysql, source, script_of(mariadb, source), facts=facts)
    said = " ".join(finding.what for finding in findings)
    assert "made on MariaDB" in said
    assert "does not know sequences (s)" in said
    assert "does not know system versioning (h)" in said


@pytest.mark.limitation("mysql-other-flavour")
@pytest.mark.parametrize(
    ("column", "named"),
    [
        ("a uuid", "UUID"),
        ("a inet6 NOT NULL", "INET6"),
        ("a int, p date, q date, PERIOD FOR app (p, q)", "periods"),
        ("a varchar(9) DEFAULT (CONCAT('a', 'b'))", "expressions as defaults"),
        ("a text DEFAULT 'x'", "defaults of text and blobs"),
        ("a int INVISIBLE DEFAULT 7, b int", None),
        ("a timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()", None),
        ("a text DEFAULT NULL, b varchar(99) COMPRESSED DEFAULT 'text DEFAULT 1'", None),
    ],
)
def test_columns_of_mariadb_that_mysql_cannot_read_are_told(
    mysql: ScratchServer, mariadb: ScratchServer, new_database: NewDatabase, column: str, named: str | None
) -> None:
    source, copy = new_database(mariadb), new_database(mysql)
    run_sql(mariadb, f"CREATE TABLE t ({column}) CHARSET utf8mb4 COLLATE utf8mb4_general_ci", source)
    dump = script_of(mariadb, source)
    found = faults(examined(mysql, copy, dump))
    if named is None:
        assert found == []
        restored(mysql, copy, dump)
        return
    (fault,) = found
    assert named in fault
    with pytest.raises(StatementFailed):
        restored(mysql, copy, dump)


@pytest.mark.limitation("mysql-later-times")
def test_history_of_a_newer_mariadb_is_refused_by_an_older(
    mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mariadb)
    run_sql(mariadb, "CREATE TABLE h (a int) WITH SYSTEM VERSIONING; INSERT INTO h VALUES (1)", database)
    dump = script_of(mariadb, database)
    with connected(mariadb) as connector:
        newer = replace(connector.facts, version="99.1.0", version_number=(99, 1, 0))
    found = faults(examined(mariadb, database, dump, facts=newer))
    assert [("history of system-versioned tables" in fault) for fault in found] == (
        [True] if mariadb.binaries.version_number < (11, 5) else []
    )


def test_an_encrypted_database_needs_a_keyring(mysql: ScratchServer) -> None:
    definition = MySQLDefinition("utf8mb4", "utf8mb4_bin", encryption=True)
    (fault,) = faults(examined(mysql, "r", script(table()), definition=definition))
    assert "no keyring" in fault


# ---------------------------------------------------------------------------- copies


@pytest.mark.limitation("mysql-absent-databases")
def test_a_view_on_a_database_that_is_not_here_is_told(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    source, other = new_database(mysql_server), new_database(mysql_server)
    run_sql(
        mysql_server,
        f"CREATE TABLE t (a int); CREATE TABLE {other}.u (a int);"
        f"CREATE VIEW own AS SELECT a FROM {source}.t;"
        f"CREATE VIEW v AS SELECT t.a FROM t JOIN {other}.u ON u.a = t.a",
        source,
    )
    dump = script_of(mysql_server, source)
    assert examined(mysql_server, source, dump) == []
    run_sql(mysql_server, f"DROP DATABASE {other}")
    (finding,) = examined(mysql_server, source, dump)
    assert finding.severity is Severity.WARNING
    assert f"the view v reads the database {other}" in finding.what
    run_sql(mysql_server, f"CREATE DATABASE {other}")


@pytest.mark.limitation("mysql-copies")
def test_a_sequence_in_a_default_of_a_copy_is_told(mariadb: ScratchServer, new_database: NewDatabase) -> None:
    source = new_database(mariadb)
    run_sql(mariadb, "CREATE SEQUENCE s; CREATE TABLE t (a int DEFAULT nextval(s))", source)
    (fault,) = faults(examined(mariadb, f"{source}_copy", script_of(mariadb, source)))
    assert "table t" in fault


@pytest.mark.limitation("mysql-copies")
def test_a_copy_whose_objects_name_the_original_is_told(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    source = new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE t (a int); CREATE TABLE log (a int);"
        f"CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO {source}.log VALUES (1);"
        f"CREATE PROCEDURE p() DELETE FROM `{source}`.`log`;"
        f"CREATE PROCEDURE harmless() SELECT '{source}.log';"
        f"CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO DELETE FROM {source} . log;",
        source,
    )
    dump = script_of(mysql_server, source)
    assert examined(mysql_server, source, dump) == []
    (fault,) = faults(examined(mysql_server, f"{source}_copy", dump))
    assert all(name in fault for name in ("trigger tr", "procedure p", "event e"))
    assert "harmless" not in fault


def test_a_plain_dump_without_a_header_is_examined_too(mysql_server: ScratchServer) -> None:
    with connected(mysql_server, superuser(mysql_server)) as connector:
        assert connector.examine_target("r", None, None, iter(())) == []
