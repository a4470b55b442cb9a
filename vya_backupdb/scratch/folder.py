"""Private folders of throw-away servers, and the removal of those that a killed run left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vya_backupdb.errors import ScratchError
from vya_backupdb.scratch.account import Account, owners

PREFIX = "vya-scratch-"
LOCK = "lock"
_LONGEST_BASE = 60
"""Socket paths are limited to 107 bytes (unix(7)); this leaves room for ours below."""
_YOUNG = 60.0
"""Seconds in which a folder may still be without a held lock because it is just being made."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with a lock in it that is held as long as anyone works with it."""

    path: Path
    lock: int
    """The descriptor that holds the lock; the supervisor inherits it."""


def make(account: Account | None) -> Folder:
    """Make a private folder that belongs to the account. Raises ScratchError."""
    base = base_folder()
    remove_leftovers(base)
    try:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if account is not None:
            os.chown(path, account.uid, account.gid)
    except OSError as error:
        raise ScratchError(f"{base}: cannot make a folder for a server: {error}") from error
    return Folder(path, lock)


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a folder that goes with the block; that of a killed run goes with the next start."""
    folder = make(None)
    try:
        yield folder.path
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
        os.close(folder.lock)


def remove_leftovers(base: Path) -> list[Path]:
    """Remove folders of runs that are dead: of our name and owner, with a lock that nobody holds."""
    ours = owners()
    removed = []
    for path in base.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_leftover(path, ours):
                shutil.rmtree(path)
                removed.append(path)
    return removed


def _is_leftover(path: Path, ours: set[int]) -> bool:
    status = path.lstat()
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid not in ours
        or time.time() - status.st_ctime < _YOUNG
    ):
        return False
    try:
        lock = os.open(path / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def base_folder() -> Path:
    """Give the folder for temporary files, unless its path is too long for sockets."""
    for base in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108
        if len(os.fsencode(base)) <= _LONGEST_BASE and os.access(base, os.W_OK | os.X_OK):
            return Path(base)
    raise ScratchError("no folder for temporary files with a short path", cure="set TMPDIR to one")
