"""Which statements of a pg_dump script belong to which table, and what of them names another table.

A table has its columns, defaults, owner, comments, labels, privileges, indexes, constraints, triggers, rules,
policies and statistics, and the sequences that its columns own. Not its own are what it merely uses (types,
functions, sequences of nobody) and what uses it (views, publications).

Names are compared as pg_dump writes them, always with the schema and quoted where needed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.postgresql.parts import Part, part_of, setting_of
from vya_backupdb.engines.postgresql.statements import CLASSIFIED, spans
from vya_backupdb.engines.postgresql.tokens import Cursor, decode, literal
from vya_backupdb.model import Reference, Section, SectionKind, Span


@dataclass(frozen=True, slots=True)
class About:
    """What a statement is about: a relation, or extended statistics (see `_statistics`)."""

    name: str
    is_table: bool = False
    """Whether the statement creates it, and it is a table."""
    makes: str | None = None
    """What belongs to the relation from here on: an index, statistics, a sequence that a column owns."""
    other: str | None = None
    """A relation of another table that the statement needs."""
    attaches: bool = False
    """Whether it makes a partition of `other`."""


class PostgreSQLTables:
    """ScriptTables of base.py for one script."""

    def __init__(self, script: Iterable[Section]) -> None:
        self._owners: dict[str, str] = {}
        """Each relation, and extended statistics, to the table that it belongs to."""
        self._partitions: dict[str, list[str]] = {}
        names: list[str] = []
        found: list[tuple[About, bytes]] = []
        for section in script:
            for _, statement in spans(section):
                about = about_of(statement.text)
                if about is not None and about.is_table:
                    names.append(about.name)
                    self._owners[about.name] = about.name
                elif about is not None and (about.makes or about.other):
                    found.append((about, statement.text))
        for about, _ in found:
            if about.makes is not None and about.name in self._owners:
                self._owners[about.makes] = self._owners[about.name]
        self.names: Sequence[str] = names
        self.references: Sequence[Reference] = list(self._referring(found))

    def _referring(self, found: Iterable[tuple[About, bytes]]) -> Iterator[Reference]:
        for about, text in found:
            table, other = self._owners.get(about.name), self._other(about)
            if table is not None and other is not None and other != table:
                yield Reference(table, other, decode(b" ".join(text.split())))
                if about.attaches:
                    self._partitions.setdefault(other, []).append(table)

    def _other(self, about: About) -> str | None:
        return None if about.other is None else self._owners.get(about.other, about.other)

    def meant(self, written: str) -> list[str]:
        """Give the tables that a person may mean by a name, as SQL reads it or as it is spelled."""
        asked = identifiers(written)
        split = {name: identifiers(name) for name in self.names}
        found = [n for n, parts in split.items() if n == written or (len(asked) > 1 and parts == asked)]
        if not found:
            found = [n for n, parts in split.items() if len(asked) == 1 and parts[-1:] == asked]
        return found or [n for n, parts in split.items() if written in (parts[-1], ".".join(parts))]

    def whole(self, tables: Collection[str]) -> frozenset[str]:
        """Give these tables with their partitions, and the partitions of those."""
        found: set[str] = set()
        waiting = list(tables)
        while waiting:
            table = waiting.pop()
            if table not in found:
                found.add(table)
                waiting += self._partitions.get(table, ())
        return frozenset(found)

    def spans(
        self, section: Section, tables: Collection[str], without: Collection[str] = ()
    ) -> Iterator[Span]:
        """Give what of a section belongs to these tables, and the settings that it needs."""
        if section.kind in (SectionKind.HEADER, SectionKind.FOOTER):
            yield 0, len(section.body)
            return
        settings: dict[str, Span] = {}
        for span, statement in spans(section):
            setting = setting_of(statement.text[:CLASSIFIED])
            if setting is not None:
                settings.pop(setting.parameter, None)
                settings[setting.parameter] = span
            elif self._belongs(statement.text, tables, without):
                yield from settings.values()
                settings.clear()
                yield span

    def _belongs(self, text: bytes, tables: Collection[str], without: Collection[str]) -> bool:
        about = about_of(text)
        return (
            about is not None and self._owners.get(about.name) in tables and self._other(about) not in without
        )


def identifiers(name: str) -> list[str]:
    """Take a name apart as SQL does: unquoted parts in lower case; [] where it is no name."""
    cursor = Cursor(name.encode("utf-8", "surrogateescape"))
    parts = [cursor.identifier()]
    while cursor.take(b"."):
        parts.append(cursor.identifier())
    return [] if cursor.peek() or not all(parts) else parts


# ---------------------------------------------------------------------------- what a statement is about

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
            cursor.take_any(b"TABLE", b"SEQUENCE")
            return About(_name(cursor))
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
        case b"INDEX" if cursor.take(b"ON"):
            cursor.take(b"ONLY")
            table = _name(cursor)
            return About(table, makes=_beside(table, name))
        case b"STATISTICS" if cursor.seek(b"FROM"):
            return About(_name(cursor), makes=_statistics(name))
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
            return About(_name(cursor), other=decode(name))
        case b"SEQUENCE" | b"INDEX":
            return About(decode(name))
        case b"STATISTICS":
            return About(_statistics(name))
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
    if kind == b"STATISTICS":
        return About(_statistics(cursor.name()))
    if kind == b"COLUMN":
        return About(_table_of_column(cursor))
    if kind in (b"CONSTRAINT", b"TRIGGER", b"RULE", b"POLICY") and cursor.seek(b"ON"):
        return About(_name(cursor))
    return None


def _name(cursor: Cursor) -> str:
    return decode(cursor.name())


def _statistics(name: bytes) -> str:
    """Relations share their names with no statistics, and no name holds a blank outside of quotes."""
    return f"statistics {decode(name)}"


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
