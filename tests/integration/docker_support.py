"""A Docker daemon of the tests' own, and images made of the servers of this machine: nothing is pulled."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from vya_backupdb.scratch import Binaries, cache_folder, engine_folders

_APPLETS = """basename cat chmod chown cut dirname env expr false grep head hostname id kill ln ls mkdir rm
sed sh sleep tail test touch tr true uname"""
_COMPANIONS = {
    "mysql": (),
    "mariadb": ("mariadb-install-db", "my_print_defaults"),
    "postgresql": ("initdb",),
}
_FOLDERS = {
    "mysql": ("share/mysql", "lib/mysql/plugin"),
    "mariadb": ("share/mysql", "lib/mysql/plugin"),
    "postgresql": ("share/postgresql", "lib/postgresql/*/lib"),
}


@contextmanager
def daemon(enter: Sequence[str] = ()) -> Iterator[str]:
    """Run dockerd for the block; give what DOCKER_HOST must be. Skips where that is not possible.

    `enter`: what it is run by, in namespaces of its own.
    """
    own = programs()
    search = f"{own}/usr/sbin:{own}/usr/bin:{os.environ['PATH']}"
    dockerd = shutil.which("dockerd", path=search)
    if os.geteuid() != 0 or dockerd is None or busybox() is None:
        pytest.skip("no dockerd for the tests here: as root, on Debian: scripts/engines.py docker")
    folder = Path(tempfile.mkdtemp(prefix="vya-docker-", dir="/tmp"))
    host = f"unix://{folder}/sock"
    argv = [
        *(*enter, dockerd, "-H", host),
        *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("-p", str(folder / "pid"), "--iptables=false", "--ip6tables=false", "--bridge=none"),
    ]
    libraries = ":".join(map(str, own.glob("**/lib/*-linux-gnu")))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, stdout=log, stderr=log, env={"PATH": search, "LD_LIBRARY_PATH": libraries}
        )
    try:
        _await(process, host, folder / "log")
        _try(host)
        yield host
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _await(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(host.removeprefix("unix://"))
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
                    pytest.skip(f"dockerd does not run here: {error}: {tail}")
                time.sleep(0.1)
            else:
                return


def _try(host: str) -> None:
    """Skip where a daemon runs and containers do not, as in some containers."""
    shell = busybox()
    assert shell is not None
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as tar:
        _add(tar, "bin/true", shell.read_bytes(), mode=0o755)
    with client(host) as made:
        made.api.import_image_from_data(image.getvalue(), repository="try", tag="1")
        try:
            made.containers.run("try:1", ["/bin/true"], network_mode="none", mem_limit=64 << 20, remove=True)
        except docker.errors.DockerException as error:
            pytest.skip(f"Docker runs no containers here: {error}")


@contextmanager
def client(host: str) -> Iterator[docker.DockerClient]:
    """Talk to a daemon."""
    made = docker.DockerClient(base_url=host)
    try:
        yield made
    finally:
        made.close()


def programs() -> Path:
    """Give the folder that `scripts/engines.py docker` fills."""
    return cache_folder() / "docker"


def busybox() -> Path | None:
    found = (programs() / folder / "busybox" for folder in ("bin", "usr/bin"))
    return next((path for path in found if path.is_file()), None)


def containers(host: str) -> list[str]:
    """Name all containers, whatever their state."""
    with client(host) as daemon_client:
        return [container.name for container in daemon_client.containers.list(all=True)]


def make_image(host: str, binaries: Binaries, name: str) -> None:
    """Make an image as the official ones are: the server in the PATH, a shell, and the server's user."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.tar"
        _pack(binaries, file)
        repository, _, tag = name.partition(":")
        changes = [f"ENV PATH=/usr/sbin:/usr/bin:/bin:{binaries.server.parent}"]
        with client(host) as daemon_client:
            daemon_client.api.import_image_from_file(
                str(file), repository=repository, tag=tag, changes=changes
            )


def _pack(binaries: Binaries, file: Path) -> None:
    root = next((each for each in engine_folders() if binaries.server.is_relative_to(each)), Path("/"))
    user = "postgres" if binaries.flavour == "postgresql" else "mysql"
    names = _COMPANIONS[binaries.flavour]
    programs = [binaries.server, *(binaries.client_folder / name for name in names)]
    paths = {*programs, *(library for program in programs for library in _libraries(program))}
    for pattern in _FOLDERS[binaries.flavour]:
        paths |= {each for each in (root / "usr").glob(pattern) if each.is_dir()}
    if binaries.flavour == "postgresql":
        paths |= {Path("/usr/lib/locale/C.utf8"), Path("/usr/share/zoneinfo/UTC")}
    with tarfile.open(file, "w", dereference=True) as tar:
        for path in sorted(paths):
            inside = path.relative_to(root) if path.is_relative_to(root) else path.relative_to("/")
            tar.add(path, str(inside))
        _add(tar, "etc/passwd", f"root:x:0:0::/:/bin/sh\n{user}:x:999:999::/tmp:/bin/sh\n".encode())
        _add(tar, "etc/group", f"root:x:0:\n{user}:x:999:\n".encode())
        shell = busybox()
        assert shell is not None
        _add(tar, "bin/busybox", shell.read_bytes(), mode=0o755)
        for name in _APPLETS.split():
            _link(tar, f"bin/{name}", "busybox")
        if root != Path("/"):  # the programs name their own place on this machine
            _link(tar, str(root.relative_to("/")), "/")
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(temporary)


def _libraries(program: Path) -> list[Path]:
    """Give the libraries that a program loads, and its loader; none for a script."""
    with program.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    said = subprocess.run(
        [program], env={"LD_TRACE_LOADED_OBJECTS": "1"}, capture_output=True, text=True, check=True
    ).stdout
    words = (word for line in said.splitlines() for word in line.split())
    return [Path(word) for word in words if word.startswith("/")]


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)
