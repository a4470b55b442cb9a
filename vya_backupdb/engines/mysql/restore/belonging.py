"""Which statements of a mysqldump or mariadb-dump script belong to which table, and its foreign keys.

A table has its columns, indexes, constraints, partitions, triggers and histograms. Not its own are views,
routines and events, nor MariaDB's sequences.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vya_backupdb.engines.mysql.restore.restoring import parts
from vya_backupdb.engines.mysql.script.definitions import Head
from vya_backupdb.engines.mysql.script.lexer import Kind
from vya_backupdb.engines.mysql.script.modes import Modes
from vya_backupdb.engines.mysql.script.splitter import Part
from vya_backupdb.engines.mysql.script.tokens import Piece, Token, tokens, unquoted
from vya_backupdb.model import Reference, Section, SectionKind, Span


class MySQLTables:
    """ScriptTables of base.py for one script."""

    def __init__(self, script: Iterable[Section]) -> None:
        self._triggers: dict[str, str] = {}
        self._tables: dict[str, list[Reference]] = {}
        sequences: set[str] = set()
        views: set[str] = set()
        for section in script:
            for part in parts(section):
                made = part.meaning.definition
                if made is None or made.verb != "CREATE":
                    continue
                text, name = _text(section, part), _decoded(made.name)
                if made.kind == "table":
                    self._tables[name] = list(_references(name, text, part.modes))
                elif made.kind == "sequence":
                    sequences.add(name)
                elif made.kind == "view":
                    views.add(name)
                elif made.kind == "trigger" and (table := _behind_on(text, part.modes)):
                    self._triggers[name] = table
        for view in views:
            self._tables.pop(view, None)  # old tools let a table stand in for a view
        self.names: Sequence[str] = tuple(self._tables)
        self.references: Sequence[Reference] = [
            reference
            for references in self._tables.values()
            for reference in references
            if not reference.vital or reference.other in sequences
        ]

    def meant(self, written: str) -> list[str]:
        """Give the table of that name, which may stand in backticks."""
        bare = unquoted(written.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        for name in (written, bare):
            if name in self._tables:
                return [name]
        return []

    def whole(self, tables: Collection[str]) -> frozenset[str]:
        """Give the same tables: partitions are no tables here."""
        return frozenset(tables)

    def spans(
        self, section: Section, tables: Collection[str], absent: Collection[str] = ()
    ) -> Iterator[Span]:
        """Give what of a section belongs to these tables, and all settings, which undo each other.

        ALTER DATABASE, which the tools write around what was made under another default, is a setting
        too; it is left out where nothing of the tables stands between a pair of them.
        """
        if section.kind in (SectionKind.HEADER, SectionKind.FOOTER):
            yield 0, len(section.body)
            return
        begin = 0
        altered: list[Span] = []
        """The first ALTER DATABASE of a pair and the settings behind it, while nothing needs them."""
        is_altered = False
        for part in parts(section):
            span, begin = (begin, part.unit.end), part.unit.end
            if _alters_database(part):
                if is_altered:
                    yield span
                    is_altered = False
                elif altered:
                    yield from altered[1:]
                    altered = []
                else:
                    altered = [span]
            elif self._table_of(section, part) in tables:
                is_altered = is_altered or bool(altered)
                yield from altered
                altered = []
                yield from _without(section, part, span, absent)
            elif part.unit.kind is Kind.DELIMITER or part.meaning.assignments:
                if altered:
                    altered.append(span)
                else:
                    yield span
        yield from altered[1:]

    def _table_of(self, section: Section, part: Part) -> str | None:
        meaning = part.meaning
        if meaning.table is not None:
            return _decoded(meaning.table)
        made = meaning.definition
        if made is None:
            return _analyzed(section, part)
        name = _decoded(made.name)
        if made.kind == "table":
            return name if name in self._tables else None
        if made.kind == "trigger":
            return self._triggers.get(name)
        if made.kind == "index":
            return _behind_on(_text(section, part), part.modes)
        return None


def _text(section: Section, part: Part) -> bytes:
    return section.body[part.unit.text_start : part.unit.text_end]


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _alters_database(part: Part) -> bool:
    made = part.meaning.definition
    return made is not None and made.verb == "ALTER" and made.kind in ("database", "schema")


def _analyzed(section: Section, part: Part) -> str | None:
    """Give the table whose histograms mysqldump --column-statistics makes again."""
    if part.unit.kind is not Kind.STATEMENT:
        return None
    head = Head(_text(section, part), part.modes)
    return _decoded(head.name(2)[1]) if head.words(0, "ANALYZE", "TABLE") else None


def _behind_on(text: bytes, modes: Modes) -> str | None:
    """Give the table of a CREATE TRIGGER or CREATE INDEX: the first ON is before it."""
    head = Head(text, modes)
    place = next((i for i in range(len(head.pieces)) if head.word(i) == "ON"), None)
    return None if place is None else _decoded(head.name(place + 1)[1])


def _references(table: str, text: bytes, modes: Modes) -> Iterator[Reference]:
    for key in foreign_keys(text, modes):
        yield Reference(table, key.other, key.statement(table))
    for sequence in dict.fromkeys(_drawn_from(text, modes)):
        yield Reference(table, sequence, f"CREATE TABLE `{table}`", "sequence", vital=True)


def _drawn_from(text: bytes, modes: Modes) -> Iterator[str]:
    """Give the sequences of MariaDB that defaults draw from: nextval(`database`.`sequence`)."""
    last = [b""] * 6
    for _, start, end in tokens(text, modes):
        last = [*last[1:], text[start:end]]
        if last[0].lower() in (b"nextval", b"lastval") and (last[1], last[3], last[5]) == (b"(", b".", b")"):
            yield _decoded(unquoted(last[4]))


# ---------------------------------------------------------------------------- foreign keys


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key in a CREATE TABLE."""

    other: str
    """The table it refers to, in the same database."""
    clause: bytes
    start: int
    """With the comma before it."""
    end: int

    def statement(self, table: str) -> str:
        """Give SQL that adds it."""
        name = table.replace("`", "``")
        return f"ALTER TABLE `{name}` ADD {_decoded(b' '.join(self.clause.split()))}"


