"""The threads of a load end with it, whenever it is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import pytest

from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.engines.base import Engine, Session
from vya_backupdb.errors import StatementFailed
from vya_backupdb.operations.load import Loader
from vya_backupdb.operations.progress import NoProgress
from vya_backupdb.operations.sessions import Sessions


class Nothing:
    """A script without anything in it, and a session in which nothing happens."""

    def sections(self, kinds: object) -> tuple[()]:
        return ()

    def row_tasks(self) -> tuple[()]:
        return ()

    def cancel(self) -> None: ...

    def commit(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.timeout(30)
def test_an_interruption_while_threads_are_started_ends_those_that_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted(ThreadPoolExecutor):
        def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
            if work.__name__ == "_feed_rows":
                raise KeyboardInterrupt
            return super().submit(work, *given, **named)

    monkeypatch.setattr("vya_backupdb.operations.load.ThreadPoolExecutor", Interrupted)
    source, session = cast("ScriptSource", Nothing()), cast("Session", Nothing())
    loader = Loader(
        cast("Engine", None),
        lambda: session,
        source,
        jobs=2,
        progress=NoProgress(),
        answers=lambda: True,
    )
    with pytest.raises(KeyboardInterrupt):
        loader.load_rows()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("load")]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "time", range(20)
)  # futures are kept in sets, whose order is that of their addresses
def test_of_several_failures_the_one_that_stopped_the_others_is_told(time: int) -> None:
    cancelled = threading.Event()

    class Cancelled(Nothing):
        cancel = staticmethod(cancelled.set)

    source, session = cast("ScriptSource", Nothing()), cast("Session", Cancelled())
    sessions = Sessions(cast("Engine", None), lambda: session, source, lambda: True)

    def works() -> None:
        with sessions.open():
            assert cancelled.wait(30)
            raise StatementFailed("canceling statement due to user request")

    def fails() -> None:
        raise StatementFailed("out of memory")

    with ThreadPoolExecutor() as pool, pytest.raises(StatementFailed, match="out of memory"):
        sessions.wait_for([pool.submit(work) for work in (works, works, fails, works)])
