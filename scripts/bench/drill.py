"""A drill against the restore of the same backup onto a server that runs: what starting and proving cost."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.bench.measure import alternate, row
from scripts.bench.servers import DATABASE, Bench


def bench_drill(bench: Bench, config: Path, runs: int) -> list[list[str]]:
    """Compare a drill with a restore, both over two connections."""
    subprocess.run(bench.backup(config), check=True, stdout=subprocess.DEVNULL)
    file = bench.newest_file()

    def restore() -> list[str]:
        bench.clean_target()
        return bench.restore(config, file, 2)

    def drill() -> list[str]:
        bench.clean_target()
        return bench.ours(config, "drill", "--instance", "source", "--database", DATABASE)

    samples = alternate(runs, {"drill": (drill, lambda: 0), "restore": (restore, lambda: 0)})
    return [row("drill", "restore, --jobs 2", samples["drill"], samples["restore"])]
