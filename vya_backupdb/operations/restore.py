"""Restore one database from one backup or plain dump."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from vya_backupdb.archive.source import ScriptSource, open_source
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.catalog.store import Store
from vya_backupdb.config.models import Config, Instance
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.engines.base import Connector, Engine
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import Refused, RestoreError, StorageError, VyaBackupDBError
from vya_backupdb.locks import locked
from vya_backupdb.log import get_logger
from vya_backupdb.model import DatabaseDefinition, Finding
from vya_backupdb.operations.checks import (
    NOT_ROWS,
    check_objects,
    check_script,
    check_whole,
    refuse_obstacles,
    refuse_system,
)
from vya_backupdb.operations.choose import Chosen, Selection, choose
from vya_backupdb.operations.failed import write_failed
from vya_backupdb.operations.load import Loader, LoadReport
from vya_backupdb.operations.progress import Progress

log = get_logger(__name__)

_HALF_LOADED = "half loaded: mend the cause, then restore with --drop"


@dataclass(frozen=True)
class RestoreRequest:
    """What to restore, and onto what."""

    selection: Selection
    target_instance: str | None = None
    """None: the instance that was backed up."""
    target_database: str | None = None
    """None: the database's own name."""
    drop: bool = False
    dry_run: bool = False
    jobs: int | None = None
    """Connections that load rows; None: what the instance's configuration says."""


@dataclass(frozen=True)
class RestoreOutcome:
    """What a restore did, or with `dry_run` found."""

    instance: str
    database: str
    file: Path
    record: BackupRecord | None
    changed: bool
    findings: tuple[Finding, ...] = ()
    notices: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    rows_verified: bool = False
    """True where the numbers of rows were compared with the backup's manifest."""
    objects: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def restore(
    config: Config,
    vault: Vault,
    request: RestoreRequest,
    confirm: Callable[[str], None],
    progress: Progress,
) -> RestoreOutcome:
    """Restore what the request names.

    `confirm` asks the user before something is dropped; it raises Refused for a no. Raises Refused,
    RestoreError, VerificationError, ConnectionFailed; their texts say in which state the target is.
    """
    store = Store(config.storage.path, config.storage.hostname)
    chosen = choose(store, request.selection)
    instance = config.instance(_target_instance(request, chosen))
    database = _target_database(request, chosen)
    engine = engine_named(instance.engine)
    if chosen.record is not None and chosen.record.server.engine != engine.name:
        raise Refused(
            f"{chosen.path}: a backup of {chosen.record.server.flavour} cannot be restored "
            f"into {instance.id} ({engine.name})",
            cure="name another instance with --target-instance",
        )
    credential = vault.credential(instance.id)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(chosen.path, engine.reader))
        folder = store.instance_folder(instance.id)
        if not request.dry_run:
            folder = store.open_instance(instance.id)
            stack.enter_context(locked(folder, instance.id))
        connector = stack.enter_context(engine.connect(instance, credential))
        target = _Target(connector, engine, instance, database, folder)
        return _restore(target, source, chosen, request, confirm, progress)


@dataclass(frozen=True)
class _Target:
    connector: Connector
    engine: Engine
    instance: Instance
    database: str
    folder: Path
    """Of the instance, in the store: its journal."""


