r"""pg_dump's plain scripts (13 to 18, also with INSERTs, --clean, --data-only ...) as a stream of sections.

Every byte of the script is in exactly one section, in order, with two additions, both harmless to psql, that
let each section stand alone: a COPY block that spans sections is closed (`\.`) and opened again with the
same first line, and a section of schema or post that begins after an object setting (default_tablespace,
default_table_access_method, session authorization) has been other than usual begins with a SET of it.

Kinds follow each other: header, schema, rows, post, footer. A script without data goes over to post at the
first statement that pg_dump only writes after data (parts.py), and stays schema where there is none. Should
rows come after that (in no script of pg_dump's own), they stay in their place, in sections of kind post.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vya_backupdb.engines.postgresql.script.copy_block import CLOSE, RowCutter
from vya_backupdb.engines.postgresql.script.lexer import End, Inside, StatementLexer
from vya_backupdb.engines.postgresql.script.parts import (
    DATA,
    OBJECT_SETTINGS,
    Part,
    Setting,
    check_encoding,
    copy_target,
    insert_target,
    part_of,
    setting_of,
)
from vya_backupdb.engines.postgresql.script.statements import CLASSIFIED
from vya_backupdb.errors import DumpFailed
from vya_backupdb.model import MOST_STATEMENT, Section, SectionKind

SECTION_BYTES: Final = 8 << 20
"""About how much a section holds: whole statements, or the rows of a COPY block.

Measured: with 16 MiB files are 0.01 % smaller, and a backup takes 50 MiB of memory more.
"""

_CURE: Final = "it is not whole and cannot be used: dump the database again"
_LARGE_OBJECTS: Final = (Part.LARGE_OBJECT, Part.LARGE_OBJECT_DEFINITION)


@dataclass(frozen=True, slots=True)
class _Place:
    """Statements of equal place share a section, as far as its size allows."""

    kind: SectionKind
    part: Part | None = None
    """Rows only."""
    object: str | None = None
    sequential: bool = False


@dataclass(slots=True)
class _Draft:
    """A section that is being filled."""

    place: _Place
    body: bytearray
    position: int
    """Where in the script its body would begin if nothing had been added at its beginning."""
    rows: int = 0
    largest_statement: int = 0


@dataclass(slots=True)
class _Pending:
    """Settings and BEGIN, which belong to the statement that follows them."""

    body: bytearray = field(default_factory=bytearray)
    largest_statement: int = 0
    settings: list[tuple[Setting, bytes]] = field(default_factory=list)
    begins: bool = False


@dataclass(slots=True)
class _Block:
    """A COPY block whose rows are being read."""

    place: _Place
    before: bytes
    """What stands before the COPY statement; goes into the block's first section."""
    header: bytes
    cutter: RowCutter


