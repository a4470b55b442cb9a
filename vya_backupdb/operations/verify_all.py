"""Which backups are verified, in which order, and what the journal keeps of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vya_backupdb.catalog import journal
from vya_backupdb.catalog.history import VERIFIED, history
from vya_backupdb.catalog.store import Backup, Store, check_file
from vya_backupdb.errors import Refused, VerificationError, VyaBackupDBError
from vya_backupdb.log import get_logger
from vya_backupdb.operations.choose import Chosen
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.verify import Damage, Verified, verify

log = get_logger(__name__)


@dataclass
class Outcome:
    """What came of several backups."""

    verified: list[Verified] = field(default_factory=list)
    unread: dict[Path, VyaBackupDBError] = field(default_factory=dict)
    """Records of backups that could not be looked at, each with the reason."""
    not_reached: int = 0
    """Backups that the time did not suffice for."""

    @property
    def errors(self) -> list[VyaBackupDBError | None]:
        """One for each backup; None: it is whole."""
        return [*(each.error for each in self.verified), *self.unread.values()]


def verify_one(chosen: Chosen, folder: Path | None, progress: Progress) -> Verified:
    """Verify a backup, and write it into the journal of its instance's folder; None: it lies in no store."""
    verified = verify(chosen, progress)
    _note(verified, folder)
    return verified


def verify_all(
    store: Store,
    progress: Progress,
    *,
    hostname: str | None = None,
    instance: str | None = None,
    budget: timedelta | None = None,
) -> Outcome:
    """Verify every backup of the store, or of a host or instance, those first that wait longest for it.

    No other is begun once the `budget` is used up; at least one is verified. Raises Refused where there is
    none, StorageError.
    """
    waiting = _longest_unverified_first(_backups(store, hostname, instance))
    if not waiting:
        raise Refused(f"{store.root}: no backup that matches", cure="see what there is: restore list")
    ends = None if budget is None else time.monotonic() + budget.total_seconds()
    outcome = Outcome()
    for number, backup in enumerate(waiting):
        if number and ends is not None and time.monotonic() >= ends:
            outcome.not_reached = len(waiting) - number
            break
        try:
            outcome.verified.append(_verify_backup(backup, progress))
        except VyaBackupDBError as error:
            log.error("backup not verified", record=str(backup.path), error=error.what)
            outcome.unread[backup.path] = error
    return outcome


def _backups(store: Store, hostname: str | None, instance: str | None) -> list[Backup]:
    """Give all that match: where no host is named, those of every machine."""
    hosts = [hostname] if hostname is not None else store.hostnames()
    return [backup for host in hosts for backup in store.backups(hostname=host, instance=instance)]


def _verify_backup(backup: Backup, progress: Progress) -> Verified:
    folder = instance_folder(backup.path)
    try:
        record = backup.record()
        chosen = Chosen(check_file(backup.path, record), record)
    except VerificationError as error:
        verified = Verified(backup.path, None, (Damage(error.what.removeprefix(f"{backup.path}: ")),))
        _note(verified, folder)
        return verified
    return verify_one(chosen, folder, progress)


def _longest_unverified_first(backups: list[Backup]) -> list[Backup]:
    """Sort by when they were verified last; among those that never were, the newest first."""
    folders = {instance_folder(backup.path) for backup in backups}
    known = {folder: history(folder) for folder in folders}

    def last(backup: Backup) -> datetime:
        proof = known[instance_folder(backup.path)].proof(backup.path.name)
        return proof.at if proof else datetime.min.replace(tzinfo=UTC)

    return sorted(sorted(backups, key=Backup.order, reverse=True), key=last)


def instance_folder(path: Path) -> Path:
    """Give the folder of the instance whose backup has this path: `{instance}/{database}/{date}/{file}`."""
    return path.parents[2]


def _note(verified: Verified, folder: Path | None) -> None:
    record = verified.record
    named = {
        "instance": record.instance if record else None,
        "database": record.database if record else None,
        "file": verified.path.name,
    }
    if verified.damages:
        log.error("backup damaged", **named, damages=[each.what for each in verified.damages])
    else:
        log.info("backup verified", **named, seconds=round(verified.seconds, 3))
    if folder is not None:
        facts = {
            "database": named["database"],
            "backup": record.id if record else None,
            "file": verified.path.name,
            "ok": not verified.damages,
            **({"damages": [each.what for each in verified.damages[:5]]} if verified.damages else {}),
        }
        journal.note(folder, str(named["instance"] or folder.name), VERIFIED, facts)
