"""What happens to backups after they are made: one append-only file for each instance."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vya_backupdb.catalog.publish import storage_errors
from vya_backupdb.errors import StorageError
from vya_backupdb.log import get_logger

log = get_logger(__name__)

JOURNAL = "journal.jsonl"

_LONGEST_LINE: Final = 64 << 20
"""Bytes of a line that are read at once: the grants of ten thousand accounts that wait are one of 10 MiB.
What is longer is none of ours, and is passed over in pieces."""


def append(folder: Path, event: str, facts: Mapping[str, object], *, now: datetime | None = None) -> None:
    """Add one line to the instance folder's journal and make it durable. Raises StorageError.

    A line torn by a crash is closed first, so that it spoils only itself.
    """
    path = folder / JOURNAL
    moment = (now or datetime.now(UTC)).astimezone(UTC).isoformat()
    line = json.dumps({"at": moment, "event": event, **facts}).encode() + b"\n"
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            view = memoryview(line)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def note(folder: Path, instance: str, event: str, facts: Mapping[str, object]) -> None:
    """Add what has happened already, and cannot be undone if that fails: a full store is only a warning."""
    try:
        append(folder, event, facts)
    except StorageError as error:
        log.warning("journal not written", instance=instance, about=event, error=error.what)


def entries(folder: Path) -> Iterator[dict[str, Any]]:
    """Give every readable entry, oldest first; torn or foreign lines are passed over.

    Raises StorageError where the journal is there but cannot be read.
    """
    path = folder / JOURNAL
    with storage_errors(path):
        if not path.is_file():
            if path.exists():  # a named pipe would be waited for, for ever
                raise OSError(errno.EINVAL, "is not a regular file")
            return
        yield from _entries(path)


class Journal:
    """The journal of an instance as one run reads it, once, and writes it.

    Where the store takes no writes (`keeps` False) it knows what the run itself does, and ends with it.
    """

    def __init__(self, folder: Path, instance: str, *, keeps: bool = True) -> None:
        self._folder = folder
        self._instance = instance
        self.keeps = keeps
        self._read: list[dict[str, Any]] | None = None

    def entries(self) -> Sequence[dict[str, Any]]:
        """Give what is known of restores and grants, oldest first; not of backups, which may be very many.

        Raises StorageError where the journal is there but cannot be read, and is to be written.
        """
        return self._known()

    def append(self, event: str, facts: Mapping[str, object]) -> None:
        """Add one entry and make it durable. Raises StorageError."""
        if self.keeps:
            append(self._folder, event, facts)
        self._remember(event, facts)

    def note(self, event: str, facts: Mapping[str, object]) -> None:
        """Add what has happened already: a full store is only a warning."""
        if self.keeps:
            note(self._folder, self._instance, event, facts)
        self._remember(event, facts)

    def _known(self) -> list[dict[str, Any]]:
        if self._read is None:
            try:
                found = [entry for entry in entries(self._folder) if entry["event"].startswith(_OF_RESTORES)]
            except StorageError:
                if self.keeps:
                    raise
                found = []
            self._read = found
        return self._read

    def _remember(self, event: str, facts: Mapping[str, object]) -> None:
        if self._read is not None or not self.keeps:  # else it is read with the rest
            self._known().append({"event": event, **facts})


_OF_RESTORES = ("restore", "users restore", "grants")


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            try:
                entry = json.loads(line)
                if b"\\ud" in line.lower():  # half of a character, as damage makes it, is text for nobody
                    json.dumps(entry, ensure_ascii=False).encode("utf-8", "surrogateescape")
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and isinstance(entry.get("event"), str):
                yield entry
