"""The drill: a server is started, backups are restored into it and proved, and all of it goes again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vya_backupdb.archive.source import open_source
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.history import DRILLED
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.config.models import Config
from vya_backupdb.errors import (
    Refused,
    RestoreError,
    VerificationError,
    VyaBackupDBError,
)
from vya_backupdb.log import get_logger
from vya_backupdb.model import Coming
from vya_backupdb.operations.checks import NOT_ROWS
from vya_backupdb.operations.choose import Selection
from vya_backupdb.operations.drill.batches import Batch, DrillRequest, batches
from vya_backupdb.operations.drill.proof import Proof, prove
from vya_backupdb.operations.drill.server import SERVER, DrillServer, opened_server
from vya_backupdb.operations.opened import OpenInstance
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.request import RestoreRequest
from vya_backupdb.operations.restore_all import AllOutcome, DatabaseOutcome, restore_databases
from vya_backupdb.operations.users.restore import OnConflict, UsersOutcome, UsersRequest, restore_accounts
from vya_backupdb.operations.users.script import accounts_of
from vya_backupdb.scratch import Binaries, Kept
from vya_backupdb.scratch.versions import series

log = get_logger(__name__)

_FAILED: Final = "the drill failed"


@dataclass
class DrilledDatabase:
    """How it went with one backup."""

    database: str
    path: Path | None = None
    record: BackupRecord | None = None
    error: VyaBackupDBError | None = None
    """None: it is proved."""
    proof: Proof = field(default_factory=Proof)
    restore_seconds: float = 0.0
    proof_seconds: float = 0.0


@dataclass
class Drilled:
    """One server, and what was restored into it."""

    instance: str
    server: str | None = None
    """Flavour and version; None: none was started."""
    other_version: str | None = None
    """That the server is newer than the one that was backed up, in words."""
    databases: list[DrilledDatabase] = field(default_factory=list)
    users: UsersOutcome | None = None
    users_error: VyaBackupDBError | None = None
    stand_ins: list[str] = field(default_factory=list)
    """Accounts and tablespaces that were made for want of the real ones."""
    notices: list[str] = field(default_factory=list)
    start_seconds: float = 0.0
    users_seconds: float = 0.0
    restore_seconds: float = 0.0
    """Of all databases together, from the first file that is read to the last object that is compared."""
    proof_seconds: float = 0.0
    kept: Kept | None = None

    @property
    def recovery_seconds(self) -> float:
        """What it takes to have everything back on a server that runs."""
        return self.users_seconds + self.restore_seconds

    @property
    def errors(self) -> list[VyaBackupDBError | None]:
        """One for the users and each database; None: it is proved."""
        users = [self.users_error] if self.users is not None or self.users_error else []
        return [*users, *(one.error for one in self.databases)]


def drill(config: Config, request: DrillRequest, progress: Progress) -> Iterator[Drilled]:
    """Drill what the request names, and give the result for each server when it is gone.

    Raises Refused where nothing matches, VerificationError where the one that is meant is damaged; what
    fails later is in the results, and in the journal of the instance.
    """
    for batch in list(batches(config, request)):
        drilled = Drilled(batch.instance)
        drilled.databases += [
            DrilledDatabase(name, chosen.path, chosen.record, batch.failed.get(name))
            for name, chosen in batch.chosen.items()
        ]
        if batch.server is not None:
            try:
                _drill(batch, batch.server, drilled, progress, keep=request.keep)
            except VyaBackupDBError as error:
                for one in drilled.databases:
                    one.error = one.error or error
        drilled.databases += [
            DrilledDatabase(name, error=error)
            for name, error in batch.failed.items()
            if name not in batch.chosen
        ]
        drilled.notices += batch.notices
        for one in drilled.databases:
            one.error = _told(drilled.instance, one)
            _note(batch, request, drilled, one)
        yield drilled


def _drill(batch: Batch, wanted: Binaries | str, drilled: Drilled, progress: Progress, *, keep: bool) -> None:
    log.info("drill started", instance=batch.instance, server=str(wanted), databases=list(batch.chosen))
    with opened_server(batch, wanted) as server:
        drilled.server, drilled.start_seconds = str(server), server.start_seconds
        drilled.other_version = _other_version(batch, server)
        _restore_users(batch, server.place, drilled)
        _stand_in(batch, server.place, drilled)
        with _clock(drilled, "restore_seconds"):
            outcome = _restore(batch, server.place, progress)
        with _clock(drilled, "proof_seconds"):
            for one, restored in zip(drilled.databases, outcome.databases, strict=True):
                _prove(batch, server.place, one, restored)
        if keep:
            drilled.kept = server.keep()
            log.info("server kept", instance=batch.instance, to_end_it=drilled.kept.end)


def _other_version(batch: Batch, server: DrillServer) -> str | None:
    recorded = batch.record.server
    if series(server.flavour, recorded.version_number) == series(server.flavour, server.version_number):
        return None
    return f"the backup is of {recorded.flavour} {recorded.version}"


def _restore_users(batch: Batch, place: OpenInstance, drilled: Drilled) -> None:
    """Restore all users; the throw-away server's own stay as they are."""
    if batch.users is None:
        return
    wanted = UsersRequest(Selection(users=True), on_conflict=OnConflict.SKIP)
    with _clock(drilled, "users_seconds"):
        try:
            drilled.users = restore_accounts(
                place, batch.users, accounts_of(batch.users), wanted, _no_question, {}
            )
        except VyaBackupDBError as error:
            drilled.users_error = error
            return
    if refused := [one.error.what for one in drilled.users.accounts if one.error is not None]:
        drilled.users_error = VerificationError.of_faults(
            f"{batch.instance}/@users: {_FAILED}",
            ((what, None) for what in refused),
            cure="see what the backup has of them: vya-backupdb users list",
        )


