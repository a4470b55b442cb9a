"""Atomic files: a name means a finished file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vya_backupdb.errors import StorageError

PARTIAL = ".partial"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of the store into a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}", cure=_cure(error)) from error


def _cure(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free space on the store or name another `storage.path`"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "let the running user write there, or name another `storage.path`"
    return "look at the store's file system"


@contextmanager
def published(path: Path) -> Iterator[BinaryIO]:
    """Give a new file to write that gets its name only when the block ends well.

    It is written as `NAME.partial` (mode 0600), made durable, renamed without replacing anything, and
    its folder made durable. On any exception the partial file is removed. Raises StorageError.
    """
    partial = path.with_name(path.name + PARTIAL)
    with storage_errors(partial):
        descriptor = os.open(partial, _NEW, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            yield file
            with storage_errors(partial):
                os.fsync(file.fileno())
        with storage_errors(path):
            # the lock of the instance keeps others from taking the name in between
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            partial.rename(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def write_whole(file: BinaryIO, content: bytes) -> None:
    """Write all of it: one write of a raw file takes what there is room for, without an error.

    Raises OSError.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Write a file that others read: it appears whole, in place of the one before. Raises StorageError.

    It is not made durable: it says how things stand now.
    """
    with storage_errors(path):
        unfinished = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        descriptor = os.open(unfinished, _NEW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                file.write(content)
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, each 0700, and make them durable. Raises StorageError."""
    with storage_errors(folder):
        for parent in [*reversed(folder.parents), folder]:
            try:
                parent.mkdir(mode=0o700)
                parent.chmod(0o700)
            except FileExistsError:
                continue
            except OSError:
                if parent.is_dir():
                    continue
                raise
            sync_folder(parent.parent)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