class PostgreSQLScriptReader:
    """Turns a plain script, however it is cut into chunks, into the same sections.

    `largest_statement` of a section of COPY rows is the length of its row where it holds a single one (a row
    larger than a section always is alone in its own), else of the COPY statement: the server takes the rows
    one by one, and its limit of 1 GB is for each.
    """

    def __init__(self, require_trailer: bool = True, *, section_bytes: int = SECTION_BYTES) -> None:
        self.notes: list[str] = []
        self._require_trailer = require_trailer
        self._limit = section_bytes
        self._buffer = bytearray()
        self._consumed = 0
        """Bytes of the script that have left the buffer."""
        self._begin = 0
        """Where in the buffer the current statement's leading blanks, or the current rows, begin."""
        self._lexer = StatementLexer()
        self._end: End | None = None
        """How the current statement ended, once it did."""
        self._phase = SectionKind.HEADER
        self._trailer = False
        self._ordered = False
        """Whether rows depend on what their session did before: from there on all rows are sequential."""
        self._in_transaction = False
        self._in_force: dict[str, bytes] = {}
        """The object settings that have been other than usual, as they are set now."""
        self._pending = _Pending()
        self._draft: _Draft | None = None
        self._block: _Block | None = None
        self._sections: list[Section] = []

    def feed(self, data: bytes) -> Iterator[Section]:
        """Take the next bytes and give the sections that are complete.

        Raises DumpFailed where the script holds something that cannot be read safely.
        """
        self._buffer += data
        self._advance(final=False)
        taken = self._begin
        del self._buffer[:taken]
        self._begin = 0
        self._consumed += taken
        self._lexer.shift(taken)
        if self._block is not None:
            self._block.cutter.shift(taken)
        if len(self._buffer) > MOST_STATEMENT:
            raise DumpFailed(
                f"a statement or row has no end within {MOST_STATEMENT >> 30} GiB, and no server takes it"
            )
        return self._take_sections()

    def finish(self) -> Iterator[Section]:
        """Give what is left. Raises DumpFailed where the script is cut short or has no trailer."""
        self._advance(final=True)
        if self._block is not None:
            raise DumpFailed(f"the dump ends inside the rows of {self._block.place.object}", cure=_CURE)
        if self._lexer.start is not None or self._lexer.inside is not Inside.STATEMENT:
            begin = self._consumed + (self._begin if self._lexer.start is None else self._lexer.start)
            raise DumpFailed(f"the dump ends inside {self._lexer.inside} (from byte {begin})", cure=_CURE)
        if self._require_trailer and not (self._trailer or self._lexer.trailer):
            raise DumpFailed(
                "the dump lacks its last line, `-- PostgreSQL database dump complete`", cure=_CURE
            )
        self._add_pending()
        self._add(_Place(SectionKind.FOOTER), bytes(self._buffer[self._begin :]))
        self._flush()
        self._begin = len(self._buffer)
        self._lexer.begin(self._begin)
        return self._take_sections()

    def _take_sections(self) -> Iterator[Section]:
        sections, self._sections = self._sections, []
        return iter(sections)

    def _advance(self, final: bool) -> None:
        while self._take_rows(self._block) if self._block is not None else self._take_statement(final):
            pass

    def _take_statement(self, final: bool) -> bool:
        """Move one whole statement from the buffer into a draft; False where there is none."""
        lexer, buffer = self._lexer, self._buffer
        if self._end is None:
            self._end = lexer.scan(buffer, final)
        if self._end is None:
            return False
        end = lexer.position
        if self._end is End.SEMICOLON:
            if end == len(buffer) and not final:
                return False
            end += buffer[end : end + 1] == b"\n"
        start = lexer.position if lexer.start is None else lexer.start
        text = bytes(buffer[start : min(lexer.position, start + CLASSIFIED)])
        part = self._part(text)
        if part is Part.COPY:
            self._open_block(text, start, end)
        else:
            self._take(part, text, bytes(buffer[self._begin : end]), lexer.position - start)
        self._begin = end
        self._end = None
        lexer.begin(end)
        return True

    def _part(self, text: bytes) -> Part:
        if self._end is End.META_COMMAND and self._lexer.meta_command != self._lexer.start:
            return Part.OTHER
        if self._lexer.rows is not None:
            return Part.INSERT
        part = part_of(text)
        if part is Part.COMMIT:
            part = Part.LARGE_OBJECT if self._in_transaction else Part.OTHER
            self._in_transaction = False
        return part

    def _take(self, part: Part, text: bytes, segment: bytes, length: int) -> None:
        """Put a statement where it belongs, or keep it back until that is known."""
        if part is Part.UNRESTRICT and self._lexer.trailer:
            self._add_pending()
            self._phase = SectionKind.FOOTER
            self._trailer = True
            self._add(_Place(SectionKind.FOOTER), segment, length)
            return
        self._trailer = False
        setting = setting_of(text) if part is Part.SETTING else None
        if setting is not None:
            check_encoding(setting)
            if setting.parameter == "standard_conforming_strings":
                self._lexer.standard_strings = setting.value.strip(b"'").lower() in (
                    b"on",
                    b"true",
                    b"yes",
                    b"1",
                )
        if self._phase is SectionKind.HEADER:
            is_for_all = setting is not None and setting.parameter not in OBJECT_SETTINGS
            if is_for_all or part in (Part.SEARCH_PATH, Part.RESTRICT):
                self._add(_Place(SectionKind.HEADER), segment, length)
                return
            self._phase = SectionKind.SCHEMA
        if part in (Part.SETTING, Part.BEGIN, Part.EMPTY):
            self._pending.body += segment
            self._pending.largest_statement = max(self._pending.largest_statement, length)
            self._pending.begins |= part is Part.BEGIN
            if setting is not None:
                self._pending.settings.append((setting, text))
        elif part is Part.INSERT:
            self._add(
                self._place(part, insert_target(text, self._lexer.target)),
                segment,
                length,
                self._lexer.rows or 0,
            )
        else:
            self._add(self._place(part), segment, length)

    def _place(self, part: Part, target: str | None = None) -> _Place:
        """Where a statement belongs, with what is pending before it."""
        match self._phase:
            case SectionKind.HEADER | SectionKind.SCHEMA if part in DATA:
                self._phase = SectionKind.ROWS
            case SectionKind.HEADER | SectionKind.SCHEMA:
                self._phase = SectionKind.POST if part is Part.POST else SectionKind.SCHEMA
            case SectionKind.ROWS if part not in DATA and part is not Part.LARGE_OBJECT_DEFINITION:
                self._phase = SectionKind.POST
            case SectionKind.FOOTER:
                self._phase = SectionKind.POST
            case _:
                pass
        if self._phase is not SectionKind.ROWS:
            return _Place(self._phase)
        is_large_object = part in _LARGE_OBJECTS
        self._in_transaction |= self._pending.begins and is_large_object
        if part is Part.TRIGGERS or self._pending.settings or (self._pending.begins and not is_large_object):
            self._ordered = True
        return _Place(SectionKind.ROWS, part, target, sequential=self._ordered or is_large_object)

    def _add(self, place: _Place, segment: bytes, length: int = 0, rows: int = 0) -> None:
        """Append what is pending and the segment to the draft of their place."""
        pending = self._pending
        size = len(pending.body) + len(segment)
        if not size:
            return
        draft = self._draft
        if draft is None or draft.place != place or len(draft.body) + size > self._limit:
            self._flush()
            repeated: list[bytes] = []
            if place.kind in (SectionKind.SCHEMA, SectionKind.POST):
                repeated = [text + b"\n" for text in self._in_force.values()]
            body = bytearray().join(repeated)
            position = self._consumed + self._begin - len(pending.body) - len(body)
            largest = max(map(len, repeated), default=0)
            draft = self._draft = _Draft(place, body, position, largest_statement=largest)
        draft.body += pending.body
        draft.body += segment
        draft.rows += rows
        draft.largest_statement = max(draft.largest_statement, pending.largest_statement, length)
        self._settle_pending()

    def _add_pending(self) -> None:
        """Put settings that nothing follows where they stand."""
        if self._pending.body:
            self._add(self._place(Part.OTHER), b"")

    def _settle_pending(self) -> None:
        for setting, text in self._pending.settings:
            known = setting.parameter in self._in_force
            if setting.parameter in OBJECT_SETTINGS and (known or not setting.changes_nothing):
                self._in_force[setting.parameter] = text
        self._pending = _Pending()

    def _flush(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            place = draft.place
            self._sections.append(
                Section(
                    place.kind,
                    bytes(draft.body),
                    place.object,
                    draft.rows,
                    place.sequential,
                    draft.largest_statement,
                    draft.position,
                )
            )

    def _open_block(self, text: bytes, start: int, end: int) -> None:
        target = copy_target(text)
        if end == self._lexer.position:
            raise DumpFailed(
                f"COPY {target} FROM stdin is not followed by a line feed",
                cure="pg_dump writes one; where line ends were changed, so was the data: get the original",
            )
        self._trailer = False
        place = self._place(Part.COPY, target)
        if place.object is None:
            place = _Place(place.kind, object=target)
        self._flush()
        before = bytes(self._pending.body) + bytes(self._buffer[self._begin : start])
        self._settle_pending()
        self._block = _Block(place, before, bytes(self._buffer[start:end]), RowCutter(end, self._limit))

    def _take_rows(self, block: _Block) -> bool:
        """Make a section of the next rows; False where more bytes are needed."""
        buffer, start = self._buffer, block.cutter.start
        piece = block.cutter.cut(buffer)
        if piece is None:
            return False
        with memoryview(buffer) as whole, whole[start : piece.end] as lines:
            body = b"".join((block.before, block.header, lines, CLOSE))
        rows = buffer.count(b"\n", start, piece.end)
        self._sections.append(
            Section(
                block.place.kind,
                body,
                block.place.object,
                rows,
                block.place.sequential,
                piece.end - start if rows == 1 else len(block.header.rstrip()),
                self._consumed + start - len(block.before) - len(block.header),
            )
        )
        block.before = b""
        self._begin = piece.end
        if piece.is_last:
            self._begin += len(CLOSE)
            self._block = None
            self._lexer.begin(self._begin)
        return True
