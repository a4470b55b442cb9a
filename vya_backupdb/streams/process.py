"""A supervised child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vya_backupdb.model import Verdict


@dataclass(frozen=True)
class Command:
    """A child to run: argv without secrets, the whole of its environment, and what its stderr means."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    judge: Callable[[str], Verdict]
    """Judges one line of stderr."""
    pass_fds: tuple[int, ...] = ()
