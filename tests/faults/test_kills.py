"""Runs that are killed at any moment: what was good stays good, and the next run needs no help."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from scripts.sample.clients import run_sql
from tests.end_to_end.conftest import Site
from vya_backupdb.catalog.naming import timestamp
from vya_backupdb.catalog.record import read_record, record_bytes
from vya_backupdb.scratch import ScratchServer

from .conftest import Called
from .counts import ON_ONE, dice, times
from .runs import Kept, processes_about, wait_until

ROWS = times(few=20_000, full=60_000)


def kill(run: subprocess.Popen[str], source: random.Random, moment: float) -> None:
    """Kill a run, or its whole process group, at the latest after so many seconds."""
    whole_group = source.random() < 0.5
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        if whole_group:
            os.killpg(run.pid, signal.SIGKILL)
        else:
            run.kill()
    run.wait()


def seconds_of(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_a_backup_that_is_killed_leaves_whole_ones_only(
    site: Site, database: str, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=ROWS)
    words = ("backup", "--instance", "source", "--database", database)
    kept = Kept(site, called, database)
    usual = seconds_of(lambda: site.run(*words))
    kept.hold("the first one", more=1)
    for about, source in dice("backup", few=1, full=50):
        with site.running(*words) as run:
            kill(run, source, source.uniform(0.2, 1.0) * usual)
        wait_until(lambda: not processes_about(database))
        kept.hold(about)
        kept.is_cleaned_by_prune(about)
        assert called(site.config, *words)[0] == 0, about
        kept.hold(about, more=1)


def sessions_of_runs(server: ScratchServer) -> bool:
    """Whether the server still works for a client that has gone: it ends a DROP DATABASE first."""
    query = "select count(*) from information_schema.processlist where info like 'drop database%'"
    if server.flavour == "postgresql":
        query = "select count(*) from pg_stat_activity where application_name like 'vya-backupdb%'"
    return run_sql(server, query).strip() != "0"


def test_a_restore_that_is_killed_is_whole_or_refused_until_it_is_replaced(
    site: Site, database: str, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=ROWS)
    site.backup(database)
    words = ("restore", "--instance", "source", "--database", database, "--latest")
    words = (*words, "--target-instance", "target", "--force")
    usual = seconds_of(lambda: site.run(*words))
    for about, source in dice("restore", few=1, full=50):
        with site.running(*words, "--drop") as run:
            kill(run, source, source.uniform(0.2, 1.0) * usual)
        wait_until(lambda: not sessions_of_runs(site.target))
        status, _, stderr = called(site.config, *words)
        assert status in (0, 24), f"{about}: {stderr}"
        if status == 24:
            assert "the last restore into it" in stderr, about
            assert called(site.config, *words, "--drop")[0] == 0, about
        assert site.same(database), about
        assert called(site.config, "verify", "--instance", "source", "--database", database)[0] == 0, about


@pytest.fixture
def crowded(site: Site, database: str) -> Callable[[], list[Path]]:
    """Make a store of many whole backups, one for each hour; give their records, oldest first."""
    site.fill(database, rows=3)
    site.write_config(databases={"include": [database]})
    site.change_config(retention={"keep_last": 3})
    file = Path(site.backup(database)["file"])
    first = file.with_name(file.name.removesuffix(".sql.zst") + ".json")
    record = read_record(first)

    def make() -> list[Path]:
        for path in first.parent.iterdir():
            if path not in (file, first):
                path.unlink()
        made = []
        for hours in range(120, 0, -1):
            at = record.snapshot_at - timedelta(hours=hours)
            stem = f"{database}_{timestamp(at)}"
            shutil.copy(file, file.with_name(f"{stem}.sql.zst"))
            described = record.file.model_copy(update={"name": f"{stem}.sql.zst"})
            made.append(first.with_name(f"{stem}.json"))
            made[-1].write_bytes(
                record_bytes(record.model_copy(update={"file": described, "snapshot_at": at}))
            )
        return [*made, first]

    return make


def wait_for_deletions(run: subprocess.Popen[str], records: list[Path], number: int) -> None:
    wait_until(lambda: run.poll() is not None or sum(not path.exists() for path in records) >= number)


@ON_ONE
def test_a_prune_that_is_killed_takes_nothing_but_what_it_was_to_take(
    site: Site, crowded: Callable[[], list[Path]], database: str, called: Callable[..., Called]
) -> None:
    for about, source in dice("prune", few=4, full=50):
        records = crowded()
        with site.running("prune") as run:
            wait_for_deletions(run, records, source.randrange(len(records)))
            kill(run, source, 0)
        assert all(map(Path.exists, records[-3:])), about
        kept = Kept(site, called, database)
        kept.hold(about)
        status, stdout, _ = called(site.config, "prune", "--format", "json")
        assert status == 0, about
        assert json.loads(stdout)["databases"][0]["protected"] is None, about
        assert [path.exists() for path in records] == [False] * (len(records) - 3) + [True] * 3, about
        kept = Kept(site, called, database)
        kept.hold(about, more=3)
        kept.is_cleaned_by_prune(about)
        site.change_config(retention={"keep_last": 3})