def _restore(
    target: _Target,
    source: ScriptSource,
    chosen: Chosen,
    request: RestoreRequest,
    confirm: Callable[[str], None],
    progress: Progress,
) -> RestoreOutcome:
    started = time.monotonic()
    database, connector, record = target.database, target.connector, chosen.record
    definition = record.definition if record else None
    where = f"{target.instance.id}/{database}"
    present = connector.exists(database)
    if present:
        refuse_system(connector, where, database)
    contents = connector.contents(database) if present else ()
    if contents and record and not request.drop and _already_restored(target, record):
        return RestoreOutcome(target.instance.id, database, chosen.path, record, changed=False)
    check_whole(source)
    check_script(target.engine, source)
    findings = tuple(
        connector.examine_target(
            database,
            definition,
            record.server if record else None,
            source.sections(NOT_ROWS),
            source.scan().largest_statement,
        )
    )
    refuse_obstacles(where, contents, findings, drop=request.drop)
    if request.dry_run:
        return RestoreOutcome(
            target.instance.id, database, chosen.path, record, changed=False, findings=findings
        )
    if contents:
        confirm(f"Drop the database {database} on {target.instance.id} with all that is in it?")
    facts = {"database": database, "backup": record.id if record else None, "file": chosen.path.name}
    journal.append(target.folder, "restore started", facts)
    log.info("restore started", instance=target.instance.id, **facts)
    try:
        if present and request.drop:
            connector.drop(database)
            present = False
        if present:
            connector.adopt(database, definition)
        else:
            connector.create(database, definition)
        report, verified = _load(target, source, request, progress)
        _check_failed(target, source, report, definition)
        objects = dict(connector.object_counts(database))
        check_objects(database, record, objects)
    except VyaBackupDBError as error:
        journal.note(target.folder, target.instance.id, "restore failed", {**facts, "error": error.what})
        log.error("restore failed", instance=target.instance.id, error=error.what, **facts)
        raise
    except BaseException as error:
        journal.note(
            target.folder,
            target.instance.id,
            "restore failed",
            {**facts, "error": f"interrupted ({type(error).__name__})"},
        )
        log.error("restore interrupted", instance=target.instance.id, cure=_HALF_LOADED, **facts)
        raise
    journal.note(target.folder, target.instance.id, "restore", facts)
    seconds = time.monotonic() - started
    log.info("restore finished", instance=target.instance.id, seconds=round(seconds, 3), **facts)
    return RestoreOutcome(
        instance=target.instance.id,
        database=database,
        file=chosen.path,
        record=record,
        changed=True,
        findings=findings,
        notices=tuple(report.notices),
        rows=dict(report.rows),
        rows_verified=verified,
        objects=objects,
        seconds=seconds,
    )


def _target_instance(request: RestoreRequest, chosen: Chosen) -> str:
    name = request.target_instance or request.selection.instance or (chosen.record and chosen.record.instance)
    if not name:
        raise Refused(f"{chosen.path}: onto which instance is not said", cure="name it: --target-instance ID")
    return name


def _target_database(request: RestoreRequest, chosen: Chosen) -> str:
    name = request.target_database or (chosen.record and chosen.record.database)
    if not name:
        raise Refused(
            f"{chosen.path}: into which database is not said, and a plain dump does not tell",
            cure="name it: --target-database NAME",
        )
    return name


def _already_restored(target: _Target, record: BackupRecord) -> bool:
    """Whether the last thing that the journal knows of the database is a whole restore of this backup."""
    last = None
    for entry in journal.entries(target.folder):
        if entry["event"].startswith("restore") and entry.get("database") == target.database:
            last = entry
    return last is not None and last["event"] == "restore" and last.get("backup") == record.id


def _load(
    target: _Target, source: ScriptSource, request: RestoreRequest, progress: Progress
) -> tuple[LoadReport, bool]:
    progress.begin(target.database, source.raw_bytes)
    loader = Loader(
        target.engine,
        lambda: target.connector.session(target.database),
        source,
        jobs=request.jobs or target.instance.jobs,
        progress=progress,
    )
    try:
        return loader.load(), loader.rows_verified()
    except VyaBackupDBError as error:
        error.cure = f"{error.cure}; " if error.cure else ""
        error.cure += f"{target.database} is {_HALF_LOADED}"
        raise
    finally:
        progress.end()


def _check_failed(
    target: _Target, source: ScriptSource, report: LoadReport, definition: DatabaseDefinition | None
) -> None:
    """Give the database its settings; write the statements that failed to a file, and raise RestoreError."""
    cure = ""
    if report.failed:
        try:
            path = write_failed(target.folder, target.database, target.engine, source, report.to_do)
            cure = f"mend the cause and execute what is in {path}"
        except StorageError as error:
            cure = f"they could not be kept ({error.what}): mend the cause, then restore with --drop"
    if definition is not None:
        target.connector.complete(target.database, definition)
    if report.failed:
        count = len(report.failed)
        of_them = f"{count} statements after them failed, the first" if count > 1 else "one after them failed"
        raise RestoreError(
            f"{target.database}: all rows are there, but {of_them} with: {report.failed[0].error}",
            cure=cure,
        )
