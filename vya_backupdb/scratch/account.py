"""Which user a throw-away server runs as: servers refuse to run as root."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from dataclasses import dataclass

from vya_backupdb.errors import ScratchError
from vya_backupdb.model import Flavour

_NAMES: dict[Flavour, str] = {"mysql": "mysql", "mariadb": "mysql", "postgresql": "postgres"}


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def owners() -> set[int]:
    """Give the user ids that a folder of ours can belong to."""
    found = {os.geteuid()}
    if os.geteuid() == 0:
        for name in set(_NAMES.values()):
            with suppress(KeyError):
                found.add(pwd.getpwnam(name).pw_uid)
    return found


def account_for(flavour: Flavour) -> Account | None:
    """Give the server's user where we are root; None where it runs as the user that we are."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_NAMES[flavour])
    except KeyError:
        raise ScratchError(
            f"root cannot run a {flavour} server itself, and there is no user {_NAMES[flavour]}",
            cure=f"make it (useradd --system {_NAMES[flavour]}), or run this as an ordinary user",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
