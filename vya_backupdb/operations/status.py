"""How the backups of every database stand, from the store and its journals: servers may be down."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from vya_backupdb.catalog.history import Attempt, DrillEntry, History, Proof, history
from vya_backupdb.catalog.naming import USERS, file_name
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.catalog.store import Backup, Store, check_file
from vya_backupdb.config.models import Config, Instance, is_pattern
from vya_backupdb.errors import VerificationError

_COMPARED: Final = 7
"""Earlier backups whose median size the newest is held against."""

EVERYTHING: Final = "(all)"
"""In place of a database, where none of an instance is known."""


@dataclass(frozen=True)
class DatabaseStatus:
    """One database of an instance, or its users (`@users`)."""

    instance: str
    database: str
    now: datetime
    last: BackupRecord | None = None
    """The newest good backup; None: there is none."""
    path: Path | None = None
    """Of its record."""
    attempt: Attempt | None = None
    """The last one, where the journal tells of any."""
    proof: Proof | None = None
    """What was found when the newest good backup was verified."""
    last_proved: datetime | None = None
    """When any backup of it that is still there was found whole."""
    drill: DrillEntry | None = None
    """The last one, of whichever backup."""
    first: datetime | None = None
    """When the oldest one that can be read was taken."""
    usual_bytes: float | None = None
    """The median of the files before the last one."""
    backups: int = 0
    damaged: tuple[str, ...] = ()
    """What is wrong with newer backups than `last`."""
    usual_interval: timedelta | None = None
    """The median time from one attempt to the next, as far as the journal tells."""
    max_age: timedelta | None = None
    """Of the instance; None: the configuration does not take the database any more."""

    @property
    def age(self) -> timedelta | None:
        """How old the state is that could be restored."""
        return self.now - self.last.snapshot_at if self.last else None

    @property
    def failed(self) -> str | None:
        """Why the last attempt failed; None: it did not."""
        return self.attempt.error if self.attempt else None

    @property
    def expected_at(self) -> datetime | None:
        """When the next attempt comes, if it comes as it usually did: nobody here knows the timers."""
        if self.attempt is None or self.usual_interval is None or self.max_age is None:
            return None
        return self.attempt.at + self.usual_interval

    @property
    def overdue_from(self) -> datetime | None:
        """From when on `health` is critical if no backup succeeds before."""
        return self.last.snapshot_at + self.max_age if self.last and self.max_age else None

    @property
    def trend(self) -> float | None:
        """Size of the last file against what is usual: 1.0 is the same."""
        if self.last is None or not self.usual_bytes:
            return None
        return self.last.file.bytes / self.usual_bytes


def status(
    config: Config, *, instance: str | None = None, now: datetime | None = None
) -> list[DatabaseStatus]:
    """Give every database that has backups on this machine, or that the configuration names in full.

    Raises ConfigurationError for an unknown instance, StorageError.
    """
    store = Store(config.storage.path, config.storage.hostname)
    moment = now or datetime.now(UTC)
    instances = [config.instance(instance)] if instance else config.instances
    return [one for each in instances for one in _of_instance(store, each, moment)]


def _of_instance(store: Store, instance: Instance, now: datetime) -> Iterator[DatabaseStatus]:
    folder = store.instance_folder(instance.id)
    known = history(folder)
    by_folder: dict[str, list[Backup]] = {}
    for backup in store.backups(hostname=store.hostname, instance=instance.id):
        by_folder.setdefault(backup.path.parent.parent.name, []).append(backup)
    names = {file_name(name): name for name in instance.databases.include if not is_pattern(name)}
    names |= {name if name == USERS else file_name(name): name for name in known.attempts}
    for folder_name in sorted({*by_folder, *names}):
        backups = by_folder.get(folder_name, [])
        yield _of_database(instance, names.get(folder_name, folder_name), backups, known, now)
    if not by_folder and not names:
        yield DatabaseStatus(instance.id, EVERYTHING, now, attempt=known.of_instance)


def _of_database(
    instance: Instance, database: str, backups: Sequence[Backup], known: History, now: datetime
) -> DatabaseStatus:
    good: list[tuple[Backup, BackupRecord]] = []
    damaged = []
    for backup in sorted(backups, key=Backup.order, reverse=True):
        if len(good) > _COMPARED:
            break
        try:
            record = backup.record()
            check_file(backup.path, record)
        except VerificationError as error:
            if not good:
                damaged.append(error.what)
            continue
        proof = known.proof(backup.path.name)
        if proof is not None and not proof.ok:
            if not good:
                damaged.append(f"{backup.path}: found damaged by verify ({proof.at:%Y-%m-%d})")
            continue
        good.append((backup, record))
    last = good[0] if good else None
    if last is not None:
        database = last[1].database
    proofs = (known.proof(backup.path.name) for backup in backups)
    sizes = [record.file.bytes for _, record in good[1:]]
    is_taken = database == USERS or instance.databases.take(database)
    return DatabaseStatus(
        instance.id,
        database,
        now,
        last=last[1] if last else None,
        path=last[0].path if last else None,
        attempt=known.attempt(database),
        proof=known.proof(last[0].path.name) if last else None,
        drill=known.drills.get(database),
        last_proved=max((proof.at for proof in proofs if proof and proof.ok), default=None),
        first=_first(backups),
        usual_bytes=statistics.median(sizes) if sizes else None,
        backups=len(backups),
        damaged=tuple(damaged),
        usual_interval=known.usual_interval(database),
        max_age=instance.max_age if is_taken else None,
    )


def _first(backups: Sequence[Backup]) -> datetime | None:
    for backup in sorted(backups, key=Backup.order):
        with suppress(VerificationError):
            return backup.record().snapshot_at
    return None
