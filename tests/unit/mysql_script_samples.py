"""Scripts as mysqldump 9.7 and mariadb-dump 10.11 and 11.8 write them, made of pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vya_backupdb.engines.mysql.restore.restoring import statements
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.model import Action, Section, SectionKind

HEADER = b"""\
-- MySQL dump 10.13  Distrib 9.7.4, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version\t9.7.4-2

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
"""
SANDBOX = b"/*M!999999\\- enable the sandbox mode */ \n"
FOOTER = b"""\
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
"""
TRAILER = b"\n-- Dump completed on 2026-11-23  6:07:05\n"


def quoted(name: bytes) -> bytes:
    return b"`" + name.replace(b"`", b"``") + b"`"


def comment(text: bytes) -> bytes:
    return b"\n--\n-- " + text.replace(b"\n", b"\n-- ") + b"\n--\n\n"


def table(name: bytes, columns: bytes = b"  `a` int DEFAULT NULL\n") -> bytes:
    return (
        comment(b"Table structure for table " + quoted(name))
        + b"DROP TABLE IF EXISTS %b;\n" % quoted(name)
        + b"/*!40101 SET @saved_cs_client     = @@character_set_client */;\n"
        + b"/*!50503 SET character_set_client = utf8mb4 */;\n"
        + b"CREATE TABLE %b (\n%b) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;\n" % (quoted(name), columns)
        + b"/*!40101 SET character_set_client = @saved_cs_client */;\n"
    )


def rows(name: bytes, *inserts: Sequence[bytes], newline: bool = False) -> bytes:
    """Each insert is a sequence of rows without their parentheses."""
    between, after = (b"),\n(", b"\n") if newline else (b"),(", b" ")
    return comment(b"Dumping data for table " + quoted(name)) + b"".join(
        b"INSERT INTO %b VALUES%b(%b);\n" % (quoted(name), after, between.join(values)) for values in inserts
    )


def locked_rows(name: bytes, *inserts: Sequence[bytes]) -> bytes:
    """With what the tools write by default, and MariaDB 11.8's AUTOCOMMIT."""
    return (
        b"SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;\n"
        + b"LOCK TABLES %b WRITE;\n" % quoted(name)
        + b"/*!40000 ALTER TABLE %b DISABLE KEYS */;\n" % quoted(name)
        + rows(name, *inserts)
        + b"/*!40000 ALTER TABLE %b ENABLE KEYS */;\n" % quoted(name)
        + b"UNLOCK TABLES;\nCOMMIT;\nSET AUTOCOMMIT=@OLD_AUTOCOMMIT;\n"
    )


def history_rows(name: bytes, *inserts: Sequence[bytes]) -> bytes:
    """Rows of a system-versioned table (mariadb-dump --dump-history)."""
    setting = b"system_versioning_insert_history"
    return (
        b"/*M!101100 SET @old_%b=@@session.%b, @@session.%b=1 */;\n" % (setting, setting, setting)
        + rows(name, *inserts, newline=True)
        + b"/*M!101100 SET %b=@old_%b */;\n" % (setting, setting)
    )


def saved(sql_mode: bytes = b"STRICT_TRANS_TABLES", charset: bytes = b"utf8mb4", end: bytes = b";") -> bytes:
    lines = (
        b"@saved_cs_client      = @@character_set_client",
        b"@saved_cs_results     = @@character_set_results",
        b"@saved_col_connection = @@collation_connection",
        b"character_set_client  = " + charset,
        b"character_set_results = " + charset,
        b"collation_connection  = " + charset + b"_general_ci",
        b"@saved_sql_mode       = @@sql_mode",
        b"sql_mode              = '" + sql_mode + b"'",
    )
    return b"".join(b"/*!50003 SET %b */ %b\n" % (line, end) for line in lines)


def restored(end: bytes = b";") -> bytes:
    lines = (
        b"sql_mode              = @saved_sql_mode",
        b"character_set_client  = @saved_cs_client",
        b"character_set_results = @saved_cs_results",
        b"collation_connection  = @saved_col_connection",
    )
    return b"".join(b"/*!50003 SET %b */ %b\n" % (line, end) for line in lines)


def trigger(name: bytes, on: bytes, body: bytes, sql_mode: bytes = b"STRICT_TRANS_TABLES") -> bytes:
    return (
        saved(sql_mode)
        + b"DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ "
        + b"/*!50003 TRIGGER %b BEFORE INSERT ON %b FOR EACH ROW %b */;;\n" % (quoted(name), quoted(on), body)
        + b"DELIMITER ;\n"
        + restored()
    )


def procedure(name: bytes, body: bytes, sql_mode: bytes = b"", charset: bytes = b"utf8mb4") -> bytes:
    return (
        b"/*!50003 DROP PROCEDURE IF EXISTS %b */;\n" % quoted(name)
        + saved(sql_mode, charset)
        + b"DELIMITER ;;\nCREATE DEFINER=`root`@`localhost` PROCEDURE %b()\n%b ;;\n" % (quoted(name), body)
        + b"DELIMITER ;\n"
        + restored()
    )


