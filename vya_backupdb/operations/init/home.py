"""Where the configuration, the keys and the backups of whoever runs this belong."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vya_backupdb.config.load import SEARCHED
from vya_backupdb.errors import ConfigurationError

SERVICE: Final = "vya-backupdb"
"""The user that the units of etc/systemd run as; accounts on servers are called so, too."""
ADMINISTRATORS: Final = ("root", "postgres")
"""Accounts of servers that may do everything, and those users whom their sockets let in as these."""
SERVICE_KEY: Final = "vya-backupdb.key"
"""The credential that those units load."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where things are, and who uses them."""

    config: Path
    store: Path
    user: str
    """Who makes the backups."""
    service: bool = False
    """It is done by the services of systemd, which load the key; else by whoever runs this."""
    group: int | None = None
    """The group that may read the configuration."""

    @property
    def account(self) -> str:
        """Give the name for accounts: the user's own, with which no password is needed by a socket."""
        return SERVICE if self.user in ADMINISTRATORS else self.user


def home(config: Path | None = None) -> Home:
    """Give that of the user that this process runs as; root has the machine's own.

    With another `config` it has nothing to do with the services. Raises ConfigurationError.
    """
    own, machine = SEARCHED
    if os.geteuid() != 0:
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
            store = Path("~/.local/share/vya-backupdb").expanduser()
            return Home(config or own.expanduser(), store, user)
        except (KeyError, RuntimeError):
            what = f"this machine knows no user of the number {os.geteuid()}, or not its home folder"
            raise ConfigurationError(what, cure="run it as another user") from None
    store = Path("/var/backups/vya-backupdb")
    if config in (None, machine):
        try:
            group = grp.getgrnam(SERVICE).gr_gid
            return Home(machine, store, pwd.getpwnam(SERVICE).pw_name, service=True, group=group)
        except KeyError:  # the units are not installed
            pass
    return Home(config or machine, store, "root")
