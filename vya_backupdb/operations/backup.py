"""Back up databases and users of one or several instances; one failure does not stop the others."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from vya_backupdb.catalog import journal
from vya_backupdb.catalog.history import FAILED, MADE
from vya_backupdb.catalog.naming import USERS
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.catalog.removal import remove_partial
from vya_backupdb.catalog.store import Store
from vya_backupdb.config.models import Config, Instance, is_pattern
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import (
    BackupError,
    ConnectionFailed,
    LockedError,
    PreflightFailed,
    VyaBackupDBError,
)
from vya_backupdb.locks import locked
from vya_backupdb.log import get_logger
from vya_backupdb.model import DatabaseInfo, DumpTool, Finding, Severity
from vya_backupdb.operations.dump import Dumped, PlannedDump, Source, dump, plan_dump
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.users.backup import PlannedUsers, UsersOutput, dump_users, plan_users
from vya_backupdb.streams.codec import Codec

log = get_logger(__name__)

_MOST_NAMED: Final = 20
"""Names of databases in a message."""

_MOST_THREADS = 4
"""Each compression thread holds a section of 8 MiB and its frame: memory stays bounded on large machines."""


@dataclass(frozen=True)
class BackupRequest:
    """What to back up."""

    instances: tuple[str, ...]
    databases: tuple[str, ...] | None = ()
    """(): all that the patterns of the configuration choose; None: none at all."""
    users: bool = False
    """The users and roles of each instance, too."""
    include_system: bool = False
    """Those that belong to the server itself, too."""
    output: UsersOutput | None = None
    """Where the users go, in place of the store."""
    codec: Codec | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class BackupOutcome:
    """How it went with one database, with the users (`@users`), or with a whole instance (None)."""

    instance: str
    database: str | None
    seconds: float = 0.0
    record: BackupRecord | None = None
    path: Path | None = None
    """Of the record, where a backup was made."""
    planned: PlannedDump | PlannedUsers | None = None
    """Where nothing was run (`dry_run`)."""
    skipped: str | None = None
    """Why the database was passed over; that is no failure."""
    error: VyaBackupDBError | None = None


def backup(
    config: Config, vault: Vault, request: BackupRequest, progress: Progress
) -> Iterator[BackupOutcome]:
    """Back up what the request names and give each outcome as it comes."""
    store = Store(config.storage.path, config.storage.hostname)
    for instance in (config.instance(name) for name in request.instances):
        try:
            yield from _backup_instance(config, vault, store, instance, request, progress)
        except VyaBackupDBError as error:
            yield _not_done(store, instance.id, error, dry_run=request.dry_run)


def not_begun(config: Config, request: BackupRequest, error: VyaBackupDBError) -> Iterator[BackupOutcome]:
    """Give what becomes of a request of which nothing may be done: a failed attempt at each instance."""
    store = Store(config.storage.path, config.storage.hostname)
    for instance in request.instances:
        yield _not_done(store, instance, error, dry_run=request.dry_run)


def _not_done(store: Store, instance: str, error: VyaBackupDBError, *, dry_run: bool) -> BackupOutcome:
    """Note that a whole instance was not backed up."""
    log.error("backup failed", instance=instance, error=error.what)
    folder = store.instance_folder(instance)
    if not (dry_run or isinstance(error, LockedError)) and folder.is_dir():
        journal.note(folder, instance, FAILED, {"database": None, "error": error.what})
    return BackupOutcome(instance, None, error=error)


def _backup_instance(
    config: Config, vault: Vault, store: Store, instance: Instance, request: BackupRequest, progress: Progress
) -> Iterator[BackupOutcome]:
    credential = vault.credential(instance.id)
    engine = engine_named(instance.engine)
    if request.dry_run:
        folder = store.instance_folder(instance.id)
        guard: AbstractContextManager[None] = nullcontext()
    else:
        folder = store.open_instance(instance.id)
        store.check_private(instance.id)
        guard = locked(folder, instance.id)
    with guard, engine.connect(instance, credential) as connector:
        if not request.dry_run:
            remove_partial(folder)
        source = Source(
            instance=instance,
            credential=credential,
            engine=engine,
            connector=connector,
            store=store,
            codec=request.codec or Codec.named(config.compression.codec, config.compression.level),
            reserve=config.storage.reserve(),
            threads=min(_MOST_THREADS, len(os.sched_getaffinity(0))),
            run_id=uuid.uuid4().hex,
        )
        # asked for first: what is wrong with the configuration must end it before anything is made
        tool = None if request.databases is None else engine.find_tool(connector.facts, instance)
        if request.users:
            yield _backup_one(source, folder, _users(source, request), progress, dry_run=request.dry_run)
        if tool is not None:
            yield from _backup_databases(source, tool, folder, request, progress)


def _backup_databases(
    source: Source, tool: DumpTool, folder: Path, request: BackupRequest, progress: Progress
) -> Iterator[BackupOutcome]:
    instance, connector, named = source.instance, source.connector, request.databases
    present = connector.databases()
    found = [finding for finding in connector.examine_instance() if finding.severity is Severity.WARNING]
    source = replace(source, warnings=(*found, *idle_patterns(instance, present)))
    chosen = choose_databases(instance, present, named or ())
    absent = [] if named else absent_databases(instance, present)
    for name in absent:
        yield _absent(instance, name)
    remains = [] if named else remains_of_drops(instance, chosen)
    for info in remains:
        yield _skipped(instance, info)
        chosen.remove(info)
    if not chosen and not absent:
        raise PreflightFailed(
            f"{instance.id}: there is no database to back up ({len(present)} on the server)",
            cure="look at the instance's `databases` and at what the account may see",
        )
    for info in chosen:
        work = _database(source, tool, info, progress)
        yield _backup_one(source, folder, work, progress, dry_run=request.dry_run)


def choose_databases(
    instance: Instance, present: Sequence[DatabaseInfo], named: Sequence[str]
) -> list[DatabaseInfo]:
    """Choose the databases that are named, else those that the patterns of the configuration take.

    Raises ConnectionFailed where a named one is not on the server.
    """
    if not named:
        return [info for info in present if instance.databases.take(info.name)]
    by_name = {info.name: info for info in present}
    absent = [name for name in named if name not in by_name]
    if absent:
        seen = list(by_name)[:_MOST_NAMED]
        more = f" and {len(by_name) - _MOST_NAMED} more" if len(by_name) > _MOST_NAMED else ""
        raise ConnectionFailed(
            f"{instance.id}: no such database: {', '.join(absent)}",
            cure="the account sees: " + (", ".join(seen) or "none") + more,
        )
    return [by_name[name] for name in dict.fromkeys(named)]


def absent_databases(instance: Instance, present: Sequence[DatabaseInfo]) -> list[str]:
    """Give the databases that the configuration includes by their full name and the server has not."""
    names = {info.name for info in present}
    return [name for name in instance.databases.include if not is_pattern(name) and name not in names]


def remains_of_drops(instance: Instance, chosen: Sequence[DatabaseInfo]) -> list[DatabaseInfo]:
    """Give what interrupted drops have left, but for what the configuration includes by its full name."""
    return [info for info in chosen if info.remains and info.name not in instance.databases.include]


def _skipped(instance: Instance, info: DatabaseInfo) -> BackupOutcome:
    log.warning("backup skipped", instance=instance.id, database=info.name, reason=info.unavailable)
    return BackupOutcome(instance.id, info.name, skipped=info.unavailable)


def idle_patterns(instance: Instance, present: Sequence[DatabaseInfo]) -> Iterator[Finding]:
    """Name the patterns of tables that speak of no database of the server."""
    for pattern in dict.fromkeys((*instance.tables.exclude, *instance.tables.exclude_rows)):
        if not any(pattern.fits_database(info.name) for info in present):
            yield Finding(
                Severity.WARNING,
                f"tables: {pattern} matches no database of {instance.id}",
                cure="mend the pattern, or take it out",
            )


def _absent(instance: Instance, name: str) -> BackupOutcome:
    error = ConnectionFailed(
        f"{instance.id}: no such database: {name}",
        cure="it is named in the instance's `databases.include`: take it out, or let the account see it",
    )
    log.error("backup failed", instance=instance.id, database=name, error=error.what)
    return BackupOutcome(instance.id, name, error=error)


@dataclass(frozen=True)
class _Work:
    """One backup to make: of a database, or of the users."""

    name: str
    plan: Callable[[], PlannedDump | PlannedUsers]
    run: Callable[[], Dumped]
    size: int | None = None
    """Bytes of script that are expected; None: not known."""


def _users(source: Source, request: BackupRequest) -> _Work:
    make = partial(dump_users, source, request.output, system=request.include_system)
    return _Work(USERS, partial(plan_users, source, request.output, system=request.include_system), make)


def _database(source: Source, tool: DumpTool, info: DatabaseInfo, progress: Progress) -> _Work:
    def plan() -> PlannedDump:
        if info.unavailable:
            raise BackupError(f"{info.name}: cannot be dumped: {info.unavailable}")
        return plan_dump(source, tool, info.name, info.estimated_bytes)

    return _Work(info.name, plan, lambda: dump(source, plan(), progress), info.estimated_bytes or None)


def _backup_one(
    source: Source, folder: Path, work: _Work, progress: Progress, *, dry_run: bool
) -> BackupOutcome:
    started, name = time.monotonic(), work.name
    instance = source.instance.id
    names = {"instance": instance, "database": name}
    facts = {"run": source.run_id, "database": name}
    if not dry_run:
        log.info("backup started", **names)
    progress.begin(name, work.size)
    try:
        if dry_run:
            return BackupOutcome(instance, name, planned=work.plan())
        done = work.run()
    except VyaBackupDBError as error:
        log.error("backup failed", **names, error=error.what)
        if not dry_run:
            journal.note(folder, instance, FAILED, {**facts, "error": error.what})
        return BackupOutcome(instance, name, seconds=time.monotonic() - started, error=error)
    except BaseException as error:
        if not dry_run:
            what = f"interrupted ({type(error).__name__})"
            journal.note(folder, instance, FAILED, {**facts, "error": what})
        raise
    finally:
        progress.end()
    seconds = time.monotonic() - started
    for warning in done.record.warnings:
        if warning.severity is Severity.NOTE:
            log.info("backup note", **names, what=warning.what, cure=warning.cure)
        else:
            log.warning("backup warning", **names, what=warning.what, cure=warning.cure)
    log.info(
        "backup finished",
        **names,
        file=done.record.file.name,
        bytes=done.record.file.bytes,
        seconds=round(seconds, 3),
    )
    journal.note(folder, instance, MADE, {**facts, "backup": done.record.id})
    return BackupOutcome(instance, name, seconds=seconds, record=done.record, path=done.path)
