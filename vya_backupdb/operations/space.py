"""Room on the store: looked at before a dump, and watched while it runs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from vya_backupdb.catalog.publish import storage_errors
from vya_backupdb.errors import StorageError

_INTERVAL = 1.0
"""Seconds between two looks at the file system."""


class SpaceGuard:
    """Holds a store to its `min_free`. `reserve` is in bytes."""

    def __init__(self, folder: Path, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve
        self._next = 0.0

    def check(self, expected: int) -> None:
        """Raise StorageError unless so many more bytes leave the reserve untouched."""
        free = self._free()
        if free - expected < self._reserve:
            raise StorageError(
                f"{self._folder}: {free:,} bytes free, {expected:,} expected to be written, "
                f"{self._reserve:,} to be kept free (storage.min_free)",
                cure="free space on the store, name another `storage.path`, or lower `storage.min_free`",
            )

    def watch(self) -> None:
        """Look again, at most once a second. Raises StorageError when the reserve is touched."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL
            self.check(0)

    def _free(self) -> int:
        with storage_errors(self._folder):
            return shutil.disk_usage(self._folder).free
