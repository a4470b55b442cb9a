"""A script without what a restore leaves out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from vya_backupdb.archive.script import RowTask, ScriptSource, ScriptTotals
from vya_backupdb.model import Section, SectionKind, Span


def without(section: Section, spans: Iterable[Span]) -> Section:
    """Give the section with blanks in place of these spans, so that all else stays where it was."""
    body = bytearray(section.body)
    for start, end in spans:
        body[start:end] = b" " * (end - start)
    return replace(section, body=bytes(body))


def only(section: Section, spans: Iterable[Span]) -> Section:
    """Give the section with blanks in place of everything but these spans, which are in order."""
    body = bytearray(b" " * len(section.body))
    for start, end in spans:
        body[start:end] = section.body[start:end]
    return replace(section, body=bytes(body))


class SelectedScript:
    """A ScriptSource over another one: its sections edited, and the rows of some tables only.

    Rows of tables are not edited. Of the rest, large objects are no table's: they are not even read.
    """

    def __init__(
        self,
        source: ScriptSource,
        edit: Callable[[Section], Section],
        tables: Collection[str] | None = None,
    ) -> None:
        self._source = source
        self._edit = edit
        self._tables = tables
        """None: the rows of all."""

    @property
    def path(self) -> Path:
        """The file."""
        return self._source.path

    @property
    def raw_bytes(self) -> int | None:
        """Bytes of script; None where only some tables are taken."""
        return self._source.raw_bytes if self._tables is None else None

    def sections(self, kinds: Collection[SectionKind]) -> Iterator[Section]:
        """Give what is left of the sections of these kinds."""
        for section in self._source.sections(kinds):
            if section.kind is not SectionKind.ROWS or section.object is None:
                section = self._edit(section)
            elif self._tables is not None and section.object not in self._tables:
                continue
            if not section.body.isspace():
                yield section

    def row_tasks(self) -> Iterator[RowTask]:
        """Give the sections of rows that are taken."""
        in_order = False
        for task in self._source.row_tasks():
            if task.object is not None:
                in_order = in_order or task.sequential
                if self._tables is None or task.object in self._tables:
                    yield task
            elif self._tables is None or in_order or not task.sequential:
                yield replace(task, read=partial(self._edited, task))

    def _edited(self, task: RowTask) -> Section:
        return self._edit(task.read())

    def expected_rows(self) -> Mapping[str, int] | None:
        """Each table that is taken to the rows it must have."""
        expected = self._source.expected_rows()
        if expected is None or self._tables is None:
            return expected
        return {table: expected.get(table, 0) for table in self._tables}

    def scan(self) -> ScriptTotals:
        """Give the totals of the rows that are taken."""
        totals = self._source.scan()
        if self._tables is None:
            return totals
        largest_of = {table: totals.largest_of.get(table, 0) for table in self._tables}
        return replace(
            totals,
            tables={table: totals.tables.get(table, 0) for table in self._tables},
            largest_statement=max(largest_of.values(), default=0),
            largest_of=largest_of,
        )
