"""Execute what follows the rows: indexes and constraints side by side, all else in order, events last."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count

from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.engines.base import Engine, Session
from vya_backupdb.errors import StatementFailed
from vya_backupdb.log import get_logger
from vya_backupdb.model import SectionKind, Statement
from vya_backupdb.operations.failed import FailedStatement, Numbered, is_setting
from vya_backupdb.operations.sessions import Sessions

log = get_logger(__name__)


@dataclass
class PostReport:
    """What came of the statements after the rows."""

    failed: list[FailedStatement] = field(default_factory=list)
    """Those that failed; the rest was executed."""
    to_do: list[Statement | FailedStatement] = field(default_factory=list)
    """The same, and among them the settings in the script's order that they may depend on."""


class PostLoader:
    """Executes the post sections of one script, over up to `jobs` sessions."""

    def __init__(
        self,
        engine: Engine,
        source: ScriptSource,
        sessions: Sessions,
        *,
        jobs: int,
        stop_on_error: bool,
        enable_events: bool,
    ) -> None:
        self._engine = engine
        self._source = source
        self._sessions = sessions
        self._jobs = jobs
        self._stop_on_error = stop_on_error
        self._enable_events = enable_events
        self._lock = threading.Lock()
        self.report = PostReport()
        self._afterwards: list[Numbered] = []
        """What makes events and event triggers act, with its settings."""
        self._settings: list[Statement] = []
        """Those of the script, in order."""

    @property
    def wakes_events(self) -> bool:
        """Whether events wait that may act on any database of the server."""
        return any(
            not numbered.statement.last and not is_setting(numbered.statement)
            for numbered in self._afterwards
        )

    def load(self) -> None:
        """Run neighbours of one parallel class side by side, all else alone and in order.

        What acts by itself waits for `activate`. Raises StatementFailed at the first failure with
        `stop_on_error`, else only for a lost connection.
        """
        batch: list[Numbered] = []
        with self._sessions.open() as session:
            for numbered in self._statements():
                statement = numbered.statement
                if batch and statement.parallel != batch[0].statement.parallel:
                    self._run_batch(session, batch)
                    batch = []
                self._keep(numbered)
                if statement.last:
                    continue
                if statement.parallel is not None:
                    batch.append(numbered)
                else:
                    self._try(session, numbered)
            self._run_batch(session, batch)
            session.commit()

    def retry(self, ordinals: Collection[int]) -> None:
        """Execute only these statements, which failed before, and the settings that they may depend on.

        Raises StatementFailed as `load` does.
        """
        self.report = PostReport()
        with self._sessions.open() as session:
            for numbered in self._statements():
                if numbered.ordinal in ordinals or is_setting(numbered.statement):
                    self._try(session, numbered)
            session.commit()

    def pass_over(self) -> None:
        """Execute nothing: an earlier run has loaded it, up to what acts by itself."""
        for numbered in self._statements():
            self._keep(numbered)

    def activate(self) -> None:
        """Let events and event triggers act, in a session with the settings of the script.

        Raises StatementFailed as `load` does.
        """
        if not self._afterwards:
            return
        with self._sessions.open() as session:
            for statement in self._settings:
                with suppress(StatementFailed):  # told already; a lost connection shows at the next one
                    self._sessions.execute(session, statement)
            for numbered in self._afterwards:
                self._try(session, numbered, of_script=False)
            session.commit()

    def leave(self) -> None:
        """Let nothing act; it belongs to what somebody has to do."""
        self.report.to_do += [numbered.statement for numbered in self._afterwards]

    def _keep(self, numbered: Numbered) -> None:
        """Remember what `activate` needs of a statement."""
        statement = numbered.statement
        if statement.last:
            self._afterwards.append(numbered)
        elif is_setting(statement):
            self._settings.append(statement)
        for text in statement.later:
            self._afterwards += self._later(numbered, text)

    def _statements(self) -> Iterator[Numbered]:
        ordinals = count()
        for section in self._source.sections({SectionKind.POST}):
            where = replace(section, body=b"")  # they may wait long, and bodies are large
            for number, statement in enumerate(self._engine.statements(section), start=1):
                yield Numbered(statement, number, where, next(ordinals))

    def _later(self, numbered: Numbered, text: bytes) -> Iterator[Numbered]:
        """Give what enables an event, and its settings; where that must not be, tell it."""
        later = numbered.followed_by(Statement(text, numbered.statement.offset))
        if self._enable_events:
            yield later
        elif not is_setting(later.statement):
            shown = text.decode("utf-8", "backslashreplace")
            self._sessions.notice(f"an event stays disabled until somebody executes: {shown}")

    def _run_batch(self, session: Session, batch: list[Numbered]) -> None:
        if self._jobs == 1 or len(batch) < 2:
            for numbered in batch:
                self._try(session, numbered)
            return
        remaining = iter(batch)

        def work() -> None:
            with self._sessions.open() as own:
                while True:
                    self._sessions.check_stop()
                    with self._lock:
                        numbered = next(remaining, None)
                    if numbered is None:
                        return
                    self._try(own, numbered)
                    own.commit()

        with ThreadPoolExecutor(self._jobs, thread_name_prefix="load") as pool, self._sessions.threads():
            self._sessions.wait_for([pool.submit(work) for _ in range(min(self._jobs, len(batch)))])

    def _try(self, session: Session, numbered: Numbered, *, of_script: bool = True) -> None:
        """Execute a statement after the rows; a refusal of the server is noted and the rest goes on."""
        statement = numbered.statement
        if is_setting(statement):
            with self._lock:
                self.report.to_do.append(statement)
        try:
            self._sessions.retry(lambda: self._sessions.execute(session, statement))
        except StatementFailed as error:
            error.what += f" ({numbered})"
            if error.connection_lost or self._stop_on_error:
                raise
            log.info("statement refused", error=error.what)  # it may be tried again
            failed = FailedStatement(statement, error.what, numbered.ordinal if of_script else None)
            with self._lock:
                self.report.failed.append(failed)
                self.report.to_do.append(failed)
