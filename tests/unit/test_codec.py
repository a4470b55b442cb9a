"""Compressed frames, and reading of files that others compressed."""

import gzip
import random
import shutil
import subprocess
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vya_backupdb.errors import ConfigurationError, DamagedArchive, StorageError
from vya_backupdb.streams import decoder
from vya_backupdb.streams.codec import CODEC_NAMES, Codec, CodecName, decompress_frame, detect
from vya_backupdb.streams.decoder import CHUNK, decoded

CODECS = [Codec("zstd", 3), Codec("zstd", 19), Codec("gzip", 2), Codec("gzip", 6), Codec("none", 0)]
BODY = b"INSERT INTO `t` VALUES (1,'a'),(2,'b');\n" * 50


def make_text(size: int, seed: int = 1) -> bytes:
    """Text that compresses as a dump does."""
    source = random.Random(seed)
    words = [source.randbytes(4).hex() for _ in range(2000)]
    return " ".join(source.choices(words, k=size // 9 + 1)).encode()[:size]


# ---------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("zstd", Codec("zstd", 3)),
        ("zstd:9", Codec("zstd", 9)),
        ("gzip", Codec("gzip", 2)),
        ("gzip:9", Codec("gzip", 9)),
        ("none", Codec("none", 0)),
    ],
)
def test_a_codec_is_read_as_people_write_it(text: str, codec: Codec) -> None:
    assert Codec.parse(text) == codec


