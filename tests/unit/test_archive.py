"""The archive: what is written is read again, and whatever happens to its bytes is found."""

import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import threading
import time
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from vya_backupdb.archive import manifest as manifest_module
from vya_backupdb.archive.manifest import (
    MARKER,
    MARKER_STEM,
    MOST_LINE,
    Frame,
    Locator,
    Manifest,
    locator_text,
    manifest_text,
    read_locator,
    read_manifest,
)
from vya_backupdb.archive.reader import Archive, is_archive, open_archive
from vya_backupdb.archive.writer import ArchiveWriter, Written
from vya_backupdb.errors import BackupError, DamagedArchive, StorageError, VerificationError
from vya_backupdb.model import Section, SectionKind
from vya_backupdb.streams.codec import Codec

CODECS = [Codec("zstd", 3), Codec("gzip", 2), Codec("gzip", 6), Codec("none", 0)]
by_codec = pytest.mark.parametrize("codec", CODECS, ids=str)

NASTY = "t\n\\! touch /tmp/x;*/`\"'-- \udc80\U0001f600\u2028"
SECTIONS = [
    Section(SectionKind.HEADER, b"SET NAMES utf8mb4;\n"),
    Section(
        SectionKind.SCHEMA, b"CREATE TABLE `a` (i INT);\nCREATE TABLE `b` (i INT);\n", largest_statement=25
    ),
    Section(SectionKind.ROWS, b"INSERT INTO `a` VALUES (1),(2);\n" * 9, "a", 18, largest_statement=31),
    Section(SectionKind.ROWS, b"INSERT INTO `a` VALUES (3);\n", "a", 1, largest_statement=27),
    Section(SectionKind.ROWS, b"INSERT INTO `nasty` VALUES (4);\n", NASTY, 1, sequential=True),
    Section(SectionKind.ROWS, b"COPY empty FROM stdin;\n\\.\n", "empty"),
    Section(SectionKind.POST, b"CREATE VIEW v AS SELECT 1;\n"),
    Section(SectionKind.FOOTER, b"-- Dump completed\n"),
]
ALL_KINDS = frozenset(SectionKind)


def write(sections: Iterable[Section], codec: Codec, threads: int = 2) -> tuple[bytes, Written]:
    sink = io.BytesIO()
    with ArchiveWriter(sink, codec, threads) as writer:
        for section in sections:
            writer.write(section)
        written = writer.finish()
    return sink.getvalue(), written


def read_everything(path: Path) -> tuple[list[Section], dict[str, int]]:
    with open_archive(path) as archive:
        return list(archive.sections(ALL_KINDS)), dict(archive.expected_rows())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.sql.zst"


def raw_stream(data: bytes, codec: Codec) -> bytes:
    if codec.name == "zstd":
        return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return gzip.decompress(data) if codec.name == "gzip" else data


# ---------------------------------------------------------------------------- writing and reading


@by_codec
def test_sections_come_back_as_they_were(codec: Codec, path: Path) -> None:
    path.write_bytes(write(SECTIONS, codec)[0])
    sections, rows = read_everything(path)
    assert sections == SECTIONS
    assert rows == {"a": 19, NASTY: 1, "empty": 0}


@by_codec
def test_the_file_as_one_stream_is_the_script_between_comments(codec: Codec) -> None:
    raw = raw_stream(write(SECTIONS, codec)[0], codec)
    script = b"".join(section.body for section in SECTIONS)
    assert raw.startswith(MARKER + script)
    assert all(line.startswith(b"-- vya-") for line in raw.removeprefix(MARKER + script).splitlines() if line)


@by_codec
def test_the_writer_tells_what_it_wrote(codec: Codec, path: Path) -> None:
    data, written = write(SECTIONS, codec)
    assert written.bytes == len(data)
    assert written.sha256 == hashlib.sha256(data).hexdigest()
    assert written.raw_bytes == sum(len(section.body) for section in SECTIONS)
    assert written.largest_statement == 31
    path.write_bytes(data)
    with open_archive(path) as archive:
        assert archive.manifest == written.manifest
        last = archive.manifest.frames[-1]
        assert written.manifest_offset == last.offset + last.length


