"""Measure backup and restore against the bare pipelines of the dump tools; `make bench` runs it.

Servers are thrown away afterwards. The runs of the programs that are compared alternate, so that a
machine whose speed drifts slows them alike; medians and ratios are what counts, not seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from vya_backupdb.model import Flavour
from vya_backupdb.scratch import Binaries, ScratchServer, find_binaries, start

DATABASE = "bench"
FLAVOURS: tuple[Flavour, ...] = ("mysql", "mariadb", "postgresql")
WORDS = [
    *("order", "customer", "street", "invoice", "shipped", "pending", "blue", "green", "large", "small"),
    *("cotton", "wool", "paper", "glass", "steel", "north", "south", "river", "mountain", "market", "garden"),
    *("winter", "summer", "express", "standard", "returned", "paid", "open", "closed", "delayed", "gift"),
    *("Straße", "München", "Örebro", "naïve", "café", "東京", "данные"),
]


@dataclass
class Samples:
    """What several runs of one program took."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    bytes: int = 0


def rows(kind: str, count: int) -> Iterator[str]:
    """Give tab-separated rows, the same in every run: the mix of a shop with texts, JSON and binaries."""
    dice = random.Random(f"{kind} 1")
    for number in range(1, count + 1):
        words = " ".join(dice.choices(WORDS, k=dice.randint(3, 12)))
        if kind == "orders":
            yield (
                f"{number}\t{dice.randint(1, 50_000)}\t{dice.choice(('new', 'paid', 'sent'))}\t"
                f"{dice.random() * 900:.2f}\t20{dice.randint(10, 26)}-{dice.randint(1, 12):02}-"
                f"{dice.randint(1, 28):02} {dice.randint(0, 23):02}:{dice.randint(0, 59):02}:07\t{words}\n"
            )
        elif kind == "articles":
            text = " ".join(dice.choices(WORDS, k=dice.randint(60, 400)))
            detail = json.dumps(
                {"tags": dice.choices(WORDS[:20], k=4), "weight": number % 997, "note": words}
            )
            detail = detail.replace("\\", "\\\\")
            yield f"{number}\t{words}\t{text}\t{detail}\n"
        else:
            yield f"{number}\t{dice.randbytes(dice.randint(40, 1_200)).hex()}\n"


TABLES = {
    "orders": "id bigint primary key, customer int, state varchar(10), total decimal(10,2), "
    "at timestamp, note text",
    "articles": "id bigint primary key, title text, body text, detail json",
    "files": "id bigint primary key, content {binary}",
}
INDEXES = ("create index orders_customer on orders (customer)", "create index orders_at on orders (at)")
SHARES = {"orders": (0.45, 105), "articles": (0.40, 2_000), "files": (0.15, 1_250)}
"""Share of the whole, and roughly the bytes of a row."""