@pytest.mark.parametrize(
    "text",
    ["", "lz4", "zstd:", "zstd:x", "zstd:-1", "zstd:0", "zstd:20", "gzip:10", "none:1", "zstd:3:4", "zstd:³"],
)
def test_a_codec_that_does_not_exist_is_a_fault_of_the_configuration(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Codec.parse(text)


def test_files_are_named_by_their_codec() -> None:
    assert [Codec.named(name).extension for name in CODEC_NAMES] == [".sql.zst", ".sql.gz", ".sql"]


# ---------------------------------------------------------------------------- frames


@given(st.sampled_from(CODECS), st.binary())
def test_a_frame_gives_back_what_was_compressed(codec: Codec, body: bytes) -> None:
    assert decompress_frame(codec.name, codec.compress_frame(body), len(body)) == body


@pytest.mark.parametrize("codec", CODECS)
def test_the_same_body_makes_the_same_frame(codec: Codec) -> None:
    assert codec.compress_frame(BODY) == codec.compress_frame(BODY)


@pytest.mark.parametrize(
    ("codec", "tool"), [(CODECS[0], "zstdcat"), (CODECS[2], "zcat"), (CODECS[3], "zcat")]
)
def test_the_standard_tools_read_frames_one_after_another(codec: Codec, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    data = codec.compress_frame(BODY) + codec.compress_frame(b"end\n")
    result = subprocess.run([tool], input=data, capture_output=True, check=True)
    assert result.stdout == BODY + b"end\n"


def test_a_zstd_frame_has_a_checksum_and_says_its_size() -> None:
    frame = zstandard.get_frame_parameters(CODECS[0].compress_frame(BODY))
    assert (frame.has_checksum, frame.content_size) == (True, len(BODY))


@pytest.mark.parametrize("codec", CODECS[:4])
def test_any_flipped_bit_is_detected_or_harmless(codec: Codec) -> None:
    frame = codec.compress_frame(BODY)
    for position in range(len(frame) * 8):
        damaged = bytearray(frame)
        damaged[position // 8] ^= 1 << position % 8
        try:
            raw = decompress_frame(codec.name, bytes(damaged), len(BODY))
        except DamagedArchive:
            continue
        assert raw == BODY


@pytest.mark.parametrize("codec", CODECS)
def test_a_frame_that_is_cut_short_is_damaged(codec: Codec) -> None:
    frame = codec.compress_frame(BODY)
    for length in range(len(frame)):
        with pytest.raises(DamagedArchive):
            decompress_frame(codec.name, frame[:length], len(BODY))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "appended", [b"\0", b"x", CODECS[0].compress_frame(b""), CODECS[2].compress_frame(b"")]
)
def test_bytes_behind_a_frame_are_damage(codec: Codec, appended: bytes) -> None:
    with pytest.raises(DamagedArchive):
        decompress_frame(codec.name, codec.compress_frame(BODY) + appended, len(BODY))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("length", [0, 1, len(BODY) - 1, len(BODY) + 1, 1 << 40, -1])
def test_another_length_than_expected_is_damage_and_takes_no_memory(codec: Codec, length: int) -> None:
    with pytest.raises(DamagedArchive):
        decompress_frame(codec.name, codec.compress_frame(BODY), length)


@pytest.mark.threat("store-bombs")
def test_a_small_frame_that_makes_much_is_not_decompressed_further_than_expected() -> None:
    bomb = CODECS[2].compress_frame(bytes(50 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedArchive):
            decompress_frame("gzip", bomb, 1000)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", CODEC_NAMES)
@given(data=st.binary(max_size=200), length=st.integers(0, 1000))
def test_random_bytes_are_damage_or_content(name: CodecName, data: bytes, length: int) -> None:
    magic = {"zstd": b"\x28\xb5\x2f\xfd", "gzip": b"\x1f\x8b\x08\0", "none": b""}[name]
    try:
        raw = decompress_frame(name, magic + data, length)
    except DamagedArchive:
        return
    assert len(raw) == length


def test_threads_compress_and_decompress_without_disturbing_each_other() -> None:
    bodies = [make_text(100_000, seed) for seed in range(16)]
    start = threading.Barrier(4)

    def work(number: int) -> bool:
        start.wait()
        codec = CODECS[number % 4]
        frames = [codec.compress_frame(body) for body in bodies]
        return [decompress_frame(codec.name, frame, 100_000) for frame in frames] == bodies

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


# ---------------------------------------------------------------------------- foreign files

PIECE = 70_000


def gzip_named(text: bytes) -> bytes:
    """As `gzip dump.sql` does: the file's name is in the header."""
    member = gzip.compress(text)
    return member[:3] + b"\x08" + member[4:10] + b"dump.sql\0" + member[10:]


def pieces(compress: Callable[[bytes], bytes], text: bytes) -> bytes:
    return b"".join(compress(text[start : start + PIECE]) for start in range(0, len(text), PIECE))


def zstd(text: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(text)


def zstd_bare(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False, write_checksum=False).compress(text)


def zstd_skippable(text: bytes) -> bytes:
    """As pzstd does."""
    return b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd(text) + b"\x5f\x2a\x4d\x18\0\0\0\0"


MAKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "gzip": gzip.compress,
    "gzip with a name in its header": gzip_named,
    "gzip members": lambda text: pieces(gzip.compress, text),
    "gzip with zeros of a tape": lambda text: gzip.compress(text) + bytes(100_000),
    "zstd": zstd,
    "zstd without size or checksum": zstd_bare,
    "zstd frames": lambda text: pieces(zstd, text),
    "zstd with skippable frames": zstd_skippable,
}


@pytest.mark.parametrize("maker", MAKERS)
def test_a_foreign_file_is_read_as_one_stream(maker: str, tmp_path: Path) -> None:
    text = make_text(3_000_000)
    path = tmp_path / "dump"
    path.write_bytes(MAKERS[maker](text))
    chunks = list(decoded(path))
    assert b"".join(chunks) == text
    assert all(len(chunk) >= CHUNK for chunk in chunks[:-1])
    assert max(map(len, chunks)) <= 2 * CHUNK


@pytest.mark.parametrize("maker", [name for name in MAKERS if name != "plain" and "zeros" not in name])
def test_a_foreign_file_that_is_cut_short_is_damaged_unless_whole_frames_are_missing(
    maker: str, tmp_path: Path
) -> None:
    text = make_text(200_000)
    data = MAKERS[maker](text)
    path = tmp_path / "dump"
    source = random.Random(maker)
    for length in {*source.sample(range(10, len(data)), 40), len(data) - 1}:
        path.write_bytes(data[:length])
        try:
            raw = b"".join(decoded(path))
        except DamagedArchive:
            continue
        assert "frames" in maker or "members" in maker
        assert text.startswith(raw)
        assert len(raw) % PIECE == 0 or raw == text


@pytest.mark.parametrize("maker", ["gzip", "zstd"])
@pytest.mark.parametrize("garbage", [b"garbage", bytes(10) + b"x", b"\x28\xb5", b"\x1f\x8b"])
def test_garbage_behind_a_foreign_file_is_damage(maker: str, garbage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(MAKERS[maker](BODY) + garbage)
    with pytest.raises(DamagedArchive):
        list(decoded(path))


def test_a_flipped_byte_of_a_foreign_file_is_damage(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(make_text(200_000)))
    data[50_000] ^= 0x10
    path = tmp_path / "dump"
    path.write_bytes(data)
    with pytest.raises(DamagedArchive, match="damaged before byte"):
        list(decoded(path))


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.threat("store-bombs")
def test_the_pieces_of_a_bomb_stay_small(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(MAKERS[kind](bytes(300 << 20)))
    # 4 KiB of the worst zstd blocks make 128 MiB
    assert max(map(len, decoded(path))) <= (128 << 20) + CHUNK


def test_a_long_distance_window_is_read(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=28, enable_ldm=True)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    text = make_text(500_000)
    path = tmp_path / "dump"
    path.write_bytes(writer.compress(text) + writer.flush())
    assert b"".join(decoded(path)) == text


def test_a_window_beyond_the_bound_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "MOST_WINDOW", 1 << 20)
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=24)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path = tmp_path / "dump"
    path.write_bytes(writer.compress(BODY) + writer.flush())
    with pytest.raises(DamagedArchive, match="window of more than 1 MiB") as caught:
        list(decoded(path))
    assert "--long" in (caught.value.cure or "")


def test_an_empty_file_has_no_content(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.touch()
    assert list(decoded(path)) == []


def test_a_file_that_is_not_there_is_a_fault_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        list(decoded(tmp_path / "absent"))


@given(st.binary(max_size=8))
def test_any_first_bytes_have_a_codec(head: bytes) -> None:
    assert detect(head) in CODEC_NAMES
