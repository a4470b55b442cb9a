"""Damaged dumps end in sections or in a clear refusal, and whatever breaks that is found."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from scripts.fuzz.checks import MYSQL, POSTGRESQL, Dialect, Fault, check
from scripts.fuzz.mutations import mutated
from scripts.fuzz.shapes import shapes
from tests.unit.mysql_script_samples import SANDBOX, WHOLE, dump, history_rows, rows, table
from tests.unit.test_postgresql_script import CONTENT, HEADER, POST, ROWS, TABLES, TRAILER
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.model import Section

SCRIPTS = {
    MYSQL: [
        WHOLE,
        SANDBOX + dump(table(b"h"), history_rows(b"h", [b"1,'a'"], [b"2,'b'"], [b"3,'c'"])),
        dump(rows(b"t", [b"1,'a;\\n'", b"2,'(),('"], newline=True), rows(b"u", [b"0xFF"])),
    ],
    POSTGRESQL: [
        HEADER + TABLES + ROWS + CONTENT + POST + TRAILER,
        HEADER + TABLES + b"INSERT INTO public.a VALUES (1), (2);\n\n\n" + POST * 3 + TRAILER,
    ],
}


@pytest.mark.parametrize("dialect", [MYSQL, POSTGRESQL], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_dump_gives_its_own_bytes_in_sections_or_is_refused(dialect: Dialect, seed: int) -> None:
    for number in range(5):
        dice = random.Random(f"{seed} {number}")
        check(dialect, mutated(dice, SCRIPTS[dialect]), dice)


@pytest.mark.parametrize("dialect", [MYSQL, POSTGRESQL], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("shape", shapes(300))
def test_a_shape_that_is_slow_in_other_readers_is_read_right(dialect: Dialect, shape: str) -> None:
    check(dialect, shapes(300)[shape], random.Random(shape), seconds=20)


class _Forgetful(MySQLScriptReader):
    """Loses a byte of every section, or counts a row too many, or raises what no reader may."""

    wrong = ""

    def feed(self, data: bytes) -> Iterator[Section]:
        for section in super().feed(data):
            if self.wrong == "raises":
                raise KeyError(section.kind)
            body = section.body[:-1] if self.wrong == "forgets" else section.body
            yield Section(section.kind, body, section.object, section.rows, position=section.position)


@pytest.mark.parametrize(
    ("wrong", "error"), [("forgets", Fault), ("raises", KeyError), ("hides the largest statement", Fault)]
)
def test_a_reader_that_breaks_a_promise_is_found(
    monkeypatch: pytest.MonkeyPatch, wrong: str, error: type[Exception]
) -> None:
    monkeypatch.setattr(_Forgetful, "wrong", wrong)
    reads_wrong = Dialect(
        "mysql",
        lambda size: _Forgetful(require_trailer=False, section_bytes=size),
        MYSQL.statements,
        MYSQL.added_behind,
        MYSQL.rewritten,
    )
    script = dump(rows(b"t", [b"'" + b"x" * 600 + b"'"]))
    with pytest.raises(error):
        check(reads_wrong, script, random.Random(1))
