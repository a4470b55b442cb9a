"""What does not depend on the size of a database: starting, one small database more, a list of backups."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from scripts.bench.measure import Samples, measure
from scripts.bench.servers import Bench
from vya_backupdb.catalog.store import Store

HEAD = ["what", "milliseconds", "goal", "processor milliseconds"]
_BACKUPS = 10_000
_TOOL_RUNS = 10


def bench_start(runs: int) -> list[list[str]]:
    """Measure `--version`, with a Python that does nothing beside it."""
    ours = _median(max(runs, 10), lambda: [sys.executable, "-m", "vya_backupdb", "--version"])
    python = _median(max(runs, 10), lambda: [sys.executable, "-c", "pass"])
    return [_row("`--version`", ours, "150"), _row("of which Python itself", python, "")]


def bench_small(bench: Bench, config: Path, counts: Sequence[int]) -> list[list[str]]:
    """Measure what one more small database costs, over the dump tool's own time for it."""
    names = [f"small{number}" for number in range(max(counts))]
    for name in names:
        bench.sql(bench.server, f"create database {name}", None)
        bench.sql(bench.server, "create table t (a int primary key); insert into t values (1), (2)", name)
    if not bench.mysql:
        bench.sql(bench.server, "checkpoint", "postgres")
    os.sync()  # what making them has left to be written
    last = iter(names[-_TOOL_RUNS:])  # each for the first time, as in a backup
    tool = _median(_TOOL_RUNS, lambda: bench.dump_command(next(last)))
    one = _median(5, lambda: _backup(bench, config, names[:1]))
    table = [_row("dump tool, a small database", tool, ""), _row("backup, one small database", one, "")]
    for count in counts:
        many = _median(1, lambda count=count: _backup(bench, config, names[:count]))  # type: ignore[misc]
        further = (many[0] - one[0]) / (count - 1) - tool[0], (many[1] - one[1]) / (count - 1)
        table.append(_row(f"each further of {count:,}, over the tool's time", further, "60"))
    for name in names:
        bench.sql(bench.server, f"drop database {name}", None)
    return table


def bench_listing(bench: Bench, config: Path, runs: int) -> list[list[str]]:
    """Measure a list of 10,000 backups of one database."""
    shutil.rmtree(bench.folder / "store", ignore_errors=True)
    subprocess.run(bench.backup(config), check=True, stdout=subprocess.DEVNULL)
    file = bench.newest_file()
    record = json.loads(file.with_name(file.name.removesuffix(".sql.zst") + ".json").read_text())
    store = Store(bench.folder / "store", record["hostname"])
    began = datetime.fromisoformat(record["started_at"])
    for number in range(1, _BACKUPS):
        moment = began - timedelta(minutes=number)
        slot = store.slot("source", record["database"], moment)
        slot.open()
        name = slot.file(".sql.zst").name
        copied = record | {"id": f"{number:032x}", "file": record["file"] | {"name": name}}
        copied |= {key: moment.isoformat() for key in ("started_at", "snapshot_at", "finished_at")}
        slot.file(".json").write_text(json.dumps(copied))
    shown = _median(runs, lambda: bench.ours(config, "restore", "list", "--format", "json"))
    shutil.rmtree(bench.folder / "store")
    return [_row(f"`restore list`, {_BACKUPS:,} backups", shown, "1,000")]


def _backup(bench: Bench, config: Path, names: Sequence[str]) -> list[str]:
    shutil.rmtree(bench.folder / "store", ignore_errors=True)
    words = [word for name in names for word in ("--database", name)]
    return bench.ours(config, "backup", "--instance", "source", *words)


def _median(runs: int, command: Callable[[], list[str]]) -> tuple[float, float]:
    """Give wall and processor seconds."""
    samples = Samples()
    for _ in range(runs):
        measure(samples, command())
    return statistics.median(samples.seconds), statistics.median(samples.cpu)


def _row(name: str, took: tuple[float, float], goal: str) -> list[str]:
    return [name, f"{took[0] * 1000:,.0f}", goal, f"{took[1] * 1000:,.0f}"]
