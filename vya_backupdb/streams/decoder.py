"""Reads plain, gzip and zstd files that others made as one stream of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import zstandard
from isal import isal_zlib

from vya_backupdb.errors import DamagedArchive, StorageError
from vya_backupdb.streams.codec import GZIP_WINDOW, ISAL_ERROR, CodecName, detect

CHUNK: Final = 1 << 20
"""Bytes that are given at a time, about."""

MOST_WINDOW: Final = 512 << 20
"""The largest zstd window that is read; `zstd` itself stops at 128 MiB unless called with --long."""

_ZSTD_PIECE = 4 << 10
"""Bytes given to zstd at a time: a block of 4 bytes can make 128 KiB, so a bomb makes 128 MiB at most."""


def decoded(path: Path) -> Iterator[bytes]:
    """Give the decompressed content of a file in chunks of about 1 MiB, by its first bytes.

    Several gzip members or zstd frames one after another are one stream. Raises DamagedArchive where the
    file is cut short or damaged or has something else behind its end, StorageError where it can't be read.
    """
    try:
        with path.open("rb") as file:
            name = detect(file.peek(4)[:4])
            pieces = _DECODERS[name](file, path)
            yield from _joined(pieces)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error


def beginning(name: CodecName, head: bytes, length: int) -> bytes:
    """Decompress up to `length` bytes from the first bytes of a file; b"" where they are damaged."""
    try:
        if name == "zstd":
            return zstandard.ZstdDecompressor().stream_reader(head).read(length)
        if name == "gzip":
            return isal_zlib.decompressobj(GZIP_WINDOW).decompress(head, length)
    except (zstandard.ZstdError, ISAL_ERROR):
        return b""
    return head[:length]


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Put small pieces together, so that whoever takes them is called once for each MiB."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield waiting[0] if len(waiting) == 1 else b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)


def _plain(file: BinaryIO, path: Path) -> Iterator[bytes]:
    while data := file.read(CHUNK):
        yield data


def _gunzipped(file: BinaryIO, path: Path) -> Iterator[bytes]:
    data = file.read(CHUNK)
    while data:
        member = isal_zlib.decompressobj(GZIP_WINDOW)
        try:
            while not member.eof:
                data = data or file.read(CHUNK)
                piece = member.decompress(data, CHUNK)
                # without input it may still give what it holds back
                if not piece and not data and not member.eof:
                    raise DamagedArchive(f"{path}: cut short: the gzip data has no end")
                yield piece
                data = member.unconsumed_tail
        except ISAL_ERROR as error:
            raise DamagedArchive(f"{path}: damaged before byte {file.tell():,}: {error}") from error
        data = _next_member(member.unused_data, file, path)


def _next_member(data: bytes, file: BinaryIO, path: Path) -> bytes:
    """Give what follows a member: another one, or nothing but the zero bytes that tapes add."""
    data = data or file.read(CHUNK)
    if data.startswith(b"\0"):
        while data:
            if data.strip(b"\0"):
                raise DamagedArchive(f"{path}: something follows the end of the gzip data")
            data = file.read(CHUNK)
    return data


def _unzstd(file: BinaryIO, path: Path) -> Iterator[bytes]:
    context = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW)
    data = file.read(_ZSTD_PIECE)
    while data:
        frame = context.decompressobj()
        try:
            while not frame.eof:
                if not data and not (data := file.read(_ZSTD_PIECE)):
                    raise DamagedArchive(f"{path}: cut short: a zstd frame has no end")
                yield frame.decompress(data)
                data = b""
        except zstandard.ZstdError as error:
            raise _zstd_error(path, file.tell(), error) from error
        data = frame.unused_data or file.read(_ZSTD_PIECE)


def _zstd_error(path: Path, position: int, error: zstandard.ZstdError) -> DamagedArchive:
    if "too much memory" in str(error):
        return DamagedArchive(
            f"{path}: compressed with a window of more than {MOST_WINDOW >> 20} MiB",
            cure="decompress it first: zstd -d --long=31 FILE",
        )
    return DamagedArchive(f"{path}: damaged before byte {position:,}: {error}")


_DECODERS: Final[dict[CodecName, Callable[[BinaryIO, Path], Iterator[bytes]]]] = {
    "none": _plain,
    "gzip": _gunzipped,
    "zstd": _unzstd,
}
