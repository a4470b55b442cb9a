"""What a statement of a pg_dump script is about, and what it uses and makes, all by name.

Names are given as pg_dump writes them: with the schema, quoted where needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.postgresql.script.parts import Part, part_of
from vya_backupdb.engines.postgresql.script.statements import CLASSIFIED
from vya_backupdb.engines.postgresql.script.tokens import Cursor, decode, literal


@dataclass(frozen=True, slots=True)
class About:
    """What a statement is about: a relation, or (see `_prefixed`) extended statistics or a schema."""

    name: str
    is_table: bool = False
    """Whether the statement creates it, and it is a table."""
    makes: str | None = None
    """What belongs to the relation from here on: an index, statistics, a sequence that a column owns."""
    other: str | None = None
    """A relation of another table that the statement needs."""
    attaches: bool = False
    """Whether it makes the table or index a partition of `other`."""


_RELATIONS: Final = (b"TABLE", b"INDEX", b"SEQUENCE")


def about_of(text: bytes) -> About | None:
    """Tell which table, index, sequence or statistics a statement is about; None for all else."""
    text = text[:CLASSIFIED]
    if part_of(text) is Part.DROP:  # what --clean writes, executed by no restore
        return None
    cursor = Cursor(text)
    match cursor.skip():
        case b"CREATE":
            return _create(cursor)
        case b"ALTER":
            return _alter(cursor)
        case b"COMMENT" | b"SECURITY" if cursor.seek(b"ON"):
            return _described(cursor)
        case b"GRANT" | b"REVOKE" if cursor.seek(b"ON"):
            kind = cursor.take_any(b"TABLE", b"SEQUENCE", b"SCHEMA")
            return About(_prefixed(b"SCHEMA", cursor.name()) if kind == b"SCHEMA" else _name(cursor))
        case b"SELECT" if cursor.name().lower() == b"pg_catalog.setval" and cursor.take(b"("):
            return About(literal(cursor.skip()))
        case _:
            return None


def _create(cursor: Cursor) -> About | None:
    cursor.take(b"OR", b"REPLACE")
    cursor.take_any(b"UNLOGGED", b"FOREIGN", b"UNIQUE", b"CONSTRAINT")
    kind = cursor.skip()
    name = cursor.name()
    match kind:
        case b"TABLE":
            return About(decode(name), is_table=True)
        case b"SEQUENCE":
            return About(decode(name))
        case b"SCHEMA":
            return About(_prefixed(kind, name))
        case b"INDEX" if cursor.take(b"ON"):
            cursor.take(b"ONLY")
            table = _name(cursor)
            return About(table, makes=_beside(table, name))
        case b"STATISTICS" if cursor.seek(b"FROM"):
            return About(_name(cursor), makes=_prefixed(kind, name))
        case b"TRIGGER" | b"POLICY" if cursor.seek(b"ON"):
            return About(_name(cursor))
        case b"RULE" if cursor.seek(b"TO"):
            return About(_name(cursor))
        case _:
            return None


def _alter(cursor: Cursor) -> About | None:
    cursor.take(b"FOREIGN")
    kind = cursor.skip()
    cursor.take(b"ONLY")
    name = cursor.name()
    match kind:
        case b"TABLE":
            return _alter_table(decode(name), cursor)
        case b"SEQUENCE" if cursor.take(b"OWNED", b"BY"):
            return About(_table_of_column(cursor), makes=decode(name))
        case b"INDEX" if cursor.take(b"ATTACH", b"PARTITION"):
            return About(_name(cursor), other=decode(name), attaches=True)
        case b"SEQUENCE" | b"INDEX":
            return About(decode(name))
        case b"STATISTICS" | b"SCHEMA":
            return About(_prefixed(kind, name))
        case _:
            return None


def _alter_table(name: str, cursor: Cursor) -> About:
    """Up to PostgreSQL 15 the owner of a sequence or view is altered as that of a table."""
    if cursor.take(b"ATTACH", b"PARTITION"):
        return About(_name(cursor), other=name, attaches=True)
    if cursor.take(b"ALTER", b"COLUMN"):
        cursor.name()
        if cursor.take(b"ADD", b"GENERATED") and cursor.seek(b"IDENTITY", b"(", b"SEQUENCE", b"NAME"):
            return About(name, makes=_name(cursor))
    elif cursor.take(b"ADD", b"CONSTRAINT"):
        constraint = cursor.name()
        if cursor.take(b"FOREIGN", b"KEY") and cursor.seek(b"REFERENCES"):
            return About(name, other=_name(cursor))
        if cursor.take(b"PRIMARY", b"KEY") or cursor.take_any(b"UNIQUE", b"EXCLUDE"):
            return About(name, makes=_beside(name, constraint))
    return About(name)


def _described(cursor: Cursor) -> About | None:
    kind = cursor.skip()
    if kind in _RELATIONS:
        return About(_name(cursor))
    if kind in (b"STATISTICS", b"SCHEMA"):
        return About(_prefixed(kind, cursor.name()))
    if kind == b"COLUMN":
        return About(_table_of_column(cursor))
    if kind in (b"CONSTRAINT", b"TRIGGER", b"RULE", b"POLICY") and cursor.seek(b"ON"):
        return About(_name(cursor))
    return None


def _name(cursor: Cursor) -> str:
    return decode(cursor.name())


def _prefixed(kind: bytes, name: bytes) -> str:
    """Tell the name from those of relations, which hold no blank outside of quotes."""
    return f"{kind.lower().decode()} {decode(name)}"


def schema_of(table: str) -> str:
    """Give the name of a table's schema as `schema app`."""
    parts = _parts(table.encode("utf-8", "surrogateescape"))
    return _prefixed(b"SCHEMA", parts[0]) if len(parts) > 1 else ""


