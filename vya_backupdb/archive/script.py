"""What a restore needs of a script, whatever it is stored as."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vya_backupdb.model import Section, SectionKind


@dataclass(frozen=True, slots=True)
class RowTask:
    """The rows of one section, not loaded yet."""

    object: str | None
    sequential: bool
    """True: its neighbours that are sequential too go through the same session, in order."""
    read: Callable[[], Section]
    """Loads it. May be called in another thread, while the tasks after it are taken."""


@dataclass(frozen=True, slots=True)
class ScriptTotals:
    """What a whole script holds."""

    tables: Mapping[str, int]
    """Each table to the number of its rows."""
    raw_bytes: int
    """Of all sections together, decompressed."""
    largest_statement: int
    sections: Mapping[SectionKind, int] = field(default_factory=dict)
    """How many there are of each kind."""
    largest_of: Mapping[str, int] = field(default_factory=dict)
    """Each table to the largest statement among its rows, in bytes."""


class ScriptSource(Protocol):
    """A script that can be read in parts. Every method raises DamagedArchive where it is not whole."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def raw_bytes(self) -> int | None:
        """Bytes of script, decompressed; None where that is not known."""
        ...

    def sections(self, kinds: Collection[SectionKind]) -> Iterator[Section]:
        """Give the sections of these kinds in the order of the file. May run in several threads at once."""
        ...

    def row_tasks(self) -> Iterator[RowTask]:
        """Give all sections of rows in the order of the file, for several workers to load."""
        ...

    def expected_rows(self) -> Mapping[str, int] | None:
        """Each table to the rows it must have; None: not known, as of a plain script before a whole pass."""
        ...

    def scan(self) -> ScriptTotals:
        """Give the totals; of a plain script by passing over the file once."""
        ...
