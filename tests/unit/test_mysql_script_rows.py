"""Counting the rows of INSERT statements."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.mysql_script_samples import foreign
from vya_backupdb.engines.mysql.script.modes import PLAIN, Modes
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.engines.mysql.script.rows import counted, counted_slowly

LONG = b"x" * 300 + b"\\n"
"""Long and with an escape, so that strings are taken out the other way."""

LITERAL = Modes(no_backslash_escapes=True)


@pytest.mark.parametrize(
    ("values", "count"),
    [
        (b"(1)", 1),
        (b"(1),(2)", 2),
        (b"(1),\n(2),\n(3)", 3),
        (b"(1),\r\n(2)", 2),
        (b"(1) , (2)", 2),
        (b"()", 1),
        (b"('),(')", 1),
        (b"('),(','a'),('b','),(')", 2),
        (b"('it\\'s'),('),(')", 2),
        (b"('\\\\'),('),(')", 2),
        (b"('\\\\\\'),('),(1)", 2),
        (b"('a''),('''),(1)", 2),
        (b"('a;\n'),(';')", 2),
        (b"('\\n\\0\\Z\\r\\\"'),(NULL)", 2),
        (b"('-- x\n'),('/* y */'),('# z'),('`'),('\"'),('=')", 6),
        (b"(-1,-1.5e-05,'2024-01-01'),(0x00FF,_binary 'a(',b'1')", 2),
        (b"('(((('),('))))')", 2),
        (b"('a--b',-1,-2,-1.5e-05)", 1),
        (b"('x) as y',') ON'),(') returning')", 2),
        (b"('2024-01-01','--','- -'),(-1,'2024-12-31',-2)", 2),
        (b"('a',-1,-2,'b'),('',-1,'-')", 2),
    ],
)
def test_rows_as_the_tools_write_them_are_counted_at_once(values: bytes, count: int) -> None:
    assert counted(values) == counted(values, from_tool=True) == count
    assert counted(values + b",('" + LONG * 10 + b"')") == count + 1
    assert counted_slowly(b"INSERT INTO t VALUES " + values, PLAIN) == count


@pytest.mark.parametrize(
    ("values", "count"),
    [
        (b'("),(")', 1),
        (b"(f(1),(2)),(g(3))", 2),
        (b"((1),(2))", 1),
        (b"(1), -- it's (one)\n(2)", 2),
        (b"(1) /* ),( */,(2)", 2),
        (b"(1), # it's\n(2)", 2),
        (b"(1),(2) ON DUPLICATE KEY UPDATE a=VALUES(a),b=(2)", 2),
        (b"(1) AS new(a)", 1),
        (b"(1) RETURNING (a),(b)", 1),
        (b"ROW(1),ROW(2)", 2),
        (b"(\\N),(1)", 2),
        (b"('a' '),('),(1)", 2),
    ],
)
def test_all_other_rows_are_counted_by_their_tokens(values: bytes, count: int) -> None:
    assert counted(values) in (None, count)
    assert counted(b"('" + LONG * 10 + b"')," + values) in (None, count + 1)
    (found,) = foreign(b"INSERT INTO t VALUES " + values + b";\n")
    assert found.rows == count


@pytest.mark.parametrize(
    "values",
    [
        b"(1,'a)",
        b"(1);(2)",
        b"(1))",
        b"((1)",
        b"(1) -- x",
        b"(1,\\! ls)",
        b"(`a`)",
        b"('a' -- 'b')",
        b"('a'--\n'b')",
        b"(1,\\'a')",
    ],
)
def test_what_is_no_list_of_values_is_left_to_the_lexer(values: bytes) -> None:
    assert counted(values) is None
    assert counted(b"('" + LONG * 10 + b"')," + values) is None


def test_no_values_are_no_rows() -> None:
    assert counted(b"") is None


@pytest.mark.parametrize(
    "columns", [b"(;````)", b"(a;b)", b"(a -- ;\n)", b"(a # )\n, b)", b"(a /* `;` */)", b"('`;`')"]
)
@pytest.mark.parametrize("size", [1, 20, 1000])
def test_a_list_of_columns_is_read_the_same_however_much_of_it_is_there(columns: bytes, size: int) -> None:
    script = b"INSERT INTO `t` " + columns + b" VALUES (1),(2);\n"
    reader = MySQLScriptReader(require_trailer=False)
    found = [part for i in range(0, len(script), size) for part in reader.feed(script[i : i + size])]
    assert [*found, *reader.finish()] == foreign(script)


def test_rows_without_backslash_escapes() -> None:
    assert counted(b"('\\'),('a')", backslashes=False) == 2


def test_a_clause_far_behind_values_is_seen() -> None:
    assert counted(b"('" + b"x" * 100_000 + b"') RETURNING (a)") is None


def test_inserts_without_values_have_one_row_or_are_not_known() -> None:
    assert counted_slowly(b"INSERT INTO t SET a = 1, b = (2)", PLAIN) == 1
    assert counted_slowly(b"INSERT INTO t SELECT 1", PLAIN) is None
    assert counted_slowly(b"INSERT INTO t (a) SELECT (1)", PLAIN) is None


INGREDIENTS = [
    *(b"(", b")", b",", b"),(", b"),\n(", b"'", b"''", b"\\", b"\\'", b"\\\\", b'"', b"`", b"\n", b" "),
    *(b"--", b"-- ", b"#", b"/*", b"*/", b"-", b"=", b"1", b"a", b"NULL", b"0xFF", b"x'", b"_binary "),
    *(b"AS n", b"RETURNING ", LONG),
]
PIECES = st.lists(st.sampled_from(INGREDIENTS), max_size=24).map(b"".join)


@given(PIECES, st.sampled_from([PLAIN, LITERAL]))
@settings(max_examples=500, deadline=None)
def test_counting_at_once_never_differs_from_counting_by_tokens(soup: bytes, modes: Modes) -> None:
    values = b"(" + soup + b")"
    quick = counted(values, backslashes=not modes.no_backslash_escapes)
    assert quick is None or quick == counted_slowly(b"INSERT INTO t VALUES " + values, modes)


VALUES = st.one_of(
    st.text(alphabet="a(),;'\"\\\n\r\0\x1a`#-/*= é", max_size=12).map(
        lambda text: b"'" + escaped(text.encode()) + b"'"
    ),
    st.binary(max_size=6).map(lambda raw: b"0x" + raw.hex().upper().encode() if raw else b"''"),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: repr(number).encode()),
    st.integers().map(lambda number: str(number).encode()),
    st.just(b"NULL"),
    st.sampled_from([b"'" + LONG + b"'", b"'it\\'s " + LONG + b"\\\\'", b"'2024-01-01 10:11:12'"]),
)


def escaped(raw: bytes) -> bytes:
    """As mysql_real_escape_string does."""
    pairs = (
        (b"\\", b"\\"),
        (b"\x00", b"0"),
        (b"\n", b"n"),
        (b"\r", b"r"),
        (b"'", b"'"),
        (b'"', b'"'),
        (b"\x1a", b"Z"),
    )
    for char, letter in pairs:
        raw = raw.replace(char, b"\\" + letter)
    return raw


@given(
    st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=6),
    st.sampled_from([b",", b",\n"]),
)
def test_every_row_that_a_tool_can_write_is_counted_at_once(rows: list[list[bytes]], between: bytes) -> None:
    values = between.join(b"(" + b",".join(row) + b")" for row in rows)
    assert counted(values) == counted(values, from_tool=True) == len(rows)
    statement = b"INSERT INTO `t` VALUES " + values + b";\n"
    for from_tool in (False, True):
        reader = MySQLScriptReader(require_trailer=False, from_tool=from_tool)
        assert [section.rows for section in (*reader.feed(statement), *reader.finish())] == [len(rows)]


def test_lines_in_strings_are_no_rows_in_a_script_of_unknown_origin() -> None:
    """What a tool writes is trusted to have none, which is what makes it fast to count."""
    statement = b"INSERT INTO `t` VALUES (1,'a),\n(b'),\n(2,'');\n"
    reader = MySQLScriptReader(require_trailer=False)
    assert [section.rows for section in (*reader.feed(statement), *reader.finish())] == [2]
