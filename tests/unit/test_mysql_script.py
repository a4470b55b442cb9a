"""Sections of mysqldump and mariadb-dump scripts."""

import pytest

from tests.unit.mysql_script_samples import (
    FOOTER,
    HEADER,
    SANDBOX,
    TRAILER,
    WHOLE,
    dump,
    events,
    foreign,
    history_rows,
    kinds,
    locked_rows,
    of_kind,
    placeholder,
    procedure,
    rows,
    sections,
    table,
    texts,
    trigger,
    view,
)
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.errors import DumpFailed, Refused
from vya_backupdb.model import Action, Section, SectionKind

FEW = 100
"""Bytes after which a section ends, where a test wants many."""


def test_every_byte_of_the_script_is_in_one_section_in_order() -> None:
    assert b"".join(s.body for s in sections(WHOLE)) == WHOLE


@pytest.mark.parametrize("size", [1, 2, 3, 7, 61, 1000])
def test_chunks_of_any_size_give_the_same_sections(size: int) -> None:
    reader = MySQLScriptReader(section_bytes=FEW)
    found: list[Section] = []
    for i in range(0, len(WHOLE), size):
        found += reader.feed(WHOLE[i : i + size])
    found += reader.finish()
    assert found == sections(WHOLE, section_bytes=FEW)


def test_kinds_follow_the_script() -> None:
    assert kinds(sections(WHOLE)) == [
        "header",
        "schema",  # customers
        "rows",
        "post",  # its trigger
        "schema",  # we`ird;\nname
        "rows",
        "schema",  # the view's placeholder, empty
        "post",  # events, procedure, view
        "footer",
    ]


def test_header_ends_before_the_first_tables_own_settings() -> None:
    header, schema, *_ = sections(dump(table(b"t")))
    assert header.body == HEADER
    assert schema.body.startswith(b"\n--\n-- Table structure")


def test_sandbox_line_is_part_of_the_header_and_no_statement() -> None:
    header = sections(SANDBOX + dump())[0]
    assert header.body.startswith(SANDBOX)
    assert texts([header])[0] == b"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */"


def test_footer_begins_with_the_first_setting_of_the_header_that_is_restored() -> None:
    footer = sections(WHOLE)[-1]
    assert footer.body == FOOTER + TRAILER


def test_rows_name_their_table_and_count_its_rows() -> None:
    found = of_kind(sections(WHOLE), SectionKind.ROWS)
    assert [(s.object, s.rows) for s in found] == [("customers", 3), ("we`ird;\nname", 1)]


def test_name_that_is_not_utf_8_becomes_surrogate_escapes() -> None:
    (found,) = of_kind(sections(dump(rows(b"t\xff", [b"1"]))), SectionKind.ROWS)
    assert found.object == "t\udcff"


def test_rows_of_another_table_begin_another_section() -> None:
    found = sections(dump(rows(b"a", [b"1"]), rows(b"b", [b"1"], [b"2"])))
    assert [s.object for s in of_kind(found, SectionKind.ROWS)] == ["a", "b"]


def test_section_ends_with_the_statement_that_fills_it() -> None:
    script = dump(rows(b"t", [b"1"], [b"'" + b"x" * FEW + b"'"], [b"2"], [b"3"]))
    found = of_kind(sections(script, section_bytes=FEW), SectionKind.ROWS)
    assert [s.rows for s in found] == [2, 2]
    assert found[1].body == b"INSERT INTO `t` VALUES (2);\nINSERT INTO `t` VALUES (3);\n"


def test_statement_larger_than_a_section_is_one_section() -> None:
    script = dump(rows(b"t", [b"'" + b"x" * 10 * FEW + b"'"], [b"1"]))
    found = of_kind(sections(script, section_bytes=FEW), SectionKind.ROWS)
    assert [s.largest_statement for s in found] == [10 * FEW + 27, 26]


def test_largest_statement_is_what_is_sent_without_comments_and_delimiter() -> None:
    (found,) = foreign(b"-- a comment\nINSERT INTO t VALUES (1)  ;\n")
    assert found.largest_statement == len(b"INSERT INTO t VALUES (1)")


def test_trigger_with_its_settings_and_delimiters_is_never_cut() -> None:
    one = trigger(b"t1", b"t", b"SET @a = 1")
    two = trigger(b"t2", b"t", b"SET @a = 2")
    found = of_kind(sections(dump(one, two), section_bytes=1), SectionKind.POST)
    assert [s.body for s in found] == [one, two]


def test_events_share_one_delimiter_region_and_one_section() -> None:
    region = events((b"e1", b"EVERY 1 DAY ENABLE", b"SELECT 1"), (b"e2", b"EVERY 1 DAY DISABLE", b"SELECT 2"))
    found = of_kind(sections(dump(region), section_bytes=1), SectionKind.POST)
    assert [s.body for s in found] == [region]


