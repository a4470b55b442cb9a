"""Hooks and the ping around backups of a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import Listener, listening
from vya_backupdb.scratch import ScratchServer

from .conftest import Site

pytestmark = pytest.mark.mariadb


@pytest.fixture(scope="module")
def server(mariadb: ScratchServer) -> ScratchServer:
    return mariadb


@pytest.fixture(scope="module")
def target(mariadb: ScratchServer) -> ScratchServer:
    """The same: nothing is restored here."""
    return mariadb


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as running:
        yield running


def set_up(site: Site, listener: Listener, *more_after: str, **source: Any) -> None:
    """Let each hook keep what it gets, and what of the store is there at that moment."""
    script = site.folder / "keep"
    script.write_text(
        f"#!/bin/sh\ncd {site.folder}\ncat > $1.json\n"
        "find store -name '*.sql.zst' > $1.files\necho $1 >> order\n"
    )
    script.chmod(0o755)
    site.write_config(**source)
    site.change_config(
        hooks={
            "before": ["./keep before"],
            "after": ["./keep after", *more_after],
            "on_failure": ["./keep on_failure"],
        },
        notify={"ping": f"{listener.url}/check"},
    )


def order(site: Site) -> list[str]:
    return (site.folder / "order").read_text().split()


def kept(site: Site, event: str) -> dict[str, Any]:
    return dict(json.loads((site.folder / f"{event}.json").read_text()))


def test_a_good_backup_is_between_its_hooks_and_pings(site: Site, database: str, listener: Listener) -> None:
    site.fill(database, rows=7)
    set_up(site, listener, "/bin/false", databases={"include": [database]})
    done = site.json("backup", "--all", "--no-users", "--instance", "source")
    assert order(site) == ["before", "after"]
    assert (site.folder / "before.files").read_text() == ""
    assert (site.folder / "after.files").read_text().count("\n") == 1
    assert kept(site, "after")["backups"] == done["backups"]
    assert (kept(site, "after")["ok"], done["backups"][0]["rows"]) == (True, 7)
    assert listener.paths == ["/check/start", "/check"]
    (warning,) = done["warnings"]  # and the status is 0
    assert warning.startswith("hooks.after[1]: /bin/false failed with exit status 1")


def test_a_backup_that_fails_in_part_is_a_failure(site: Site, database: str, listener: Listener) -> None:
    site.fill(database, rows=7)
    set_up(site, listener, databases={"include": [database, "no_such_database"]})
    done = site.json("backup", "--all", "--no-users", "--instance", "source", code=3)
    assert order(site) == ["before", "after", "on_failure"]
    got = kept(site, "on_failure")
    assert (got["ok"], got["backups"]) == (False, done["backups"])
    assert {one["database"]: one["ok"] for one in got["backups"]} == {
        database: True,
        "no_such_database": False,
    }
    assert listener.paths == ["/check/start", "/check/fail"]


def test_a_dump_that_is_ended_by_a_signal_is_told(site: Site, database: str, listener: Listener) -> None:
    site.fill(database, rows=7)
    tool = site.folder / "slow-dump"
    real, begun = site.source.binaries.dump, site.folder / "begun"
    tool.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) exec {real} --version;; esac\n: > {begun}\nexec sleep 300\n'
    )
    tool.chmod(0o755)
    set_up(site, listener, databases={"include": [database]}, dump={"tool": str(tool)})
    argv = site.command("backup", "--all", "--no-users", "--instance", "source")
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(begun, process)
    os.kill(process.pid, signal.SIGTERM)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 143, said
    assert order(site) == ["before", "after", "on_failure"]
    assert kept(site, "on_failure")["error"] == "interrupted by a signal"
    assert listener.paths == ["/check/start", "/check/fail"]
    assert site.files() == []


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(3000):
        if file.exists():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    pytest.fail(f"{file} did not appear")
