"""Real scripts of pg_dump: read, cut, executed statement by statement, and compared with their source."""

from __future__ import annotations

import random
import re
import secrets
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import groupby
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.sample.clients import create_database, drop_database, run_sql
from vya_backupdb.engines.postgresql.restore.requirements import requirements
from vya_backupdb.engines.postgresql.script.lexer import End, StatementLexer
from vya_backupdb.engines.postgresql.script.reader import PostgreSQLScriptReader
from vya_backupdb.engines.postgresql.script.statements import statements
from vya_backupdb.errors import DumpFailed
from vya_backupdb.model import Action, Section, SectionKind, Statement
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql

SCHEMA = Path(__file__).with_name("postgresql_script_schema.sql")
ROLES = ("script_owner", "script_reader", '"script ""odd"" role"')
_COPY = re.compile(rb"^(COPY .*? FROM stdin;\n)(.*?)^(\\\.\n)", re.MULTILINE | re.DOTALL)


def tool(server: ScratchServer, name: str, *options: str, script: bytes = b"") -> bytes:
    """Run a client through the socket, where the superuser needs no password."""
    login = ("-h", str(server.socket), "-p", str(server.port), "-U", server.superuser)
    argv = (str(server.binaries.client_folder / name), *login, *options)
    return subprocess.run(argv, input=script, capture_output=True, check=True).stdout


def dump(server: ScratchServer, database: str, *options: str) -> bytes:
    return tool(server, "pg_dump", *options, "-d", database)


def comparable(script: bytes) -> bytes:
    """Drop what differs from run to run, and sort the rows of each table."""
    script = re.sub(rb"(?m)^\\(?:un)?restrict .*\n", b"", script)
    return _COPY.sub(lambda m: m[1] + b"".join(sorted(m[2].splitlines(keepends=True))) + m[3], script)


def read(script: bytes, limit: int = 16 << 20, steps: Iterable[int] = ()) -> list[Section]:
    reader = PostgreSQLScriptReader(section_bytes=limit)
    found: list[Section] = []
    at = 0
    for step in steps:
        found += reader.feed(script[at : at + step])
        at += step
    return [*found, *reader.feed(script[at:]), *reader.finish()]


def connect(server: ScratchServer, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(server.socket), port=server.port, user=server.superuser, dbname=database, autocommit=True
    )


def execute(connection: psycopg.Connection[tuple[object, ...]], statement: Statement) -> int:
    """Execute one statement, and give the rows that the server took."""
    assert statement.action is not Action.REFUSE, statement.reason
    with connection.cursor() as cursor:
        if statement.action is Action.COPY:
            assert statement.copy_data is not None
            with cursor.copy(statement.text) as copy:
                copy.write(statement.copy_data)
            return cursor.rowcount
        if statement.action is Action.EXECUTE:
            cursor.execute(statement.text)
            tag = re.match(r"INSERT 0 (\d+)$", cursor.statusmessage or "")
            return int(tag[1]) if tag else 0
    return 0


def restore(server: ScratchServer, database: str, sections: Iterable[Section]) -> None:
    """Execute all in file order through one session, but what comes last; check each section's rows."""
    last = []
    with closing(connect(server, database)) as connection:
        for section in sections:
            rows = 0
            for statement in statements(section):
                if statement.last:
                    last.append(statement)
                else:
                    rows += execute(connection, statement)
            assert rows == section.rows
        for statement in last:
            execute(connection, statement)


def drop_subscriptions(server: ScratchServer, database: str) -> None:
    """A database that subscribes to something cannot be dropped."""
    own = "SELECT subname FROM pg_subscription, pg_database d WHERE d.oid = subdbid AND datname = "
    for name in run_sql(server, own + "current_catalog", database).split():
        run_sql(
            server, f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE);\nDROP SUBSCRIPTION {name}", database
        )


@pytest.fixture(scope="module")
def rich(postgresql: ScratchServer) -> Iterator[str]:
    """A database with one of nearly everything; its roles and tablespace stay while this module runs."""
    name = f"script_{secrets.token_hex(4)}"
    for role in ROLES:
        run_sql(postgresql, f"CREATE ROLE {role}")
    run_sql(
        postgresql,
        "SET allow_in_place_tablespaces = on; CREATE TABLESPACE script_tablespace LOCATION ''".replace(
            "; ", ";\n"
        ),
    )
    create_database(postgresql, name)
    run_sql(postgresql, SCHEMA.read_bytes(), name)
    yield name
    drop_subscriptions(postgresql, name)
    drop_database(postgresql, name)
    run_sql(postgresql, "DROP TABLESPACE script_tablespace")
    for role in ROLES:
        run_sql(postgresql, f"DROP ROLE {role}")


