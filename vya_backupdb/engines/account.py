"""What is known of a server before a login, and the account that an administrator makes for backups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vya_backupdb.model import Flavour


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a server says to whoever connects, before anybody logs in."""

    flavour: Flavour
    version: str | None = None
    """None: it does not say (PostgreSQL never does)."""
    connection: int | None = None
    """MySQL, MariaDB: which connection it is; a server counts them."""
    offers_tls: bool | None = None
    """None: not known."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that the account which backs up must be allowed."""

    privilege: str
    """As GRANT or CREATE ROLE takes it."""
    why: str
    """What it lets the account do."""
    loss: str
    """What becomes of a backup without it."""
    where: str = ""
    """What alone it is needed for; empty: every server."""


LoginKind = Literal["socket", "password"]
"""By the socket as the user of the operating system whose name the account has, or by a password."""


@dataclass(frozen=True, slots=True)
class BackupAccount:
    """SQL that makes an account for backups; an administrator executes it."""

    login: LoginKind
    statements: tuple[str, ...]
    """Without the closing semicolon. What has to be put in stands in `<...>`, which no server takes."""
    remarks: tuple[str, ...] = ()
    """What else may be needed, as far as it cannot be known without a login."""
