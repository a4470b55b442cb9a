"""Backups against the bare dump tool with the same codec behind it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from scripts.bench.measure import Program, alternate, row
from scripts.bench.servers import Bench

PIPES = (("zstd", " | zstd -q -3 -T0"), ("gzip", " | gzip -6"), ("none", ""))


def bench_backup(bench: Bench, config: Path, runs: int) -> list[list[str]]:
    """Compare backups of each codec with the same codec behind the bare dump tool (without fsync)."""
    table = []
    for codec, pipe in PIPES:
        samples = alternate(runs, {"ours": _ours(bench, config, codec), "bare": _bare(bench, pipe)})
        table.append(row(f"backup, {codec}", f"dump tool{pipe}", samples["ours"], samples["bare"]))
    (bench.folder / "bare").unlink()
    return table


def _ours(bench: Bench, config: Path, codec: str) -> Program:
    store = bench.folder / "store"

    def command() -> list[str]:
        shutil.rmtree(store, ignore_errors=True)
        return bench.backup(config, codec=codec)

    def written() -> int:
        return sum(path.stat().st_size for path in store.rglob("*.sql*"))

    return command, written


def _bare(bench: Bench, pipe: str) -> Program:
    out = bench.folder / "bare"
    return lambda: f"{shlex.join(bench.dump_command())}{pipe} > {out}", lambda: out.stat().st_size
