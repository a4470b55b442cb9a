"""Which pg_dump and pg_dumpall fit a server, and where they are."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from vya_backupdb.config.models import Instance
from vya_backupdb.errors import DumpToolMissing
from vya_backupdb.model import DumpTool, ServerFacts

TOOL: Final = "pg_dump"

FOLDERS: Final = (
    "/usr/lib/postgresql/{major}/bin",  # Debian, Ubuntu
    "/usr/pgsql-{major}/bin",  # Red Hat, from postgresql.org
    "/usr/lib/postgresql{major}/bin",  # SUSE
    "/usr/libexec/postgresql{major}",  # Alpine
    "/usr/local/pgsql-{major}/bin",
    "/opt/postgresql/{major}/bin",
)
"""Where the packages of each major version lie."""

COMMON_FOLDERS: Final = ("/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin")
"""Where one of some version may lie; Debian's /usr/bin/pg_dump is a script that chooses for itself."""

NEWEST_LOOKED_FOR: Final = 30

_VERSION: Final = re.compile(r"(pg_dump(?:all)?) \([^)]*\) (\d+)(?:\.(\d+))?[^\s(]*")
_VERSION_TIMEOUT: Final = 10
"""Seconds."""


def find_tool(facts: ServerFacts, instance: Instance, *, root: Path = Path("/")) -> DumpTool:
    """Find the server's own pg_dump, else the nearest newer one, or take the one that `dump.tool` names.

    Raises DumpToolMissing: pg_dump refuses servers newer than itself.
    """
    server = facts.version_number[0]
    if instance.dump.tool is not None:
        tool = _examined(instance.dump.tool)
        if isinstance(tool, str):
            raise DumpToolMissing(
                f"{instance.id}: dump.tool: {tool}", cure="name a pg_dump, or leave dump.tool out"
            )
        if tool.version_number[0] < server:
            raise DumpToolMissing(
                f"{instance.id}: dump.tool: {tool.path} is version {tool.version}, "
                f"and the server is {facts.version}",
                cure=f"name a pg_dump of version {server} or newer, or leave dump.tool out",
            )
        return _noted(tool, server)
    unfit: list[str] = []
    for candidates in _places(server, root):
        tools = []
        for path in candidates:
            tool = _examined(path)
            if isinstance(tool, str):
                unfit.append(tool)
            elif tool.version_number[0] < server:
                unfit.append(f"{path} is version {tool.version}")
            else:
                tools.append(tool)
        if tools:
            return _noted(min(tools, key=lambda tool: tool.version_number[0]), server)
    looked = "; ".join(unfit) if unfit else "none in /usr/lib/postgresql, /usr/pgsql-N and the like"
    raise DumpToolMissing(
        f"{instance.id}: no pg_dump for PostgreSQL {facts.version} ({looked})",
        cure=f"install postgresql-client-{server} (Debian) or postgresql{server} (Red Hat), "
        "or name one with dump.tool",
    )


def dumpall_beside(tool: DumpTool, instance: Instance) -> DumpTool:
    """Give the pg_dumpall of a pg_dump that was chosen: it lies beside it, and is of the same version.

    Raises DumpToolMissing.
    """
    path = Path(tool.path).with_name("pg_dumpall")
    found = _examined(path, "pg_dumpall")
    if isinstance(found, str):
        raise DumpToolMissing(
            f"{instance.id}: users and roles need pg_dumpall beside {tool.path}: {found}",
            cure="install the whole client package, or name another pg_dump with dump.tool",
        )
    if found.version_number[0] != tool.version_number[0]:
        raise DumpToolMissing(
            f"{instance.id}: {path} is version {found.version}, and {tool.path} is {tool.version}",
            cure="install both of one package, or name another pg_dump with dump.tool",
        )
    return replace(found, notes=tool.notes)


def _places(server: int, root: Path) -> Iterator[Sequence[Path]]:
    """Give the files to look at, the best first; those of one rank together."""
    own = [_in(root, folder.format(major=server)) for folder in FOLDERS]
    common = [_in(root, folder) for folder in COMMON_FOLDERS]
    yield [path for path in own if path.exists()]
    yield [path for path in common if _is_program(path) and _is_of(path, server)]
    for major in range(server + 1, NEWEST_LOOKED_FOR):
        yield [path for folder in FOLDERS if (path := _in(root, folder.format(major=major))).exists()]
    yield [path for path in common if _is_program(path)]


def _in(root: Path, folder: str) -> Path:
    return root / folder.lstrip("/") / TOOL


def _is_of(path: Path, major: int) -> bool:
    tool = _examined(path)
    return isinstance(tool, DumpTool) and tool.version_number[0] == major


def _is_program(path: Path) -> bool:
    """Whether it is a binary; a script chooses a version by rules of its own."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _examined(path: Path, name: str = TOOL) -> DumpTool | str:
    """Ask a tool for its version; a text says why it is none."""
    if path.resolve().name == "pg_wrapper":
        return f"{path} is Debian's wrapper, which chooses a version by rules of its own"
    if not os.access(path, os.X_OK) or not path.is_file():
        return f"{path} is not there or not executable"
    try:
        done = subprocess.run(
            (str(path), "--version"),
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{path} --version does not end"
    except OSError as error:
        return f"{path} cannot be run: {error.strerror or error}"
    match = _VERSION.match(done.stdout[:200].decode("utf-8", "replace"))
    if match is None or match[1] != name or done.returncode != 0:
        return f"{path} --version does not say that it is a {name}"
    major, minor = int(match[2]), match[3]
    return DumpTool(
        path=str(path),
        flavour="postgresql",
        version=match[0].rpartition(" ")[2],
        version_number=(major,) if minor is None else (major, int(minor)),
    )


def _noted(tool: DumpTool, server: int) -> DumpTool:
    major = tool.version_number[0]
    if major == server:
        return tool
    note = (
        f"{tool.path} is of PostgreSQL {major}, newer than the server ({server}): "
        f"what it writes may not restore into PostgreSQL {server}"
    )
    if server < 15 <= major:  # it takes for granted that the target has the defaults of 15
        note += ", and there leaves everybody CREATE on a schema public from which it was revoked"
    return replace(tool, notes=(f"{note}; install postgresql-client-{server}",))
