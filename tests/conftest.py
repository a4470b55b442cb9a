"""Real servers for the tests: one of each flavour for each xdist worker, started when first used.

`VYA_TEST_ENGINES` chooses versions: `VYA_TEST_ENGINES=postgresql-18,mariadb-11.8`.
A flavour that it does not name takes the version that the system has installed, else the newest that is
unpacked in the cache (see scripts/engines.py). A flavour without any server is a failure where CI=true, and
skipped with the reason elsewhere.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from scripts.sample.clients import create_database, drop_database, run_sql
from tests import documents
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import Binaries, ScratchServer, cache_folder, engine_folders, find_binaries, start

NewDatabase = Callable[..., str]
Get = Callable[[Flavour, str], ScratchServer]
FLAVOURS: tuple[Flavour, ...] = ("mysql", "mariadb", "postgresql")

# Where it is set, each command that a test runs compiles all modules anew: a quarter of its processor time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def choose(flavour: Flavour) -> Binaries:
    """Give the binaries that the tests use; skips, or fails in CI, where there are none."""
    found = find_binaries(flavour)
    wanted = [
        name for name in os.environ.get("VYA_TEST_ENGINES", "").split(",") if name.startswith(f"{flavour}-")
    ]
    if wanted:
        fitting = [b for b in found if any(f"{b}.".startswith(f"{name}.") for name in wanted)]
    else:
        unpacked = engine_folders()
        fitting = sorted(found, key=lambda b: any(b.server.is_relative_to(root) for root in unpacked))
    if fitting:
        return fitting[0]
    reason = f"no server {' or '.join(wanted) or flavour} here (see scripts/engines.py); found: " + (
        ", ".join(map(str, found)) or "none"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def plugins(binaries: Binaries) -> dict[str, str | int]:
    """Give the installed MariaDB the plugins that `scripts/engines.py plugins` took out of its package."""
    folder = cache_folder() / "mariadb-plugins"
    own = binaries.server.parent.parent / "lib/mysql/plugin"
    wanted = binaries.flavour == "mariadb" and folder.is_dir() and not own.is_dir()
    return {"plugin-dir": str(folder)} if wanted else {}


DOCUMENTS_AT_FAULT: list[str] = []
documents.watch(DOCUMENTS_AT_FAULT)


@pytest.fixture(autouse=True)
def documents_at_fault() -> Iterator[list[str]]:
    """How documents that commands write in this process differ from their schemas: not at all."""
    yield DOCUMENTS_AT_FAULT
    found, DOCUMENTS_AT_FAULT[:] = list(DOCUMENTS_AT_FAULT), []
    assert found == []


@pytest.fixture(autouse=True)
def _measured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure child processes for coverage only where it is asked for: it costs a quarter of their time."""
    if not request.node.get_closest_marker("measured"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(scope="session")
def _servers() -> Iterator[Get]:
    """Servers by flavour and purpose, each started when first asked for."""
    running: dict[tuple[str, str], ScratchServer] = {}
    with ExitStack() as stack:

        def get(flavour: Flavour, purpose: str) -> ScratchServer:
            if (flavour, purpose) not in running:
                binaries = choose(flavour)
                running[flavour, purpose] = stack.enter_context(start(binaries, settings=plugins(binaries)))
            return running[flavour, purpose]

        yield get


@pytest.fixture(scope="session")
def mysql(_servers: Get) -> ScratchServer:
    return _servers("mysql", "source")


@pytest.fixture(scope="session")
def mariadb(_servers: Get) -> ScratchServer:
    return _servers("mariadb", "source")


@pytest.fixture(scope="session")
def postgresql(_servers: Get) -> ScratchServer:
    return _servers("postgresql", "source")


@pytest.fixture(scope="session")
def mysql_target(_servers: Get) -> ScratchServer:
    """A second server, for restores."""
    return _servers("mysql", "target")


@pytest.fixture(scope="session")
def mariadb_target(_servers: Get) -> ScratchServer:
    """A second server, for restores."""
    return _servers("mariadb", "target")


@pytest.fixture(scope="session")
def postgresql_target(_servers: Get) -> ScratchServer:
    """A second server, for restores."""
    return _servers("postgresql", "target")


@pytest.fixture(scope="session", params=[pytest.param(f, marks=getattr(pytest.mark, f)) for f in FLAVOURS])
def server(request: pytest.FixtureRequest, _servers: Get) -> ScratchServer:
    """A server of each flavour in turn."""
    return _servers(request.param, "source")


@pytest.fixture(scope="session")
def target(server: ScratchServer, _servers: Get) -> ScratchServer:
    """A second server of the flavour of `server`, for restores."""
    return _servers(server.flavour, "target")


@pytest.fixture(
    scope="session", params=[pytest.param(f, marks=getattr(pytest.mark, f)) for f in FLAVOURS[:2]]
)
def mysql_server(request: pytest.FixtureRequest, _servers: Get) -> ScratchServer:
    """A MySQL and a MariaDB server in turn."""
    return _servers(request.param, "source")


@pytest.fixture
def new_database() -> Iterator[NewDatabase]:
    """`new_database(server, name=None)` makes an empty database, dropped after the test; gives its name."""
    made: list[tuple[ScratchServer, str]] = []

    def make(server: ScratchServer, name: str | None = None) -> str:
        name = name or f"t_{secrets.token_hex(4)}"
        create_database(server, name)
        made.append((server, name))
        return name

    yield make
    for where, name in made:
        drop_database(where, name)


@pytest.fixture
def database(server: ScratchServer, new_database: NewDatabase) -> str:
    """An empty database on `server`, dropped after the test."""
    return new_database(server)


@pytest.fixture(name="run_sql", scope="session")
def _run_sql() -> Callable[..., str]:
    """`run_sql(server, sql, database=None)`: see scripts/sample/clients.py."""
    return run_sql
