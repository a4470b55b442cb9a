"""What restoring accounts would change on a server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from vya_backupdb.engines.base import Accounts
from vya_backupdb.errors import Refused, few
from vya_backupdb.model import Account, Fitted, Severity


class Standing(StrEnum):
    """How an account of the backup stands to those of the server."""

    CREATE = "create"
    """It is not there."""
    SAME = "same"
    PENDING = "pending"
    """All that it lacks are grants that could not be made yet."""
    DIFFERS = "differs"
    IMPOSSIBLE = "impossible"
    """The server cannot have it."""
    OWN = "own"
    """It is the one that restores, and stays as it is."""


@dataclass(frozen=True)
class PlannedAccount:
    """One account of a plan."""

    wanted: Account
    """As far as the server can have it."""
    standing: Standing
    present: Account | None = None
    differences: tuple[str, ...] = ()
    """For people; no hash is in them."""
    notes: tuple[str, ...] = ()
    """What the server cannot have of it, and why."""
    needed_by: str | None = None
    """The account that was asked for and has this role; None: it was asked for itself."""


def choose_accounts(
    accounts: Sequence[Account], names: Collection[str]
) -> tuple[list[Account], Mapping[str, str]]:
    """Give the accounts that are named, with the roles that they need, in the order of the script.

    A name without a host means all accounts of that name. Of what was added: who needs it. Raises Refused
    for a name that is not in the backup.
    """
    by_label = {account.label: account for account in accounts}
    chosen: dict[str, Account] = {}
    absent = []
    for name in dict.fromkeys(names):
        found = [account for account in accounts if name in (account.label, account.name)]
        chosen |= {account.label: account for account in found}
        if not found:
            absent.append(name)
    if absent:
        raise Refused(
            f"no such user or role in the backup: {few(absent, ', ')}",
            cure="see who is in it: users list",
        )
    needed_by: dict[str, str] = {}
    waiting = list(chosen.values())
    while waiting:
        account = waiting.pop()
        for grant in account.grants:
            role = by_label.get(grant.role) if grant.role is not None else None
            if role is not None and role.label not in chosen:
                chosen[role.label] = role
                needed_by[role.label] = account.label
                waiting.append(role)
    return [account for account in accounts if account.label in chosen], needed_by


def plan_accounts(
    server: Accounts,
    own: str,
    accounts: Sequence[Account],
    needed_by: Mapping[str, str],
    pending: Collection[tuple[str, str]],
) -> list[PlannedAccount]:
    """Compare accounts of a backup with those of a server; `own` is the label of the one that restores.

    `pending` are grants, as (account, what), of which an earlier restore said that they could not be made.
    """
    fitted = server.fit(accounts)
    present = {account.label: account for account in server.present([one.account.label for one in fitted])}
    return [
        _planned(one, present.get(one.account.label), own, needed_by.get(before.label), pending)
        for before, one in zip(accounts, fitted, strict=True)
    ]


def _planned(
    fitted: Fitted,
    present: Account | None,
    own: str,
    needed_by: str | None,
    pending: Collection[tuple[str, str]],
) -> PlannedAccount:
    wanted = fitted.account
    notes = tuple(f"{one.what}: {one.cure}" if one.cure else one.what for one in fitted.findings)
    different: tuple[str, ...] = ()
    if wanted.label == own:
        standing = Standing.OWN
    elif any(finding.severity is Severity.FAULT for finding in fitted.findings):
        standing = Standing.IMPOSSIBLE
    elif present is None:
        standing = Standing.CREATE
    else:
        different = tuple(differences(wanted, present))
        standing = Standing.DIFFERS if different else Standing.SAME
        if different and _lacks_only(wanted, present, pending):
            standing = Standing.PENDING
    return PlannedAccount(wanted, standing, present, different, notes, needed_by)


def differences(wanted: Account, present: Account) -> Iterator[str]:
    """Say in which an account of a server is not what the backup has. No secret is in it."""
    if wanted.kind != present.kind:
        yield f"a {wanted.kind} in the backup, a {present.kind} here"
    for name in dict.fromkeys((*wanted.properties, *present.properties)):
        before, here = wanted.properties.get(name), present.properties.get(name)
        if before != here:
            yield f"{name}: {before or 'not set'} in the backup, {here or 'not set'} here"
    for name in dict.fromkeys((*wanted.secrets, *present.secrets)):
        if wanted.secrets.get(name) != present.secrets.get(name):
            yield f"{name}: not the same"
    here_granted = {grant.what for grant in present.grants}
    granted = {grant.what for grant in wanted.grants}
    yield from (
        f"lacks: {what}" for what in dict.fromkeys(g.what for g in wanted.grants) if what not in here_granted
    )
    yield from (
        f"has besides: {what}"
        for what in dict.fromkeys(g.what for g in present.grants)
        if what not in granted
    )


def _lacks_only(wanted: Account, present: Account, pending: Collection[tuple[str, str]]) -> bool:
    """Whether all the difference is that grants are absent which are known to be pending."""
    here = {grant.what for grant in present.grants}
    lacking = [grant for grant in wanted.grants if grant.what not in here]
    if any((wanted.label, grant.what) not in pending for grant in lacking):
        return False
    without = replace(wanted, grants=tuple(grant for grant in wanted.grants if grant.what in here))
    return not any(differences(without, present))
