"""Scripts of every shape: however they come in, they are read the same, and nothing of them is lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.mysql_script_samples import (
    SANDBOX,
    dump,
    events,
    history_rows,
    locked_rows,
    placeholder,
    procedure,
    rows,
    sections,
    table,
    texts,
    trigger,
    view,
)
from tests.unit.test_mysql_script_rows import INGREDIENTS as ROW_INGREDIENTS
from vya_backupdb.engines.mysql.restore.restoring import statements
from vya_backupdb.engines.mysql.script import rows as row_counting
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.errors import DumpFailed, Refused
from vya_backupdb.model import Action, Section, SectionKind

INGREDIENTS = [
    *(
        b"INSERT INTO `t` VALUES (1),(2);\n",
        b"INSERT INTO `t` VALUES\n(1),\n(2);\n",
        b"INSERT INTO u VALUES (",
    ),
    *(
        b"INSERT INTO `t` VALUES ('",
        b"CREATE TABLE `t` (a int);\n",
        b"DROP TABLE `t`;\n",
        b"UNLOCK TABLES;\n",
    ),
    *(b"'", b"''", b"\\'", b"\\\\", b"\\", b'"', b"`", b"),(", b");", b"\\N", b"\x95\x5c", b" ", b"SELECT 1"),
    *(b";", b";\n", b";\r\n", b";;", b";;\n", b"//\n", b"\n", b"\r\n"),
    *(b"-- ", b"--", b"#", b"/*", b"/*!50003 ", b"*/", b"*/;\n", SANDBOX, b"-- Dump completed"),
    *(
        b"DELIMITER ;;\n",
        b"DELIMITER ;\n",
        b"DELIMITER //\n",
        b"DELIMITER",
        b"use x\n",
        b"system ls\n",
        b"\\! ls\n",
    ),
    *(b"SET @saved_cs = @@sql_mode;\n", b"SET sql_mode = @saved_cs;\n", b"SET sql_mode = 'ANSI_QUOTES';\n"),
    *(b"SET sql_mode = 'NO_BACKSLASH_ESCAPES' ;;\n", b"SET NAMES sjis;\n", b"SET NAMES utf8mb4;\n"),
    *(b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE */;\n", b"/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n"),
    *(b"CREATE PROCEDURE p() SELECT 1;\n", b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1 -- x ;;\n"),
    b"/*!50003 SET time_zone             = @saved_time_zone */ ;;\n",
]
SOUP = st.lists(st.sampled_from(INGREDIENTS), max_size=14).map(b"".join)

Outcome = tuple[list[Section], str, list[str]]


def read(chunks: Sequence[bytes], section_bytes: int = 60) -> Outcome:
    """Give the sections, how it ended, and the notes."""
    reader = MySQLScriptReader(require_trailer=False, section_bytes=section_bytes)
    found: list[Section] = []
    try:
        for chunk in chunks:
            found += reader.feed(chunk)
        found += reader.finish()
    except (DumpFailed, Refused) as error:
        return found, str(error), reader.notes
    return found, "", reader.notes


def in_chunks(script: bytes, sizes: Sequence[int]) -> list[bytes]:
    chunks, pos = [], 0
    for i in range(len(script)):
        size = sizes[i % len(sizes)]
        chunks.append(script[pos : pos + size])
        pos += size
    return [*chunks, script[pos:]]


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@given(SOUP, SIZES)
@settings(max_examples=150, deadline=None)
def test_any_script_in_any_chunks_gives_the_same_sections_or_the_same_error(
    soup: bytes, sizes: list[int]
) -> None:
    assert read(in_chunks(soup, sizes)) == read([soup])


@given(SOUP)
@settings(max_examples=150, deadline=None)
def test_sections_of_any_script_are_the_script(soup: bytes) -> None:
    found, error, _ = read([soup], section_bytes=1 << 20)
    body = b"".join(section.body for section in found)
    assert soup.startswith(body)
    assert error or body == soup


ROWS = st.lists(
    st.lists(st.sampled_from([*INGREDIENTS, *ROW_INGREDIENTS, *ROW_INGREDIENTS]), max_size=12).map(
        lambda soup: b"INSERT INTO `t` VALUES (" + b"".join(soup) + b");\n"
    ),
    max_size=3,
).map(b"".join)


@given(SOUP | ROWS)
@settings(max_examples=300, deadline=None)
def test_rows_found_at_once_are_those_found_step_by_step(soup: bytes) -> None:
    quick = read([soup])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_counting, "begins", lambda data, pos: None)
        slow = read([soup])
    assert quick == slow


@given(SOUP)
@settings(max_examples=150, deadline=None)
def test_statements_of_a_section_are_those_of_the_script(soup: bytes) -> None:
    """Those that are executed stand in its body as they are, but for what is rewritten."""
    found, _, _ = read([soup])
    for section in found:
        for statement in statements(section):
            if (
                statement.action is not Action.EXECUTE
                or b"/*!" in statement.text
                or b"EVENT" in statement.text
            ):
                continue
            assert section.body.startswith(statement.text, statement.offset)
            assert len(statement.text) <= section.largest_statement


NAMES = st.text(alphabet="ab`'\";\n\\ é*/-#", min_size=1, max_size=8).map(str.encode)
STRINGS = st.text(alphabet="a;'\"\n\\(),-#/* é", max_size=12)
MODES = st.sampled_from([b"", b"ANSI_QUOTES", b"NO_BACKSLASH_ESCAPES", b"ANSI_QUOTES,NO_BACKSLASH_ESCAPES"])


def literal(value: str, mode: bytes = b"") -> bytes:
    """Give a string as people write it in a body."""
    text = value.encode().replace(b"'", b"''")
    return b"'" + (text if b"NO_BACKSLASH" in mode else text.replace(b"\\", b"\\\\")) + b"'"


def row(value: str) -> bytes:
    """Give a value as the tools write it in a row."""
    text = (
        value.encode()
        .replace(b"\\", b"\\\\")
        .replace(b"'", b"\\'")
        .replace(b'"', b'\\"')
        .replace(b"\n", b"\\n")
    )
    return b"'" + text + b"'"


@st.composite
def bodies(draw: st.DrawFn, mode: bytes) -> bytes:
    """Give a routine's body with strings, comments and names; no `;;`, which the tools cannot write."""
    parts = draw(
        st.lists(
            st.one_of(
                STRINGS.map(lambda value: b"SELECT " + literal(value, mode) + b";"),
                st.text(alphabet="a'`\";", max_size=6).map(lambda text: b"/* " + text.encode() + b" */"),
                st.text(alphabet="a'`\";*/", max_size=6).map(lambda text: b"-- " + text.encode() + b"\n"),
                NAMES.map(lambda name: b"SELECT `" + name.replace(b"`", b"``") + b"`;"),
            ),
            max_size=4,
        )
    )
    return (b"BEGIN " + b" ".join(parts) + b" END").replace(b";;", b"; ;")


