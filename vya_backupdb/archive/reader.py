"""Reads an archive: whole or in parts, from several threads, and believes nothing that it has not checked."""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Final, Self

from isal.isal_zlib import crc32

from vya_backupdb.archive.manifest import (
    MARKER,
    MARKER_STEM,
    MOST_MANIFEST,
    Frame,
    Locator,
    Manifest,
    read_locator,
    read_manifest,
)
from vya_backupdb.archive.script import RowTask, ScriptTotals
from vya_backupdb.errors import DamagedArchive, StorageError, VerificationError
from vya_backupdb.model import Section, SectionKind
from vya_backupdb.streams.codec import GZIP_MAGIC, ZSTD_MAGIC, CodecName, decompress_frame, detect
from vya_backupdb.streams.decoder import beginning

_TAIL: Final = 512
"""Bytes; the last frame is shorter than 256 whatever the codec."""

_ROOM: Final = 64 << 20
"""Bytes of a manifest in an archive of any size; beyond it grows with the archive."""

_MOST_VALUES: Final = 4 << 20
"""The same in values: two million tables without rows, or names full of commas."""

_MAGICS: Final[dict[CodecName, bytes]] = {"zstd": ZSTD_MAGIC, "gzip": GZIP_MAGIC, "none": b"-- vya-locator: "}


class Archive:
    """An open archive; its methods may be called from several threads at once."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self.manifest, self._codec = self._open()
        self._offsets = [frame.offset for frame in self.manifest.frames]
        raw_lengths = (frame.raw_length for frame in self.manifest.frames)
        self._positions = list(accumulate(raw_lengths, initial=len(MARKER)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file. Nobody may be reading any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def raw_bytes(self) -> int:
        """Of all sections together, decompressed."""
        return self.manifest.raw_bytes

    def read(self, frame: Frame) -> Section:
        """Load one frame and check it. Raises DamagedArchive naming the frame, its table and place."""
        try:
            data = self._pread(frame.offset, frame.length)
            body = decompress_frame(self._codec, data, frame.raw_length)
            if crc32(body) != frame.crc:
                raise DamagedArchive("its checksum does not match")
        except (DamagedArchive, MemoryError) as error:
            what = (
                error.what
                if isinstance(error, DamagedArchive)
                else f"no memory for {frame.raw_length:,} bytes"
            )
            raise DamagedArchive(f"{self.path}: {self._describe(frame)}: {what}") from error
        return Section(
            kind=frame.kind,
            body=body,
            object=frame.object,
            rows=frame.rows,
            sequential=frame.sequential,
            largest_statement=frame.largest_statement,
            position=self._positions[bisect_right(self._offsets, frame.offset) - 1],
        )

    def sections(self, kinds: Collection[SectionKind]) -> Iterator[Section]:
        """Give the sections of these kinds in the order of the file."""
        return (self.read(frame) for frame in self.manifest.frames if frame.kind in kinds)

    def row_tasks(self) -> Iterator[RowTask]:
        """Give all sections of rows; reading and decompressing happens in whoever calls their `read`."""
        for frame in self.manifest.frames:
            if frame.kind is SectionKind.ROWS:
                yield RowTask(frame.object, frame.sequential, partial(self.read, frame))

    def expected_rows(self) -> Mapping[str, int]:
        """Each table to its rows when it was dumped."""
        return self.manifest.tables

    def scan(self) -> ScriptTotals:
        """Give the totals of the manifest; nothing else is read."""
        return ScriptTotals(
            tables=self.manifest.tables,
            raw_bytes=self.manifest.raw_bytes,
            largest_statement=self.manifest.largest_statement,
            sections=Counter(frame.kind for frame in self.manifest.frames),
            largest_of=self._largest(),
        )

    def _largest(self) -> dict[str, int]:
        largest: dict[str, int] = {}
        for frame in self.manifest.frames:
            if frame.object is not None:
                largest[frame.object] = max(largest.get(frame.object, 0), frame.largest_statement)
        return largest

    # ------------------------------------------------------------------ opening

    def _open(self) -> tuple[Manifest, CodecName]:
        """Check everything but the sections themselves."""
        codec = detect(self._pread(0, min(4, self._size)))
        tail = self._pread(max(0, self._size - _TAIL), min(_TAIL, self._size))
        found = _find_locator(codec, tail)
        if found is None:
            raise self._damaged(
                "it does not end as an archive must: it was cut short, or something was appended",
                cure="if it was compressed anew, decompress it: a plain archive can be read",
            )
        locator, length = found
        manifest_at, manifest_length = self._manifest_place(codec, locator, length)
        manifest = self._read_manifest(codec, locator, manifest_at, manifest_length)
        if codec == "none" and manifest.codec != "none":
            manifest = _decompressed(manifest)
        elif manifest.codec != codec or manifest_at != locator.offset:
            raise self._damaged("its manifest is not where it should be")
        self._check_frames(codec, manifest, manifest_at)
        return manifest, codec

    def _manifest_place(self, codec: CodecName, locator: Locator, locator_length: int) -> tuple[int, int]:
        """Give the manifest's offset and length in this file, which may have been decompressed as a whole."""
        length = locator.raw_length if codec == "none" else locator.length
        offset = self._size - locator_length - length
        most = min(MOST_MANIFEST, _ROOM + 64 * self._size)
        if offset < 0 or locator.raw_length > most:
            raise self._damaged("its manifest is not where it should be")
        return offset, length

    def _read_manifest(self, codec: CodecName, locator: Locator, offset: int, length: int) -> Manifest:
        try:
            text = decompress_frame(codec, self._pread(offset, length), locator.raw_length)
            if crc32(text) != locator.crc:
                raise DamagedArchive("its checksum does not match")
            # each value takes a hundred bytes of memory, and a comma in the text
            if text.count(b",") > _MOST_VALUES + self._size:
                raise DamagedArchive("it tells of more than the archive can hold")
            return read_manifest(text)
        except MemoryError as error:
            raise self._damaged(f"no memory for its manifest of {locator.raw_length:,} bytes") from error
        except VerificationError as error:
            raise type(error)(
                f"{self.path}: the archive's manifest: {error.what}", cure=error.cure
            ) from error

    def _check_frames(self, codec: CodecName, manifest: Manifest, end: int) -> None:
        """Check that the marker and the frames fill the file up to the manifest without a gap."""
        position = manifest.frames[0].offset if manifest.frames else end
        if not 0 < position <= _TAIL:
            raise self._damaged("its first frame is not where it should be")
        try:
            marker = decompress_frame(codec, self._pread(0, position), len(MARKER))
        except DamagedArchive as error:
            raise self._damaged(f"its beginning: {error.what}") from error
        if marker != MARKER:
            raise self._damaged("it does not begin as an archive must")
        for frame in manifest.frames:
            if frame.offset != position:
                raise self._damaged("its frames do not follow one another")
            position += frame.length
        if position != end:
            raise self._damaged("its frames do not fill it")

    def _damaged(self, what: str, *, cure: str | None = None) -> DamagedArchive:
        return DamagedArchive(f"{self.path}: damaged archive: {what}", cure=cure)

    def _describe(self, frame: Frame) -> str:
        number = bisect_right(self._offsets, frame.offset)
        table = f", table {frame.object!a}" if frame.object is not None else ""
        return f"frame {number} of {len(self._offsets)} ({frame.kind}{table}) at byte {frame.offset:,}"

    def _pread(self, offset: int, length: int) -> bytes:
        """Read exactly so many bytes. Raises DamagedArchive where the file has fewer, or cannot be read."""
        try:
            data = os.pread(self._descriptor, length, offset)
            while len(data) < length:
                more = os.pread(self._descriptor, length - len(data), offset + len(data))
                if not more:
                    raise self._damaged(f"it ends at byte {offset + len(data):,}")
                data += more
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        return data


