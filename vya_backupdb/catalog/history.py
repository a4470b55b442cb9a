"""What the journal of an instance tells of its backups: attempts, and what verification found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vya_backupdb.catalog import journal
from vya_backupdb.catalog.store import stem_of

MADE: Final = "backup"
FAILED: Final = "backup failed"
"""Of a database, or of the whole instance where no database could be reached."""
VERIFIED: Final = "verify"


@dataclass(frozen=True)
class Attempt:
    """One attempt at a backup."""

    at: datetime
    error: str | None = None
    """None: it went well."""


@dataclass(frozen=True)
class Proof:
    """What was found when a backup was verified last."""

    at: datetime
    ok: bool


@dataclass(frozen=True)
class History:
    """The newest of each."""

    attempts: Mapping[str, Attempt]
    """By database, users among them as they are named."""
    of_instance: Attempt | None
    """A failure of all databases at once, also of those of which nothing else is known."""
    proofs: Mapping[str, Proof]
    """By the stem of the backup file's name."""

    def attempt(self, database: str) -> Attempt | None:
        """Give the last attempt at a database; one that failed for the whole instance was one at it too."""
        return self.attempts.get(database, self.of_instance)

    def proof(self, file_name: str) -> Proof | None:
        """Give what was found of a backup, by the name of any of its files."""
        return self.proofs.get(stem_of(file_name))


def history(folder: Path) -> History:
    """Read the journal in an instance's folder. Raises StorageError."""
    attempts: dict[str, Attempt] = {}
    of_instance: Attempt | None = None
    proofs: dict[str, Proof] = {}
    for entry in journal.entries(folder):
        event, at = entry["event"], _moment(entry.get("at"))
        if event not in (MADE, FAILED, VERIFIED) or at is None:
            continue
        database, name = entry.get("database"), entry.get("file")
        if event == VERIFIED:
            if isinstance(name, str):
                proofs[stem_of(name)] = Proof(at, entry.get("ok") is True)
            continue
        attempt = Attempt(at, None if event == MADE else str(entry.get("error", "it is not known why")))
        if isinstance(database, str):
            attempts[database] = attempt
        elif event == FAILED:
            of_instance = attempt
            attempts = dict.fromkeys(attempts, attempt)  # whatever the clock said: what comes later counts
    return History(attempts, of_instance, proofs)


def _moment(written: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):  # of the last, UTC does not have it
        return None
