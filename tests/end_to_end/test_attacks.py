"""What hostile names, files, records and moments do to a backup or a restore: nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import ClientError, create_database, drop_database, plain_dump, raw_dump, run_sql
from tests.unit.made_backups import document_of, sealed_document
from vya_backupdb.catalog.store import Store
from vya_backupdb.scratch import ScratchServer

from .conftest import Site

TO_TARGET = ("--target-instance", "target")


def latest(database: str, *words: str) -> tuple[str, ...]:
    return ("restore", "--instance", "source", "--database", database, "--latest", *words)


def record_of(entry: dict[str, Any]) -> Path:
    file = Path(entry["file"])
    return file.with_name(file.name.partition(".sql")[0] + ".json")


# ---------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ["a'b\"c`d", "new\nline", "per%cent", "sl/ash", "; \\! touch x", "..", "ünï漢"]
)
@pytest.mark.threat("store-names")
def test_a_database_of_any_name_comes_back(site: Site, name: str) -> None:
    create_database(site.source, name)
    try:
        run_sql(site.source, "create table t (id int primary key); insert into t values (1), (2)", name)
        file = Path(site.backup(name)["file"])
        assert file.is_relative_to(site.store)
        assert site.restore(name)["rows"] == 2
        assert run_sql(site.target, "select count(*) from t", name).strip() == "2"
        assert len(site.run("restore", "list").stdout.strip().splitlines()) == 3
    finally:
        for server in (site.source, site.target):
            drop_database(server, name)


@pytest.mark.parametrize("option", ["--target-database", "--target-instance", "--host"])
def test_an_empty_name_never_means_the_recorded_one(site: Site, database: str, option: str) -> None:
    site.fill(database, rows=3)
    site.backup(database)
    before = plain_dump(site.source, database)
    done = site.run(*latest(database, "--drop", "--force", option, ""), code=2)
    assert "empty" in done.stderr
    assert plain_dump(site.source, database) == before


def test_a_database_of_the_server_itself_is_never_replaced(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    site.backup(database)
    own = ("template1",) if site.postgresql else ("mysql", "sys", "information_schema", "performance_schema")
    for name in own:
        for words in (("--drop", "--force"), ("--drop", "--dry-run"), ()):
            done = site.run(*latest(database, *TO_TARGET, "--target-database", name, *words), code=24)
            assert "belongs to the server" in done.stderr


# ---------------------------------------------------------------------------- what there is to back up


def test_a_run_that_finds_no_database_fails(site: Site) -> None:
    site.write_config(databases={"include": ["no_such_*"]})
    done = site.run("backup", "--instance", "source", "--all", "--no-users", code=20)
    assert "no database to back up" in done.stderr


def test_an_included_database_that_is_not_there_is_a_failure(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    site.write_config(databases={"include": [database, "moved_away"]})
    done = site.json("backup", "--instance", "source", "--all", "--no-users", code=3)
    assert {entry["database"]: entry["ok"] for entry in done["backups"]} == {
        "moved_away": False,
        database: True,
    }


def test_what_a_killed_backup_left_is_removed_by_the_next(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    folder = Path(site.backup(database)["file"]).parent
    (folder / f"{database}_20200101T000000Z.sql.zst.partial").write_bytes(b"half")
    site.backup(database)
    assert list(site.store.rglob("*.partial")) == []
    assert len(site.json("restore", "list")["backups"]) == 2


@pytest.mark.threat("store-writers")
def test_a_store_that_everybody_may_write_takes_no_backup(site: Site) -> None:
    site.store.mkdir()
    site.store.chmod(0o777)
    done = site.run("backup", "--instance", "source", "--all", code=23)
    assert "everybody may write" in done.stderr
    assert site.files() == []


# ---------------------------------------------------------------------------- records and journals


def _changed(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(record: dict[str, Any]) -> dict[str, Any]:
        for where, value in changes.items():
            part = record
            *path, last = where.split("__")
            for name in path:
                part = part[name]
            part[last] = value
        return record

    return change


RECORDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a file name that is a folder": _changed(file__name="."),
    "a file name that leads up": _changed(file__name=".."),
    "a file name with a slash": _changed(file__name="../../x"),
    "a size that no number type holds": _changed(file__bytes=10**400),
    "a time that UTC does not have": _changed(snapshot_at="0001-01-01T00:00:00+14:00"),
    "a definition of another engine": lambda r: {**r, "server": {**r["server"], "engine": _other(r)}},
    "a version without numbers": _changed(server__version_number=[]),
    "another database's name": _changed(database="elsewhere"),
    "an empty name": _changed(database=""),
    "nothing": lambda _: None,
}


def _other(record: dict[str, Any]) -> str:
    return "mysql" if record["server"]["engine"] == "postgresql" else "postgresql"


@pytest.mark.threat("store-metadata")
def test_a_hostile_record_is_damage_and_nothing_else(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    path = record_of(site.backup(database))
    good = json.dumps(document_of(path))
    before = site.occupied(database)
    for what, change in RECORDS.items():
        path.write_bytes(sealed_document(change(json.loads(good))))
        site.run("restore", "list")
        site.json("restore", "list")
        done = site.run(*latest(database, *TO_TARGET, "--drop", "--force"), code=22)
        assert "Traceback" not in done.stderr, what
    assert plain_dump(site.target, database) == before


@pytest.mark.parametrize("content", [b"[" * 200_000 + b"\n", b'{"event": 5}\nnull\n', os.urandom(2000), None])
@pytest.mark.threat("store-metadata")
def test_a_hostile_journal_makes_nothing_look_restored(
    site: Site, database: str, content: bytes | None
) -> None:
    site.fill(database, rows=3)
    site.backup(database)
    folder = Store(site.store, os.uname().nodename).instance_folder("target")
    folder.mkdir(mode=0o700, parents=True)
    site.occupied(database)
    if content is None:
        os.mkfifo(folder / "journal.jsonl")
    else:
        (folder / "journal.jsonl").write_bytes(content)
    site.run(*latest(database, *TO_TARGET), code=24 if content is not None else 23)


# ---------------------------------------------------------------------------- hostile dumps

# up to 20 each: so many are named
FOR_POSTGRESQL = [
    r"\! touch {probe}",
    r"\connect postgres",
    r"\copy t from '/etc/passwd'",
    r"\i /etc/passwd",
    "CREATE DATABASE evil;",
    "DROP DATABASE postgres;",
    "/* x */ DROP DATABASE postgres;",
    "COPY t FROM PROGRAM 'touch {probe}';",
    "COPY t TO '{probe}';",
    "ALTER SYSTEM SET work_mem = '1GB';",
    "ALTER ROLE postgres PASSWORD 'x';",
    "DO $$ begin execute 'create role evil'; end $$;",
    "UPDATE pg_catalog.pg_database SET datallowconn = false;",
    "SELECT pg_catalog.pg_terminate_backend(0);",
    "TRUNCATE public.t;",
    "CREATE USER mapping SUPERUSER LOGIN PASSWORD 'x';",
    "SELECT lo_import('/etc/passwd');",
    "SELECT pg_read_file('/etc/passwd');",
    "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p;",
]
FOR_MYSQL = [
    "system touch {probe}",
    "source /etc/passwd",
    "tee {probe}",
    "USE mysql;",
    "/*!40000 USE mysql */;",
    "CREATE DATABASE evil;",
    "DROP DATABASE mysql;",
    "/*!50000 DROP DATABASE mysql */;",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t;",
    "SELECT 1 INTO OUTFILE '{probe}';",
    "INSERT INTO mysql.user VALUES (1);",
    "CREATE TABLE mysql.x (i int);",
    "ALTER TABLE mysql.user ADD x int;",
    "GRANT ALL ON *.* TO x;",
    "SET GLOBAL max_connections = 1;",
    "DROP TABLE IF EXISTS nope, mysql.user;",
    "ALTER TABLE t RENAME TO mysql.t;",
    "DO SETVAL(s, (SELECT 1));",
    "SET NAMES utf8mb4, GLOBAL max_connections = 77;",
    "/*!999999 INSERT INTO t VALUES (1) */ SET GLOBAL max_connections = 77;",
]


@pytest.mark.threat("dumps-commands")
@pytest.mark.threat("dumps-leaving")
def test_a_hostile_dump_is_refused_before_anything_is_changed(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    mark = b"-- PostgreSQL database dump complete" if site.postgresql else b"/*!40103 SET TIME_ZONE=@OLD_"
    head, _, tail = raw_dump(site.source, database).rpartition(mark)
    probe, file = site.folder / "probe", site.folder / "hostile.sql"
    lines = [line.format(probe=probe) for line in (FOR_POSTGRESQL if site.postgresql else FOR_MYSQL)]
    file.write_bytes(head + "\n".join(lines).encode() + b"\n" + mark + tail)
    done = site.run("restore", "--file", str(file), *TO_TARGET, "--target-database", database, code=24)
    places = [int(place.replace(",", "")) for place in re.findall(r"byte ([\d,]+)\)?(?:: | of)", done.stderr)]
    named = [file.read_bytes().count(b"\n", len(head), place) for place in places]
    assert [lines[number] for number in named] == lines, done.stderr
    assert not probe.exists()
    assert not site.exists(site.target, database)


@pytest.mark.parametrize("kind", ["folder", "named pipe", "device", "empty", "noise", "text", "cut"])
@pytest.mark.threat("store-odd-files")
def test_what_is_no_dump_is_refused_and_makes_no_database(site: Site, database: str, kind: str) -> None:
    file = site.folder / "x.sql"
    if kind == "folder":
        file.mkdir()
    elif kind == "named pipe":
        os.mkfifo(file)
    elif kind == "device":
        file = Path("/dev/zero")
    elif kind == "cut":
        site.fill(database, rows=30)
        whole = raw_dump(site.source, database)
        file.write_bytes(whole[: len(whole) * 2 // 3])
    else:
        file.write_bytes({"empty": b"", "noise": os.urandom(4000), "text": b"hello world\n"}[kind])
    code = 24 if kind in ("folder", "named pipe", "device") else 22
    site.run("restore", "--file", str(file), *TO_TARGET, "--target-database", database, code=code)
    assert not site.exists(site.target, database)


# ---------------------------------------------------------------------------- statements that fail


def test_a_row_that_fails_says_which_statement_and_what_state(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    file = site.folder / "d.sql"
    script = raw_dump(site.source, database)
    two = b"\n2\txxx" if site.postgresql else b"(2,'x"
    assert two in script
    file.write_bytes(script.replace(two, two.replace(b"2", b"'" if site.postgresql else b"1")))
    done = site.run("restore", "--file", str(file), *TO_TARGET, "--target-database", database, code=21)
    assert re.search(r"statement \d+ of its section of rows of \S+, at byte \d+", done.stderr)
    assert "half loaded" in done.stderr
    site.run("restore", "--file", str(file), *TO_TARGET, "--target-database", database, code=24)


def test_the_file_of_failed_statements_is_one_that_the_client_executes(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    if site.postgresql:
        run_sql(site.source, "create index ix on t (v)", database)
        wrong, right = b"btree (v)", b"btree (nope)"
    else:
        trigger = "create trigger tr before insert on t for each row begin set @x = 1; set @y = 2; end"
        run_sql(site.source, f"delimiter $$\n{trigger}$$", database)
        wrong, right = b"set @y = 2", b"set nope = 2"
    file = site.folder / "d.sql"
    file.write_bytes(raw_dump(site.source, database).replace(wrong, right))
    done = site.run("restore", "--file", str(file), *TO_TARGET, "--target-database", database, code=21)
    assert "all rows are there" in done.stderr
    kept = Path(done.stderr.rpartition("what is in ")[2].strip())
    with pytest.raises(ClientError):
        run_sql(site.target, kept.read_bytes(), database)
    run_sql(site.target, kept.read_bytes().replace(right, wrong), database)
    assert site.same(database)


def test_failed_statements_are_kept_elsewhere_where_the_store_is_full(site: Site, database: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    site.fill(database, rows=3)
    run_sql(site.source, "create view v as select id from t", database)
    file = site.folder / "d.sql"
    # more text than the store has room for
    body = raw_dump(site.source, database)
    mark = b"-- PostgreSQL database dump complete" if site.postgresql else b"-- Dump completed"
    head, _, tail = body.rpartition(mark)
    wrong = (
        b"COMMENT ON VIEW nope IS '%s';\n"
        if site.postgresql
        else b"CREATE VIEW w AS SELECT nope, '%s' FROM t;\n"
    )
    if not site.postgresql:
        head = head.replace(
            b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE",
            wrong % (b"x" * 90_000) + b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE",
        )
        file.write_bytes(head + mark + tail)
    else:
        file.write_bytes(head + wrong % (b"x" * 90_000) + mark + tail)
    small = site.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=True)
    try:
        site.change_config(storage={"path": str(small / "store"), "min_free": 0})
        done = site.run(
            *("restore", "--file", str(file), *TO_TARGET, "--target-database", database),
            code=21,
            env={"TMPDIR": str(site.folder)},
        )
        kept = Path(done.stderr.rpartition("what is in ")[2].strip())
        assert kept.parent == site.folder
        assert b"x" * 90_000 in kept.read_bytes()
    finally:
        subprocess.run(["umount", str(small)], check=True)


# ---------------------------------------------------------------------------- interrupted


def sessions(site: Site, database: str) -> str:
    if site.postgresql:
        query = "select query from pg_stat_activity where backend_type = 'client backend' and datname"
    else:
        query = "select coalesce(info, '') from information_schema.processlist where db"
    return run_sql(site.target, f"{query} = '{database}'")


@pytest.fixture
def frozen(site: Site) -> Iterator[Callable[[], None]]:
    """A call that stops the target server's processes; they go on after the test."""
    stopped: list[int] = []

    def processes(server: ScratchServer) -> list[int]:
        children = subprocess.run(["pgrep", "-P", str(server.pid)], capture_output=True, text=True).stdout
        return [server.pid, *map(int, children.split())]

    def freeze() -> None:
        for pid in processes(site.target):
            with suppress(ProcessLookupError):  # a worker of the server may have ended since it was listed
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)

    yield freeze
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("hangs", [False, True])
def test_an_interrupted_restore_ends_in_seconds_and_leaves_no_session(
    site: Site, database: str, hangs: bool, frozen: Callable[[], None]
) -> None:
    site.fill(database, rows=300_000)
    site.backup(database)
    run = subprocess.Popen(
        site.command(*latest(database, *TO_TARGET)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    loading = "COPY" if site.postgresql else "INSERT"
    deadline = time.monotonic() + 60
    while loading not in sessions(site, database):
        assert run.poll() is None
        assert time.monotonic() < deadline
    if hangs:
        frozen()
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    try:
        _, stderr = run.communicate(timeout=40)
    finally:
        run.kill()
    assert run.returncode == 130, stderr
    assert time.monotonic() - began < 30
    assert "half loaded" in stderr
    if not hangs:
        deadline = time.monotonic() + 20
        while sessions(site, database).strip():
            assert time.monotonic() < deadline
            time.sleep(0.2)
        site.run(*latest(database, *TO_TARGET), code=24)
        journal = next(site.store.rglob("target/journal.jsonl")).read_text().splitlines()
        assert [json.loads(line)["event"] for line in journal] == ["restore started", "restore failed"]


# ---------------------------------------------------------------------------- rows that are not taken


def test_rows_that_the_server_does_not_take_are_a_mismatch(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    script = raw_dump(site.source, database)
    if site.postgresql:
        swallow = (
            b"CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql"
            b" AS $$ begin return null; end $$;\n"
            b"CREATE TRIGGER s BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.swallow();\n"
        )
        script = script.replace(b"COPY public.t", swallow + b"COPY public.t", 1)
    else:
        script = script.replace(b"INSERT INTO", b"INSERT IGNORE INTO").replace(b"(2,'", b"(1,'")
    file = site.folder / "d.sql"
    file.write_bytes(script)
    done = site.run("restore", "--file", str(file), *TO_TARGET, "--target-database", database, code=22)
    assert "rows of 3" in done.stderr
    assert "half loaded" in done.stderr


# ---------------------------------------------------------------------------- surroundings


@pytest.mark.parametrize(
    "shell",
    [
        'exec "$@" 2>&-',
        'exec "$@" <&- >&-',
        'umask 000; exec "$@"',
        'umask 777; exec "$@"',
        'ulimit -n 64; exec "$@"',
        'cd "$(mktemp -d)"; rmdir "$PWD"; exec "$@"',
        'unset HOME; TMPDIR=/nowhere LC_ALL=C PYTHONUTF8=0 exec "$@"',
        'LC_ALL=tr_TR.UTF-8 exec "$@"',
        'exec python3 -c "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); '
        'os.execv(sys.argv[1], sys.argv[1:])" "$@"',
    ],
)
@pytest.mark.threat("program-surroundings")
def test_odd_surroundings_change_nothing(site: Site, database: str, shell: str) -> None:
    site.fill(database, rows=3)
    words = ("backup", "--instance", "source", "--database", database)
    for command in (words, latest(database, *TO_TARGET)):
        done = subprocess.run(["sh", "-c", shell, "sh", *site.command(*command)], timeout=100, check=False)
        assert done.returncode == 0
    for path in [site.store, *site.store.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
