"""Proof that a backup is whole: its checksum, every frame, the script in it, and the rows its index tells."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vya_backupdb.archive.manifest import Frame
from vya_backupdb.archive.reader import Archive
from vya_backupdb.archive.script import ScriptSource
from vya_backupdb.catalog.publish import storage_errors
from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.engines.base import Engine
from vya_backupdb.errors import BackupError, Refused, VerificationError
from vya_backupdb.model import Section, SectionKind
from vya_backupdb.operations.choose import Chosen
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.show import opened

_THREADS: Final = 2
"""Frames that are decompressed at a time, while another one is read as a script."""


@dataclass(frozen=True)
class Damage:
    """What is not as it was written; with its place, where it lies in one frame."""

    what: str
    frame: int | None = None
    """Counted from 1."""
    table: str | None = None
    offset: int | None = None
    """Of the frame in the file, in bytes."""


@dataclass(frozen=True)
class Verified:
    """What was found of one backup."""

    path: Path
    """Of the backup file; of its record where that is what is damaged."""
    record: BackupRecord | None
    damages: tuple[Damage, ...] = ()
    whole_tables: tuple[str, ...] = ()
    """Of a damaged one: what can still be restored from it by itself (`restore --table`, `extract`)."""
    rows: int = 0
    """Counted in the script."""
    seconds: float = 0.0

    @property
    def error(self) -> VerificationError | None:
        """The damages as one error; None where there are none."""
        if not self.damages:
            return None
        cure = "keep another backup of it (restore list), and look at what the store lies on"
        faults = ((each.what, None) for each in self.damages)
        return VerificationError.of_faults(str(self.path), faults, cure=cure)


def verify(chosen: Chosen, progress: Progress) -> Verified:
    """Read a backup, or a plain dump, from its beginning to its end, and compare all that is known of it.

    Raises Refused where it is no backup at all, StorageError where it cannot be read.
    """
    began = time.monotonic()
    progress.begin(chosen.path.name, chosen.record.file.raw_bytes if chosen.record else None)
    work = _Verification(chosen, progress)
    try:
        work.run()
    finally:
        progress.end()
    return Verified(
        chosen.path,
        chosen.record,
        tuple(work.damages),
        work.whole_tables if work.damages else (),
        work.rows.total(),
        time.monotonic() - began,
    )


class _Verification:
    """One backup in work."""

    def __init__(self, chosen: Chosen, progress: Progress) -> None:
        self._chosen = chosen
        self._progress = progress
        self._done_bytes = 0
        self.damages: list[Damage] = []
        self.whole_tables: tuple[str, ...] = ()
        self.rows: Counter[str] = Counter()

    def run(self) -> None:
        record = self._chosen.record
        with ThreadPoolExecutor(1, thread_name_prefix="hash") as pool:
            digest = pool.submit(_sha256, self._chosen.path)
            try:
                with opened(self._chosen) as (engine, source):
                    self._read(engine, source)
            except VerificationError as error:  # its index, or a plain dump, is damaged
                self.damages.append(Damage(self._without_path(error)))
            is_other = record is not None and digest.result() != record.file.sha256
        if is_other and not self.damages:
            self.damages.append(Damage("its parts are whole, but its sha256 is not the one in its metadata"))

    def _read(self, engine: Engine, source: ScriptSource) -> None:
        if not isinstance(source, Archive):
            self.rows.update(source.scan().tables)  # the pass of `scan` has read all of it
            return
        script = self._script(engine, source)
        if self._chosen.record is not None and self._chosen.record.content == "users":
            self._compare_accounts(engine, script)
        else:
            self._compare_rows(engine, source, script)
        if self.damages:
            self.whole_tables = self._undamaged(source)

    def _script(self, engine: Engine, source: Archive) -> Iterator[Section]:
        """Give the frames that are whole, in order; those that are not become damages."""
        for number, (frame, read) in enumerate(_frames(source), start=1):
            try:
                section = read.result()
            except VerificationError as error:
                what = self._without_path(error)
                self.damages.append(Damage(what, number, frame.object, frame.offset))
                continue
            self._done_bytes += len(section.body)
            self._progress.advance(self._done_bytes, section.object)
            yield section

    def _compare_rows(self, engine: Engine, source: Archive, script: Iterator[Section]) -> None:
        """Read the script anew, whoever wrote it: whole statements, its last line, the rows of each table."""
        reader = engine.reader()
        try:
            for section in script:
                if not self.damages:  # behind a gap nothing more can be told of the script
                    self._count(reader.feed(section.body))
            if not self.damages:
                self._count(reader.finish())
        except (BackupError, Refused) as error:
            self.damages.append(Damage(f"its script: {error.what}"))
            for _ in script:  # the frames behind it
                pass
        if self.damages:
            return
        expected = source.expected_rows()
        self.damages += [
            Damage(
                f"{table}: {self.rows[table]:,} rows in the script, {expected.get(table, 0):,} in its index"
            )
            for table in sorted({*expected, *self.rows})
            if self.rows[table] != expected.get(table, 0)
        ]
        counted = self._chosen.record.contents.rows if self._chosen.record else self.rows.total()
        if not self.damages and counted != self.rows.total():
            self.damages.append(
                Damage(f"{self.rows.total():,} rows in the script, {counted:,} in its metadata")
            )

    def _count(self, sections: Iterator[Section]) -> None:
        for section in sections:
            if section.object is not None:
                self.rows[section.object] += section.rows

    def _compare_accounts(self, engine: Engine, script: Iterator[Section]) -> None:
        sections = list(script)
        if self.damages or self._chosen.record is None:
            return
        expected = {kind: count for kind, count in self._chosen.record.contents.objects.items() if count}
        found = dict(Counter(account.kind for account in engine.accounts(sections)))
        if found != expected:
            self.damages.append(Damage(f"accounts in the script: {found}, in its metadata: {expected}"))

    def _without_path(self, error: VerificationError) -> str:
        return error.what.removeprefix(f"{self._chosen.path}: ")

    def _undamaged(self, source: Archive) -> tuple[str, ...]:
        """Name the tables of which every frame is whole, if what all of them need is whole too."""
        located = {damage.frame for damage in self.damages}
        if None in located:
            return ()
        damaged = [source.manifest.frames[number - 1] for number in located if number is not None]
        if any(frame.kind is not SectionKind.ROWS for frame in damaged):
            return ()
        tables = {frame.object for frame in damaged}
        return tuple(table for table in source.manifest.tables if table not in tables)


def _frames(source: Archive) -> Iterator[tuple[Frame, Future[Section]]]:
    """Decompress and check every frame, a few ahead of whoever takes them."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="verify") as pool:
        running: deque[tuple[Frame, Future[Section]]] = deque()
        for frame in source.manifest.frames:
            running.append((frame, pool.submit(source.read, frame)))
            if len(running) > _THREADS:
                yield running.popleft()
        yield from running


def _sha256(path: Path) -> str:
    with storage_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
