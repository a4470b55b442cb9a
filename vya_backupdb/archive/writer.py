"""Writes an archive: sections are compressed by several threads and written in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Self

from isal.isal_zlib import crc32

from vya_backupdb.archive.manifest import (
    MARKER,
    MOST_FRAME,
    MOST_MANIFEST,
    Frame,
    Locator,
    Manifest,
    locator_text,
    manifest_text,
)
from vya_backupdb.errors import BackupError, StorageError
from vya_backupdb.model import Section
from vya_backupdb.streams.codec import Codec
from vya_backupdb.streams.digest import HashedSink, Sink

_USUAL_SECTION: Final = 9 << 20
"""Bytes: the readers cut sections at about 8 MiB."""


@dataclass(frozen=True, slots=True)
class Written:
    """A finished archive, which still has to be made durable and given its name."""

    manifest: Manifest
    raw_bytes: int
    """Of all sections together."""
    largest_statement: int
    bytes: int
    """Of the file."""
    sha256: str
    """Of the file, in hexadecimal."""
    manifest_offset: int
    manifest_length: int


class ArchiveWriter:
    """Takes sections and writes them into a sink, one independent frame for each.

    As many sections as there are `threads` are in work, or a single one that is larger; `write` waits with
    the next one. Leaving the context without `finish` abandons the work. Use it from one thread.
    """

    def __init__(self, sink: Sink, codec: Codec, threads: int) -> None:
        self._sink = HashedSink(sink)
        self._codec = codec
        self._threads = threads
        self._most_bytes = threads * _USUAL_SECTION
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="compress")
        self._pending: deque[tuple[Frame, Future[tuple[bytes, int]]]] = deque()
        """Frames without offset, length and CRC: the sections themselves are let go once compressed."""
        self._pending_bytes = 0
        self._frames: list[Frame] = []
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Abandon what is not finished; that must have a reason."""
        finished = self._ended
        self.abort()
        if error is None and not finished:
            raise RuntimeError("the archive was left unfinished")

    def write(self, section: Section) -> None:
        """Take the next section. Raises StorageError where an earlier one could not be written."""
        self._check_open()
        size = len(section.body)
        if size == 0:
            if section.rows:
                raise ValueError("a section has rows but no bytes")
            return
        if size > MOST_FRAME:
            raise BackupError(f"{section.object or section.kind}: a statement of {size:,} bytes is too large")
        while self._pending and (
            len(self._pending) >= self._threads or self._pending_bytes + size > self._most_bytes
        ):
            self._write_oldest()
        while self._pending and self._pending[0][1].done():
            self._write_oldest()
        frame = Frame(
            offset=0,
            length=0,
            raw_length=size,
            crc=0,
            kind=section.kind,
            object=section.object,
            rows=section.rows,
            sequential=section.sequential,
            largest_statement=section.largest_statement,
        )
        self._pending.append((frame, self._pool.submit(self._compress, section.body)))
        self._pending_bytes += size

    def finish(self) -> Written:
        """Write what is left, then the index. Raises StorageError; the sink is neither flushed nor closed."""
        self._check_open()
        while self._pending:
            self._write_oldest()
        if not self._frames:
            self._put(self._codec.compress_frame(MARKER))
        manifest = Manifest.of(self._codec.name, self._frames)
        text = manifest_text(manifest)
        if len(text) > MOST_MANIFEST:
            raise BackupError(f"the archive has too many parts: its index would be {len(text):,} bytes")
        index = self._codec.compress_frame(text)
        offset = self._sink.size
        self._put(index)
        locator = Locator(offset, len(index), len(text), crc32(text))
        self._put(self._codec.compress_frame(locator_text(locator)))
        self._ended = True
        self._pool.shutdown()
        return Written(
            manifest=manifest,
            raw_bytes=manifest.raw_bytes,
            largest_statement=manifest.largest_statement,
            bytes=self._sink.size,
            sha256=self._sink.sha256,
            manifest_offset=offset,
            manifest_length=len(index),
        )

    def abort(self) -> None:
        """Drop what is not written; threads end with the frame in hand. Does nothing after `finish`."""
        self._ended = True
        self._pending.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check_open(self) -> None:
        if self._ended:
            raise RuntimeError("the archive is finished or abandoned")

    def _compress(self, body: bytes) -> tuple[bytes, int]:
        return self._codec.compress_frame(body), crc32(body)

    def _write_oldest(self) -> None:
        frame, future = self._pending.popleft()
        data, crc = future.result()
        self._pending_bytes -= frame.raw_length
        if not self._frames:
            self._put(self._codec.compress_frame(MARKER))
        self._frames.append(replace(frame, offset=self._sink.size, length=len(data), crc=crc))
        self._put(data)

    def _put(self, data: bytes) -> None:
        try:
            self._sink.write(data)
        except OSError as error:
            self.abort()
            raise StorageError(
                f"the backup cannot be written, after {self._sink.size:,} bytes: {error.strerror or error}",
                cure="look at the store: its free space, quota and permissions",
            ) from error
