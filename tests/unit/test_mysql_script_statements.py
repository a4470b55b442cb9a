"""What a restore does with the statements of a script."""

import pytest

from tests.unit.mysql_script_samples import (
    WHOLE,
    dump,
    events,
    foreign,
    placeholder,
    procedure,
    sections,
    table,
    texts,
    trigger,
    view,
)
from vya_backupdb.engines.mysql.restore.restoring import definers, definitions, statements
from vya_backupdb.engines.mysql.restore.rewriting import kept_disabled, unwrapped, without_database
from vya_backupdb.engines.mysql.script.definitions import Definition, definition
from vya_backupdb.engines.mysql.script.modes import PLAIN, Modes
from vya_backupdb.model import Action, Section, SectionKind, Statement

ANSI = Modes(ansi_quotes=True)


def all_statements(script: bytes) -> list[Statement]:
    return [s for section in foreign(script) for s in statements(section)]


def only(script: bytes) -> Statement:
    (found,) = all_statements(script)
    return found


# ---------------------------------------------------------------------------- what is executed


def test_text_is_without_comments_before_it_and_delimiter() -> None:
    found = only(b"-- a\n\nCREATE TABLE t (a int /* b */) ;\n")
    assert found.text == b"CREATE TABLE t (a int /* b */)"
    assert found.offset == len(b"-- a\n\n")


def test_comments_alone_are_no_statement() -> None:
    assert all_statements(b"-- a\n/* b */;\n;\n") == []


def test_every_statement_of_a_dump_is_executed_but_for_the_delimiters() -> None:
    found = [s for section in sections(WHOLE) for s in statements(section)]
    assert {s.action for s in found} == {Action.EXECUTE, Action.SKIP}
    assert not any(s.text.upper().startswith(b"DELIMITER") for s in found)


def test_rows_are_sent_as_they_are() -> None:
    insert = b"INSERT INTO `t` VALUES (1,'it\\'s;\\n')"
    found = only(insert + b";\n")
    assert (found.text, found.action) == (insert, Action.EXECUTE)


@pytest.mark.parametrize(
    "statement",
    [
        b"LOCK TABLES `t` WRITE",
        b"UNLOCK TABLES",
        b"/*!40000 ALTER TABLE `t` DISABLE KEYS */",
        b"/*!40000 ALTER TABLE `t` ENABLE KEYS */",
        b"SET autocommit=0",
        b"SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0",
        b"START TRANSACTION",
        b"BEGIN",
        b"commit",
    ],
)
def test_what_only_a_serial_client_needs_is_skipped_without_a_word(statement: bytes) -> None:
    found = only(statement + b";\n")
    assert (found.action, found.reason) == (Action.SKIP, None)


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        (b"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'uuid:1-5'", "GTID_PURGED"),
        (b"SET @@SESSION.SQL_LOG_BIN= 0", "SQL_LOG_BIN"),
        (b"SET GLOBAL gtid_slave_pos='0-1-2'", "gtid_slave_pos"),
        (b"CHANGE MASTER TO MASTER_LOG_FILE='b.1', MASTER_LOG_POS=4", "CHANGE MASTER"),
        (b"CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='b.1'", "replication"),
        (b"STOP REPLICA", "replication"),
        (b"FLUSH PRIVILEGES", "FLUSH"),
    ],
)
def test_what_would_change_the_servers_replication_is_skipped_and_told(statement: bytes, word: str) -> None:
    found = only(statement + b";\n")
    assert found.action is Action.SKIP
    assert word in (found.reason or "")


def test_restoring_the_binary_log_setting_is_skipped_without_a_word() -> None:
    script = b"SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;\nSET @@SESSION.SQL_LOG_BIN= 0;\n"
    _, _, last = all_statements(script + b"SET @@SESSION.SQL_LOG_BIN = @MYSQLDUMP_TEMP_LOG_BIN;\n")
    assert (last.action, last.reason) == (Action.SKIP, None)


