"""Starting a server under the supervisor, and running the short commands that prepare a data folder."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vya_backupdb.errors import ScratchError
from vya_backupdb.scratch import supervisor
from vya_backupdb.scratch.account import Account
from vya_backupdb.scratch.folder import Folder

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
LOG = "server.log"
_TAIL = 15
"""Lines of the log in an error."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the supervisor is to run."""

    argv: tuple[str, ...]
    stop_signal: signal.Signals
    """Asks for a quick, orderly end."""
    death_signal: signal.Signals
    """What the kernel sends if the supervisor is killed."""
    patience: float = 20.0
    """Seconds for an orderly end, then KILL."""
    environment: Mapping[str, str] = field(default_factory=lambda: ENVIRONMENT)


class Supervised:
    """A folder, and then a server in it, under the eyes of a supervisor."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder.path
        self.pid = 0
        """Of the server, once it is launched."""
        self._patience = 0.0
        self._log = folder.path / LOG
        self._said = b""
        self._is_kept = False
        try:
            with self._log.open("ab") as log:
                self._supervisor = subprocess.Popen(
                    [sys.executable, "-I", "-S", supervisor.__file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=ENVIRONMENT,
                    cwd="/",
                    start_new_session=True,
                    pass_fds=(folder.lock,),
                )
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        finally:
            os.close(folder.lock)  # the supervisor has it now
        self._write({"folder": str(folder.path), "parent": os.getpid()})

    def launch(self, order: Order, account: Account | None) -> None:
        """Start the server as the account. Raises ScratchError where it cannot be run."""
        self._patience = order.patience
        self._write(
            {
                "argv": order.argv,
                "environment": dict(order.environment),
                "stop_signal": order.stop_signal,
                "death_signal": order.death_signal,
                "patience": order.patience,
                "uid": account.uid if account else None,
                "gid": account.gid if account else None,
                "folder": str(self.folder),
                "log": str(self._log),
            }
        )
        deadline = time.monotonic() + 30
        while b"\n" not in self._said:
            if time.monotonic() > deadline or self._supervisor.poll() is not None:
                raise ScratchError(f"{order.argv[0]}: its supervisor does not start it\n{self.log_tail()}")
            self._listen(1)
        word, _, rest = self._said.decode(errors="replace").splitlines()[0].partition(" ")
        if word != "pid":
            who = account.name if account else "this user"
            raise ScratchError(f"{order.argv[0]}: {who} cannot run it: {rest}")
        self.pid = int(rest)

    def exited(self) -> bool:
        """Whether the server has ended by itself."""
        self._listen(0)
        return b"exited " in self._said or self._supervisor.poll() is not None

    def log_tail(self) -> str:
        """Give the last lines of the server's log."""
        with suppress(OSError):
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-_TAIL:])
        return "(no log)"

    def keep(self) -> int:
        """Let the server live on when this process ends; give the pid that ends it, with its folder, on TERM.

        Raises ScratchError.
        """
        self._write("keep")
        deadline = time.monotonic() + 30
        while b"kept\n" not in self._said:
            if time.monotonic() > deadline or self._supervisor.poll() is not None:
                raise ScratchError(f"{self.folder}: the server cannot be kept\n{self.log_tail()}")
            self._listen(1)
        for stream in (self._supervisor.stdin, self._supervisor.stdout):
            if stream is not None:
                stream.close()
        self._is_kept = True
        self._supervisor.returncode = 0  # nobody waits for it any more, and Popen need not warn of that
        return self._supervisor.pid

    def stop(self) -> None:
        """End the server and remove the folder, unless it is kept.

        Raises ScratchError if that does not work in time.
        """
        if self._is_kept:
            return
        self._write("stop")
        with suppress(OSError):
            if self._supervisor.stdin is not None:
                self._supervisor.stdin.close()
        try:
            self._supervisor.wait(self._patience + 15)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()  # the kernel then ends the server
            self._supervisor.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            if self._supervisor.stdout is not None:
                self._supervisor.stdout.close()
        if self.folder.exists():
            raise ScratchError(f"{self.folder}: cannot be removed", cure="remove it by hand")

    def _listen(self, seconds: float) -> None:
        """Take what the supervisor has said."""
        if self._supervisor.stdout is None or self._supervisor.stdout.closed:
            return
        descriptor = self._supervisor.stdout.fileno()
        ready, _, _ = select.select([descriptor], [], [], seconds)
        if ready:
            self._said += os.read(descriptor, 4096)

    def _write(self, message: object) -> None:
        """Tell the supervisor something; it may be gone already."""
        if self._supervisor.stdin is not None and not self._supervisor.stdin.closed:
            with suppress(OSError):
                self._supervisor.stdin.write(json.dumps(message).encode() + b"\n")
                self._supervisor.stdin.flush()


def prepare(argv: tuple[str, ...], folder: Path, account: Account | None) -> None:
    """Run a command to its end as the server's user. Raises ScratchError with the end of its output."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, "TMPDIR": str(folder)},
            cwd=folder,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,
            timeout=180,
            check=False,
        )
    except PermissionError as error:
        who = account.name if account else "this user"
        raise ScratchError(f"{argv[0]}: {who} may not run it", cure="look at the folders above it") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScratchError(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.decode(errors="replace").splitlines()[-_TAIL:])
        raise ScratchError(f"{argv[0]} ended with status {done.returncode}\n{tail}")
