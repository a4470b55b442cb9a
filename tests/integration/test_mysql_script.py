"""Scripts of the real dump tools, taken apart and executed on real servers."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable

import pytest

from tests.integration.mysql_script_support import (
    UTF8,
    WHOLE,
    ask,
    connect,
    dump,
    enable,
    fill,
    login_of,
    normal,
    of_kind,
    read,
    restore,
    rich,
)
from vya_backupdb.credentials.transport import secret_file
from vya_backupdb.engines.mysql.restore.restoring import definers, statements
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.model import Action, SectionKind
from vya_backupdb.scratch import ScratchServer

NewDatabase = Callable[..., str]


@pytest.fixture
def source(mysql_server: ScratchServer, new_database: NewDatabase) -> str:
    """A database with everything in it, on MySQL and MariaDB in turn."""
    name = new_database(mysql_server)
    fill(mysql_server, name, rich(mysql_server.flavour))
    return name


@pytest.mark.parametrize(
    ("options", "section_bytes"),
    [
        pytest.param(("--skip-add-locks", "--skip-disable-keys"), 1 << 24, id="as the product does"),
        pytest.param(("--skip-add-locks", "--skip-disable-keys"), 1, id="cut wherever it may be"),
        pytest.param(("--insert-ignore", "--skip-hex-blob", "--add-drop-trigger"), 1 << 24, id="by default"),
        pytest.param(
            ("--skip-extended-insert", "--complete-insert", "--no-autocommit"), 1 << 24, id="row by row"
        ),
    ],
)
def test_database_restored_by_sections_is_identical(
    mysql_server: ScratchServer,
    source: str,
    new_database: NewDatabase,
    options: tuple[str, ...],
    section_bytes: int,
) -> None:
    script = dump(mysql_server, source, *WHOLE, *options)
    found = read(script, section_bytes=section_bytes)
    if section_bytes > 1:
        assert b"".join(section.body for section in found) == script
    copy = new_database(mysql_server)
    fill(mysql_server, copy, iter([UTF8]))
    later = restore(mysql_server, copy, found)
    enable(mysql_server, copy, found, later)
    assert normal(dump(mysql_server, copy, *WHOLE), copy) == normal(
        dump(mysql_server, source, *WHOLE), source
    )


def test_compact_dump_without_header_and_trailer_is_read(mysql_server: ScratchServer, source: str) -> None:
    found = read(dump(mysql_server, source, *WHOLE, "--compact"), trailer=False)
    assert SectionKind.HEADER not in {section.kind for section in found}
    counts: Counter[str] = Counter()
    for section in of_kind(found, SectionKind.ROWS):
        counts[section.object or ""] += section.rows
    assert counts["customers"] == 40
    assert counts["We ird`Tab'\"le;"] == 40


def test_rows_are_those_of_the_tables(mysql_server: ScratchServer, source: str) -> None:
    counts: Counter[str] = Counter()
    for section in of_kind(read(dump(mysql_server, source, *WHOLE)), SectionKind.ROWS):
        counts[section.object or ""] += section.rows
    for table in ("customers", "orders", "parts", "my_isam", "new\nline\\! ls", "-dash"):
        ((number,),) = ask(mysql_server, source, f"SELECT count(*) FROM `{table}`")
        assert counts[table] == number, table


def test_schema_only_and_rows_only_are_read(mysql_server: ScratchServer, source: str) -> None:
    schema = read(dump(mysql_server, source, "--no-data", "--skip-triggers"))
    assert {section.kind.value for section in schema} == {"header", "schema", "post", "footer"}
    rows = read(
        dump(mysql_server, source, "-t", "--skip-triggers", "--skip-add-locks", "--skip-disable-keys")
    )
    assert {section.kind.value for section in rows} == {"header", "rows", "footer"}


@pytest.mark.limitation("mysql-copies")
def test_dump_that_names_its_database_is_refused(mysql_server: ScratchServer, source: str) -> None:
    found = read(dump(mysql_server, "--databases", "--add-drop-database", source))
    refused = [
        statement.text.split(b" ")[0]
        for section in found
        for statement in statements(section)
        if statement.action is Action.REFUSE
    ]
    assert refused == [b"/*!40000", b"CREATE", b"USE", b"USE"]


STATES = (
    "SELECT event_name, status, definer, time_zone, sql_mode, character_set_client, collation_connection,"
    " database_collation, event_definition FROM information_schema.events"
    " WHERE event_schema = DATABASE() ORDER BY event_name"
)


@pytest.mark.limitation("mysql-events-fire")
def test_no_event_is_enabled_before_the_end_and_then_it_is_what_it_was(
    mysql_server: ScratchServer, source: str, new_database: NewDatabase
) -> None:
    found = read(dump(mysql_server, source, *WHOLE))
    copy = new_database(mysql_server)
    fill(mysql_server, copy, iter([UTF8]))
    later = restore(mysql_server, copy, found)
    assert "ENABLED" not in {state for _, state, *_ in ask(mysql_server, copy, STATES)}
    enable(mysql_server, copy, found, later)
    assert ask(mysql_server, copy, STATES) == ask(mysql_server, source, STATES)


def test_definers_are_those_of_the_objects(mysql_server: ScratchServer, source: str) -> None:
    found = read(dump(mysql_server, source, *WHOLE))
    ((account,),) = ask(mysql_server, source, "SELECT CURRENT_USER()")
    assert set().union(*map(definers, found)) == {account}


@pytest.mark.limitation("mysql-end-comment")
def test_objects_whose_end_the_tool_hides_are_named(mysql: ScratchServer, new_database: NewDatabase) -> None:
    name = new_database(mysql)
    fill(mysql, name, iter(["CREATE PROCEDURE bad() SELECT 1 -- why", "CREATE PROCEDURE good() SELECT 1"]))
    reader = MySQLScriptReader()
    list(reader.feed(dump(mysql, name, "--routines")))
    list(reader.finish())
    assert [note.split(" ends")[0] for note in reader.notes] == ["procedure bad"]


@pytest.mark.limitation("mysql-history")
def test_system_versioned_rows_load_in_parallel_with_their_history(
    mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    name = new_database(mariadb)
    make = (
        "CREATE TABLE h (id int primary key, v varchar(1000)) WITH SYSTEM VERSIONING",
        "INSERT INTO h SELECT seq, repeat('x', 1000) FROM seq_1_to_3000",
        "UPDATE h SET v = repeat('y', 1000)",
        "DELETE FROM h WHERE id > 2000",
    )
    fill(mariadb, name, iter(make))
    found = read(dump(mariadb, name, *WHOLE, "--net-buffer-length=65536"), section_bytes=1 << 20)
    rows = of_kind(found, SectionKind.ROWS)
    assert len(rows) > 4
    assert sum(section.rows for section in rows) == 6000
    copy = new_database(mariadb)
    restore(mariadb, copy, found)
    every = "SELECT id, v, row_start, row_end FROM h FOR SYSTEM_TIME ALL ORDER BY id, row_start"
    assert ask(mariadb, copy, every) == ask(mariadb, name, every)


# ---------------------------------------------------------------------------- the clients' own rules

SCRIPTS = (
    "system echo RUN\nSELECT 2;",
    "SELECT 1; system echo RUN\n;",
    "/* c */ system echo RUN;",
    "-- x\nsystem echo RUN;",
    "SyStEm echo RUN\n",
    "SELECT 5 \\! echo RUN\n;",
    "SELECT /*! 6 \\! echo RUN\n*/;",
    "SELECT 7 /* \\! echo RUN\n*/;",
    "SELECT 1 -- \\! echo RUN\n;",
    "SELECT '\\! echo RUN\n';",
    'SELECT "\nsystem echo RUN\n";',
    "SELECT 1 AS `\nsystem echo RUN\n`;",
    "SELECT \\N;",
    "DELIMITER //\nSELECT 1;\nsystem echo RUN\n//\nDELIMITER ;\n",
    "SELECT 1 AS\nsystem\n;",
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_client_commands_are_those_that_the_client_executes(mysql_server: ScratchServer, script: str) -> None:
    options = ("--commands", "--system-command=ON") if mysql_server.flavour == "mysql" else ()
    with secret_file(login_of(mysql_server)) as secret:
        argv = [
            str(mysql_server.binaries.client),
            f"--defaults-file={secret.path}",
            "-N",
            "--force",
            *options,
        ]
        done = subprocess.run(
            argv, input=script.encode(), capture_output=True, pass_fds=(secret.fd,), timeout=60, check=False
        )
    ran = "RUN" in done.stdout.decode().split()
    script_of_ours = script if script.endswith((";", "\n")) else script + "\n"
    found = [s for section in read(script_of_ours.encode(), trailer=False) for s in statements(section)]
    reasons = " ".join(statement.reason or "" for statement in found)
    assert ("command of the mysql client" in reasons) == ran


def test_sql_modes_given_as_numbers_are_those_of_the_server(mysql_server: ScratchServer) -> None:
    connection = connect(mysql_server, "mysql")
    try:
        with connection.cursor() as cursor:
            for number, mode in ((4, "ANSI_QUOTES"), (1 << 20, "NO_BACKSLASH_ESCAPES")):
                cursor.execute(f"SET sql_mode = {number}")
                cursor.execute("SELECT @@sql_mode")
                assert cursor.fetchone() == (mode,)
    finally:
        connection.close()
