"""Rows as SQL: INSERT for MySQL and MariaDB, COPY for PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from scripts.sample.rows import Bits, Point, Table, Value

_MYSQL = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"})
_COPY = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_ROWS = 200
"""Rows in one INSERT."""


def insert(table: Table) -> Iterator[str]:
    """Give INSERT statements for MySQL and MariaDB."""
    head = f"INSERT INTO `{table.name}` ({', '.join(f'`{column}`' for column in table.columns)}) VALUES\n"
    rows = iter(table.rows)
    while batch := list(islice(rows, _ROWS)):
        yield head + ",\n".join(f"({', '.join(map(_mysql, row))})" for row in batch) + ";\n"


def copy(table: Table, schema: str) -> Iterator[str]:
    """Give one COPY block for PostgreSQL."""
    yield f"COPY {schema}.{table.name} ({', '.join(table.columns)}) FROM stdin;\n"
    yield from ("\t".join(map(_copy, row)) + "\n" for row in table.rows)
    yield "\\.\n"


def script(parts: Iterable[str]) -> bytes:
    """Join the parts of a script; text is UTF-8."""
    return "".join(parts).encode()


def _mysql(value: Value) -> str:
    match value:
        case None:
            return "NULL"
        case str():
            return f"'{value.translate(_MYSQL)}'"
        case bytes():
            return f"X'{value.hex()}'"
        case Bits():
            return f"b'{value.text}'"
        case Point():
            return f"POINT({value.x!r}, {value.y!r})"
        case datetime():
            return f"'{value:%Y-%m-%d %H:%M:%S.%f}'"
        case int() | float():
            return repr(value)
    return f"'{value}'"


def _copy(value: Value) -> str:
    match value:
        case None:
            return "\\N"
        case str():
            return value.translate(_COPY)
        case bytes():
            return f"\\\\x{value.hex()}"
        case Bits():
            return value.text
        case Point():
            return f"({value.x!r},{value.y!r})"
        case float():
            return repr(value)
    return str(value)
