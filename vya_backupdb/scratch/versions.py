"""Which server a backup can be restored into: of its own version, else a newer one, never an older."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vya_backupdb.errors import ScratchError
from vya_backupdb.model import Flavour
from vya_backupdb.scratch.binaries import Binaries, find_binaries

_SERIES: Final[dict[Flavour, int]] = {"mysql": 2, "mariadb": 2, "postgresql": 1}
"""How many of a version's numbers name the series within which backups come and go (9.7, 11.8, 17)."""


def series(flavour: Flavour, version: tuple[int, ...]) -> tuple[int, ...]:
    """Give the part of a version that decides."""
    return version[: _SERIES[flavour]]


def fitting(flavour: Flavour, version: tuple[int, ...]) -> Binaries:
    """Give the newest installed server of the version's series, else of the nearest newer one.

    Raises ScratchError where there is none.
    """
    wanted, found = series(flavour, version), find_binaries(flavour)
    newer = {_of(each) for each in found if _of(each) >= wanted}
    if newer:
        return next(each for each in found if _of(each) == min(newer))
    there = f"there are only older ones ({_named(found)})" if found else "there is none"
    raise ScratchError(
        f"no {flavour} server {'.'.join(map(str, wanted))} or newer is installed here: {there}",
        cure="install its server programs (no service is needed), or drill with --engine docker",
    )


def _of(binaries: Binaries) -> tuple[int, ...]:
    return series(binaries.flavour, binaries.version_number)


def _named(found: Sequence[Binaries]) -> str:
    return ", ".join(each.version for each in found)
