"""Starting and stopping a throw-away server."""

from __future__ import annotations

import secrets
import shlex
import socket as sockets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vya_backupdb.errors import ScratchError
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import folder as folders
from vya_backupdb.scratch import template
from vya_backupdb.scratch.account import account_for
from vya_backupdb.scratch.binaries import Binaries
from vya_backupdb.scratch.flavour import Kind, NotReadyError, Settings, Site
from vya_backupdb.scratch.mysql import MariaDB, MySQL
from vya_backupdb.scratch.postgresql import PostgreSQL
from vya_backupdb.scratch.process import Supervised

_KINDS: dict[Flavour, Kind] = {"mysql": MySQL(), "mariadb": MariaDB(), "postgresql": PostgreSQL()}
_ATTEMPTS = 8
"""Another process may take the free port before the server does."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How a server that was kept is reached, and how it is ended; each is a line for a shell."""

    connect: str
    end: str


@dataclass(frozen=True, slots=True)
class ScratchServer:
    """A running throw-away server."""

    binaries: Binaries
    socket: Path
    """PostgreSQL: the folder that holds it, which is what libpq takes as host."""
    port: int
    superuser: str
    password: str
    """Of the superuser, by TCP; on MySQL and MariaDB also by the socket."""
    pid: int
    """Of the server's main process."""
    log: Path
    keep: Callable[[], Kept]
    """Lets it live on after its block; raises ScratchError."""
    host: str = "127.0.0.1"

    @property
    def flavour(self) -> Flavour:
        """The flavour of the binaries."""
        return self.binaries.flavour

    @property
    def version(self) -> str:
        """The version of the binaries."""
        return self.binaries.version


@contextmanager
def start(
    binaries: Binaries, *, settings: Settings | None = None, wait: float = 90.0
) -> Iterator[ScratchServer]:
    """Start a server with a new data folder; it has ended and its folder is gone when the block ends.

    `settings` are the server's own; `wait` bounds the start, in seconds. Raises ScratchError with the end
    of the server's log if it does not answer.
    """
    kind = _KINDS[binaries.flavour]
    account = account_for(binaries.flavour)
    for attempt in range(1, _ATTEMPTS + 1):
        server = Supervised(folders.make(account))
        try:
            site = Site(binaries, server.folder, _free_port(), secrets.token_hex(16), account)
            _launch(kind, site, server, settings or {})
            if not _answers(kind, site, server, wait):
                if attempt < _ATTEMPTS:
                    continue
                raise ScratchError(f"{binaries}: no free port after {attempt} attempts")
            yield ScratchServer(
                binaries=binaries,
                socket=kind.socket(site),
                port=site.port,
                superuser=kind.superuser,
                password=site.password,
                pid=server.pid,
                log=site.folder / "server.log",
                keep=partial(_keep, kind, site, server),
            )
            return
        finally:
            server.stop()


def _keep(kind: Kind, site: Site, server: Supervised) -> Kept:
    client = kind.client(site)
    return Kept(connect=shlex.join(client), end=f"kill {server.keep()}")


def _launch(kind: Kind, site: Site, server: Supervised, settings: Settings) -> None:
    """Lay out a data folder and start the server on it, without waiting for it."""
    template.lay(site.binaries, site.data, lambda data: kind.initialise(site, data))
    server.launch(kind.order(site, settings), site.account)


def _answers(kind: Kind, site: Site, server: Supervised, wait: float) -> bool:
    """Wait until the server answers; False if another process has its port."""
    deadline = time.monotonic() + wait
    while True:
        ended = server.exited()
        try:
            kind.answer(site)
        except NotReadyError as error:
            if ended and kind.port_taken in server.log_tail():
                return False
            if ended or time.monotonic() > deadline:
                why = "ended" if ended else f"does not answer after {wait:.0f} s ({error})"
                raise ScratchError(f"{site.binaries}: the new server {why}\n{server.log_tail()}") from error
            time.sleep(0.05)
        else:
            return True


def _free_port() -> int:
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
