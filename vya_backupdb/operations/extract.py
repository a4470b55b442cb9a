"""The SQL of some tables, or of a part of a backup, as the server's own client executes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vya_backupdb.archive.script import ScriptSource
from vya_backupdb.archive.selected import SelectedScript
from vya_backupdb.catalog.publish import published, storage_errors, write_whole
from vya_backupdb.engines.base import Engine, ScriptTables
from vya_backupdb.errors import Refused, few
from vya_backupdb.model import Reference, Section, SectionKind
from vya_backupdb.operations.meant import meant


@dataclass(frozen=True)
class ExtractRequest:
    """What to take of a script."""

    tables: tuple[str, ...] = ()
    """As a person writes them; empty: all."""
    schema: bool = True
    """Definitions, and what follows the rows: indexes, constraints, triggers."""
    rows: bool = True


class Extract:
    """A part of a script: settings, definitions, rows, what follows them, and the script's end."""

    def __init__(self, engine: Engine, source: ScriptSource, request: ExtractRequest) -> None:
        """Find the tables. Raises Refused where one is not there or may be several."""
        self._source = source
        self._request = request
        self.notes: tuple[str, ...] = ()
        """What else must be there where this is executed."""
        if request.tables:
            found = engine.tables(source.sections({SectionKind.SCHEMA, SectionKind.POST}))
            names = found.whole([meant(source.path, found, written) for written in request.tables])
            schemas = {each.other for each in found.references if each.kind == "schema"}
            cut = _Cutter(found, names, frozenset(schemas))
            self._source = SelectedScript(source, cut, names)
            self.notes = tuple(_notes(found, names)) if request.schema else ()

    def pieces(self) -> Iterator[bytes]:
        """Give the script in order; of an archive, nothing is read but the frames that are needed.

        Raises DamagedArchive, StorageError.
        """
        yield from self._bodies(SectionKind.HEADER)
        if self._request.schema:
            yield from self._bodies(SectionKind.SCHEMA)
        if self._request.rows:
            for task in self._source.row_tasks():
                yield task.read().body
        if self._request.schema:
            yield from self._bodies(SectionKind.POST)
        yield from self._bodies(SectionKind.FOOTER)

    def write(self, path: Path) -> None:
        """Write it to a new file, which gets its name when it is whole.

        Raises Refused where the file exists, StorageError, DamagedArchive.
        """
        with storage_errors(path):
            if path.exists():
                raise Refused(f"{path}: exists already", cure="name another file, or remove that one")
        with published(path) as file:
            for piece in self.pieces():
                with storage_errors(path):
                    write_whole(file, piece)

    def _bodies(self, kind: SectionKind) -> Iterator[bytes]:
        return (section.body for section in self._source.sections({kind}))


@dataclass(frozen=True)
class _Cutter:
    """Cuts out of a section what belongs to the tables, and to the schemas that they lie in."""

    found: ScriptTables
    names: frozenset[str]
    schemas: frozenset[str]

    def __call__(self, section: Section) -> Section:
        body = bytearray()
        for start, end in self.found.spans(section, self.names, self.schemas):
            if body and not body.endswith(b"\n"):
                body += b"\n"
            body += section.body[start:end]
        return replace(section, body=bytes(body))


def _notes(found: ScriptTables, names: frozenset[str]) -> Iterator[str]:
    """Say what the tables need or refer to that is not extracted."""
    missing: Sequence[Reference] = [
        each
        for each in found.references
        if each.table in names and each.other not in names and each.kind != "schema"
    ]
    for table in dict.fromkeys(each.table for each in missing):
        others = (each.other for each in missing if each.table == table)
        yield f"{table} needs where it is loaded: {few(others, ', ')}"
