"""The process between a throw-away server and us: it ends the server and removes the folder, come what may.

It runs as a script of its own (standard library only) in a session of its own, so that what ends us does
not end it. It is there before anything is put into the folder. It ends the server and removes the folder
when it is told to, when its stdin closes, when the process that started it is gone (also by SIGKILL), or on
SIGTERM. If it is itself killed, the kernel ends the server (PR_SET_PDEATHSIG), and the next start removes
the folder.

Its stdin: a line with the folder and the pid of who started it, then a line with the order (see `Order` in
process.py), both as JSON; then "keep", or any other line, which means "stop". After "keep" only SIGTERM, or
the end of the server, ends the work.
Its stdout: `pid N` when the server has been started, or `failed WHY`; `kept`; `exited N` when it ended by
itself.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)


class Watch:
    """Waits for lines on stdin, the end of our starter, the end of the server, and SIGTERM."""

    def __init__(self) -> None:
        self._told = False
        self._input = b""
        self._signals, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._poll.register(self._signals, select.POLLIN)
        self._starter: int | None = None

    def _stop(self, *_: object) -> None:
        self._told = True

    def starter(self, pid: int) -> None:
        """Stop when this process ends."""
        with contextlib.suppress(OSError):  # the kernel is too old: the end of stdin must do
            try:
                self._starter = os.pidfd_open(pid)
                self._poll.register(self._starter, select.POLLIN)
            except ProcessLookupError:
                self._told = True

    def stay(self) -> None:
        """From now on look neither at stdin nor at our starter."""
        self._poll.unregister(0)
        if self._starter is not None:
            self._poll.unregister(self._starter)

    def line(self, server: "subprocess.Popen[bytes] | None" = None) -> bytes:
        """Give the next line from stdin; nothing where it is time to stop, or the server has ended."""
        while b"\n" not in self._input:
            if self._told or (server is not None and server.poll() is not None):
                return b""
            for descriptor, _ in self._poll.poll():
                if descriptor == 0 and (data := os.read(0, 65536)):
                    self._input += data
                elif descriptor == self._signals:
                    os.read(self._signals, 512)
                else:
                    self._told = True
        line, _, self._input = self._input.partition(b"\n")
        return line


def main() -> None:
    """Watch over the folder, then over the server in it, until both are gone."""
    watch = Watch()
    first = watch.line()
    if not first:
        return
    site = json.loads(first)
    watch.starter(site["parent"])
    try:
        order = json.loads(watch.line() or '"stop"')
        if order != "stop":
            watch_over(watch, order)
    finally:
        remove(site["folder"])


def watch_over(watch: Watch, order: dict[str, Any]) -> None:
    """Start the server, and end it when it is time."""
    try:
        server = launch(order)
    except OSError as error:
        say(f"failed {error.strerror or error}")
        return
    try:
        say(f"pid {server.pid}")
        told = watch.line(server)
        if told and json.loads(told) == "keep":
            watch.stay()
            say("kept")
            told = watch.line(server)
        if not told and server.poll() is not None:
            say(f"exited {server.returncode}")
            watch.line()
    finally:
        end(server, order["stop_signal"], order["patience"])


def launch(order: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """Start the server as the user that the order names, bound to our life."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    us = os.getpid()

    def bind() -> None:  # after the change of user, which would clear it
        prctl(PR_SET_PDEATHSIG, order["death_signal"], 0, 0, 0)
        if os.getppid() != us:
            os._exit(1)

    with Path(order["log"]).open("ab") as log:
        return subprocess.Popen(
            order["argv"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=order["environment"],
            cwd=order["folder"],
            user=order["uid"],
            group=order["gid"],
            extra_groups=None if order["gid"] is None else [],
            umask=0o077,
            preexec_fn=bind,
        )


def end(server: "subprocess.Popen[bytes]", stop_signal: int, patience: float) -> None:
    """Ask the server to end, then make it end."""
    if server.poll() is None:
        server.send_signal(stop_signal)
        try:
            server.wait(patience)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def remove(folder: str) -> None:
    """Remove the folder; what was at work in it may still write into it for a moment."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(0.1)


def say(text: str) -> None:
    """Tell the process that started us, if it is still there."""
    with contextlib.suppress(OSError):
        os.write(1, text.encode() + b"\n")


if __name__ == "__main__":
    main()
