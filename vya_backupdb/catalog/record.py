"""The metadata record beside each backup file. A backup exists when its record exists."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from vya_backupdb.errors import VerificationError
from vya_backupdb.model import DumpTool, Finding, LeftOut, MySQLDefinition, PostgreSQLDefinition, ServerFacts

_VERSION: Final = 1
"""Of the record; a key that is added needs a new one, for programs that do not know it refuse the record."""

_LARGEST: Final = 64 << 20
"""Bytes; a record names what was left out and warned about, so it grows with the number of tables."""


def _no_folder(name: str) -> str:
    if name in (".", ".."):
        raise ValueError("the name of a folder")
    return name


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time that UTC does not have") from None


PlainName = Annotated[
    str,
    StringConstraints(pattern=r"^[^/\x00]+$", min_length=1, max_length=255),
    AfterValidator(_no_folder),
]
"""A file's name without a folder: a record never leads out of its own folder."""

ServerName = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", min_length=1)]
"""The name of a database or an instance: anything but nothing."""

Count = Annotated[int, Field(ge=0, le=(1 << 63) - 1)]
"""Bytes or numbers of things."""

Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time, in UTC whatever its offset was."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)  # not each part by itself too


class ArchiveFile(_Record):
    """The backup file that the record stands beside."""

    name: PlainName
    bytes: Count
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    codec: Literal["zstd", "gzip", "none"]
    level: int
    raw_bytes: Count
    """Bytes of the script when decompressed."""
    manifest_offset: Count


class Contents(_Record):
    """What is in the backup, in figures."""

    tables: Count
    rows: Count
    largest_statement: Count
    """Bytes; the target's max_allowed_packet must be larger."""
    objects: dict[str, Count]
    """Kind (`table`, `view`, `routine` ...) to number, as counted on the server before the dump."""


class BackupRecord(_Record):
    """All that is known of one backup when it is made; it never changes afterwards."""

    schema_version: Literal[1] = _VERSION
    id: str
    run_id: str
    made_by: str
    """`vya-backupdb 0.1.0`."""
    hostname: str
    instance: ServerName
    content: Literal["database", "users"] = "database"
    """`users`: all users and roles of the instance."""
    database: ServerName
    """`@users` where that is the content."""
    server: ServerFacts
    tool: DumpTool | None
    """None: no tool of the server is used for it (users of MySQL and MariaDB)."""
    options: tuple[str, ...]
    """The dump tool's argv without its first word; secrets never stand in it."""
    consistency: Literal["snapshot", "locked", "none"]
    """`none`: one object is read after the other (users)."""
    started_at: Moment
    snapshot_at: Moment
    """A moment at which the snapshot certainly existed: the dump is of this time or a little before."""
    finished_at: Moment
    positions: dict[str, str]
    """Binlog or WAL positions read just before the dump began."""
    positions_after: dict[str, str]
    """The same just after it ended; where both are equal the position is exact."""
    definition: Annotated[MySQLDefinition | PostgreSQLDefinition, Field(discriminator="engine")] | None
    """Of the database; users have none."""
    file: ArchiveFile
    contents: Contents
    warnings: tuple[Finding, ...] = ()
    left_out: LeftOut = LeftOut()
    """What of the database is not in the backup."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not self.server.version_number:
            raise ValueError("the server has no version")
        if (self.definition is None) != (self.content == "users"):
            raise ValueError("a database has a definition, users have none")
        if self.definition is not None and self.definition.engine != self.server.engine:
            raise ValueError("the server and the database's definition are of different engines")
        return self


def read_record(path: Path) -> BackupRecord:
    """Read and check one record. Raises VerificationError where it is not one; OSError as it comes."""
    with path.open("rb") as file:
        written = file.read(_LARGEST + 1)
    if len(written) > _LARGEST:
        raise _no_record(path, f"more than {_LARGEST >> 20} MiB")
    text, _, check = written.rpartition(_CHECK)
    if check != _check(text):
        raise _no_record(path, "its bytes are not those that were written")
    try:
        return BackupRecord.model_validate_json(text + _END)
    except ValidationError as error:  # of another version of this program
        _refuse_newer(path, text + _END)
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))[:_LONGEST_PLACE] or "document"
        raise _no_record(path, f"{where}: {first['msg']}") from None


def _refuse_newer(path: Path, document: bytes) -> None:
    """Raise VerificationError if the record has a version that is yet to come."""
    try:
        written = json.loads(document)
        version = written["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    if type(version) is int and version > _VERSION:
        raise VerificationError(
            f"{path}: version {version} of the metadata; this program reads up to version {_VERSION}",
            cure=f"use a newer vya-backupdb (it was made by {written.get('made_by')!a:.60})",
        )


def _no_record(path: Path, why: str) -> VerificationError:
    return VerificationError(
        f"{path}: not a metadata record of this program ({why})",
        cure="without it the backup can still be restored: move it away, then restore --file "
        f"{path.with_suffix('.sql')}... --target-database NAME",
    )


def record_bytes(record: BackupRecord) -> bytes:
    """Give the record as it is stored: indented JSON whose last value is the SHA-256 of all before it."""
    return sealed(record.model_dump_json(indent=2).encode())


def sealed(document: bytes) -> bytes:
    """Add its check to an indented JSON document."""
    text = document.removesuffix(_END)
    return text + _CHECK + _check(text)


_END: Final = b"\n}"
_CHECK: Final = b',\n  "check": "'
_LONGEST_PLACE: Final = 80


def _check(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode() + b'"' + _END + b"\n"