def test_restored_setting_stays_with_its_table() -> None:
    first, second = table(b"a"), table(b"b")
    found = of_kind(sections(dump(first, second), section_bytes=1), SectionKind.SCHEMA)
    assert [s.body for s in found] == [first, second]


@pytest.mark.parametrize("drop", [b"", b"/*!50001 DROP TABLE IF EXISTS `v`*/;\n"])
def test_view_and_its_drops_follow_the_rows_its_placeholder_does_not(drop: bytes) -> None:
    found = sections(dump(placeholder(b"v"), rows(b"t", [b"1"]), drop, view(b"v", b"select 1 AS `a`")))
    assert kinds(found) == ["header", "schema", "rows", "post", "footer"]
    assert b"DROP VIEW" in found[3].body


def test_view_with_one_constant_column_is_no_placeholder() -> None:
    assert kinds(sections(dump(view(b"v", b"select 1 AS `a`")))) == ["header", "post", "footer"]


def test_mariadb_placeholder_of_nulls_belongs_to_the_schema() -> None:
    script = placeholder(b"v", [b"a", b"b"]).replace(b" 1 AS", b" NULL AS")
    assert kinds(sections(dump(script))) == ["header", "schema", "footer"]


def test_drop_of_another_table_before_a_view_belongs_to_the_schema() -> None:
    script = b"DROP TABLE IF EXISTS `old`;\nCREATE ALGORITHM=MERGE VIEW `v` AS select 1;\n"
    schema, post = foreign(script)
    assert schema.body == b"DROP TABLE IF EXISTS `old`;\n"
    assert post.kind is SectionKind.POST


def test_sequences_belong_to_the_schema() -> None:
    script = b"DROP SEQUENCE IF EXISTS `s`;\nCREATE SEQUENCE `s` start with 1;\nDO SETVAL(`s`, 10100, 0);\n"
    assert kinds(foreign(script)) == ["schema"]


def test_histograms_follow_the_rows() -> None:
    script = b"/*!80002 ANALYZE TABLE `t` UPDATE HISTOGRAM ON `a` WITH 4 BUCKETS */;\n"
    assert kinds(foreign(rows(b"t", [b"1"]) + script)) == ["rows", "post"]


def test_keys_that_a_foreign_tool_adds_behind_the_rows_follow_them() -> None:
    alter = b"ALTER TABLE `t`\n  ADD PRIMARY KEY (`a`);\n"
    assert kinds(foreign(alter + rows(b"t", [b"1"]) + alter)) == ["schema", "rows", "post"]


def test_what_stands_around_rows_travels_with_them_and_is_skipped() -> None:
    (found,) = foreign(locked_rows(b"t", [b"1", b"2"]))
    assert found.rows == 2
    assert texts([found], lambda action: action is Action.EXECUTE) == [b"INSERT INTO `t` VALUES (1),(2)"]


def test_locks_around_no_rows_are_rows_of_their_table() -> None:
    (found,) = foreign(locked_rows(b"t"))
    assert (found.kind, found.object, found.rows) == (SectionKind.ROWS, "t", 0)


@pytest.mark.parametrize("verb", [b"INSERT  IGNORE INTO", b"REPLACE INTO", b"INSERT INTO", b"insert into"])
def test_every_form_of_insert_holds_rows(verb: bytes) -> None:
    (found,) = foreign(verb + b" `t` (`a`, `b)`) VALUES (1,2),(3,4);\n")
    assert (found.kind, found.object, found.rows) == (SectionKind.ROWS, "t", 2)


def test_two_dumps_one_after_the_other_have_two_headers() -> None:
    found = sections(dump(table(b"t")) + dump(rows(b"t", [b"1"])))
    assert kinds(found) == ["header", "schema", "footer", "header", "rows", "footer"]


def test_two_dumps_that_differ_in_their_settings_are_refused() -> None:
    other = dump(rows(b"t", [b"1"])).replace(b"NAMES utf8mb4", b"NAMES latin1")
    with pytest.raises(Refused, match="character_set_client = latin1"):
        sections(dump(table(b"t")) + other)


def test_setting_left_behind_for_other_sections_is_refused() -> None:
    script = rows(b"a", [b"1"]) + b"SET time_zone = '+02:00';\n" + rows(b"b", [b"2"]) + rows(b"c", [b"3"])
    with pytest.raises(Refused, match=r"time_zone = \+02:00"):
        foreign(script)


