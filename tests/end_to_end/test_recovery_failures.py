"""Restores of a whole instance that fail, are cut off, or may write nothing; and the runs after them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import ClientError, drop_database, run_sql
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.store import Store
from vya_backupdb.scratch import ScratchServer

from .conftest import Site
from .estate import ALL, Estate, changed, scheduler_on, told

USERS = ("users", "restore", "--instance", "source", "--target-instance", "target", "--all")
NOBODY = 65534


def errors(done: Any) -> dict[str, str | None]:
    return {one["database"]: one["error"] for one in done["databases"]}


def folder_of(site: Site) -> Path:
    return Store(site.store, os.uname().nodename).instance_folder("target")


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---------------------------------------------------------------------------- one database fails


def test_events_wait_until_the_last_database_is_there(site: Site, database: str) -> None:
    if site.postgresql:
        pytest.skip("event triggers of PostgreSQL act in their own database only")
    first, last = f"{database}_a", f"{database}_b"
    site.write_config(databases={"include": [f"{database}_*"]})
    status = f"SELECT event_name, status FROM information_schema.events WHERE event_schema = '{first}'"
    try:
        with scheduler_on(site.target):
            for name in (first, last):
                site.fill(name, rows=3)
            every = f"ON SCHEDULE EVERY 1 SECOND DO INSERT INTO `{last}`.t VALUES (@@port, UUID())"
            run_sql(
                site.source,
                f"CREATE EVENT e {every}; CREATE EVENT off {every.replace('DO', 'DISABLE DO')}",
                first,
            )
            site.json("backup", "--all", "--instance", "source", "--no-users")
            site.occupied(last)
            done = site.json(*ALL, code=3)
            assert "not empty" in (errors(done)[last] or "")
            again = site.json(*ALL, code=3)
            assert [changed(done), changed(again)] == [{first: True}, {first: False}]
            for report in (done, again):
                assert report["databases"][0]["restore"]["events_wait"]
                assert f"its events stay disabled, for they may act on {last}" in told(report)
            assert "restored, its events wait" in site.run(*ALL, code=3).stdout
            assert run_sql(site.target, status) == "e\tDISABLED\noff\tDISABLED\n"
            drop_database(site.target, last)
            ended = site.json(*ALL)
            assert changed(ended) == {first: True, last: True}
            assert run_sql(site.target, status) == "e\tENABLED\noff\tDISABLED\n"
            assert not site.json(*ALL)["changed"]
    finally:
        for server in (site.source, site.target):
            for name in (first, last):
                drop_database(server, name)


def test_only_what_the_run_does_not_bring_is_missed(site: Site, estate: Estate) -> None:
    if site.postgresql:
        pytest.skip("a view of PostgreSQL cannot name another database")
    a, b, c = estate.databases
    site.write_config(databases={"include": [a, c]})
    site.json("backup", "--all", "--instance", "source")
    planned = told(site.json(*ALL, "--users", "--dry-run"))
    assert f"the view v reads the database {b}, which is not here" in planned
    assert f"reads the database {a}" not in planned
    done = site.json(*ALL, "--users", code=3)
    for error in errors(done).values():
        assert "one after them failed with" in (error or "")
        assert "restore again without --drop, which tries only them, or execute what is in" in (error or "")

    again = site.json(*ALL, "--users", code=3)  # nothing is mended
    assert all("one after them failed with" in (error or "") for error in errors(again).values())
    site.write_config(databases={"include": estate.databases})
    site.backup(b)
    ended = site.json(*ALL, "--users")
    assert changed(ended) == dict.fromkeys(estate.databases, True)
    assert [one["restore"]["loaded_before"] for one in ended["databases"]] == [True, False, True]
    for name in estate.databases:
        assert estate.dump(site.target, name) == estate.dump(site.source, name)
    assert estate.states(site.target) == estate.states(site.source)
    assert not site.json(*ALL, "--users")["changed"]


# ---------------------------------------------------------------------------- cut off


def sessions(server: ScratchServer, database: str) -> str:
    """Tell what the sessions in a database do, and for what they wait."""
    if server.flavour == "postgresql":
        query = f"SELECT query, wait_event_type FROM pg_stat_activity WHERE datname = '{database}'"
    else:
        query = f"SELECT LEFT(info, 60), state FROM information_schema.processlist WHERE db = '{database}'"
    return run_sql(server, query)


def has_table(server: ScratchServer, database: str) -> bool:
    try:
        run_sql(server, "SELECT 1 FROM t LIMIT 1", database)
    except ClientError:  # neither database nor table
        return False
    return True


@pytest.fixture
def pair(site: Site, database: str) -> Iterator[tuple[str, str]]:
    """Two databases, the second large and with something that follows its rows; the first has an event."""
    small, large = f"{database}_a", f"{database}_b"
    site.fill(small, rows=5)
    site.fill(large, rows=400_000)
    if site.postgresql:
        run_sql(site.source, "CREATE TABLE u (id INT REFERENCES t)", large)
    else:
        run_sql(site.source, "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @x = 1", large)
        run_sql(site.source, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SET @x = 1", small)
    site.write_config(databases={"include": [small, large]})
    site.json("backup", "--all", "--instance", "source", "--no-users")
    yield small, large
    for name in (small, large):
        for server in (site.source, site.target):
            drop_database(server, name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_restore_that_is_cut_off_among_the_rows_is_told_and_can_be_ended(
    site: Site, pair: tuple[str, str], number: signal.Signals
) -> None:
    small, large = pair
    with site.running(*ALL) as run:
        word = "COPY" if site.postgresql else "INSERT"
        wait_until(lambda: word in sessions(site.target, large))
        run.send_signal(number)
        assert run.wait(60) == (130 if number is signal.SIGINT else -number)
    done = site.json(*ALL, code=24)
    how = "was interrupted" if number is signal.SIGINT else "did not end"
    for name in pair:
        assert name == small or how in (errors(done)[name] or "")
        assert "the last restore into it" in (errors(done)[name] or "")
        assert "replace it with --drop" in (errors(done)[name] or "")
    ended = site.json(*ALL, "--drop", "--force")
    assert changed(ended) == {small: True, large: True}
    assert all(site.same(name) for name in pair)
    assert not site.json(*ALL)["changed"]


@contextmanager
def held(server: ScratchServer, database: str) -> Iterator[None]:
    """Read a table in a transaction that stays open: nobody may alter it."""
    sleep = "SELECT pg_sleep(100)" if server.flavour == "postgresql" else "SELECT SLEEP(100)"

    def read() -> None:
        with suppress(ClientError):  # it is ended
            run_sql(server, f"BEGIN; SELECT COUNT(*) FROM t; {sleep}", database)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        if server.flavour == "postgresql":
            asked = f"pg_stat_activity WHERE query LIKE '%pg_sleep(100)' AND datname = '{database}'"
            ending = f"SELECT concat('SELECT pg_terminate_backend(', pid, ');') FROM {asked}"
        else:
            asked = "information_schema.processlist WHERE info = 'SELECT SLEEP(100)'"
            ending = f"SELECT CONCAT('KILL ', id, ';') FROM {asked}"
        while reader.is_alive():
            run_sql(server, run_sql(server, ending) or "SELECT 1")
            time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_restore_that_is_cut_off_after_the_rows_goes_on_where_it_can(
    site: Site, pair: tuple[str, str], number: signal.Signals
) -> None:
    small, large = pair
    with site.running(*ALL) as run:
        wait_until(lambda: has_table(site.target, large))
        with held(site.target, large):
            waits = re.compile("ALTER.*\tLock" if site.postgresql else "CREATE.*metadata lock", re.DOTALL)
            wait_until(lambda: run.poll() is not None or bool(waits.search(sessions(site.target, large))))
            run.send_signal(number)
            assert run.wait(60) == (130 if number is signal.SIGINT else -number)
    wait_until(lambda: sessions(site.target, large).strip() == "")
    done = site.json(*ALL, code=3)
    assert "the last restore into it" in (errors(done)[large] or "")
    assert changed(done) == {small: site.postgresql}
    (first, _) = done["databases"]
    assert first["restore"]["loaded_before"]
    assert first["restore"]["events_wait"] != site.postgresql
    ended = site.json(*ALL, "--drop", "--force")
    assert changed(ended) == {small: not site.postgresql, large: True}
    assert all(site.same(name) for name in pair)
    assert not site.json(*ALL)["changed"]


# ---------------------------------------------------------------------------- users


@pytest.fixture
def crowd(site: Site) -> Iterator[list[str]]:
    mark = os.urandom(3).hex()
    names = [f"crowd_{mark}_{number}" for number in range(300)]
    made = "CREATE ROLE {0} LOGIN PASSWORD '{0}' CONNECTION LIMIT 7; GRANT pg_monitor TO {0};"
    if not site.postgresql:
        made = "CREATE USER {0}@'%' IDENTIFIED BY '{0}'; GRANT SELECT ON some.* TO {0}@'%';"
    run_sql(site.source, "\n".join(made.format(name) for name in names))
    yield names
    kind = "ROLE" if site.postgresql else "USER"
    host = "" if site.postgresql else "@'%'"
    for server in (site.source, site.target):
        run_sql(server, "\n".join(f"DROP {kind} IF EXISTS {name}{host};" for name in names))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_restore_of_users_that_is_cut_off_is_ended_by_the_next(
    site: Site, crowd: list[str], number: signal.Signals
) -> None:
    site.json("users", "backup", "--instance", "source")
    chosen = (*USERS[:-1], *(word for name in crowd for word in ("--user", name)))
    where = "pg_roles WHERE rolname" if site.postgresql else "mysql.user WHERE user"
    count = f"SELECT COUNT(*) FROM {where} LIKE '{crowd[0][:-1]}%'"
    with site.running(*chosen) as run:
        wait_until(lambda: run.poll() is not None or int(run_sql(site.target, count)) > 3)
        run.send_signal(number)
        assert run.wait(60) == (130 if number is signal.SIGINT else -number), run.communicate()
    assert int(run_sql(site.target, count)) < 2 * len(crowd)
    noted = [entry["event"] for entry in journal.entries(folder_of(site))]
    assert noted[:2] == ["grants pending", "users restore started"]
    assert ("users restore failed" in noted) == (number is signal.SIGINT)
    planned = site.json(*chosen, "--dry-run")
    standings = {one["plan"] for one in planned["users"] if one["name"] in crowd}
    assert standings & {"create", "pending", "differs"}
    done = site.json(*chosen)
    assert not [one["error"] for one in done["users"] if one["error"]]
    again = site.json(*chosen)
    assert {one["plan"] for one in again["users"] if one["name"] in crowd} == {"same"}
    assert not again["changed"]


def test_an_account_that_is_half_made_is_made_whole_and_no_other_one_is(site: Site, estate: Estate) -> None:
    site.json("users", "backup", "--instance", "source")
    host = "" if site.postgresql else "@'%'"
    for name in (estate.app, estate.owner):
        run_sql(site.target, f"CREATE {'ROLE' if site.postgresql else 'USER'} {name}{host}")
    chosen = [word for name in (estate.app, estate.owner) for word in ("--user", name)]
    words = (*USERS[:-1], *chosen)
    label = estate.app if site.postgresql else f"{estate.app}@%"
    folder = folder_of(site)
    assert label in site.run(*words, code=24).stderr
    journal.append(folder, "users restore started", {"creating": [label]})
    assert label not in site.run(*words, code=24).stderr  # the owner is another matter
    site.json(*words, "--on-conflict", "skip")
    found = site.json(*words, "--on-conflict", "skip", "--dry-run")["users"]
    plans = {one["name"]: one["plan"] for one in found}
    assert plans[estate.app] in ("same", "pending")
    assert plans[estate.owner] == "differs"


# ---------------------------------------------------------------------------- a store that takes no writes


def test_all_is_restored_from_a_store_of_another_user(site: Site, estate: Estate, tmp_path: Path) -> None:
    site.json("backup", "--all", "--instance", "source")
    other = Site(tmp_path / "other", site.source, site.target)
    shutil.copytree(site.folder, other.folder)
    other.write_config()
    is_root = os.geteuid() == 0
    for path in [other.store, *other.store.rglob("*")]:
        path.chmod((0o755 if is_root else 0o555) if path.is_dir() else 0o644)
        if is_root:
            os.chown(path, NOBODY, NOBODY)
    # root may write what is another's only with this capability
    first = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if is_root else ()
    before = {path: path.read_bytes() for path in other.store.rglob("*") if path.is_file()}

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        argv = [*first, *other.command(*words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=150, stdin=subprocess.DEVNULL)
        assert done.returncode == code, done.stderr
        return done

    name = estate.databases[0]
    of_first = ("--instance", "source", "--database", name)
    assert name in run("restore", "list").stdout
    assert name in run("show", *of_first).stdout
    assert "CREATE TABLE" in run("extract", *of_first, "--table", "t").stdout
    assert estate.app in run("users", "list", "--instance", "source").stdout
    done = run(*ALL, "--users", "--format", "json")
    assert "store is read-only" in done.stderr
    assert changed(json.loads(done.stdout)) == dict.fromkeys(estate.databases, True)
    assert estate.rights(site.target) == estate.rights(site.source)  # with what waited for tables
    for database in estate.databases:
        assert estate.dump(site.target, database) == estate.dump(site.source, database)
    assert {path: path.read_bytes() for path in other.store.rglob("*") if path.is_file()} == before
    again = run(*ALL, code=24).stderr
    assert again.count("the database is not empty") == 3
    assert "backup" in run("backup", "--all", "--instance", "source", code=23).stderr


# ---------------------------------------------------------------------------- which backups


def test_a_moment_between_backups_brings_what_there_was(site: Site, database: str) -> None:
    first, second = f"{database}_a", f"{database}_b"
    try:
        site.fill(first, rows=3)
        site.write_config(databases={"include": [f"{database}_*"]})
        early = datetime.now(UTC).isoformat()
        site.json("backup", "--all", "--instance", "source", "--no-users")
        time.sleep(1)
        between = datetime.now(UTC).isoformat()
        site.fill(second, rows=3)
        site.json("backup", "--all", "--instance", "source", "--no-users")
        drop_database(site.source, first)
        site.json("backup", "--all", "--instance", "source", "--no-users")

        at = ("restore", "--instance", "source", "--all", "--target-instance", "target", "--datetime")
        failed = site.run(*at, early, code=24).stderr
        assert f"no backup of a database of source at or before {early}" in failed
        assert "no backup of source/@users" in site.run(*ALL, "--users", code=24).stderr
        assert not site.exists(site.target, first)
        done = site.json(*at, between)
        assert changed(done) == {first: True}
        assert done["without_backup_then"] == [second]
        assert "it had no backup yet at that time" in site.run(*at, between).stdout
        drop_database(site.target, first)
        assert changed(site.json(*ALL)) == {first: True, second: True}  # dropped since or not
    finally:
        for name in (first, second):
            for server in (site.source, site.target):
                drop_database(server, name)


def test_a_conflict_among_users_is_shown_and_says_what_can_be_done(site: Site, estate: Estate) -> None:
    site.json("backup", "--all", "--instance", "source")
    host = "" if site.postgresql else "@'%'"
    run_sql(site.target, f"CREATE {'ROLE' if site.postgresql else 'USER'} {estate.app}{host}")
    done = site.run(*ALL, "--users", code=24)
    assert "differs" in done.stdout
    assert "users restore --on-conflict replace" in done.stderr
    assert "--all without --users" in done.stderr
    assert not any(site.exists(site.target, name) for name in estate.databases)


def test_backups_of_another_engine_are_refused(
    site: Site, estate: Estate, request: pytest.FixtureRequest
) -> None:
    other = request.getfixturevalue("mariadb_target" if site.postgresql else "postgresql_target")
    site.json("backup", "--all", "--instance", "source")
    document = json.loads(site.config.read_text())
    engine = "mysql" if site.postgresql else "postgresql"
    document["instances"][1] |= {"engine": engine, "host": other.host, "port": other.port}
    del document["instances"][1]["dump"]
    site.config.write_text(json.dumps(document))
    moved = Site(site.folder, site.source, other)
    moved.write_credentials()
    done = site.run(*ALL, "--users", code=24)
    assert "cannot be restored into target" in done.stderr
    done = site.run(*ALL, code=24)
    assert done.stderr.count("cannot be restored into target") == 3
