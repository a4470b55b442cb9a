"""A script without what a restore leaves out, and the places of what is left."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from vya_backupdb.archive.places import place
from vya_backupdb.archive.selected import SelectedScript, only, without
from vya_backupdb.archive.source import open_source
from vya_backupdb.archive.writer import ArchiveWriter
from vya_backupdb.engines.base import Engine
from vya_backupdb.engines.mysql.engine import ENGINE as MYSQL
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.engines.postgresql.engine import ENGINE as POSTGRESQL
from vya_backupdb.engines.postgresql.script.reader import PostgreSQLScriptReader
from vya_backupdb.errors import Refused
from vya_backupdb.model import ScriptReader, Section, SectionKind
from vya_backupdb.operations import checks
from vya_backupdb.streams.codec import Codec

POSTGRESQL_SCRIPT = b"""SET client_encoding = 'UTF8';
SET default_tablespace = fast;
CREATE TABLE public.a (x integer);
CREATE TABLE public.b (x integer);
COPY public.a (x) FROM stdin;
1
2
3
\\.
COPY public.b (x) FROM stdin;
4
\\.
SELECT pg_catalog.setval('public.s', 7, true);
CREATE INDEX i ON public.a USING btree (x);
CREATE INDEX j ON public.b USING btree (x);
-- PostgreSQL database dump complete
"""
MYSQL_SCRIPT = b"""/*!40101 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
CREATE TABLE `a` (`x` int);
INSERT INTO `a` VALUES (1),(2);
INSERT INTO `a` VALUES (3);
CREATE TABLE `b` (`x` int);
INSERT INTO `b` VALUES (4);
CREATE PROCEDURE `p`() SELECT 1;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
-- Dump completed
"""


def sections(reader: ScriptReader, script: bytes) -> Iterator[Section]:
    for start in range(0, len(script), 7):
        yield from reader.feed(script[start : start + 7])
    yield from reader.finish()


@pytest.mark.parametrize(
    ("engine", "reader", "script"),
    [
        (POSTGRESQL, PostgreSQLScriptReader(section_bytes=4), POSTGRESQL_SCRIPT),
        (POSTGRESQL, PostgreSQLScriptReader(), POSTGRESQL_SCRIPT),
        (MYSQL, MySQLScriptReader(section_bytes=4), MYSQL_SCRIPT),
        (MYSQL, MySQLScriptReader(), MYSQL_SCRIPT),
    ],
)
def test_a_statement_stands_in_the_script_where_its_section_says(
    engine: Engine, reader: ScriptReader, script: bytes
) -> None:
    seen = 0
    for section in sections(reader, script):
        assert section.position is not None
        for statement in engine.statements(section):
            start = section.position + statement.offset
            if script.startswith(statement.text, start):
                seen += 1
            else:  # what was repeated at a cut
                assert statement.text.startswith((b"COPY", b"SET"))
    assert seen >= script.count(b"CREATE") + script.count(b"COPY") + script.count(b"INSERT")


@pytest.mark.parametrize("codec", [Codec.parse("zstd"), Codec.parse("none")])
def test_an_archive_knows_the_same_places_as_the_script_that_it_holds(tmp_path: Path, codec: Codec) -> None:
    path = tmp_path / "archive"
    with path.open("wb") as file, ArchiveWriter(file, codec, 1) as writer:
        for section in sections(MySQLScriptReader(), MYSQL_SCRIPT):
            writer.write(section)
        writer.finish()
    with open_source(path, MYSQL.reader) as source:
        wanted = b"CREATE PROCEDURE"
        (found,) = [s for s in source.sections({SectionKind.POST}) if wanted in s.body]
        assert found.position is not None
        line = 2 + MYSQL_SCRIPT[: MYSQL_SCRIPT.index(wanted)].count(
            b"\n"
        )  # the archive's marker is the first
        assert place(path, found.position + found.body.index(wanted)).startswith(f"line {line} (byte ")


def test_a_place_is_found_in_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "dump.sql.gz"
    script = b"x\n" * 1_000_000 + b"here"
    path.write_bytes(gzip.compress(script, 1))
    assert place(path, len(script) - 4) == "line 1,000,001 (byte 2,000,000) of the script"


def test_far_into_a_script_the_byte_is_told_alone(tmp_path: Path) -> None:
    assert place(tmp_path / "not opened", 1 << 40) == "byte 1,099,511,627,776 of the script"


def test_what_is_left_out_leaves_all_else_in_its_place() -> None:
    section = Section(SectionKind.SCHEMA, b"abc;def;ghi;", position=5)
    assert without(section, [(4, 8)]).body == b"abc;    ghi;"
    assert only(section, [(0, 4), (8, 12)]).body == b"abc;    ghi;"
    assert only(section, []).position == 5


def test_rows_of_other_tables_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"
    path.write_bytes(POSTGRESQL_SCRIPT)
    with open_source(path, POSTGRESQL.reader) as source:
        tables = POSTGRESQL.tables(source.sections({SectionKind.SCHEMA, SectionKind.POST}))
        script = SelectedScript(
            source, lambda part: only(part, tables.spans(part, {"public.a"})), {"public.a"}
        )
        assert script.scan().tables == {"public.a": 3}
        assert script.expected_rows() == {"public.a": 3}
        rows = b"".join(task.read().body for task in script.row_tasks())
        assert b"COPY public.a" in rows
        assert b"public.b" not in rows
        assert b"setval" not in rows  # the sequence is nobody's
        post = b"".join(section.body for section in script.sections({SectionKind.POST}))
        assert post.split(b"\n")[:2] == [
            b"SET default_tablespace = fast;",
            b"CREATE INDEX i ON public.a USING btree (x);",
        ]
        assert b"public.b" not in post


def test_no_more_refused_statements_are_looked_up_than_an_error_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dump.sql"
    path.write_bytes(b"1\t\\N\n" * 1000 + b"-- PostgreSQL database dump complete\n")
    looked_up = []

    def counting(path: Path, position: int) -> str:
        looked_up.append(position)
        return f"byte {position}"

    monkeypatch.setattr(checks, "place", counting)
    with open_source(path, POSTGRESQL.reader) as source, pytest.raises(Refused, match="and 995 more"):
        checks.check_script(POSTGRESQL, source)
    assert looked_up == [2, 7, 12, 17, 22]
