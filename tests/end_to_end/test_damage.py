"""A damaged backup is found out, wherever the damage is; or what it holds is what was backed up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

from vya_backupdb.archive.source import open_source
from vya_backupdb.catalog.store import Store
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import Refused, VerificationError
from vya_backupdb.model import SectionKind
from vya_backupdb.operations.choose import Selection, choose

from .conftest import Site

PLACES = 200


def content(file: Path, engine: str) -> bytes:
    """Read all that a restore would execute, as a restore reads it."""
    chosen = choose(Store(file.parent, "here"), Selection(file=file))
    reader = engine_named("postgresql" if engine == "postgresql" else "mysql").reader
    with open_source(chosen.path, reader) as source:
        source.scan()
        return b"".join(section.body for section in source.sections(set(SectionKind)))


def truncated(whole: bytes, dice: random.Random) -> Iterator[bytes]:
    for _ in range(PLACES):
        yield whole[: dice.randrange(len(whole))]


def flipped(whole: bytes, dice: random.Random) -> Iterator[bytes]:
    for _ in range(PLACES):
        damaged = bytearray(whole)
        damaged[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        yield bytes(damaged)


@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
@pytest.mark.parametrize("damage", [truncated, flipped])
@pytest.mark.parametrize("metadata", [True, False])
def test_damage_at_any_place_is_detected_or_harmless(
    site: Site, database: str, codec: str, damage: FunctionType, metadata: bool
) -> None:
    site.fill(database, rows=400)
    file = Path(site.backup(database, "--compression", codec)["file"])
    if not metadata:
        for path in file.parent.glob("*.json"):
            path.unlink()
    whole = file.read_bytes()
    wanted = content(file, site.source.flavour)
    undetected = 0
    for damaged in damage(whole, random.Random(f"{codec}{damage.__name__}")):
        file.write_bytes(damaged)
        try:
            assert content(file, site.source.flavour) == wanted
            undetected += 1
        except (VerificationError, Refused):
            continue
    # a flipped bit in a gzip header's time stamp harms nothing, and such places are few
    assert undetected <= PLACES // 10
