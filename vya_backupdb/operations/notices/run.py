"""A run of backups with what surrounds it: the monitor hears that it begins, hooks run, people are told.

Only a `before` hook can make a run fail. All else that goes wrong here is a warning of the run and in the
log, and changes no exit status.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from vya_backupdb.config.models import Config
from vya_backupdb.errors import HookFailed
from vya_backupdb.model import Finding, Severity
from vya_backupdb.operations.notices.hooks import run_hook
from vya_backupdb.operations.notices.ping import Signal
from vya_backupdb.operations.notices.report import Report, Told
from vya_backupdb.operations.notices.tell import tell, tell_monitor, why
from vya_backupdb.operations.notices.text import named

_HURRY: Final = 30.0
"""Seconds for all hooks together where a signal ends the run; systemd kills after 90."""


@dataclass
class Surrounded:
    """A run of backups, and what goes on around it."""

    config: Config
    instances: tuple[str, ...]
    report: Callable[[], Report]
    """What the run has come to so far."""
    written: Callable[[Mapping[str, object]], str]
    """A document as JSON."""
    pings: bool
    """Whether this is a run that the monitor waits for."""
    refused: HookFailed | None = None
    """Why nothing is to be done: a `before` hook failed."""
    warnings: list[Finding] = field(default_factory=list)
    """What went wrong around the run; complete when it has ended."""

    def begin(self) -> None:
        """Let the monitor know, then run the `before` hooks up to the first that fails."""
        if self.pings:
            self.warnings += tell_monitor(self.config, "start")
        for name, argv in _named("before", self.config.hooks.before):
            try:
                run_hook(name, argv, self._document("before"), self._limit)
            except HookFailed as error:
                self.refused = error
                return

    def end(self, error: BaseException | None = None) -> None:
        """Run the other hooks, then tell who is to be told; `error` ended the run before its time."""
        hurry = time.monotonic() + _HURRY if error is not None and not isinstance(error, Exception) else None
        ended_by = None if error is None else why(error)
        report = self.report()
        is_failure = ended_by is not None or bool(report.failures)
        for event in ("after", "on_failure") if is_failure else ("after",):
            self._run(event, ended_by, hurry)
        own = [Told.of("", warning) for warning in self.warnings]
        report = replace(report, warnings=(*report.warnings, *own))
        subject = f"backup of {named(self.instances)}"
        signal: Signal = "fail" if is_failure else "success"
        self.warnings += tell(self.config, subject, report, ended_by, signal if self.pings else None)

    # ------------------------------------------------------------------ hooks

    @property
    def _limit(self) -> float:
        return self.config.hooks.timeout.total_seconds()

    def _run(self, event: str, ended_by: Told | None, hurry: float | None) -> None:
        """Run all the hooks of an event, until the moment `hurry` at the latest."""
        for name, argv in _named(event, getattr(self.config.hooks, event)):
            limit = self._limit if hurry is None else max(0.0, min(self._limit, hurry - time.monotonic()))
            try:
                run_hook(name, argv, self._document(event, ended_by), limit)
            except HookFailed as error:
                self.warnings.append(Finding(Severity.WARNING, error.what, cure=error.cure))

    def _document(self, event: str, ended_by: Told | None = None) -> bytes:
        report = self.report()
        facts: dict[str, object] = {
            "event": event,
            "host": self.config.storage.hostname,
            "instances": self.instances,
            "ok": None if event == "before" else not (ended_by or report.failures),
            "error": ended_by.what if ended_by else None,
        }
        return self.written({**facts, **report.document}).encode("utf-8", "backslashreplace")


@contextmanager
def surrounded(run: Surrounded) -> Iterator[None]:
    """Do a block as that run."""
    try:
        run.begin()
        yield
    except BaseException as error:
        run.end(error)
        raise
    run.end()


def _named(event: str, commands: tuple[tuple[str, ...], ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for index, argv in enumerate(commands):
        yield f"hooks.{event}[{index}]", argv
