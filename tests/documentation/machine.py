"""A machine on which the documents are executed word for word: its folders, network and name are its own."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vya_backupdb.model import Flavour

from .blocks import ROOT, Command
from .network import answering
from .servers import Known
from .terminal import Answer, Said, typed

HOME = "/srv/home"
WORK = "/srv/repository"
"""A copy of this repository, where commands are typed."""

# What is written goes to the memory of this machine alone; /tmp is shared, for there the servers are.
_SET_UP = """
set -eu
mount -t tmpfs -o mode=0700 tmpfs "$1"
lay() {
    mkdir -p "$1/$3/above" "$1/$3/work"
    mount -t overlay -o "lowerdir=$2,upperdir=$1/$3/above,workdir=$1/$3/work" overlay "/$3"
}
for folder in etc opt usr/local usr/lib/sysusers.d usr/lib/tmpfiles.d var/lib var/log run srv media; do
    [ ! -d "/$folder" ] || lay "$1" "/$folder" "$folder"
done
mkdir -p /etc/vya-backupdb /srv/home /srv/repository /run/mysqld /run/postgresql
mount -t tmpfs -o mode=0755 tmpfs /etc/vya-backupdb
mount -t tmpfs -o mode=0755 tmpfs /var/backups
lay "$1" "$2" srv/repository
mount -t tmpfs tmpfs /run/mysqld
mount -t tmpfs tmpfs /run/postgresql
echo machine > /proc/sys/kernel/hostname
echo ready
exec cat
"""

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": HOME,
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
    "TMPDIR": "/tmp",
    "PIP_CONFIG_FILE": "/etc/pip.conf",  # and no other
}


_TOOLS: dict[Flavour, tuple[str, str]] = {
    "mysql": ("mysql", "mysqldump"),
    "mariadb": ("mariadb", "mariadb-dump"),
    "postgresql": ("psql", "pg_dump"),
}


@dataclass
class Machine:
    """A machine that runs as long as its block."""

    pid: int
    folder: Path
    """Of ours, for what commands write."""
    _open: ExitStack
    _runs: int = 0

    def path(self, name: str) -> Path:
        """Give where a file of the machine is found from outside."""
        return Path(f"/proc/{self.pid}/root{name}")

    def write(self, name: str, text: str, mode: int = 0o600) -> None:
        """Write a file, and make its folder."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def link(self, name: str, target: Path) -> None:
        """Let a name of the machine be that of a file that is there already."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def know(self, *servers: Known) -> None:
        """Let servers answer at their addresses, at the ports of their kinds, and have their client tools."""
        with self.path("/etc/hosts").open("a") as file:
            file.writelines(f"{known.address} {known.host}\n" for known in servers)
        for known in servers:
            server = known.server
            address = (known.address, 5432 if server.flavour == "postgresql" else 3306)
            self._open.enter_context(answering(self.pid, address, (server.host, server.port)))
            tools = (server.binaries.client, server.binaries.dump)
            for name, tool in zip(_TOOLS[server.flavour], tools, strict=True):
                self.link(f"/usr/local/bin/{name}", tool)

    def offer(self, wheels: Path) -> None:
        """Let pip find packages in a folder, as there is no network."""
        settings = ("no-index = true", f"find-links = {wheels}", "compile = false")
        self.write("/etc/pip.conf", "\n".join(["[global]", *settings, ""]), 0o644)

    def rename(self, name: str) -> None:
        """Give the machine another host name."""
        self.ran(f"echo {name} >/proc/sys/kernel/hostname")

    def with_program(self) -> None:
        """Have the program, as if it were installed."""
        self.link("/usr/local/bin/vya-backupdb", Path(sys.executable).with_name("vya-backupdb"))

    def run(
        self, commands: Sequence[Command], answer: Answer | None = None, *, seconds: float = 300
    ) -> list[Said]:
        """Type commands into one shell."""
        self._runs += 1
        folder = self.folder / str(self._runs)
        folder.mkdir()
        environment = [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--uts", "env", "-i", *environment]
        shell = [*enter, "setsid", "--ctty", "--wait", "sh", "-c", f'cd {WORK}; exec bash "$0"']
        return typed(commands, shell, folder, answer or _nobody, seconds=seconds)

    def ran(self, line: str) -> str:
        """Run a line of the test's own; it ends well."""
        (said,) = self.run([Command("this test", line)])
        assert said.status == 0, said
        return said.output


def _nobody(command: str, question: str) -> str:
    raise AssertionError(f"{command} asks: {question}")


@contextmanager
def machine() -> Iterator[Machine]:
    """Start a machine. Raises CalledProcessError where this user may not."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="vya-documents-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (layers := folder / "layers").mkdir()
        argv = ["unshare", "--mount", "--net", "--uts", "--propagation", "private"]
        argv += ["sh", "-c", _SET_UP, "sh", str(layers), str(ROOT)]
        keeper = stack.enter_context(
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        assert keeper.stderr is not None
        stack.callback(keeper.stdin.close)  # it ends with its input, also where we are killed
        select.select([keeper.stdout], [], [], 30)
        if os.read(keeper.stdout.fileno(), 6) != b"ready\n":
            keeper.stdin.close()
            raise subprocess.CalledProcessError(
                keeper.wait(), argv, stderr=keeper.stderr.read().decode(errors="replace")
            )
        stack.callback(_end_all_but, keeper.pid)
        made = Machine(keeper.pid, folder, stack)
        own = f'#!/bin/sh\nexec {Path(sys.executable).resolve()} "$@"\n'  # that the wheels are for
        made.write("/usr/local/bin/python3", own, 0o755)
        yield made


def _end_all_but(keeper: int) -> None:
    """End what was left running on the machine, as a server that a drill was told to keep."""
    mounts = Path(f"/proc/{keeper}/ns/mnt").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if int(process.name) != keeper and (process / "ns" / "mnt").readlink() == mounts:
                os.kill(int(process.name), signal.SIGTERM)