def _stand_in(batch: Batch, place: OpenInstance, drilled: Drilled) -> None:
    """Make owners and definers that the server has not: who owns what is to be restored, too."""
    for chosen in batch.chosen.values():
        # a damaged file is found again, and told, by the restore
        with suppress(VerificationError), open_source(chosen.path, place.engine.reader) as source:
            definition = chosen.record.definition if chosen.record else None
            script = source.sections(NOT_ROWS)
            drilled.stand_ins += place.connector.stand_in(script, definition, list(batch.chosen))


def _restore(batch: Batch, place: OpenInstance, progress: Progress) -> AllOutcome:
    request = RestoreRequest(Selection(batch.instance), coming=Coming(databases=frozenset(batch.chosen)))
    outcome = AllOutcome(batch.instance, databases=[DatabaseOutcome(name) for name in batch.chosen])
    restore_databases(place, batch.chosen, request, _no_question, progress, outcome)
    return outcome


def _prove(batch: Batch, place: OpenInstance, one: DrilledDatabase, restored: DatabaseOutcome) -> None:
    if restored.error is not None or restored.outcome is None:
        one.error = restored.error
        return
    one.restore_seconds = restored.outcome.seconds
    checks = batch.configured.checks.get(one.database, ()) if batch.configured else ()
    began = time.monotonic()
    try:
        one.proof = prove(place, one.database, batch.chosen[one.database], checks)
    except VyaBackupDBError as error:
        one.error = error
    one.proof_seconds = time.monotonic() - began
    one.proof.notices[:0] = [finding.what for finding in restored.outcome.findings]
    one.proof.notices += restored.outcome.notices
    if one.proof.faults:
        one.error = VerificationError.of_faults("", one.proof.faults)


def _no_question(question: str) -> None:
    raise Refused(f"{question} There is nothing to ask in a drill.")


@contextmanager
def _clock(drilled: Drilled, name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        setattr(drilled, name, time.monotonic() - began)


# ---------------------------------------------------------------------------- what is told of it


def _told(instance: str, one: DrilledDatabase) -> VyaBackupDBError | None:
    """Give the error of a database as it is reported: what a restore refused is no proof, either."""
    error = one.error
    if error is None:
        return None
    head = f"{instance}/{one.database}: "
    if one.proof.faults:
        return VerificationError.of_faults(f"{head}{_FAILED}", one.proof.faults)
    what = error.what.removeprefix(f"{SERVER}/{one.database}: ").removeprefix(f"{one.database}: ")
    if isinstance(error, RestoreError | VerificationError):
        # what to do with a half loaded database does not matter here
        cure = "another backup may restore (--datetime T); --keep leaves the server, to look at it"
        return VerificationError(f"{head}does not restore: {what}", cure=cure)
    if error.head:
        return type(error).of_faults(f"{head}cannot be drilled", error.faults)
    return type(error)(f"{head}cannot be drilled: {what}", cure=error.cure)


def _note(batch: Batch, request: DrillRequest, drilled: Drilled, one: DrilledDatabase) -> None:
    """Tell the log and the journal of the instance."""
    facts: dict[str, object] = {
        "database": one.database,
        "backup": one.record.id if one.record else None,
        "file": one.path.name if one.path else None,
        "ok": one.error is None,
        "server": drilled.server,
        "engine": request.engine,
        "seconds": round(one.restore_seconds, 3),
        "proof_seconds": round(one.proof_seconds, 3),
    }
    if one.error is None:
        log.info("backup drilled", instance=batch.instance, **facts)
    else:
        prefix = f"{batch.instance}/{one.database}: "
        facts["error"] = one.error.what.removeprefix(prefix).removeprefix(f"{_FAILED}: ")
        log.error("drill failed", instance=batch.instance, **facts)
    if batch.folder is not None:
        journal.note(batch.folder, batch.instance, DRILLED, facts)
