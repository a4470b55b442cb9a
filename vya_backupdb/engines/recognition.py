"""Which engine's tool wrote a script, where no metadata tells it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from vya_backupdb.errors import Refused
from vya_backupdb.model import EngineName
from vya_backupdb.streams.decoder import decoded

_ENOUGH: Final = 64 << 10
"""Bytes of script; what tells it stands in the first lines."""

_SIGNS: Final[dict[EngineName, re.Pattern[bytes]]] = {
    "postgresql": re.compile(
        rb"^-- PostgreSQL database|^\\restrict |^SET (?:statement_timeout|client_encoding) = ", re.MULTILINE
    ),
    "mysql": re.compile(rb"^-- (?:MySQL|MariaDB) dump |^/\*M?!\d{5,6}", re.MULTILINE),
}


def recognized(path: Path) -> EngineName:
    """Tell by the beginning of a script, compressed or not.

    Raises Refused where it cannot be told, StorageError, DamagedArchive.
    """
    head = b""
    for chunk in decoded(path):
        head += chunk
        if len(head) >= _ENOUGH:
            break
    places = {name: found.start() for name, sign in _SIGNS.items() if (found := sign.search(head[:_ENOUGH]))}
    if not places:
        raise Refused(
            f"{path}: no script of mysqldump, mariadb-dump or pg_dump",
            cure="name a backup file, or a plain dump that one of them made",
        )
    return min(places, key=places.__getitem__)
