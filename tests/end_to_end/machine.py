"""A machine for what changes machines: a mount namespace in which what is written goes to memory.

It has this machine's files, processes and network. What is written to /etc, /opt, /usr/local and /var is
there for its own commands only, and gone when it ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WRITTEN = ("/etc", "/opt", "/usr/local", "/var")

_SCRIPT = """set -e
written=$1
shift
mount -t tmpfs -o mode=0755 tmpfs "$written"
for folder in "$@"; do
    mkdir -p "$written/upper$folder" "$written/work$folder"
    mount -t overlay -o "lowerdir=$folder,upperdir=$written/upper$folder,workdir=$written/work$folder" \\
        overlay "$folder"
done
echo ready
read -r end
"""


@dataclass(frozen=True)
class Machine:
    """A running one."""

    pid: int
    written: Path
    """Where what it wrote is seen from its inside, below `upper`."""

    def path(self, path: str) -> Path:
        """Give where a file of the machine is seen from outside; links in it lead to files of outside."""
        return Path(f"/proc/{self.pid}/root{path}")

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, stdin: str = "", seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there, as root; what it says on stderr is in stdout, too."""
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "--wd=/", "--", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            input=stdin,
            text=True,
            env=env,
            timeout=seconds,
            check=False,
        )

    def write(self, path: str, text: str, mode: int = 0o755) -> None:
        """Write a file."""
        written = self.path(path)
        written.write_text(text)
        written.chmod(mode)


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Start one that keeps what it writes in an empty folder, or rather over it. Needs root."""
    command = ["unshare", "--mount", "--", "sh", "-c", _SCRIPT, "sh", str(folder), *WRITTEN]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n", "overlay file systems cannot be mounted here"
        yield Machine(process.pid, folder)
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def impossible() -> str:
    """Say why machines cannot be made here; nothing where they can."""
    if os.geteuid() != 0:
        return "a machine of its own needs root"
    missing = [name for name in ("nsenter", "systemd-sysusers", "unshare") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""
