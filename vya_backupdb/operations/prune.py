"""Retention: which backups go, and which never do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from vya_backupdb.catalog import journal
from vya_backupdb.catalog.history import History, history
from vya_backupdb.catalog.naming import USERS, file_name
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.catalog.removal import leftovers, remove_backup, remove_leftover
from vya_backupdb.catalog.retention import Policy, kept
from vya_backupdb.catalog.store import Backup, Store, check_file
from vya_backupdb.config.keeping import Retention
from vya_backupdb.config.models import Config
from vya_backupdb.errors import ConfigurationError, Refused, StorageError, VerificationError, VyaBackupDBError
from vya_backupdb.locks import locked
from vya_backupdb.log import get_logger

log = get_logger(__name__)

DELETED = "deleted"


class Fate(StrEnum):
    """What becomes of a backup."""

    KEPT = "kept"
    DELETED = "deleted"
    LEFT = "left alone"
    """It is damaged, and so counts for nothing; whoever looks at it may remove it."""


@dataclass(frozen=True)
class Judged:
    """One backup, and why."""

    path: Path
    """Of its record."""
    record: BackupRecord | None
    fate: Fate
    reasons: tuple[str, ...]


@dataclass
class PrunedDatabase:
    """What becomes of the backups of one database, or of the users of an instance."""

    instance: str
    database: str
    judged: list[Judged] = field(default_factory=list)
    protected: str | None = None
    """Why nothing of it is deleted, whatever the policy is; those that no rule keeps have no reasons then."""


@dataclass
class PruneOutcome:
    """What was deleted, or with `dry_run` would be."""

    databases: list[PrunedDatabase] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    errors: list[VyaBackupDBError] = field(default_factory=list)


@dataclass(frozen=True)
class PruneRequest:
    """What is to be looked at; what is named is pruned though the configuration does not have it any more."""

    instances: tuple[str, ...] = ()
    """(): all that have backups."""
    database: str | None = None
    hostname: str | None = None
    """None: what this machine made."""
    dry_run: bool = False


def prune(config: Config, request: PruneRequest, now: datetime | None = None) -> PruneOutcome:
    """Delete what the retention of the configuration does not keep.

    Raises ConfigurationError where there is no retention, Refused where nothing matches. What fails for one
    instance or backup is in the outcome.
    """
    if config.retention is None:
        raise ConfigurationError(
            "retention: is not set, so nothing says which backups may go",
            cure="set it in the configuration, for example: retention: {keep_last: 3, daily: 7, weekly: 4}",
        )
    policy = policy_of(config.retention)
    store = Store(config.storage.path, request.hostname or config.storage.hostname)
    outcome = PruneOutcome()
    for name in request.instances or store.instances():
        folder = store.instance_folder(name)
        if not folder.is_dir():
            raise Refused(f"{folder}: no backups of {name}", cure="see what there is: restore list")
        try:
            _prune_instance(config, store, name, request, policy, now or datetime.now(UTC), outcome)
        except VyaBackupDBError as error:
            outcome.errors.append(error)
    return outcome


def _prune_instance(
    config: Config,
    store: Store,
    instance: str,
    request: PruneRequest,
    policy: Policy,
    now: datetime,
    outcome: PruneOutcome,
) -> None:
    folder = store.instance_folder(instance)
    with nullcontext() if request.dry_run else locked(folder, instance):
        known = history(folder)
        backups = store.backups(hostname=store.hostname, instance=instance, database=request.database)
        by_database: dict[str, list[Backup]] = {}
        for backup in backups:
            by_database.setdefault(backup.path.parent.parent.name, []).append(backup)
        if request.database is not None and not by_database:
            raise Refused(f"{instance}: no backup of {request.database}", cure="restore list")
        for name in sorted(by_database):
            one = _judge(instance, name, by_database[name], known, policy, now)
            one.protected = _protection(config, one, known, request)
            if one.protected is not None:
                one.judged = [_spared(each) for each in one.judged]
            outcome.databases.append(one)
            if not request.dry_run:
                _delete(folder, one, outcome)
        if request.database is None:
            _clean(folder, instance, now, outcome, dry_run=request.dry_run)


def policy_of(retention: Retention) -> Policy:
    """Give the policy that a configuration asks for."""
    return Policy(
        keep_last=retention.keep_last,
        within=retention.within,
        daily=retention.daily,
        weekly=retention.weekly,
        monthly=retention.monthly,
        yearly=retention.yearly,
        timezone=ZoneInfo(retention.timezone),
    )


def _protection(config: Config, one: PrunedDatabase, known: History, request: PruneRequest) -> str | None:
    """Say why nothing of a database may be deleted, whatever the policy is."""
    configured = {instance.id: instance for instance in config.instances}
    last = known.attempt(one.database)
    if last is not None and last.error is not None:
        return f"its newest backup failed ({last.at:%Y-%m-%d %H:%M} UTC): mend that first"
    if one.instance not in configured:
        return None if request.instances else "its instance is not in the configuration: name it to prune it"
    patterns = configured[one.instance].databases
    if one.database == USERS or request.database is not None or patterns.take(one.database):
        return None
    return "the configuration does not take it any more: name it to prune it"


def _spared(judged: Judged) -> Judged:
    return replace(judged, fate=Fate.KEPT) if judged.fate is Fate.DELETED else judged


# ---------------------------------------------------------------------------- judging


def _judge(
    instance: str, folder_name: str, backups: Sequence[Backup], known: History, policy: Policy, now: datetime
) -> PrunedDatabase:
    """Say of every backup of a database what becomes of it. Only good ones count."""
    one = PrunedDatabase(instance, folder_name)
    good: list[tuple[Backup, BackupRecord]] = []
    for backup in sorted(backups, key=Backup.order, reverse=True):
        try:
            record = _good(backup, folder_name, known)
        except VerificationError as error:
            reason = error.what.removeprefix(f"{backup.path}: ")
            one.judged.append(Judged(backup.path, None, Fate.LEFT, (f"damaged: {reason}",)))
            continue
        one.database = record.database
        good.append((backup, record))
    reasons = kept([record.snapshot_at for _, record in good], policy, now)
    for index, (backup, record) in enumerate(good):
        why = list(reasons.get(index, ()))
        if index == 0:
            why.append("the last good one")
        if index == _last_proved(good, known):
            why.append("the last one that was verified")
        one.judged.append(Judged(backup.path, record, Fate.KEPT if why else Fate.DELETED, tuple(why)))
    return one


def _good(backup: Backup, folder_name: str, known: History) -> BackupRecord:
    """Give the record of a backup that counts. Raises VerificationError."""
    record = backup.record()
    check_file(backup.path, record)
    if folder_name not in (USERS, file_name(record.database)):
        raise VerificationError(f"is one of {record.database}")
    proof = known.proof(backup.path.name)
    if proof is not None and not proof.ok:
        raise VerificationError(f"found by verify ({proof.at:%Y-%m-%d})")
    return record


def _last_proved(good: Sequence[tuple[Backup, BackupRecord]], known: History) -> int | None:
    return next((i for i, (backup, _) in enumerate(good) if known.proof(backup.path.name)), None)


# ---------------------------------------------------------------------------- deleting


def _delete(folder: Path, one: PrunedDatabase, outcome: PruneOutcome) -> None:
    for number, judged in enumerate(one.judged):
        if judged.fate is not Fate.DELETED or judged.record is None:
            continue
        facts = {"database": one.database, "backup": judged.record.id, "file": judged.record.file.name}
        try:
            remove_backup(judged.path, judged.path.with_name(judged.record.file.name))
        except StorageError as error:
            outcome.errors.append(error)
            one.judged[number] = Judged(judged.path, judged.record, Fate.LEFT, (error.what,))
            continue
        log.info("backup deleted", instance=one.instance, **facts)
        journal.note(folder, one.instance, DELETED, facts)


def _clean(folder: Path, instance: str, now: datetime, outcome: PruneOutcome, *, dry_run: bool) -> None:
    """Remove what runs that ended in the midst of a backup, or of a deletion, have left."""
    for path in _each(leftovers(folder, now), outcome):
        if not dry_run:
            try:
                remove_leftover(path)
            except StorageError as error:
                outcome.errors.append(error)
                continue
            log.info("leftover deleted", instance=instance, file=str(path))
            journal.note(folder, instance, DELETED, {"leftover": path.name})
        outcome.leftovers.append(path)


def _each(paths: Iterator[Path], outcome: PruneOutcome) -> list[Path]:
    try:
        return list(paths)
    except StorageError as error:
        outcome.errors.append(error)
        return []
