"""Who answers at a place: asked without a login, and without a wait where nobody is."""

from __future__ import annotations

import pwd
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from vya_backupdb.engines.account import Greeting
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.model import Flavour
from vya_backupdb.operations.init.places import Place

PATIENCE: Final = 1.0
"""Seconds for a server of this machine to be connected to, and again to answer."""
REMOTE_PATIENCE: Final = 5.0

_TITLES: Final[dict[Flavour, str]] = {"mysql": "MySQL", "mariadb": "MariaDB", "postgresql": "PostgreSQL"}
_PORTS: Final = {"mysql": 3306, "postgresql": 5432}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers, or that somebody named."""

    place: Place
    greeting: Greeting
    answers: bool = True
    client: str | None = None
    """The address from which it sees us; None: it is reached by a socket, or does not answer."""
    run_by: str | None = None
    """The user whose process it is, where a socket tells that."""
    also: tuple[Place, ...] = ()
    """Where else it listens."""

    @property
    def title(self) -> str:
        """Give what it is, as people say it."""
        version = f" {self.greeting.version}" if self.greeting.version else ""
        return _TITLES[self.greeting.flavour] + version

    def __str__(self) -> str:
        run_by = f", run by {self.run_by}" if self.run_by else ""
        return f"{self.title} at {self.place}{run_by}"


def find(places: Iterable[Place], patience: float = PATIENCE) -> list[Server]:
    """Give the servers that answer, each once: at the first of its places."""
    found: list[Server] = []
    for place in places:
        server = ask(place, patience)
        if server is None:
            continue
        for number, other in enumerate(found):
            if _is_same(other, server, patience):
                found[number] = replace(other, also=(*other.also, place))
                break
        else:
            found.append(server)
    return found


def ask(place: Place, patience: float = PATIENCE) -> Server | None:
    """Ask who answers; None: nobody, or something else."""
    try:
        with _connected(place, patience) as channel:
            greeting = engine_named(place.engine).greeting(channel, patience)
            if greeting is None:
                return None
            if place.socket is not None:
                return Server(place, greeting, run_by=_run_by(channel))
            return Server(place, greeting, client=str(channel.getsockname()[0]))
    except OSError:
        return None


def _connected(place: Place, patience: float) -> socket.socket:
    if place.socket is None:
        return socket.create_connection((place.host, place.port or _PORTS[place.engine]), patience)
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.settimeout(patience)
        channel.connect(str(place.socket))
    except BaseException:
        channel.close()
        raise
    return channel


def _run_by(channel: socket.socket) -> str:
    """Give the user of the process that listens (unix(7), SO_PEERCRED)."""
    _, uid, _ = struct.unpack("iII", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_same(known: Server, server: Server, patience: float) -> bool:
    """Whether two places are of one server.

    PostgreSQL listens on one port, which its sockets have in their names. MySQL and MariaDB count their
    connections: those to one server follow each other, whichever way they come.
    """
    if known.place.engine != server.place.engine or known.greeting.version != server.greeting.version:
        return False
    if known.place.engine == "postgresql":
        return known.place.port == server.place.port
    again = ask(known.place, patience)
    numbers = [one.greeting.connection for one in (known, server, again) if one is not None]
    first, between, last = (number or 0 for number in (*numbers, 0, 0, 0)[:3])
    return first < between < last
