"""Durations and sizes as people write them: `5m`, `1h30m`, `10%`, `2GiB`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 604800),
}
_DURATION_PART = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]+)", re.ASCII)
LONGEST = timedelta(days=365)
"""The longest duration taken: MySQL's lock_wait_timeout ends there too (31536000 s)."""

# As in coreutils: `G` and `GiB` are 1024**3, `GB` is 1000**3.
_BYTES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", start=1):
    _BYTES[_letter] = _BYTES[_letter + "ib"] = 1024**_power
    _BYTES[_letter + "b"] = 1000**_power
_SIZE = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([a-z]{0,3}|%)\s*", re.ASCII | re.IGNORECASE)


def parse_duration(text: str) -> timedelta:
    """Read `60s`, `5m`, `1h30m`, `1.5h`, `2d`. Raises ValueError, also where it is not above zero."""
    seconds = 0.0
    position = 0
    while position < len(text.rstrip()) or not position:
        part = _DURATION_PART.match(text, position)
        if part is None or part[2] not in _SECONDS:
            raise ValueError("not a duration: write a number with a unit, as 30s, 5m, 1h30m or 2d")
        seconds += float(part[1]) * _SECONDS[part[2]]
        position = part.end()
    if seconds <= 0:
        raise ValueError("a duration must be longer than nothing, as 30s, 5m, 1h30m or 2d")
    if seconds > LONGEST.total_seconds():
        raise ValueError("longer than a year (365d)")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads the same."""
    seconds = duration.total_seconds()
    text = ""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        count, seconds = divmod(seconds, length)
        text += f"{int(count)}{unit}" if count else ""
    return text + (f"{seconds:.9g}s" if seconds or not text else "")


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes, or a share of something in percent."""

    bytes: int = 0
    percent: float | None = None

    def of(self, total: int) -> int:
        """Give the bytes, where a share is one of `total` bytes."""
        return self.bytes if self.percent is None else int(total * self.percent / 100)

    def __str__(self) -> str:
        return str(self.bytes) if self.percent is None else f"{self.percent:g}%"


def parse_size(text: str) -> Size:
    """Read `10%`, `2GiB`, `500MB`, `2G` (as GiB), `1024`. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    unit = found[2].lower() if found else ""
    if found is None or (unit != "%" and unit not in _BYTES):
        raise ValueError("not a size: write bytes, a number with a unit (500MB, 2GiB), or a share (10%)")
    number = float(found[1])
    if unit == "%":
        if number >= 100:
            raise ValueError("a share must be below 100%")
        return Size(percent=number)
    whole = found[1] if "." not in found[1] else None
    return Size(int(whole) * _BYTES[unit] if whole else int(number * _BYTES[unit]))
