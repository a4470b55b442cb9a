"""Execute a script's sections on a server: schema in one session, rows in several, then what follows."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from vya_backupdb.archive.script import RowTask
from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.engines.base import Engine, Session
from vya_backupdb.errors import StatementFailed, VerificationError
from vya_backupdb.log import get_logger
from vya_backupdb.model import Section, SectionKind, Statement
from vya_backupdb.operations.failed import Numbered
from vya_backupdb.operations.post import PostLoader, PostReport
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.sessions import Sessions

log = get_logger(__name__)

_PREPARED = 16 << 20
"""Bytes of a section above which its statements, which are copies, are made one at a time."""

_SESSIONS_PER_READER = 4
"""A thread that decompresses and takes apart is many times faster than a server takes rows."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A section on its way from the file to a session, taken apart while the server works on others."""

    section: Section
    """Without its body where its statements were made: they hold what they need of it."""
    size: int
    """Bytes of its body."""
    statements: tuple[Statement, ...] | None
    """None for a large one."""


_Waiting = queue.Queue[Future[_Prepared] | None]
"""None tells a worker that there are no more."""


@dataclass
class LoadReport:
    """What a load did."""

    rows: Counter[str] = field(default_factory=Counter)
    """Table to rows that the server says it took."""
    notices: list[str] = field(default_factory=list)
    """What was left out on purpose, once each."""
    post: PostReport = field(default_factory=PostReport)


class Loader:
    """Loads one script into one database over up to `jobs` sessions, each of which replays the header."""

    def __init__(
        self,
        engine: Engine,
        open_session: Callable[[], Session],
        source: ScriptSource,
        *,
        answers: Callable[[], bool],
        jobs: int,
        progress: Progress,
        stop_on_error: bool = False,
        enable_events: bool = True,
    ) -> None:
        self._engine = engine
        self._source = source
        self._jobs = jobs
        self._progress = progress
        self._report = LoadReport()
        self._lock = threading.Lock()
        self._done_bytes = 0
        self._sessions = Sessions(engine, open_session, source, answers)
        self._post = PostLoader(
            engine,
            source,
            self._sessions,
            jobs=jobs,
            stop_on_error=stop_on_error,
            enable_events=enable_events,
        )

    def load_rows(self) -> None:
        """Load all up to the end of the rows. Raises RestoreError at the first failure.

        Raises VerificationError where the server took other numbers of rows than were backed up.
        """
        log.info("restore phase", phase="schema")
        with self._sessions.open() as session:
            for section in self._source.sections({SectionKind.SCHEMA}):
                self._execute_all(session, self._prepare(section))
            session.commit()
        log.info("restore phase", phase="rows", sessions=self._jobs)
        self._load_rows()
        self._check_rows()

    def load_post(self) -> None:
        """Execute what follows the rows, but for what acts by itself.

        Raises StatementFailed as PostLoader.load does.
        """
        log.info("restore phase", phase="what follows the rows")
        with self._telling_what_is_there():
            self._post.load()

    def retry(self, ordinals: Collection[int]) -> None:
        """Execute only these statements after the rows, which failed before. Raises as `load_post` does."""
        with self._telling_what_is_there():
            self._post.retry(ordinals)

    def pass_over(self) -> None:
        """Take it for loaded by an earlier run."""
        self._post.pass_over()

    def activate(self) -> LoadReport:
        """Let act what acts by itself. Raises StatementFailed as `load_post` does."""
        log.info("restore phase", phase="what acts by itself")
        with self._telling_what_is_there():
            self._post.activate()
        return self.report()

    def leave(self) -> LoadReport:
        """Let nothing act that acts by itself."""
        self._post.leave()
        return self.report()

    def report(self) -> LoadReport:
        """Tell what was done up to now."""
        self._report.post = self._post.report
        self._report.notices = self._sessions.notices
        return self._report

    @property
    def wakes_events(self) -> bool:
        """Whether events wait that may act on any database of the server."""
        return self._post.wakes_events

    @contextmanager
    def _telling_what_is_there(self) -> Iterator[None]:
        try:
            yield
        except StatementFailed as error:
            error.cure = "all rows are there, and what stands before that statement in the script"
            raise

    def rows_verified(self) -> bool:
        """Whether the source knows how many rows each table must have."""
        return self._source.expected_rows() is not None

    # ------------------------------------------------------------------ rows

    def _load_rows(self) -> None:
        """Let the workers take sections from a short queue, so that memory stays bounded."""
        waiting: _Waiting = queue.Queue(maxsize=1)
        readers = ThreadPoolExecutor(-(-self._jobs // _SESSIONS_PER_READER), thread_name_prefix="read")
        pool = ThreadPoolExecutor(self._jobs + 1, thread_name_prefix="load")
        with readers, pool, self._sessions.threads():
            workers = [pool.submit(self._row_worker, waiting) for _ in range(self._jobs)]
            feeder = pool.submit(self._feed_rows, waiting, readers)
            self._sessions.wait_for([feeder, *workers])

    def _feed_rows(self, waiting: _Waiting, readers: ThreadPoolExecutor) -> None:
        """Let sections be read and decompressed while the server works on those before them."""
        with self._sessions.open() as in_order:
            for task in self._source.row_tasks():
                if task.sequential:
                    self._load_section(in_order, self._prepare(task.read()))
                else:
                    self._put(waiting, readers.submit(self._read, task))
        for _ in range(self._jobs):
            self._put(waiting, None)

    def _read(self, task: RowTask) -> _Prepared:
        return self._prepare(task.read())

    def _prepare(self, section: Section) -> _Prepared:
        size = len(section.body)
        if size > _PREPARED:
            return _Prepared(section, size, None)
        return _Prepared(replace(section, body=b""), size, tuple(self._engine.statements(section)))

    def _put(self, waiting: _Waiting, item: Future[_Prepared] | None) -> None:
        while True:
            self._sessions.check_stop()
            try:
                waiting.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def _row_worker(self, waiting: _Waiting) -> None:
        with self._sessions.open() as session:
            while True:
                self._sessions.check_stop()
                try:
                    prepared = waiting.get(timeout=0.2)
                except queue.Empty:
                    continue
                if prepared is None:
                    return
                self._load_section(session, prepared.result())
                del prepared  # not kept while the next one is waited for

    def _load_section(self, session: Session, prepared: _Prepared) -> None:
        section = prepared.section
        rows = self._sessions.retry(lambda: self._execute_all(session, prepared))
        session.commit()
        with self._lock:
            if section.object is not None:
                self._report.rows[section.object] += rows
            self._done_bytes += prepared.size
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

    # ------------------------------------------------------------------ statements

    def _execute_all(self, session: Session, prepared: _Prepared) -> int:
        rows = 0
        section = prepared.section
        statements: Iterable[Statement] | None = prepared.statements
        if statements is None:
            statements = self._engine.statements(section)
        for number, statement in enumerate(statements, start=1):
            try:
                rows += self._sessions.execute(session, statement)
            except StatementFailed as error:
                error.what += f" ({Numbered(statement, number, section)})"
                raise
        return rows
