"""A watch over a server that is silent for long: it works, or hangs, or the network swallows everything.

A statement may take hours (an index, a foreign key), and whether the server still works on it cannot be seen
from its connection: keep-alive packets are answered by the kernel of a machine whose server hangs. So another
connection is opened now and then, as an administrator would; where none answers, the server is given up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from vya_backupdb.log import get_logger

log = get_logger(__name__)

LOOK: Final = 60.0
"""Seconds without any end of a statement after which the server is asked, and between two questions."""

_MISSES: Final = 3
"""Questions in a row without an answer: a machine that is out of breath for a minute gets over it."""


class Watch:
    """Asks from a thread of its own, as long as a block `on` lasts; `give_up` is called at most once."""

    def __init__(self, answers: Callable[[], bool], give_up: Callable[[], None]) -> None:
        self._answers = answers
        self._give_up = give_up
        self._guard = threading.Lock()
        self._blocks = 0
        self._over = threading.Event()
        self._sign = 0.0
        self.given_up = False

    def sign_of_life(self) -> None:
        """Tell that the server has answered."""
        self._sign = time.monotonic()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Watch while the block lasts; blocks of several threads are one watch."""
        with self._guard:
            self._blocks += 1
            if self._blocks == 1:
                self._over = threading.Event()
                self.sign_of_life()
                threading.Thread(target=self._watch, args=(self._over,), name="watch", daemon=True).start()
        try:
            yield
        finally:
            with self._guard:
                self._blocks -= 1
                if not self._blocks:
                    self._over.set()

    def _watch(self, over: threading.Event) -> None:
        misses = 0
        while not over.wait(LOOK):
            if time.monotonic() - self._sign < LOOK or self._answers():
                misses = 0
                continue
            misses += 1
            log.warning("the server does not answer", questions=misses)
            if misses == _MISSES and not over.is_set():
                self.given_up = True
                self._give_up()
                return
