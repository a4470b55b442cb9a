"""Which backup a selection means: the newest, the newest before a moment, or a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vya_backupdb.catalog.naming import USERS
from vya_backupdb.catalog.publish import storage_errors
from vya_backupdb.catalog.record import BackupRecord, read_record
from vya_backupdb.catalog.store import ARCHIVE_SUFFIXES, RECORD_SUFFIX, Store, check_file, newest
from vya_backupdb.errors import Refused, VerificationError


@dataclass(frozen=True)
class Selection:
    """One backup: `file`, or of `instance` and `database` the newest (`at` None) or newest before `at`.

    With `users` that of the instance's users and roles is meant, not one of a database.
    """

    instance: str | None = None
    database: str | None = None
    at: datetime | None = None
    file: Path | None = None
    host: str | None = None
    users: bool = False


@dataclass(frozen=True)
class Chosen:
    """A backup file; its record is None for a plain dump that another program made."""

    path: Path
    record: BackupRecord | None


def choose(store: Store, selection: Selection) -> Chosen:
    """Find the one backup that is meant.

    Raises Refused where nothing matches or several do, VerificationError where the record or file of the
    one that is meant is damaged or missing.
    """
    if selection.file is not None:
        return choose_file(selection.file)
    wanted = USERS if selection.users else selection.database
    if selection.instance is None or wanted is None:
        raise Refused("which backup is not said", cure="name --instance and --database, or --file")
    backups = store.backups(
        hostname=selection.host,
        instance=selection.instance,
        database=selection.database,
        users=selection.users,
    )
    found = newest(backups, at=selection.at)
    if found is None:
        before = f" at or before {selection.at.isoformat()}" if selection.at else ""
        raise Refused(
            f"{store.root}: no backup of {selection.instance}/{wanted}{before}",
            cure="see what there is: restore list",
        )
    backup, record = found
    if record.database != wanted or (record.content == "users") != selection.users:
        raise VerificationError(
            f"{backup.path}: lies among the backups of {wanted}, but is one of {record.database}",
            cure="put it back where it belongs, or name it: --file F --target-database NAME",
        )
    return Chosen(check_file(backup.path, record), record)


def choose_file(path: Path) -> Chosen:
    """Take a file, with the record that stands beside it. Raises as `choose` does."""
    with storage_errors(path):
        is_there = path.is_file()
    if not is_there:
        raise Refused(f"{path}: no such file", cure="name a backup file (.sql, .sql.gz or .sql.zst)")
    record_path = _record_path(path)
    if record_path is None:
        return Chosen(path, None)
    record = read_record(record_path)
    if record.file.name != path.name:
        raise VerificationError(
            f"{record_path}: is the record of {record.file.name}, not of {path.name}",
            cure="put the files of one backup together under their own names",
        )
    return Chosen(check_file(record_path, record), record)


def _record_path(path: Path) -> Path | None:
    for suffix in ARCHIVE_SUFFIXES:
        if path.name.endswith(suffix):
            record = path.with_name(path.name.removesuffix(suffix) + RECORD_SUFFIX)
            return record if record.is_file() else None
    return None


def parse_moment(text: str) -> datetime:
    """Read a time as people write it (`2026-11-23 05:00`), local unless it carries an offset.

    Raises ValueError.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (OverflowError, OSError):
        raise ValueError(f"{text}: not a time that UTC has") from None
