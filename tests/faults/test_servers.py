"""Servers that hang or die in the middle of a dump or a restore; each has one of its own here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from scripts.sample.clients import drop_database
from tests.conftest import FLAVOURS, choose
from tests.end_to_end.conftest import Site
from tests.end_to_end.test_broken_dumps import use_tool
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import ScratchServer, start

from .conftest import Called
from .counts import flavours
from .proxy import Proxy, point
from .runs import Kept, wait_until

ROWS = 60_000


@pytest.fixture(params=[pytest.param(f, marks=getattr(pytest.mark, f)) for f in FLAVOURS])
def mortal(
    request: pytest.FixtureRequest, tmp_path: Path, encrypted: Callable[[Site], tuple[Path, Path]]
) -> Iterator[Site]:
    """A machine whose source may be stopped and killed; its target is the one of all tests."""
    flavour: Flavour = request.param
    target: ScratchServer = request.getfixturevalue(f"{flavour}_target")
    with start(choose(flavour)) as server:
        site = Site(tmp_path, server, target)
        site.write_config()
        for file in encrypted(site):
            shutil.copy(file, tmp_path)
        yield site


def processes_of(server: ScratchServer) -> list[int]:
    children = subprocess.run(["pgrep", "-P", str(server.pid)], capture_output=True, text=True).stdout
    return [server.pid, *map(int, children.split())]


@contextmanager
def frozen(server: ScratchServer) -> Iterator[None]:
    stopped = processes_of(server)
    for pid in stopped:
        with suppress(ProcessLookupError):  # a worker of the server may have ended since it was listed
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def use_halting_tool(site: Site, **dump: object) -> tuple[Path, Path]:
    """Let the dump tool's output halt in its midst; give the file that tells it, and the one that ends it."""
    halted, go = site.folder / "halted", site.folder / "go"
    for path in (halted, go):
        path.unlink(missing_ok=True)
    pipe = site.folder / "pipe"
    pipe.unlink(missing_ok=True)
    use_tool(
        site,
        f'mkfifo {pipe}; "$REAL" "$@" > {pipe} & CHILD=$!; (head -c 100000; touch {halted}; '
        f"until [ -e {go} ]; do sleep 0.05; done; cat) < {pipe}; wait $CHILD",
        **dump,
    )
    return halted, go


def test_a_server_that_hangs_or_dies_in_mid_dump_costs_that_dump_only(
    mortal: Site, called: Callable[..., Called]
) -> None:
    database = "mortal"
    mortal.fill(database, rows=ROWS)
    words = ("backup", "--instance", "source", "--database", database)
    kept = Kept(mortal, called, database)
    mortal.run(*words)
    kept.hold("the first one", more=1)

    halted, go = use_halting_tool(mortal, stall_timeout="3s")
    with mortal.running(*words) as run:
        wait_until(halted.exists)
        with frozen(mortal.source):
            go.touch()
            _, stderr = run.communicate(timeout=100)
    assert run.returncode == 20, stderr
    assert "sent nothing for 3s" in stderr
    kept.hold("after it hung", more=0)
    assert kept.files_of_others() == []
    mortal.write_config()
    mortal.run(*words)
    kept.hold("when it goes on", more=1)

    halted, go = use_halting_tool(mortal)
    with mortal.running(*words) as run:
        wait_until(halted.exists)
        os.kill(mortal.source.pid, signal.SIGKILL)
        go.touch()
        _, stderr = run.communicate(timeout=100)
    assert run.returncode in (12, 20), stderr
    kept.hold("after it died", more=0)
    assert kept.files_of_others() == []
    assert "127.0.0.1" in mortal.run(*words, code=12).stderr


@pytest.mark.parametrize("mortal", flavours("mariadb"), indirect=True)
def test_a_target_that_dies_in_mid_restore_is_told_and_another_one_can_be_had(mortal: Site) -> None:
    """Source and target change places: what dies is the target."""
    database = f"died_{os.urandom(3).hex()}"
    site = Site(mortal.folder, mortal.target, mortal.source)
    site.write_config()
    site.write_credentials()
    try:
        site.fill(database, rows=ROWS)
        site.backup(database)
        words = ("restore", "--instance", "source", "--database", database, "--latest")
        words = (*words, "--target-instance", "target")
        with Proxy(site.target.port, then="swallows", limit=2_000_000, down=False) as proxy:
            point(site, "target", proxy.port)
            with site.running(*words) as run:
                assert proxy.reached.wait(100)
                os.kill(site.target.pid, signal.SIGKILL)
                _, stderr = run.communicate(timeout=100)
        assert run.returncode == 21, stderr
        assert "half loaded" in stderr
        with start(site.target.binaries) as another:
            site.target = another
            site.write_config()
            site.write_credentials()
            site.run(*words)
            assert site.same(database)
    finally:
        drop_database(site.source, database)
