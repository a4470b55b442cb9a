"""How a file's bytes are compressed: independent frames, and what a file's first bytes say."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from typing import Final, Literal, Self, cast, get_args

import zstandard
from isal import isal_zlib

from vya_backupdb.errors import ConfigurationError, DamagedArchive

CodecName = Literal["zstd", "gzip", "none"]

CODEC_NAMES: Final[tuple[CodecName, ...]] = get_args(CodecName)

DEFAULT_LEVELS: Final[dict[CodecName, int]] = {"zstd": 3, "gzip": 2, "none": 0}
"""gzip 2, measured on three kinds of data: 1 to 5 % larger than 3 and 24 to 80 % faster; 1 is up to 6 %
larger again."""

_LEVELS: Final[dict[CodecName, range]] = {"zstd": range(1, 20), "gzip": range(1, 10), "none": range(1)}
"""zstd above 19 needs hundreds of MiB for each thread and gains nothing on frames of 8 MiB."""

_FAST_GZIP = 3
"""The highest level of isa-l; the higher ones are zlib's, smaller by some percent and ten times slower."""

_ZSTD_SHORTEST_MATCH: Final = {3: 6}
"""Instead of 5, the default of level 3. Measured in pieces of 16 MiB: hexadecimal digits, which dumps write
for binary columns, get 2.6 to 2.9 % smaller in 0.94 to 0.68 of the time, text 0 to 1 % larger in 0.94 to 1.05
(raw binaries would be 2.7 % larger; smaller tables of zstd cost up to 15 % there, and 2 % of text)."""

_EXTENSIONS: Final[dict[CodecName, str]] = {"zstd": ".sql.zst", "gzip": ".sql.gz", "none": ".sql"}

_MOST_FOR_ONE_BYTE: Final[dict[CodecName, int]] = {"zstd": 128 << 10, "gzip": 1032, "none": 1}
"""No valid frame grows by more: a zstd block makes at most 128 KiB (RFC 8878), deflate 1032:1 (zlib.net)."""

ISAL_ERROR = cast(type[Exception], isal_zlib.error)
"""Its type stub calls it an instance."""

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b\x08"
GZIP_WINDOW = 31
"""15 bits of window, and 16 for a gzip header and trailer."""


class _Contexts(threading.local):
    """The zstd contexts of one thread; they are costly to make, and no two threads may share one."""

    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to compress, with its level. Its methods may be called from several threads at once."""

    name: CodecName
    level: int

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a level that the codec does not have."""
        levels = _LEVELS[self.name]
        if self.level not in levels:
            allowed = f"{levels[0]} to {levels[-1]}" if len(levels) > 1 else "none"
            raise ConfigurationError(
                f"compression {self.name}: level {self.level} does not exist", cure=f"levels: {allowed}"
            )

    @classmethod
    def named(cls, name: str, level: int | None = None) -> Self:
        """Give the codec of that name; None: its default level. Raises ConfigurationError."""
        for known in CODEC_NAMES:
            if name == known:
                return cls(known, DEFAULT_LEVELS[known] if level is None else level)
        raise ConfigurationError(
            f"compression {name!r}: no such codec", cure=f"use one of {', '.join(CODEC_NAMES)}"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `zstd`, `zstd:9`, `gzip:6`, `none`. Raises ConfigurationError."""
        name, colon, level = text.strip().partition(":")
        if not colon:
            return cls.named(name)
        if not (level.isascii() and level.isdecimal() and len(level) <= 3):
            raise ConfigurationError(
                f"compression {text!r}: the level is not a number", cure="write it as in zstd:9"
            )
        return cls.named(name, int(level))

    @property
    def extension(self) -> str:
        """What a file's name ends with: `.sql.zst`, `.sql.gz` or `.sql`."""
        return _EXTENSIONS[self.name]

    def compress_frame(self, body: bytes) -> bytes:
        """Compress into one frame that stands alone: the same bytes for the same body, no time stamp.

        zstd: a frame with checksum and content size; gzip: one member; none: the body itself.
        """
        if self.name == "zstd":
            return _compressor(self.level).compress(body)
        if self.name == "gzip":
            if self.level <= _FAST_GZIP:
                return isal_zlib.compress(body, self.level, GZIP_WINDOW)
            return zlib.compress(body, self.level, GZIP_WINDOW)
        return body


def decompress_frame(name: CodecName, data: bytes, raw_length: int) -> bytes:
    """Undo `compress_frame`, strictly.

    `data` must be exactly one frame, and make exactly `raw_length` bytes; no more memory than that is
    used. Raises DamagedArchive.
    """
    if not 0 <= raw_length <= len(data) * _MOST_FOR_ONE_BYTE[name]:
        raise DamagedArchive(f"{len(data)} bytes cannot hold {raw_length}")
    if name == "zstd":
        return _unzstd(data, raw_length)
    if name == "gzip":
        return _gunzip(data, raw_length)
    if len(data) != raw_length:
        raise DamagedArchive(f"{len(data)} bytes instead of {raw_length}")
    return data


def detect(head: bytes) -> CodecName:
    """Say by its first 4 bytes how a file is compressed."""
    if head.startswith(ZSTD_MAGIC) or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        return "zstd"
    return "gzip" if head.startswith(GZIP_MAGIC) else "none"


def _compressor(level: int) -> zstandard.ZstdCompressor:
    known = _contexts.compressors
    if level not in known:
        shortest = _ZSTD_SHORTEST_MATCH.get(level)
        shortest_match = {} if shortest is None else {"min_match": shortest}
        known[level] = zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters.from_level(
                level, write_checksum=True, **shortest_match
            )
        )
    return known[level]


def _unzstd(data: bytes, raw_length: int) -> bytes:
    try:
        frame = zstandard.get_frame_parameters(data)
        if not data.startswith(ZSTD_MAGIC) or not frame.has_checksum or frame.content_size != raw_length:
            raise DamagedArchive("its header is not what was written")
        if raw_length == 0:  # zstandard gives b"" for such a frame without looking further
            whole = zstandard.ZstdDecompressor().decompressobj()
            if whole.decompress(data) or not whole.eof or whole.unused_data:
                raise DamagedArchive("it does not end where it should")
            return b""
        return _contexts.decompressor.decompress(data, max_output_size=raw_length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DamagedArchive(f"it cannot be decompressed ({error})") from error


def _gunzip(data: bytes, raw_length: int) -> bytes:
    member = isal_zlib.decompressobj(GZIP_WINDOW)
    try:
        # one byte more than expected: with no room left the trailer would not be read
        raw = member.decompress(data, raw_length + 1)
    except ISAL_ERROR as error:
        raise DamagedArchive(f"it cannot be decompressed ({error})") from error
    if not member.eof or member.unused_data or len(raw) != raw_length:
        raise DamagedArchive("it does not end where it should")
    return raw