@dataclass(slots=True)
class _Clause:
    """What stands between two commas of the outermost parentheses."""

    start: int
    pieces: list[Piece] = field(default_factory=list)


def foreign_keys(text: bytes, modes: Modes) -> Iterator[ForeignKey]:
    """Give the foreign keys of a CREATE TABLE that refer to tables of its own database."""
    for clause in _clauses(text, modes):
        words = [
            text[start:end].decode("latin-1").upper() if token is Token.WORD else ""
            for token, start, end in clause.pieces
        ]
        if words[:1] == ["CONSTRAINT"]:
            is_key = words[1:3] == ["FOREIGN", "KEY"] or words[2:4] == ["FOREIGN", "KEY"]
        else:
            is_key = words[:2] == ["FOREIGN", "KEY"]
        if not is_key or "REFERENCES" not in words:
            continue
        behind = words.index("REFERENCES") + 1
        names = [text[start:end] for _, start, end in clause.pieces[behind : behind + 2]]
        if len(names) == 2 and names[1] != b".":
            first, last = clause.pieces[0], clause.pieces[-1]
            yield ForeignKey(_decoded(unquoted(names[0])), text[first[1] : last[2]], clause.start, last[2])


def _clauses(text: bytes, modes: Modes) -> Iterator[_Clause]:
    """Give the clauses of the column list but the first."""
    depth = 0
    clause: _Clause | None = None
    for piece in tokens(text, modes):
        token, start, end = piece
        char = text[start:end] if token is Token.OTHER else b""
        depth += (char == b"(") - (char == b")")
        if depth == 0 and char == b")":
            if clause is not None:
                yield clause
            return
        if depth == 1 and char == b",":
            if clause is not None:
                yield clause
            clause = _Clause(start)
        elif clause is not None:
            clause.pieces.append(piece)


def _without(section: Section, part: Part, span: Span, others: Collection[str]) -> Iterator[Span]:
    """Give a statement's span, without its foreign keys to some tables."""
    begin, end = span
    made = part.meaning.definition
    if others and made is not None and made.verb == "CREATE" and made.kind == "table":
        for key in foreign_keys(_text(section, part), part.modes):
            if key.other in others:
                yield begin, part.unit.text_start + key.start
                begin = part.unit.text_start + key.end
    yield begin, end
