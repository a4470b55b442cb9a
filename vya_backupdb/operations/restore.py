"""Restore one database from one backup or plain dump."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from vya_backupdb.archive.source import ScriptSource, open_source
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.catalog.store import Store
from vya_backupdb.config.models import Config, Instance
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.engines.base import Engine
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import Refused, RestoreError, StorageError, VyaBackupDBError
from vya_backupdb.log import get_logger
from vya_backupdb.model import Finding
from vya_backupdb.operations.checks import check_objects
from vya_backupdb.operations.choose import Chosen, choose
from vya_backupdb.operations.failed import write_failed
from vya_backupdb.operations.load import Loader, LoadReport
from vya_backupdb.operations.opened import opened_instance
from vya_backupdb.operations.prepare import Prepared, is_restored, prepare
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.request import RestoreRequest, Target, target_database, target_instance
from vya_backupdb.operations.users.pending import make_pending

log = get_logger(__name__)


@dataclass(frozen=True)
class RestoreOutcome:
    """What a restore did, or with `dry_run` found."""

    instance: str
    database: str
    file: Path
    record: BackupRecord | None
    changed: bool
    tables: tuple[str, ...] = ()
    """Those that were restored; (): the whole database."""
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
    instance = config.instance(target_instance(request.target_instance, request.selection, chosen))
    database = target_database(request, chosen)
    engine = engine_named(instance.engine)
    refuse_other_content(chosen, engine, instance)
    with (
        open_source(chosen.path, engine.reader) as source,
        opened_instance(store, vault, instance, dry_run=request.dry_run) as place,
    ):
        restoring = begin(
            place.target(database), source, chosen, request, confirm, progress, skip_restored=not request.drop
        )
        return finish(restoring) if isinstance(restoring, Restoring) else restoring


def refuse_other_content(chosen: Chosen, engine: Engine, instance: Instance) -> None:
    """Raise Refused for a backup that is not one of a database, or of another engine."""
    record = chosen.record
    if record is not None and record.server.engine != engine.name:
        raise Refused(
            f"{chosen.path}: a backup of {record.server.flavour} cannot be restored "
            f"into {instance.id} ({engine.name})",
            cure="name another instance with --target-instance",
        )
    if record is not None and record.content == "users":
        raise Refused(
            f"{chosen.path}: a backup of users and roles, not of a database",
            cure=f"vya-backupdb users restore --all --file {chosen.path}",
        )


@dataclass
class Restoring:
    """One database that is being restored: its rows are loaded, what follows them is not."""

    target: Target
    chosen: Chosen
    request: RestoreRequest
    prepared: Prepared
    outcome: RestoreOutcome
    facts: dict[str, object]
    """For the journal and the log."""
    loader: Loader
    progress: Progress
    seconds: float = 0.0
    """Spent on it."""

    @contextmanager
    def step(self) -> Iterator[None]:
        """Count the time of a part of the work; note in the journal when it fails."""
        started, instance = time.monotonic(), self.target.instance.id
        self.progress.begin(self.target.database, self.prepared.script.raw_bytes)
        try:
            yield
        except VyaBackupDBError as error:
            _note(self.target, "restore failed", {**self.facts, "error": error.what})
            log.error("restore failed", instance=instance, error=error.what, **self.facts)
            raise
        except BaseException as error:
            what = f"interrupted ({type(error).__name__})"
            _note(self.target, "restore failed", {**self.facts, "error": what})
            cure = _half_loaded(self.target, self.prepared)
            log.error("restore interrupted", instance=instance, cure=cure, **self.facts)
            raise
        finally:
            self.progress.end()
            self.seconds += time.monotonic() - started

    @contextmanager
    def telling_the_state(self) -> Iterator[None]:
        """Add to an error in which state the target is."""
        try:
            yield
        except VyaBackupDBError as error:
            error.cure = f"{error.cure}; " if error.cure else ""
            error.cure += _half_loaded(self.target, self.prepared)
            raise


def begin(
    target: Target,
    source: ScriptSource,
    chosen: Chosen,
    request: RestoreRequest,
    confirm: Callable[[str], None],
    progress: Progress,
    *,
    skip_restored: bool,
) -> Restoring | RestoreOutcome:
    """Restore a database up to the end of its rows; an outcome where there is nothing (more) to do.

    With `skip_restored` a database that this backup was restored into, and that is still there, is left
    alone.
    """
    started = time.monotonic()
    database, record = target.database, chosen.record
    outcome = RestoreOutcome(target.instance.id, database, chosen.path, record, changed=False)
    is_present = target.connector.exists(database)
    if (
        skip_restored
        and is_present
        and is_restored(target, request, record)
        and target.connector.contents(database)
    ):
        return outcome
    prepared = prepare(target, source, chosen, request, is_present=is_present)
    tables = tuple(sorted(prepared.tables.names)) if prepared.tables else ()
    outcome = replace(outcome, tables=tables, findings=prepared.findings)
    if request.dry_run:
        return outcome
    if prepared.to_drop is not None:
        confirm(prepared.to_drop)
    facts: dict[str, object] = {
        "database": database,
        "backup": record.id if record else None,
        "file": chosen.path.name,
        **({"tables": tables} if tables else {}),
        **({"no_owner": True} if request.no_owner else {}),
    }
    if target.keeps_journal:
        journal.append(target.folder, "restore started", facts)
    log.info("restore started", instance=target.instance.id, **facts)
    loader = Loader(
        target.engine,
        lambda: target.connector.session(database),
        prepared.script,
        jobs=request.jobs or target.instance.jobs,
        progress=progress,
        stop_on_error=request.stop_on_error,
        enable_events=prepared.enable_events,
    )
    restoring = Restoring(target, chosen, request, prepared, outcome, facts, loader, progress)
    restoring.seconds = time.monotonic() - started
    with restoring.step():
        _make_room(target, prepared, drop=request.drop)
        with restoring.telling_the_state():
            loader.load_rows()
    return restoring


def finish(restoring: Restoring) -> RestoreOutcome:
    """Execute what follows the rows, give the database its settings, and compare the objects."""
    target, prepared = restoring.target, restoring.prepared
    tables = restoring.outcome.tables
    with restoring.step():
        with restoring.telling_the_state():
            report = restoring.loader.load_post()
        _check_failed(target, prepared, report)
        objects = dict(target.connector.object_counts(target.database))
        if prepared.tables is None:
            check_objects(target.database, restoring.chosen.record, objects)
        else:
            report.notices += target.connector.unmatched(target.database, tables)
    _note(target, "restore", restoring.facts)
    report.notices += _grant_pending(target)
    seconds = round(restoring.seconds, 3)
    log.info("restore finished", instance=target.instance.id, seconds=seconds, **restoring.facts)
    return replace(
        restoring.outcome,
        changed=True,
        notices=tuple(report.notices),
        rows=dict(report.rows),
        rows_verified=restoring.loader.rows_verified(),
        objects=objects,
        seconds=restoring.seconds,
    )


def _note(target: Target, event: str, facts: Mapping[str, object]) -> None:
    if target.keeps_journal:
        journal.note(target.folder, target.instance.id, event, facts)


def _grant_pending(target: Target) -> list[str]:
    """Make the grants of restored users that waited for this database."""
    if not target.keeps_journal:
        return []
    try:
        return make_pending(target.connector.accounts(), target.folder, target.instance.id, target.database)
    except StorageError as error:
        return [f"whether grants wait for this database is not known: {error.what}"]


def _make_room(target: Target, prepared: Prepared, *, drop: bool) -> None:
    """Drop what is in the way, and have the database there."""
    connector, database, is_present = target.connector, target.database, prepared.is_present
    if prepared.tables is not None:
        if prepared.to_drop is not None:
            connector.drop_tables(database, prepared.tables.present)
    elif is_present and drop:
        connector.drop(database)
        is_present = False
    if not is_present:
        connector.create(database, prepared.definition)
    elif prepared.tables is None:
        connector.adopt(database, prepared.definition)


def _half_loaded(target: Target, prepared: Prepared) -> str:
    what = "the named tables are" if prepared.tables else f"{target.database} is"
    return f"{what} half loaded: mend the cause, then restore with --drop"


def _check_failed(target: Target, prepared: Prepared, report: LoadReport) -> None:
    """Give the database its settings; write the statements that failed to a file, and raise RestoreError."""
    cure, failed = "", report.post.failed
    if failed:
        try:
            path = write_failed(
                target.folder, target.database, target.engine, prepared.script, report.post.to_do
            )
            cure = f"mend the cause and execute what is in {path}"
        except StorageError as error:
            cure = f"they could not be kept ({error.what}): mend the cause, then restore with --drop"
    if prepared.definition is not None:
        target.connector.complete(target.database, prepared.definition)
    if failed:
        count = len(failed)
        of_them = f"{count} statements after them failed, the first" if count > 1 else "one after them failed"
        raise RestoreError(
            f"{target.database}: all rows are there, but {of_them} with: {failed[0].error}",
            cure=cure,
        )
