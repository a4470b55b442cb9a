"""How often a random fault is tried, and with which seed.

`VYA_FAULTS_FULL=1` tries the full numbers. Each test prints its seed; `VYA_FAULTS_SEED` repeats it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.conftest import FLAVOURS
from vya_backupdb.model import Flavour

FULL = os.environ.get("VYA_FAULTS_FULL") == "1"
ON_ONE = pytest.mark.parametrize(
    "server", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True
)
"""Where the server has no bearing: on what the store or a tool does."""
_SEED = os.environ.get("VYA_FAULTS_SEED")


def times(*, few: int, full: int) -> int:
    """Give the number of attempts."""
    return full if FULL else few


def dice(name: str, *, few: int, full: int) -> Iterator[tuple[str, random.Random]]:
    """Give so many sources of randomness, each with the text that repeats it alone."""
    for number in range(times(few=few, full=full)):
        seed = _SEED or f"{name}/{number}/{os.urandom(4).hex()}"
        yield f"VYA_FAULTS_SEED={seed}", random.Random(seed)
        if _SEED:
            return


def flavours(some: Flavour) -> list[object]:
    """Give all as parameters, or where only few are tried, one of them."""
    return [pytest.param(f, marks=getattr(pytest.mark, f)) for f in (FLAVOURS if FULL else (some,))]
