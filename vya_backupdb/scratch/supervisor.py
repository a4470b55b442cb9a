"""The process between a throw-away server and us: it ends the server and removes the folder, come what may.

It runs as a script of its own (standard library only) in a session of its own, so that what ends us does
not end it. It ends the server when it is told to, when its stdin closes, when the process that started it
is gone (also by SIGKILL), or on SIGTERM. If it is itself killed, the kernel ends the server
(PR_SET_PDEATHSIG), and the next start removes the folder.

Its stdin: one line of JSON (see `Order` in process.py); any further line means "stop".
Its stdout: `pid N` when the server has been started, `exited N` when it has ended.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Start the server that stdin describes, and stay until it and its folder are gone."""
    order = json.loads(sys.stdin.readline())
    signals, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    try:
        server = launch(order)
        try:
            say(f"pid {server.pid}")
            poll = select.poll()
            poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
            poll.register(signals, select.POLLIN)
            try:
                poll.register(os.pidfd_open(order["parent"]), select.POLLIN)
            except OSError:
                stopping = os.getppid() == 1  # it is gone, or the kernel is too old: then stdin must do
            while not stopping and server.poll() is None:
                for descriptor, _ in poll.poll():
                    if descriptor == signals:
                        os.read(signals, 512)
                    else:
                        stopping = True
            if not stopping:
                say(f"exited {server.poll()}")
                sys.stdin.read()
        finally:
            end(server, order["stop_signal"], order["patience"])
    finally:
        remove(order["folder"])


def launch(order: dict[str, Any]) -> subprocess.Popen[bytes]:
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
    """Remove the folder; the server's own children may still write into it for a moment."""
    for _ in range(50):
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
