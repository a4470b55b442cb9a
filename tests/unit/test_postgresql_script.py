"""pg_dump's scripts cut into sections."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vya_backupdb.engines.postgresql.script.copy_block import RowCutter
from vya_backupdb.engines.postgresql.script.reader import PostgreSQLScriptReader
from vya_backupdb.engines.postgresql.script.statements import statements
from vya_backupdb.errors import DumpFailed
from vya_backupdb.model import Action, Section, SectionKind

HEADER = (
    b"--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 15.1\n\n"
    b"SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
    b"SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n\n"
)
TRAILER = b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"
TABLES = (
    b"SET default_tablespace = '';\n\nSET default_table_access_method = heap;\n\n"
    b"CREATE TABLE public.a (x integer);\n\nCREATE TABLE public.b (x integer);\n\n"
)
ROWS = b"COPY public.a (x) FROM stdin;\n1\n2\n\\.\n\n\nCOPY public.b (x) FROM stdin;\n\\.\n\n\n"
POST = b"ALTER TABLE ONLY public.a\n    ADD CONSTRAINT a_key PRIMARY KEY (x);\n\n"

HEADER_, SCHEMA_, ROWS_, POST_, FOOTER_ = SectionKind


def read(script: bytes, steps: Iterable[int] = (), limit: int = 16 << 20) -> list[Section]:
    """Feed in chunks of the given lengths, then the rest at once."""
    reader = PostgreSQLScriptReader(section_bytes=limit)
    found: list[Section] = []
    for step in steps:
        found += reader.feed(script[:step])
        script = script[step:]
    found += reader.feed(script)
    return [*found, *reader.finish()]


def kinds(sections: Iterable[Section]) -> list[SectionKind]:
    return [section.kind for section in sections]


def of_kind(sections: Iterable[Section], kind: SectionKind) -> bytes:
    return b"".join(section.body for section in sections if section.kind is kind).strip()


# ---------------------------------------------------------------------------- kinds


def test_a_dump_falls_into_header_schema_rows_post_and_footer() -> None:
    sections = read(HEADER + TABLES + ROWS + POST + TRAILER)
    assert kinds(sections) == [HEADER_, SCHEMA_, ROWS_, ROWS_, POST_, FOOTER_]
    assert b"".join(s.body for s in sections) == HEADER + TABLES + ROWS + POST + TRAILER
    assert [(s.object, s.rows, s.sequential) for s in sections if s.kind is ROWS_] == [
        ("public.a", 2, False),
        ("public.b", 0, False),
    ]
    assert b"default_tablespace" not in sections[0].body


def test_a_dump_before_restrict_came_has_its_footer_too() -> None:
    script = (
        (HEADER + TABLES + ROWS + TRAILER)
        .replace(b"\\restrict abc\n", b"")
        .replace(b"\\unrestrict abc\n", b"")
    )
    assert kinds(read(script)) == [HEADER_, SCHEMA_, ROWS_, ROWS_, FOOTER_]


def test_a_setting_between_rows_and_index_belongs_to_the_index() -> None:
    script = HEADER + TABLES + ROWS + b"SET default_tablespace = fast;\n\n" + POST + TRAILER
    post = of_kind(read(script), POST_)
    assert post == b"SET default_tablespace = fast;\n\n" + POST.strip()


def test_a_setting_with_nothing_behind_it_is_kept() -> None:
    script = HEADER + TABLES + ROWS + b"SET default_tablespace = fast;\n\n" + TRAILER
    assert b"default_tablespace = fast" in of_kind(read(script), POST_)


@pytest.mark.parametrize(
    "first",
    [
        b"CREATE UNIQUE INDEX i ON public.a USING btree (x);",
        b"ALTER TABLE ONLY public.a ADD CONSTRAINT k PRIMARY KEY (x);",
        b"ALTER TABLE public.a ENABLE ROW LEVEL SECURITY;",
        b"CREATE CONSTRAINT TRIGGER t AFTER INSERT ON public.a FOR EACH ROW EXECUTE FUNCTION f();",
        b"CREATE RULE r AS ON DELETE TO public.a DO INSTEAD NOTHING;",
        b"CREATE POLICY p ON public.a;",
        b"CREATE PUBLICATION p;",
        b"CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false);",
        b"CREATE STATISTICS public.s ON x, y FROM public.a;",
        b"CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f();",
        b"REFRESH MATERIALIZED VIEW public.m;",
        b"SELECT * FROM pg_catalog.pg_restore_relation_stats('version', '180000'::integer);",
        b"GRANT SELECT ON TABLE public.a TO PUBLIC;",
        b"REVOKE ALL ON SCHEMA public FROM PUBLIC;",
        b"ALTER DEFAULT PRIVILEGES FOR ROLE r GRANT SELECT ON TABLES TO s;",
    ],
)
def test_without_data_post_begins_with_what_pg_dump_writes_only_after_data(first: bytes) -> None:
    rest = b"\n\nCREATE FUNCTION public.postponed() RETURNS integer LANGUAGE sql AS 'SELECT 1';\n\n"
    sections = read(HEADER + TABLES + first + rest + TRAILER)
    assert of_kind(sections, SCHEMA_) == TABLES.strip()
    assert of_kind(sections, POST_) == first + rest.rstrip()


@pytest.mark.parametrize(
    "statement",
    [
        b"CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';",
        b"CREATE VIEW public.v AS SELECT 1;",
        b"ALTER TABLE ONLY public.a ATTACH PARTITION public.b DEFAULT;",
        b"ALTER TABLE ONLY public.a FORCE ROW LEVEL SECURITY;",
        b"ALTER TABLE public.a ADD CONSTRAINT n NOT NULL x;",
        b"ALTER TABLE public.a ALTER COLUMN x ADD GENERATED ALWAYS AS IDENTITY (START WITH 1);",
        b"SELECT pg_catalog.lo_create('16385');",
        b"ALTER LARGE OBJECT 16385 OWNER TO r;",
        b"COMMENT ON LARGE OBJECT 16385 IS 'x';",
        b"DROP INDEX public.i;",
        b"INSERT INTO public.a SELECT 1;",
    ],
)
def test_without_data_all_else_is_schema(statement: bytes) -> None:
    sections = read(HEADER + TABLES + statement + b"\n\n" + TRAILER)
    assert kinds(sections) == [HEADER_, SCHEMA_, FOOTER_]


def test_rows_behind_an_index_stay_behind_it() -> None:
    sections = read(HEADER + TABLES + POST + ROWS + POST + TRAILER)
    assert kinds(sections) == [HEADER_, SCHEMA_, POST_, POST_, POST_, POST_, FOOTER_]
    assert [s.rows for s in sections] == [0, 0, 0, 2, 0, 0, 0]


def test_sequences_belong_to_the_rows_and_count_none() -> None:
    values = (
        b"SELECT pg_catalog.setval('public.s', 1, true);\n\n\nSELECT pg_catalog.setval('t', 1, false);\n\n"
    )
    section = read(HEADER + TABLES + ROWS + values + POST + TRAILER)[4]
    assert (section.kind, section.object, section.rows, section.sequential) == (ROWS_, None, 0, False)
    assert section.body == b"\n\n" + values[:-1]


CONTENT = (
    b"BEGIN;\n\nSELECT pg_catalog.lo_open('1', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\n"
    b"SELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n"
)


def test_large_objects_are_sequential_rows() -> None:
    definition = b"SELECT pg_catalog.lo_create('1');\n\nALTER LARGE OBJECT 1 OWNER TO r;\n\n"
    for limit in (16 << 20, 60):
        sections = read(HEADER + TABLES + ROWS + definition + CONTENT * 3 + POST + TRAILER, limit=limit)
        large = [s for s in sections if s.kind is ROWS_ and s.object is None]
        assert b"".join(s.body for s in large).strip() == (definition + CONTENT * 3).strip()
        assert all(s.sequential and s.rows == 0 for s in large)
        assert not any(s.sequential for s in sections if s not in large)


def test_up_to_16_large_objects_are_defined_in_the_schema() -> None:
    definition = b"SELECT pg_catalog.lo_create('1');\n\n"
    sections = read(HEADER + definition + CONTENT + TRAILER)
    assert of_kind(sections, SCHEMA_) == definition.strip()
    assert of_kind(sections, ROWS_) == CONTENT.strip()


def test_rows_that_need_their_session_as_it_is_are_sequential_to_the_end() -> None:
    off = b"ALTER TABLE public.a DISABLE TRIGGER ALL;\n\n"
    on = b"ALTER TABLE public.a ENABLE TRIGGER ALL;\n\n"
    sections = read(HEADER + off + ROWS + on + TRAILER)
    assert kinds(sections) == [HEADER_, ROWS_, ROWS_, ROWS_, ROWS_, FOOTER_]
    assert all(s.sequential for s in sections if s.kind is ROWS_)
    changed = read(HEADER + TABLES + ROWS + b"SET SESSION AUTHORIZATION 'r';\n\n" + ROWS + TRAILER)
    assert [s.sequential for s in changed if s.kind is ROWS_] == [False, False, True, True]


def test_inserts_are_rows_of_their_table() -> None:
    inserts = (
        b"INSERT INTO public.a VALUES (1);\nINSERT INTO public.a VALUES (2), (3);\n"
        b"INSERT INTO \"b;\" (x) VALUES (');');\n"
    )
    sections = read(HEADER + TABLES + inserts + POST + TRAILER)
    assert [(s.object, s.rows) for s in sections if s.kind is ROWS_] == [("public.a", 3), ('"b;"', 1)]


def test_a_section_holds_whole_statements_up_to_its_size() -> None:
    schema = b"CREATE TABLE public.a (x integer);\n" * 10
    sections = [s for s in read(HEADER + schema + TRAILER, limit=100) if s.kind is SCHEMA_]
    assert [s.body.count(b"CREATE") for s in sections] == [2, 2, 2, 2, 2]
    large = b"CREATE TABLE public.b (" + b"x" * 200 + b" integer);\n"
    sections = [
        s for s in read(HEADER + schema[:35] + large + schema[:35] + TRAILER, limit=100) if s.kind is SCHEMA_
    ]
    assert [s.largest_statement for s in sections] == [34, len(large) - 1, 34]


# ---------------------------------------------------------------------------- settings in force


def test_a_section_begins_with_the_object_settings_in_force() -> None:
    moved = b"SET default_tablespace = fast;\n\nCREATE TABLE public.c (x integer);\n\n"
    sections = read(HEADER + TABLES + moved + ROWS + POST * 2 + TRAILER, limit=90)
    posts = [s for s in sections if s.kind is POST_]
    assert len(posts) == 2
    assert all(s.body.startswith(b"SET default_tablespace = fast;\n") for s in posts)


def test_a_setting_that_is_usual_again_is_repeated_too() -> None:
    moved = b"SET default_tablespace = fast;\nCREATE TABLE c (x integer);\nSET default_tablespace = '';\n"
    sections = read(HEADER + moved + TABLES + ROWS + POST + TRAILER)
    assert of_kind(sections, POST_).startswith(b"SET default_tablespace = '';\n")


def test_settings_that_never_were_unusual_are_not_repeated() -> None:
    sections = read(HEADER + TABLES + ROWS + POST + TRAILER)
    assert b"SET" not in of_kind(sections, POST_)


# ---------------------------------------------------------------------------- rows


def test_a_copy_block_is_cut_at_rows_and_each_part_stands_alone() -> None:
    lines = b"".join(b"%d\t%s\n" % (i, b"x" * (i % 7)) for i in range(40))
    script = HEADER + b"-- Data\nCOPY public.a (x) FROM stdin;\n" + lines + b"\\.\n\n" + TRAILER
    parts = [s for s in read(script, limit=64) if s.kind is ROWS_]
    assert len(parts) > 4
    assert parts[0].body.startswith(b"\n-- Data\nCOPY")
    assert all(s.body.startswith(b"COPY public.a (x) FROM stdin;\n") for s in parts[1:])
    assert all(s.body.endswith(b"\n\\.\n") for s in parts)
    assert sum(s.rows for s in parts) == 40
    assert b"".join(bytes(c.copy_data or b"") for s in parts for c in statements(s)) == lines
    assert all(len(c.copy_data or b"") <= 64 for s in parts for c in statements(s))


def test_a_row_larger_than_a_section_is_one_section_and_its_length_is_told() -> None:
    script = HEADER + b"COPY public.a (x) FROM stdin;\n1\n" + b"y" * 500 + b"\n2\n3\n\\.\n" + TRAILER
    parts = [s for s in read(script, limit=64) if s.kind is ROWS_]
    assert [(s.rows, s.largest_statement) for s in parts] == [(1, 2), (1, 501), (2, 29)]


@pytest.mark.parametrize("length", range(56, 72))
def test_no_empty_part_follows_rows_that_just_fill_a_section(length: int) -> None:
    script = HEADER + b"COPY public.a (x) FROM stdin;\n" + b"y" * length + b"\n\\.\n" + TRAILER
    for step in (1, 5, 10_000):
        parts = [s for s in read(script, [step] * len(script), limit=64) if s.kind is ROWS_]
        assert [s.rows for s in parts] == [1]


def test_lines_that_look_like_statements_or_the_end_are_rows() -> None:
    lines = b"\\.x\n\\\\.\n x\\.\n;\n--\nCOPY b FROM stdin;\n-- PostgreSQL database dump complete\n'\n$$\n\n"
    sections = read(HEADER + b"COPY public.a FROM stdin;\n" + lines + b"\\.\n" + TRAILER)
    assert [s.rows for s in sections if s.kind is ROWS_] == [10]
    assert [bytes(c.copy_data or b"") for c in statements(sections[1])] == [lines]


def test_a_name_that_is_not_utf8_keeps_its_bytes() -> None:
    (rows,) = [
        s for s in read(HEADER + b'COPY public."\xe9" (x) FROM stdin;\n\\.\n' + TRAILER) if s.kind is ROWS_
    ]
    assert rows.object == 'public."\udce9"'


def test_copy_with_options_is_refused() -> None:
    with pytest.raises(DumpFailed, match=r"public\.a FROM stdin has options"):
        read(HEADER + b"COPY public.a (x) FROM stdin WITH (FORMAT csv);\n1\n\\.\n" + TRAILER)


def test_changed_line_ends_are_refused() -> None:
    with pytest.raises(DumpFailed, match=r"public\.a FROM stdin is not followed by a line feed"):
        read((HEADER + TABLES + ROWS + TRAILER).replace(b"\n", b"\r\n"))


@given(
    rows=st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")).filter(lambda b: b != b"\\.")),
    limit=st.integers(1, 30),
    steps=st.lists(st.integers(1, 20)),
)
def test_pieces_depend_on_the_rows_alone(rows: Sequence[bytes], limit: int, steps: Sequence[int]) -> None:
    data = b"".join(row + b"\n" for row in rows)

    def pieces(lengths: Iterator[int]) -> list[bytes]:
        rest = data + b"\\.\nSELECT"
        buffer = bytearray()
        cutter = RowCutter(0, limit)
        found = []
        while True:
            step = next(lengths, len(rest))
            buffer += rest[:step]
            rest = rest[step:]
            start = cutter.start
            while (piece := cutter.cut(buffer)) is not None:
                found.append(bytes(buffer[start : piece.end]))
                if piece.is_last:
                    return found
                start = cutter.start

    whole = pieces(iter(()))
    assert b"".join(whole) == data
    assert all(len(piece) <= limit or piece.count(b"\n") == 1 for piece in whole)
    assert all(piece for piece in whole) or not data
    assert pieces(iter(steps)) == whole


# ---------------------------------------------------------------------------- what is not whole


@pytest.mark.parametrize(
    "script", [b"", HEADER + TABLES + ROWS + POST, HEADER + TRAILER.replace(b"complete", b"")]
)
def test_a_dump_without_trailer_fails(script: bytes) -> None:
    with pytest.raises(DumpFailed, match="last line"):
        read(script)


def test_a_statement_behind_the_trailer_needs_another_trailer() -> None:
    with pytest.raises(DumpFailed, match="last line"):
        read(HEADER + TABLES + TRAILER + POST)
    assert kinds(read(HEADER + TABLES + TRAILER + POST + TRAILER))[-1] is FOOTER_


def test_a_trailer_in_a_string_or_in_rows_is_none() -> None:
    for text in (
        b"COMMENT ON TABLE a IS '\n%s';\n",
        b"COPY public.a (x) FROM stdin;\n%s\\.\n",
        b"/* x\n%s*/\n",
    ):
        with pytest.raises(DumpFailed, match="last line"):
            read(HEADER + text % b"-- PostgreSQL database dump complete\n")


def test_without_the_demand_for_a_trailer_its_absence_is_no_fault() -> None:
    reader = PostgreSQLScriptReader(require_trailer=False)
    assert kinds([*reader.feed(HEADER + TABLES), *reader.finish()]) == [HEADER_, SCHEMA_, FOOTER_]


def test_a_dump_cut_short_anywhere_fails() -> None:
    script = HEADER + TABLES + ROWS + CONTENT + POST + TRAILER
    needed = script.index(b"complete\n") + len(b"complete\n")
    for length in range(needed):
        with pytest.raises(DumpFailed):
            read(script[:length])
    assert read(script[:needed])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (HEADER + b"COPY public.a (x) FROM stdin;\n1\n", r"inside the rows of public\.a"),
        (HEADER + b"CREATE TABLE a (x", f"inside a statement .from byte {len(HEADER)}"),
        (HEADER + b"SELECT 'x;\n", "inside a quoted string"),
        (HEADER + b"/* ", "inside a block comment"),
    ],
)
def test_a_dump_cut_short_says_where(script: bytes, message: str) -> None:
    with pytest.raises(DumpFailed, match=message):
        read(script)


@pytest.mark.parametrize(
    "encoding", ["SJIS", "sjis", "GBK", "Big5", "gb18030", "SHIFT_JIS_2004", "UHC", "windows-932"]
)
def test_an_encoding_that_may_hide_a_backslash_is_refused(encoding: str) -> None:
    with pytest.raises(DumpFailed, match="encoding"):
        read(f"SET client_encoding = '{encoding}';\n".encode() + TRAILER)


def test_an_escaped_quote_is_refused_where_the_script_turns_standard_strings_off() -> None:
    script = HEADER.replace(b"strings = on", b"strings = off") + b"COMMENT ON TABLE a IS 'a%sb';\n" + TRAILER
    assert read(script % b"\\\\''")
    with pytest.raises(DumpFailed, match="standard_conforming_strings"):
        read(script % b"\\'")


# ---------------------------------------------------------------------------- any script, any chunks

NASTY = st.text("aE;'\"$\\-/*().\n\r\té ", max_size=12)
LINE = st.text("aE;'\"$\\-/*().\té ", max_size=12)


def _dollar(text: str) -> str:
    tag = next(t for t in ("$$", "$a$", "$b1_$") if t not in text + t[:-1])
    return tag + text + tag


def _escaped(text: str) -> str:
    # with an operator behind it, or a string on the next line would continue it
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "' ||"


PIECE = st.one_of(
    NASTY.map(lambda t: "'" + t.replace("'", "''") + "'"),
    NASTY.map(_escaped),
    NASTY.map(lambda t: '"' + t.replace('"', '""') + 'x"'),
    NASTY.filter(lambda t: "$" not in t).map(_dollar),
    LINE.map(lambda t: f"--{t}\n"),
    LINE.map(lambda t: "/*" + re.sub(r"[*/]", "", t) + "/* ; */*/"),
    st.sampled_from(["x", "E", "1", "- 1", "/ 2", "$1", "<>", ",", "::text", "é", "\n", "\t"]),
)
EXPRESSION = st.recursive(
    st.lists(PIECE, max_size=4).map(" ".join), lambda inner: inner.map(lambda t: f"({t};)"), max_leaves=3
)
BODY = EXPRESSION.map(
    lambda e: f"CREATE FUNCTION f() BEGIN ATOMIC SELECT {e}; SELECT CASE WHEN x THEN {e} END; END"
)
PLAIN = st.tuples(
    st.sampled_from(
        ["CREATE TABLE a", "CREATE VIEW v AS SELECT", "COMMENT ON TABLE a IS", "ALTER TABLE a", "RESET"]
    ),
    EXPRESSION,
).map(" ".join)
OPENING = st.lists(
    st.one_of(st.just("\n"), LINE.map(lambda t: f"--{t}\n"), st.just("/* ; /* ' */ */ ")), max_size=3
).map("".join)
STATEMENT = st.tuples(
    OPENING, st.one_of(PLAIN, BODY).map(lambda t: t.rstrip() + ("x" if t.endswith("\n") else ""))
)
ROW = st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"\\n")).filter(lambda b: b != b"\\.")
Expected = tuple[bytes, bytes | None]


def _plain(statement: tuple[str, str]) -> tuple[bytes, Expected]:
    text = statement[1].encode().strip()
    # a line comment at the end would take the semicolon
    text = text + b"\n1" if b"--" in text.rsplit(b"\n", 1)[-1] else text
    return statement[0].encode() + text + b";\n", (text, None)


def _copy(block: tuple[str, list[bytes]]) -> tuple[bytes, Expected]:
    data = b"".join(row + b"\n" for row in block[1])
    text = b'COPY public."%s" ("x;y") FROM stdin' % block[0].replace('"', '""').encode()
    return b"\n-- x\n" + text + b";\n" + data + b"\\.\n", (text, data)


COPY = st.tuples(NASTY.map(lambda t: t + "t"), st.lists(ROW, max_size=6)).map(_copy)
INSERT = st.lists(NASTY.map(lambda t: "'" + t.replace("'", "''") + "'"), min_size=1, max_size=3).map(
    lambda values: f"INSERT INTO public.t VALUES ({'), ('.join(values)})".encode()
)
SCRIPT = st.tuples(
    st.lists(STATEMENT.map(_plain), max_size=4),
    st.lists(st.one_of(COPY, INSERT.map(lambda t: (t + b";\n", (t, None)))), max_size=4),
    st.lists(STATEMENT.map(_plain), max_size=4),
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])


def _joined(sections: Iterable[Section]) -> list[Expected]:
    """What the sections execute, with the parts of each COPY block joined."""
    found: list[Expected] = []
    for section in sections:
        first = True
        for statement in statements(section):
            if statement.action is Action.COPY and statement.copy_data is not None:
                reopened = first and section.body.startswith(b"COPY") and found
                if reopened and found[-1][0] == statement.text:
                    found[-1] = statement.text, (found[-1][1] or b"") + bytes(statement.copy_data)
                else:
                    found.append((statement.text, bytes(statement.copy_data)))
            elif statement.action is Action.EXECUTE:
                found.append((statement.text, None))
            first = False
    return found


@settings(deadline=None)
@given(SCRIPT, st.integers(1, 200), st.lists(st.integers(1, 40), max_size=60))
def test_any_script_in_any_chunks_gives_the_same_whole_statements(
    script: list[tuple[bytes, Expected]], limit: int, steps: list[int]
) -> None:
    text = b"SET x = 1;\n" + b"".join(part for part, _ in script) + TRAILER
    sections = read(text, limit=limit)
    assert read(text, steps, limit) == sections
    assert read(text, [1] * len(text), limit) == sections
    assert _joined(sections) == [(b"SET x = 1", None), *(expected for _, expected in script)]


@settings(deadline=None)
@given(SCRIPT, st.integers(1, 200))
def test_every_byte_is_in_one_section_but_for_copy_closed_and_opened_again(
    script: list[tuple[bytes, Expected]], limit: int
) -> None:
    text = b"SET x = 1;\n" + b"".join(part for part, _ in script) + TRAILER
    whole = bytearray()
    for section in read(text, limit=limit):
        body = section.body
        if body.startswith(b"COPY") and section.kind in (ROWS_, POST_):
            header = next(statements(section)).text + b";\n"
            assert whole.endswith(b"\\.\n")
            del whole[-3:]
            body = body.removeprefix(header)
        whole += body
    assert whole == text


@settings(deadline=None)
@given(SCRIPT, st.data())
def test_any_script_cut_short_fails(script: list[tuple[bytes, Expected]], data: st.DataObject) -> None:
    text = b"SET x = 1;\n" + b"".join(part for part, _ in script) + TRAILER[:-15]
    length = data.draw(st.integers(0, len(text) - len("-- complete")))
    with pytest.raises(DumpFailed):
        read(text[:length])
