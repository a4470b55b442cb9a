"""The steps of a restore of one database; that of an instance takes each of them with every database."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.errors import RestoreError, StorageError, VyaBackupDBError
from vya_backupdb.log import get_logger
from vya_backupdb.model import Finding
from vya_backupdb.operations import earlier
from vya_backupdb.operations.checks import check_objects
from vya_backupdb.operations.choose import Chosen
from vya_backupdb.operations.failed import FailedStatement, write_failed
from vya_backupdb.operations.load import Loader, LoadReport
from vya_backupdb.operations.prepare import Prepared, prepare
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.request import RestoreRequest, Target
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
    restored_before: bool = False
    """True where an earlier run had restored it, so that there is nothing to do."""
    loaded_before: bool = False
    """True where an earlier run had loaded it, up to what acts by itself."""
    events_wait: bool = False
    """True where its events are disabled until other databases are there."""


@dataclass
class Restoring:
    """One database that is being restored. The steps: `load`, `follow`, `grant`, then `finish` or `leave`."""

    target: Target
    chosen: Chosen
    request: RestoreRequest
    prepared: Prepared
    outcome: RestoreOutcome
    loader: Loader
    progress: Progress
    seconds: float = 0.0
    """Spent on it."""
    to_retry: frozenset[int] = frozenset()
    """Statements after the rows that failed in an earlier run, which loaded all else."""
    acts: bool = False
    """Whether that run let act already what acts by itself."""
    granted: list[str] = field(default_factory=list)
    """What there is to say of grants that waited for it."""

    @property
    def facts(self) -> dict[str, object]:
        """For the journal and the log."""
        record, tables = self.chosen.record, self.outcome.tables
        return {
            "database": self.target.database,
            "backup": record.id if record else None,
            "file": self.chosen.path.name,
            **({"tables": tables} if tables else {}),
            **({"no_owner": True} if self.request.no_owner else {}),
        }

    def load(self) -> None:
        """Make room, and load all up to the end of the rows. Raises as Loader.load_rows does."""
        if self.outcome.loaded_before:
            self.loader.pass_over()
            return
        self.target.journal.append(earlier.STARTED, self.facts)
        log.info("restore started", instance=self.target.instance.id, **self.facts)
        with self._step():
            _make_room(self.target, self.prepared, drop=self.request.drop)
            with self._telling_the_state():
                self.loader.load_rows()

    def follow(self, *, resumable: bool = False) -> None:
        """Execute what follows the rows, but for what acts by itself.

        With `resumable` the journal tells that this is done: a later run takes it up from there.
        """
        if self.outcome.loaded_before and not self.to_retry:
            return
        with self._step(), self._telling_the_state():
            if self.to_retry:
                self.loader.retry(self.to_retry)
            else:
                self.loader.load_post()
        self._note_loaded(resumable=resumable)

    def retry(self) -> None:
        """Try again what failed: what it needs may have come with another database."""
        ordinals = {failed.ordinal for failed in self.failed if failed.ordinal is not None}
        with self._step(), self._telling_the_state():
            self.loader.retry(ordinals)
        self._note_loaded(resumable=True)

    @property
    def failed(self) -> Sequence[FailedStatement]:
        """Statements after the rows that failed."""
        return self.loader.report().post.failed

    def _note_loaded(self, *, resumable: bool) -> None:
        if resumable and not self.failed and not self.acts:
            self.target.journal.note(earlier.LOADED, self.facts)

    def grant(self) -> None:
        """Make the grants of restored users that waited for it: before events act, which may need them."""
        target = self.target
        try:
            self.granted += make_pending(target.connector.accounts(), target.journal, target.database)
        except StorageError as error:
            self.granted.append(f"whether grants wait for this database is not known: {error.what}")

    def finish(self, *, resumable: bool = False) -> RestoreOutcome:
        """Let act what acts by itself, give the database its settings, and compare the objects."""
        target, tables = self.target, self.outcome.tables
        if resumable and not self.failed and not self.acts:
            target.journal.note(earlier.ACTIVATING, self.facts)
        with self._step():
            if not self.acts:
                with self._telling_the_state():
                    self.loader.activate()
            report = self.loader.report()
            self._complete(acts=True)
            objects = dict(target.connector.object_counts(target.database))
            if self.prepared.tables is None:
                check_objects(target.database, self.chosen.record, objects)
            else:
                report.notices += target.connector.unmatched(target.database, tables)
        target.journal.note(earlier.RESTORED, self.facts)
        log.info(
            "restore finished",
            instance=target.instance.id,
            seconds=round(self.seconds, 3),
            **self.facts,
        )
        return self._done(report, objects, changed=True)

    def leave(self, waits_for: str) -> RestoreOutcome:
        """Leave events disabled, and say for what they wait; the same restore again enables them."""
        report = self.loader.leave()
        with self._step():
            self._complete(acts=False)
        report.notices.append(
            f"its events stay disabled, for they may act on {waits_for}: the same command enables them when "
            "all is there"
        )
        return replace(
            self._done(report, {}, changed=not self.outcome.loaded_before),
            events_wait=True,
        )

    def _complete(self, *, acts: bool) -> None:
        """Give the database its settings; write the statements that failed to a file, and raise RestoreError.

        `acts`: events are enabled.
        """
        target, post = self.target, self.loader.report().post
        refused: RestoreError | None = None
        try:
            if self.prepared.definition is not None and not self.acts:
                target.connector.complete(target.database, self.prepared.definition)
        except RestoreError as error:
            refused = error
        if not post.failed:
            if refused is not None:
                raise refused
            return
        for failed in post.failed:
            log.error("statement failed", error=failed.error)
        ordinals = [failed.ordinal for failed in post.failed]
        is_whole = self.chosen.record is not None and not self.outcome.tables
        can_go_on = is_whole and refused is None and None not in ordinals and target.journal.keeps
        cure = "mend the cause"
        if can_go_on:
            cure += ", then restore again without --drop, which tries only them"
        try:
            path = write_failed(
                target.folder, target.database, target.engine, self.prepared.script, post.to_do
            )
            cure += f"{', or' if can_go_on else ' and'} execute what is in {path}"
        except StorageError as error:
            cure += f"; they could not be kept in a file: {error.what}"
        number = len(post.failed)
        of_them = (
            f"{number} statements after them failed, the first" if number > 1 else "one after them failed"
        )
        what = f"{target.database}: all rows are there, but {of_them} with: {post.failed[0].error}"
        if can_go_on:
            raise _IncompleteError(what, cure=cure, facts={"failed_statements": ordinals, "acts": acts})
        raise RestoreError(f"{what}; {refused.what}" if refused else what, cure=cure)

    def _done(self, report: LoadReport, objects: dict[str, int], *, changed: bool) -> RestoreOutcome:
        return replace(
            self.outcome,
            changed=changed,
            notices=(*self.granted, *report.notices),
            rows=dict(report.rows),
            rows_verified=not self.outcome.loaded_before and self.loader.rows_verified(),
            objects=objects,
            seconds=self.seconds,
        )

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Count the time of a part of the work; note in the journal when it fails."""
        started, instance = time.monotonic(), self.target.instance.id
        self.progress.begin(self.target.database, self.prepared.script.raw_bytes)
        try:
            yield
        except _IncompleteError as error:
            self.target.journal.note(earlier.INCOMPLETE, {**self.facts, **error.facts, "error": error.what})
            log.error("restore failed", instance=instance, error=error.what, **self.facts)
            raise
        except VyaBackupDBError as error:
            self.target.journal.note(earlier.FAILED, {**self.facts, "error": error.what})
            log.error("restore failed", instance=instance, error=error.what, **self.facts)
            raise
        except BaseException as error:
            what = f"interrupted ({type(error).__name__})"
            self.target.journal.note(earlier.FAILED, {**self.facts, "error": what})
            cure = _half_loaded(self.target, self.prepared)
            log.error("restore interrupted", instance=instance, cure=cure, **self.facts)
            raise
        finally:
            self.progress.end()
            self.seconds += time.monotonic() - started

    @contextmanager
    def _telling_the_state(self) -> Iterator[None]:
        """Add to an error in which state the target is."""
        try:
            yield
        except VyaBackupDBError as error:
            error.cure = f"{error.cure}; " if error.cure else ""
            error.cure += _half_loaded(self.target, self.prepared)
            raise


