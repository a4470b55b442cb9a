"""Small files that would take all memory: they are refused, and take little."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import zstandard

from tests.unit.made_backups import new_store, put
from vya_backupdb.archive.manifest import MARKER, Locator, locator_text
from vya_backupdb.archive.plain import PlainScript
from vya_backupdb.archive.reader import open_archive
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.record import read_record
from vya_backupdb.engines.mysql.script import reader as mysql_reader
from vya_backupdb.engines.postgresql.script import reader as postgresql_reader
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import DamagedArchive, VerificationError
from vya_backupdb.model import EngineName
from vya_backupdb.streams.codec import Codec

GIB = 1 << 30


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def nested(depth: int, bracket: str = "[") -> bytes:
    return (bracket * depth).encode()


@pytest.mark.parametrize(
    "content",
    [
        nested(1_000_000),
        nested(1_000_000, '{"a":'),
        b'{"id": "' + b"x" * (70 << 20),
        b'{"schema_version": ' + b"9" * 9999,
    ],
    ids=["lists", "objects", "a string", "a number"],
)
@pytest.mark.threat("store-bombs")
def test_metadata_that_is_a_bomb_is_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shop.json"
    path.write_bytes(content)
    with pytest.raises(VerificationError, match="not a metadata record"):
        read_record(path)


@pytest.mark.threat("store-bombs")
def test_metadata_of_any_size_takes_little_memory(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="more than 64 MiB"):
        read_record(sparse(tmp_path / "shop.json", 1 << 40))


@pytest.mark.threat("store-bombs")
def test_a_journal_with_a_line_of_any_length_is_read_past_it(tmp_path: Path) -> None:
    put(new_store(tmp_path))
    path = tmp_path / journal.JOURNAL
    path.write_bytes(b'{"event": "backup", "x": "' + b"x" * (80 << 20) + b'"}\n' + nested(200_000) + b"\n")
    journal.append(tmp_path, "verify", {})
    assert [entry["event"] for entry in journal.entries(tmp_path)] == ["verify"]


def archive_with(manifest: bytes, path: Path, declared: int | None = None) -> Path:
    """Write an archive without sections, whose manifest is this JSON."""
    codec = Codec.named("zstd")
    text = b"\n" + b"".join(
        b"-- vya-manifest: " + manifest[at : at + 65000] + b"\n" for at in range(0, len(manifest), 65000)
    )
    begin, frame = codec.compress_frame(MARKER), codec.compress_frame(text)
    place = Locator(len(begin), len(frame), len(text) if declared is None else declared, zlib.crc32(text))
    path.write_bytes(begin + frame + codec.compress_frame(locator_text(place)))
    return path


@pytest.mark.parametrize(
    "manifest",
    [
        b'{"version":1,"frames":[' + b"[]," * (20 << 20) + b"[]]}",
        b'{"version":1,"objects":[' + b'"",' * (20 << 20) + b'""]}',
        b'{"version":1,' + b" " * (100 << 20) + b"}",
        nested(1_000_000),
    ],
    ids=["lists", "strings", "blanks", "depth"],
)
@pytest.mark.threat("store-bombs")
def test_an_index_that_is_a_bomb_is_damage(tmp_path: Path, manifest: bytes) -> None:
    path = archive_with(manifest, tmp_path / "x.sql.zst")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DamagedArchive):
        open_archive(path)


STATEMENTS = {
    "mysql": (b"INSERT INTO `t` VALUES ('", b"CREATE TABLE `", b"/*!50000 ", b"INSERT INTO `t` VALUES (1),"),
    "postgresql": (b"COMMENT ON TABLE t IS '", b'CREATE TABLE "', b"SELECT $a$", b"COPY t FROM stdin;\n"),
}


@pytest.mark.parametrize(
    ("engine", "beginning"), [(engine, text) for engine, texts in STATEMENTS.items() for text in texts]
)
@pytest.mark.threat("store-bombs")
def test_a_statement_without_end_is_read_in_bounds(
    engine: EngineName, beginning: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reader in (mysql_reader, postgresql_reader):
        assert reader.MOST_STATEMENT <= 2 * GIB
        monkeypatch.setattr(reader, "MOST_STATEMENT", 8 << 20)
    path = tmp_path / "bomb.sql.zst"
    path.write_bytes(zstandard.compress(beginning + b"1" * (24 << 20)))
    with (
        pytest.raises(DamagedArchive, match="has no end within"),
        PlainScript(path, engine_named(engine).reader) as script,
    ):
        script.scan()