def test_setting_at_the_end_of_a_foreign_script_is_its_footer() -> None:
    script = b"SET FOREIGN_KEY_CHECKS = 0;\n" + rows(b"t", [b"1"]) + b"SET FOREIGN_KEY_CHECKS = 1;\n"
    assert kinds(foreign(script)) == ["header", "rows", "footer"]


def test_rows_and_routines_in_one_delimiter_region_are_refused() -> None:
    with pytest.raises(Refused, match="DELIMITER region"):
        foreign(b"DELIMITER //\nINSERT INTO t VALUES (1)//\nCREATE PROCEDURE p() SELECT 1//\nDELIMITER ;\n")


def test_history_settings_are_restored_at_a_cut_and_made_again_behind_it() -> None:
    script = history_rows(b"t", [b"1"], [b"2"], [b"3"])
    found = of_kind(sections(dump(script), section_bytes=1), SectionKind.ROWS)
    assert [s.rows for s in found] == [1, 1, 1]
    make = (
        b"/*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history,"
        b" @@session.system_versioning_insert_history=1 */"
    )
    restore = b"/*M!101100 SET system_versioning_insert_history=@old_system_versioning_insert_history */"
    for section in found:
        begin, _, end = texts([section])
        assert (begin, end) == (make, restore)
    assert b"".join(s.body for s in found).count(restore) == 3


def test_autocommit_around_rows_is_not_repeated_at_a_cut() -> None:
    script = dump(locked_rows(b"t", [b"1"], [b"2"]))
    assert b"".join(s.body for s in sections(script, section_bytes=1)) == script


def test_script_cut_short_anywhere_fails() -> None:
    for end in range(0, WHOLE.index(b"-- Dump completed") + 16, 7):
        with pytest.raises(DumpFailed, match="cut short"):
            sections(WHOLE[:end])


def test_missing_trailer_is_forgiven_where_none_is_required() -> None:
    assert kinds(foreign(HEADER + table(b"t") + FOOTER)) == ["header", "schema", "footer"]


def test_trailer_in_a_string_is_none() -> None:
    with pytest.raises(DumpFailed, match="Dump completed"):
        sections(HEADER + b"INSERT INTO t VALUES ('\n-- Dump completed on');\n")


@pytest.mark.parametrize(
    ("script", "inside"),
    [
        (b"INSERT INTO t VALUES (1)", "a statement"),
        (b"INSERT INTO t VALUES ('a;\n", "a string"),
        (b"CREATE TABLE `t;\n", "a quoted name"),
        (b"/* x;\n", "a comment"),
        (b"DELIMITER ;;\nCREATE PROCEDURE p() SELECT 1;;\n", "DELIMITER"),
    ],
)
def test_end_inside_of_something_is_named(script: bytes, inside: str) -> None:
    with pytest.raises(DumpFailed, match=inside):
        foreign(script)


def test_empty_script_has_no_sections() -> None:
    assert foreign(b"") == []


def test_empty_dump_is_cut_short() -> None:
    with pytest.raises(DumpFailed):
        sections(b"")


def test_crlf_script_has_the_same_rows() -> None:
    script = WHOLE.replace(b"\n", b"\r\n")
    found = sections(script)
    assert b"".join(s.body for s in found) == script
    assert kinds(found) == kinds(sections(WHOLE))
    assert [s.rows for s in found] == [s.rows for s in sections(WHOLE)]


def test_comment_that_hides_the_end_of_a_routine_ends_it_and_is_noted() -> None:
    script = dump(procedure(b"p1", b"SELECT 1 -- why"), procedure(b"p2", b"SELECT 2"))
    reader = MySQLScriptReader()
    found = [*reader.feed(script), *reader.finish()]
    assert b"CREATE DEFINER=`root`@`localhost` PROCEDURE `p1`()\nSELECT 1 -- why" in texts(found)
    assert b"CREATE DEFINER=`root`@`localhost` PROCEDURE `p2`()\nSELECT 2" in texts(found)
    assert [note.split(" ends")[0] for note in reader.notes] == ["procedure p1"]


def test_comment_with_the_delimiter_in_the_midst_of_a_body_ends_nothing() -> None:
    body = b"BEGIN -- not here ;;\nSELECT 1; END"
    assert any(text.endswith(body) for text in texts(sections(dump(procedure(b"p", body)))))


def test_character_that_hides_a_backslash_is_read_by_its_character_set() -> None:
    body = b"SELECT '\x95\x5c', '\x95\x5c;''x'"  # 0x955c is one character of sjis
    found = sections(dump(procedure(b"p", body, charset=b"sjis"), procedure(b"q", b"SELECT 1")))
    assert any(text.endswith(body) for text in texts(found))
    assert any(text.endswith(b"`q`()\nSELECT 1") for text in texts(found))


