"""The backup of one database: preflight, pipeline, record."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from vya_backupdb.archive.writer import ArchiveWriter, Written
from vya_backupdb.catalog.publish import published
from vya_backupdb.catalog.record import ArchiveFile, BackupRecord, Contents
from vya_backupdb.catalog.store import Slot, Store, newest
from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.base import Connector, Engine
from vya_backupdb.errors import DumpFailed, PreflightFailed, VerificationError, VyaBackupDBError, few
from vya_backupdb.log import get_logger
from vya_backupdb.model import (
    DumpPlan,
    DumpTool,
    Finding,
    LeftOut,
    ScriptReader,
    Section,
    SectionKind,
    Severity,
)
from vya_backupdb.operations.place import new_slot
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.space import SpaceGuard
from vya_backupdb.streams.codec import Codec
from vya_backupdb.streams.process import Command, DumpProcess

log = get_logger(__name__)

_CHUNK = 1 << 20
_PACKET_LIMIT = 1 << 30
"""The largest max_allowed_packet of MySQL and MariaDB: a larger statement can never be restored (1153)."""


@dataclass(frozen=True)
class Source:
    """One instance in work: everything that the dumps of its databases share."""

    instance: Instance
    credential: Credential
    engine: Engine
    connector: Connector
    store: Store
    codec: Codec
    reserve: int
    """Bytes that the store keeps free."""
    threads: int
    """Compression threads."""
    run_id: str
    warnings: tuple[Finding, ...] = ()
    """What was found of the instance as a whole; each backup of the run records it."""


@dataclass(frozen=True)
class PlannedDump:
    """What a dump of one database would be."""

    plan: DumpPlan
    tool: DumpTool
    slot: Slot
    path: Path
    options: tuple[str, ...]
    estimated_bytes: int
    """Of script, before compression."""


@dataclass(frozen=True)
class Dumped:
    """A backup that exists."""

    record: BackupRecord
    path: Path
    """Of its record."""


def plan_dump(source: Source, tool: DumpTool, database: str, estimated_bytes: int) -> PlannedDump:
    """Make the preflight of one database. Raises PreflightFailed with everything that stands in the way."""
    plan = source.connector.plan(database)
    refuse_faults(source.instance, database, plan.findings)
    slot, clock = new_slot(source.store, source.instance.id, database, datetime.now(UTC))
    plan = replace(plan, findings=(*plan.findings, *clock))
    with _command(source, tool, plan) as command:
        options = _printable(command.argv[1:])
    return PlannedDump(plan, tool, slot, slot.file(source.codec.extension), options, estimated_bytes)


def refuse_faults(instance: Instance, database: str, findings: Sequence[Finding]) -> None:
    """Raise PreflightFailed where a dump would lose something that nobody allowed it to lose."""
    faults = [
        finding
        for finding in findings
        if finding.severity is Severity.FAULT
        or (finding.severity is Severity.PRIVILEGE and not instance.allow_partial)
    ]
    if not faults:
        return
    raise PreflightFailed.of_faults(database, ((finding.what, finding.cure) for finding in faults))


def dump(source: Source, planned: PlannedDump, progress: Progress) -> Dumped:
    """Dump, compress, hash, publish. On any failure nothing of it stays and the child is gone.

    Raises DumpFailed, StorageError, ConnectionFailed.
    """
    plan, slot = planned.plan, planned.slot
    log.debug("dump tool", tool=planned.tool.path, version=planned.tool.version, options=planned.options)
    guard = SpaceGuard(source.store.root, source.reserve)
    slot.open()
    guard.check(_expected_file_bytes(source, planned))
    started = datetime.now(UTC)
    positions = source.connector.positions()
    with slot.all_or_nothing():
        with (
            published(planned.path) as sink,
            source.connector.snapshot(plan) as still,
            _command(source, planned.tool, still.plan) as command,
        ):
            pipeline = _Pipeline(source.engine.reader(from_tool=True), progress, guard, plan.left_out)
            process = DumpProcess(
                command,
                stall_timeout=source.instance.dump.stall_timeout,
                timeout=source.instance.dump.timeout,
                why_silent=lambda: _blockers(source, plan.database),
            )
            with process, ArchiveWriter(sink, source.codec, threads=source.threads) as archive:
                pipeline.run(process, archive, still.begun)
                written = archive.finish()
            options = _printable(command.argv[1:])
            warnings = (*process.warnings, *pipeline.notes)
        _refuse_unrestorable(source, plan.database, written)
        record = BackupRecord(
            id=uuid.uuid4().hex,
            run_id=source.run_id,
            made_by=f"vya-backupdb {version('vya-backupdb')}",
            hostname=source.store.hostname,
            instance=source.instance.id,
            database=plan.database,
            server=source.connector.facts,
            tool=planned.tool,
            options=options,
            consistency=plan.consistency,
            started_at=started,
            snapshot_at=pipeline.first_bytes_at or started,
            finished_at=datetime.now(UTC),
            positions=dict(positions),
            positions_after=dict(source.connector.positions()),
            definition=plan.definition,
            file=archive_file(source.codec, planned.path, written),
            contents=Contents(
                tables=len(written.manifest.tables),
                rows=sum(written.manifest.tables.values()),
                largest_statement=written.largest_statement,
                objects=plan.object_counts,
            ),
            warnings=(*source.warnings, *plan.findings, *from_tool(planned.tool, warnings)),
            left_out=plan.left_out,
        )
        path = slot.publish_record(record)
    return Dumped(record, path)


class _Pipeline:
    """Carries a dump tool's output through the script reader into the archive."""

    def __init__(
        self, reader: ScriptReader, progress: Progress, guard: SpaceGuard, left_out: LeftOut
    ) -> None:
        self._reader = reader
        self._progress = progress
        self._guard = guard
        self._without_rows = frozenset(left_out.rows)
        self.first_bytes_at: datetime | None = None
        """The tools buffer their first bytes until their snapshot is open."""

    @property
    def notes(self) -> list[str]:
        """What the script reader saw that a person should know of."""
        return self._reader.notes

    def run(self, process: DumpProcess, archive: ArchiveWriter, begun: Callable[[], None]) -> None:
        """Carry it to its end; `begun` is called when the first bytes are there."""
        done = 0
        table: str | None = None
        while chunk := process.read(_CHUNK):
            if self.first_bytes_at is None:
                self.first_bytes_at = datetime.now(UTC)
                begun()
            done += len(chunk)
            for section in self._reader.feed(chunk):
                table = section.object or table
                self._keep(section, archive)
            self._guard.watch()
            self._progress.advance(done, table)
        for section in self._reader.finish():
            self._keep(section, archive)

    def _keep(self, section: Section, archive: ArchiveWriter) -> None:
        """Write a section, but no rows of a table that is to have none: mysqldump cannot leave them out."""
        if section.kind is not SectionKind.ROWS or section.object not in self._without_rows:
            archive.write(section)


