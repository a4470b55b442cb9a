"""Dump tools that are not what they should be, and servers that make it hard for them."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.sample.clients import create_database, drop_database, run_sql
from tests.end_to_end.conftest import Site
from tests.end_to_end.test_broken_dumps import use_tool

from .conftest import Called
from .counts import FULL, ON_ONE, times
from .runs import Kept, processes_about, wait_until
from .test_servers import use_halting_tool


def gone(tool: Path) -> None:
    tool.unlink()


def not_executable(tool: Path) -> None:
    tool.chmod(0o600)


def a_folder(tool: Path) -> None:
    tool.unlink()
    tool.mkdir()


def noise(tool: Path) -> None:
    tool.write_bytes(os.urandom(5000))


def cut_off(tool: Path) -> None:
    tool.write_bytes(Path("/bin/sh").read_bytes()[:3000])


def empty(tool: Path) -> None:
    tool.write_bytes(b"")


def another_program(tool: Path) -> None:
    tool.write_text("#!/bin/sh\necho 'frobnicate 3.1'\n")


def one_that_dies(tool: Path) -> None:
    tool.write_text("#!/bin/sh\nkill -SEGV $$\n")


def one_that_never_ends(tool: Path) -> None:
    tool.write_text("#!/bin/sh\nexec sleep 1000\n")


BROKEN = (gone, not_executable, a_folder, noise, cut_off, empty, another_program, one_that_dies)


@pytest.mark.parametrize("broken", [*BROKEN, one_that_never_ends])
@ON_ONE
def test_a_tool_that_is_none_makes_no_backup_and_is_named(
    site: Site, database: str, called: Callable[..., Called], broken: Callable[[Path], None]
) -> None:
    site.fill(database, rows=3)
    words = ("backup", "--instance", "source", "--database", database)
    kept = Kept(site, called, database)
    assert called(site.config, *words)[0] == 0
    kept.hold("the first one", more=1)
    tool = site.folder / site.source.binaries.dump.name
    tool.write_text(f'#!/bin/sh\nexec {site.source.binaries.dump} "$@"\n')
    tool.chmod(0o755)
    site.write_config(dump={"tool": str(tool)})
    broken(tool)
    began = time.monotonic()
    status, _, stderr = called(site.config, *words)
    assert (status, str(tool) in stderr) == (20, True), stderr
    assert time.monotonic() - began < 60
    assert not processes_about(str(tool))
    kept.hold("after it was broken", more=0)
    assert kept.files_of_others() == []


def test_a_flood_of_warnings_neither_ends_nor_fills_anything(
    site: Site, database: str, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=2000)
    kept = Kept(site, called, database)
    use_tool(
        site,
        'seq -f \'something strange, number %.0f\' 200000 >&2 & "$REAL" "$@"; STATUS=$?; wait; exit $STATUS',
    )
    status, stdout, stderr = called(
        site.config, "backup", "--instance", "source", "--database", database, "--format", "json"
    )
    assert status == 0, stderr[:3000]
    (entry,) = json.loads(stdout)["backups"]
    assert entry["rows"] == 2000
    flood = [text for text in entry["warnings"] if "strange" in text or "199,9" in text]
    assert 100 <= len(flood) <= 110
    assert len(stderr) < 100_000
    kept.hold("after the flood", more=1)


CHANGES = ("truncate table u", "alter table u add column x int", "drop table u")


@pytest.mark.parametrize("change", CHANGES if FULL else CHANGES[:1])
def test_a_table_that_is_changed_in_mid_dump_is_in_the_backup_as_it_was_or_fails_it(
    site: Site, database: str, called: Callable[..., Called], change: str
) -> None:
    """The tools of MySQL and MariaDB find the table changed or gone; on PostgreSQL the change waits."""
    site.fill(database, rows=60_000)
    run_sql(site.source, "create table u (id int primary key); insert into u values (1), (2)", database)
    words = ("backup", "--instance", "source", "--database", database)
    kept = Kept(site, called, database)
    halted, go = use_halting_tool(site)

    if change.startswith("alter") and not site.postgresql:
        change += ", algorithm = copy"  # a column that is added at once changes no row
    changing = threading.Thread(target=run_sql, args=(site.source, change, database))
    with site.running(*words) as run:
        wait_until(halted.exists)
        changing.start()
        waits = "select count(*) from pg_locks where not granted and relation is not null"
        if site.postgresql:
            wait_until(lambda: run_sql(site.source, waits).strip() != "0")
        else:
            changing.join()
        go.touch()
        _, stderr = run.communicate(timeout=100)
        changing.join()
    assert run.returncode == (0 if site.postgresql else 20), stderr
    assert site.postgresql or "`u`" in stderr, stderr
    kept.hold("after the change", more=int(site.postgresql))
    if site.postgresql:
        assert site.restore(database)["rows"] == 60_002
        column = "select count(*) from information_schema.columns where table_name = 'u'"
        assert run_sql(site.target, column, database).strip() == "1"
    site.write_config()
    site.run(*words)
    kept.hold("the next one", more=1)


def test_many_databases_are_backed_up_though_some_refuse(
    site: Site, database: str, called: Callable[..., Called]
) -> None:
    """And the one that is gone when its turn comes is a failure, not the end."""
    number = times(few=8, full=1000)
    names = [f"{database}_{index:04}" for index in range(number)]
    site.write_config(databases={"include": [f"{database}_*"]})
    try:
        for name in names:
            create_database(site.source, name)
        run_sql(site.source, "create table t (id int primary key); insert into t values (7)", names[1])
        if site.postgresql:
            run_sql(site.source, f"alter database {names[2]} allow_connections false")
            run_sql(site.source, f"update pg_database set datconnlimit = -2 where datname = '{names[3]}'")
        status, stdout, stderr = called(
            site.config, "backup", "--instance", "source", "--all", "--no-users", "--format", "json"
        )
        assert status == (3 if site.postgresql else 0), stderr[-3000:]
        entries = {entry["database"]: entry for entry in json.loads(stdout)["backups"]}
        assert sorted(entries) == names
        bad = {name for name, entry in entries.items() if not entry["ok"]}
        assert bad == ({names[2]} if site.postgresql else set())
        if site.postgresql:
            assert entries[names[3]]["skipped"]
            assert entries[names[2]]["error"]
        assert entries[names[1]]["rows"] == 1
        assert called(site.config, "verify", "--all")[0] == 0
    finally:
        for name in names:
            if site.postgresql:
                settings = "datallowconn = true, datconnlimit = -1"
                run_sql(site.source, f"update pg_database set {settings} where datname = '{name}'")
            drop_database(site.source, name)


@ON_ONE
def test_of_runs_that_start_at_once_each_is_whole_or_told_of_the_other(
    site: Site, database: str, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=5000)
    site.change_config(retention={"keep_last": 2})
    words = ("backup", "--instance", "source", "--database", database, "--prune")
    kept = Kept(site, called, database)
    for attempt in range(times(few=2, full=30)):
        with site.running(*words) as first, site.running(*words) as second, site.running("prune") as third:
            runs = [first, second, third]
            said = [run.communicate(timeout=120)[1] for run in runs]
        ends = [run.returncode for run in runs]
        about = f"{attempt}: {ends} {said}"
        assert set(ends) <= {0, 11, 24}, about  # 24: there is nothing to prune yet
        assert 0 in ends[:2] or ends[2] == 0, about
        for end, text in zip(ends, said, strict=True):
            assert (end == 11) == ("locked by another run" in text), about
        kept.known = frozenset()
        kept.hold(about)
        assert len(kept.known) <= 2 + ends.count(0), about
        assert kept.files_of_others() == [], about
    assert called(site.config, *words)[0] == 0


@ON_ONE
def test_a_prune_in_the_midst_of_a_backup_is_kept_out(
    site: Site, database: str, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=60_000)
    words = ("backup", "--instance", "source", "--database", database)
    kept = Kept(site, called, database)
    halted, go = use_halting_tool(site)
    site.change_config(retention={"keep_last": 1})
    with site.running(*words) as run:
        wait_until(halted.exists)
        status, _, stderr = called(site.config, "prune")
        assert (status, str(run.pid) in stderr) == (11, True), stderr
        assert called(site.config, "prune", "--dry-run")[0] == 0
        go.touch()
        _, stderr = run.communicate(timeout=100)
    assert run.returncode == 0, stderr
    kept.hold("after both", more=1)


@ON_ONE
def test_credentials_that_may_not_be_read_any_more_are_told_and_nothing_is_made(
    site: Site, database: str, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=3)
    words = ("backup", "--instance", "source", "--database", database)
    for name in ("credentials.json", "key"):
        path = site.folder / name
        mode = stat.S_IMODE(path.stat().st_mode)
        for lost in (0o644, 0o660, 0o606):
            path.chmod(lost)
            status, _, stderr = called(site.config, *words)
            assert (status, str(path) in stderr, "chmod" in stderr) == (13, True, True), stderr
        path.chmod(mode)
        elsewhere = path.rename(site.folder / "elsewhere")
        assert called(site.config, *words)[0] == 13
        elsewhere.rename(path)
    assert not site.store.exists()
    assert called(site.config, *words)[0] == 0