class Bench:
    """One engine under measurement."""

    def __init__(self, server: ScratchServer, target: ScratchServer, folder: Path) -> None:
        self.server, self.target, self.folder = server, target, folder
        self.tools = server.binaries
        self.mysql = server.flavour != "postgresql"

    # -------------------------------------------------------------- the tools of the servers

    def _login(self, server: ScratchServer) -> list[str]:
        if self.mysql:
            name = self.folder / f"{server.port}.cnf"
            name.write_text(
                f'[client]\nuser={server.superuser}\npassword="{server.password}"\nsocket={server.socket}\n'
            )
            name.chmod(0o600)
            return [f"--defaults-file={name}"]
        return [
            f"--dbname=host={server.host} port={server.port} user={server.superuser} "
            f"password={server.password} dbname=%s"
        ]

    def dump_command(self) -> list[str]:
        if not self.mysql:
            return [str(self.tools.dump), self._login(self.server)[0] % DATABASE]
        gtid = [] if self.server.flavour == "mariadb" else ["--set-gtid-purged=OFF"]
        options = "--single-transaction --quick --hex-blob --routines --events --triggers --no-tablespaces"
        return [
            *(str(self.tools.dump), *self._login(self.server), *options.split()),
            *("--max-allowed-packet=1G", *gtid, DATABASE),
        ]

    def client_command(self, server: ScratchServer, database: str | None) -> list[str]:
        if not self.mysql:
            return [
                str(self.tools.client), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1",
                self._login(server)[0] % (database or "postgres"),
            ]  # fmt: skip
        return [
            str(self.tools.client),
            *self._login(server),
            "--local-infile=1",
            *([database] if database else []),
        ]

    def sql(self, server: ScratchServer, text: str, database: str | None = DATABASE) -> None:
        subprocess.run(
            self.client_command(server, database), input=text.encode(), check=True, capture_output=True
        )

    # -------------------------------------------------------------- data

    def load(self, size: int) -> None:
        """Fill the source with about `size` bytes of values."""
        self.sql(self.server, f"create database {DATABASE}", None)
        binary = "mediumblob" if self.mysql else "bytea"
        for name, columns in TABLES.items():
            self.sql(self.server, f"create table {name} ({columns.format(binary=binary)})")
            share, width = SHARES[name]
            self._load_table(name, rows(name, int(size * share / width)))
        for index in INDEXES:
            self.sql(self.server, index)

    def _load_table(self, name: str, lines: Iterator[str]) -> None:
        """Load through a file: what this process held would count as the memory of those that it starts."""
        data = self.folder / f"{name}.tsv"
        with data.open("w") as file:
            if self.mysql:
                file.writelines(lines)
            else:
                file.write(f"copy {name} from stdin;\n")
                file.writelines(
                    lines if name != "files" else (line.replace("\t", "\t\\\\x") for line in lines)
                )
                file.write("\\.\n")
        if self.mysql:
            into = "(id, @hex) set content = unhex(@hex)" if name == "files" else ""
            self.sql(
                self.server,
                f"load data local infile '{data}' into table {name} character set utf8mb4 {into}",
            )
        else:
            with data.open("rb") as file:
                subprocess.run(self.client_command(self.server, DATABASE), stdin=file, check=True)
        data.unlink()

    # -------------------------------------------------------------- our program

    def write_config(self) -> Path:
        engine = "mysql" if self.mysql else "postgresql"
        instances = [
            {"id": name, "engine": engine, "host": server.host, "port": server.port}
            | {"dump": {"tool": str(self.tools.dump)}}
            for name, server in (("source", self.server), ("target", self.target))
        ]
        config = self.folder / "config.yaml"
        key = self.folder / "key"
        config.write_text(
            json.dumps(
                {
                    "instances": instances,
                    "storage": {"path": str(self.folder / "store"), "min_free": "1%"},
                    "credentials": {"file": str(self.folder / "credentials.json"), "key": {"file": str(key)}},
                    "logging": {"level": "warning"},
                }
            )
        )
        plain = self.folder / "plain.json"
        plain.write_text(
            json.dumps(
                {
                    name: {"username": server.superuser, "password": server.password}
                    for name, server in (("source", self.server), ("target", self.target))
                }
            )
        )
        self._ours(config, "credentials", "keygen")
        encrypted = str(self.folder / "credentials.json")
        self._ours(config, "credentials", "encrypt", "--input", str(plain), "--output", encrypted, "--force")
        return config

    def ours(self, config: Path, *words: str) -> list[str]:
        return [sys.executable, "-m", "vya_backupdb", "--quiet", "--config", str(config), *words]

    def _ours(self, config: Path, *words: str) -> None:
        subprocess.run(self.ours(config, *words), check=True, capture_output=True)


