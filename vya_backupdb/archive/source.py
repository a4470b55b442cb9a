"""Opens a script to restore from, whatever it is stored as."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from vya_backupdb.archive.plain import PlainScript
from vya_backupdb.archive.reader import is_archive, open_archive
from vya_backupdb.archive.script import RowTask, ScriptSource, ScriptTotals
from vya_backupdb.model import ScriptReader

__all__ = ["RowTask", "ScriptSource", "ScriptTotals", "open_source"]


def open_source(
    path: Path, reader_factory: Callable[[], ScriptReader]
) -> AbstractContextManager[ScriptSource]:
    """Open an archive of ours, or else a plain script of the dump tool that the factory's readers know.

    Raises DamagedArchive where it is an archive that is not whole, StorageError where it can't be read.
    """
    return open_archive(path) if is_archive(path) else PlainScript(path, reader_factory)
