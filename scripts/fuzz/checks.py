"""What must hold of every script that a reader is given, however damaged it is."""

from __future__ import annotations

import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from vya_backupdb.engines.mysql.restore.restoring import statements as mysql_statements
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.engines.postgresql.script.reader import PostgreSQLScriptReader
from vya_backupdb.engines.postgresql.script.statements import statements as postgresql_statements
from vya_backupdb.errors import DumpFailed, Refused
from vya_backupdb.model import Action, ScriptReader, Section, SectionKind, Statement

WHOLE = 1 << 40
"""A size of sections that nothing reaches."""


class Fault(Exception):
    """A reader breaks its promise."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A reader, what gives the statements of its sections, and what it may add to a section."""

    name: str
    reader: Callable[[int], ScriptReader]
    """Takes the size of sections."""
    statements: Callable[[Section], Iterator[Statement]]
    added_behind: re.Pattern[bytes]
    rewritten: re.Pattern[bytes]
    """Statements that are executed in another form than they are written."""


MYSQL = Dialect(
    "mysql",
    lambda size: MySQLScriptReader(require_trailer=False, section_bytes=size),
    mysql_statements,
    added_behind=re.compile(rb"(?:(?:/\*M?!\d* ?)?SET [^;]*;\n)+"),
    rewritten=re.compile(rb"/\*M?!|EVENT|DATABASE|SCHEMA", re.IGNORECASE),
)
POSTGRESQL = Dialect(
    "postgresql",
    lambda size: PostgreSQLScriptReader(require_trailer=False, section_bytes=size),
    postgresql_statements,
    added_behind=re.compile(rb"\\\.\n"),
    rewritten=re.compile(rb"(?!)"),
)


_SETTING = re.compile(rb"(?:/\*M?!\d*)?\s*(?:SET|RESET)\b", re.IGNORECASE)
_REPEATED = re.compile(_SETTING.pattern + rb"|COPY\b", re.IGNORECASE)
_SMALL = 500
"""Statements up to this size are under every server's limit, whatever a section says of its largest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reader made of a script."""

    sections: list[Section]
    error: str
    """How it refused the script; empty: it did not."""
    notes: list[str]


def check(dialect: Dialect, script: bytes, dice: random.Random, *, seconds: float = 60.0) -> Outcome:
    """Read a script in several ways. Raises Fault where a promise is broken; gives the outcome."""
    with _deadline(seconds):
        whole = read(dialect, [script], WHOLE)
        size = dice.choice((1, 40, 500, 8_000))
        cut = read(dialect, [script], size)
        for outcome, limit in ((whole, WHOLE), (cut, size)):
            _same(outcome, read(dialect, chunks(script, dice), limit))
            _nothing_lost(dialect, script, outcome)
            _rows_agree(dialect, outcome)
        _same_statements(dialect, whole, cut)
    return cut


def read(dialect: Dialect, pieces: Sequence[bytes], size: int) -> Outcome:
    """Read a script that comes in pieces; the only errors that a reader may raise become its outcome."""
    reader = dialect.reader(size)
    found: list[Section] = []
    try:
        for piece in pieces:
            found += reader.feed(piece)
        found += reader.finish()
    except (DumpFailed, Refused) as error:
        return Outcome(found, f"{type(error).__name__}: {error}", reader.notes)
    return Outcome(found, "", reader.notes)


