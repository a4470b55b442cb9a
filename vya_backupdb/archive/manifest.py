"""The index inside an archive: what it says, and how it is written as SQL comments.

All of it is comments of one line and plain ASCII, so that `mysql`, `mariadb` and `psql` pass over it and no
name of a table, whatever is in it, can end a comment.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from vya_backupdb.errors import DamagedArchive, VerificationError
from vya_backupdb.model import SectionKind
from vya_backupdb.streams.codec import CODEC_NAMES, CodecName

FORMAT_VERSION: Final = 1

MARKER: Final = b"-- vya-backupdb archive 1\n"
"""The whole first frame: a truncated archive must never be taken for a plain dump."""

MARKER_STEM: Final = b"-- vya-backupdb archive "

MOST_LINE: Final = 64 << 10
"""Bytes of a comment line with its newline: the clients may send each one to the server as a packet."""

MOST_MANIFEST: Final = 512 << 20
"""Bytes of a manifest before compression: more than six million frames, or 100 TB of script."""

MOST_FRAME: Final = 2 << 30
"""Bytes of a frame before compression: no statement that a server takes is larger than 1 GiB."""

_LINE: Final = b"-- vya-manifest: "
_COLUMNS: Final = (
    "offset",
    "length",
    "raw_length",
    "crc",
    "kind",
    "object",
    "rows",
    "sequential",
    "largest_statement",
)
_LOCATOR: Final = re.compile(
    rb"-- vya-locator: offset=([0-9]{1,19}) length=([0-9]{1,19}) raw_length=([0-9]{1,19}) "
    rb"crc=([0-9a-f]{8}) check=([0-9a-f]{8})\n"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One section in the file: where, what, and how to know it again."""

    offset: int
    """In the file, in bytes."""
    length: int
    """In the file, in bytes."""
    raw_length: int
    """Bytes when decompressed."""
    crc: int
    """CRC-32 (as in gzip) of the decompressed bytes."""
    kind: SectionKind
    object: str | None = None
    rows: int = 0
    sequential: bool = False
    largest_statement: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds. The frames lie one after another, from the marker to the manifest."""

    codec: CodecName
    frames: tuple[Frame, ...]
    tables: Mapping[str, int]
    """Each table (as sections name it) to the number of its rows, tables without rows included."""
    raw_bytes: int
    """Of all sections together."""
    rows: int
    largest_statement: int
    version: int = FORMAT_VERSION

    @classmethod
    def of(cls, codec: CodecName, frames: Sequence[Frame]) -> Manifest:
        """Add the frames up."""
        tables: Counter[str] = Counter()
        for frame in frames:
            if frame.object is not None:
                tables[frame.object] += frame.rows
        return cls(
            codec=codec,
            frames=tuple(frames),
            tables=dict(tables),
            raw_bytes=sum(frame.raw_length for frame in frames),
            rows=sum(frame.rows for frame in frames),
            largest_statement=max((frame.largest_statement for frame in frames), default=0),
        )


@dataclass(frozen=True, slots=True)
class Locator:
    """The archive's last line: where its manifest is."""

    offset: int
    length: int
    raw_length: int
    crc: int
    """CRC-32 of the manifest's decompressed bytes."""


# ---------------------------------------------------------------------------- writing


def manifest_text(manifest: Manifest) -> bytes:
    """Write a manifest as comment lines; the newline before them ends whatever line came last."""
    objects = {name: number for number, name in enumerate(dict.fromkeys(_names(manifest)))}
    document = {
        "version": manifest.version,
        "codec": manifest.codec,
        "raw_bytes": manifest.raw_bytes,
        "rows": manifest.rows,
        "largest_statement": manifest.largest_statement,
        "objects": list(objects),
        "tables": manifest.tables,
        "columns": _COLUMNS,
        "frames": [
            (
                frame.offset,
                frame.length,
                frame.raw_length,
                frame.crc,
                frame.kind,
                None if frame.object is None else objects[frame.object],
                frame.rows,
                int(frame.sequential),
                frame.largest_statement,
            )
            for frame in manifest.frames
        ],
    }
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    room = MOST_LINE - len(_LINE) - 1
    lines = (_LINE + text[start : start + room] for start in range(0, len(text), room))
    return b"\n" + b"\n".join(chain(lines, [b""]))


def _names(manifest: Manifest) -> Iterator[str]:
    for frame in manifest.frames:
        if frame.object is not None:
            yield frame.object


def locator_text(locator: Locator) -> bytes:
    """Write the last line."""
    line = (
        f"-- vya-locator: offset={locator.offset} length={locator.length} "
        f"raw_length={locator.raw_length} crc={locator.crc:08x} check="
    ).encode("ascii")
    return line + f"{zlib.crc32(line):08x}\n".encode("ascii")


# ---------------------------------------------------------------------------- reading


def read_locator(text: bytes) -> Locator | None:
    """Read a last line; None: it is none, or a damaged one."""
    match = _LOCATOR.fullmatch(text)
    if match is None or zlib.crc32(text[: match.start(5)]) != int(match[5], 16):
        return None
    return Locator(int(match[1]), int(match[2]), int(match[3]), int(match[4], 16))


def read_manifest(text: bytes) -> Manifest:
    """Read comment lines. Raises DamagedArchive where they are not what `manifest_text` writes."""
    lines = text.split(b"\n")
    if len(lines) < 3 or lines[0] or lines[-1] or not all(line.startswith(_LINE) for line in lines[1:-1]):
        raise DamagedArchive("it is not made of comment lines")
    try:
        document = json.loads(b"".join(line[len(_LINE) :] for line in lines[1:-1]))
        version = document["version"]
        if version != FORMAT_VERSION:
            raise VerificationError(
                f"version {version!r} of the format; this program reads version {FORMAT_VERSION}",
                cure="use a newer vya-backupdb",
            )
        return _manifest(document)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise DamagedArchive(f"it says something impossible ({error!r})") from error


def _manifest(document: dict[str, Any]) -> Manifest:
    codec = CODEC_NAMES[CODEC_NAMES.index(document["codec"])]
    if document["columns"] != list(_COLUMNS):
        raise ValueError("columns")
    objects = document["objects"]
    if not all(type(name) is str for name in objects):
        raise TypeError("objects")
    kinds = {str(kind): kind for kind in SectionKind}
    frames = [_frame(entry, objects, kinds) for entry in document["frames"]]
    manifest = Manifest.of(codec, frames)
    totals = ("tables", "raw_bytes", "rows", "largest_statement")
    if any(document[total] != getattr(manifest, total) for total in totals):
        raise ValueError("totals")
    return manifest


def _frame(entry: list[Any], objects: list[str], kinds: dict[str, SectionKind]) -> Frame:
    offset, length, raw_length, crc, kind, number, rows, sequential, largest_statement = entry
    for value in (offset, length, raw_length, crc, rows, largest_statement):
        if type(value) is not int or value < 0:
            raise ValueError("a number of a frame")
    if number is not None and (type(number) is not int or number < 0):
        raise ValueError("an object's number")
    if raw_length > MOST_FRAME or length == 0 or raw_length == 0 or sequential not in (0, 1):
        raise ValueError("a frame's length")
    name = None if number is None else objects[number]
    return Frame(
        offset, length, raw_length, crc, kinds[kind], name, rows, bool(sequential), largest_statement
    )
