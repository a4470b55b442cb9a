"""What is told of a unit of systemd that failed: its last lines in the journal."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Final

from vya_backupdb.log import masked, printable
from vya_backupdb.operations.notices.text import Notice

_LINES: Final = 40
_PATIENCE: Final = 20.0
"""Seconds for the journal, which may be large."""


def of_unit(
    hostname: str, unit: str, *, invocation: str | None = None, journalctl: str = "journalctl"
) -> Notice:
    """Give the notice that a unit failed, with its last lines (of `invocation`, where known)."""
    lines = [
        *_last_lines(_which(unit, invocation), journalctl),
        f"On {hostname}, `journalctl --unit {unit}` tells the rest.",
    ]
    body = "\n".join(printable(masked(line)) for line in lines)
    return Notice(printable(f"{hostname}: {unit} failed"), body, is_failure=True)


def _which(unit: str, invocation: str | None) -> tuple[str, ...]:
    if invocation is None or not re.fullmatch("[0-9a-f]{32}", invocation):
        return ("--unit", unit)
    return (f"_SYSTEMD_INVOCATION_ID={invocation}", "+", f"INVOCATION_ID={invocation}")  # its own, systemd's


def _last_lines(which: tuple[str, ...], journalctl: str) -> list[str]:
    argv = (journalctl, *which, "--lines", str(_LINES), "--output", "cat", "--no-pager", "--quiet")
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"its lines in the journal cannot be read: {error}"]
    said = done.stderr if done.returncode else done.stdout
    return said.decode("utf-8", "backslashreplace").splitlines()[-_LINES:]
