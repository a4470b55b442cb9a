"""Removing backups, and what runs that ended in their midst have left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from vya_backupdb.catalog.publish import PARTIAL, storage_errors, sync_folder
from vya_backupdb.catalog.store import (
    ARCHIVE_SUFFIXES,
    DIGEST_SUFFIX,
    RECORD_SUFFIX,
    files,
    folders,
    stem_of,
)

_AGE: Final = timedelta(days=1)
_MADE_BY_US: Final = re.compile(r".+_\d{8}T\d{6}Z(-\d+)?")
_DATE: Final = re.compile(r"....-..-..", re.DOTALL)


def remove_backup(record: Path, archive: Path) -> None:
    """Remove a backup: its record first, so that whatever is left by a crash is no backup any more.

    Raises StorageError.
    """
    folder = record.parent
    digest = record.with_name(stem_of(record.name) + DIGEST_SUFFIX)
    with storage_errors(record):
        record.unlink()
        sync_folder(folder)
    for path in (digest, archive):
        with storage_errors(path):
            path.unlink(missing_ok=True)
    _remove_if_empty(folder)


def remove_partial(instance_folder: Path) -> None:
    """Remove what runs that were killed left half written; whoever calls holds the instance's lock.

    Raises StorageError.
    """
    for folder, names in _in_days(instance_folder):
        for name in names:
            if name.endswith(PARTIAL):
                with storage_errors(folder / name):
                    (folder / name).unlink(missing_ok=True)


def leftovers(instance_folder: Path, now: datetime) -> Iterator[Path]:
    """Give files of no backup that are older than a day: half written ones, and those without a record.

    Only names that this program gives. Whoever calls holds the instance's lock. Raises StorageError.
    """
    for folder, names in _in_days(instance_folder):
        if not _DATE.fullmatch(folder.name):
            continue
        for name in sorted(names):
            stem = stem_of(name.removesuffix(PARTIAL))
            is_ours = _MADE_BY_US.fullmatch(stem) and stem.startswith(f"{folder.parent.name}_")
            is_part = name.endswith((PARTIAL, DIGEST_SUFFIX, *ARCHIVE_SUFFIXES))
            is_whole = stem + RECORD_SUFFIX in names and not name.endswith(PARTIAL)
            if is_ours and is_part and not is_whole and _is_old(folder / name, now):
                yield folder / name


def remove_leftover(path: Path) -> None:
    """Remove one of them. Raises StorageError."""
    with storage_errors(path):
        path.unlink(missing_ok=True)
    _remove_if_empty(path.parent)


def _in_days(instance_folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """Give the folders that backups lie in, each with the names of its files."""
    for database in folders(instance_folder):
        for date in folders(instance_folder / database):
            folder = instance_folder / database / date
            yield folder, set(files(folder))


def _is_old(path: Path, now: datetime) -> bool:
    with storage_errors(path):
        return now.timestamp() - path.stat(follow_symlinks=False).st_mtime > _AGE.total_seconds()


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