# ---------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "statement",
    [
        b"USE `other`",
        b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `other` /*!40100 DEFAULT CHARACTER SET utf8mb4 */",
        b"/*!40000 DROP DATABASE IF EXISTS `other`*/",
        b"DROP SCHEMA other",
        b"INSERT INTO `other`.`t` VALUES (1)",
        b"CREATE TABLE other.t (a int)",
        b"DROP TABLE IF EXISTS `other`.`t`",
        b"CREATE PROCEDURE other.p() SELECT 1",
        b"ALTER TABLE other.t DISABLE KEYS",
        b"SET GLOBAL max_connections = 1",
        b"SET PERSIST max_connections = 1",
        b"SET PASSWORD = 'x'",
        b"SET NAMES utf8mb4, GLOBAL max_connections = 1",
        b"SET CHARACTER SET utf8mb4, @@global.max_connections = 1",
        b"SET @x = other.f()",
        b"SET @x = (SELECT 1 FROM other.t)",
        b"SET SQL_MODE = CONCAT('NO_BACKSLASH', '_ESCAPES')",
        b"SET SQL_MODE = 'NO_BACKSLASH' '_ESCAPES'",
        b"SET SQL_MODE = 'NO_\\BACKSLASH_ESCAPES'",
        b"SET SQL_MODE = 0x4E4F5F4241434B534C4153485F45534341504553",
        b"SET SQL_MODE = 1048576 | 4",
        b"SET @'a\\b' = 'x'",
        b"SET @saved_\xc3\xa9 = @@sql_mode",  # for MySQL the same as @saved_e
        b"SET character_set_client = 28",
        # not executed, or not by all servers, so that the script would be read under what is not in force
        b"SET sql_log_bin = 0, SQL_MODE = 'NO_BACKSLASH_ESCAPES'",
        b"SET autocommit = 0, @x = 'NO_BACKSLASH_ESCAPES'",
        b"/*!999999 SET SQL_MODE = 'NO_BACKSLASH_ESCAPES' */",
        b"/*!80000 SET NAMES gbk */",
        b"/*M!100000 SET @x = @@sql_mode */",
        b"DROP TABLE IF EXISTS t, other.t",
        b"DROP VIEW v, other.v",
        b"ALTER TABLE t RENAME TO other.t",
        b"ALTER TABLE t ADD COLUMN a int, rename other.t",
        b"ALTER TABLE t EXCHANGE PARTITION p WITH TABLE other.t",
        b"ALTER EVENT e RENAME TO other.e",
        b"CREATE INDEX i ON other.t (a)",
        b"ANALYZE TABLE other.t UPDATE HISTOGRAM ON a",
        b"SELECT SETVAL(`s`, 1) INTO OUTFILE '/tmp/x'",
        b"DO SETVAL(`s`, other.f())",
        b"DO SETVAL(other.`s`, 1)",
        b"ANALYZE TABLE t, other.t DROP HISTOGRAM ON a",
        b"CREATE TABLE t AS SELECT 1 INTO OUTFILE '/tmp/x'",
        b"CREATE TABLE t (a int) SELECT * FROM other.t",
        b"CREATE TABLE t TABLE other.t",
        b"CREATE TABLE t LIKE other.t",
        b'DROP TABLE "a\\", other.t -- "',
        b"INSERT INTO t VALUES (@x := 1)",
        b"GRANT ALL ON *.* TO u",
        b"CREATE USER u",
        b"CREATE FUNCTION f RETURNS STRING SONAME 'x.so'",
        b"CREATE TEMPORARY TABLE t (a int)",
        b"INSTALL PLUGIN x SONAME 'x.so'",
        b"SHUTDOWN",
        b"KILL 1",
        b"RESET MASTER",
        b"SET STATEMENT max_statement_time = 1 FOR DROP DATABASE other",
        b"PREPARE s FROM 'DROP DATABASE other'",
        b"EXECUTE IMMEDIATE 'DROP DATABASE other'",
        b"CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')",
        b"HANDLER t OPEN",
        b"LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
        b"UPDATE t SET a = 1",
        b"SELECT 1",
        b"INSERT INTO t SELECT * FROM other.t",
        b"BEGIN NOT ATOMIC DROP TABLE t",
        b"system ls",
        b"/* c */ source x.sql",
        b"tee /tmp/x",
        b"SELECT 1 \\! ls",
        b"\\u other",
        b"INSERT INTO t VALUES (1) \\G",
        b"DELIMITER",
    ],
)
@pytest.mark.threat("dumps-leaving")
def test_what_leaves_the_database_or_is_for_the_client_is_refused(statement: bytes) -> None:
    found = only(b"\n\n" + statement + b"\n;\n")
    assert found.action is Action.REFUSE
    assert found.reason
    assert 2 <= found.offset <= 2 + statement.index(statement.split()[-1])