@by_codec
def test_the_bytes_do_not_depend_on_the_threads(codec: Codec) -> None:
    assert write(SECTIONS * 20, codec, threads=1) == write(SECTIONS * 20, codec, threads=4)


def test_only_the_frames_of_the_kinds_asked_for_are_read(path: Path) -> None:
    data, written = write(SECTIONS, CODECS[0])
    damaged = bytearray(data)
    rows = next(frame for frame in written.manifest.frames if frame.kind is SectionKind.ROWS)
    damaged[rows.offset + 10] ^= 0xFF
    path.write_bytes(damaged)
    with open_archive(path) as archive:
        assert list(archive.sections({SectionKind.HEADER, SectionKind.POST})) == [SECTIONS[0], SECTIONS[6]]
        with pytest.raises(DamagedArchive):
            list(archive.sections({SectionKind.ROWS}))


def test_rows_can_be_taken_by_several_threads(path: Path) -> None:
    sections = [Section(SectionKind.ROWS, f"{i};\n".encode() * 1000, f"t{i % 7}", 1000) for i in range(200)]
    path.write_bytes(write(sections, CODECS[0])[0])
    with open_archive(path) as archive, ThreadPoolExecutor(4) as pool:
        tasks = list(archive.row_tasks())
        assert [task.object for task in tasks] == [section.object for section in sections]
        assert list(pool.map(lambda task: task.read(), tasks)) == sections


def test_row_tasks_tell_what_must_stay_in_order(path: Path) -> None:
    path.write_bytes(write(SECTIONS, CODECS[0])[0])
    with open_archive(path) as archive:
        assert [task.sequential for task in archive.row_tasks()] == [False, False, True, False]


def test_totals_come_from_the_index(path: Path) -> None:
    data, written = write(SECTIONS, CODECS[0])
    path.write_bytes(data)
    with open_archive(path) as archive:
        totals = archive.scan()
        assert totals.tables == {"a": 19, NASTY: 1, "empty": 0}
        assert totals.raw_bytes == archive.raw_bytes == written.raw_bytes
        assert totals.largest_statement == 31
        assert totals.sections[SectionKind.ROWS] == 4


def test_sections_without_bytes_make_no_frame(path: Path) -> None:
    path.write_bytes(write([SECTIONS[0], Section(SectionKind.POST, b"")], CODECS[0])[0])
    assert read_everything(path)[0] == [SECTIONS[0]]


@by_codec
def test_an_archive_without_sections_can_be_read(codec: Codec, path: Path) -> None:
    path.write_bytes(write([], codec)[0])
    assert is_archive(path)
    assert read_everything(path) == ([], {})


@settings(deadline=None)
@given(
    codec=st.sampled_from(CODECS),
    parts=st.lists(
        st.tuples(
            st.sampled_from(SectionKind),
            st.binary(min_size=1),
            st.none() | st.text(),
            st.integers(0, 1 << 62),
            st.booleans(),
            st.integers(0, 1 << 62),
        )
    ),
)
def test_any_sections_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, codec: Codec, parts: Sequence[tuple[Any, ...]]
) -> None:
    sections = [Section(*part) for part in parts]
    path = tmp_path_factory.mktemp("any") / "archive"
    path.write_bytes(write(sections, codec)[0])
    assert read_everything(path)[0] == sections


@by_codec
def test_an_archive_that_was_decompressed_can_be_read(codec: Codec, path: Path) -> None:
    data, written = write(SECTIONS, codec)
    path.write_bytes(raw_stream(data, codec))
    with open_archive(path) as archive:
        assert list(archive.sections(ALL_KINDS)) == SECTIONS
        assert archive.manifest.tables == written.manifest.tables
        assert archive.manifest.codec == "none"


