"""A database with everything that makes dumps hard to read, its dumps, and a restore by sections."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pymysql
from pymysql.connections import Connection

from vya_backupdb.credentials.transport import secret_file
from vya_backupdb.engines.mysql.restore.restoring import statements
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.model import Action, Section, SectionKind
from vya_backupdb.scratch import ScratchServer

Executed = str | bytes | tuple[str, tuple[object, ...]]

NASTY = "it's \\ a \"test\" `x`; -- no\n),('x'),\n(1);\n# c /* c */ \x00\x1a\r\t%s 日本語 🎉 \\' \\\\'"
UTF8 = "ALTER DATABASE CHARACTER SET utf8mb4"
ODD = "`We ird``Tab'\"le;`"


def _tables() -> Iterator[Executed]:
    yield (
        "CREATE TABLE customers (id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,"
        " name varchar(200) NOT NULL DEFAULT 'it''s;\\n),(', mail varchar(200) UNIQUE,"
        " kind enum('a','b''c','d\\\\e','f);'), flags set('x','y'';')) COMMENT='a ''q'' ; /* not */ -- no'"
    )
    yield (
        "CREATE TABLE orders (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, customer int unsigned NOT NULL,"
        " total decimal(30,10), doc json, data longblob, bits bit(9), d datetime(6), twice decimal(31,10)"
        " GENERATED ALWAYS AS (total*2) VIRTUAL, kept varchar(50) GENERATED ALWAYS AS (concat('a;''b',total))"
        " STORED, pt point, KEY k (kept), FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE)"
    )
    yield f"CREATE TABLE {ODD} (`col``'\"umn` int, `select` text, `-- x` double)"
    yield "CREATE TABLE `new\nline\\! ls` (a int)"
    yield "CREATE TABLE `-dash` (a int, b int)"
    yield (
        "CREATE TABLE parts (a int, b varchar(20)) PARTITION BY RANGE (a)"
        " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"
    )
    yield "CREATE TABLE empty_one (a int)"
    yield "CREATE TABLE my_isam (a int primary key auto_increment, b tinyblob) ENGINE=MyISAM"
    yield "INSERT INTO my_isam VALUES (1,'x'),(2,'(y),(z)')"
    for i in range(40):
        yield (
            "INSERT INTO customers (name, mail, kind, flags) VALUES (%s, %s, %s, %s)",
            (
                NASTY * (i % 3) or "x",
                f"m{i}),(@x",
                ["a", "b'c", "d\\e", "f);", None][i % 5],
                "x" if i % 2 else "x,y';",
            ),
        )
        yield (
            "INSERT INTO orders (customer, total, doc, data, bits, d, pt)"
            " VALUES (%s, %s, %s, %s, %s, '2020-01-01 00:00:00.123456', ST_GeomFromText('POINT(1 2)'))",
            (i + 1, i / 7, '{"a": "b\\"c\'d;),(", "e": [1, 2.5, null]}', bytes(range(256)) * (i % 3), i),
        )
        yield (f"INSERT INTO {ODD} VALUES (%s, %s, %s)", (i, "-- x\n" + NASTY, -1.5e300 if i else None))
        yield ("INSERT INTO parts VALUES (%s, %s)", (i, "'" * i if i < 20 else "\\" * 10))
    yield "INSERT INTO `new\nline\\! ls` VALUES (1),(2)"
    yield "INSERT INTO `-dash` VALUES (1,2)"


def _programs(replica: str) -> Iterator[Executed]:
    yield "CREATE VIEW v_two AS SELECT 1 AS a, 'x;''y' AS `b``c`"
    yield (
        "CREATE SQL SECURITY INVOKER VIEW a_first AS"
        " SELECT o.id, c.name, v.a FROM orders o JOIN customers c ON c.id = o.customer JOIN v_two v"
    )
    yield f"CREATE VIEW `odd``v'iew;` AS SELECT `-- x`, '*/' AS c FROM {ODD}"
    yield (
        "CREATE TRIGGER t1 BEFORE INSERT ON customers FOR EACH ROW BEGIN /* a ';' comment */"
        " IF NEW.name = 'y;' THEN SET NEW.name = 'it''s \\' ok ;'; END IF; -- a ' comment\n"
        ' SET @x = "a;\'b"; END'
    )
    yield "CREATE TRIGGER t2 AFTER INSERT ON customers FOR EACH ROW SET @y = 1"
    yield "CREATE TRIGGER t5 BEFORE UPDATE ON customers FOR EACH ROW SET @y = 1 -- why ' not"
    yield f"CREATE TRIGGER t4 BEFORE DELETE ON {ODD} FOR EACH ROW SET @z = '*/'"
    yield (
        "CREATE FUNCTION `fu``n'c`(a int, b varchar(10)) RETURNS varchar(100) CHARSET utf8mb4 DETERMINISTIC"
        " COMMENT 'c''omment; /* */' RETURN concat(a, b, ';', '\\'', \"x'\")"
    )
    yield (
        "CREATE PROCEDURE pr(IN a int, OUT b int) SQL SECURITY INVOKER BEGIN"
        " DECLARE c int DEFAULT 0; # a ' ;\n"
        " /* block ; ' */ l: LOOP SET c = c + 1; IF c > 3 THEN LEAVE l; END IF; END LOOP;"
        " SELECT NULL, 'delimiter ;', '\nDELIMITER //\n' INTO @a, @b, @c; SET b = c; END"
    )
    yield "CREATE PROCEDURE p_comment() SELECT 1 -- why ' not"
    every = "ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00'"
    yield (
        f"CREATE EVENT e_on {every} ON COMPLETION PRESERVE ENABLE COMMENT 'ENABLE this ''ENABLE'' DO'"
        " DO INSERT INTO empty_one SELECT 1 FROM dual WHERE 'ENABLE' = ' ENABLE DO '"
    )
    yield (
        f"CREATE EVENT e_comments {every} ENABLE DO BEGIN /* block ENABLE comment ; */ SELECT '*/', 'a;b';"
        " -- line ' comment\n # hash\n UPDATE empty_one SET a = 1; END"
    )
    yield f"CREATE EVENT e_trailing {every} DO SELECT 1 -- why ' not"
    yield "CREATE EVENT `ENABLE``'x` ON SCHEDULE AT '2037-01-01' + INTERVAL 1 DAY ENABLE DO SELECT 1"
    yield f"CREATE EVENT e_off {every} DISABLE DO SELECT 'ENABLE'"
    yield f"CREATE EVENT e_replica {every} DISABLE ON {replica} DO SELECT 'ENABLE'"
    yield "SET time_zone = '+05:00', collation_connection = utf8mb4_bin"
    yield f"CREATE EVENT e_zone {every} ENABLE DO SELECT 1"
    yield "SET time_zone = DEFAULT, collation_connection = DEFAULT"
    yield "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"
    yield (
        "CREATE TRIGGER t3 BEFORE UPDATE ON parts FOR EACH ROW"
        " BEGIN SET @\"we;'ird\\\" = 'back\\'; SET @b = 'x;'; END"
    )
    yield 'CREATE PROCEDURE p_ansi() BEGIN SELECT \'a\\\'; SELECT "id" FROM "customers"; END'
    yield f'CREATE EVENT e_ansi {every} ENABLE DO BEGIN SELECT \'a\\\'; SELECT "id" FROM "customers"; END'
    yield "SET sql_mode = DEFAULT"
    yield "SET NAMES sjis"
    yield "CREATE PROCEDURE p_sjis() SELECT '表', '表;'' x'".encode("shift_jis")
    yield f"CREATE EVENT e_sjis {every} ENABLE DO SELECT '表'".encode("shift_jis")
    yield "SET NAMES utf8mb4"
    yield "ALTER DATABASE CHARACTER SET latin1"
    yield "CREATE PROCEDURE p_latin() SELECT 1"
    yield f"CREATE EVENT e_latin {every} ENABLE DO SELECT 1"
    yield "CREATE TRIGGER t6 BEFORE INSERT ON parts FOR EACH ROW SET @q = 1"
    yield UTF8


def _mariadb() -> Iterator[Executed]:
    yield "CREATE SEQUENCE s1 START WITH 100 INCREMENT BY 10"
    yield "SELECT nextval(s1)"
    yield "CREATE TABLE hist (id int primary key, v varchar(50)) WITH SYSTEM VERSIONING"
    yield "INSERT INTO hist VALUES (1,'a'),(2,'b),('),(3,'c')"
    yield "UPDATE hist SET v = 'changed' WHERE id < 3"
    yield "DELETE FROM hist WHERE id = 2"
    yield (
        "CREATE TABLE hist2 (id int, v int, s timestamp(6) GENERATED ALWAYS AS ROW START,"
        " e timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING"
    )
    yield "INSERT INTO hist2 (id, v) VALUES (1,1),(2,2)"
    yield "UPDATE hist2 SET v = v + 1"
    yield "CREATE TABLE inv (a int, b int INVISIBLE DEFAULT 7)"
    yield "INSERT INTO inv (a, b) VALUES (1,2),(3,4)"
    yield "SET sql_mode = 'ORACLE'"
    yield "CREATE PACKAGE pack AS FUNCTION f RETURN int; PROCEDURE p(a int); END"
    yield (
        "CREATE PACKAGE BODY pack AS x int := 1; FUNCTION f RETURN int AS BEGIN RETURN x; END;"
        " PROCEDURE p(a int) AS BEGIN SELECT 'a;'; END; BEGIN SET x := 5; END"
    )
    yield 'CREATE PROCEDURE ora(a int) AS b int; BEGIN SELECT "id" FROM customers; END'
    yield "SET sql_mode = DEFAULT"


def _mysql() -> Iterator[Executed]:
    yield (
        "CREATE TABLE my9 (a int, b int INVISIBLE DEFAULT 7, v VECTOR(3), c int CHECK (c > 0),"
        " KEY f ((a + b)))"
    )
    yield "INSERT INTO my9 (a, b, v) VALUES (1, 2, STRING_TO_VECTOR('[1,2,3]')), (3, 4, NULL)"
    yield "CREATE LIBRARY lib1 LANGUAGE JAVASCRIPT AS $$ export function f(n) { return 'a;\\'' + n } $$"
    yield "CREATE LIBRARY lib2 LANGUAGE JAVASCRIPT AS $js$ export const s = `it's ;; $$` // don't \" /* $js$"


def rich(flavour: str) -> Iterator[Executed]:
    """Give the statements that fill an empty database."""
    yield UTF8
    yield from _tables()
    yield from _mysql() if flavour == "mysql" else _mariadb()
    yield from _programs("REPLICA" if flavour == "mysql" else "SLAVE")


def connect(server: ScratchServer, database: str) -> Connection:
    connection = pymysql.connect(
        unix_socket=str(server.socket),
        user=server.superuser,
        password=server.password,
        charset="utf8mb4",
        autocommit=True,
    )
    connection.select_db(database)
    return connection


def fill(server: ScratchServer, database: str, what: Iterator[Executed]) -> None:
    connection = connect(server, database)
    try:
        with connection.cursor() as cursor:
            for each in what:
                if isinstance(each, tuple):
                    cursor.execute(*each)
                else:
                    connection.query(each)
    finally:
        connection.close()


def ask(server: ScratchServer, database: str, query: str) -> list[tuple[object, ...]]:
    connection = connect(server, database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return [tuple(found) for found in cursor.fetchall()]
    finally:
        connection.close()


def login_of(server: ScratchServer) -> bytes:
    """Give an option file for the server's own tools."""
    content = f"[client]\nuser={server.superuser}\npassword={server.password}\nsocket={server.socket}\n"
    return content.encode()


