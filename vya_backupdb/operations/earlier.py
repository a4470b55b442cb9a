"""What the journal knows of the last restore into a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.operations.request import RestoreRequest, Target

STARTED: Final = "restore started"
LOADED: Final = "restore loaded"
"""All of it is there but what acts by itself (events ...): that waits for other databases of the same run."""
ACTIVATING: Final = "restore activating"
"""After `LOADED`: what acts by itself is being made, which cannot be done twice."""
RESTORED: Final = "restore"
INCOMPLETE: Final = "restore incomplete"
"""All of it is there but statements after the rows that failed: they can be tried again."""
FAILED: Final = "restore failed"


def last_restore(target: Target) -> Mapping[str, Any] | None:
    """Give the last entry that is about a restore into the database. Raises StorageError."""
    about = (
        entry
        for entry in reversed(target.journal.entries())
        if entry["event"].startswith("restore") and entry.get("database") == target.database
    )
    return next(about, None)


def is_last(
    event: str, last: Mapping[str, Any] | None, request: RestoreRequest, record: BackupRecord | None
) -> bool:
    """Whether an entry says this of a restore of the whole of such a backup.

    Restores of single tables are no whole restore, and after one of them the database is another.
    """
    if record is None or request.tables or last is None:
        return False
    return (
        "tables" not in last
        and (last["event"], last.get("backup")) == (event, record.id)
        and bool(last.get("no_owner", False)) == request.no_owner
    )


def to_retry(last: Mapping[str, Any] | None) -> frozenset[int]:
    """Give the ordinals of the statements that failed."""
    written = last.get("failed_statements") if last else None
    return (
        frozenset(each for each in written if isinstance(each, int))
        if isinstance(written, list)
        else frozenset()
    )


def unfinished(last: Mapping[str, Any] | None) -> str | None:
    """Say of an entry how the restore went wrong; None: it did not, or no whole database was restored."""
    if last is None or "tables" in last or last["event"] in (RESTORED, LOADED):
        return None
    error, at = last.get("error"), last.get("at")
    how = f"failed: {error}" if isinstance(error, str) else "did not end"
    if isinstance(error, str) and error.startswith("interrupted"):
        how = "was interrupted"
    when = f" ({at[:16].replace('T', ' ')} UTC)" if isinstance(at, str) else ""
    return f"the last restore into it{when} {how}"
