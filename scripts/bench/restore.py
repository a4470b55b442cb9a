"""Restores against the bare clients: one that loads the whole, and two that load half of the rows each."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from scripts.bench.measure import alternate, row
from scripts.bench.servers import DATABASE, Bench
from vya_backupdb.archive.reader import open_archive
from vya_backupdb.model import SectionKind


def bench_restore(bench: Bench, config: Path, runs: int) -> list[list[str]]:
    """Compare restores over one and two connections with `zstdcat | client`, once and twice."""
    subprocess.run(bench.backup(config), check=True, stdout=subprocess.DEVNULL)
    file = bench.newest_file()
    schema, *halves, post = _parts(bench.folder, file)
    client = shlex.join(bench.client_command(bench.target, DATABASE))

    def ours(jobs: int) -> list[str]:
        bench.clean_target()
        return bench.restore(config, file, jobs)

    def bare(command: str) -> str:
        bench.clean_target()
        bench.sql(bench.target, f"create database {DATABASE}", None)
        return command

    def load(part: Path) -> str:
        return f"zstdcat {part} | {client}"

    first, second = map(load, halves)
    two = f"{load(schema)} && {{ {first} & one=$!; {second}; wait $one; }} && {load(post)}"
    samples = alternate(
        runs,
        {
            "one": (lambda: ours(1), lambda: 0),
            "two": (lambda: ours(2), lambda: 0),
            "client": (lambda: bare(load(file)), lambda: 0),
            "clients": (lambda: bare(two), lambda: 0),
        },
    )
    return [
        row("restore, --jobs 1", "zstdcat | client", samples["one"], samples["client"]),
        row("restore, --jobs 2", "zstdcat | client", samples["two"], samples["client"]),
        row("restore, --jobs 2", "two clients, half of the rows each", samples["two"], samples["clients"]),
    ]


def _parts(folder: Path, file: Path) -> list[Path]:
    """Write schema, the rows in halves and what follows them, each a script that one client can load."""
    paths = [folder / f"{name}.sql.zst" for name in ("schema", "half-1", "half-2", "post")]
    with open_archive(file) as archive:
        writers = [
            subprocess.Popen(["zstd", "-qf", "-", "-o", path], stdin=subprocess.PIPE) for path in paths
        ]
        sizes = [0] * len(paths)
        for section in archive.sections(frozenset(SectionKind)):
            match section.kind:
                case SectionKind.HEADER:
                    chosen = list(range(len(paths)))
                case SectionKind.SCHEMA:
                    chosen = [0]
                case SectionKind.ROWS:
                    chosen = [1 if sizes[1] <= sizes[2] else 2]
                case _:
                    chosen = [3]
            for number in chosen:
                sizes[number] += len(section.body)
                pipe = writers[number].stdin
                assert pipe is not None
                pipe.write(section.body)
        for writer in writers:
            writer.communicate()
            if writer.returncode:
                raise SystemExit("zstd failed")
    return paths