@st.composite
def scripts(draw: st.DrawFn) -> tuple[bytes, dict[str, int], list[bytes]]:
    """Give a dump, the rows of its tables, and the bodies of its routines, triggers and events."""
    pieces: list[bytes] = []
    counts: dict[str, int] = {}
    written: list[bytes] = []
    style = draw(st.sampled_from([rows, locked_rows, history_rows]))
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        pieces.append(table(name))
        inserts = draw(st.lists(st.lists(STRINGS.map(row), min_size=1, max_size=3), max_size=3))
        pieces.append(style(name, *inserts))
        if inserts:
            counts[name.decode()] = sum(map(len, inserts))
        for i in range(draw(st.integers(0, 2))):
            mode = draw(MODES)
            written.append(draw(bodies(mode)))
            pieces.append(trigger(b"t%d" % i, name, written[-1], mode))
    pieces += [placeholder(name) for name in draw(st.lists(NAMES, max_size=2))]
    if draw(st.booleans()):
        written.append(draw(bodies(b"")))
        pieces.append(events((b"e", b"EVERY 1 DAY ENABLE", written[-1])))
    for name in draw(st.lists(NAMES, max_size=2)):
        mode = draw(MODES)
        written.append(draw(bodies(mode)))
        pieces.append(procedure(name, written[-1], mode))
    pieces += [view(name, b"select 1 AS `a`") for name in draw(st.lists(NAMES, max_size=2))]
    return dump(*pieces), counts, written


@given(scripts(), SIZES, st.sampled_from([1, 500, 1 << 20]))
@settings(max_examples=60, deadline=None)
def test_dumps_of_every_content_are_taken_apart_without_loss(
    made: tuple[bytes, dict[str, int], list[bytes]], sizes: list[int], section_bytes: int
) -> None:
    script, counts, written = made
    found, error, _ = read(in_chunks(script, sizes), section_bytes)
    assert error == ""
    assert (found, error) == (sections(script, section_bytes=section_bytes), "")
    counted: dict[str, int] = {}
    for section in found:
        if section.kind is SectionKind.ROWS and section.rows:
            counted[section.object or ""] = counted.get(section.object or "", 0) + section.rows
    assert counted == counts
    executed = texts(found, lambda action: action is Action.EXECUTE)
    assert [text for text in executed if b"BEGIN " in text and text.endswith(b" END")] != [] or not written
    for body in written:
        assert any(text.endswith(body) for text in executed)
    refused = texts(found, lambda action: action is Action.REFUSE)
    assert refused == []
