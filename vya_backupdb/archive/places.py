"""Where in a script something stands, as a person finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vya_backupdb.streams.decoder import decoded

CHEAP: Final = 256 << 20
"""Bytes of script that are read again to count the lines before a place: a second or two."""


def place(path: Path, position: int) -> str:
    """Give the line and the byte of a place in a script, decompressed: `line 7 (byte 230)`.

    Far into the script it is the byte alone. Raises DamagedArchive, StorageError.
    """
    if position > CHEAP:
        return f"byte {position:,} of the script"
    line, rest = 1, position
    for chunk in decoded(path):
        line += chunk.count(b"\n", 0, rest)
        rest -= len(chunk)
        if rest <= 0:
            break
    return f"line {line:,} (byte {position:,}) of the script"
