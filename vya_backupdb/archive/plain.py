"""Scripts that the dump tools wrote themselves: plain, gzip or zstd, without an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Self

from vya_backupdb.archive.script import RowTask, ScriptTotals
from vya_backupdb.errors import BackupError, DamagedArchive, Refused, StorageError
from vya_backupdb.model import ScriptReader, Section, SectionKind
from vya_backupdb.streams.codec import detect
from vya_backupdb.streams.decoder import decoded

MOST_KEPT: Final = 64 << 20
"""Bytes of sections without rows that are kept after the first pass; if there are more, none are."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FOREIGN: Final[dict[bytes, tuple[str, str]]] = {
    b"PGDMP": ("an archive of pg_dump -Fc", "restore it with pg_restore"),
    b"BZh": ("compressed with bzip2", "decompress it first"),
    b"\xfd7zXZ\0": ("compressed with xz", "decompress it first"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", "decompress it first"),
    b"PK\x03\x04": ("a zip file", "unpack it first"),
    b"7z\xbc\xaf\x27\x1c": ("a 7-zip file", "unpack it first"),
    b"\xff\xfe": (
        "UTF-16 (PowerShell's `>` writes that)",
        "dump again with --result-file, or convert it with iconv",
    ),
    b"\xfe\xff": ("UTF-16", "convert it with iconv"),
}
"""First bytes of what people take for plain dumps; a tar file says so at byte 257."""


class PlainScript:
    """A script without an index: each call passes over the whole file, as far as it is taken.

    What is not rows is kept in memory after the first whole pass, where it is not too much.
    """

    def __init__(self, path: Path, reader_factory: Callable[[], ScriptReader]) -> None:
        self.path = path
        self._reader_factory = reader_factory
        self._kept: list[Section] | None = None
        self._totals: ScriptTotals | None = None

    def __enter__(self) -> Self:
        """Look at the file's first bytes. Raises StorageError, or Refused where it is no plain script."""
        refuse_foreign(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    @property
    def raw_bytes(self) -> int | None:
        """The file's own size where it is not compressed, else what a whole pass has found."""
        if self._totals is not None:
            return self._totals.raw_bytes
        try:
            with self.path.open("rb") as file:
                return self.path.stat().st_size if detect(file.read(4)) == "none" else None
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be read: {error.strerror or error}") from error

    def sections(self, kinds: Collection[SectionKind]) -> Iterator[Section]:
        """Give the sections of these kinds in the order of the file."""
        kept = self._kept
        if kept is None or SectionKind.ROWS in kinds:
            kept_or_passed: Iterator[Section] = self._pass()
        else:
            kept_or_passed = iter(kept)
        return (section for section in kept_or_passed if section.kind in kinds)

    def row_tasks(self) -> Iterator[RowTask]:
        """Give all sections of rows; they are read here, so hold few of them at a time."""
        for section in self.sections({SectionKind.ROWS}):
            yield RowTask(section.object, section.sequential, partial(_loaded, section))

    def expected_rows(self) -> Mapping[str, int] | None:
        """Each table to its rows in the script; None before the first whole pass."""
        return None if self._totals is None else self._totals.tables

    def scan(self) -> ScriptTotals:
        """Pass over the file once, unless that has happened, and give the totals."""
        if self._totals is None:
            for _ in self._pass():
                pass
        totals = self._totals
        if totals is None:
            raise AssertionError("a whole pass leaves its totals")
        return totals

    def _pass(self) -> Iterator[Section]:
        """Read the file from its beginning to its end; whoever stops earlier learns no totals."""
        tables: Counter[str] = Counter()
        kinds: Counter[SectionKind] = Counter()
        largest_of: dict[str, int] = {}
        kept: list[Section] = []
        kept_bytes = raw_bytes = largest = 0
        for section in self._read():
            kinds[section.kind] += 1
            raw_bytes += len(section.body)
            largest = max(largest, section.largest_statement)
            if section.object is not None:
                name = section.object
                tables[name] += section.rows
                largest_of[name] = max(largest_of.get(name, 0), section.largest_statement)
            if section.kind is not SectionKind.ROWS:
                kept_bytes += len(section.body)
                if kept_bytes <= MOST_KEPT:
                    kept.append(section)
                else:
                    kept.clear()
            yield section
        self._kept = kept if kept_bytes <= MOST_KEPT else None
        self._totals = ScriptTotals(dict(tables), raw_bytes, largest, dict(kinds), largest_of)

    def _read(self) -> Iterator[Section]:
        reader = self._reader_factory()
        try:
            first = True
            for chunk in decoded(self.path):
                yield from reader.feed(chunk.removeprefix(_BYTE_ORDER_MARK) if first else chunk)
                first = False
            yield from reader.finish()
        except BackupError as error:
            raise DamagedArchive(f"{self.path}: {error.what}", cure=error.cure) from error
        except Refused as error:
            raise Refused(f"{self.path}: {error.what}", cure=error.cure) from error


def _loaded(section: Section) -> Section:
    return section


def refuse_foreign(path: Path) -> None:
    """Raise Refused where a file is something else that people call a dump, StorageError if unreadable."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror or error}") from error
    known = next((known for magic, known in _FOREIGN.items() if head.startswith(magic)), None)
    if head[257:262] == b"ustar":
        known = ("a tar file", "unpack it, or restore it with pg_restore if pg_dump -Ft wrote it")
    if known is not None:
        raise Refused(f"{path}: is no plain dump but {known[0]}", cure=known[1])