def open_archive(path: Path) -> Archive:
    """Open an archive and check its index and that the frames fill it; `read` checks each frame itself.

    An archive that was decompressed as a whole is one too. Raises DamagedArchive where anything is not
    as it was written, StorageError where the file cannot be read.
    """
    descriptor = _open_file(path)
    try:
        return Archive(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def is_archive(path: Path) -> bool:
    """Say whether a file is an archive of ours, whole or damaged, by its first and its last bytes.

    Raises StorageError where the file cannot be read.
    """
    descriptor = _open_file(path)
    try:
        size = os.fstat(descriptor).st_size
        head = os.pread(descriptor, _TAIL, 0)
        tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
    if beginning(detect(head), head, len(MARKER)).startswith(MARKER_STEM):
        return True
    return any(_find_locator(codec, tail) is not None for codec in _MAGICS)


def _open_file(path: Path) -> int:
    try:
        # a FIFO without a writer would block for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StorageError(f"{path}: is not a regular file")
    return descriptor


def _find_locator(codec: CodecName, tail: bytes) -> tuple[Locator, int] | None:
    """Find the last frame by trying where one may begin; give it with its length in the file."""
    start = len(tail)
    while (start := tail.rfind(_MAGICS[codec], 0, start)) >= 0:
        last = tail[start:]
        text = beginning(codec, last, _TAIL)
        locator = read_locator(text)
        if locator is not None and _is_exactly(codec, last, text):
            return locator, len(last)
    return None


def _is_exactly(codec: CodecName, data: bytes, raw: bytes) -> bool:
    try:
        return decompress_frame(codec, data, len(raw)) == raw
    except DamagedArchive:
        return False


def _decompressed(manifest: Manifest) -> Manifest:
    """Give the manifest of the same archive after its decompression as a whole."""
    frames = []
    position = len(MARKER)
    for frame in manifest.frames:
        frames.append(replace(frame, offset=position, length=frame.raw_length))
        position += frame.raw_length
    return Manifest.of("none", frames)
