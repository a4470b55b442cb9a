"""What pg_dump loses, or its restore chokes on, as an operator meets it (docs/limitations.md)."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from scripts.sample.clients import create_database, drop_database, run_sql
from tests.conftest import choose
from vya_backupdb.scratch import ScratchServer, find_binaries, start

from .conftest import Site

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def server(postgresql: ScratchServer) -> ScratchServer:
    return postgresql


@pytest.fixture(scope="module")
def target(postgresql_target: ScratchServer) -> ScratchServer:
    return postgresql_target


# ---------------------------------------------------------------------------- databases that cannot be dumped


@contextmanager
def interrupted_drop(server: ScratchServer, database: str) -> Iterator[str]:
    """Make what DROP DATABASE leaves when the server ends in the middle of it."""
    name = f"{database}_gone"
    create_database(server, name)
    run_sql(server, f"UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{name}'")
    try:
        yield name
    finally:
        drop_database(server, name)


@pytest.mark.limitation("postgresql-interrupted-drop")
def test_the_remains_of_an_interrupted_drop_are_skipped_and_named(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    site.write_config(databases={"include": [f"{database}*"]})
    with interrupted_drop(site.source, database) as gone:
        done = site.run("backup", "--instance", "source", "--all", "--no-users", "--format", "json")
        plan = site.json("backup", "--instance", "source", "--all", "--no-users", "--dry-run")
        shown = site.run("backup", "--instance", "source", "--all", "--no-users").stdout
        (checked,) = site.json("config", "test-connections", "--instance", "source")["instances"]
    for document in (json.loads(done.stdout), plan):
        reasons = {entry["database"]: entry["skipped"] for entry in document["backups"]}
        assert reasons.keys() == {database, gone}
        assert reasons[database] is None
        assert "DROP DATABASE of it was interrupted" in reasons[gone]
    assert "backup skipped" in done.stderr
    assert any(gone in line and "skipped" in line for line in shown.splitlines())
    assert checked["ok"]
    assert [finding["object"] for finding in checked["findings"]] == [gone]


@pytest.mark.limitation("postgresql-interrupted-drop")
def test_the_remains_of_an_interrupted_drop_that_are_asked_for_by_name_are_a_failure(
    site: Site, database: str
) -> None:
    with interrupted_drop(site.source, database) as gone:
        done = site.run("backup", "--instance", "source", "--database", gone, code=20)
        assert "DROP DATABASE of it was interrupted" in done.stderr
        site.write_config(databases={"include": [gone]})
        site.run("backup", "--instance", "source", "--all", "--no-users", code=20)


@pytest.mark.limitation("postgresql-closed-database")
def test_a_database_that_allows_no_connections_is_a_failure_for_its_data_is_in_no_backup(
    site: Site, database: str
) -> None:
    site.fill(database, rows=5)
    site.write_config(databases={"include": [f"{database}*"]})
    run_sql(site.source, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    done = site.run("backup", "--instance", "source", "--all", "--no-users", code=20)
    assert "it allows no connections" in done.stderr


# ---------------------------------------------------------------------------- dumps


@pytest.mark.limitation("postgresql-large-values")
@pytest.mark.parametrize(
    ("columns", "value"),
    [
        ("v bytea", "convert_to(repeat('x', 550 * 1024 * 1024), 'UTF8')"),
        ("v text, w text", "repeat('x', 530 * 1024 * 1024)"),
    ],
    ids=["one value", "one row"],
)
def test_a_row_too_large_for_a_dump_is_a_failure_that_names_the_table(
    site: Site, database: str, columns: str, value: str
) -> None:
    """Its values compress well, so that the table itself is small."""
    create_database(site.source, database)
    run_sql(
        site.source,
        f'CREATE TABLE "too large" ({columns}); INSERT INTO "too large" (v) SELECT {value};'
        + ('UPDATE "too large" SET w = v' if "w" in columns else ""),
        database,
    )
    done = site.run("backup", "--instance", "source", "--database", database, code=20)
    assert '"too large"' in done.stderr
    assert "1 GiB" in done.stderr
    assert site.files() == []


@contextmanager
def until_awaited(server: ScratchServer, database: str, script: str) -> Iterator[None]:
    """Execute what needs table t for itself; it is committed when somebody else waits for that."""
    place = f"host={server.host} port={server.port} user={server.superuser} password={server.password}"
    awaited = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    with (
        psycopg.connect(f"{place} dbname={database}") as session,
        psycopg.connect(f"{place} dbname={database}", autocommit=True) as watcher,
    ):

        def commit() -> None:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and watcher.execute(awaited).fetchone() is None:
                time.sleep(0.02)
            session.commit()

        session.execute(script.encode())
        thread = threading.Thread(target=commit)
        thread.start()
        try:
            yield
        finally:
            thread.join()


@pytest.mark.limitation("postgresql-truncated-tables")
@pytest.mark.parametrize(
    ("script", "rows"),
    [
        ("TRUNCATE t; INSERT INTO t SELECT n, 'new' FROM generate_series(1, 30) n", 30),
        ("ALTER TABLE t ALTER v TYPE text USING v || 'new'", 20),
        ("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", 1),
    ],
    ids=["loaded anew", "rewritten", "made anew"],
)
def test_a_table_that_is_loaded_anew_while_the_dump_begins_has_all_its_rows_in_it(
    site: Site, database: str, script: str, rows: int
) -> None:
    site.fill(database, rows=20)
    with until_awaited(site.source, database, script):
        assert site.backup(database)["rows"] == rows
    site.restore(database)
    assert site.same(database)


@pytest.fixture(scope="module")
def crowded() -> Iterator[ScratchServer]:
    """A server with room for 100 locks, that has 60 tables in its database `many`."""
    settings = {"max_locks_per_transaction": 10, "max_connections": 10}
    with start(choose("postgresql"), settings=settings) as server:
        run_sql(server, "CREATE DATABASE many")
        run_sql(server, "".join(f"CREATE TABLE t{n} (n int);" for n in range(60)), "many")
        yield server


@pytest.mark.limitation("postgresql-lock-table")
@pytest.mark.parametrize(
    "script",
    ["TRUNCATE t", "ALTER TABLE t ALTER n TYPE text", "DROP TABLE t; CREATE TABLE t AS SELECT 2 AS n"],
    ids=["truncated", "rewritten", "made anew"],
)
def test_where_there_is_no_room_for_the_locks_a_table_that_changed_meanwhile_fails_the_backup(
    crowded: ScratchServer,
    postgresql_target: ScratchServer,
    site_of: Callable[[ScratchServer, ScratchServer], Site],
    script: str,
) -> None:
    run_sql(
        crowded, "DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT n FROM generate_series(1, 9) n", "many"
    )
    site = site_of(crowded, postgresql_target)
    assert site.backup("many")["rows"] == 9
    with until_awaited(crowded, "many", script):
        failed = site.run("backup", "--instance", "source", "--database", "many", code=20)
    assert re.search(r"truncated, rewritten or made anew .*: public\.t\n", failed.stderr) or (
        "DROP" in script and "pg_dump" in failed.stderr
    )
    assert site.backup("many")["error"] is None


@pytest.mark.limitation("postgresql-lock-wait")
def test_a_table_that_stays_locked_fails_the_backup_and_is_named_with_who_has_it(
    site: Site, database: str
) -> None:
    site.fill(database, rows=20)
    site.write_config(lock_wait="1s", tables={"exclude": [f"{database}.public.excluded"]})
    place = {"host": site.source.host, "port": site.source.port, "user": site.source.superuser}
    with psycopg.connect(**place, password=site.source.password, dbname=database) as session:
        session.execute("CREATE TABLE excluded (n int)")
        session.commit()
        session.execute("LOCK TABLE excluded")
        assert site.backup(database)["rows"] == 20
        session.execute("LOCK TABLE t")
        done = site.run("backup", "--instance", "source", "--database", database, code=20)
        assert f"a table stays locked: public.t (process {session.info.backend_pid})" in done.stderr


@pytest.mark.limitation("postgresql-clear-passwords")
@pytest.mark.threat("secrets-in-backups")
def test_passwords_of_servers_and_subscriptions_are_in_a_file_that_only_its_owner_reads(
    site: Site, database: str
) -> None:
    create_database(site.source, database)
    run_sql(
        site.source,
        """
        SET client_min_messages = error; CREATE EXTENSION postgres_fdw;
        CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
        CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'of the mapping');
        CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere password=''of the subscription''' PUBLICATION p
            WITH (connect = false, slot_name = NONE);
        """,
        database,
    )
    try:
        file = Path(site.backup(database, "--compression", "none")["file"])
        site.restore(database)
        assert site.same(database)
    finally:
        for server in (site.source, site.target):
            run_sql(server, "DROP SUBSCRIPTION IF EXISTS sub", database)
    assert b"of the mapping" in file.read_bytes()
    assert b"of the subscription" in file.read_bytes()
    for path in (file, *file.parents[:-1]):
        if path.is_relative_to(site.store):
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.limitation("postgresql-newer-tool")
def test_a_tool_newer_than_the_server_is_named_and_what_it_writes_restores(site: Site, database: str) -> None:
    newer = [
        b for b in find_binaries("postgresql") if b.version_number[0] > site.source.binaries.version_number[0]
    ]
    if not newer:
        pytest.skip("no pg_dump is here that is newer than the server (see scripts/engines.py)")
    site.fill(database, rows=5)
    site.write_config(dump={"tool": str(newer[0].dump)})
    entry = site.backup(database)
    assert any("newer than the server" in warning for warning in entry["warnings"])
    (checked,) = site.json("config", "test-connections", "--instance", "source")["instances"]
    assert checked["tool"]["version"] == newer[0].version or newer[0].version in json.dumps(checked["tool"])
    site.restore(database)
    assert site.same(database)


# ---------------------------------------------------------------------------- restores


@pytest.mark.limitation("postgresql-recomputed")
def test_what_the_server_computes_is_computed_anew(site: Site, database: str) -> None:
    """What a materialized view or a generated column held is not in a dump: its definition is."""
    create_database(site.source, database)
    run_sql(
        site.source,
        """
        CREATE TABLE t (n int); INSERT INTO t VALUES (1);
        CREATE MATERIALIZED VIEW stale AS SELECT n FROM t;
        CREATE MATERIALIZED VIEW empty AS SELECT n FROM t WITH NO DATA;
        CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE TABLE g (n int, m int GENERATED ALWAYS AS (f(n)) STORED); INSERT INTO g VALUES (1);
        CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2';
        INSERT INTO t VALUES (2);
        """,
        database,
    )
    site.backup(database)
    site.restore(database)
    question = "SELECT (SELECT count(*) FROM stale), (SELECT m FROM g)"
    assert run_sql(site.source, question, database) == "1\t1\n"
    assert run_sql(site.target, question, database) == "2\t2\n"
    populated = "SELECT relispopulated FROM pg_class WHERE relname = 'empty'"
    assert run_sql(site.target, populated, database) == "f\n"


@pytest.mark.limitation("postgresql-refresh-settings")
@pytest.mark.parametrize("is_there", [False, True], ids=["created", "there and empty"])
def test_materialized_views_are_refreshed_under_the_settings_of_their_database(
    site: Site, database: str, is_there: bool
) -> None:
    create_database(site.source, database)
    run_sql(
        site.source,
        f"""
        ALTER DATABASE {database} SET TimeZone = 'Asia/Tokyo';
        ALTER DATABASE {database} SET DateStyle = 'German';
        ALTER DATABASE {database} SET IntervalStyle = 'sql_standard';
        ALTER DATABASE {database} SET bytea_output = 'escape';
        ALTER DATABASE {database} SET extra_float_digits = -9;
        ALTER DATABASE {database} SET default_text_search_config = 'pg_catalog.german';
        """,
    )
    run_sql(
        site.source,
        """
        CREATE TABLE t AS SELECT '2020-02-03 20:00:00+00'::timestamptz AS at,
            '-1 days +2 hours'::interval AS i, 'abc'::bytea AS b, 0.1::float8 + 0.2::float8 AS f,
            'alle Häuser' AS words;
        CREATE MATERIALIZED VIEW m AS SELECT at::date AS day, at::text AS at, b::text AS b, f::text AS f,
            to_tsvector(words) AS words FROM t;
        """,
        database,
    )
    site.backup(database)
    if is_there:
        create_database(site.target, database)
    site.restore(database)
    question = "SELECT * FROM m; SELECT * FROM t"
    assert run_sql(site.target, question, database) == run_sql(site.source, question, database)


@pytest.mark.limitation("postgresql-statistics")
def test_statistics_of_the_planner_are_in_no_dump(site: Site, database: str) -> None:
    site.fill(database, rows=50)
    run_sql(site.source, "ANALYZE", database)
    site.backup(database)
    site.restore(database)
    question = "SELECT count(*) FROM pg_stats WHERE tablename = 't'"
    assert run_sql(site.source, question, database) == "2\n"
    assert run_sql(site.target, question, database) == "0\n"


@pytest.mark.limitation("postgresql-event-triggers")
def test_event_triggers_come_last_and_stand_in_nobodys_way(site: Site, database: str) -> None:
    create_database(site.source, database)
    run_sql(
        site.source,
        """
        CREATE TABLE t (n int PRIMARY KEY); CREATE TABLE u (n int REFERENCES t); INSERT INTO t VALUES (1);
        CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE MATERIALIZED VIEW m AS SELECT n FROM t;
        CREATE EVENT TRIGGER a_first ON ddl_command_start EXECUTE FUNCTION no();
        """,
        database,
    )
    site.backup(database)
    site.restore(database)
    assert site.same(database)


@pytest.mark.limitation("postgresql-deadlocks")
def test_foreign_keys_made_side_by_side_all_come_back(site: Site, database: str) -> None:
    """Each locks both of its tables, in an order of its own: in cycles, some are ended as deadlocks."""
    tables = range(8)
    create_database(site.source, database)
    run_sql(
        site.source,
        "".join(
            f"CREATE TABLE t{n} AS SELECT n AS id, n AS r FROM generate_series(1, 2000) n;" for n in tables
        )
        + "".join(f"ALTER TABLE t{n} ADD PRIMARY KEY (id);" for n in tables)
        + "".join(
            f"ALTER TABLE t{n} ADD CONSTRAINT to_{m} FOREIGN KEY (r) REFERENCES t{m};"
            for n in tables
            for m in tables
        ),
        database,
    )
    site.backup(database)
    outcome = site.restore(database, "--jobs", "4")
    assert outcome["objects"]["constraint"] == len(tables) * (len(tables) + 1)
    assert site.same(database)


@pytest.mark.limitation("postgresql-hash-partitions")
def test_rows_of_partitions_by_the_hash_of_an_enum_find_their_new_partition(
    site: Site, database: str
) -> None:
    """The hash of an enum is that of its oid, which is another one after a restore."""
    create_database(site.source, database)
    run_sql(
        site.source,
        "CREATE TYPE kind AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');"
        "CREATE TABLE p (k kind, n int) PARTITION BY HASH (k);"
        + "".join(
            f"CREATE TABLE p{n} PARTITION OF p FOR VALUES WITH (MODULUS 4, REMAINDER {n});" for n in range(4)
        )
        + "INSERT INTO p SELECT k, n FROM unnest(enum_range(NULL::kind)) k, generate_series(1, 50) n",
        database,
    )
    assert site.backup(database)["rows"] == 400
    outcome = site.restore(database, "--jobs", "2")
    assert (outcome["rows"], outcome["rows_verified"]) == (400, True)
    question = "SELECT k, count(*), sum(n) FROM p GROUP BY 1 ORDER BY 1"
    assert run_sql(site.target, question, database) == run_sql(site.source, question, database)


@pytest.mark.limitation("postgresql-foreign-rows")
def test_rows_of_foreign_tables_stay_where_they_are(site: Site, database: str, tmp_path: Path) -> None:
    create_database(site.source, database)
    run_sql(
        site.source,
        "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
        f"CREATE FOREIGN TABLE far (line text) SERVER files OPTIONS (filename '{tmp_path}/not there')",
        database,
    )
    assert site.backup(database)["rows"] == 0
    site.restore(database)
    assert site.same(database)
