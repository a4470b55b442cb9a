"""What a child says on its stderr: judged line by line, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from vya_backupdb.model import Verdict

MOST_LINE: Final = 2000
"""Bytes of a line that are kept; the tools quote whole statements in some messages."""

MOST_WARNINGS: Final = 100
_MOST_FATAL = 20
_LAST_LINES = 3


def harmless(text: str) -> str:
    """Write control and other invisible characters as escapes: the text ends up on terminals and in logs."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text
    )


class ErrorLines:
    """Takes a stream of stderr bytes; keeps the first warnings, the first fatal lines and the last lines."""

    def __init__(self, judge: Callable[[str], Verdict]) -> None:
        self._judge = judge
        self._rest = b""
        self._cut = 0
        """Bytes that the unfinished line has lost so far."""
        self._warnings: list[str] = []
        self._warnings_dropped = 0
        self.fatal: list[str] = []
        self.last: deque[str] = deque(maxlen=_LAST_LINES)
        self.fault: Exception | None = None
        """What the judge itself raised, a fault of ours; the lines are drained all the same."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The first warnings, and a line that says how many more there were."""
        if not self._warnings_dropped:
            return tuple(self._warnings)
        return (*self._warnings, f"and {self._warnings_dropped:,} more warnings, which were not kept")

    def feed(self, data: bytes) -> None:
        """Take the next bytes, however they are cut."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._hold(line)
            self.finish()
        self._hold(rest)

    def finish(self) -> None:
        """Take what is left as a line."""
        line, cut = self._rest.rstrip(), self._cut
        self._rest, self._cut = b"", 0
        if not line:
            return
        text = harmless(line.decode("utf-8", "backslashreplace"))
        self._sort(f"{text} ... [{cut:,} more bytes]" if cut else text)

    def _hold(self, part: bytes) -> None:
        room = MOST_LINE - len(self._rest)
        self._rest += part[:room]
        self._cut += len(part) - len(part[:room])

    def _sort(self, text: str) -> None:
        self.last.append(text)
        try:
            verdict = self._judge(text)
        except Exception as error:  # a child whose stderr is not drained would block for ever
            self.fault = error
            return
        if verdict is Verdict.FATAL:
            if len(self.fatal) < _MOST_FATAL:
                self.fatal.append(text)
        elif verdict is Verdict.WARNING:
            if len(self._warnings) < MOST_WARNINGS:
                self._warnings.append(text)
            else:
                self._warnings_dropped += 1
