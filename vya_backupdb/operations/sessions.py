"""The sessions of one load: each has replayed the script's header, and all end when one fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager

from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.engines.base import Engine, Session
from vya_backupdb.errors import RestoreError, StatementFailed
from vya_backupdb.log import get_logger
from vya_backupdb.model import Action, SectionKind, Statement
from vya_backupdb.operations.watching import Watch

log = get_logger(__name__)

_RETRIES = 5
"""Attempts at a section or statement that the server ended for a deadlock."""


_GIVEN_UP = "the server does not answer any more, and was given up"
_LOOK_AT = "look at the server, and at the network in between"


class Sessions:
    """Opens sessions for the threads of a load, and executes statements in them."""

    def __init__(
        self,
        engine: Engine,
        open_session: Callable[[], Session],
        source: ScriptSource,
        answers: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._open_session = open_session
        self._source = source
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._sessions: list[Session] = []
        self._watch = Watch(answers, self._halt)
        self.notices: list[str] = []
        """What was left out on purpose, once each."""

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Give another session, in which the header has been executed."""
        session = self._open_session()
        with self._lock:
            self._sessions.append(session)
        try:
            with self._watch.on(), self._telling_of_silence():
                for section in self._source.sections({SectionKind.HEADER}):
                    for statement in self._engine.statements(section):
                        self.execute(session, statement)
                yield session
        finally:
            with self._lock:
                self._sessions.remove(session)
            session.close()

    def execute(self, session: Session, statement: Statement) -> int:
        """Do with a statement what its action says, and give the rows that it took."""
        if statement.action is Action.REFUSE:
            raise RestoreError(
                f"refused to execute: {statement.reason}", cure="remove the statement from the script"
            )
        if statement.action is Action.SKIP:
            if statement.reason:
                self.notice(statement.reason)
            return 0
        rows = session.execute(statement)
        self._watch.sign_of_life()
        return rows

    @contextmanager
    def _telling_of_silence(self) -> Iterator[None]:
        """Say so of an error that comes of giving up a server that does not answer."""
        try:
            yield
        except StatementFailed as error:
            if self._watch.given_up:
                error.what = f"{_GIVEN_UP}: {error.what}"
                error.cure = _LOOK_AT
            raise

    def notice(self, text: str) -> None:
        """Keep what the report must say, once."""
        with self._lock:
            if text not in self.notices:
                self.notices.append(text)

    def retry(self, act: Callable[[], int]) -> int:
        """Do it again where the server ended it for a deadlock."""
        for attempt in range(1, _RETRIES + 1):
            try:
                return act()
            except StatementFailed as error:
                if not error.retryable or attempt == _RETRIES:
                    raise
                log.debug("retrying after a deadlock", attempt=attempt)
                time.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    # ------------------------------------------------------------------ its threads

    @contextmanager
    def threads(self) -> Iterator[None]:
        """Stop the threads that the block starts and waits for where it is interrupted, wherever that is.

        A pool's own end would wait for them, and they may wait for one that was not started.
        """
        try:
            yield
        except BaseException:
            self._halt()
            raise

    def wait_for(self, futures: Iterable[Future[None]]) -> None:
        """Wait for all; at the first failure stop the others, and raise it."""
        done, pending = wait(set(futures), return_when=FIRST_EXCEPTION)
        if pending or any(future.exception() for future in done):
            self._halt()
            wait(pending)
        # the cause first: the statements of the others fail because they are cancelled
        failures = [error for future in (*done, *pending) if (error := future.exception())]
        real = [error for error in failures if not isinstance(error, _StopError)]
        if self._watch.given_up and not real:  # no session was at work: they waited for the file
            raise RestoreError(_GIVEN_UP, cure=_LOOK_AT)
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

    def check_stop(self) -> None:
        """End this thread where another one has failed."""
        if self._stop.is_set():
            raise _StopError


class _StopError(Exception):
    """Another thread of the load has failed."""