@pytest.mark.parametrize(
    "statement",
    [
        b"CREATE /*!999999 TABLE x */ DATABASE other",
        b"/*!999999 INSERT INTO t VALUES (1) */ DROP DATABASE other",
        b"/*M!100100 INSERT INTO t VALUES (1) */ DROP DATABASE other",
        b"/*!80000 INSERT INTO t VALUES (1) */ DROP DATABASE other",  # MariaDB passes over 50700 to 99999
        b"/*!999999 SET @a = */ SHUTDOWN",
        b"/*!999999 SET @a = ' */ DROP DATABASE other -- ' */",
        b"/*!40000 CREATE*/ /*!999999 TABLE x*/ /*!40000 DATABASE other*/",
        b"/*!999999 /*!40000 SET @a = */ */ SHUTDOWN",
        b"INSERT /*!999999 INTO t */ other.t VALUES (1)",
        b"ALTER TABLE t COMMENT /*!999999 ' */ 'x', RENAME other.t -- ' */",
        b"/*!999999 /*!999999 /*!999999 /*!999999 /*!999999 /*!999999 SET @a = 1",
    ],
)
@pytest.mark.threat("dumps-hidden")
def test_what_some_servers_would_read_otherwise_is_refused(statement: bytes) -> None:
    assert only(statement + b"\n;\n").action is Action.REFUSE


@pytest.mark.parametrize(
    "statement",
    [
        b"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t BEFORE INSERT ON t FOR EACH ROW"
        b" SET @a=1 */",
        b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n"
        b"/*!50001 VIEW `v` AS SELECT 1 AS `a` */",
        b"CREATE TABLE t (a int /*!80023 INVISIBLE */, b int /*!50606 STORAGE DISK */ /*M!100301 COMPRESSED*/"
        b") /*!50100 PARTITION BY HASH (a) */ /*!80016 ENCRYPTION='N' */",
        b"/*!50106 CREATE*/ /*!50117 DEFINER=a@b*/ /*!50106 EVENT e ON SCHEDULE EVERY 1 DAY"
        b" DO SET @a = '/*!' */",
        b"INSERT INTO t VALUES ('/*!999999 ', 1 /* /*! */)",
        b"/*M!100400 CREATE OR REPLACE TABLE t (a int) */",
        b"CREATE TABLE t (`select` int, b int GENERATED ALWAYS AS (a + 1)) COMMENT 'AS SELECT' "
        b"PARTITION BY LIST (a) (PARTITION p VALUES IN (1))",
    ],
)
def test_what_the_tools_leave_to_some_servers_is_executed(statement: bytes) -> None:
    assert only(b"DELIMITER ;;\n" + statement + b"\n;;\nDELIMITER ;\n").action is Action.EXECUTE


@pytest.mark.parametrize(
    "statement",
    [
        b"SET NAMES utf8mb4 COLLATE 'utf8mb4_bin'",
        b"SET CHARACTER SET DEFAULT",
        b"SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='ANSI,STRICT_TRANS_TABLES'",
        b"/*!40101 SET SQL_MODE=IFNULL(@OLD_SQL_MODE, '') */",
        b"SET @`saved x` = @@session.sql_mode, foreign_key_checks = OFF, x = -1, y = 0.5, z = DEFAULT",
        b"SET SQL_MODE = 1048580",
        b"SET TIMESTAMP=DEFAULT",
        b"/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */",
    ],
)
def test_what_the_tools_set_is_set(statement: bytes) -> None:
    assert only(statement + b";\n").action is Action.EXECUTE


