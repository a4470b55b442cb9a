"""The installed command against real servers: a source, an empty target, a config, a store."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import create_database, drop_database, plain_dump, quoted, run_sql
from tests import documents
from tests.in_process import call
from vya_backupdb.scratch import ScratchServer

from .estate import Estate, new_estate, scheduler_on


@dataclass
class Site:
    """What an operator has: a machine with a configuration, and two servers that it names."""

    folder: Path
    source: ScratchServer
    target: ScratchServer
    starts: bool = False
    """Start the command as an operator does, a process of its own for each run, which takes half a second."""

    @property
    def postgresql(self) -> bool:
        return self.source.flavour == "postgresql"

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    # ------------------------------------------------------------------ the command

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "vya_backupdb", "--config", str(self.config), *words]

    def run(
        self, *words: str, code: int = 0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command and hold it to its exit status."""
        command = self.command(*words)
        if self.starts or env:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=150,
                env={**os.environ, **(env or {})},
            )
        else:
            done = subprocess.CompletedProcess(command, *call(command[3:]))
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        if "json" in words and done.stdout.startswith("{"):
            documents.hold(words, done.stdout)
        return done

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Start the command as the leader of a process group of its own; it is gone after the block."""
        run = subprocess.Popen(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            yield run
        finally:
            run.kill()
            run.communicate()

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--format", "json", code=code).stdout)

    def backup(self, database: str, *words: str) -> dict[str, Any]:
        """Back one database up and give its entry of the report."""
        done = self.json("backup", "--instance", "source", "--database", database, *words)
        (entry,) = done["backups"]
        return dict(entry)

    def restore(self, database: str, *words: str) -> Any:
        return self.json(
            *("restore", "--instance", "source", "--database", database, "--latest"),
            *("--target-instance", "target", "--force", *words),
        )

    def write_config(self, **source: Any) -> None:
        """Write the configuration; what is given is added to the instance `source`."""
        engine = "postgresql" if self.postgresql else "mysql"
        instances: list[dict[str, Any]] = [
            {
                "id": name,
                "engine": engine,
                "host": server.host,
                "port": server.port,
                "dump": {"tool": str(server.binaries.dump)},
            }
            for name, server in (("source", self.source), ("target", self.target))
        ]
        instances[0]["dump"] |= source.pop("dump", {})
        instances[0] |= source
        self.config.write_text(
            json.dumps(
                {
                    "instances": instances,
                    "storage": {"path": "store", "min_free": "1MiB"},
                    "credentials": {"file": "credentials.json", "key": {"file": "key"}},
                }
            )
        )

    def change_config(self, **changes: Any) -> None:
        document = json.loads(self.config.read_text())
        self.config.write_text(json.dumps({**document, **changes}))

    def write_credentials(self, source: dict[str, str] | None = None) -> None:
        logins = {
            name: {"username": server.superuser, "password": server.password}
            for name, server in (("source", self.source), ("target", self.target))
        }
        logins["source"] |= source or {}
        plain = self.folder / "plain.json"
        plain.write_text(json.dumps(logins))
        target = str(self.folder / "credentials.json")
        self.run("credentials", "encrypt", "--input", str(plain), "--output", target, "--force")
        plain.unlink()

    def copied_to(self, folder: Path) -> Site:
        """A machine that has a copy of the store, the key and the credentials, and another name."""
        other = Site(folder, self.source, self.target)
        other.folder.mkdir()
        shutil.copytree(self.store, other.store)
        for name in ("key", "credentials.json"):
            shutil.copy2(self.folder / name, other.folder / name)
        other.write_config()
        other.change_config(storage={"path": "store", "min_free": "1MiB", "hostname": "the-other"})
        return other

    # ------------------------------------------------------------------ the servers

    def fill(self, database: str, rows: int = 20_000) -> None:
        """Make a database on the source with one table of so many rows."""
        create_database(self.source, database)
        run_sql(self.source, "create table t (id int primary key, v varchar(100))", database)
        numbers = f"with recursive g (n) as (select 1 union all select n + 1 from g where n < {rows})"
        into = "insert into t"
        if self.postgresql:
            script = f"{numbers} {into} select n, repeat('x', 90) from g"
        else:
            limit = (
                "cte_max_recursion_depth" if self.source.flavour == "mysql" else "max_recursive_iterations"
            )
            script = f"set {limit} = 1000000; {into} {numbers} select n, repeat('x', 90) from g"
        run_sql(self.source, script, database)

    def same(self, database: str) -> bool:
        """Whether the servers' own tool dumps the same from source and target."""
        return plain_dump(self.source, database) == plain_dump(self.target, database)

    def occupied(self, database: str) -> bytes:
        """Make the database on the target, with something in it; give its dump."""
        create_database(self.target, database)
        run_sql(self.target, "create table precious (id int)", database)
        return plain_dump(self.target, database)

    def exists(self, server: ScratchServer, database: str) -> bool:
        catalog, name = (
            ("pg_database", "datname") if self.postgresql else ("information_schema.schemata", "schema_name")
        )
        return run_sql(server, f"select count(*) from {catalog} where {name} = '{database}'").strip() == "1"

    def quoted(self, name: str) -> str:
        return quoted(self.source, name)

    def files(self) -> list[str]:
        """Every file of the store but locks and journals."""
        return sorted(
            str(path.relative_to(self.store))
            for path in self.store.rglob("*")
            if path.is_file() and not path.name.startswith(".") and path.name != "journal.jsonl"
        )


@pytest.fixture(scope="session")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Site], tuple[Path, Path]]:
    """Give the key file and the encrypted credentials of a pair of servers, made once by the command."""
    folders: dict[tuple[str, str], Path] = {}

    def files(site: Site) -> tuple[Path, Path]:
        pair = site.source.password, site.target.password
        if pair not in folders:
            made = Site(tmp_path_factory.mktemp("credentials"), site.source, site.target)
            made.write_config()
            made.run("credentials", "keygen")
            made.write_credentials()
            folders[pair] = made.folder
        return folders[pair] / "key", folders[pair] / "credentials.json"

    return files


@pytest.fixture
def site_of(
    request: pytest.FixtureRequest, tmp_path: Path, encrypted: Callable[[Site], tuple[Path, Path]]
) -> Iterator[Callable[[ScratchServer, ScratchServer], Site]]:
    """`site_of(source, target)` gives a machine that is configured for these servers."""

    def make(source: ScratchServer, target: ScratchServer) -> Site:
        made = Site(tmp_path, source, target)
        made.starts = request.node.get_closest_marker("measured") is not None
        made.write_config()
        for file in encrypted(made):
            shutil.copy(file, tmp_path)
        return made

    yield make
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def site(
    server: ScratchServer, target: ScratchServer, site_of: Callable[[ScratchServer, ScratchServer], Site]
) -> Site:
    """A configured machine, on each of the three kinds of servers."""
    if server.flavour != target.flavour:
        pytest.fail("a module that has a `server` of its own needs a `target` of its own, too")
    return site_of(server, target)


@pytest.fixture
def database(site: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a database that no other test has; it is dropped from both servers afterwards."""
    name = re.sub(r"\W", "", f"t_{request.node.name}"[:40]) + f"_{os.urandom(3).hex()}"
    yield name
    for server in (site.source, site.target):
        drop_database(server, name)


@pytest.fixture
def estate(site: Site) -> Iterator[Estate]:
    made = new_estate(site.source)
    made.make()
    site.write_config(databases={"include": made.databases})
    with scheduler_on(site.target):
        yield made
        for server in (site.target, site.source):
            made.remove(server)
