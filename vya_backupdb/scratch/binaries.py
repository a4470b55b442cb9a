"""Which database servers are installed on this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vya_backupdb.errors import ScratchError
from vya_backupdb.model import Flavour

ENGINE_MARK = ".vya-backupdb-engine"
"""A file in a root folder that was unpacked, and made to run without chroot, for our use."""

_SHARED_CACHE = Path("/var/cache/vya-backupdb")
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin")
_POSTGRESQL_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
_SERVERS: dict[Flavour, tuple[str, ...]] = {
    "mysql": ("mysqld",),
    "mariadb": ("mariadbd", "mysqld"),
    "postgresql": ("postgres",),
}
_COMPANIONS: dict[Flavour, tuple[str, ...]] = {
    "mysql": ("mysql", "mysqldump"),
    "mariadb": ("mariadb", "mariadb-dump", "mariadb-install-db"),
    "postgresql": ("initdb", "psql", "pg_dump"),
}
_VERSION = re.compile(r"(?:Ver|\(PostgreSQL\)) (\d+(?:\.\d+)*)(-MariaDB)?")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installed server with its clients."""

    flavour: Flavour
    version: str
    """As `10.11.14`, `9.7.0`, `15.18`."""
    server: Path
    client_folder: Path
    """Holds `mysql` and `mysqldump`; `mariadb` and `mariadb-dump`; `psql` and `pg_dump`."""

    @property
    def version_number(self) -> tuple[int, ...]:
        """The version as numbers, to compare."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def client(self) -> Path:
        """The interactive client, which executes a script from its stdin."""
        return (
            self.client_folder / {"mysql": "mysql", "mariadb": "mariadb", "postgresql": "psql"}[self.flavour]
        )

    @property
    def dump(self) -> Path:
        """The dump tool."""
        names = {"mysql": "mysqldump", "mariadb": "mariadb-dump", "postgresql": "pg_dump"}
        return self.client_folder / names[self.flavour]

    def __str__(self) -> str:
        return f"{self.flavour}-{self.version}"


def cache_folder() -> Path:
    """Where unpacked engines and initialised data folders are kept: this user's cache.

    For root it is /var/cache, because servers run as users that may not enter root's home.
    """
    if os.geteuid() == 0:
        return _SHARED_CACHE
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vya-backupdb"


def engine_folders() -> list[Path]:
    """Root folders with an engine unpacked for us (by scripts/engines)."""
    caches = dict.fromkeys((cache_folder(), _SHARED_CACHE))
    return sorted(mark.parent for cache in caches for mark in cache.glob(f"engines/*/{ENGINE_MARK}"))


def find_binaries(flavour: Flavour) -> list[Binaries]:
    """Give every usable server of a flavour, the newest first; of equal versions the system's first."""
    found: dict[Path, Binaries] = {}
    for path in _candidates(flavour):
        if path.resolve() not in found and (binaries := _look_at(flavour, path)) is not None:
            found[path.resolve()] = binaries
    return sorted(found.values(), key=lambda binaries: binaries.version_number, reverse=True)


def newest(flavour: Flavour) -> Binaries:
    """Give the newest server of a flavour. Raises ScratchError where there is none."""
    if found := find_binaries(flavour):
        return found[0]
    raise ScratchError(
        f"no {flavour} server is installed here",
        cure=f"install {' or '.join(_SERVERS[flavour])}, with {', '.join(_COMPANIONS[flavour])}",
    )


def _candidates(flavour: Flavour) -> Iterator[Path]:
    search = [
        Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder.startswith("/")
    ]
    search += [Path(folder) for folder in _SYSTEM_FOLDERS]
    roots = engine_folders()
    if flavour == "postgresql":
        search += [folder for pattern in _POSTGRESQL_FOLDERS for folder in sorted(Path("/").glob(pattern))]
        search += [f for root in roots for pattern in _POSTGRESQL_FOLDERS for f in sorted(root.glob(pattern))]
    else:
        search += [root / "usr/sbin" for root in roots]
    for folder in dict.fromkeys(search):
        for name in _SERVERS[flavour]:
            path = folder / name
            if os.access(path, os.X_OK) and path.is_file():  # in this order: a folder may be closed to us
                yield path


def _look_at(flavour: Flavour, server: Path) -> Binaries | None:
    """Give the binaries if this is a server of the flavour and its companions are there."""
    try:
        said = subprocess.run(
            [server, "--no-defaults", "--version"] if flavour != "postgresql" else [server, "--version"],
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(said)
    if match is None or (match[2] is not None) != (flavour == "mariadb"):
        return None
    for folder in dict.fromkeys((server.parent, server.parent.parent / "bin")):
        if all(os.access(folder / name, os.X_OK) for name in _COMPANIONS[flavour]):
            return Binaries(flavour, match[1], server, folder)
    return None
