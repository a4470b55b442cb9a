"""Dump tools that fail: no file, the right exit status, in bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from scripts.sample.clients import create_database, drop_database, run_sql

from .conftest import Site


def use_tool(site: Site, body: str, **dump: object) -> None:
    """Put a program in the dump tool's place that answers --version well and then does as `body` says."""
    real = site.source.binaries.dump.name
    path = site.folder / real
    path.write_text(
        f'#!/bin/bash\nREAL="{site.source.binaries.dump}"\n'
        f'[ "${{@: -1}}" = --version ] && exec "$REAL" --version\n{body}\n'
    )
    path.chmod(0o755)
    site.write_config(dump={"tool": str(path), **dump})


FAILURES = {
    "exits with 1 after all output": '"$REAL" "$@"; exit 1',
    "exits with 1 after part of the output": '"$REAL" "$@" | head -c 300000; exit 1',
    "ends well in the middle": '"$REAL" "$@" | head -c 300000; exit 0',
    "writes nothing": "exit 0",
    "is killed": '"$REAL" "$@" | head -c 300000; kill -9 $$',
    "prints an error and exits with 0": '"$REAL" "$@"; echo "${REAL##*/}: error: Got error: 1044: no" >&2',
    "loses its trailer": '"$REAL" "$@" | grep -v -e "Dump completed" -e "dump complete"; exit 0',
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_dump_tool_that_fails_leaves_nothing_and_exits_20(site: Site, database: str, failure: str) -> None:
    site.fill(database)
    use_tool(site, FAILURES[failure])
    done = site.run("backup", "--instance", "source", "--database", database, code=20)
    assert database in done.stderr
    assert site.files() == []
    assert site.json("restore", "list")["backups"] == []


@pytest.mark.parametrize("body", ['"$REAL" "$@" | head -c 300000; sleep 1000', "while :; do :; done"])
@pytest.mark.threat("server-answers")
def test_a_dump_tool_that_stops_sending_is_ended(site: Site, database: str, body: str) -> None:
    site.fill(database)
    use_tool(site, body, stall_timeout="1s")
    began = time.monotonic()
    done = site.run("backup", "--instance", "source", "--database", database, code=20)
    assert time.monotonic() - began < 30
    assert "sent nothing for 1s" in done.stderr
    assert site.files() == []


def test_a_dump_that_takes_too_long_is_ended(site: Site, database: str) -> None:
    site.fill(database)
    use_tool(site, 'while :; do echo "-- still here"; sleep 0.1; done', timeout="2s")
    done = site.run("backup", "--instance", "source", "--database", database, code=20)
    assert "2s" in done.stderr
    assert site.files() == []


def test_a_failed_database_does_not_stop_the_others(site: Site, database: str) -> None:
    site.fill(database, rows=10)
    other = database + "_b"
    create_database(site.source, other)
    try:
        use_tool(site, f'case "$*" in *{other}*) exit 7;; esac; exec "$REAL" "$@"')
        document = site.json(
            "backup", "--instance", "source", "--database", other, "--database", database, code=3
        )
        assert [entry["ok"] for entry in document["backups"]] == [False, True]
    finally:
        drop_database(site.source, other)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_backup_cleanly(site: Site, database: str, number: signal.Signals, code: int) -> None:
    site.fill(database)
    marker = site.folder / "child"
    use_tool(site, f'echo $$ > {marker}; "$REAL" "$@" | head -c 300000; sleep 1000')
    child = subprocess.Popen(
        site.command("backup", "--instance", "source", "--database", database),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for(marker)
    time.sleep(0.5)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=20)
    assert child.returncode == code, stderr
    assert b"Traceback" not in stderr
    assert site.files() == []
    assert not Path(f"/proc/{marker.read_text().strip()}").exists()


def test_a_second_run_exits_at_once_and_says_who_holds_the_lock(site: Site, database: str) -> None:
    site.fill(database)
    marker = site.folder / "child"
    use_tool(site, f'echo $$ > {marker}; sleep 9; exec "$REAL" "$@"')
    first = subprocess.Popen(
        site.command("backup", "--instance", "source", "--database", database), stdout=subprocess.DEVNULL
    )
    try:
        wait_for(marker)
        began = time.monotonic()
        done = site.run("backup", "--instance", "source", "--database", database, code=11)
        assert time.monotonic() - began < 6
        assert str(first.pid) in done.stderr
    finally:
        assert first.wait(timeout=30) == 0


def test_a_server_that_goes_away_in_mid_dump_leaves_nothing(site: Site, database: str) -> None:
    """The tool's connection is cut by the server, as a restart or an administrator would."""
    site.fill(database, rows=100_000)
    real = site.source.binaries.dump.name
    use_tool(
        site,
        f'mkfifo {site.folder}/pipe; "$REAL" "$@" > {site.folder}/pipe & CHILD=$!; '
        f"(head -c 100000; touch {site.folder}/started; sleep 3; cat) < {site.folder}/pipe; wait $CHILD",
    )
    run = subprocess.Popen(
        site.command("backup", "--instance", "source", "--database", database),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(site.folder / "started")
    if site.postgresql:
        run_sql(
            site.source,
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}' "
            "and query ilike 'copy%'",
        )
    else:
        ids = run_sql(
            site.source,
            f"select id from information_schema.processlist where db = '{database}' and command = 'Query'",
        )
        for number in ids.split():
            run_sql(site.source, f"kill {number}")
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 20, stderr
    assert real.encode() in stderr
    assert site.files() == []


@pytest.mark.threat("secrets-of-children")
@pytest.mark.threat("secrets-on-disk")
def test_no_child_sees_a_secret_in_argv_or_environment(site: Site, database: str) -> None:
    site.fill(database)
    secret = "geheim-" + os.urandom(4).hex()
    account = "vya_probe"
    if site.postgresql:
        run_sql(site.source, f"create role {account} superuser login password '{secret}'")
    else:
        run_sql(
            site.source,
            f"create user {account}@'%' identified by '{secret}'; grant all on *.* to {account}@'%'",
        )
    try:
        site.write_credentials({"username": account, "password": secret})
        seen = site.folder / "seen"
        use_tool(
            site,
            f'for p in /proc/[0-9]*; do tr "\\0" "\\n" < $p/cmdline; tr "\\0" "\\n" < $p/environ; done '
            f'> {seen} 2>/dev/null; ulimit -c > {seen}.core; ulimit -H -c >> {seen}.core; exec "$REAL" "$@"',
        )
        done = site.run("--verbose", "--verbose", "backup", "--instance", "source", "--database", database)
        assert "backup" in seen.read_text(errors="replace")  # the probe saw us
        assert secret not in seen.read_text(errors="replace")
        assert secret not in done.stdout + done.stderr
        assert Path(f"{seen}.core").read_text().split() == ["0", "0"]  # no memory of ours or of its on a disk
        for path in site.store.rglob("*"):
            if path.is_file() and path.suffix != ".zst":
                assert secret not in path.read_text(errors="replace")
    finally:
        drop = f"drop role {account}" if site.postgresql else f"drop user {account}@'%'"
        run_sql(site.source, drop)


def wait_for(path: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not (path.exists() and (path.name == "started" or path.read_text())):
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)
