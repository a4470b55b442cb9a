"""Which statements of a pg_dump script belong to which table, and what of them names another table.

A table has its columns, defaults, owner, comments, labels, privileges, indexes, constraints, triggers, rules,
policies and statistics, and the sequences that its columns own. Not its own are what it merely uses (types,
functions, sequences of nobody) and what uses it (views, publications).

Names are compared as pg_dump writes them, always with the schema and quoted where needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from vya_backupdb.engines.postgresql.restore.about import (
    About,
    Used,
    about_of,
    created_by,
    identifiers,
    schema_of,
    used_by,
)
from vya_backupdb.engines.postgresql.script.parts import setting_of
from vya_backupdb.engines.postgresql.script.statements import CLASSIFIED, spans
from vya_backupdb.engines.postgresql.script.tokens import decode
from vya_backupdb.model import Reference, Section, SectionKind, Span


class PostgreSQLTables:
    """ScriptTables of base.py for one script."""

    def __init__(self, script: Iterable[Section]) -> None:
        self._owners: dict[str, str] = {}
        """Each relation, and extended statistics, to the table that it belongs to."""
        self._partitions: dict[str, list[str]] = {}
        names: list[str] = []
        created: dict[str, str] = {}
        found: list[tuple[About, bytes]] = []
        used: list[tuple[str, Used, bytes]] = []
        for section in script:
            for _, statement in spans(section):
                text = statement.text
                about = about_of(text)
                if about is None:
                    created.update(created_by(text))
                    continue
                if about.is_table:
                    names.append(about.name)
                    self._owners[about.name] = about.name
                if about.makes or about.other:
                    found.append((about, text))
                elif section.kind is SectionKind.SCHEMA:
                    created.update(created_by(text))
                    used.append((about.name, used_by(text), text))
        for about, _ in found:
            if about.makes is not None and about.name in self._owners:
                self._owners[about.makes] = self._owners[about.name]
        self.names: Sequence[str] = names
        self.references: Sequence[Reference] = [
            *self._schemas(created),
            *self._needed(used, created),
            *self._referring(found),
        ]

    def _schemas(self, created: Mapping[str, str]) -> Iterator[Reference]:
        for table in self.names:
            schema = schema_of(table)
            if schema in created:
                yield Reference(table, schema, f"CREATE {schema.replace('schema', 'SCHEMA', 1)}", "schema")

    def _needed(
        self, used: Iterable[tuple[str, Used, bytes]], created: Mapping[str, str]
    ) -> Iterator[Reference]:
        """Tell without what tables cannot be made; what strings name counts only if the script makes it."""
        for name, uses, text in used:
            table = self._owners.get(name)
            if table is None:
                continue
            quoted = (other for other in uses.in_strings if other in created or other in self._owners)
            for other in dict.fromkeys((*uses.names, *quoted)):
                owner = self._owners.get(other, other)
                if owner != table:
                    kind = "table" if owner in self._owners else created.get(other, "object")
                    statement = decode(text.split(b"\n", 1)[0].rstrip(b"( "))
                    yield Reference(table, owner, statement, kind, vital=True)

    def _referring(self, found: Iterable[tuple[About, bytes]]) -> Iterator[Reference]:
        for about, text in found:
            table, other = self._owners.get(about.name), self._other(about)
            if table is None or other is None or other == table:
                continue
            is_partition = about.attaches and about.name == table
            if is_partition:
                self._partitions.setdefault(other, []).append(table)
            if is_partition or not about.attaches:
                kind = "partitioned table" if is_partition else "table"
                yield Reference(table, other, decode(b" ".join(text.split())), kind)

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
        self, section: Section, tables: Collection[str], absent: Collection[str] = ()
    ) -> Iterator[Span]:
        """Give what of a section belongs to these tables and their absent schemas, with its settings."""
        if section.kind in (SectionKind.HEADER, SectionKind.FOOTER):
            yield 0, len(section.body)
            return
        schemas = {schema_of(table) for table in tables}.intersection(absent)
        settings: dict[str, Span] = {}
        for span, statement in spans(section):
            setting = setting_of(statement.text[:CLASSIFIED])
            if setting is not None:
                settings.pop(setting.parameter, None)
                settings[setting.parameter] = span
            elif self._belongs(statement.text, tables, schemas, absent):
                yield from settings.values()
                settings.clear()
                yield span

    def _belongs(
        self, text: bytes, tables: Collection[str], schemas: Collection[str], absent: Collection[str]
    ) -> bool:
        about = about_of(text)
        if about is None:
            return False
        is_own = about.name in schemas or self._owners.get(about.name) in tables
        other = self._other(about)
        return is_own and other not in absent and (not about.attaches or other in tables)