def chunks(script: bytes, dice: random.Random) -> list[bytes]:
    """Cut a script at random, now and then into single bytes."""
    pieces, position = [], 0
    most = dice.choice((3, 40, 1000, 30_000))
    if most * 2_000 < len(script):
        most = len(script) // 2_000 + 1
    while position < len(script):
        size = dice.randint(1, most)
        pieces.append(script[position : position + size])
        position += size
    return pieces


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    def expired(_signal: int, _frame: FrameType | None) -> None:
        raise Fault(f"reading takes more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _same(one: Outcome, other: Outcome) -> None:
    """Hold sections, error and notes equal; before an error, one may have given more sections."""
    if one.error != other.error:
        raise Fault(f"in other chunks it ends with {other.error!r}, not {one.error!r}")
    if not one.error and (one.sections, one.notes) != (other.sections, other.notes):
        raise Fault("in other chunks the sections or notes are others")
    if any(a != b for a, b in zip(one.sections, other.sections, strict=False)):
        raise Fault("in other chunks the sections before the error are others")


def _nothing_lost(dialect: Dialect, script: bytes, outcome: Outcome) -> None:
    """Hold that the bodies one after the other are the script, but for what makes a section stand alone."""
    end = 0
    for number, section in enumerate(outcome.sections):
        added = end - (section.position or 0)
        taken = _taken(dialect, script, end, section.body[added:]) if added >= 0 else None
        if taken is None:
            raise Fault(f"section {number} ({section.kind}) is not the script from byte {end}")
        before = section.body[:added]
        if before and not (_REPEATED.match(before) and before.endswith(b";\n")):
            raise Fault(f"section {number} ({section.kind}) begins with something else than settings or COPY")
        end += taken
    if not outcome.error and end != len(script):
        raise Fault(f"the sections end at byte {end} of {len(script)}")


def _taken(dialect: Dialect, script: bytes, position: int, body: bytes) -> int | None:
    """Tell how many bytes of the script a body holds; None where it holds something else."""
    if script.startswith(body, position):
        return len(body)
    for behind in dialect.added_behind.finditer(body):
        if behind.end() == len(body) and script.startswith(body[: behind.start()], position):
            return behind.start()
    return None


def _rows_agree(dialect: Dialect, outcome: Outcome) -> None:
    """Hold that sections hold whole statements, a COPY the rows that are counted, none larger than told."""
    for section in outcome.sections:
        copied, copies = 0, False
        for statement in dialect.statements(section):
            if statement.action is Action.COPY and statement.copy_data is not None:
                copies = True
                copied += bytes(statement.copy_data).count(b"\n")
            elif statement.action is Action.EXECUTE and not _is_rewritten(dialect, section, statement):
                if not section.body.startswith(statement.text, statement.offset):
                    raise Fault(f"a statement does not stand at byte {statement.offset} of its section")
                if len(statement.text) > max(section.largest_statement, _SMALL):
                    raise Fault(f"a statement of {len(statement.text)} bytes is larger than the largest")
            if "it has no end" in (statement.reason or ""):
                raise Fault("a section of the reader's own ends inside of a statement")
        if copies and copied != section.rows:
            raise Fault(f"{section.rows} rows are counted where {copied} are loaded")


def _is_rewritten(dialect: Dialect, section: Section, statement: Statement) -> bool:
    return dialect.rewritten.search(section.body, statement.offset, statement.offset + 200) is not None


def _same_statements(dialect: Dialect, whole: Outcome, cut: Outcome) -> None:
    """Hold that sections of any size hold the same rows and statements."""
    if whole.error and not cut.error:
        raise Fault(f"with small sections it does not end with {whole.error!r}")
    if cut.error:  # where settings are made for what follows, it depends on the cuts what that is
        return
    if _rows(whole) != _rows(cut):
        raise Fault("with small sections other numbers of rows are counted")
    if _texts(dialect, whole) != _texts(dialect, cut):
        raise Fault("with small sections the statements are others")


def _rows(outcome: Outcome) -> Counter[str | None]:
    rows: Counter[str | None] = Counter()
    for section in outcome.sections:
        rows[section.object] += section.rows
    return +rows


def _texts(dialect: Dialect, outcome: Outcome) -> list[bytes]:
    """Give the statements in order, without the settings and COPYs that may be repeated."""
    return [
        statement.text
        for section in outcome.sections
        for statement in dialect.statements(section)
        if statement.action is not Action.COPY
        and (section.kind is SectionKind.HEADER or not _SETTING.match(statement.text))
    ]
