"""Restore every database of an instance, with its users: what rebuilds an empty server."""

from __future__ import annotations

import resource
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from vya_backupdb.archive.source import open_source
from vya_backupdb.catalog.naming import USERS, file_name
from vya_backupdb.catalog.store import Backup, Store, check_file, newest
from vya_backupdb.config.models import Config
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.errors import Refused, VerificationError, VyaBackupDBError, few
from vya_backupdb.model import Coming
from vya_backupdb.operations.choose import Chosen, Selection, choose
from vya_backupdb.operations.opened import OpenInstance, opened_instance
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.request import RestoreRequest
from vya_backupdb.operations.restore import refuse_other_content
from vya_backupdb.operations.restoring import RestoreOutcome, Restoring, examine
from vya_backupdb.operations.users.plan import Standing
from vya_backupdb.operations.users.restore import UsersOutcome, UsersRequest, restore_users

_OLD = timedelta(days=1)
"""A database whose newest backup is so much older than that of another may have been dropped since."""


@dataclass
class DatabaseOutcome:
    """How it went with one database: an error, or what the restore did."""

    database: str
    outcome: RestoreOutcome | None = None
    error: VyaBackupDBError | None = None


@dataclass
class AllOutcome:
    """How it went with an instance."""

    instance: str
    users: UsersOutcome | None = None
    databases: list[DatabaseOutcome] = field(default_factory=list)
    too_new: tuple[str, ...] = ()
    """Databases that had no backup yet at the moment that was asked for."""

    @property
    def conflict(self) -> Refused | None:
        """Why nothing was done: accounts that are there and differ."""
        if self.users is None or self.users.conflict is None:
            return None
        return Refused(
            self.users.conflict.what,
            cure="settle it with users restore --on-conflict replace (they become as in the backup) or skip "
            "(they stay), then restore --all without --users",
        )

    @property
    def changed(self) -> bool:
        """Whether anything on the server is different now."""
        restored = (one.outcome for one in self.databases if one.outcome)
        return (self.users is not None and self.users.changed) or any(one.changed for one in restored)

    @property
    def errors(self) -> list[VyaBackupDBError | None]:
        """One for each user and database that was asked for; None: it is there."""
        users = self.users.accounts if self.users else ()
        return [*(one.error for one in users), *(one.error for one in self.databases)]


def restore_all(
    config: Config,
    vault: Vault,
    request: RestoreRequest,
    confirm: Callable[[str], None],
    progress: Progress,
    *,
    users: bool,
) -> AllOutcome:
    """Restore the chosen backup of each database, each step with all of them before the next one.

    First users and roles, with `users`; a conflict among them ends it there. Then every backup and its
    target are checked, every schema and its rows loaded, and what follows them made: views, routines and
    triggers may name each other's databases. Last comes what acts by itself: no event runs before the last
    database is whole. A database that this very backup was restored into is left alone, with `drop` too.

    Raises Refused where nothing was done; what fails later is in the outcome, and the other databases are
    restored.
    """
    store = Store(config.storage.path, config.storage.hostname)
    selection = request.selection
    result = AllOutcome("")
    chosen = choose_each(store, selection, result)
    if not result.databases:
        raise Refused(
            f"{store.root}: no backup of a database of {selection.instance}"
            + (f" at or before {selection.at.isoformat()}" if selection.at else ""),
            cure="see what there is: restore list",
        )
    instance = config.instance(request.target_instance or selection.instance or "")
    result.instance = instance.id
    wanted = UsersRequest(replace(selection, users=True), request.target_instance, dry_run=request.dry_run)
    if users:
        choose(store, wanted.selection)  # where there is none, before a server is asked
    with opened_instance(store, vault, instance, dry_run=request.dry_run) as place:
        if users:
            result.users = restore_users(config, vault, wanted, confirm, place)
            if result.conflict is not None:
                return result
        request = replace(request, coming=_coming(chosen, result.users))
        restore_databases(place, chosen, request, confirm, progress, result)
    return result


def choose_each(store: Store, selection: Selection, result: AllOutcome) -> dict[str, Chosen]:
    """Give the backup that is meant of each database; why it cannot be told goes to the result."""
    by_folder: dict[str, list[Backup]] = {}
    for backup in store.backups(hostname=selection.host, instance=selection.instance):
        by_folder.setdefault(backup.path.parent.parent.name, []).append(backup)
    chosen = {}
    for folder in sorted(by_folder.keys() - {USERS}):
        one = DatabaseOutcome(folder)
        with _failure_of(one):
            found = newest(by_folder[folder], at=selection.at)
            if found is None:
                result.too_new += (folder,)
                continue
            backup, record = found
            if file_name(record.database) != folder:
                raise VerificationError(
                    f"{backup.path}: lies among the backups of {folder}, but is one of {record.database}",
                    cure="put it back where it belongs",
                )
            one.database = record.database
            chosen[record.database] = Chosen(check_file(backup.path, record), record)
        result.databases.append(one)
    return chosen


