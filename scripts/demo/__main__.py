"""Configure, back up, list, restore onto empty servers, compare; then remove everything.

Only servers that this program started itself are ever touched. Exit status: 0 where every database came back
identical, 1 where one did not, 130 and 143 after Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scripts.demo import report
from scripts.demo.comparison import Comparison, compare
from scripts.demo.site import Pair, Site, StepError
from scripts.sample.clients import ClientError
from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import Binaries, engine_folders, find_binaries, private_folder, start

FLAVOURS: tuple[Flavour, ...] = ("mysql", "mariadb", "postgresql")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--only", choices=FLAVOURS, action="append", help="only this flavour; repeatable")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write what is shown as an SVG, too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        results = demonstrate(options.only or FLAVOURS)
    except KeyboardInterrupt:
        report.console.print("interrupted; everything was removed")
        return 130
    except (StepError, ClientError, VyaBackupDBError) as error:
        report.console.print(f"FAILED: {error}", style="red", markup=False)
        return 1
    if not results:
        return 1
    same = [result for _, result, _ in results if not result.differences]
    rows, tables = sum(result.rows for result in same), sum(len(result.tables) for result in same)
    verdict = (
        f"{len(same)} of {len(results)} databases came back identical: {rows:,} rows in {tables} tables. "
        f"{time.monotonic() - started:.0f} s; servers, data and files are removed."
    )
    report.show(verdict, style="bold green" if len(same) == len(results) else "bold red")
    if options.picture:
        report.save_picture(options.picture)
    return 0 if len(same) == len(results) else 1


def demonstrate(flavours: tuple[Flavour, ...]) -> list[tuple[Pair, Comparison, dict[str, Any]]]:
    with ExitStack() as stack:
        site = Site(stack.enter_context(private_folder()))
        report.heading("Starting servers and loading the sample data ...")
        for flavour in flavours:
            binaries = choose(flavour)
            if binaries is None:
                report.console.print(f"no {flavour} server on this machine: left out", style="yellow")
                continue
            source = stack.enter_context(start(binaries))
            target = stack.enter_context(start(binaries))
            site.add(flavour, source, target)
        if not site.pairs:
            report.console.print("no server at all: nothing to show", style="red")
            return []
        report.servers(site.pairs)
        return show(site)


def show(site: Site) -> list[tuple[Pair, Comparison, dict[str, Any]]]:
    """Take the steps that an operator takes."""
    report.heading("Configuration and credentials of the sources ...")
    site.configure("source")
    site.run("config", "validate")
    site.run("config", "show", "--no-secrets")
    site.run("config", "test-connections")
    report.heading("Backups ...")
    site.run("backup", "--all", "--dry-run")
    made = site.run_json("backup", "--all")["backups"]
    listed = site.run_json("restore", "list")["backups"]
    expected = {(f"{pair.flavour}-source", name) for pair in site.pairs for name in pair.databases}
    for what, entries in (("backups", made), ("list", listed)):
        if missing := expected - {(entry["instance"], entry["database"]) for entry in entries}:
            raise StepError(f"not among the {what}: {missing}")
    for entry in made:
        check_sums(Path(entry["file"]))
    report.backups([entry for entry in made if (entry["instance"], entry["database"]) in expected])
    report.heading("Restoring onto the empty servers, which the configuration names now, and comparing ...")
    site.configure("source", "target")
    site.run("config", "test-connections")
    results = []
    for pair in site.pairs:
        for database in pair.databases:
            restored = site.run_json(
                "restore", "--instance", f"{pair.flavour}-source", "--database", database, "--latest",
                "--target-instance", f"{pair.flavour}-target", "--force",
            )  # fmt: skip
            results.append((pair, compare(pair.source, pair.target, database), restored))
    report.tables(results)
    report.steps(site)
    report.comparisons(results)
    return results


def choose(flavour: Flavour) -> Binaries | None:
    """Give the system's own server, else the newest that was unpacked; None where there is none."""
    unpacked = engine_folders()
    found = find_binaries(flavour)
    found.sort(key=lambda binaries: any(binaries.server.is_relative_to(root) for root in unpacked))
    return found[0] if found else None


def check_sums(file: Path) -> None:
    """Check a backup with coreutils, as a person without this program would. Raises StepError."""
    sums = next(file.parent.glob(f"{file.name.partition('.sql')[0]}.sha256"), None)
    tool = shutil.which("sha256sum")
    if sums is None or tool is None:
        raise StepError(f"{file}: no .sha256 beside it, or no sha256sum here")
    done = subprocess.run(
        [tool, "-c", sums.name], cwd=sums.parent, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StepError(f"sha256sum -c {sums}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