def test_an_archive_that_was_compressed_anew_says_what_to_do(path: Path) -> None:
    path.write_bytes(gzip.compress(raw_stream(write(SECTIONS, CODECS[0])[0], CODECS[0])))
    assert is_archive(path)
    with pytest.raises(DamagedArchive) as caught:
        open_archive(path)
    assert "decompress it" in (caught.value.cure or "")


# ---------------------------------------------------------------------------- the writer


class Disk(io.RawIOBase):
    """A disk that takes some bytes of each write, and is full at some size."""

    def __init__(self, room: int, most: int = 1 << 30) -> None:
        self.data = bytearray()
        self._room = room
        self._most = most

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        part = bytes(data)[: self._most][: self._room - len(self.data)]
        if not part:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.data += part
        return len(part)


def test_a_sink_that_takes_a_write_in_parts_gets_all_of_it() -> None:
    disk = Disk(1 << 30, most=7)
    with ArchiveWriter(disk, CODECS[0], 2) as writer:
        for section in SECTIONS:
            writer.write(section)
        written = writer.finish()
    assert bytes(disk.data) == write(SECTIONS, CODECS[0])[0]
    assert written.sha256 == hashlib.sha256(disk.data).hexdigest()


class Blocked(io.RawIOBase):
    """What a file set not to block does when it can take nothing."""

    def write(self, data: Any, /) -> Any:
        return None


def test_a_sink_that_takes_nothing_is_not_taken_for_written() -> None:
    with pytest.raises(StorageError), ArchiveWriter(Blocked(), CODECS[3], 1) as writer:
        writer.write(SECTIONS[0])
        writer.finish()


@pytest.mark.parametrize("room", [0, 10, 100, 300])
def test_a_full_disk_is_a_storage_error_and_the_writer_ends(room: int) -> None:
    with ArchiveWriter(Disk(room), CODECS[3], 2) as writer:
        with pytest.raises(StorageError, match="No space left"):
            for section in SECTIONS * 10:
                writer.write(section)
        with pytest.raises(RuntimeError):
            writer.finish()


def test_a_full_disk_at_the_very_end_is_no_success() -> None:
    whole = len(write(SECTIONS, CODECS[0])[0])
    with ArchiveWriter(Disk(whole - 1), CODECS[0], 2) as writer:
        for section in SECTIONS:
            writer.write(section)
        with pytest.raises(StorageError):
            writer.finish()


def test_leaving_an_archive_unfinished_is_no_success() -> None:
    with pytest.raises(RuntimeError, match="unfinished"), ArchiveWriter(io.BytesIO(), CODECS[0], 1) as writer:
        writer.write(SECTIONS[0])


def test_an_exception_ends_the_threads_of_the_writer() -> None:
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), ArchiveWriter(io.BytesIO(), CODECS[0], 4) as writer:
        for section in SECTIONS:
            writer.write(section)
        raise KeyboardInterrupt
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


class Slow:
    """A codec whose compression waits, to see how much the writer takes meanwhile."""

    name = "none"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.waiting = 0

    def compress_frame(self, body: bytes) -> bytes:
        self.waiting += 1
        self.go.wait(10)
        return body


@pytest.mark.parametrize(("size", "taken"), [(1, 2), (1 << 20, 2), (20 << 20, 1), (60 << 20, 1)])
def test_the_writer_holds_few_sections(size: int, taken: int) -> None:
    codec = Slow()
    given_away: list[int] = []

    def feed() -> None:
        with ArchiveWriter(io.BytesIO(), codec, 2) as writer:  # type: ignore[arg-type]
            for number in range(5):
                given_away.append(number)
                writer.write(Section(SectionKind.ROWS, bytes(size)))
            writer.finish()

    feeder = threading.Thread(target=feed)
    feeder.start()
    deadline = time.monotonic() + 5
    while len(given_away) - 1 < taken and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    try:
        # the last one is still waiting to be taken
        assert len(given_away) - 1 == taken
    finally:
        codec.go.set()
        feeder.join()


