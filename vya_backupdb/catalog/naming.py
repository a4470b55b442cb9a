"""How databases, instances and times become names of folders and files."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

USERS = "@users"
"""Stands in place of a database for the users and roles of an instance."""

_STAMP = "%Y%m%dT%H%M%SZ"

_LONGEST = 160
"""Bytes of an encoded name: with time, suffixes and `.partial` it stays below the 255 of all file systems."""


def file_name(name: str) -> str:
    """Give the name of a folder or file for a database, the same for ever.

    Percent-encoded only where a file system or a reserved name needs it: `/`, `%`, control characters,
    bytes that are not UTF-8, a leading `.`, `-` or `@` (`@users` is reserved). A name that gets too
    long is cut and ends in `~` and a hash of the whole.
    """
    encoded = "".join(_encode(character, first=index == 0) for index, character in enumerate(name))
    raw = encoded.encode()
    if len(raw) <= _LONGEST:
        return encoded
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return raw[:_LONGEST].decode("utf-8", "ignore") + "~" + digest


def _encode(character: str, *, first: bool) -> str:
    reserved = character in "/%" or (first and character in ".-@")
    if reserved or not character.isprintable():
        raw = character.encode("utf-8", "surrogateescape")
        return "".join(f"%{byte:02X}" for byte in raw)
    return character


def timestamp(moment: datetime) -> str:
    """Give a UTC time as it stands in file names: `20261123T054849Z`."""
    return moment.astimezone(UTC).strftime(_STAMP)


def moment_of(stamp: str) -> datetime | None:
    """Give the time that stands in a file name; None: none does."""
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def date_folder(moment: datetime) -> str:
    """Give the UTC date as it names the folder of a day: `2026-11-23`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