class _IncompleteError(RestoreError):
    """All is there but statements after the rows that failed, which the next run can try again."""

    def __init__(self, what: str, *, cure: str, facts: Mapping[str, object]) -> None:
        super().__init__(what, cure=cure)
        self.facts = facts


def examine(
    target: Target,
    source: ScriptSource,
    chosen: Chosen,
    request: RestoreRequest,
    progress: Progress,
    *,
    skip_restored: bool,
) -> Restoring | RestoreOutcome:
    """Check a backup and its target; an outcome where there is nothing (more) to do.

    With `skip_restored` a database that this backup was restored into, and that is still there, is left
    alone; where only what acts by itself is missing, only that is done.
    """
    started = time.monotonic()
    database, record = target.database, chosen.record
    outcome = RestoreOutcome(target.instance.id, database, chosen.path, record, changed=False)
    is_present = target.connector.exists(database)
    loaded_before, last = False, None
    if skip_restored and is_present and _is_filled(target, record):
        last = earlier.last_restore(target)
        if earlier.is_last(earlier.RESTORED, last, request, record):
            return replace(outcome, restored_before=True)
        loaded_before = any(
            earlier.is_last(event, last, request, record) for event in (earlier.LOADED, earlier.INCOMPLETE)
        )
    prepared = prepare(target, source, chosen, request, is_present=is_present, is_loaded=loaded_before)
    tables = tuple(sorted(prepared.tables.names)) if prepared.tables else ()
    outcome = replace(outcome, tables=tables, findings=prepared.findings, loaded_before=loaded_before)
    if request.dry_run:
        return outcome
    loader = Loader(
        target.engine,
        lambda: target.connector.session(database),
        prepared.script,
        answers=target.connector.answers,
        jobs=request.jobs or target.instance.jobs,
        progress=progress,
        stop_on_error=request.stop_on_error,
        enable_events=prepared.enable_events,
    )
    seconds = time.monotonic() - started
    restoring = Restoring(target, chosen, request, prepared, outcome, loader, progress, seconds)
    if loaded_before and last is not None:
        restoring.to_retry, restoring.acts = earlier.to_retry(last), last.get("acts") is True
    return restoring


def _is_filled(target: Target, record: BackupRecord | None) -> bool:
    """Whether the database holds something, or is as empty as the one that was backed up."""
    connector, database = target.connector, target.database
    if connector.contents(database):
        return True
    return record is not None and dict(connector.object_counts(database)) == record.contents.objects


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