def test_a_section_larger_than_any_server_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vya_backupdb.archive.writer.MOST_FRAME", 1000)
    with pytest.raises(BackupError, match="too large"):
        write([Section(SectionKind.ROWS, bytes(1001), "t", 1)], CODECS[0])


# ---------------------------------------------------------------------------- damage


def changed(path: Path, data: bytes, whole: tuple[list[Section], dict[str, int]]) -> bool:
    """Whether a damaged file reads as whole and says something else; that must never be."""
    path.write_bytes(data)
    try:
        if not is_archive(path):
            return True  # it would be taken for a plain dump
        return read_everything(path) != whole
    except VerificationError as error:
        return str(path) not in error.what


@by_codec
def test_every_truncation_is_detected(codec: Codec, path: Path) -> None:
    data, _ = write(SECTIONS, codec)
    marker = len(codec.compress_frame(MARKER))
    for length in range(marker, len(data)):
        path.write_bytes(data[:length])
        assert is_archive(path)
        with pytest.raises(DamagedArchive):
            open_archive(path)


@by_codec
def test_every_flipped_byte_is_detected_or_harmless(codec: Codec, path: Path) -> None:
    data, _ = write(SECTIONS, codec)
    path.write_bytes(data)
    whole = read_everything(path)
    for position in range(len(data)):
        for mask in (0x01, 0x20, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= mask
            assert not changed(path, bytes(damaged), whole), (position, mask)


@by_codec
@settings(deadline=None)
@given(data=st.data())
def test_any_other_damage_is_detected(
    codec: Codec, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    original, _ = write(SECTIONS, codec)
    path = tmp_path_factory.mktemp("damage") / "archive"
    path.write_bytes(original)
    whole = read_everything(path)
    start = data.draw(st.integers(len(codec.compress_frame(MARKER)), len(original)))
    end = data.draw(st.integers(start, len(original)))
    damaged = original[:start] + data.draw(st.binary(max_size=80)) + original[end:]
    assert not changed(path, damaged, whole)


@by_codec
def test_blocks_that_a_file_system_lost_are_detected(codec: Codec, path: Path) -> None:
    sections = [Section(SectionKind.ROWS, os.urandom(6000).hex().encode(), "t", 1) for _ in range(5)]
    data, _ = write(sections, codec)
    for start in range(0, len(data), 4096):
        damaged = data[:start] + bytes(len(data[start : start + 4096])) + data[start + 4096 :]
        assert not changed(path, damaged, (sections, {"t": 5}))


@by_codec
@pytest.mark.parametrize("appended", [b"\n", b"\0" * 300, b"-- x\n", b"\x28\xb5\x2f\xfd", b"x" * 5000])
def test_anything_appended_is_detected(codec: Codec, appended: bytes, path: Path) -> None:
    path.write_bytes(write(SECTIONS, codec)[0] + appended)
    with pytest.raises(DamagedArchive):
        open_archive(path)


@by_codec
def test_a_damaged_first_line_is_detected(codec: Codec, path: Path) -> None:
    data, _ = write(SECTIONS, codec)
    marker = codec.compress_frame(MARKER)
    other = codec.compress_frame(MARKER.replace(b"1", b"2"))
    if len(other) != len(marker):
        pytest.skip("this codec makes another length of it")
    path.write_bytes(other + data[len(marker) :])
    assert is_archive(path)
    with pytest.raises(DamagedArchive, match="does not begin as an archive must"):
        open_archive(path)


@by_codec
def test_two_archives_one_after_another_are_no_archive(codec: Codec, path: Path) -> None:
    data, _ = write(SECTIONS, codec)
    path.write_bytes(data + data)
    with pytest.raises(DamagedArchive):
        open_archive(path)


@by_codec
def test_a_swapped_frame_of_the_same_length_is_detected(codec: Codec, path: Path) -> None:
    sections = [
        Section(SectionKind.ROWS, b"INSERT INTO `t` VALUES (%d);\n" % number, "t", 1) for number in (1, 2)
    ]
    data, written = write(sections, codec)
    first, second = written.manifest.frames
    assert first.length == second.length
    swapped = (
        data[: first.offset]
        + data[second.offset : second.offset + second.length]
        + data[first.offset : second.offset]
        + data[second.offset + second.length :]
    )
    path.write_bytes(swapped)
    with pytest.raises(DamagedArchive, match=r"frame 1 of 2 \(rows, table 't'\) at byte .*checksum"):
        read_everything(path)


def test_damage_is_located(path: Path) -> None:
    data, written = write(SECTIONS, CODECS[0])
    frame = written.manifest.frames[4]
    damaged = bytearray(data)
    damaged[frame.offset + frame.length - 1] ^= 1
    path.write_bytes(damaged)
    with open_archive(path) as archive, pytest.raises(DamagedArchive) as caught:
        archive.read(archive.manifest.frames[4])
    message = caught.value.what
    assert f"frame 5 of 8 (rows, table {NASTY!a}) at byte {frame.offset:,}" in message
    assert message.isprintable()


@given(st.binary(max_size=2000))
@settings(deadline=None)
def test_random_bytes_are_no_archive(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("random") / "archive"
    for head in (b"", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\0"):
        path.write_bytes(head + data)
        assert is_archive(path) == (head + data).startswith(MARKER_STEM)
        with pytest.raises(DamagedArchive):
            open_archive(path)


def test_a_file_that_is_cut_while_it_is_read_is_damaged(path: Path) -> None:
    data, _ = write(SECTIONS, CODECS[3])
    path.write_bytes(data)
    with open_archive(path) as archive:
        os.truncate(path, len(MARKER) + 5)
        with pytest.raises(DamagedArchive, match="it ends at byte"):
            list(archive.sections(ALL_KINDS))


@pytest.mark.parametrize("what", ["absent", "folder", "fifo"])
def test_what_is_not_a_file_is_a_fault_of_the_store(what: str, path: Path) -> None:
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    for attempt in (open_archive, is_archive):
        with pytest.raises(StorageError, match=str(path)):
            attempt(path)


@by_codec
def test_opening_leaves_no_descriptor_behind(codec: Codec, path: Path) -> None:
    data, _ = write(SECTIONS, codec)
    before = len(os.listdir("/proc/self/fd"))
    for content in (data, data[:-3], b""):
        path.write_bytes(content)
        is_archive(path)
        with contextlib.suppress(DamagedArchive):
            open_archive(path).close()
    assert len(os.listdir("/proc/self/fd")) == before


# ---------------------------------------------------------------------------- hostile indexes


def forge(text: bytes, **locator: int) -> bytes:
    """An archive with one frame, whose index says what it likes, with all checksums right."""
    codec = CODECS[0]
    head = codec.compress_frame(MARKER) + codec.compress_frame(b"SELECT 1;\n")
    index = codec.compress_frame(text)
    where = {
        "offset": len(head),
        "length": len(index),
        "raw_length": len(text),
        "crc": zlib.crc32(text),
    } | locator
    return head + index + codec.compress_frame(locator_text(Locator(**where)))


def index_of(document: Any) -> bytes:
    return b"\n-- vya-manifest: " + json.dumps(document).encode() + b"\n"


def honest() -> dict[str, Any]:
    data = b"SELECT 1;\n"
    start = len(CODECS[0].compress_frame(MARKER))
    length = len(CODECS[0].compress_frame(data))
    frame = Frame(start, length, len(data), zlib.crc32(data), SectionKind.SCHEMA)
    text = manifest_text(Manifest.of("zstd", [frame]))
    document: dict[str, Any] = json.loads(text.removeprefix(b"\n-- vya-manifest: "))
    return document


def test_a_forged_archive_that_is_honest_is_read(path: Path) -> None:
    path.write_bytes(forge(index_of(honest())))
    assert read_everything(path)[0] == [Section(SectionKind.SCHEMA, b"SELECT 1;\n")]


def test_an_index_that_gives_the_frames_in_another_order_is_damage(path: Path) -> None:
    data, written = write(SECTIONS, CODECS[0])
    frames = written.manifest.frames
    text = manifest_text(replace(written.manifest, frames=(frames[1], frames[0], *frames[2:])))
    index = CODECS[0].compress_frame(text)
    locator = Locator(written.manifest_offset, len(index), len(text), zlib.crc32(text))
    path.write_bytes(data[: locator.offset] + index + CODECS[0].compress_frame(locator_text(locator)))
    with pytest.raises(DamagedArchive):
        open_archive(path)


def test_an_index_that_leaves_a_gap_between_frames_is_damage(path: Path) -> None:
    data, written = write(SECTIONS, CODECS[0])
    frames = list(written.manifest.frames)
    gone = frames.pop(3)
    frames[3] = replace(frames[3], length=frames[3].length + gone.length)
    text = manifest_text(Manifest.of("zstd", frames))
    index = CODECS[0].compress_frame(text)
    locator = Locator(written.manifest_offset, len(index), len(text), zlib.crc32(text))
    path.write_bytes(data[: locator.offset] + index + CODECS[0].compress_frame(locator_text(locator)))
    with pytest.raises(DamagedArchive, match="do not follow one another"):
        open_archive(path)


HUGE: list[Any] = [1 << 31, 1 << 40, 1 << 62, 10**4000, -1, 0, 1.5, True, None, "1", [], float("nan")]


@pytest.mark.parametrize("column", range(9))
@pytest.mark.parametrize("value", HUGE, ids=lambda value: str(value)[:12])
def test_an_index_with_impossible_numbers_is_damage(column: int, value: Any, path: Path) -> None:
    document = honest()
    document["frames"][0][column] = value
    document["raw_bytes"], document["rows"], document["largest_statement"] = (
        document["frames"][0][place] for place in (2, 6, 8)
    )
    path.write_bytes(forge(index_of(document)))
    possible = column in (6, 8) and type(value) is int and value >= 0
    if possible or (column == 7 and value in (0, 1)) or (column == 5 and value is None):
        return
    with pytest.raises(DamagedArchive):
        read_everything(path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"\n-- vya-manifest: \n",
        b"\n-- vya-manifest: {}\n",
        b"\n-- vya-manifest: []\n",
        b"\n-- vya-manifest: 1\n",
        b"\n-- vya-manifest: " + b"[" * 60_000 + b"\n",
        b'\n-- vya-manifest: {"version":1}\n',
        b"\n-- vya-manifest: {}\nDROP TABLE t;\n",
        b"DROP TABLE t;\n-- vya-manifest: {}\n",
        index_of(honest())[:-1],
        index_of(honest() | {"codec": "lz4"}),
        index_of(honest() | {"codec": "none"}),
        index_of(honest() | {"columns": []}),
        index_of(honest() | {"objects": [1]}),
        index_of(honest() | {"objects": 1}),
        index_of(honest() | {"frames": 1}),
        index_of(honest() | {"frames": []}),
        index_of(honest() | {"frames": honest()["frames"] * 2}),
        index_of(honest() | {"tables": {"t": 1}}),
        index_of(honest() | {"raw_bytes": 9}),
        index_of(honest() | {"rows": 1}),
    ],
    ids=range(22),
)
def test_an_index_that_is_not_ours_is_damage(text: bytes, path: Path) -> None:
    path.write_bytes(forge(text))
    with pytest.raises(DamagedArchive, match=str(path)):
        read_everything(path)


@pytest.mark.parametrize("field", ["offset", "length", "raw_length", "crc"])
@pytest.mark.parametrize("value", [0, 1, 1 << 31, (1 << 63) - 1])
def test_a_last_line_with_impossible_numbers_is_damage(field: str, value: int, path: Path) -> None:
    if field == "crc":
        value &= 0xFFFFFFFF
    path.write_bytes(forge(index_of(honest()), **{field: value}))
    with pytest.raises(DamagedArchive):
        open_archive(path)


def test_a_newer_format_is_told_from_damage(path: Path) -> None:
    path.write_bytes(forge(index_of(honest() | {"version": 2})))
    with pytest.raises(VerificationError, match="version 2") as caught:
        open_archive(path)
    assert not isinstance(caught.value, DamagedArchive)
    assert caught.value.cure == "use a newer vya-backupdb"


# ---------------------------------------------------------------------------- the index as text


def make_manifest(frames: int) -> Manifest:
    made = []
    position = len(MARKER)
    for number in range(frames):
        made.append(
            Frame(position, 4_000_000, 16 << 20, 12345, SectionKind.ROWS, f"table_{number % 50}", 9, False, 1)
        )
        position += 4_000_000
    return Manifest.of("zstd", made)


def test_lines_are_short_enough_for_any_server_and_plain_ascii() -> None:
    names = [f"{NASTY}{number}" * 100 for number in range(300)]
    frames = [Frame(0, 1, 1, 1, SectionKind.ROWS, name, 1) for name in names]
    text = manifest_text(Manifest.of("zstd", frames))
    lines = text.split(b"\n")
    assert len(lines) > 4
    assert max(map(len, lines)) < MOST_LINE
    assert text.isascii()
    assert text.replace(b"\n", b"").decode().isprintable()
    assert lines[0] == lines[-1] == b""
    assert all(line.startswith(b"-- vya-manifest: ") for line in lines[1:-1])


def test_the_index_of_200_000_frames_is_cheap() -> None:
    manifest = make_manifest(200_000)
    started = time.process_time()
    text = manifest_text(manifest)
    assert read_manifest(text) == manifest
    assert time.process_time() - started < 10
    assert len(text) < 20_000_000


@given(st.integers(0, 1 << 62), st.integers(0, 1 << 62), st.integers(0, 1 << 62), st.integers(0, 0xFFFFFFFF))
def test_a_last_line_is_read_as_it_was_written(offset: int, length: int, raw_length: int, crc: int) -> None:
    locator = Locator(offset, length, raw_length, crc)
    text = locator_text(locator)
    assert read_locator(text) == locator
    assert len(text) < 256
    for position in range(len(text)):
        assert read_locator(text[:position] + bytes([text[position] ^ 1]) + text[position + 1 :]) is None


def test_frames_that_say_other_totals_than_the_index_are_damage() -> None:
    manifest = replace(make_manifest(3), rows=28)
    with pytest.raises(DamagedArchive, match="totals"):
        read_manifest(manifest_text(manifest))


def test_an_index_beyond_the_bound_is_refused_when_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vya_backupdb.archive.writer.MOST_MANIFEST", 100)
    with pytest.raises(BackupError, match="too many parts"):
        write(SECTIONS, CODECS[0])


def test_the_tools_decompress_an_archive_to_the_script(path: Path) -> None:
    for codec, tool in ((CODECS[0], "zstdcat"), (CODECS[1], "zcat")):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
        data, _ = write(SECTIONS, codec)
        result = subprocess.run([tool], input=data, capture_output=True, check=True)
        assert result.stdout == raw_stream(data, codec)


def test_the_bound_of_a_frame_leaves_room_for_the_largest_statement_of_any_server() -> None:
    assert manifest_module.MOST_FRAME >= (1 << 30) + (17 << 20)


def test_an_archive_closes_once(path: Path) -> None:
    path.write_bytes(write(SECTIONS, CODECS[0])[0])
    archive: Archive = open_archive(path)
    archive.close()
    archive.close()
    with pytest.raises(StorageError):
        archive.read(archive.manifest.frames[0])
