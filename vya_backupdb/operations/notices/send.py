"""Tell several at once, and wait for none longer than a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping


class NotSent(Exception):
    """Somebody could not be told; the text holds nothing of an address that is secret."""


def send_all(works: Mapping[str, Callable[[], None]], seconds: float) -> dict[str, str]:
    """Do each work in a thread of its own and give, by name, why it did not succeed in time.

    No timeout of a socket bounds the resolution of a name, or an answer that comes byte by byte: a thread
    that is late is left behind, and ends with the process.
    """
    failed: dict[str, str] = {}
    deadline = time.monotonic() + seconds

    def attempt(name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except NotSent as error:
            failed[name] = str(error)
        except Exception as error:  # of a library that knows a hundred services; its text may hold secrets
            failed[name] = f"unexpected fault: {type(error).__name__}"

    threads = {
        name: threading.Thread(target=attempt, args=(name, work), name=name, daemon=True)
        for name, work in works.items()
    }
    for thread in threads.values():
        thread.start()
    reasons: dict[str, str | None] = {}
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        reasons[name] = f"no answer within {seconds:g} s" if thread.is_alive() else failed.get(name)
    return {name: reason for name, reason in reasons.items() if reason is not None}
