"""Execute a script's sections on a server: schema in one session, rows in several, then what follows."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.engines.base import Engine, Session
from vya_backupdb.errors import RestoreError, StatementFailed, VerificationError
from vya_backupdb.log import get_logger
from vya_backupdb.model import Action, Section, SectionKind, Statement
from vya_backupdb.operations.failed import FailedStatement, is_setting
from vya_backupdb.operations.progress import Progress

log = get_logger(__name__)

_Waiting = queue.Queue[Future[Section] | None]
"""Sections on their way from the file to the sessions; None tells a worker that there are no more."""

_MOST_READERS = 2
"""Threads that decompress; each is many times faster than a server takes rows."""

_RETRIES = 5
"""Attempts at a section or statement that the server ended for a deadlock."""


@dataclass
class LoadReport:
    """What a load did."""

    rows: Counter[str] = field(default_factory=Counter)
    """Table to rows that the server says it took."""
    notices: list[str] = field(default_factory=list)
    """What was left out on purpose, once each."""
    failed: list[FailedStatement] = field(default_factory=list)
    """Statements after the rows that failed; the rest was executed."""
    to_do: list[Statement | FailedStatement] = field(default_factory=list)
    """The same, and among them the settings in the script's order that they may depend on."""


class Loader:
    """Loads one script into one database over up to `jobs` sessions, each of which replays the header."""

    def __init__(
        self,
        engine: Engine,
        open_session: Callable[[], Session],
        source: ScriptSource,
        *,
        jobs: int,
        progress: Progress,
    ) -> None:
        self._engine = engine
        self._open_session = open_session
        self._source = source
        self._jobs = jobs
        self._progress = progress
        self._report = LoadReport()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._sessions: list[Session] = []
        self._done_bytes = 0

    def load(self) -> LoadReport:
        """Load all. Raises RestoreError at the first failure before the end of the rows.

        Raises VerificationError where the server took other numbers of rows than were backed up.
        """
        log.info("restore phase", phase="schema")
        with self._session() as session:
            for section in self._source.sections({SectionKind.SCHEMA}):
                self._execute_all(session, section)
            session.commit()
        log.info("restore phase", phase="rows", sessions=self._jobs)
        self._load_rows()
        self._check_rows()
        log.info("restore phase", phase="what follows the rows")
        self._load_post()
        return self._report

    def rows_verified(self) -> bool:
        """Whether the source knows how many rows each table must have."""
        return self._source.expected_rows() is not None

    @contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._open_session()
        with self._lock:
            self._sessions.append(session)
        try:
            for section in self._source.sections({SectionKind.HEADER}):
                for statement in self._engine.statements(section):
                    self._execute(session, statement)
            yield session
        finally:
            with self._lock:
                self._sessions.remove(session)
            session.close()

    # ------------------------------------------------------------------ rows

    def _load_rows(self) -> None:
        """Let the workers take sections from a short queue, so that memory stays bounded."""
        waiting: _Waiting = queue.Queue(maxsize=1)
        readers = ThreadPoolExecutor(min(self._jobs, _MOST_READERS), thread_name_prefix="read")
        with readers, ThreadPoolExecutor(self._jobs + 1, thread_name_prefix="load") as pool:
            workers = [pool.submit(self._row_worker, waiting) for _ in range(self._jobs)]
            feeder = pool.submit(self._feed_rows, waiting, readers)
            self._await([feeder, *workers])

    def _feed_rows(self, waiting: _Waiting, readers: ThreadPoolExecutor) -> None:
        """Let sections be read and decompressed while the server works on those before them."""
        with self._session() as in_order:
            for task in self._source.row_tasks():
                if task.sequential:
                    self._load_section(in_order, task.read())
                else:
                    self._put(waiting, readers.submit(task.read))
        for _ in range(self._jobs):
            self._put(waiting, None)

    def _put(self, waiting: _Waiting, item: Future[Section] | None) -> None:
        while True:
            self._check_stop()
            try:
                waiting.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def _row_worker(self, waiting: _Waiting) -> None:
        with self._session() as session:
            while True:
                self._check_stop()
                try:
                    section = waiting.get(timeout=0.2)
                except queue.Empty:
                    continue
                if section is None:
                    return
                self._load_section(session, section.result())

    def _load_section(self, session: Session, section: Section) -> None:
        rows = self._retry(lambda: self._execute_all(session, section))
        session.commit()
        with self._lock:
            if section.object is not None:
                self._report.rows[section.object] += rows
            self._done_bytes += len(section.body)
            self._progress.advance(self._done_bytes, section.object)

    def _check_rows(self) -> None:
        expected = self._source.expected_rows()
        if expected is None:
            return
        wrong = [
            f"{table}: {self._report.rows[table]:,} rows of {count:,}"
            for table, count in expected.items()
            if self._report.rows[table] != count
        ]
        if wrong:
            more = f" and {len(wrong) - 5} more tables" if len(wrong) > 5 else ""
            raise VerificationError(
                "the server took other numbers of rows than were backed up: " + "; ".join(wrong[:5]) + more,
                cure="the target is incomplete, nothing that follows the rows was executed",
            )

    # ------------------------------------------------------------------ after the rows

    def _load_post(self) -> None:
        """Run neighbours of one parallel class side by side, all else alone and in order."""
        afterwards: list[Statement] = []
        batch: list[Statement] = []
        with self._session() as session:
            for statement in self._post_statements():
                if batch and statement.parallel != batch[0].parallel:
                    self._run_batch(session, batch)
                    batch = []
                if statement.last:
                    afterwards.append(statement)
                elif statement.parallel is not None:
                    batch.append(statement)
                else:
                    self._try(session, statement)
                if statement.later is not None:
                    afterwards.append(Statement(statement.later, statement.offset))
            self._run_batch(session, batch)
            session.commit()
            for statement in afterwards:
                self._try(session, statement)
            session.commit()

    def _post_statements(self) -> Iterator[Statement]:
        for section in self._source.sections({SectionKind.POST}):
            yield from self._engine.statements(section)

    def _run_batch(self, session: Session, batch: list[Statement]) -> None:
        if self._jobs == 1 or len(batch) < 2:
            for statement in batch:
                self._try(session, statement)
            return
        remaining = iter(batch)

        def work() -> None:
            with self._session() as own:
                while True:
                    self._check_stop()
                    with self._lock:
                        statement = next(remaining, None)
                    if statement is None:
                        return
                    self._try(own, statement)
                    own.commit()

        with ThreadPoolExecutor(self._jobs, thread_name_prefix="load") as pool:
            self._await([pool.submit(work) for _ in range(min(self._jobs, len(batch)))])

    def _try(self, session: Session, statement: Statement) -> None:
        """Execute a statement after the rows; a refusal of the server is noted and the rest goes on."""
        if is_setting(statement):
            with self._lock:
                self._report.to_do.append(statement)
        try:
            self._retry(lambda: self._execute(session, statement))
        except StatementFailed as error:
            if error.connection_lost:
                raise
            log.error("statement failed", error=error.what)
            failed = FailedStatement(statement, error.what)
            with self._lock:
                self._report.failed.append(failed)
                self._report.to_do.append(failed)

    # ------------------------------------------------------------------ statements

    def _execute_all(self, session: Session, section: Section) -> int:
        rows = 0
        for number, statement in enumerate(self._engine.statements(section), start=1):
            try:
                rows += self._execute(session, statement)
            except StatementFailed as error:
                of = f" of {section.object}" if section.object else ""
                error.what += f" (statement {number:,} of its section of {section.kind}{of},"
                error.what += f" at byte {statement.offset:,})"
                raise
        return rows

    def _execute(self, session: Session, statement: Statement) -> int:
        if statement.action is Action.REFUSE:
            raise RestoreError(
                f"refused to execute: {statement.reason}", cure="remove the statement from the script"
            )
        if statement.action is Action.SKIP:
            if statement.reason:
                self._notice(statement.reason)
            return 0
        return session.execute(statement)

    def _notice(self, text: str) -> None:
        with self._lock:
            if text not in self._report.notices:
                self._report.notices.append(text)

    def _retry(self, act: Callable[[], int]) -> int:
        for attempt in range(1, _RETRIES + 1):
            try:
                return act()
            except StatementFailed as error:
                if not error.retryable or attempt == _RETRIES:
                    raise
                log.debug("retrying after a deadlock", attempt=attempt)
                time.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    # ------------------------------------------------------------------ threads

    def _await(self, futures: Iterable[Future[None]]) -> None:
        """Wait for all; at the first failure or interruption stop the others, and raise it."""
        waiting = set(futures)
        try:
            done, pending = wait(waiting, return_when=FIRST_EXCEPTION)
            if pending or any(future.exception() for future in done):
                self._halt()
                wait(pending)
        except BaseException:
            self._halt()
            raise
        failures = [error for future in waiting if (error := future.exception())]
        real = [error for error in failures if not isinstance(error, _StopError)]
        if failures:
            raise (real or failures)[0]

    def _halt(self) -> None:
        self._stop.set()
        with self._lock:
            sessions = list(self._sessions)
        # a server that hangs lets each of them wait for its own time limit
        threads = [threading.Thread(target=session.cancel, daemon=True) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise _StopError


class _StopError(Exception):
    """Another thread of the load has failed."""
