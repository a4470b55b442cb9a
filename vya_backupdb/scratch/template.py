"""Initialised data folders, made once for each version and copied for each start."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vya_backupdb.errors import ScratchError
from vya_backupdb.scratch.binaries import Binaries, cache_folder
from vya_backupdb.scratch.process import ENVIRONMENT

_LAYOUT = "1"
"""Changes where the way of initialising changes."""


def lay(binaries: Binaries, target: Path, initialise: Callable[[Path], None]) -> None:
    """Make `target` an initialised data folder: a copy of the template, which is made first if need be.

    Where the cache cannot be used the folder is initialised directly. Raises ScratchError.
    """
    status = binaries.server.stat()
    identity = "|".join((_LAYOUT, str(binaries.server), str(status.st_size), str(status.st_mtime_ns)))
    name = f"{binaries}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    folder = cache_folder() / "scratch"
    template = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(folder / f"{name}.lock", timeout=180, mode=0o600):
            if not template.is_dir():
                _make(template, target, initialise)
                return
            _copy(template, target)
    except (OSError, Timeout) as error:
        if target.exists():
            shutil.rmtree(target, ignore_errors=True)
        initialise(target)
        if not target.is_dir():
            raise ScratchError(f"{target}: {error}") from error


def _make(template: Path, target: Path, initialise: Callable[[Path], None]) -> None:
    """Initialise the target, and keep a copy of it under the template's name in one step."""
    initialise(target)
    with suppress(OSError):
        unfinished = Path(tempfile.mkdtemp(prefix=f"{template.name}.new-", dir=template.parent))
        try:
            _copy(target, unfinished / "data")
            (unfinished / "data").rename(template)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy with owners and holes; `cp` shares blocks where the file system can. Raises OSError."""
    done = subprocess.run(
        (
            shutil.which("cp", path=ENVIRONMENT["PATH"]) or "/bin/cp",
            "-a",
            "--reflink=auto",
            "--",
            source,
            target,
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(done.stderr.strip())