@pytest.fixture(scope="module")
def script(postgresql: ScratchServer, rich: str) -> bytes:
    return dump(postgresql, rich)


@pytest.fixture
def target(postgresql: ScratchServer, rich: str, new_database: Callable[..., str]) -> Iterator[str]:
    """An empty database; dropped before the roles that own things in it."""
    name = new_database(postgresql)
    yield name
    drop_subscriptions(postgresql, name)


# ---------------------------------------------------------------------------- the same database comes back


@pytest.mark.parametrize("limit", [300, 20_000, 16 << 20])
def test_executed_statements_make_the_same_database(
    postgresql: ScratchServer, script: bytes, target: str, limit: int
) -> None:
    restore(postgresql, target, read(script, limit))
    assert comparable(dump(postgresql, target)) == comparable(script)


@pytest.mark.parametrize("limit", [300, 20_000])
def test_psql_makes_the_same_database_of_the_sections(
    postgresql: ScratchServer, script: bytes, target: str, limit: int
) -> None:
    sections = b"".join(section.body for section in read(script, limit))
    tool(postgresql, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", target, script=sections)
    assert comparable(dump(postgresql, target)) == comparable(script)


def test_sessions_side_by_side_in_any_order_make_the_same_database(
    postgresql: ScratchServer, script: bytes, target: str
) -> None:
    chance = random.Random(script)
    sections = read(script, 20_000)
    of_kind = defaultdict(list)
    for section in sections:
        of_kind[section.kind].append(section)
    local = threading.local()

    def session() -> psycopg.Connection[tuple[object, ...]]:
        if not hasattr(local, "connection"):
            local.connection = connect(postgresql, target)
            opened.append(local.connection)
            for statement in statements(of_kind[SectionKind.HEADER][0]):
                execute(local.connection, statement)
            local.connection.execute(b"SET default_tablespace = ''")  # as PostgreSQLSession does
        connection: psycopg.Connection[tuple[object, ...]] = local.connection
        return connection

    def load(section: Section) -> int:
        return sum(execute(session(), statement) for statement in statements(section))

    def make(statement: Statement) -> None:
        for _ in range(5):
            try:
                execute(session(), statement)
            except psycopg.errors.DeadlockDetected:
                continue
            return
        raise AssertionError(statement.text)

    opened: list[psycopg.Connection[tuple[object, ...]]] = []
    with closing(connect(postgresql, target)) as one, ThreadPoolExecutor(4) as pool:
        for section in [*of_kind[SectionKind.HEADER], *of_kind[SectionKind.SCHEMA]]:
            for statement in statements(section):
                execute(one, statement)
        rows = [section for section in of_kind[SectionKind.ROWS] if not section.sequential]
        chance.shuffle(rows)
        assert list(pool.map(load, rows)) == [section.rows for section in rows]
        for section in of_kind[SectionKind.ROWS]:
            if section.sequential:
                for statement in statements(section):
                    execute(one, statement)
        post = [statement for section in of_kind[SectionKind.POST] for statement in statements(section)]
        for group, members in groupby((s for s in post if not s.last), key=lambda s: s.parallel):
            batch = list(members)
            if group is None:
                for statement in batch:
                    execute(one, statement)
            else:
                chance.shuffle(batch)
                list(pool.map(make, batch))
        for statement in post:
            if statement.last:
                execute(one, statement)
    for connection in opened:
        connection.close()
    assert comparable(dump(postgresql, target)) == comparable(script)


@pytest.mark.parametrize(
    "options",
    [
        ("--inserts",),
        ("--column-inserts", "--on-conflict-do-nothing"),
        ("--rows-per-insert=7",),
        ("--clean",),
        ("--clean", "--if-exists"),
        ("--load-via-partition-root",),
        ("--verbose",),
        ("--statistics",),
    ],
    ids=" ".join,
)
def test_scripts_made_with_other_options_make_the_same_database(
    postgresql: ScratchServer, rich: str, script: bytes, target: str, options: tuple[str, ...]
) -> None:
    if options == ("--statistics",) and postgresql.binaries.version_number < (18,):
        pytest.skip("pg_dump has --statistics from 18")
    restore(postgresql, target, read(dump(postgresql, rich, *options), 20_000))
    assert comparable(dump(postgresql, target)) == comparable(script)


def test_owners_set_by_session_authorization_come_back(
    postgresql: ScratchServer, target: str, new_database: Callable[..., str]
) -> None:
    source = new_database(postgresql)
    for database in (source, target):
        run_sql(postgresql, "GRANT ALL ON SCHEMA public TO PUBLIC", database)
    run_sql(
        postgresql,
        """
        CREATE TABLE a (x integer PRIMARY KEY);
        INSERT INTO a VALUES (1), (2);
        SET ROLE script_owner;
        CREATE TABLE b (y integer PRIMARY KEY);
        CREATE INDEX b_y ON b (y);
        INSERT INTO b VALUES (1);
        """,
        source,
    )
    sections = read(dump(postgresql, source, "--use-set-session-authorization"), 200)
    assert all(s.sequential for s in sections if s.object == "public.b")
    restore(postgresql, target, sections)
    assert comparable(dump(postgresql, target)) == comparable(dump(postgresql, source))


def test_schema_and_data_dumped_apart_make_the_same_database(
    postgresql: ScratchServer, rich: str, script: bytes, target: str
) -> None:
    restore(postgresql, target, read(dump(postgresql, rich, "--schema-only")))
    data = read(dump(postgresql, rich, "--data-only", "--disable-triggers"), 20_000)
    assert all(section.sequential for section in data if section.kind is SectionKind.ROWS)
    restore(postgresql, target, data)
    rows = (dump(postgresql, database, "--data-only") for database in (target, rich))
    assert comparable(next(rows)) == comparable(next(rows))


def test_a_database_without_tables_comes_back(
    postgresql: ScratchServer, target: str, new_database: Callable[..., str]
) -> None:
    source = new_database(postgresql)
    run_sql(
        postgresql,
        """
        CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;
        CREATE VIEW public.v AS SELECT public.f();
        CREATE MATERIALIZED VIEW public.m AS SELECT * FROM public.v;
        CREATE INDEX i ON public.m (f);
        GRANT SELECT ON public.v TO script_reader;
        CREATE FUNCTION public.e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
        CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION public.e();
        """,
        source,
    )
    sections = read(dump(postgresql, source))
    assert [s.kind for s in sections] == [
        SectionKind.HEADER,
        SectionKind.SCHEMA,
        SectionKind.POST,
        SectionKind.FOOTER,
    ]
    restore(postgresql, target, sections)
    assert comparable(dump(postgresql, target)) == comparable(dump(postgresql, source))


@pytest.mark.limitation("postgresql-statement-ends")
def test_what_psql_itself_cannot_split_comes_back(
    postgresql: ScratchServer, target: str, new_database: Callable[..., str]
) -> None:
    source = new_database(postgresql)
    made = b"""
        CREATE TABLE public.t (begin integer, x integer);
        INSERT INTO public.t VALUES (1, 2);
        CREATE FUNCTION public.begin() RETURNS integer LANGUAGE sql AS 'SELECT 1;';
        CREATE FUNCTION public.f() RETURNS integer BEGIN ATOMIC SELECT t.begin FROM public.t; END;
    """
    with closing(connect(postgresql, source)) as connection:
        for statement in statements(Section(SectionKind.SCHEMA, made)):
            execute(connection, statement)
    script = dump(postgresql, source)
    restore(postgresql, target, read(script))
    assert comparable(dump(postgresql, target)) == comparable(script)


def test_a_script_with_standard_conforming_strings_off_makes_the_same_database(
    postgresql: ScratchServer, target: str, new_database: Callable[..., str]
) -> None:
    source = new_database(postgresql)
    for database in (source, target):
        run_sql(postgresql, f"ALTER DATABASE {database} SET standard_conforming_strings = off")
    run_sql(
        postgresql,
        r"""
        SET standard_conforming_strings = on;
        CREATE TABLE public.t (a text DEFAULT 'x\''y' CHECK (a <> 'a\\'';\'));
        COMMENT ON TABLE public.t IS '\''; SELECT \';
        CREATE VIEW public.v AS SELECT 'a\'::text AS a, E'b\\;\''::text AS b;
        INSERT INTO public.t VALUES ('\'), ('''\;');
        """,
        source,
    )
    for options in ((), ("--inserts",)):
        script = dump(postgresql, source, *options)
        assert b"standard_conforming_strings = off" in script
        restore(postgresql, target, read(script))
        assert comparable(dump(postgresql, target)) == comparable(dump(postgresql, source))
        run_sql(postgresql, "DROP VIEW v; DROP TABLE t", target)


# ---------------------------------------------------------------------------- what a script tells of itself


def test_every_table_has_its_rows_counted(postgresql: ScratchServer, rich: str, script: bytes) -> None:
    for limit, options in ((16 << 20, ()), (5_000, ()), (16 << 20, ("--inserts",))):
        counted: dict[str, int] = defaultdict(int)
        for section in read(dump(postgresql, rich, *options), limit):
            if section.object is not None:
                counted[section.object] += section.rows
        with closing(connect(postgresql, rich)) as connection:
            for table, rows in counted.items():
                (row,) = connection.execute(f"SELECT count(*) FROM ONLY {table}".encode()).fetchall()
                assert row == (rows,), table
        assert counted["shop.orders"] == 2000


def test_roles_extensions_schemas_and_tablespaces_are_found(script: bytes) -> None:
    found = requirements(read(script))
    assert found.roles == {"postgres", "script_owner", "script_reader", 'script "odd" role'}
    assert found.extensions == {"hstore", "pgcrypto", "btree_gist", "postgres_fdw", "pg_trgm"}
    assert found.schemas == {"shop", "We ird.Schema;"}
    assert found.tablespaces == {"script_tablespace"}


@pytest.mark.limitation("postgresql-meta-commands")
def test_scripts_that_leave_the_database_are_refused(postgresql: ScratchServer, rich: str) -> None:
    for text in (dump(postgresql, rich, "--create"), tool(postgresql, "pg_dumpall", "--schema-only")):
        refused = [
            statement.text
            for section in read(text)
            for statement in statements(section)
            if statement.action is Action.REFUSE
        ]
        assert any(line.startswith(b"\\connect ") for line in refused)
        assert any(line.startswith(b"CREATE DATABASE ") for line in refused)


# ---------------------------------------------------------------------------- chunks and cuts


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), limit=st.sampled_from([300, 20_000, 16 << 20]))
def test_chunks_of_any_size_give_the_same_sections(script: bytes, chance: random.Random, limit: int) -> None:
    sizes = (1, 2, 3, 10, 100, 4096, 100_000)
    steps = [chance.randrange(1, 1 + chance.choice(sizes)) for _ in range(400)]
    assert read(script, limit, steps) == read(script, limit)


