"""One backup as its file and its metadata tell it, without a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vya_backupdb.archive.reader import Archive
from vya_backupdb.archive.source import ScriptSource, open_source
from vya_backupdb.catalog.publish import storage_errors
from vya_backupdb.engines.base import Engine
from vya_backupdb.engines.recognition import recognized
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.model import SectionKind
from vya_backupdb.operations.choose import Chosen
from vya_backupdb.streams.codec import CodecName, detect


@dataclass(frozen=True)
class ShownTable:
    """One table of a backup; its sizes are those of its rows."""

    name: str
    rows: int
    raw_bytes: int
    """Of script."""
    bytes: int | None
    """In the file; None for a plain dump, of which no table has a part of its own."""


@dataclass(frozen=True)
class ShownBackup:
    """What is known of a backup besides its metadata."""

    chosen: Chosen
    engine: Engine
    is_archive: bool
    """Whether it has an index, and so can be read in parts."""
    codec: CodecName
    bytes: int
    """Of the file."""
    raw_bytes: int
    tables: tuple[ShownTable, ...]
    """In the order of the script."""

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


@contextmanager
def opened(chosen: Chosen) -> Iterator[tuple[Engine, ScriptSource]]:
    """Open a backup or plain dump with the engine whose tool wrote it.

    Raises Refused where that cannot be told, DamagedArchive, StorageError.
    """
    record = chosen.record
    engine = engine_named(record.server.engine if record else recognized(chosen.path))
    with open_source(chosen.path, engine.reader) as source:
        yield engine, source


def show(chosen: Chosen) -> ShownBackup:
    """Read the index of an archive, or a plain dump once from its beginning to its end.

    Raises Refused, DamagedArchive, StorageError.
    """
    with opened(chosen) as (engine, source):
        if isinstance(source, Archive):
            parts = ((f.object, f.rows, f.raw_length, f.length) for f in source.manifest.frames)
        else:
            sections = source.sections(frozenset(SectionKind))
            parts = ((s.object, s.rows, len(s.body), 0) for s in sections)
        rows: Counter[str] = Counter()
        raw_bytes: Counter[str] = Counter()
        in_file: Counter[str] = Counter()
        for name, count, raw_length, length in parts:
            if name is not None:
                rows[name] += count
                raw_bytes[name] += raw_length
                in_file[name] += length
        # MySQL's tools write nothing for a table without rows but its definition
        defined = engine.tables(source.sections({SectionKind.SCHEMA, SectionKind.POST})).names
        with storage_errors(chosen.path):
            size = chosen.path.stat().st_size
            with chosen.path.open("rb") as file:
                codec = detect(file.read(4))
        is_archive = isinstance(source, Archive)
        return ShownBackup(
            chosen=chosen,
            engine=engine,
            is_archive=is_archive,
            codec=codec,
            bytes=size,
            raw_bytes=source.scan().raw_bytes,
            tables=tuple(
                ShownTable(name, rows[name], raw_bytes[name], in_file[name] if is_archive else None)
                for name in dict.fromkeys((*defined, *rows))
            ),
        )