def measure(samples: Samples, command: list[str] | str) -> None:
    """Run once to the end and note wall time, processor time and the peak memory of the largest process."""
    before = os.times()
    began = time.perf_counter()
    argv = ["/bin/bash", "-c", "set -o pipefail; " + command] if isinstance(command, str) else command
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"exit status {child.returncode}: {command}")
    after = os.times()
    samples.seconds.append(time.perf_counter() - began)
    samples.cpu.append(
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    samples.peak_mib.append(usage.ru_maxrss / 1024)


def alternate(
    runs: int, programs: dict[str, tuple[Callable[[], list[str] | str], Callable[[], int]]]
) -> dict[str, Samples]:
    """Run the programs in turn; each gives its command, and afterwards the bytes that it wrote."""
    samples = {name: Samples() for name in programs}
    for _ in range(runs):
        for name, (command, written) in programs.items():
            measure(samples[name], command())
            samples[name].bytes = written()
    return samples


def quoted(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


def bench_backup(bench: Bench, config: Path, runs: int) -> list[list[str]]:
    """Compare backups of each codec with the same codec behind the bare dump tool."""
    store = bench.folder / "store"
    out = bench.folder / "bare"
    dump = quoted(bench.dump_command())

    def ours(codec: str) -> tuple[Callable[[], list[str]], Callable[[], int]]:
        def command() -> list[str]:
            shutil.rmtree(store, ignore_errors=True)
            return bench.ours(
                config, "backup", "--instance", "source", "--database", DATABASE, "--compression", codec
            )

        return command, lambda: sum(
            path.stat().st_size for path in store.rglob("*.sql*") if path.suffix != ".sha256"
        )

    def bare(pipe: str) -> tuple[Callable[[], str], Callable[[], int]]:
        return lambda: f"{dump}{pipe} > {out}", lambda: out.stat().st_size

    table = []
    for codec, pipe in (("zstd", " | zstd -q -3 -T0"), ("gzip", " | gzip -6"), ("none", "")):
        samples = alternate(runs, {"ours": ours(codec), "bare": bare(pipe)})
        table.append(row(f"backup, {codec}", f"dump tool{pipe}", samples["ours"], samples["bare"]))
    out.unlink()
    return table


def bench_restore(bench: Bench, config: Path, runs: int) -> list[list[str]]:
    """Compare restores over one and two connections with `zstdcat | client`."""
    subprocess.run(
        bench.ours(config, "backup", "--instance", "source", "--database", DATABASE),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    file = max((bench.folder / "store").rglob("*.sql.zst"), key=lambda path: path.stat().st_mtime)

    def clean() -> None:
        bench.sql(bench.target, f"drop database if exists {DATABASE}", None)

    def ours(jobs: int) -> tuple[Callable[[], list[str]], Callable[[], int]]:
        def command() -> list[str]:
            clean()
            return bench.ours(
                config,
                "restore",
                "--file",
                str(file),
                "--target-instance",
                "target",
                "--jobs",
                str(jobs),
                "--force",
            )

        return command, lambda: 0

    def bare() -> str:
        clean()
        bench.sql(bench.target, f"create database {DATABASE}", None)
        return f"zstdcat {file} | {quoted(bench.client_command(bench.target, DATABASE))}"

    samples = alternate(runs, {"one": ours(1), "two": ours(2), "bare": (bare, lambda: 0)})
    return [
        row("restore, --jobs 1", "zstdcat | client", samples["one"], samples["bare"]),
        row("restore, --jobs 2", "zstdcat | client", samples["two"], samples["bare"]),
    ]


def row(name: str, against: str, ours: Samples, bare: Samples) -> list[str]:
    """Give one line of the report: medians, and ratios of ours to the bare pipeline."""
    time_ratio = statistics.median(a / b for a, b in zip(ours.seconds, bare.seconds, strict=True))
    size = f"{ours.bytes / bare.bytes:.3f}" if bare.bytes else ""
    return [
        name,
        f"`{against}`".replace("|", "\\|"),  # a cell of Markdown ends at a bare one
        f"{time_ratio:.2f}",
        f"{min(a / b for a, b in zip(ours.seconds, bare.seconds, strict=True)):.2f} to "
        f"{max(a / b for a, b in zip(ours.seconds, bare.seconds, strict=True)):.2f}",
        size,
        f"{statistics.median(ours.seconds):.1f} / {statistics.median(bare.seconds):.1f}",
        f"{statistics.median(ours.cpu):.1f} / {statistics.median(bare.cpu):.1f}",
        f"{max(ours.peak_mib):.0f}",
    ]


HEAD = [
    "what", "against", "time, ratio", "lowest to highest", "size, ratio",
    "seconds, ours / bare", "client CPU seconds, ours / bare", "our peak MiB",
]  # fmt: skip


def as_markdown(table: list[list[str]]) -> str:
    lines = [HEAD, ["---"] * len(HEAD), *table]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def settings(flavour: Flavour) -> dict[str, str]:
    if flavour == "postgresql":
        return {"shared_buffers": "512MB", "max_wal_size": "4GB"}
    return {"innodb_buffer_pool_size": "1G", "local_infile": "1", "max_allowed_packet": "256M"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1000, help="megabytes of values for each engine")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engine", action="append", choices=FLAVOURS)
    parser.add_argument("--output", type=Path, help="a Markdown file to write; default: print only")
    options = parser.parse_args()
    parts = []
    for flavour in options.engine or FLAVOURS:
        found = find_binaries(flavour)
        if not found:
            parts.append(f"## {flavour}\n\nNot measured: no such server on this machine.\n")
            continue
        parts.append(bench_engine(found[0], options.size * 1_000_000, options.runs))
        print(parts[-1], flush=True)
    if options.output:
        cores = len(os.sched_getaffinity(0))
        options.output.write_text(
            "# Benchmarks\n\n"
            f"Made by `make bench` ({options.size} MB of values for each engine, {options.runs} alternating "
            f"runs, medians, {cores} cores; server and client share the machine). A ratio below 1 means that "
            "this program is faster or smaller than the bare pipeline.\n\n" + "\n".join(parts)
        )


def bench_engine(binaries: Binaries, size: int, runs: int) -> str:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vya-bench-")))
        server = stack.enter_context(start(binaries, settings=settings(binaries.flavour)))
        target = stack.enter_context(start(binaries, settings=settings(binaries.flavour)))
        bench = Bench(server, target, folder)
        bench.load(size)
        config = bench.write_config()
        table = [*bench_backup(bench, config, runs), *bench_restore(bench, config, runs)]
    return f"## {binaries.flavour} {binaries.version}\n\n{as_markdown(table)}\n"


if __name__ == "__main__":
    main()
