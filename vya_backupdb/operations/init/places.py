"""Where servers usually listen on a machine."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vya_backupdb.model import EngineName

LOOPBACK: Final = "127.0.0.1"

_SOCKETS: Final[dict[EngineName, tuple[str, ...]]] = {
    "mysql": (
        "run/mysqld/*.sock",  # Debian, Ubuntu
        "var/run/mysqld/*.sock",
        "var/lib/mysql/*.sock",  # Red Hat
        "run/mysql/*.sock",  # SUSE
        "tmp/mysql.sock",  # as it is built by default
    ),
    "postgresql": ("run/postgresql/.s.PGSQL.*", "var/run/postgresql/.s.PGSQL.*", "tmp/.s.PGSQL.*"),
}
_PORTS: Final[dict[EngineName, range]] = {"mysql": range(3306, 3310), "postgresql": range(5432, 5437)}

_POSTGRESQL_SOCKET: Final = re.compile(r"\.s\.PGSQL\.(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server may be; either `socket` or `host` is set."""

    engine: EngineName
    socket: Path | None = None
    """The socket itself, also of PostgreSQL."""
    host: str | None = None
    port: int | None = None
    """None: the usual one of the engine. A socket of PostgreSQL has it in its name."""

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine for certain."""
        return self.socket is not None or self.host in (LOOPBACK, "::1", "localhost")

    def __str__(self) -> str:
        if self.socket is not None:
            return f"socket {self.socket}"
        return f"{self.host}:{self.port}" if self.port is not None else str(self.host)


def well_known(root: Path = Path("/")) -> list[Place]:
    """Give the places where servers of this machine usually are: its sockets, then ports of the loopback."""
    places: list[Place] = []
    for engine in _SOCKETS:
        seen = set()
        for path in _sockets(root, engine):
            if (real := path.resolve()) not in seen:  # /var/run is /run
                seen.add(real)
                places.append(socket_place(engine, path))
        places += [Place(engine, host=LOOPBACK, port=port) for port in _PORTS[engine]]
    return places


def socket_place(engine: EngineName, path: Path) -> Place:
    """Give the place of a socket."""
    named = _POSTGRESQL_SOCKET.fullmatch(path.name) if engine == "postgresql" else None
    return Place(engine, socket=path, port=int(named[1]) if named else None)


def _sockets(root: Path, engine: EngineName) -> Iterator[Path]:
    for pattern in _SOCKETS[engine]:
        for path in sorted(root.glob(pattern)):
            if engine == "postgresql" and not _POSTGRESQL_SOCKET.fullmatch(path.name):
                continue  # .s.PGSQL.5432.lock
            try:
                is_socket = stat.S_ISSOCK(path.stat().st_mode)
            except OSError:
                continue
            if is_socket:
                yield path
