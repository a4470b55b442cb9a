"""Hosts that a controller reaches over ssh: machines with an SSH server and a user who may sudo."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.documentation.conftest import a_machine
from tests.documentation.machine import Machine
from tests.documentation.servers import Known
from vya_backupdb.scratch import cache_folder

from .fleet import CALLS, DEPENDENCIES, MINOR, PYTHON, SYSTEMCTL

USER = "deploy"
"""Who logs in: an ordinary user."""
WITHOUT_PIP = "/usr/local/bin/python-without-pip"
"""Of a host: makes virtual environments in no time; their pip is that of the dependencies."""

_SSHD_CONFIG = """
ListenAddress {address}
PidFile /run/sshd/host.pid
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
AllowUsers {user}
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
Subsystem sftp internal-sftp
"""

_SET_UP = """
set -eu
getent passwd sshd >/dev/null || useradd --system --home-dir /run/sshd --shell /usr/sbin/nologin sshd
useradd --create-home --home-dir /srv/{user} --shell /bin/sh --password '*' {user}
mkdir -p /run/sshd {dependencies} {site_packages}
mount --bind {installed} {dependencies}
LD_LIBRARY_PATH={libraries} {sshd} -f /etc/ssh/sshd_config -E /var/log/sshd.log
until [ -e /run/sshd/host.pid ]; do sleep 0.05; done  # written when it listens
"""


@dataclass(frozen=True)
class Host:
    """A running one."""

    name: str
    machine: Machine
    address: str
    """In its own network."""
    folder: Path
    """Of the controller: the keys, and the way to it."""

    def variables(self) -> dict[str, str]:
        """Give what an inventory says of it."""
        words = ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"]
        words += ["-o", f"UserKnownHostsFile={self.folder}/{self.name}.known"]
        words += [
            "-o",
            "GlobalKnownHostsFile=none",
            "-o",
            f"ProxyCommand={self.folder}/{self.name}.way %h %p",
        ]
        return {
            "ansible_host": self.address,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.folder / "user"),
            "ansible_ssh_common_args": shlex.join(words),
            "ansible_python_interpreter": str(PYTHON),
        }

    def calls(self) -> list[str]:
        """Give what systemd was asked so far."""
        return self.machine.path(CALLS).read_text().splitlines()


@contextmanager
def host(name: str, address: str, folder: Path, *servers: Known) -> Iterator[Host]:
    """Start one that has servers. Skips, or fails in CI, where that is not possible.

    `folder` gets keys that are made here and good for this run alone; hosts of one folder take the same user.
    """
    with a_machine() as machine:
        made = Host(name, machine, address, folder)
        machine.rename(name)
        machine.know(*servers)
        with machine.path("/etc/hosts").open("a") as file:
            file.write(f"{address} {name}\n")
        if not (folder / "user").exists():
            _make_key(folder / "user")
        _make_key(folder / f"{name}.host")
        public = (folder / f"{name}.host.pub").read_text()
        (folder / f"{name}.known").write_text(f"{address} {public}")
        machine.write("/etc/ssh/host_key", (folder / f"{name}.host").read_text())
        machine.write("/etc/ssh/authorized_keys", (folder / "user.pub").read_text(), 0o644)
        machine.write(
            "/etc/ssh/sshd_config", _SSHD_CONFIG.format(address=address, user=USER) + _programs_of_sshd()
        )
        machine.write(f"/etc/sudoers.d/{USER}", f"{USER} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
        machine.write("/usr/local/bin/systemctl", SYSTEMCTL, 0o755)
        machine.write(WITHOUT_PIP, f'#!/bin/sh\nexec {PYTHON} "$@" --without-pip\n', 0o755)
        machine.write(CALLS, "")
        site_packages = f"/opt/vya-backupdb/lib/{MINOR}/site-packages"
        machine.write(f"{site_packages}/dependencies.pth", f"{DEPENDENCIES}\n", 0o644)
        set_up = _SET_UP.format(
            user=USER,
            dependencies=DEPENDENCIES,
            site_packages=site_packages,
            installed=sysconfig.get_path("purelib"),
            sshd=sshd(),
            libraries=":".join(map(str, unpacked().glob("**/lib/*-linux-gnu"))),
        )
        machine.ran(f"sh -c {shlex.quote(set_up)}")
        _write_way(made)
        yield made


def sshd() -> str | None:
    """Give the SSH server: the system's, or that of `scripts/engines.py ssh`."""
    return shutil.which("sshd", path=f"/usr/sbin:/usr/local/sbin:{unpacked()}/usr/sbin")


def unpacked() -> Path:
    """Give the folder that `scripts/engines.py ssh` fills."""
    return cache_folder() / "ssh"


def impossible() -> str:
    """Say why such hosts cannot be made here; nothing where they can."""
    if os.geteuid() != 0:
        return "hosts of their own need root"
    names = ("nsenter", "ssh", "ssh-keygen", "sudo", "systemd-sysusers", "unshare", "useradd")
    missing = [name for name in names if shutil.which(name) is None]
    missing += [] if sshd() else ["sshd"]
    return f"not installed (see scripts/setup test): {', '.join(missing)}" if missing else ""


def _programs_of_sshd() -> str:
    """Say where the programs are that sshd starts, from 9.8 on; it looks where they would be installed."""
    options = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}
    folder = Path(sshd() or "").parents[1] / "lib/openssh"
    there = {option: folder / name for option, name in options.items() if (folder / name).exists()}
    return "".join(f"{option} {path}\n" for option, path in there.items())


def _make_key(path: Path) -> None:
    words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path))
    subprocess.run(words, check=True, capture_output=True)


def _write_way(to: Host) -> None:
    """Write what carries a connection into the network of the host; nobody else has a way there."""
    path = to.folder / f"{to.name}.way"
    carry = 'exec 3<>"/dev/tcp/$1/$2" 4<&0; cat <&4 >&3 & exec cat <&3'
    enter = ("nsenter", f"--net=/proc/{to.machine.pid}/ns/net", "bash", "-c", carry, "way")
    path.write_text(f'#!/bin/sh\nexec {shlex.join(enter)} "$@"\n')
    path.chmod(0o700)
