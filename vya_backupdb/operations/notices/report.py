"""What a run has come to, as hooks and notices need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.model import Finding


@dataclass(frozen=True)
class Told:
    """One thing that somebody should read: where, what, and what to do."""

    where: str
    what: str
    cure: str | None = None

    @classmethod
    def of(cls, where: str, found: VyaBackupDBError | Finding) -> Self:
        """Give it for an error, or for something found."""
        return cls(where, found.what, found.cure)


@dataclass(frozen=True)
class Report:
    """A run, or as much of it as there was."""

    document: Mapping[str, object]
    """What `--format json` prints."""
    failures: Sequence[Told] = ()
    warnings: Sequence[Told] = ()
    done: int = 0
    """What went well, of the things that were asked for."""
