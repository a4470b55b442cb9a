"""The accounts of one backup."""

from __future__ import annotations

from collections.abc import Sequence

from vya_backupdb.archive.source import open_source
from vya_backupdb.engines.base import Engine
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import DamagedArchive, Refused, VerificationError
from vya_backupdb.model import Account, SectionKind
from vya_backupdb.operations.choose import Chosen


def engine_of(chosen: Chosen) -> Engine:
    """Give the engine whose accounts a file holds. Raises Refused where it is no backup of users."""
    record = chosen.record
    if record is None:
        raise Refused(
            f"{chosen.path}: its metadata is missing, and with it what server the users are of",
            cure="put the .json file of the backup beside it",
        )
    if record.content != "users":
        raise Refused(
            f"{chosen.path}: a backup of the database {record.database}, not of users",
            cure=f"vya-backupdb restore --file {chosen.path}",
        )
    return engine_named(record.server.engine)


def accounts_of(chosen: Chosen) -> Sequence[Account]:
    """Read the accounts of a backup. Raises Refused, DamagedArchive, VerificationError, StorageError."""
    engine = engine_of(chosen)
    with open_source(chosen.path, engine.reader) as source:
        try:
            return engine.accounts(source.sections(frozenset(SectionKind)))
        except DamagedArchive:  # names the file itself
            raise
        except VerificationError as error:
            raise VerificationError(f"{chosen.path}: {error.what}", cure=error.cure) from error
