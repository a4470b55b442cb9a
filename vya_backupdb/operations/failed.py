"""The statements after the rows that a server refused, as a script that its own client executes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vya_backupdb.archive.source import ScriptSource
from vya_backupdb.catalog.naming import file_name, timestamp
from vya_backupdb.catalog.publish import published, storage_errors, write_whole
from vya_backupdb.engines.base import Engine
from vya_backupdb.errors import StorageError
from vya_backupdb.log import printable
from vya_backupdb.model import Action, Section, SectionKind, Statement

_SETTING: Final = re.compile(rb"\s*(?:/\*M?!\d*\s*)?(?:SET|ALTER\s+DATABASE)\b", re.IGNORECASE)
"""What others depend on: SET, and the ALTER DATABASE that mysqldump puts around what has another collation
than its database. (A PostgreSQL script with ALTER DATABASE is refused.)"""

_DELIMITERS: Final = (b";;", b"$$", b"//", b"||", b"~~vya~~")
_CLIENTS: Final = {"mysql": "mysql --comments DATABASE < FILE", "postgresql": "psql -d DATABASE -f FILE"}


@dataclass(frozen=True)
class Numbered:
    """A statement, and where in the script it stands."""

    statement: Statement
    number: int
    """In its section."""
    section: Section
    """Its body may be gone."""
    ordinal: int = 0
    """Among all statements after the rows; the same whenever the file is read."""

    def followed_by(self, statement: Statement) -> Numbered:
        """Give a statement that comes of this one."""
        return Numbered(statement, self.number, self.section, self.ordinal)

    def __str__(self) -> str:
        of = f" of {self.section.object}" if self.section.object else ""
        base = self.section.position
        at = "" if base is None else f", at byte {base + self.statement.offset:,} of the script"
        return f"statement {self.number:,} of its section of {self.section.kind}{of}{at}"


@dataclass(frozen=True)
class FailedStatement:
    """A statement after the rows that the server refused."""

    statement: Statement
    error: str
    ordinal: int | None = None
    """Where it stands; None: it is not of the script itself, but lets something of it act."""


def is_setting(statement: Statement) -> bool:
    """Say whether statements after this one may depend on it, though it creates nothing."""
    return _SETTING.match(statement.text) is not None


def write_failed(
    folder: Path,
    database: str,
    engine: Engine,
    source: ScriptSource,
    statements: Iterable[Statement | FailedStatement],
) -> Path:
    """Write a script of what failed, with the settings it needs, and give its path.

    `statements`: those that failed and the settings among them, in the script's order. Where the folder
    takes no file, the system's folder for temporary files does. Raises StorageError.
    """
    parts = [
        f"-- Refused after the rows by the restore into {printable(database)}, with the settings they need.\n"
        f"-- Mend the cause, then: {_CLIENTS[engine.name]}\n\n".encode("utf-8", "backslashreplace"),
        *(_spelled(engine, statement) for statement in _header(engine, source)),
        b"\n",
    ]
    for entry in statements:
        if isinstance(entry, FailedStatement):
            comment = printable(entry.error).encode("utf-8", "backslashreplace")
            parts += [b"\n-- ", comment, b"\n", _spelled(engine, entry.statement), b"\n"]
        else:
            parts.append(_spelled(engine, entry))
    stem = f"failed_{file_name(database)}_{timestamp(datetime.now(UTC))}"
    try:
        return _write(folder, stem, parts)
    except StorageError:
        return _write(Path(tempfile.gettempdir()), stem, parts)


def _write(folder: Path, stem: str, parts: Iterable[bytes]) -> Path:
    path = folder / f"{stem}.sql"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.sql"
    with published(path) as file, storage_errors(path):
        for part in parts:
            write_whole(file, part)
    return path


def _header(engine: Engine, source: ScriptSource) -> Iterator[Statement]:
    for section in source.sections({SectionKind.HEADER}):
        for statement in engine.statements(section):
            if statement.action is Action.EXECUTE:
                yield statement


def _spelled(engine: Engine, statement: Statement) -> bytes:
    """Write a statement as the client reads it; that of MySQL cuts at each `;` unless told otherwise."""
    text = statement.text.strip()
    if statement.copy_data is not None:
        return b"".join((text, b";\n", statement.copy_data, b"\\.\n"))
    if engine.name == "mysql" and b";" in text:
        delimiter = next((mark for mark in _DELIMITERS if mark not in text), _DELIMITERS[-1])
        return b"".join((b"DELIMITER ", delimiter, b"\n", text, b"\n", delimiter, b"\nDELIMITER ;\n"))
    # a comment to the end of the line may be the last thing in it
    return text + b"\n;\n"
