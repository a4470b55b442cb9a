"""When a silent server is given up; no server."""

import threading

import pytest

from vya_backupdb.operations import watching
from vya_backupdb.operations.watching import Watch


class Server:
    """One that answers so often, then never."""

    def __init__(self, *answers: bool) -> None:
        self._answers = list(answers)
        self.asked = threading.Event()
        self.times = 0
        self.given_up = threading.Event()

    def answers(self) -> bool:
        self.times += 1
        self.asked.set()
        return self._answers.pop(0) if self._answers else False


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK", 0.01)


def end_of_watch() -> None:
    for thread in threading.enumerate():
        if thread.name == "watch":
            thread.join(30)
            assert not thread.is_alive()


def test_a_server_that_misses_three_questions_in_a_row_is_given_up_once() -> None:
    server = Server(False, False, True, False, False, True)
    watch = Watch(server.answers, server.given_up.set)
    with watch.on(), watch.on():
        assert server.given_up.wait(30)
        end_of_watch()
    assert watch.given_up
    assert server.times == 9


def test_a_server_that_shows_life_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    looked = threading.Event()

    def standing_still() -> float:
        looked.set()
        return 7.0

    watch = Watch(server.answers, server.given_up.set)
    monkeypatch.setattr(watching.time, "monotonic", standing_still)
    with watch.on():
        looked.clear()
        assert looked.wait(30)
    end_of_watch()
    assert server.times == 0


def test_nobody_is_asked_after_the_last_block() -> None:
    server = Server(*[True] * 100_000)
    watch = Watch(server.answers, server.given_up.set)
    with watch.on():
        assert server.asked.wait(30)
    end_of_watch()
    assert not watch.given_up