@pytest.mark.limitation("postgresql-cut-short")
def test_a_script_cut_short_anywhere_is_refused(script: bytes) -> None:
    needed = script.rindex(b"dump complete\n") + len(b"dump complete\n")
    chance = random.Random(needed)
    for _ in range(60):
        with pytest.raises(DumpFailed):
            read(script[: chance.randrange(needed)])
    assert read(script[:needed])


# ---------------------------------------------------------------------------- psql's opinion

WORDS = st.sampled_from(
    [
        *(
            "create",
            "or replace",
            "function",
            "procedure",
            "begin atomic",
            "case",
            "end",
            "foo",
            "E",
            "e1",
            "$1",
        ),
        *("(", ")", ";", ";", ";\n", " ", "\n", "'", "''", '"', '""', "$$", "$a$", "$a", "a$", "-", "/", "+"),
        *("'a\\\\;'", "'\\\\'", "E'\\'", "E'\\\\'", 'U&"'),
        *("E'", "U&'", "N'", "b'", "--x;('\n", "/*y;'*/", "/*y/*;*/(*/", "é", "1.5", "[", "]", "<@"),
    ]
)
_ANSWERED = re.compile(rb"^psql:[^\n]*(?:ERROR|WARNING):  \w{5}\n", re.MULTILINE)


