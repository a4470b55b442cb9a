"""Searching large blocks of bytes."""

from __future__ import annotations

from typing import Final

_TRIES: Final = 16
_SPARSE: Final = 128
"""Bytes between two hits below which looking at each costs more than a search for the whole."""


def find(data: bytes | bytearray, pattern: bytes, start: int, *, rare: int) -> int:
    """Give where `pattern` is first at or behind `start`, -1: nowhere; as `data.find` does, but faster.

    The pattern has two bytes or more. `rare` is the index of one that is expected to be rare in the data: one
    byte is found at memory's speed, two at 1 GB/s (CPython 3.11). Where it is not rare, all are searched.
    """
    byte = pattern[rare : rare + 1]
    beside = -1 if rare else 1
    expected = pattern[rare + beside]
    first = start + rare
    end = len(data) - len(pattern) + rare + 1
    hit = data.find(byte, first, end)
    while hit >= 0:
        for _ in range(_TRIES):
            # its neighbour is compared before the whole: this loop is where the time goes
            if data[hit + beside] == expected and data.startswith(pattern, hit - rare):
                return hit - rare
            hit = data.find(byte, hit + 1, end)
            if hit < 0:
                return -1
        if hit - first < _TRIES * _SPARSE:
            return data.find(pattern, hit - rare)
        first = hit
    return -1
