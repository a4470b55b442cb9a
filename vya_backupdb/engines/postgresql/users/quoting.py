"""Names and texts as SQL: the only place where the statements about roles are given any."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")


def identifier(name: str) -> bytes:
    """Quote a name, whatever is in it."""
    return b'"' + _bytes(name).replace(b'"', b'""') + b'"'


def literal(text: str) -> bytes:
    """Quote a text so that it means the same whatever standard_conforming_strings is."""
    quoted = b"'" + _bytes(text).replace(b"'", b"''") + b"'"
    return b"E" + quoted.replace(b"\\", b"\\\\") if b"\\" in quoted else quoted


def parameter(name: str) -> bytes:
    """Write a parameter's name, whose parts are parted by dots (`app.tenant`), for GRANT ON PARAMETER."""
    return b".".join(identifier(part) for part in name.split("."))


def readable(name: str) -> str:
    """Write a name as people read it: quoted only where it must be (or is a key word)."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def readable_text(text: str) -> str:
    """Write a text as people read it."""
    return "'" + text.replace("'", "''") + "'"


def is_utf8(text: str) -> bool:
    """Whether no byte of a name or text had to be kept as a surrogate escape."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
