"""The server that a script of accounts comes from: the same words mean more on one than on another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.mysql.facts import titled
from vya_backupdb.engines.mysql.users.definition import Definition
from vya_backupdb.model import Account, Flavour, ServerFacts

_LINE: Final = re.compile(rb"\A-- accounts of (MySQL|MariaDB) ([0-9]{1,4}(?:\.[0-9]{1,4})*)")


@dataclass(frozen=True, slots=True)
class Source:
    """Flavour and version."""

    flavour: Flavour
    version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SourceAccount(Account):
    """An account as a script tells it."""

    source: Source | None = None
    """None: the script does not say."""
    definition: Definition | None = None
    """What its statements say, so that they need not be read again."""


def line_of(facts: ServerFacts) -> bytes:
    """Give the comment that a script begins with."""
    return f"-- accounts of {titled(facts)}\n".encode()


def source_in(header: bytes) -> Source | None:
    """Read that comment."""
    found = _LINE.match(header)
    if found is None:
        return None
    version = tuple(int(number) for number in found[2].split(b"."))
    return Source("mariadb" if found[1] == b"MariaDB" else "mysql", version)
