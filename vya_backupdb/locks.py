"""One run for each instance at a time."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from vya_backupdb.errors import LockedError, StorageError

LOCK = ".lock"
HOLDER = ".lock-holder.json"
_MOST_COMMAND = 200
_MOST_SAID = 4096
"""Characters of what is left about a holder."""


@contextmanager
def locked(folder: Path, subject: str) -> Iterator[None]:
    """Hold the lock of an instance's folder in the store; the kernel releases it if this process dies.

    Raises LockedError at once where another run holds it, saying who; StorageError where it can't be
    made.
    """
    lock = FileLock(folder / LOCK, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LockedError(
            f"{subject}: locked by another run{_holder(folder)}", cure="wait until it has ended"
        ) from None
    except OSError as error:
        raise StorageError(f"{folder / LOCK}: {error.strerror or error}", cure="look at the store") from error
    try:
        _announce(folder)
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER).unlink()
        lock.release()


def _announce(folder: Path) -> None:
    """Leave word of who holds the lock. The lock file itself cannot hold it: a second run empties it."""
    holder = {
        "pid": os.getpid(),
        "hostname": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv[1:])[:_MOST_COMMAND],
    }
    path = folder / HOLDER
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(holder, file)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}", cure="look at the store") from error


def _holder(folder: Path) -> str:
    try:
        # a named pipe would be waited for, and a file of another hand may have any size
        descriptor = os.open(folder / HOLDER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor) as file:
            holder = json.loads(file.read(_MOST_SAID))
        return (
            f" (process {int(holder['pid'])} on {holder['hostname']} since {holder['since']}: "
            f"{holder['command']})"
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
