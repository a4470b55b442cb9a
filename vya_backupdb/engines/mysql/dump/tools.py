"""Finding the dump tool that belongs to a server."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, cast

from vya_backupdb.errors import DumpToolMissing
from vya_backupdb.model import DumpTool, Flavour

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "mysql": ("mysqldump",),
    "mariadb": ("mariadb-dump", "mysqldump"),
}
_PACKAGES: Final[dict[str, str]] = {"mysql": "mysql-client", "mariadb": "mariadb-client"}
_FOLDERS: Final = (
    "/usr/bin",
    "/usr/local/bin",
    "/usr/local/mysql/bin",
    "/usr/local/mariadb/bin",
    "/opt/mysql/bin",
    "/opt/mariadb/bin",
)
_PATIENCE: Final = 10.0
"""Seconds for a tool to say its version."""

_LONGEST_ANSWER: Final = 4096

_MARIADB: Final = re.compile(r"\bfrom (\d+(?:\.\d+)+)-MariaDB|\bDistrib (\d+(?:\.\d+)+)-MariaDB")
_MYSQL: Final = re.compile(r"\bVer (?:\S+ Distrib )?(\d+(?:\.\d+)+)")

ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
"""All that a tool gets: no HOME, so no ~/.my.cnf and no ~/.mylogin.cnf; no MYSQL_* or MARIADB_* variable."""

_GLOBAL_LOCK: Final = {(5, 7, 41), (8, 0, 32)}


def find_tool(
    flavour: Flavour,
    server_version: Sequence[int],
    instance_id: str,
    configured: Path | None,
    search_path: str,
) -> DumpTool:
    """Choose the tool for a server: the configured one, else the first that is not older, else the newest.

    `search_path` is a PATH; after it the usual folders are searched. Raises DumpToolMissing.
    """
    if configured is not None:
        tool = _configured(flavour, instance_id, configured)
    else:
        tool = _searched(flavour, tuple(server_version), instance_id, search_path)
    return _with_notes(tool, tuple(server_version))


def parse_tool_version(said: str) -> tuple[Flavour, str] | None:
    """Read what `--version` says; None where it is no dump tool's.

    `mysqldump  Ver 9.7.0 for Linux`, `mysqldump  Ver 10.13 Distrib 5.7.44, for Linux`,
    `mysqldump  Ver 10.19 Distrib 10.11.14-MariaDB`, `mariadb-dump from 11.8.2-MariaDB, client 10.19`.
    """
    if found := _MARIADB.search(said):
        return "mariadb", found[1] or found[2]
    if "MariaDB" in said:
        return None
    if "mysqldump" in said and (found := _MYSQL.search(said)):
        return "mysql", found[1]
    return None


def _configured(flavour: Flavour, instance_id: str, path: Path) -> DumpTool:
    found, fault = _look_at(path)
    if found is None:
        raise DumpToolMissing(
            f"{instance_id}: dump.tool: {path}: {fault}",
            cure="name the server's own dump tool, or leave it out",
        )
    if found.flavour != flavour:
        raise DumpToolMissing(
            f"{instance_id}: dump.tool: {path} is {_titled(found.flavour)}'s, and the server is "
            f"{_titled(flavour)}: dumps across the two lose things or cannot be restored",
            cure=f"install {_PACKAGES[flavour]} and name its tool",
        )
    return found


def _searched(flavour: Flavour, wanted: tuple[int, ...], instance_id: str, search_path: str) -> DumpTool:
    fitting: list[DumpTool] = []
    rejected: list[str] = []
    for path in _candidates(flavour, search_path):
        tool, fault = _look_at(path)
        if tool is None:
            rejected.append(f"{path}: {fault}")
        elif tool.flavour != flavour:
            rejected.append(f"{path} is {_titled(tool.flavour)}'s")
        elif not _is_older(tool, wanted):
            return tool
        else:
            fitting.append(tool)
    if fitting:
        return max(fitting, key=lambda tool: tool.version_number)
    reasons = f" ({'; '.join(rejected)})" if rejected else ""
    raise DumpToolMissing(
        f"{instance_id}: no {' or '.join(_NAMES[flavour])} of {_titled(flavour)} on this machine{reasons}",
        cure=f"install {_PACKAGES[flavour]}, or name the tool in dump.tool",
    )


def _candidates(flavour: Flavour, search_path: str) -> Iterator[Path]:
    seen = set()
    for folder in (*search_path.split(os.pathsep), *_FOLDERS):
        for name in _NAMES[flavour]:
            path = Path(folder) / name
            if not path.is_absolute() or not os.access(path, os.X_OK) or not path.is_file():
                continue
            if (real := path.resolve()) not in seen:
                seen.add(real)
                yield path


def _look_at(path: Path) -> tuple[DumpTool | None, str]:
    """Ask a tool for its version. Gives it, or None and what is wrong with it."""
    try:
        said = _version_text(path)
    except OSError as error:
        return None, f"cannot be run: {error.strerror}"
    if said is None:
        return None, f"does not end within {_PATIENCE:.0f} seconds when asked for its version"
    parsed = parse_tool_version(said)
    if parsed is None:
        return None, "is no mysqldump or mariadb-dump"
    flavour, version = parsed
    return DumpTool(str(path), flavour, version, tuple(int(part) for part in version.split("."))), ""


def _version_text(path: Path) -> str | None:
    """Give what it says, or the beginning of it; None where it does not end. No process stays behind."""
    child = subprocess.Popen(
        (str(path), "--no-defaults", "--version"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    deadline = time.monotonic() + _PATIENCE
    said = b""
    with child, selectors.DefaultSelector() as selector:
        output = cast("IO[bytes]", child.stdout).fileno()
        selector.register(output, selectors.EVENT_READ)
        try:
            while len(said) < _LONGEST_ANSWER:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                part = os.read(output, _LONGEST_ANSWER)
                if not part:
                    break
                said += part
        finally:
            # It may have children of its own, and it may have closed its stdout without an end.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return said.decode(errors="replace")


def _with_notes(tool: DumpTool, server_version: tuple[int, ...]) -> DumpTool:
    notes = []
    if _is_older(tool, server_version):
        server = ".".join(map(str, server_version))
        notes.append(
            f"{tool.path} {tool.version} is older than the server ({server}): it may not know all objects"
        )
    if tool.flavour == "mysql" and tool.version_number in _GLOBAL_LOCK:
        notes.append(f"{tool.path} {tool.version} locks all tables for a moment, and needs RELOAD for it")
    return DumpTool(tool.path, tool.flavour, tool.version, tool.version_number, tuple(notes))


def _is_older(tool: DumpTool, server_version: tuple[int, ...]) -> bool:
    """Whether it is of an older series: patch releases of one series write the same."""
    return tool.version_number[:2] < server_version[:2]


def _titled(flavour: str) -> str:
    return {"mysql": "MySQL", "mariadb": "MariaDB"}[flavour]