def _coming(chosen: Collection[str], users: UsersOutcome | None) -> Coming:
    """Say what is not there now and will be; accounts are there already where it is no dry run."""
    accounts = (one.plan for one in users.accounts) if users else ()
    return Coming(
        accounts=frozenset(one.wanted.label for one in accounts if one.standing is Standing.CREATE),
        databases=frozenset(chosen),
    )


def restore_databases(
    place: OpenInstance,
    chosen: Mapping[str, Chosen],
    request: RestoreRequest,
    confirm: Callable[[str], None],
    progress: Progress,
    result: AllOutcome,
) -> None:
    """Restore the databases of the result that have no error yet, each step with all before the next one.

    What fails for one of them becomes its error.
    """
    _allow_many_files()
    with ExitStack() as files:
        working: list[tuple[DatabaseOutcome, Restoring]] = []
        for one in result.databases:
            if one.error is not None:
                continue
            with _failure_of(one):
                target, backup = place.target(one.database), chosen[one.database]
                refuse_other_content(backup, target.engine, target.instance)
                source = files.enter_context(open_source(backup.path, target.engine.reader))
                examined = examine(target, source, backup, request, progress, skip_restored=True)
                if isinstance(examined, Restoring):
                    working.append((one, examined))
                else:
                    one.outcome = examined
        _confirm(place, working, confirm)
        for one, restoring in _good(working):
            with _failure_of(one):
                restoring.load()
        for one, restoring in _good(working):
            with _failure_of(one):
                restoring.follow(resumable=True)
        _retry(working)
        for one, restoring in _good(working):
            with _failure_of(one):
                restoring.grant()
        missing = [one.database for one in result.databases if one.error is not None]
        missing += [one.database for one, restoring in _good(working) if restoring.failed]
        for one, restoring in _good(working):
            with _failure_of(one):
                if missing and restoring.loader.wakes_events:
                    one.outcome = restoring.leave(few(missing, ", "))
                else:
                    one.outcome = restoring.finish(resumable=True)


_Working = Sequence[tuple[DatabaseOutcome, Restoring]]


def _confirm(place: OpenInstance, working: _Working, confirm: Callable[[str], None]) -> None:
    """Ask once, before anything is dropped. A no is the failure of those that are to be dropped."""
    to_drop = [(one, restoring.prepared.to_drop) for one, restoring in working if restoring.prepared.to_drop]
    if not to_drop:
        return
    question = to_drop[0][1]
    if len(to_drop) > 1:
        names = ", ".join(one.database for one, _ in to_drop)
        question = f"Drop {len(to_drop)} databases on {place.instance.id} with all that is in them: {names}?"
    try:
        confirm(question)
    except Refused as refused:
        for one, _ in to_drop:
            one.error = refused


def _retry(working: _Working) -> None:
    """Try again what failed after the rows, as long as that helps: a view may use a function made later."""
    if len(working) < 2:
        return
    before = -1
    while failed := [(one, restoring) for one, restoring in _good(working) if restoring.failed]:
        count = sum(len(restoring.failed) for _, restoring in failed)
        if count == before:
            return
        before = count
        for one, restoring in failed:
            with _failure_of(one):
                restoring.retry()


def _good(working: _Working) -> Iterator[tuple[DatabaseOutcome, Restoring]]:
    return ((one, restoring) for one, restoring in working if one.error is None)


@contextmanager
def _failure_of(one: DatabaseOutcome) -> Iterator[None]:
    """Keep what fails: the others go on."""
    try:
        yield
    except VyaBackupDBError as error:
        one.error = error


def outdated(databases: Iterable[DatabaseOutcome]) -> dict[str, str]:
    """Say of which databases the backup is much older than the newest of all."""
    taken = {
        one.database: one.outcome.record.snapshot_at
        for one in databases
        if one.outcome is not None and one.outcome.record is not None
    }
    last = max(taken.values(), default=None)
    return {
        name: f"its backup is of {moment:%Y-%m-%d %H:%M} UTC, others are newer: dropped since?"
        for name, moment in taken.items()
        if last is not None and last - moment > _OLD
    }


def _allow_many_files() -> None:
    """Each database's file stays open until all rows are loaded."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
