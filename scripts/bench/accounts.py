"""Measure backup and restore of many accounts, with the installed command.

Each account has a password and a role. On MySQL and MariaDB it has grants on databases, every third one on
tables and columns; on PostgreSQL, where those are in the dumps of their databases, it has settings.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from scripts.bench.measure import Samples, as_markdown, measure
from scripts.bench.servers import Bench
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import Binaries, find_binaries, start

HEAD = ["what", "seconds", "client CPU seconds", "peak MiB"]
FLAVOURS: tuple[Flavour, ...] = ("mysql", "mariadb", "postgresql")
_ROLES = 50
_OBJECTS = "CREATE DATABASE bench; CREATE TABLE bench.t (id INT PRIMARY KEY, a INT, b INT);"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--engine", action="append", help="`mysql`, or with a version: `mariadb-11.8`")
    parser.add_argument("--restore", action="store_true", help="measure the restore itself too")
    options = parser.parse_args()
    for wanted in options.engine or FLAVOURS:
        flavour = next(each for each in FLAVOURS if wanted.startswith(each))
        found = [b for b in find_binaries(flavour) if f"{b}".startswith(wanted)]
        if not found:
            print(f"{wanted}: no such server on this machine")
            continue
        print(f"\n## {found[0]}, {options.accounts} accounts\n", flush=True)
        table = bench_accounts(found[0], options.accounts, restores=options.restore)
        print(as_markdown(HEAD, table), flush=True)


def bench_accounts(binaries: Binaries, number: int, *, restores: bool) -> list[list[str]]:
    """Measure on a server that has the accounts, and on an empty one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vya-bench-")))
        server, target = (stack.enter_context(start(binaries)) for _ in range(2))
        bench = Bench(server, target, folder)
        for one in (server, target) if bench.mysql else ():
            bench.sql(one, _OBJECTS, None)
        began = time.perf_counter()
        statements = script(binaries.flavour, number) if bench.mysql else roles(number)
        bench.sql(server, "\n".join(statements), None)
        print(f"made by the server's own client in {time.perf_counter() - began:.0f} s", flush=True)
        config = bench.write_config()
        same = ("users", "restore", "--instance", "source", "--all", "--force")
        other = (*same, "--target-instance", "target")
        commands = {
            "users backup": ("users", "backup", "--instance", "source"),
            "users list": ("users", "list", "--instance", "source"),
            "users restore --dry-run, empty server": (*other, "--dry-run"),
            "users restore --dry-run, all the same": (*same, "--dry-run"),
        }
        if restores:
            commands["users restore, empty server"] = other
            commands["users restore, again"] = other
        table = []
        for name, words in commands.items():
            samples = Samples()
            measure(samples, bench.ours(config, *words))
            table.append(
                [name, f"{samples.seconds[0]:.1f}", f"{samples.cpu[0]:.1f}", f"{samples.peak_mib[0]:.0f}"]
            )
            print(table[-1], flush=True)
        said = subprocess.run(
            bench.ours(config, *same, "--dry-run", "--format", "json"), check=True, capture_output=True
        )
        plans = {one["plan"] for one in json.loads(said.stdout)["users"]}
        if plans != {"same"}:
            raise SystemExit(f"the accounts of a server differ from those in its backup: {plans}")
        return table


def script(flavour: Flavour, number: int) -> Iterator[str]:
    """Give the statements that make so many accounts of MySQL or MariaDB."""
    for role in range(_ROLES):
        yield f"CREATE ROLE bench_role_{role};"
        yield f"GRANT SELECT ON `role_{role}\\_%`.* TO bench_role_{role};"
    for one in range(number):
        name = f"'bench_{one}'@'10.{one >> 8}.%'"
        if flavour == "mysql":
            salted = f"$A$005${one:020d}{one:043d}".encode().hex()
            login = f"IDENTIFIED WITH caching_sha2_password AS 0x{salted}"
        else:
            login = f"IDENTIFIED VIA mysql_native_password USING '*{one:040X}'"
        yield f"CREATE USER {name} {login} WITH MAX_USER_CONNECTIONS {one % 7};"
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON `app\\_{one}`.* TO {name};"
        yield f"GRANT SELECT ON `shared\\_%`.* TO {name};"
        if one % 3 == 0:
            yield f"GRANT SELECT (id, a), UPDATE (b), DELETE ON bench.t TO {name};"
        granted = f"bench_role_{one % _ROLES}"
        yield f"GRANT {granted} TO {name};"
        yield f"SET DEFAULT ROLE {granted} {'TO' if flavour == 'mysql' else 'FOR'} {name};"


def roles(number: int) -> Iterator[str]:
    """Give the statements that make so many roles of PostgreSQL."""
    for role in range(_ROLES):
        yield f"CREATE ROLE bench_role_{role};"
    for one in range(number):
        yield f"CREATE ROLE bench_{one} LOGIN CONNECTION LIMIT {one % 7} PASSWORD 'md5{one:032x}';"
        yield f"GRANT bench_role_{one % _ROLES} TO bench_{one};"
        yield f"ALTER ROLE bench_{one} SET search_path TO app_{one}, public;"


if __name__ == "__main__":
    main()