def event(name: bytes, clauses: bytes, body: bytes, first: bool = True) -> bytes:
    end = b";" if first else b";;"
    return (
        b"/*!50106 DROP EVENT IF EXISTS %b */%b\nDELIMITER ;;\n" % (quoted(name), end)
        + saved(end=b";;")
        + b"/*!50003 SET @saved_time_zone      = @@time_zone */ ;;\n"
        + b"/*!50003 SET time_zone             = 'SYSTEM' */ ;;\n"
        + b"/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`localhost`*/ "
        + b"/*!50106 EVENT %b ON SCHEDULE %b DO %b */ ;;\n" % (quoted(name), clauses, body)
        + b"/*!50003 SET time_zone             = @saved_time_zone */ ;;\n"
        + restored(b";;")
    )


def events(*each: tuple[bytes, bytes, bytes]) -> bytes:
    """Each event is its name, schedule and state, and body."""
    return (
        comment(b"Dumping events for database 'shop'")
        + b"/*!50106 SET @save_time_zone= @@TIME_ZONE */ ;\n"
        + b"".join(event(*one, first=i == 0) for i, one in enumerate(each))
        + b"DELIMITER ;\n/*!50106 SET TIME_ZONE= @save_time_zone */ ;\n"
    )


def placeholder(name: bytes, columns: Iterable[bytes] = (b"a",)) -> bytes:
    listed = b",\n ".join(b"1 AS " + quoted(column) for column in columns)
    return (
        comment(b"Temporary view structure for view " + quoted(name))
        + b"DROP TABLE IF EXISTS %b;\n/*!50001 DROP VIEW IF EXISTS %b*/;\n" % (quoted(name), quoted(name))
        + b"SET @saved_cs_client     = @@character_set_client;\n"
        + b"/*!50503 SET character_set_client = utf8mb4 */;\n"
        + b"/*!50001 CREATE VIEW %b AS SELECT \n %b*/;\n" % (quoted(name), listed)
        + b"SET character_set_client = @saved_cs_client;\n"
    )


def view(name: bytes, select: bytes) -> bytes:
    return (
        comment(b"Final view structure for view " + quoted(name))
        + b"/*!50001 DROP VIEW IF EXISTS %b*/;\n" % quoted(name)
        + b"/*!50001 SET @saved_cs_client          = @@character_set_client */;\n"
        + b"/*!50001 SET character_set_client      = utf8mb4 */;\n"
        + b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n"
        + b"/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n"
        + b"/*!50001 VIEW %b AS %b */;\n" % (quoted(name), select)
        + b"/*!50001 SET character_set_client      = @saved_cs_client */;\n"
    )


def dump(*pieces: bytes) -> bytes:
    return HEADER + b"".join(pieces) + FOOTER + TRAILER


WHOLE = dump(
    table(b"customers"),
    rows(b"customers", [b"1,'it\\'s; \\\\',NULL", b"2,'),(',0x00FF"], [b"3,'',-1.5e-05"]),
    trigger(b"t1", b"customers", b"BEGIN SET @a = 'x;'; /* ; */ SET @b = 2; END"),
    table(b"we`ird;\nname"),
    locked_rows(b"we`ird;\nname", [b"1"]),
    placeholder(b"v", [b"a", b"b`c"]),
    table(b"empty"),
    events(
        (b"e1", b"EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE", b"SELECT 'ENABLE'"),
        (b"e2", b"EVERY 1 DAY ON COMPLETION PRESERVE DISABLE COMMENT 'x'", b"BEGIN SELECT 1; SELECT 2; END"),
    ),
    procedure(b"p", b"SELECT 'a\\', \"b\"", b"ANSI_QUOTES,NO_BACKSLASH_ESCAPES"),
    view(b"v", b"select 1 AS `a`,2 AS `b``c`"),
)
"""A script with nearly everything in it."""


def sections(script: bytes, *, trailer: bool = True, section_bytes: int = 1 << 24) -> list[Section]:
    reader = MySQLScriptReader(require_trailer=trailer, section_bytes=section_bytes)
    return [*reader.feed(script), *reader.finish()]


def foreign(script: bytes) -> list[Section]:
    return sections(script, trailer=False)


def texts(found: Iterable[Section], keep: Callable[[Action], bool] = lambda _: True) -> list[bytes]:
    return [s.text for section in found for s in statements(section) if keep(s.action)]


def kinds(found: Iterable[Section]) -> list[str]:
    return [section.kind.value for section in found]


def of_kind(found: Iterable[Section], kind: SectionKind) -> list[Section]:
    return [section for section in found if section.kind is kind]
