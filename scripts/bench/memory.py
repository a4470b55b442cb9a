"""Peak memory at a size and at four times that size: it must not grow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from scripts.bench.measure import Samples, measure
from scripts.bench.servers import DATABASE, Bench

HEAD = ["what", "size", "four times the size", "allowed, MiB", "largest statement, MiB"]
FOUR_TIMES = "bench4"
_ALLOWED_MIB = 150
_STATEMENTS = 3
"""Times the largest statement that are allowed on top."""


def bench_memory(bench: Bench, config: Path, size: int) -> list[list[str]]:
    """Measure the largest process of a backup and of a restore over two connections."""
    bench.load(4 * size, FOUR_TIMES)
    peaks: dict[str, list[float]] = {"backup, zstd": [], "restore, --jobs 2": []}
    largest = 0.0
    for database in (DATABASE, FOUR_TIMES):
        shutil.rmtree(bench.folder / "store", ignore_errors=True)
        peaks["backup, zstd"].append(_peak(bench.backup(config, database)))
        file = bench.newest_file()
        record = json.loads(file.with_name(file.name.removesuffix(".sql.zst") + ".json").read_text())
        largest = max(largest, record["contents"]["largest_statement"] / (1 << 20))
        bench.clean_target()
        peaks["restore, --jobs 2"].append(_peak(bench.restore(config, file, 2)))
    bench.sql(bench.server, f"drop database {FOUR_TIMES}", None)
    allowed = f"{_ALLOWED_MIB + _STATEMENTS * largest:.0f}"
    return [
        [name, *(f"{peak:.0f}" for peak in found), allowed, f"{largest:.1f}"] for name, found in peaks.items()
    ]


def _peak(command: list[str]) -> float:
    samples = Samples()
    measure(samples, command)
    return samples.peak_mib[0]