@pytest.mark.parametrize("line", [b"system ls", b"\\. x.sql", b"use other", b"QUIT"])
@pytest.mark.threat("dumps-commands")
def test_client_command_without_a_delimiter_is_refused_where_it_stands(line: bytes) -> None:
    (section,) = foreign(b"DROP TABLE t;\n" + line + b"\n;\n")
    dropped, refused = statements(section)
    assert dropped.action is Action.EXECUTE
    assert refused.action is Action.REFUSE
    assert refused.offset == section.body.index(line)


def test_delimiter_with_a_backslash_is_refused() -> None:
    assert only(b"DELIMITER \\\\\n").action is Action.REFUSE


def test_name_that_looks_like_a_client_command_is_no_command() -> None:
    name = b"x\n\\! ls\nsystem ls"
    found = [s for section in sections(dump(table(name))) for s in statements(section)]
    assert {s.action for s in found} == {Action.EXECUTE}


def test_unfinished_statement_of_a_damaged_section_is_refused() -> None:
    (found,) = statements(Section(SectionKind.SCHEMA, b"CREATE TABLE `t"))
    assert found.action is Action.REFUSE
    assert "a quoted name" in (found.reason or "")


# ---------------------------------------------------------------------------- triggers and databases


def test_trigger_is_executed_without_its_conditional_comments() -> None:
    body = b"BEGIN /* c */ SET @a = '*/'; END"
    script = dump(trigger(b"t1", b"t", body))
    expected = b"CREATE DEFINER=`root`@`localhost` TRIGGER `t1` BEFORE INSERT ON `t` FOR EACH ROW " + body
    assert expected in texts(sections(script))


@pytest.mark.parametrize("end", [b" */", b"\n*/", b" \n*/", b"*/"])
def test_body_that_ends_in_a_comment_keeps_it(end: bytes) -> None:
    text = b"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t SET @a = 1 -- why" + end
    assert unwrapped(text, PLAIN) == b"CREATE DEFINER=`a`@`b` TRIGGER t SET @a = 1 -- why"
    text = b"/*!50106 CREATE*/ /*!50106 EVENT e DO SELECT 1 /* why */" + end
    assert unwrapped(text, PLAIN) == b"CREATE EVENT e DO SELECT 1 /* why */"


def test_definer_that_looks_like_the_end_of_a_comment_is_unwrapped_whole() -> None:
    text = b"/*!50003 CREATE*/ /*!50017 DEFINER=`*/`@`/*!`*/ /*!50003 TRIGGER t SET @a = 1 */"
    assert unwrapped(text, PLAIN) == b"CREATE DEFINER=`*/`@`/*!` TRIGGER t SET @a = 1"


def test_statement_without_conditional_comments_stays_as_it_is() -> None:
    assert unwrapped(b"CREATE TRIGGER t BEFORE INSERT", PLAIN) == b"CREATE TRIGGER t BEFORE INSERT"


@pytest.mark.parametrize(
    ("written", "executed"),
    [
        (
            b"CREATE TRIGGER `a`.`t` BEFORE INSERT ON `a`.`b` FOR EACH ROW SET @x = a.b",
            b"CREATE TRIGGER `t` BEFORE INSERT ON `b` FOR EACH ROW SET @x = a.b",
        ),
        (
            b"/*!50003 CREATE*/ /*!50017 DEFINER=`ON`@`%`*/ /*!50003 trigger if not exists a.t after update"
            b" on `b` for each row set @x = (select 1 from c join d on a.x) */",
            b"CREATE DEFINER=`ON`@`%` trigger if not exists t after update"
            b" on `b` for each row set @x = (select 1 from c join d on a.x)",
        ),
        (b"/*!50032 DROP TRIGGER IF EXISTS a.t */", b"/*!50032 DROP TRIGGER IF EXISTS t */"),
        (b"DROP TRIGGER `a.t`", b"DROP TRIGGER `a.t`"),
    ],
)
def test_trigger_is_of_the_database_that_is_restored(written: bytes, executed: bytes) -> None:
    assert only(b"DELIMITER ;;\n" + written + b" ;;\nDELIMITER ;\n").text == executed


