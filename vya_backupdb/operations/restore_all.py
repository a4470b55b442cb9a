"""Restore every database of an instance, with its users: what rebuilds an empty server."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta

from vya_backupdb.archive.source import open_source
from vya_backupdb.catalog.naming import USERS
from vya_backupdb.catalog.store import Backup, Store, check_file, newest
from vya_backupdb.config.models import Config
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.errors import Refused, VyaBackupDBError
from vya_backupdb.operations.choose import Chosen
from vya_backupdb.operations.opened import opened_instance
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.request import RestoreRequest
from vya_backupdb.operations.restore import RestoreOutcome, Restoring, begin, finish, refuse_other_content
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
    """Restore the chosen backup of each database: all schemas and rows first, then what follows them.

    So views, routines and triggers may name each other's databases. With `users` the accounts come before
    all; a conflict among them stops it all. A database that this very backup was restored into is left
    alone, with `drop` too. Raises Refused where nothing was done; what fails later is in the outcome, and
    the other databases are restored.
    """
    store = Store(config.storage.path, config.storage.hostname)
    selection = request.selection
    chosen = list(_chosen(store, request))
    if not chosen:
        raise Refused(
            f"{store.root}: no backup of a database of {selection.instance}"
            + (f" at or before {selection.at.isoformat()}" if selection.at else ""),
            cure="see what there is: restore list",
        )
    instance = config.instance(request.target_instance or selection.instance or "")
    result = AllOutcome(instance.id)
    if users:
        wanted = UsersRequest(
            replace(selection, users=True), request.target_instance, dry_run=request.dry_run
        )
        result.users = restore_users(config, vault, wanted, confirm)
        if result.users.conflict is not None:
            raise result.users.conflict
        if request.dry_run:
            coming = (
                one.plan.wanted for one in result.users.accounts if one.plan.standing is Standing.CREATE
            )
            request = replace(request, coming_roles=frozenset(account.name for account in coming))
    _allow_many_files()
    with ExitStack() as stack:
        place = stack.enter_context(opened_instance(store, vault, instance, dry_run=request.dry_run))
        loaded: list[tuple[DatabaseOutcome, Restoring]] = []
        for name, backup, error in chosen:
            one = DatabaseOutcome(name, error=error)
            result.databases.append(one)
            if backup is None:
                continue
            try:
                target = place.target(name)
                refuse_other_content(backup, target.engine, instance)
                source = stack.enter_context(open_source(backup.path, target.engine.reader))
                begun = begin(target, source, backup, request, confirm, progress, skip_restored=True)
            except VyaBackupDBError as failure:
                one.error = failure
                continue
            if isinstance(begun, Restoring):
                loaded.append((one, begun))
            else:
                one.outcome = begun
        for one, restoring in loaded:
            try:
                one.outcome = finish(restoring)
            except VyaBackupDBError as failure:
                one.error = failure
    return result


def _chosen(
    store: Store, request: RestoreRequest
) -> Iterator[tuple[str, Chosen | None, VyaBackupDBError | None]]:
    """Give each database's name, and the backup that is meant or why it cannot be told."""
    selection = request.selection
    by_folder: dict[str, list[Backup]] = {}
    for backup in store.backups(hostname=selection.host, instance=selection.instance):
        by_folder.setdefault(backup.path.parent.parent.name, []).append(backup)
    for folder in sorted(by_folder.keys() - {USERS}):
        try:
            found = newest(by_folder[folder], at=selection.at)
            if found is None:
                continue
            backup, record = found
            yield record.database, Chosen(check_file(backup.path, record), record), None
        except VyaBackupDBError as error:
            yield folder, None, error


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
