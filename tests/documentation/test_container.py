"""docs/container.md: the image that Containerfile makes of a fresh Debian, and servers of each flavour."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.cleanroom.root import fresh_root
from tests.integration.docker_support import client, daemon, programs

from .blocks import Command
from .conftest import NewServer
from .machine import WORK, Machine
from .reading import CONFIG, Reader
from .servers import Known, with_shop

STANDS_FOR = {"debian:13-slim": ("trixie", ()), "mysql:8.4": ("sid", ("mysql-client",))}
"""Images that Containerfile names, and the release of Debian and the packages that they are made of here."""
USER = 10001
ETC = "/srv/vya-backupdb/etc:/etc/vya-backupdb"
STORE = "/srv/vya-backupdb/store"

pytestmark = [
    pytest.mark.skipif(
        "VYA_TEST_CONTAINER" not in os.environ, reason="takes minutes: asked for with VYA_TEST_CONTAINER=1"
    ),
    pytest.mark.timeout(3600),
]


def test_databases_of_each_flavour_are_backed_up_as_the_page_says(
    on_machine: Machine, new_server: NewServer
) -> None:
    servers = [
        with_shop(f"prod-{flavour}", new_server(flavour, "shop"), "127.0.0.1")
        for flavour in ("mysql", "mariadb", "postgresql")
    ]
    reader = Reader(on_machine, servers, seconds=1800)
    reader.config = {"instances": [entry(known) for known in servers], "retention": {"keep_last": 2}}
    mount = ("nsenter", f"--mount=/proc/{on_machine.pid}/ns/mnt", "--")  # the network is that of the servers
    with daemon(mount) as host:
        import_images(host)
        on_machine.write("/usr/local/sbin/docker", docker(host), 0o755)
        on_machine.link(f"{WORK}/config.yaml", Path(CONFIG))

        def store_the_other_logins() -> None:
            once = f"docker run --rm --interactive --tty --volume {ETC} vya-backupdb credentials set"
            lines = [f"{once} {known.id} --username {known.username}" for known in servers[:2]]
            said = on_machine.run([Command("this test", line) for line in lines], reader.answer)
            assert [one.status for one in said] == [0, 0], said

        reader.by_hand = {"once credentials set ": store_the_other_logins}
        reader.read("docs/container.md")
        reader.done()
        nightly = f"docker run --rm --volume {ETC}:ro --volume {STORE}:/var/backups/vya-backupdb vya-backupdb"
        on_machine.ran(f"{nightly} verify --all")
        shown = json.loads(on_machine.ran(f"{nightly} restore list --format json"))
    found = {(one["instance"], one["database"]) for one in shown["backups"]}
    assert found >= {(known.id, name) for known in servers for name in ("shop", "@users")}
    store = on_machine.path(STORE)
    assert {path.name for path in store.iterdir()} == {"db-backups"}
    assert {path.stat().st_uid for path in store.rglob("*")} == {USER}


def entry(known: Known) -> dict[str, object]:
    """Give what the configuration says of a server: the network of containers is not the machine's."""
    return {**known.entry(), "host": known.server.host, "port": known.server.port}


def import_images(host: str) -> None:
    """Make the images that Containerfile begins with, of Debian's packages: nothing is pulled."""
    for image, (suite, packages) in STANDS_FOR.items():
        with fresh_root(suite, packages) as root, client(host) as made:
            tar = root.parent / "root.tar"
            subprocess.run(("tar", "--one-file-system", "-cf", str(tar), "-C", str(root), "."), check=True)
            repository, _, tag = image.partition(":")
            made.api.import_image_from_file(str(tar), repository=repository, tag=tag)


def docker(host: str) -> str:
    """Give a script for the client: the daemon has no bridge, and questions are seen at the terminal only."""
    program = shutil.which("docker", path=f"{programs() / 'usr/bin'}:{os.environ['PATH']}")
    return f"""#!/bin/sh
export DOCKER_HOST={host} DOCKER_BUILDKIT=0
case $1 in build | run) command=$1; shift; set -- "$command" --network host "$@" ;; esac
case " $* " in *" --tty "*) exec {program} "$@" >/dev/tty ;; esac
exec {program} "$@"
"""