def test_database_is_altered_without_its_name() -> None:
    script = b"ALTER DATABASE `shop` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;\n"
    assert only(script).text == b"ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_swedish_ci"
    assert (
        without_database(b"ALTER DATABASE CHARACTER SET latin1", PLAIN)
        == b"ALTER DATABASE CHARACTER SET latin1"
    )


def test_final_view_keeps_its_definer_in_its_comment() -> None:
    script = dump(view(b"v", b"select 1 AS `a`"))
    (text,) = [text for text in texts(sections(script)) if b" VIEW `v` AS" in text]
    assert b"/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */" in text


# ---------------------------------------------------------------------------- events


SCHEDULE = b"CREATE DEFINER=`ro``ot`@`%` EVENT `ENABLE` ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' "
ALTERING = b"ALTER DEFINER=`ro``ot`@`%` EVENT `ENABLE`"
ENABLING = ALTERING + b" ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' ON COMPLETION PRESERVE ENABLE"
DROPPING = ALTERING + b" ON COMPLETION NOT PRESERVE"
KEPT = b"ON COMPLETION PRESERVE DISABLE"


@pytest.mark.parametrize(
    ("before", "after", "later"),
    [
        (b"ON COMPLETION PRESERVE ENABLE", KEPT, (ENABLING,)),
        (
            b"ON COMPLETION NOT PRESERVE ENABLE COMMENT 'ENABLE'",
            KEPT + b" COMMENT 'ENABLE'",
            (ENABLING, DROPPING),
        ),
        (b"COMMENT 'x'", KEPT + b" COMMENT 'x'", (ENABLING, DROPPING)),
        (b"COMMENT 'ENABLE' /* ENABLE */", KEPT + b" COMMENT 'ENABLE' /* ENABLE */", (ENABLING, DROPPING)),
        (b"ON COMPLETION PRESERVE DISABLE", KEPT, ()),
        (b"ON COMPLETION NOT PRESERVE DISABLE", KEPT, (DROPPING,)),
        (b"DISABLE ON SLAVE", KEPT + b" ON SLAVE", (DROPPING,)),
        (b"ON COMPLETION PRESERVE DISABLE ON REPLICA", KEPT + b" ON REPLICA", ()),
    ],
)
@pytest.mark.threat("dumps-code")
def test_event_is_created_disabled_and_preserved_and_becomes_what_it_was_later(
    before: bytes, after: bytes, later: tuple[bytes, ...]
) -> None:
    body = b"DO BEGIN /* ENABLE */ SELECT 'ENABLE', `DISABLE`; -- ENABLE\n END"
    assert kept_disabled(SCHEDULE + before + b" " + body, PLAIN) == (SCHEDULE + after + b" " + body, later)


def test_the_whole_schedule_is_repeated_where_an_event_is_enabled() -> None:
    schedule = b"AT '2031-01-01' + INTERVAL (1 DO ENABLE) DAY"
    text, later = kept_disabled(b"CREATE EVENT e ON SCHEDULE " + schedule + b" ENABLE DO SELECT 1", PLAIN)
    assert text == b"CREATE EVENT e ON SCHEDULE " + schedule + b" ON COMPLETION PRESERVE DISABLE DO SELECT 1"
    assert later[0] == b"ALTER EVENT e ON SCHEDULE " + schedule + b" ON COMPLETION PRESERVE ENABLE"


def test_names_in_ansi_quotes_get_backticks_where_the_event_is_enabled() -> None:
    text = b'CREATE DEFINER="root"@"localhost" EVENT "e`x" ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1'
    (later,) = kept_disabled(text, ANSI)[1]
    assert later == b"ALTER DEFINER=`root`@`localhost` EVENT `e``x` ON COMPLETION NOT PRESERVE"


