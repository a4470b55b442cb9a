"""Kinds of values in the configuration, with what is said where a value is not of the kind.

Relative paths are made absolute against the folder in the validation context (`{"folder": Path}`).

`Doc` says in words what is written; docs/configuration.md has it from here.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo
from pydantic_core import PydanticCustomError
from typing_extensions import Doc

from vya_backupdb.config.quantities import Size, format_duration, parse_duration, parse_size

PATH_MAX: Final = 4096
"""Bytes that Linux takes for a path, with the NUL at its end (limits.h)."""


def as_path(value: object, info: ValidationInfo) -> object:
    """Make a path absolute."""
    if not isinstance(value, str | Path):
        return value
    text = str(value)
    if not text.strip() or "\0" in text or len(text) >= PATH_MAX:
        raise PydanticCustomError("path", "not a path")
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise PydanticCustomError("path", "the home folder that ~ stands for is not known") from None
    return (info.context or {}).get("folder", Path()) / path


def _duration(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    return parse_duration("")


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return parse_size(str(value))
    if isinstance(value, Size):
        return value
    return parse_size(value if isinstance(value, str) else "")


def as_text(value: str) -> str:
    """Refuse control characters and nothing."""
    if not value or re.search(r"[\x00-\x1f\x7f]", value):
        raise PydanticCustomError("text", "must be text without control characters, and not empty")
    return value


def _query(value: str) -> str:
    """Refuse what no server takes for a query; it may have several lines."""
    if not value.strip() or "\0" in value:
        raise PydanticCustomError("query", "must be one SQL query")
    return value


def as_list(value: object) -> object:
    """Refuse a text where a list is meant."""
    if isinstance(value, str):
        raise PydanticCustomError("list", 'must be a list: write ["..."]')
    return value


IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _identifier(value: str) -> str:
    if not IDENTIFIER.fullmatch(value):
        raise PydanticCustomError(
            "id",
            "names a folder: take 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit",
        )
    return value


def _host(value: str) -> str:
    if "/" in value:
        raise PydanticCustomError("host", "a path: a socket is named with `socket`")
    if re.fullmatch(r"[^:]*:[0-9]+", value):
        raise PydanticCustomError("host", "name the port with `port`")
    name = r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9._])?"
    address = r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?"
    if len(value) > 253 or not (re.fullmatch(name, value) or re.fullmatch(address, value)):
        raise PydanticCustomError("host", "not a host name or address")
    return value


def _folder_name(value: str) -> str:
    if not re.fullmatch(r"[^\x00-\x20/\x7f]{1,253}", value):
        raise PydanticCustomError("folder", "not usable as the name of a folder")
    return value


ConfigPath = Annotated[Path, Doc("path"), BeforeValidator(as_path), PlainSerializer(str, return_type=str)]
Duration = Annotated[
    timedelta,
    Doc("duration"),
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
]
DataSize = Annotated[Size, Doc("size"), BeforeValidator(_size), PlainSerializer(str, return_type=str)]
Text = Annotated[str, Doc("text"), AfterValidator(as_text)]
TextList = Annotated[tuple[Text, ...], Doc("list of texts"), BeforeValidator(as_list)]
QueryList = Annotated[
    tuple[Annotated[str, AfterValidator(_query)], ...],
    Doc("list of SQL queries"),
    BeforeValidator(as_list),
    Field(min_length=1),
]
Identifier = Annotated[str, Doc("1 to 64 of `A-Z a-z 0-9 . _ -`"), AfterValidator(_identifier)]
Host = Annotated[str, Doc("host name or address"), AfterValidator(_host)]
FolderName = Annotated[str, Doc("name of a folder"), AfterValidator(_folder_name)]
Port = Annotated[int, Doc("number, 1 to 65535"), Field(ge=1, le=65535, strict=True)]
Jobs = Annotated[int, Doc("number, 1 to 64"), Field(ge=1, le=64, strict=True)]