def _command(source: Source, tool: DumpTool, plan: DumpPlan) -> AbstractContextManager[Command]:
    return source.engine.dump_command(plan, tool, source.connector.facts, source.instance, source.credential)


def _blockers(source: Source, database: str) -> str:
    """Say for whom a silent dump tool waits, where the server tells."""
    try:
        blockers = source.connector.blockers(database)
    except VyaBackupDBError:
        return ""
    return f"; it may wait for {few(blockers)}" if blockers else ""


def _printable(options: Sequence[str]) -> tuple[str, ...]:
    """Give options as the metadata can hold them: a name may hold bytes that are not UTF-8."""
    return tuple(
        option.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for option in options
    )


def _expected_file_bytes(source: Source, planned: PlannedDump) -> int:
    """Estimate the file's size: a fifth more than last time, else what the server says of its data.

    Compressed dumps come to less than half of the data that a server counts (pages, dead rows).
    """
    backups = source.store.backups(
        hostname=source.store.hostname, instance=source.instance.id, database=planned.plan.database
    )
    try:
        last = newest(backups)
    except VerificationError:
        last = None
    if last is not None and last[1].file.codec == source.codec.name:
        return last[1].file.bytes * 6 // 5
    return planned.estimated_bytes if source.codec.name == "none" else planned.estimated_bytes // 2


def _refuse_unrestorable(source: Source, database: str, written: Written) -> None:
    if source.engine.name == "mysql" and written.largest_statement >= _PACKET_LIMIT:
        raise DumpFailed(
            f"{database}: the dump holds a statement of {written.largest_statement:,} bytes, "
            "more than any server takes (1 GiB)",
            cure="a row with more than 512 MiB of binary data cannot be dumped: keep it elsewhere",
        )


def archive_file(codec: Codec, path: Path, written: Written) -> ArchiveFile:
    """Describe a finished archive for its record."""
    return ArchiveFile(
        name=path.name,
        bytes=written.bytes,
        sha256=written.sha256,
        codec=codec.name,
        level=codec.level,
        raw_bytes=written.raw_bytes,
        manifest_offset=written.manifest_offset,
    )


def from_tool(tool: DumpTool | None, lines: Sequence[str]) -> list[Finding]:
    """Give what the choice of the tool, and the tool itself, have to say."""
    return [Finding(Severity.WARNING, text) for text in (*(tool.notes if tool else ()), *lines)]
