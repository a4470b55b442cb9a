"""What the journal of an instance tells of its backups: attempts, verifications and drills."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from vya_backupdb.catalog import journal
from vya_backupdb.catalog.store import stem_of

MADE: Final = "backup"
FAILED: Final = "backup failed"
"""Of a database, or of the whole instance where no database could be reached."""
VERIFIED: Final = "verify"
DRILLED: Final = "drill"

_FEWEST_INTERVALS: Final = 3
_MOST_INTERVALS: Final = 7
"""Of the last ones between attempts, for the usual one."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a backup."""

    at: datetime
    error: str | None = None
    """None: it went well."""


@dataclass(frozen=True)
class Proof:
    """What was found when a backup was verified last; a drill that went well has verified it too."""

    at: datetime
    ok: bool


@dataclass(frozen=True)
class DrillEntry:
    """One restore into a throw-away server."""

    at: datetime
    file: str | None
    """The name of the backup file; None: none could be chosen."""
    error: str | None = None
    """None: it went well."""


@dataclass(frozen=True)
class History:
    """The newest of each."""

    attempts: Mapping[str, Attempt]
    """By database, users among them as they are named."""
    of_instance: Attempt | None
    """A failure of all databases at once, also of those of which nothing else is known."""
    proofs: Mapping[str, Proof]
    """By the stem of the backup file's name."""
    drills: Mapping[str, DrillEntry] = field(default_factory=dict)
    """By database, as it is named."""
    moments: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    """When each database was tried the last times, oldest first."""

    def attempt(self, database: str) -> Attempt | None:
        """Give the last attempt at a database; one that failed for the whole instance was one at it too."""
        return self.attempts.get(database, self.of_instance)

    def usual_interval(self, database: str) -> timedelta | None:
        """Give the median time from one attempt at a database to the next; None: too few are known.

        A run by hand, or one that was missed, changes little.
        """
        pairs = pairwise(self.moments.get(database, ()))
        intervals = [later - earlier for earlier, later in pairs if later > earlier]  # clocks are set back
        return statistics.median_low(intervals) if len(intervals) >= _FEWEST_INTERVALS else None

    def proof(self, file_name: str) -> Proof | None:
        """Give what was found of a backup, by the name of any of its files."""
        return self.proofs.get(stem_of(file_name))


def history(folder: Path) -> History:
    """Read the journal in an instance's folder. Raises StorageError."""
    attempts: dict[str, Attempt] = {}
    of_instance: Attempt | None = None
    proofs: dict[str, Proof] = {}
    drills: dict[str, DrillEntry] = {}
    moments: dict[str, deque[datetime]] = {}
    for entry in journal.entries(folder):
        event, at = entry["event"], _moment(entry.get("at"))
        if event not in (MADE, FAILED, VERIFIED, DRILLED) or at is None:
            continue
        database, name = entry.get("database"), entry.get("file")
        if event == DRILLED:
            _take_drill(entry, at, proofs, drills)
            continue
        if event == VERIFIED:
            if isinstance(name, str):
                proofs[stem_of(name)] = Proof(at, entry.get("ok") is True)
            continue
        attempt = Attempt(at, None if event == MADE else _reason(entry))
        if isinstance(database, str):
            attempts[database] = attempt
            moments.setdefault(database, deque(maxlen=_MOST_INTERVALS + 1)).append(at)
        elif event == FAILED:
            of_instance = attempt
            for of_database in moments.values():
                of_database.append(at)
            attempts = dict.fromkeys(attempts, attempt)  # whatever the clock said: what comes later counts
    return History(attempts, of_instance, proofs, drills, moments)


def _take_drill(
    entry: Mapping[str, Any], at: datetime, proofs: dict[str, Proof], drills: dict[str, DrillEntry]
) -> None:
    """Note a drill; where it failed, the file need not be damaged: `verify` says whether it is."""
    database, name, ok = entry.get("database"), entry.get("file"), entry.get("ok") is True
    if isinstance(database, str):
        file = name if isinstance(name, str) else None
        drills[database] = DrillEntry(at, file, None if ok else _reason(entry))
    if isinstance(name, str) and ok:
        proofs[stem_of(name)] = Proof(at, ok=True)


def _reason(entry: Mapping[str, Any]) -> str:
    return str(entry.get("error", "it is not known why"))


def _moment(written: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):  # of the last, UTC does not have it
        return None
