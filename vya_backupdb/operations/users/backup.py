"""The backup of an instance's users and roles: an archive like any other."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from vya_backupdb.archive.writer import ArchiveWriter
from vya_backupdb.catalog.naming import USERS
from vya_backupdb.catalog.publish import published, storage_errors
from vya_backupdb.catalog.record import BackupRecord, Contents
from vya_backupdb.catalog.store import Slot
from vya_backupdb.errors import Refused
from vya_backupdb.model import Finding, Section
from vya_backupdb.operations.dump import Dumped, Source, archive_file, from_tool
from vya_backupdb.operations.place import new_slot
from vya_backupdb.operations.space import SpaceGuard
from vya_backupdb.streams.codec import CODEC_NAMES, Codec


@dataclass(frozen=True)
class PlannedUsers:
    """What a backup of users would be."""

    path: Path
    system: bool
    """Whether the server's own accounts are in it."""


@dataclass(frozen=True)
class UsersOutput:
    """Where a backup of users goes: a file of the user's choice, or one in the store."""

    slot: Slot
    codec: Codec
    findings: tuple[Finding, ...] = ()

    @classmethod
    def at(cls, path: Path) -> UsersOutput:
        """Choose the codec by the file's extension. Raises Refused where that is none, or a file is there."""
        for codec in map(Codec.named, CODEC_NAMES):
            stem = path.name.removesuffix(codec.extension)
            if stem and stem != path.name:
                slot = Slot(path.parent, stem)
                with storage_errors(path):
                    present = [file for file in slot.files() if file.exists()]
                if present:
                    raise Refused(f"{present[0]}: is there already", cure="name another file, or remove it")
                return cls(slot, codec)
        raise Refused(f"{path}: its extension names no codec", cure="end it in .sql, .sql.gz or .sql.zst")


def _in_the_store(source: Source) -> UsersOutput:
    slot, clock = new_slot(source.store, source.instance.id, None, datetime.now(UTC))
    return UsersOutput(slot, source.codec, clock)


def plan_users(source: Source, output: UsersOutput | None, *, system: bool) -> PlannedUsers:
    """Say where the backup would go."""
    place = output or _in_the_store(source)
    return PlannedUsers(place.slot.file(place.codec.extension), system)


def dump_users(source: Source, output: UsersOutput | None, *, system: bool) -> Dumped:
    """Dump all accounts and publish the file. On any failure nothing of it stays.

    Raises BackupError, StorageError, ConnectionFailed.
    """
    place = output or _in_the_store(source)
    slot, codec = place.slot, place.codec
    path = slot.file(codec.extension)
    if output is None:
        slot.open()
    guard = SpaceGuard(slot.folder, source.reserve if output is None else 0)
    guard.check(0)
    started = datetime.now(UTC)
    positions = source.connector.positions()
    script = source.connector.accounts().dump(system=system)
    kept: list[Section] = []
    with slot.all_or_nothing():
        with published(path) as sink, ArchiveWriter(sink, codec, source.threads) as archive:
            for section in script:
                guard.watch()
                kept.append(section)
                archive.write(section)
            kinds = Counter(account.kind for account in source.engine.accounts(kept))
            written = archive.finish()
        finished = datetime.now(UTC)
        record = BackupRecord(
            id=uuid.uuid4().hex,
            run_id=source.run_id,
            made_by=f"vya-backupdb {version('vya-backupdb')}",
            hostname=source.store.hostname,
            instance=source.instance.id,
            content="users",
            database=USERS,
            server=source.connector.facts,
            tool=script.tool,
            options=script.options,
            consistency="none",
            started_at=started,
            snapshot_at=finished,  # one account is read after the other
            finished_at=finished,
            positions=dict(positions),
            positions_after=dict(source.connector.positions()),
            definition=None,
            file=archive_file(codec, path, written),
            contents=Contents(
                tables=0,
                rows=0,
                largest_statement=written.largest_statement,
                objects=dict(kinds),
            ),
            warnings=(*place.findings, *script.notes, *from_tool(script.tool, ())),
        )
        return Dumped(record, slot.publish_record(record))
