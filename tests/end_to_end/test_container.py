"""The image that Containerfile makes: built on a fresh Debian, run as docs/container.md says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.cleanroom.root import fresh_root
from scripts.pages import ROOT
from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.docker_support import client, daemon, programs
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.skipif(
    "VYA_TEST_CONTAINER" not in os.environ, reason="takes minutes: asked for with VYA_TEST_CONTAINER=1"
)

USER = 10001
SHUT_IN = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
Docker = Callable[..., str]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with daemon() as found:
        yield found


@pytest.fixture(scope="module")
def docker(host: str) -> Docker:
    """`docker(*words)`: run the client and give what it prints."""
    environment = {
        **os.environ,
        "DOCKER_HOST": host,
        "DOCKER_BUILDKIT": "0",
        "PATH": f"{programs() / 'usr/bin'}:{os.environ['PATH']}",
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            ("docker", *words), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    return run


@pytest.fixture(scope="module")
def image(host: str, docker: Docker) -> str:
    for name, suite, packages in (("base", "trixie", ()), ("mysql", "sid", ("mysql-client",))):
        with fresh_root(suite, packages) as root, client(host) as made:
            tar = root.parent / "root.tar"
            subprocess.run(("tar", "--one-file-system", "-cf", str(tar), "-C", str(root), "."), check=True)
            made.api.import_image_from_file(str(tar), repository=f"fresh-{name}", tag="1")
    arguments = ("--build-arg", "BASE=fresh-base:1", "--build-arg", "MYSQL=fresh-mysql:1")
    docker(
        "build", "--network", "host", *arguments, "-f", str(ROOT / "Containerfile"), "-t", "vya", str(ROOT)
    )
    return "vya"


def test_databases_of_each_flavour_are_backed_up_from_a_container_that_is_shut_in(
    docker: Docker,
    image: str,
    mysql: ScratchServer,
    mariadb: ScratchServer,
    postgresql: ScratchServer,
    new_database: NewDatabase,
    tmp_path: Path,
) -> None:
    servers = (mysql, mariadb, postgresql)
    etc, store = tmp_path / "etc", tmp_path / "store"
    instances: list[dict[str, Any]] = []
    logins = {}
    for server in servers:
        database = new_database(server)
        run_sql(server, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)", database)
        engine = "postgresql" if server is postgresql else "mysql"
        one = {"id": server.flavour, "engine": engine, "host": server.host, "port": server.port}
        instances.append({**one, "databases": {"include": [database]}})
        logins[server.flavour] = {"username": server.superuser, "password": server.password}
    config = {
        "instances": instances,
        "storage": {"path": "/var/backups/vya-backupdb", "hostname": "backups", "min_free": "1MiB"},
        "credentials": {"file": "credentials.json", "key": {"file": "key"}},
    }
    for folder in (etc, store):
        folder.mkdir(mode=0o700)
    (etc / "config.yaml").write_text(json.dumps(config))
    (etc / "plain.json").write_text(json.dumps(logins))
    for path in (etc, store, *etc.iterdir()):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.chown(path, USER, USER)
    volume = ("--volume", f"{etc}:/etc/vya-backupdb")
    once = ("run", "--rm", "--network", "host", *volume, image)
    docker(*once, "credentials", "keygen")
    plain = ("--input", "/etc/vya-backupdb/plain.json", "--output", "/etc/vya-backupdb/credentials.json")
    docker(*once, "credentials", "encrypt", *plain)
    (etc / "plain.json").unlink()

    volumes = (f"{volume[1]}:ro", "--volume", f"{store}:/var/backups/vya-backupdb")
    nightly = ("run", "--rm", *SHUT_IN, "--network", "host", "--volume", *volumes, image)
    done = json.loads(docker(*nightly, "backup", "--all", "--format", "json"))
    assert all(each["ok"] for each in done["backups"])
    rows = {each["instance"]: each["rows"] for each in done["backups"] if each["database"] != "@users"}
    assert rows == {server.flavour: 2 for server in servers}
    docker(*nightly, "verify", "--all")
    assert {path.stat().st_uid for path in store.rglob("*")} == {USER}
