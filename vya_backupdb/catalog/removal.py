"""Removing backups, and what runs that ended in their midst have left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from vya_backupdb.catalog.publish import PARTIAL, storage_errors, sync_folder
from vya_backupdb.catalog.store import ARCHIVE_SUFFIXES, DIGEST_SUFFIX, RECORD_SUFFIX, stem_of

_AGE: Final = timedelta(days=1)
_MADE_BY_US: Final = re.compile(r".+_\d{8}T\d{6}Z(-\d+)?")


def remove_backup(record: Path, archive: Path) -> None:
    """Remove a backup: its record first, so that whatever is left by a crash is no backup any more.

    Raises StorageError.
    """
    folder = record.parent
    digest = record.with_name(record.name.removesuffix(RECORD_SUFFIX) + DIGEST_SUFFIX)
    with storage_errors(record):
        record.unlink()
        sync_folder(folder)
    for path in (digest, archive):
        with storage_errors(path):
            path.unlink(missing_ok=True)
    _remove_if_empty(folder)


def leftovers(instance_folder: Path, now: datetime) -> Iterator[Path]:
    """Give files of no backup that are older than a day: half written ones, and those without a record.

    Only names that this program gives. Whoever calls holds the instance's lock. Raises StorageError.
    """
    for date in instance_folder.glob("*/????-??-??"):
        if date.is_symlink() or date.parent.is_symlink():  # it may lead out of the store
            continue
        with storage_errors(date):
            files = {path.name: path for path in date.iterdir() if path.is_file() and not path.is_symlink()}
        for name, path in sorted(files.items()):
            stem = stem_of(name.removesuffix(PARTIAL))
            is_ours = _MADE_BY_US.fullmatch(stem) and stem.startswith(f"{date.parent.name}_")
            is_part = name.endswith((PARTIAL, DIGEST_SUFFIX, *ARCHIVE_SUFFIXES))
            is_whole = stem + RECORD_SUFFIX in files and not name.endswith(PARTIAL)
            if is_ours and is_part and not is_whole and _is_old(path, now):
                yield path


def remove_leftover(path: Path) -> None:
    """Remove one of them. Raises StorageError."""
    with storage_errors(path):
        path.unlink(missing_ok=True)
    _remove_if_empty(path.parent)


def _is_old(path: Path, now: datetime) -> bool:
    with storage_errors(path):
        return now.timestamp() - path.stat(follow_symlinks=False).st_mtime > _AGE.total_seconds()


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
