r"""The rows of a COPY block in text format: where they end, and where they may be cut.

A newline in a value is written `\n`, so every newline ends a row, and only the end of the block is a line
`\.`. Whole blocks of bytes are searched and counted, never lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vya_backupdb.streams.search import find

CLOSE: Final = b"\\.\n"

_END: Final = b"\n\\.\n"


def find_end(buffer: bytes | bytearray, start: int, resume: int) -> int | None:
    r"""Where the line `\.` is that ends the rows beginning at `start`; None: not in the buffer.

    Before `resume` no end was found, all of whose four bytes were there.
    """
    if buffer[start : start + 3] == CLOSE:
        return start
    found = find(buffer, _END, max(start, resume), rare=1)
    return None if found < 0 else found + 1


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that make a section: those up to `end` in the buffer."""

    end: int
    is_last: bool
    """Whether the line that closes the block follows."""


class RowCutter:
    """Cuts the rows of one block into pieces of at most `limit` bytes, or of one row that is larger.

    The pieces depend on the rows alone, not on how much of them is in the buffer at a time.
    """

    def __init__(self, start: int, limit: int) -> None:
        self._start = start
        self._limit = limit
        self._resume = start
        self._row_resume = 0
        """Where to go on looking for the end of a row that is larger than a piece; 0: no such row."""

    @property
    def start(self) -> int:
        """Where in the buffer the rows begin that were not cut off yet."""
        return self._start

    def shift(self, count: int) -> None:
        """Follow the buffer after its first `count` bytes were taken away."""
        self._start -= count
        self._resume -= count
        self._row_resume = max(0, self._row_resume - count)

    def cut(self, buffer: bytearray) -> Piece | None:
        """Give the next piece; None: more bytes are needed to tell."""
        end = find_end(buffer, self._start, self._resume)
        self._resume = max(self._resume, len(buffer) - 3) if end is None else end - 1
        if end is not None and end - self._start <= self._limit:
            return self._take(end, is_last=True)
        if end is None and len(buffer) < self._start + self._limit + len(CLOSE):
            return None
        cut = 0
        if not self._row_resume:
            cut = buffer.rfind(b"\n", self._start, self._start + self._limit) + 1
        if not cut:
            cut = buffer.find(b"\n", max(self._start + self._limit, self._row_resume)) + 1
            self._row_resume = 0 if cut else len(buffer)
            if not cut or (end is None and len(buffer) < cut + len(CLOSE)):
                return None
        return self._take(cut, is_last=cut == end)

    def _take(self, end: int, *, is_last: bool) -> Piece:
        self._start = end
        self._row_resume = 0
        return Piece(end, is_last)
