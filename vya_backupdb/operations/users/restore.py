"""Restore users, roles and grants: first the plan, then as much of it as was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from vya_backupdb.catalog.store import Store
from vya_backupdb.config.models import Config
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.engines.base import Accounts
from vya_backupdb.errors import MissingObject, Refused, RestoreError, StatementFailed, few
from vya_backupdb.log import get_logger
from vya_backupdb.model import Account, Grant
from vya_backupdb.operations.choose import Chosen, Selection, choose
from vya_backupdb.operations.opened import OpenInstance, opened_instance
from vya_backupdb.operations.request import target_instance
from vya_backupdb.operations.users.noted import begun_accounts, noted
from vya_backupdb.operations.users.pending import pending_grants
from vya_backupdb.operations.users.plan import PlannedAccount, Standing, choose_accounts, plan_accounts
from vya_backupdb.operations.users.script import accounts_of, engine_of

log = get_logger(__name__)


class OnConflict(StrEnum):
    """What becomes of accounts that are there and differ."""

    FAIL = "fail"
    """Nothing is changed at all."""
    SKIP = "skip"
    REPLACE = "replace"


@dataclass(frozen=True)
class UsersRequest:
    """Which accounts to restore, and onto what."""

    selection: Selection
    target_instance: str | None = None
    """None: the instance that was backed up."""
    names: tuple[str, ...] = ()
    """`NAME` or `NAME@HOST`; (): all."""
    on_conflict: OnConflict = OnConflict.FAIL
    dry_run: bool = False


@dataclass
class RestoredAccount:
    """What became of one account."""

    plan: PlannedAccount
    changed: bool = False
    pending: list[Grant] = field(default_factory=list)
    """What it is to be granted once that is there."""
    error: RestoreError | None = None
    half_made: bool = False
    """An earlier run began to make it and did not end: what differs is what it lacks."""


@dataclass(frozen=True)
class UsersOutcome:
    """What a restore of accounts did, or with `dry_run` would do."""

    instance: str
    file: Path
    accounts: tuple[RestoredAccount, ...]
    conflict: Refused | None = None
    """Why nothing was done."""

    @property
    def changed(self) -> bool:
        """Whether anything on the server is different now."""
        return any(account.changed for account in self.accounts)


def restore_users(
    config: Config,
    vault: Vault,
    request: UsersRequest,
    confirm: Callable[[str], None],
    place: OpenInstance | None = None,
) -> UsersOutcome:
    """Restore what the request names. `confirm` asks before an account is replaced; it raises Refused.

    `place` is the instance where it is open already.

    Raises Refused, VerificationError, ConnectionFailed, StorageError; what the server refuses of one
    account is in its outcome, and the others are restored.
    """
    store = Store(config.storage.path, config.storage.hostname)
    chosen = choose(store, request.selection)
    engine = engine_of(chosen)
    instance = config.instance(target_instance(request.target_instance, request.selection, chosen))
    if instance.engine != engine.name:
        raise Refused(
            f"{chosen.path}: users of {engine.name} cannot be restored into {instance.id}, which is "
            f"{instance.engine}",
            cure="name another instance with --target-instance",
        )
    accounts: Sequence[Account] = accounts_of(chosen)
    needed_by: Mapping[str, str] = {}
    if request.names:
        accounts, needed_by = choose_accounts(accounts, request.names)
    with ExitStack() as stack:
        if place is None:
            place = stack.enter_context(opened_instance(store, vault, instance, dry_run=request.dry_run))
        return restore_accounts(place, chosen, accounts, request, confirm, needed_by)


def restore_accounts(
    place: OpenInstance,
    chosen: Chosen,
    accounts: Sequence[Account],
    request: UsersRequest,
    confirm: Callable[[str], None],
    needed_by: Mapping[str, str],
) -> UsersOutcome:
    """Restore these accounts of a backup onto an instance that is open. Raises as `restore_users` does.

    `needed_by`: of accounts that were not asked for, the one that needs them.
    """
    instance = place.instance
    server, journal = place.connector.accounts(), place.journal
    waiting = pending_grants(journal)
    plan = plan_accounts(
        server,
        place.connector.facts.account,
        accounts,
        needed_by,
        {(grant.account, grant.what) for grant in waiting},
    )
    half_made = begun_accounts(journal)
    restored = tuple(
        RestoredAccount(one, half_made=one.standing is Standing.DIFFERS and one.wanted.label in half_made)
        for one in plan
    )
    plan = [one.plan for one in restored if not one.half_made]
    conflict = _conflict(plan, request.on_conflict)
    if request.dry_run or conflict is not None:
        return UsersOutcome(instance.id, chosen.path, restored, conflict)
    _confirm(plan, request.on_conflict, instance.id, confirm)
    with noted(journal, instance.id, chosen.record.id if chosen.record else None, restored):
        _apply(server, restored, request.on_conflict)
    outcome = UsersOutcome(instance.id, chosen.path, restored)
    for account in restored:
        if account.error is not None:
            log.error(
                "user failed",
                instance=instance.id,
                user=account.plan.wanted.label,
                error=account.error.what,
            )
    log.info("users restored", instance=instance.id, changed=sum(a.changed for a in restored))
    return outcome


def _conflict(plan: Sequence[PlannedAccount], on_conflict: OnConflict) -> Refused | None:
    different = [one.wanted.label for one in plan if one.standing is Standing.DIFFERS]
    if not different or on_conflict is not OnConflict.FAIL:
        return None
    are = "are there and differ" if len(different) > 1 else "is there and differs"
    return Refused(
        f"{few(different, ', ')} {are}: nothing was changed",
        cure="--on-conflict skip leaves them as they are, --on-conflict replace makes them as in the backup",
    )


def _confirm(
    plan: Sequence[PlannedAccount], on_conflict: OnConflict, instance: str, confirm: Callable[[str], None]
) -> None:
    different = [one.wanted.label for one in plan if one.standing is Standing.DIFFERS]
    if different and on_conflict is OnConflict.REPLACE:
        confirm(f"Replace {few(different, ', ')} on {instance} by what the backup has?")


def _apply(server: Accounts, restored: Sequence[RestoredAccount], on_conflict: OnConflict) -> None:
    """Make accounts first, then what is granted to them: that may name any other account."""
    for one in restored:
        if one.plan.standing is Standing.CREATE:
            _execute(server, one, one.plan.wanted.create)
        elif one.plan.standing is Standing.IMPOSSIBLE:
            one.error = RestoreError(f"{one.plan.wanted.label}: not possible here: {few(one.plan.notes)}")
    for one in restored:
        if one.half_made and one.plan.present:
            _execute(server, one, server.alter(_as_granted(one.plan), one.plan.present))
    if on_conflict is OnConflict.REPLACE:
        differing = (one for one in restored if one.plan.standing is Standing.DIFFERS)
        _replace(server, [one for one in differing if not one.half_made])
    lacking = (Standing.CREATE, Standing.PENDING)
    _grant(server, [one for one in restored if one.half_made or one.plan.standing in lacking])


def _replace(server: Accounts, restored: Sequence[RestoredAccount]) -> None:
    """Alter accounts; again those that failed, for a grant may hang on what another account gets or loses."""
    present: dict[str, Account | None] = {_label(one): one.plan.present for one in restored}
    waiting, again = list(restored), False
    while waiting:
        for one in waiting:
            one.error = None
            one.pending.clear()
            if (account := present.get(_label(one))) is not None:
                _execute(server, one, server.alter(one.plan.wanted, account), one.plan.wanted.grants)
        failed = [one for one in waiting if one.error is not None]
        if again and len(failed) == len(waiting):
            return
        waiting, again = failed, True
        present = {account.label: account for account in server.present([_label(one) for one in failed])}


def _execute(
    server: Accounts, one: RestoredAccount, statements: Sequence[bytes], grants: Sequence[Grant] = ()
) -> None:
    """Execute up to the first statement that is refused; those of `grants` may wait for what they name."""
    may_wait = {grant.statement: grant for grant in grants}
    try:
        for statement in statements:
            try:
                server.execute(statement)
                one.changed = True
            except MissingObject:
                if statement not in may_wait:
                    raise
                one.pending.append(may_wait[statement])
    except StatementFailed as error:
        if error.connection_lost:
            raise
        what = "changed" if one.plan.present else "made"
        state = f"half {what}" if one.changed else f"not {what}"
        one.error = RestoreError(f"{one.plan.wanted.label}: {state}: {error.what}", cure=error.cure)


def _grant(server: Accounts, restored: Sequence[RestoredAccount]) -> None:
    failed: dict[str, list[str]] = {}
    grants = [(one, grant) for one in restored if one.error is None for grant in _lacking(one.plan)]
    for one, grant in sorted(grants, key=lambda pair: pair[1].depth):
        try:
            server.execute(grant.statement)
            one.changed = True
        except MissingObject:
            one.pending.append(grant)
        except StatementFailed as error:
            if error.connection_lost:
                raise
            failed.setdefault(one.plan.wanted.label, []).append(f"{grant.what}: {error.what}")
    for one in restored:
        if refused := failed.get(one.plan.wanted.label):
            one.error = RestoreError(f"{one.plan.wanted.label}: not granted: {few(refused)}")


def _as_granted(plan: PlannedAccount) -> Account:
    """Give the account as it is wanted, but without the grants that it lacks."""
    lacking = _lacking(plan)
    return replace(plan.wanted, grants=tuple(grant for grant in plan.wanted.grants if grant not in lacking))


def _label(one: RestoredAccount) -> str:
    return one.plan.wanted.label


def _lacking(plan: PlannedAccount) -> list[Grant]:
    there = {grant.what for grant in plan.present.grants} if plan.present else frozenset[str]()
    return [grant for grant in plan.wanted.grants if grant.what not in there]
