from __future__ import annotations

import pytest

from vya_backupdb.engines.mysql.restore.needs import Needs, bare_text, needs_of, references, source_database
from vya_backupdb.model import SectionKind, ServerFacts, Statement

MYSQL = ServerFacts("mysql", "mysql", "9.7.4", (9, 7, 4), "root@localhost")
MARIADB = ServerFacts("mysql", "mariadb", "10.11.19", (10, 11, 19), "root@localhost")


def needs(*statements: str, facts: ServerFacts = MYSQL, kind: SectionKind = SectionKind.POST) -> Needs:
    return needs_of(((kind, Statement(text.encode(), 0)) for text in statements), facts)


@pytest.mark.parametrize(
    ("raw", "facts", "bare"),
    [
        ("SET @a='x; CREATE'", MYSQL, "SET @a=''"),
        ("a /* gone */ b", MYSQL, "a   b"),
        ("a -- gone\nb", MYSQL, "a  \nb"),
        ("a # gone 'x\nb", MYSQL, "a  \nb"),
        ("`it's` 'it''s' \"a\\\"b\"", MYSQL, "`it's` '' ''"),
        ("/*!50003 CREATE*/ x", MYSQL, "  CREATE  x"),
        ("/*!99999 CREATE*/x", MYSQL, "  x"),
        ("/*!80000 CREATE '*/' */x", MARIADB, "  x"),
        ("/*!50003 CREATE*/x", MARIADB, "  CREATE x"),
        ("/*M!100100 CREATE*/x", MARIADB, "  CREATE x"),
        ("/*M!100100 CREATE*/x", MYSQL, "  x"),
        ("/*! CREATE*/x", MYSQL, "  CREATE x"),
    ],
)
def test_sql_is_read_as_the_server_reads_it(raw: str, facts: ServerFacts, bare: str) -> None:
    assert bare_text(raw, facts, []) == bare


def test_the_dumped_database_is_read_from_the_first_comment() -> None:
    header = b"-- MySQL dump 10.13\n--\n-- Host: localhost    Database: my shop\n-- ---\n"
    assert source_database(header) == "my shop"
    assert source_database(b"-- Host: localhost    Database: \n") is None
    assert source_database(b"CREATE TABLE t (a int)") is None


def test_definers_are_found_in_every_way_of_writing() -> None:
    found = needs(
        "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `t1` BEFORE INSERT ON t "
        "FOR EACH ROW SET @a=1 */",
        "CREATE DEFINER=`a``b`@`%` PROCEDURE `p`() SELECT 'DEFINER=`no`@`no`'",
        'CREATE DEFINER="ora"@"h" PACKAGE "pk" as function g return int; end',
        "CREATE ALGORITHM=UNDEFINED DEFINER=`v`@`h` SQL SECURITY DEFINER VIEW `v1` AS select 1",
        "CREATE DEFINER=`role` FUNCTION `f`() RETURNS int DETERMINISTIC RETURN 1",
    )
    assert set(found.definers) == {
        ("root", "localhost"),
        ("a`b", "%"),
        ("ora", "h"),
        ("v", "h"),
        ("role", ""),
    }
    assert found.definers["root", "localhost"] == "t1"
    assert found.kinds == {"trigger", "procedure", "package", "view", "function"}


def test_a_definer_with_the_name_of_a_kind_confuses_nothing() -> None:
    assert needs("CREATE DEFINER=`table`@`event` PROCEDURE `p`() SELECT 1").kinds == {"procedure"}


def test_only_functions_that_promise_nothing_are_unsafe() -> None:
    found = needs(
        "CREATE DEFINER=`r`@`h` FUNCTION `bad`() RETURNS int RETURN 1",
        "CREATE DEFINER=`r`@`h` FUNCTION `worse`() RETURNS int NOT DETERMINISTIC RETURN 1",
        "CREATE DEFINER=`r`@`h` FUNCTION `lying`() RETURNS int RETURN 'DETERMINISTIC'",
        "CREATE DEFINER=`r`@`h` FUNCTION `good`() RETURNS int NO SQL DETERMINISTIC RETURN 1",
        "CREATE DEFINER=`r`@`h` FUNCTION `reads`() RETURNS int READS SQL DATA RETURN 1",
    )
    assert found.unsafe_functions == ["bad", "worse", "lying"]


def test_what_a_table_asks_for_is_noted_and_not_what_its_comments_say() -> None:
    found = needs(
        "CREATE TABLE `t` (`a` text CHARACTER SET latin1 COLLATE latin1_bin COMMENT 'COLLATE nonsense') "
        "ENGINE=Aria DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci COMMENT='ENGINE=X PRIMARY KEY'",
        "CREATE TABLE `u` (`a` int, PRIMARY KEY (`a`), CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES "
        "`t` (`a`)) ENGINE=InnoDB",
        kind=SectionKind.SCHEMA,
    )
    assert found.collations == {"latin1_bin": "t", "utf8mb4_uca1400_ai_ci": "t"}
    assert found.charsets == {"latin1": "t", "utf8mb4": "t"}
    assert found.engines == {"Aria": "t", "InnoDB": "u"}
    assert found.without_key == ["t"]
    assert "foreign key" in found.kinds


def test_the_words_of_sql_mode_and_the_settings_of_the_header_are_noted() -> None:
    header = (
        "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO,ORACLE' */",
        "/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */",
    )
    on_mariadb = needs(*header, facts=MARIADB, kind=SectionKind.HEADER)
    assert on_mariadb.modes == {"NO_AUTO_VALUE_ON_ZERO", "ORACLE"}
    assert on_mariadb.settings == {"sql_mode", "note_verbosity"}
    assert needs(*header, facts=MYSQL, kind=SectionKind.HEADER).settings == {"sql_mode"}


def test_constructs_of_the_other_flavour_are_noted() -> None:
    found = needs("CREATE SEQUENCE `s` start with 1", "CREATE TABLE `t` (a int) WITH SYSTEM VERSIONING")
    assert found.dialect == {"mysql:sequences": "s", "mysql:system versioning": "t"}


def test_references_to_a_database_are_found_quoted_and_bare_but_not_in_strings() -> None:
    found = needs(
        "CREATE TRIGGER `t1` AFTER INSERT ON `a` FOR EACH ROW INSERT INTO `shop`.`log` VALUES (1)",
        "CREATE PROCEDURE `p1`() DELETE FROM shop.log",
        "CREATE PROCEDURE `p2`() SELECT 'shop.log', `myshop`.`x`, shops.y",
        "CREATE VIEW `v1` AS select `shop` . `a`.`b` from `a`",
        "CREATE TABLE `t` (`id` int DEFAULT nextval(`shop`.`s`))",
    )
    assert references(found, "shop") == [
        ("trigger", "t1"),
        ("procedure", "p1"),
        ("view", "v1"),
        ("table", "t"),
    ]


def test_a_column_of_a_table_with_the_databases_name_is_no_reference() -> None:
    found = needs(
        "CREATE TABLE `orders` (`id` int)",
        "CREATE VIEW `v` AS select `orders`.`id` AS `id` from `orders`",
        "CREATE PROCEDURE `p`() SELECT * FROM `orders`.`orders`",
    )
    assert references(found, "orders") == [("procedure", "p")]
