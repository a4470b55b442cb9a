"""Grants that had to wait, because what they grant on was not there: kept in the journal of the instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vya_backupdb.catalog.journal import Journal
from vya_backupdb.engines.base import Accounts
from vya_backupdb.errors import MissingObject, StatementFailed
from vya_backupdb.model import Grant

_WAITING = "grants pending"
_MADE = "grants made"


@dataclass(frozen=True)
class PendingGrant:
    """One grant that is still to be made. No secret is in it."""

    account: str
    what: str
    statement: str
    """Bytes that are not UTF-8 are kept as surrogate escapes."""
    database: str | None = None


def pending_grant(account: str, grant: Grant) -> PendingGrant:
    """Describe a grant of an account for the journal."""
    return PendingGrant(
        account, grant.what, grant.statement.decode("utf-8", "surrogateescape"), grant.database
    )


def pending_grants(journal: Journal) -> list[PendingGrant]:
    """Give the grants of an instance that are still to be made, oldest first. Raises StorageError."""
    waiting: dict[tuple[str, str], PendingGrant] = {}
    for entry in journal.entries():
        if entry["event"] not in (_WAITING, _MADE):
            continue
        for grant in _grants(entry.get("grants")):
            if entry["event"] == _WAITING:
                waiting[grant.account, grant.what] = grant
            else:
                waiting.pop((grant.account, grant.what), None)
    return list(waiting.values())


def note_pending(journal: Journal, grants: Sequence[PendingGrant]) -> None:
    """Remember that these grants are still to be made."""
    if grants:
        journal.note(_WAITING, {"grants": [asdict(grant) for grant in grants]})


def note_made(journal: Journal, grants: Sequence[PendingGrant]) -> None:
    """Remember that these grants need not be made any more."""
    if grants:
        journal.note(_MADE, {"grants": [asdict(grant) for grant in grants]})


def make_pending(server: Accounts, journal: Journal, database: str) -> list[str]:
    """Make the grants that waited for a database which is there now; say how it went with each."""
    told, made = [], []
    for grant in pending_grants(journal):
        if grant.database != database:
            continue
        try:
            server.execute(grant.statement.encode("utf-8", "surrogateescape"))
        except MissingObject:
            continue  # it goes on waiting
        except StatementFailed as error:
            told.append(f"not granted to {grant.account}: {grant.what}: {error.what}")
        else:
            told.append(f"granted to {grant.account}, as it was waiting for this database: {grant.what}")
            made.append(grant)
    note_made(journal, made)
    return told


def _grants(written: object) -> list[PendingGrant]:
    """Read grants of a journal; what is none is passed over."""
    found = []
    for one in written if isinstance(written, list) else []:
        if isinstance(one, dict) and one.keys() == PendingGrant.__dataclass_fields__.keys():
            found.append(PendingGrant(**one))
    return found
