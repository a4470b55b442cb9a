"""What the flavours have in common: how a server is laid out, started, asked and stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vya_backupdb.scratch.account import Account
from vya_backupdb.scratch.binaries import Binaries
from vya_backupdb.scratch.process import Order

Settings = Mapping[str, str | int]
"""A server's own settings; they override those that we choose."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one server lives, and who may enter."""

    binaries: Binaries
    folder: Path
    port: int
    password: str
    account: Account | None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"


class NotReadyError(Exception):
    """The server does not answer yet; says what happened instead."""


class Kind(Protocol):
    """How servers of one flavour are made and run."""

    superuser: str
    port_taken: str
    """What the log says when another process has the port."""

    def initialise(self, site: Site, data: Path) -> None:
        """Make an empty data folder with a superuser without a password."""
        ...

    def order(self, site: Site, settings: Settings) -> Order:
        """Give the command that runs the server, with what it reads written into the site."""
        ...

    def socket(self, site: Site) -> Path:
        """Give the path by which clients reach the socket."""
        ...

    def client(self, site: Site) -> tuple[str, ...]:
        """Give the command that logs in as the superuser, with what it reads written into the site."""
        ...

    def answer(self, site: Site) -> None:
        """Log in as the superuser, and complete what needs a running server.

        Raises NotReadyError while the server does not answer.
        """
        ...
