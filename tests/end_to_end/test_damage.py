"""A damaged backup is found out, wherever the damage is; or what it holds is what was backed up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

from scripts.sample.clients import plain_dump
from tests.unit.made_backups import document_of, sealed_document
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
@pytest.mark.threat("store-damage")
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


def test_a_file_that_is_not_the_one_of_its_metadata_replaces_nothing(site: Site, database: str) -> None:
    site.fill(database, rows=400)
    entry = site.backup(database)
    record = Path(entry["file"].removesuffix(".sql.zst") + ".json")
    document = document_of(record)
    document["file"]["sha256"] = "0" * 64
    record.write_bytes(sealed_document(document))
    before = site.occupied(database)
    done = site.run(
        *("restore", "--instance", "source", "--database", database, "--latest"),
        *("--target-instance", "target", "--drop", "--force"),
        code=22,
    )
    assert "its parts are whole, but its sha256 is not the one in its metadata" in done.stderr
    assert plain_dump(site.target, database) == before


def test_damage_is_located_where_the_metadata_is_there_too(site: Site, database: str) -> None:
    site.fill(database)
    file = Path(site.backup(database)["file"])
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    done = site.run(
        *("restore", "--instance", "source", "--database", database, "--latest"),
        *("--target-instance", "target"),
        code=22,
    )
    assert "(rows, table " in done.stderr
    assert "at byte" in done.stderr
    assert not site.exists(site.target, database)
