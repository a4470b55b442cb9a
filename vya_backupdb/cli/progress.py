"""Progress of a long operation, drawn on stderr where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vya_backupdb.cli.render import is_terminal, printable
from vya_backupdb.operations.progress import NoProgress, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars


class _Drawn:
    """One bar for each subject: bytes of script, rate, share of the estimate, table in work.

    Bars are drawn only while something is in work: as long as they are, rich reads what is written to stderr,
    and a question loses what looks like its markup, as `[y/N]`.
    """

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = bars.add_task("", visible=False)
        self._subject = ""

    def begin(self, subject: str, expected_bytes: int | None) -> None:
        """Draw a new bar."""
        self._subject = printable(subject)
        self._bars.remove_task(self._task)
        self._task = self._bars.add_task(self._subject, total=expected_bytes)
        self._bars.start()

    def advance(self, raw_bytes: int, detail: str | None) -> None:
        """Move the bar. An estimate that was too low grows with what is done."""
        total = self._bars.tasks[-1].total
        self._bars.update(
            self._task,
            completed=raw_bytes,
            total=max(total, raw_bytes) if total is not None else None,
            description=f"{self._subject} {printable(detail)}" if detail else self._subject,
        )

    def end(self) -> None:
        """Take the bar away: the report follows."""
        self._bars.update(self._task, visible=False)
        self._bars.stop()


@contextmanager
def watched(*, quiet: bool = False) -> Iterator[Progress]:
    """Give something that draws where stderr is a terminal, else nothing."""
    if quiet or not is_terminal(sys.stderr):
        yield NoProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    console = Console(stderr=True)
    bars = Bars(
        *columns, console=console, transient=True, refresh_per_second=4, disable=not console.is_interactive
    )
    try:
        yield _Drawn(bars)
    finally:
        bars.stop()
