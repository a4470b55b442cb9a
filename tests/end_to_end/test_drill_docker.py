"""`drill --engine docker`: the same proof in a container, of which nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import choose
from tests.integration.docker_support import client, containers, daemon, make_image, programs
from vya_backupdb.scratch.docker import LABEL, start_image
from vya_backupdb.scratch.images import image_of

from .conftest import Site

IMAGE = "postgres:0"
"""The server that starts quickest, where the flavour makes no difference."""

PARENT = """
import sys
from vya_backupdb.scratch.docker import start_image
with start_image("postgresql", sys.argv[1]) as server:
    print(server.container, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with daemon() as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", found)
        yield found


@pytest.fixture(scope="module")
def image(host: str) -> str:
    make_image(host, choose("postgresql"), IMAGE)
    return IMAGE


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_a_backup_is_proved_in_a_container_of_its_version(site: Site, database: str, host: str) -> None:
    site.fill(database, rows=3_000)
    site.write_config(checks={database: ["SELECT count(*) = 3000 FROM t"]})
    site.backup(database)
    words = ("drill", "--instance", "source", "--database", database, "--engine", "docker")
    name = image_of(site.source.flavour, site.source.binaries.version_number)
    assert f"docker pull {name}" in site.run(*words, code=12).stderr
    make_image(host, site.source.binaries, name)
    (drill,) = site.json(*words)["drills"]
    (one,) = drill["databases"]
    assert (one["ok"], one["rows"], drill["server"]) == (
        True,
        3_000,
        f"{site.source.flavour} {site.source.version}",
    )
    assert containers(host) == []


@pytest.mark.threat("dumps-drilled")
def test_a_container_has_no_network_no_rights_and_bounds(host: str, image: str) -> None:
    with start_image("postgresql", image) as server:
        folder = server.socket.parent
        with client(host) as docker_client:
            found = docker_client.api.inspect_container(server.container)
    limits = found["HostConfig"]
    assert limits["NetworkMode"] == "none"
    assert limits["CapDrop"] == ["ALL"]
    assert limits["SecurityOpt"] == ["no-new-privileges"]
    assert limits["Memory"] > 0 < limits["PidsLimit"]
    assert limits["AutoRemove"]
    assert found["Config"]["Labels"][LABEL] == str(folder)
    assert server.password not in str(found)
    assert containers(host) == []
    assert not folder.exists()


def test_a_container_ends_with_the_process_that_started_it(host: str, image: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, image], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        name = parent.stdout.readline().strip()
        assert containers(host) == [name]
        parent.send_signal(signal.SIGKILL)
    assert wait_until(lambda: containers(host) == [])


def test_a_container_that_is_kept_lives_on_until_it_is_ended(host: str, image: str) -> None:
    with start_image("postgresql", image) as server:
        kept = server.keep()
    assert containers(host) == [server.container]
    folder = Path(kept.end.split()[-1])
    assert (folder / "run" / ".s.PGSQL.5432").is_socket()
    time.sleep(1)
    assert containers(host) == [server.container]
    environment = {**os.environ, "PATH": f"{programs() / 'usr/bin'}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", kept.end], env=environment, capture_output=True, check=True)
    assert wait_until(lambda: containers(host) == [])
    assert not folder.exists()
