"""Runs of the command that come to an end before their time, and what must hold after them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.conftest import Site
from vya_backupdb.catalog.store import ARCHIVE_SUFFIXES, DIGEST_SUFFIX, RECORD_SUFFIX

from .conftest import Called

PATIENCE = 60.0
"""Seconds for what takes one on a quiet machine."""


def wait_until(happened: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def processes_about(word: str) -> list[int]:
    """Give the processes that have a word in their arguments: dump tools name their database there."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                argv = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if word.encode() in argv:
                found.append(int(entry.name))
    return found


@dataclass
class Kept:
    """The backups of a database that were found whole; each call of `hold` looks at what has changed."""

    site: Site
    called: Callable[..., Called]
    database: str
    known: frozenset[str] = frozenset()
    """Their files."""

    def hold(self, about: str, *, more: int | None = None) -> None:
        """All that lists is whole, and nothing that listed is gone. `more`: so many are new."""
        words = ("--instance", "source", "--database", self.database, "--format", "json")
        status, stdout, stderr = self.called(self.site.config, "restore", "list", *words)
        assert status == 0, f"{about}: {stderr}"
        listed = frozenset(each["file"] for each in json.loads(stdout)["backups"])
        assert listed >= self.known, about
        new = listed - self.known
        assert more is None or len(new) == more, about
        for file in new:
            status, _, stderr = self.called(self.site.config, "verify", "--file", file)
            assert status == 0, f"{about}: {stderr}"
        self.known = listed

    def files_of_others(self) -> list[Path]:
        """Give files of the store that belong to no backup that lists."""
        stems = {Path(file).name.partition(".sql")[0] for file in self.known}
        whole = {stem + end for stem in stems for end in (RECORD_SUFFIX, DIGEST_SUFFIX, *ARCHIVE_SUFFIXES)}
        return [
            path
            for path in self._store().rglob(f"{self.database}_*")
            if path.is_file() and path.name not in whole
        ]

    def _store(self) -> Path:
        configured = json.loads(self.site.config.read_text())["storage"]["path"]
        return self.site.folder / str(configured)

    def is_cleaned_by_prune(self, about: str) -> None:
        """What runs left behind is named after a day, and gone; nothing else is."""
        left = self.files_of_others()
        for path in left:
            two_days_ago = time.time() - 2 * 24 * 3600
            os.utime(path, (two_days_ago, two_days_ago))
        self.site.change_config(retention={"keep_last": 1000})
        status, stdout, stderr = self.called(self.site.config, "prune", "--format", "json")
        assert status == 0, f"{about}: {stderr}"
        assert sorted(json.loads(stdout)["leftovers"]) == sorted(map(str, left)), about
        assert self.files_of_others() == [], about
        self.hold(about, more=0)