@pytest.mark.parametrize(
    ("charset", "lead"), [(b"gbk", b"\x95"), (b"big5", b"\xa1"), (b"cp932", b"\x95"), (b"gb18030", b"\x95")]
)
def test_foreign_script_in_such_a_character_set_is_read_whole_and_section_by_section(
    charset: bytes, lead: bytes
) -> None:
    insert = b"INSERT INTO `t%b\x60` VALUES ('%b\x5c'),('x')" % (lead, lead)
    script = b"SET NAMES " + charset + b";\n" + insert + b";\n"
    header, found = foreign(script)
    assert found.rows == 2
    assert texts([header, found]) == [b"SET NAMES " + charset, insert]


def test_foreign_script_without_backslash_escapes_is_read_by_its_mode() -> None:
    script = b"SET sql_mode='NO_BACKSLASH_ESCAPES';\nINSERT INTO `t` VALUES ('\\'),('\\\\'),('a''b');\n"
    header, found = foreign(script)
    assert found.rows == 3
    assert texts([header, found])[1] == script.splitlines()[1][:-1]


def test_ansi_dump_is_read() -> None:
    script = HEADER.replace(b"ON_ZERO'", b"ON_ZERO,ANSI'") + b'DROP TABLE "t";\nINSERT INTO "t" VALUES (1);\n'
    found = foreign(script)
    assert [(s.kind, s.object) for s in found[1:]] == [(SectionKind.SCHEMA, None), (SectionKind.ROWS, "t")]


# ---------------------------------------------------------------------------- other tools and older versions

PHPMYADMIN = b"""-- phpMyAdmin SQL Dump
SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
START TRANSACTION;
SET time_zone = "+00:00";


/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;

DELIMITER $$
--
-- Procedures
--
CREATE DEFINER=`root`@`localhost` PROCEDURE `p` ()   BEGIN
SELECT '$';
END$$

DELIMITER ;

CREATE TABLE `t` (
  `id` int(11) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT INTO `t` (`id`, `a`) VALUES
(1, 'x'),
(2, 'it\\'s; ),(');

DELIMITER $$
CREATE TRIGGER `tr` BEFORE INSERT ON `t` FOR EACH ROW SET @a=1
$$
DELIMITER ;

CREATE TABLE `v` (
`id` int(11)
);

DROP TABLE IF EXISTS `v`;

CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v`  AS SELECT 1 AS `id` ;

ALTER TABLE `t`
  ADD PRIMARY KEY (`id`);
COMMIT;

/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
"""
HEIDISQL = b"""/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8 */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;

DELIMITER //
CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ENABLE DO BEGIN
SELECT 1;
END//
DELIMITER ;

CREATE TABLE IF NOT EXISTS `t` (
  `id` int(11) NOT NULL
) ENGINE=InnoDB;

/*!40000 ALTER TABLE `t` DISABLE KEYS */;
INSERT INTO `t` (`id`, `a`) VALUES
\t(1, 'x'),
\t(2, 'y');
/*!40000 ALTER TABLE `t` ENABLE KEYS */;

SET @OLDTMP_SQL_MODE=@@SQL_MODE, SQL_MODE='ANSI_QUOTES';
DELIMITER //
CREATE TRIGGER `tr` BEFORE INSERT ON `t` FOR EACH ROW SET @a="\\";//
DELIMITER ;
SET SQL_MODE=@OLDTMP_SQL_MODE;

/*!40103 SET TIME_ZONE=IFNULL(@OLD_TIME_ZONE, 'system') */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
"""
MYSQL_5_0 = (
    HEADER
    + b"""
DROP TABLE IF EXISTS `v`;
/*!50001 DROP VIEW IF EXISTS `v`*/;
/*!50001 CREATE TABLE `v` (
  `a` tinyint NOT NULL
) ENGINE=MyISAM */;

LOCK TABLES `t` WRITE;
INSERT INTO `t` VALUES (1),(2);
UNLOCK TABLES;
/*!50001 DROP TABLE `v`*/;
/*!50001 DROP VIEW IF EXISTS `v`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `v` AS select 1 AS `a` */;
"""
    + FOOTER
)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (PHPMYADMIN, ["header", "post", "schema", "rows", "post", "schema", "post", "footer"]),
        (HEIDISQL, ["header", "post", "schema", "rows", "post", "footer"]),
        (MYSQL_5_0, ["header", "schema", "rows", "post", "footer"]),
    ],
)
def test_scripts_of_other_tools_are_taken_apart(script: bytes, expected: list[str]) -> None:
    found = foreign(script)
    assert kinds(found) == expected
    assert sum(section.rows for section in found) == 2
    assert b"".join(section.body for section in found) == script
    assert texts(found, lambda action: action is Action.REFUSE) == []
