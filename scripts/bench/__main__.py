"""Measure backup and restore against the bare pipelines of the dump tools.

Servers are thrown away afterwards. The runs of the programs that are compared alternate, so that a
machine whose speed drifts slows them alike; medians and ratios are what counts, not seconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from scripts.bench import fixed, memory
from scripts.bench.backup import bench_backup
from scripts.bench.drill import bench_drill
from scripts.bench.measure import HEAD, as_markdown
from scripts.bench.restore import bench_restore
from scripts.bench.servers import Bench, settings
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import Binaries, find_binaries, start

FLAVOURS: tuple[Flavour, ...] = ("mysql", "mariadb", "postgresql")
PARTS = ("backup", "restore", "drill", "memory", "small", "listing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1000, help="megabytes of values for each engine")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engine", action="append", choices=FLAVOURS)
    parser.add_argument("--part", action="append", choices=PARTS, help="what to measure; default: all")
    parser.add_argument(
        "--databases", type=int, nargs="+", default=[10, 1000], help="how many small ones; default: 10 1000"
    )
    parser.add_argument("--output", type=Path, help="a Markdown file to write; default: print only")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its modules compiled
    parts = ["## Start\n\n" + as_markdown(fixed.HEAD, fixed.bench_start(options.runs)) + "\n"]
    print(parts[-1], flush=True)
    for flavour in options.engine or FLAVOURS:
        found = find_binaries(flavour)
        if not found:
            parts.append(f"## {flavour}\n\nNot measured: no such server on this machine.\n")
            continue
        parts.append(bench_engine(found[0], options))
        print(parts[-1], flush=True)
    if options.output:
        cores = len(os.sched_getaffinity(0))
        options.output.write_text(
            "# Benchmarks\n\n"
            f"Made by `make bench` ({options.size} MB of values for each engine, {options.runs} alternating "
            f"runs, medians, {cores} cores; server and client share the machine). A ratio below 1 means that "
            "this program is faster or smaller than the bare pipeline.\n\n" + "\n".join(parts)
        )


def bench_engine(binaries: Binaries, options: argparse.Namespace) -> str:
    """Measure the parts that were asked for, on servers of one flavour."""
    parts, size = options.part or PARTS, options.size * 1_000_000
    text = [f"## {binaries.flavour} {binaries.version}\n"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vya-bench-")))
        server = stack.enter_context(start(binaries, settings=settings(binaries.flavour)))
        target = stack.enter_context(start(binaries, settings=settings(binaries.flavour)))
        bench = Bench(server, target, folder)
        bench.load(size)
        config = bench.write_config()
        pipelines = []
        if "backup" in parts:
            pipelines += bench_backup(bench, config, options.runs)
        if "restore" in parts:
            pipelines += bench_restore(bench, config, options.runs)
        if "drill" in parts:
            pipelines += bench_drill(bench, config, options.runs)
        if pipelines:
            text.append(as_markdown(HEAD, pipelines) + "\n")
        if "memory" in parts:
            text.append(as_markdown(memory.HEAD, memory.bench_memory(bench, config, size)) + "\n")
        others = []
        if "small" in parts:
            others += fixed.bench_small(bench, config, options.databases)
        if "listing" in parts:
            others += fixed.bench_listing(bench, config, options.runs)
        if others:
            text.append(as_markdown(fixed.HEAD, others) + "\n")
    return "\n".join(text)


if __name__ == "__main__":
    main()
