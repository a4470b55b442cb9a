"""A fresh Debian in a folder: made by mmdebstrap, entered in namespaces of its own, removed without a trace.

Every mount is made in a mount namespace that ends with the process that asked for it: the machine never
sees it, and nothing is left to be unmounted. The devices of the root are its own, not the machine's.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scripts.engines import mend_null, mmdebstrap

NAMESPACES = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
MOUNTS = """
set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
for name in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    mknod -m 666 "$root/dev/${name%% *}" c ${name#* }
done
"""
ENTER = f"""{MOUNTS}
exec chroot "$root" "$@"
"""
"""What is run in the namespaces, as `sh -c ENTER sh ROOT COMMAND...`."""
BOOT = f"""
mount --bind "$1" "$1"
{MOUNTS}
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
mount -t tmpfs run "$root/run"
mkdir "$root/run/before"
cd "$root"
pivot_root . run/before
umount --lazy /run/before
mount --make-rshared / # LoadCredential and the like mount in a namespace, and must be seen from here
export container=cleanroom
exec /lib/systemd/systemd --unit=cleanroom.service --show-status=0
"""
"""What makes systemd the first process of the root, as `sh -c BOOT sh ROOT`."""
BOOTED = """
[Unit]
Wants=dbus.service
[Service]
Type=oneshot
ExecStart=/bin/bash -e -o pipefail /cleanroom.sh
StandardOutput=append:/cleanroom.log
StandardError=inherit
ExecStopPost=/bin/systemctl exit $EXIT_STATUS
"""
"""The unit that runs a script as `enter` does, and then ends the system with its exit status."""
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
"""All that a command gets: nothing of the developer's."""
PIP_SETTINGS = ("cert", "extra-index-url", "index-url", "proxy", "timeout", "trusted-host")
"""What of pip's configuration says how the registry is reached."""
CERTIFICATES = "/etc/pip-certificates.pem"
"""In the root: those of this machine."""
APT_SETTINGS = re.compile(r"Acquire::(https?|Check-Valid-Until|Check-Date|Retries)\b")
"""And of apt's."""


@contextmanager
def fresh_root(suite: str, packages: tuple[str, ...], *, keep: bool = False) -> Iterator[Path]:
    """Make a minimal Debian of a release with these packages; it is gone after the block, unless kept."""
    work = Path(tempfile.mkdtemp(prefix="vya-cleanroom-", dir="/var/tmp"))
    try:
        root = work / "root"
        root.mkdir(mode=0o755)
        work.chmod(0o755)
        try:
            options = [f"--aptopt={line}" for line in _apt_settings()]
            options += [f"--include={','.join(packages)}"] if packages else []
            within = (*NAMESPACES, "--mount-proc")
            mmdebstrap(root, suite, "--mode=root", "--variant=minbase", *options, within=within)
        finally:
            mend_null()
        _hand_in(root)
        yield root
    finally:
        if not keep:
            remove(work)


def enter(root: Path, script: str, log: Path, environment: Mapping[str, str] | None = None) -> int:
    """Run a shell script in the root, its output into the log; give its exit status."""
    variables = [f"{name}={value}" for name, value in {**ENVIRONMENT, **(environment or {})}.items()]
    argv = [
        *(*NAMESPACES, "sh", "-c", ENTER, "sh", str(root)),
        *("env", "-i", *variables, "bash", "-e", "-o", "pipefail", "-c", script),
    ]
    with log.open("wb") as file:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False
        ).returncode


def boot(root: Path, script: str, log: Path) -> int:
    """Run a shell script in the root with systemd as its first process, and with no network but loopback.

    The root has systemd installed. Gives the exit status of the script, as `enter` does.
    """
    settings = "".join(f"Environment={name}={value}\n" for name, value in ENVIRONMENT.items())
    (root / "etc/systemd/system/cleanroom.service").write_text(BOOTED + settings)
    (root / "cleanroom.sh").write_text(script)
    said = root / "cleanroom.log"
    said.write_bytes(b"")
    argv = (*NAMESPACES, "--uts", "--ipc", "--cgroup", "--net", "sh", "-c", BOOT, "sh", str(root))
    with log.open("ab") as file:
        status = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False
        ).returncode
        file.write(said.read_bytes())
    return status


def remove(work: Path) -> None:
    """Remove the folder, unless anything is mounted below it: that would be removed with it."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if Path(line.split()[4]).is_relative_to(work):
            sys.exit(f"cleanroom: {work} is left: {line.split()[4]} is mounted")
    subprocess.run(("rm", "-rf", "--one-file-system", "--", str(work)), check=True)


def _hand_in(root: Path) -> None:
    """Copy how this machine reaches the network: names, certificates, the registry of pip."""
    for path in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copyfile(path, root / path.removeprefix("/"), follow_symlinks=True)
    settings = _pip_settings()
    if "cert" in settings:  # elsewhere than here, where the package ca-certificates would write over it
        shutil.copyfile(settings["cert"], f"{root}{CERTIFICATES}")
        settings["cert"] = CERTIFICATES
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    (root / "etc/pip.conf").write_text("".join(["[global]\n", *lines]))


def _apt_settings() -> list[str]:
    said = subprocess.run(("apt-config", "dump"), capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if APT_SETTINGS.match(line)]


def _pip_settings() -> dict[str, str]:
    argv = (sys.executable, "-m", "pip", "config", "list")
    said = subprocess.run(argv, capture_output=True, text=True, check=True, env=os.environ).stdout
    found: dict[str, str] = {}
    for line in said.splitlines():
        name, _, value = line.partition("=")
        name = name.rpartition(".")[2]
        if name in PIP_SETTINGS and "file:" not in value:  # what lies on this machine's disk is not there
            found[name] = str(ast.literal_eval(value))
    return found
