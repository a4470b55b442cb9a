"""What can be restored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.catalog.store import Backup, Store
from vya_backupdb.errors import StorageError, VerificationError


@dataclass(frozen=True)
class ListedBackup:
    """One backup of a list; a damaged one has an error in place of its record."""

    backup: Backup
    record: BackupRecord | None
    error: str | None = None


def list_backups(
    store: Store,
    *,
    hostname: str | None = None,
    instance: str | None = None,
    database: str | None = None,
    day: date | None = None,
    limit: int | None = None,
) -> Iterator[ListedBackup]:
    """Give the backups that match, newest first, each read when its turn comes.

    `day` is the UTC date of their start.
    """
    backups = store.backups(hostname=hostname, instance=instance, database=database)
    if day is not None:
        backups = [backup for backup in backups if backup.path.parent.name == day.isoformat()]
    return map(_listed, backups[:limit])


def _listed(backup: Backup) -> ListedBackup:
    try:
        return ListedBackup(backup, backup.record())
    except (VerificationError, StorageError) as error:
        return ListedBackup(backup, None, error.what)