def test_event_is_enabled_between_the_settings_that_it_was_created_with() -> None:
    region = events(
        (b"off", b"EVERY 1 DAY DISABLE", b"SELECT 1"), (b"on", b"EVERY 1 DAY ENABLE", b"SELECT 2")
    )
    first = b"DELIMITER ;;\n"
    last = b"collation_connection  = @saved_col_connection */ ;;\n"
    region = region.replace(first, first + b"ALTER DATABASE `x` COLLATE b ;;\n")
    region = region.replace(last, last + b"ALTER DATABASE `x` COLLATE a ;;\n")
    found = [text for section in sections(dump(region)) for s in statements(section) for text in s.later]
    assert found[-14:] == [
        b"ALTER DATABASE COLLATE b",
        b"/*!50003 SET @saved_cs_client      = @@character_set_client */",
        b"/*!50003 SET @saved_col_connection = @@collation_connection */",
        b"/*!50003 SET character_set_client  = utf8mb4 */",
        b"/*!50003 SET collation_connection  = utf8mb4_general_ci */",
        b"/*!50003 SET @saved_time_zone      = @@time_zone */",
        b"/*!50003 SET time_zone             = 'SYSTEM' */",
        b"ALTER DEFINER=`root`@`localhost` EVENT `on` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE",
        b"ALTER DEFINER=`root`@`localhost` EVENT `on` ON COMPLETION NOT PRESERVE",
        b"/*!50003 SET time_zone             = @saved_time_zone */",
        b"/*!50003 SET character_set_client  = @saved_cs_client */",
        b"/*!50003 SET collation_connection  = @saved_col_connection */",
        b"ALTER DATABASE COLLATE a",
        b"/*!50106 SET TIME_ZONE= @save_time_zone */",
    ]


def test_nothing_else_is_done_later() -> None:
    off = (b"off", b"EVERY 1 DAY ON COMPLETION PRESERVE DISABLE", b"SELECT 1")
    script = dump(events(off), procedure(b"p", b"SELECT 1"))
    assert not any(s.later for section in sections(script) for s in statements(section))


# ---------------------------------------------------------------------------- what statements define


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"CREATE TABLE IF NOT EXISTS `a``b` (c int)", Definition("CREATE", "table", b"a`b")),
        (
            b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n"
            b"/*!50001 VIEW `v` AS select 1 */",
            Definition("CREATE", "view", b"v", definer=b"a@b"),
        ),
        (
            b"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 trigger db.t1 before insert on db.t */",
            Definition("CREATE", "trigger", b"t1", b"db", b"a@%"),
        ),
        (
            b"CREATE DEFINER=a@localhost FUNCTION f() ...",
            Definition("CREATE", "function", b"f", definer=b"a@localhost"),
        ),
        (b"CREATE DEFINER='a''b'@'h' EVENT e", Definition("CREATE", "event", b"e", definer=b"a'b@h")),
        (
            b"CREATE DEFINER=CURRENT_USER() PROCEDURE p()",
            Definition("CREATE", "procedure", b"p", definer=b"CURRENT_USER"),
        ),
        (
            b"CREATE DEFINER=`role` PACKAGE BODY p AS",
            Definition("CREATE", "package body", b"p", definer=b"role"),
        ),
        (b"CREATE OR REPLACE SEQUENCE s", Definition("CREATE", "sequence", b"s")),
        (b"CREATE LIBRARY `l`\n LANGUAGE JAVASCRIPT AS $$", Definition("CREATE", "library", b"l")),
        (b"DROP VIEW IF EXISTS `v`", Definition("DROP", "view", b"v")),
        (b"ALTER DATABASE `d` COLLATE x", Definition("ALTER", "database", b"d")),
        (b"INSERT INTO t VALUES (1)", None),
    ],
)
def test_what_a_statement_defines(text: bytes, expected: Definition | None) -> None:
    assert definition(text, PLAIN) == expected


def test_definers_in_ansi_quotes_are_found() -> None:
    script = procedure(b"p", b"SELECT 1", b"ANSI_QUOTES").replace(b"`root`@`localhost`", b'"a"@"b"')
    (section,) = foreign(script)
    assert definers(section) == {"a@b"}


def test_definitions_of_a_section_come_in_order() -> None:
    script = dump(table(b"t"), placeholder(b"v"))
    assert [(d.verb, d.kind, d.name) for s in sections(script) for d in definitions(s)] == [
        ("DROP", "table", b"t"),
        ("CREATE", "table", b"t"),
        ("DROP", "table", b"v"),
        ("DROP", "view", b"v"),
        ("CREATE", "view", b"v"),
    ]
