"""What the journal tells of restores of accounts, so that one that was cut off can be ended by the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from vya_backupdb.catalog.journal import Journal
from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.log import get_logger
from vya_backupdb.operations.users.pending import note_made, note_pending, pending_grant, pending_grants
from vya_backupdb.operations.users.plan import Standing

if TYPE_CHECKING:
    from vya_backupdb.operations.users.restore import RestoredAccount

log = get_logger(__name__)

_STARTED: Final = "users restore started"
_FAILED: Final = "users restore failed"
_DONE: Final = "users restore"


def begun_accounts(journal: Journal) -> set[str]:
    """Give the labels of accounts that were begun and not made whole since. Raises StorageError."""
    begun: set[str] = set()
    for entry in journal.entries():
        if entry["event"] == _STARTED:
            begun |= _labels(entry.get("creating"))
        elif entry["event"] == _DONE:
            begun -= _labels(entry.get("changed")) - _labels(entry.get("failed"))
    return begun


@contextmanager
def noted(
    journal: Journal, instance: str, backup: str | None, accounts: Sequence[RestoredAccount]
) -> Iterator[None]:
    """Write down what is begun, what came of it, and which grants are still to be made."""
    begun = [one for one in accounts if one.half_made or one.plan.standing is Standing.CREATE]
    before = {(grant.account, grant.what) for grant in pending_grants(journal)}
    if begun:
        all_grants = [pending_grant(_label(one), grant) for one in begun for grant in one.plan.wanted.grants]
        note_pending(journal, [one for one in all_grants if (one.account, one.what) not in before])
        journal.note(_STARTED, {"backup": backup, "creating": [_label(one) for one in begun]})
    try:
        yield
    except BaseException as error:
        if isinstance(error, VyaBackupDBError):
            what = error.what
        else:
            what = f"interrupted ({type(error).__name__})"
            cure = "the same command again makes the rest"
            log.error("users restore interrupted", instance=instance, cure=cure)
        journal.note(_FAILED, {"backup": backup, "error": what})
        raise
    _note_grants(journal, before, accounts)
    facts = {
        "backup": backup,
        "changed": [_label(one) for one in accounts if one.changed],
        "failed": [_label(one) for one in accounts if one.error],
    }
    journal.note(_DONE, facts)


def _note_grants(journal: Journal, before: set[tuple[str, str]], accounts: Sequence[RestoredAccount]) -> None:
    """Leave waiting what could not be made, and what waited for an account that failed or was left alone."""
    now = [pending_grant(_label(one), grant) for one in accounts for grant in one.pending]
    waiting = pending_grants(journal)
    known = {(grant.account, grant.what) for grant in waiting}
    note_pending(journal, [one for one in now if (one.account, one.what) not in known])
    still = {(grant.account, grant.what) for grant in now}
    handled = {_label(one) for one in accounts if not _is_left(one)}
    failed = {_label(one) for one in accounts if one.error is not None}
    note_made(
        journal,
        [
            one
            for one in waiting
            if one.account in handled
            and (one.account, one.what) not in still
            and not (one.account in failed and (one.account, one.what) in before)
        ],
    )


def _is_left(one: RestoredAccount) -> bool:
    """Whether it differs and stays as it is: what it waits for, it goes on waiting for."""
    return one.plan.standing is Standing.DIFFERS and not (one.changed or one.half_made)


def _label(one: RestoredAccount) -> str:
    return one.plan.wanted.label


def _labels(written: object) -> set[str]:
    return {label for label in written if isinstance(label, str)} if isinstance(written, list) else set()