WHOLE = ("--single-transaction", "--hex-blob", "--routines", "--events", "--triggers", "--no-tablespaces")


def dump(server: ScratchServer, database: str, *options: str) -> bytes:
    """Dump with the server's own tool and these options."""
    first: tuple[str, ...] = ("--skip-dump-date", "--default-character-set=utf8mb4")
    if server.flavour == "mysql":
        first += ("--set-gtid-purged=OFF", "--skip-masking-policies")
    else:
        first += ("--dump-history",)
    with secret_file(login_of(server)) as secret:
        argv = [str(server.binaries.dump), f"--defaults-file={secret.path}", *first, *options, database]
        done = subprocess.run(argv, capture_output=True, pass_fds=(secret.fd,), timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def normal(script: bytes, database: str) -> bytes:
    """Take the database's name out of a script."""
    name = database.encode()
    script = re.sub(rb"(Database: |database '|ALTER DATABASE `)" + name, rb"\1X", script)
    return re.sub(rb"`" + name + rb"`\.", b"", script)


def read(
    script: bytes, *, trailer: bool = True, section_bytes: int = 1 << 24, seed: int = 0
) -> list[Section]:
    """Give the sections of a script that comes in chunks of random size."""
    chance = random.Random(seed)
    reader = MySQLScriptReader(require_trailer=trailer, section_bytes=section_bytes)
    found: list[Section] = []
    pos = 0
    while pos < len(script):
        size = chance.randrange(1, 5000)
        found += reader.feed(script[pos : pos + size])
        pos += size
    return [*found, *reader.finish()]


def restore(server: ScratchServer, database: str, found: Sequence[Section], *, jobs: int = 3) -> list[bytes]:
    """Execute sections as a restore does, rows out of order in sessions of their own; give the `later`s."""
    later: list[bytes] = []

    def run(connection: Connection, section: Section) -> int:
        taken = 0
        for statement in statements(section):
            assert statement.action is not Action.REFUSE, statement.reason
            if statement.action is Action.EXECUTE:
                affected = connection.query(statement.text)
                taken += affected if section.kind is SectionKind.ROWS else 0
            later.extend(statement.later)
        return taken

    def session(kind: SectionKind, wanted: Sequence[Section]) -> None:
        connection = connect(server, database)
        try:
            for section in of_kind(found, SectionKind.HEADER):
                run(connection, section)
            for section in wanted:
                taken = run(connection, section)
                assert kind is not SectionKind.ROWS or taken == section.rows, section.object
        finally:
            connection.close()

    session(SectionKind.SCHEMA, of_kind(found, SectionKind.SCHEMA))
    rows = of_kind(found, SectionKind.ROWS)
    random.Random(1).shuffle(rows)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda section: session(SectionKind.ROWS, [section]), rows))
    session(SectionKind.POST, of_kind(found, SectionKind.POST))
    return later


def enable(server: ScratchServer, database: str, found: Sequence[Section], later: Sequence[bytes]) -> None:
    connection = connect(server, database)
    try:
        for section in of_kind(found, SectionKind.HEADER):
            for statement in statements(section):
                connection.query(statement.text)
        for text in later:
            connection.query(text)
    finally:
        connection.close()


def of_kind(found: Sequence[Section], kind: SectionKind) -> list[Section]:
    return [section for section in found if section.kind is kind]