def _table_of_column(cursor: Cursor) -> str:
    """Step over `schema.table.column` and give `schema.table`."""
    return decode(b".".join(_parts(cursor.name())[:-1]))


def _beside(table: str, name: bytes) -> str:
    """Give the full name of an index, which is always in its table's schema."""
    schema = _parts(table.encode("utf-8", "surrogateescape"))[:-1]
    return decode(b".".join((*schema, name)))


def _parts(name: bytes) -> list[bytes]:
    """Take a qualified name apart as it is written; quoted parts may hold dots."""
    return re.findall(rb'"(?:[^"]|"")*"|[^."]+', name)


# ---------------------------------------------------------------------------- what a statement uses


@dataclass(frozen=True, slots=True)
class Used:
    """The qualified names in a statement, but those of the system's own schema."""

    names: tuple[str, ...]
    in_strings: tuple[str, ...]
    """What strings hold that look like one: `nextval('app.numbers'::regclass)`."""


def used_by(text: bytes) -> Used:
    """Give the names that the statement that makes a table, or a default, uses."""
    cursor = Cursor(text)
    names: list[str] = []
    in_strings: list[str] = []
    while token := cursor.peek():
        name = cursor.name()
        if not name:
            cursor.skip()
            if token[:1] == b"'" and b"." in token:
                in_strings.append(literal(token))
        elif b"." in name and not name.startswith(b"pg_catalog.") and len(_parts(name)) == 2:
            names.append(decode(name))
    return Used(tuple(names), tuple(in_strings))


def created_by(text: bytes) -> Iterator[tuple[str, str]]:
    """Give name and kind of what a CREATE makes."""
    cursor = Cursor(text[:CLASSIFIED])
    if not cursor.take(b"CREATE"):
        return
    cursor.take(b"OR", b"REPLACE")
    cursor.take_any(b"UNLOGGED", b"FOREIGN", b"MATERIALIZED")
    kind = cursor.skip()
    name = cursor.name()
    if kind == b"SCHEMA":
        yield _prefixed(kind, name), "schema"
    elif name:
        yield decode(name), kind.decode("ascii", "replace").lower()


# ---------------------------------------------------------------------------- names


def identifiers(name: str) -> list[str]:
    """Take a name apart as SQL does: unquoted parts in lower case; [] where it is no name."""
    cursor = Cursor(name.encode("utf-8", "surrogateescape"))
    parts = [cursor.identifier()]
    while cursor.take(b"."):
        parts.append(cursor.identifier())
    return [] if cursor.peek() or not all(parts) else parts