def _bare(text: bytes) -> bytes:
    """Drop what psql drops (line comments), what may stand alone (block comments), and blanks."""
    for comment in (b"--x;('", b"/*y;'*/", b"/*y/*;*/(*/"):
        text = text.replace(comment, b"")
    return re.sub(rb"\s+", b"", text).lstrip(b";")


def _read(text: bytes, *, standard_strings: bool) -> list[bytes]:
    """Give the statements up to the first meta-command, or an escape that pg_dump never writes."""
    lexer = StatementLexer()
    lexer.standard_strings = standard_strings
    found: list[bytes] = []
    try:
        while lexer.scan(text, final=True) is End.SEMICOLON:
            assert lexer.start is not None
            found.append(_bare(text[lexer.start : lexer.position]))
            lexer.begin(lexer.position)
    except DumpFailed:
        pass
    return [statement for statement in found if statement]


@pytest.mark.parametrize("standard_strings", ["on", "off"])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(soup=st.lists(WORDS, max_size=300).map("".join))
def test_statements_end_where_psql_ends_them(
    postgresql: ScratchServer, standard_strings: str, soup: str
) -> None:
    text = soup.encode()
    setting = f"dbname=postgres options='-c standard_conforming_strings={standard_strings}'"
    options = ("-X", "-q", "-e", "-v", "VERBOSITY=sqlstate", "-d", setting, "-f", "-")
    login = ("-h", str(postgresql.socket), "-p", str(postgresql.port), "-U", postgresql.superuser)
    answer = subprocess.run(
        (str(postgresql.binaries.client), *login, *options),
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    ).stdout
    theirs = [_bare(query) for query in _ANSWERED.split(answer)]
    ours = _read(text, standard_strings=standard_strings == "on")
    assert [query for query in theirs if query][: len(ours)] == ours
