"""Where the statements of a psql script end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vya_backupdb.engines.postgresql.script.lexer import End, StatementLexer
from vya_backupdb.engines.postgresql.script.tokens import Cursor
from vya_backupdb.errors import DumpFailed


def split(script: bytes, step: int = 1 << 30) -> list[bytes]:
    """Give the statements with their ends, and what is left behind the last one."""
    lexer = StatementLexer()
    buffer = bytearray()
    found = []
    begin = 0
    for at in range(0, len(script), step):
        buffer += script[at : at + step]
        while lexer.scan(buffer) is not None:
            found.append(bytes(buffer[begin : lexer.position]))
            begin = lexer.position
            lexer.begin(begin)
    while lexer.scan(buffer, final=True) is not None:
        found.append(bytes(buffer[begin : lexer.position]))
        begin = lexer.position
        lexer.begin(begin)
    return [*found, bytes(buffer[begin:])]


WHOLE = [
    b"SELECT 1;",
    b"SELECT 'a;b', 'it''s; fine', 'back\\';",
    b"SELECT E'a\\';b', E'\\\\', e'it''s;\\'';",
    b"SELECT E'a'\n'\\';b';",
    b"SELECT E'a' -- x;\n  '\\';b';",
    b"SELECT E'a' , '\\';",
    b"SELECT U&'d\\0061;', U&\"d\\0061;\", B'01', X'1F', N'n;';",
    b'SELECT "a;b", "a"";b", ";";',
    b"SELECT $$a;b$$, $t$ $$;$u$;'$t$, $1;",
    b"SELECT $t$a$$t$;",
    b"SELECT a$$b$$c, 1;",
    b"SELECT 1 -- a;b 'c\n, 2;",
    b"SELECT 1 -- a;b\r, 2;",
    b"SELECT 1 /* a; /* b; */ ; ' */, 2;",
    b"SELECT 1 +/* a; */ 2, 3 -1, 4/2, a->>'x;', 2*/*;*/3;",
    b"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; DELETE FROM u;);",
    b"SELECT 'a)', (1;2;(3;));",
    b"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;",
    b"CREATE OR REPLACE FUNCTION f(a int DEFAULT (1)) RETURNS int BEGIN ATOMIC SELECT 1; END;",
    b"create procedure p() begin /* ; */ atomic select case when a then case b when 2 then 3 end end; end;",
    b"CREATE FUNCTION f() BEGIN ATOMIC SELECT (CASE a WHEN 1 THEN 2 END); SELECT CASE b END; END;",
    b'CREATE FUNCTION f() BEGIN ATOMIC SELECT "end", "case", t.begin; END;',
    b"CREATE FUNCTION public.begin() RETURNS int LANGUAGE sql AS 'SELECT 1;';",
    b"CREATE FUNCTION f() RETURNS atomic LANGUAGE sql AS 'SELECT 1;';",
    b"CREATE VIEW v AS SELECT CASE WHEN a THEN 1 END;",
    b"INSERT INTO t VALUES (1, 'a;b', ');'), (2, '(', '');",
    b";",
]


@pytest.mark.parametrize("statement", WHOLE, ids=lambda s: s.decode()[:60])
@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_a_statement_ends_where_psql_ends_it(statement: bytes, step: int) -> None:
    assert split(statement + b"\nSELECT 2;" + b" SELECT 3", step) == [statement, b"\nSELECT 2;", b" SELECT 3"]


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_what_stands_before_a_statement_does_not_begin_it(step: int) -> None:
    before = b"\xef\xbb\xbf\n -- a;b\n/* c; */\t"
    lexer = StatementLexer()
    buffer = bytearray()
    for at in range(0, len(before), step):
        buffer += before[at : at + step]
        assert lexer.scan(buffer) is None
        assert lexer.start is None
    buffer += b"SELECT 1;"
    assert lexer.scan(buffer) is End.SEMICOLON
    assert lexer.start == len(before)


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_a_meta_command_takes_its_line(step: int) -> None:
    script = b"\\restrict a;b\nSELECT 1 \\g | sh; x\n;\\! rm"
    assert split(script, step) == [b"\\restrict a;b\n", b"SELECT 1 \\g | sh; x\n", b";", b"\\! rm", b""]


@pytest.mark.parametrize("quoted", [b"'\\ '", b'"\\ "', b"$$\\ $$", b"E'\\\\ '", b"/*\\ */1", b"--\\ \n1"])
def test_a_backslash_inside_of_quotes_or_comments_is_no_meta_command(quoted: bytes) -> None:
    assert split(b"SELECT " + quoted + b";") == [b"SELECT " + quoted + b";", b""]


@pytest.mark.parametrize(
    ("script", "inside"),
    [
        (b"SELECT 1", "a statement"),
        (b"SELECT '", "a quoted string"),
        (b"SELECT E'\\'", "an escape string"),
        (b'SELECT "', "a quoted identifier"),
        (b"SELECT $a$ $b$", "a dollar-quoted string"),
        (b"SELECT /* /* */", "a block comment"),
        (b"CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;", "a statement"),
        (b"CREATE RULE r AS ON INSERT TO t DO (SELECT 1;", "a statement"),
    ],
)
def test_an_unfinished_statement_is_named_by_what_it_ends_in(script: bytes, inside: str) -> None:
    lexer = StatementLexer()
    assert lexer.scan(script, final=True) is None
    assert lexer.inside == inside


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        (b"INSERT INTO t VALUES (1);", 1),
        (b"INSERT INTO t VALUES (1, 'a),(b'), ((2)), (3);", 3),
        (b'INSERT INTO "a.b"."c""d" (a, "b c") OVERRIDING SYSTEM VALUE VALUES\n\t(1),\n\t(2);', 2),
        (b"INSERT INTO t (a) VALUES (E'\\'),('), (-1), ('x' || 'y') ON CONFLICT (a) DO NOTHING;", 3),
        (b"INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;", 1),
        (b"INSERT INTO t DEFAULT VALUES;", 1),
        (b"INSERT INTO t SELECT 1;", None),
        (b"INSERT INTO t SELECT * FROM (VALUES (1)) v;", None),
        (b"SELECT * FROM t; ", None),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_rows_of_an_insert_are_counted(script: bytes, rows: int | None, step: int) -> None:
    lexer = StatementLexer()
    buffer = bytearray()
    end = None
    for at in range(0, len(script), step):
        buffer += script[at : at + step]
        end = end or lexer.scan(buffer)
    assert end is End.SEMICOLON
    assert lexer.rows == rows


def test_the_trailer_counts_only_as_a_whole_comment_line_before_a_statement() -> None:
    trailer = b"-- PostgreSQL database dump complete"
    for script, found in [
        (trailer + b"\n", True),
        (trailer, False),
        (trailer + b"d\n", False),
        (b"/* x\n" + trailer + b"\n*/ ", False),
        (b"SELECT '\n" + trailer + b"\n';", False),
        (b"SELECT 1\n" + trailer + b"\n;", False),
    ]:
        lexer = StatementLexer()
        lexer.scan(script, final=True)
        assert lexer.trailer is found, script


def test_with_standard_conforming_strings_off_an_escaped_quote_is_refused() -> None:
    lexer = StatementLexer()
    lexer.standard_strings = False
    assert lexer.scan(b"SELECT 'a\\\\';") is End.SEMICOLON
    lexer.begin(0)
    with pytest.raises(DumpFailed, match="standard_conforming_strings"):
        lexer.scan(b"SELECT 'a\\'';")


@pytest.mark.parametrize(
    "text",
    [
        "GRANT a TO b WITH ADMIN OPTION, INHERIT FALSE GRANTED BY \"c\"\"d\"",
        "ALTER ROLE \"a.b\".c SET x TO 'it''s', '', 'b'",
        "a 'x'y", "B'01'", "x'y'", "E'a\\'b'", "U&'a'", "U&\"a\"", "'a\\'", "a$b", "$$x$$",
        "a--b\nc", "a/*b*/c",
        "a - b -1 --", "'a'\n'b'", "\"a\"\"b\"'c'", "1a 2.5 a1", "\u00e9\u00e4 \"\u00e9\"",
        "", " ", "(a,b);(c)", "a=b<>c",
        "\va\vb", "'unended", "\"unended",
    ],
)  # fmt: skip
def test_tokens_found_in_one_go_are_those_found_one_by_one(text: str) -> None:
    check_tokens(text)


@given(st.text("abEU&'\"\\$-/*;.,(= \n\v1é<", max_size=30))
@settings(max_examples=3000, deadline=None)
def test_tokens_of_anything_are_the_same_in_one_go(text: str) -> None:
    check_tokens(text)


def check_tokens(text: str) -> None:
    slow, quick = Cursor(text.encode()), Cursor(text.encode(), short=True)
    while (token := slow.peek()) or quick.peek():
        assert quick.peek() == token
        assert (quick.name(), quick.skip()) == (slow.name(), slow.skip())
