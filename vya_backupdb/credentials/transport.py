"""How a secret reaches a child: a file in memory, passed by descriptor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class SecretFile:
    """An anonymous file that only a child given the descriptor (`pass_fds`) can open, by its path."""

    fd: int

    @property
    def path(self) -> str:
        """The path to open, in this process and in children that inherit the descriptor."""
        return f"/dev/fd/{self.fd}"


@contextmanager
def secret_file(content: bytes) -> Iterator[SecretFile]:
    """Give a file with the content, mode 0600, that is on no disk and is gone with its last user.

    libpq ignores a password file that others may read, and a memfd has mode 0777 at first.
    """
    descriptor = os.memfd_create("vya-backupdb", os.MFD_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        del content, view  # this frame may stand in a traceback
        yield SecretFile(descriptor)
    finally:
        os.close(descriptor)
