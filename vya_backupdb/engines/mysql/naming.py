"""Naming objects in messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MOST: Final = 5


def few(names: Iterable[str]) -> str:
    """Give the first five names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _MOST} more" if len(listed) > _MOST else ""
    return ", ".join(listed[:_MOST]) + more
