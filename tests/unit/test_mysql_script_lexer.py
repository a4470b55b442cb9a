"""Where statements end: the rules of the mysql and mariadb clients, as running them shows."""

import pytest

from vya_backupdb.engines.mysql.script.lexer import Kind, Unit, scan
from vya_backupdb.engines.mysql.script.modes import PLAIN, Modes, masked
from vya_backupdb.engines.mysql.script.tokens import Token, tokens, unquoted

ANSI = Modes(ansi_quotes=True)
LITERAL = Modes(no_backslash_escapes=True)


def first(script: bytes, delimiter: bytes = b";", modes: Modes = PLAIN) -> tuple[bytes, bytes]:
    """Give the text of the first unit and what follows it."""
    unit = scan(script, 0, delimiter, modes, final=True)
    assert unit is not None
    return script[unit.text_start : unit.text_end], script[unit.end :]


def unit_of(script: bytes, delimiter: bytes = b";") -> Unit:
    unit = scan(script, 0, delimiter, PLAIN, final=True)
    assert unit is not None
    return unit


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT ';'",
        b"SELECT 'it''s;'",
        b"SELECT '\\';'",
        b"SELECT '\\\\', ';'",
        b'SELECT ";"',
        b'SELECT "a"";"',
        b"SELECT `;`",
        b"SELECT `a``;`",
        b"SELECT `\\`",
        b"SELECT 1 /* ; */",
        b"SELECT 1 /* ' */",
        b"SELECT 1 # ;\n",
        b"SELECT 1 -- ;\n",
        b"SELECT 1 --\n",
        b"SELECT 1--1",
        b"SELECT 1 - -1",
        b"SELECT 1 / 2 * 3",
        b"SELECT /*! ';' */ 1",
        b"SELECT /*!50003 1 /* ; */ */",
        b"SELECT /*M!100100 ';' */ 1",
        b"SELECT /*+ ; */ 1",
        b"SELECT \\N",
        b"SELECT '\n;\n'",
    ],
)
def test_delimiter_counts_only_outside_of_strings_names_and_comments(text: bytes) -> None:
    assert first(text + b";\nSELECT 2;\n") == (text.rstrip(), b"SELECT 2;\n")


@pytest.mark.parametrize(
    "body",
    [
        b"$$ it's; `not` \"closed /* $$",
        b"$js$ $$ ; $$ -- ; $js$",
        b"$_a1$;\n;\n$_a1$",
        b"$\xc3\xa9$;$\xc3\xa9$",
        b"\n$$$;$$",
        b"$$;$$ COMMENT 'x;'",
    ],
)
@pytest.mark.parametrize(
    "definition", [b"FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT", b"LIBRARY l LANGUAGE WASM"]
)
def test_delimiter_in_dollar_quotes_around_a_body_in_another_language_counts_nothing(
    definition: bytes, body: bytes
) -> None:
    text = b"CREATE " + definition + b" AS " + body
    assert first(text + b";\nSELECT 2;\n") == (text, b"SELECT 2;\n")
    script = text + b";\nSELECT 2;\n"
    whole = scan(script, 0, b";", PLAIN, final=False)
    assert whole is not None
    assert all(scan(script[:end], 0, b";", PLAIN, final=False) in (None, whole) for end in range(len(script)))


@pytest.mark.parametrize(
    "text", [b"SELECT 1 AS $a$", b"SELECT a$$b", b"SELECT @language AS $", b"CREATE TABLE $a (language int)"]
)
def test_dollars_are_otherwise_part_of_names(text: bytes) -> None:
    assert first(text + b";SELECT $a$;") == (text, b"SELECT $a$;")


def test_body_in_dollar_quotes_without_end_is_unfinished() -> None:
    for script in (
        b"CREATE LIBRARY l LANGUAGE JAVASCRIPT AS $$ a;",
        b"CREATE LIBRARY l LANGUAGE X AS $a$ $$;",
    ):
        unit = unit_of(script)
        assert (unit.kind, unit.inside) == (Kind.UNFINISHED, "a body in dollar quotes")


def test_comment_may_begin_with_what_looks_like_its_end() -> None:
    assert first(b"SELECT 1 /*/ ; */ + 1;2;") == (b"SELECT 1 /*/ ; */ + 1", b"2;")
    assert first(b"SELECT 1 /*/*/ + 1;2;") == (b"SELECT 1 /*/*/ + 1", b"2;")


def test_delimiter_counts_inside_of_conditional_comments() -> None:
    assert first(b"/*!50003 SELECT 1; */") == (b"/*!50003 SELECT 1", b" */")


def test_statement_takes_the_blank_rest_of_its_line() -> None:
    assert first(b"SELECT 1; \t\r\nSELECT 2;")[1] == b"SELECT 2;"
    assert first(b"SELECT 1; SELECT 2;")[1] == b" SELECT 2;"


def test_comments_before_a_statement_are_no_part_of_its_text() -> None:
    assert first(b"-- a ' b\n# c\n/* d; */ --e\nSELECT 1;")[0] == b"SELECT 1"


def test_dashes_begin_a_comment_anyhow_where_a_statement_may_begin() -> None:
    assert first(b"--comment;\nSELECT 1;")[0] == b"SELECT 1"


def test_backslash_in_ansi_quotes_escapes_nothing() -> None:
    assert first(b'SELECT "\\";"";\n', modes=ANSI)[0] == b'SELECT "\\"'
    assert first(b'SELECT "\\";";\n')[0] == b'SELECT "\\";"'


def test_backslash_escapes_nothing_where_the_mode_says_so() -> None:
    assert first(b"SELECT '\\';';", modes=LITERAL)[0] == b"SELECT '\\'"


def test_delimiter_may_be_any_text() -> None:
    assert first(b"SELECT 1; SELECT 2//\nx", b"//") == (b"SELECT 1; SELECT 2", b"x")
    assert first(b"SELECT 'a$$'$$", b"$$")[0] == b"SELECT 'a$$'"


@pytest.mark.parametrize(
    ("line", "argument"),
    [
        (b"DELIMITER ;;\n", b";;"),
        (b"  delimiter //\n", b"//"),
        (b"DELIMITER $$ rest is ignored\n", b"$$"),
        (b"DELIMITER ';'\n", b";"),
        (b"DELIMITER\n", b""),
    ],
)
def test_delimiter_is_a_line_of_its_own(line: bytes, argument: bytes) -> None:
    unit = unit_of(line + b"SELECT 1;")
    assert (unit.kind, unit.argument, unit.end) == (Kind.DELIMITER, argument, len(line))


def test_delimiter_within_a_statement_or_string_is_none() -> None:
    assert first(b"SELECT '\nDELIMITER //\n';")[0] == b"SELECT '\nDELIMITER //\n'"
    assert first(b"/* c */ DELIMITER //\n;")[0] == b"DELIMITER //"


@pytest.mark.parametrize(
    "line", [b"system ls", b"SOURCE x.sql", b"use shop", b"\ttee /tmp/x", b"exit", b"? contents"]
)
def test_line_that_a_client_takes_as_a_command_ends_with_the_line(line: bytes) -> None:
    unit = unit_of(line + b"\nSELECT 1;")
    assert (unit.kind, unit.end) == (Kind.COMMAND, len(line) + 1)


def test_line_with_a_delimiter_ends_there_whatever_it_begins_with() -> None:
    assert first(b"system ls; SELECT 1;\n")[0] == b"system ls"


def test_command_in_the_midst_of_a_statement_is_none() -> None:
    assert first(b"CREATE TABLE t (\nstatus int\n);")[0] == b"CREATE TABLE t (\nstatus int\n)"


@pytest.mark.parametrize("command", [b"\\!", b"\\.", b"\\u", b"\\g", b"\\G", b"\\x"])
def test_backslash_outside_of_quotes_is_a_client_command(command: bytes) -> None:
    assert unit_of(b"SELECT 1 " + command + b" it's;\n;").argument == command


@pytest.mark.parametrize(
    "text",
    [b"SELECT '\\! ls';", b'SELECT "\\! ls";', b"SELECT `\\! ls`;", b"/* \\! ls */;", b"SELECT 1 -- \\!\n;"],
)
def test_backslash_in_quotes_and_comments_is_no_command(text: bytes) -> None:
    assert unit_of(text).argument == b""


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (b"", Kind.REST),
        (b" \n-- done\n", Kind.REST),
        (b"-- done", Kind.REST),
        (b"SELECT 1", Kind.UNFINISHED),
        (b"/* open", Kind.UNFINISHED),
        (b"SELECT 1 -- open", Kind.UNFINISHED),
    ],
)
def test_end_of_the_script(script: bytes, kind: Kind) -> None:
    assert unit_of(script).kind is kind


@pytest.mark.parametrize(
    "after", [b"DELIMITER ;\n", b"/*!50003 SET time_zone             = @saved_time_zone */ ;;\n"]
)
def test_delimiter_hidden_in_a_comment_counts_where_the_tool_meant_it(after: bytes) -> None:
    unit = unit_of(b"SELECT 1 -- why ;;\n" + after, b";;")
    assert unit.hidden_end
    assert first(b"SELECT 1 -- why ;;\n" + after, b";;") == (b"SELECT 1 -- why", after)


def test_delimiter_in_a_comment_counts_nothing_otherwise() -> None:
    assert first(b"BEGIN -- why ;;\nEND;;\n", b";;")[0] == b"BEGIN -- why ;;\nEND"
    assert first(b"SELECT 1 -- why ;\nDELIMITER ;\n;")[0] == b"SELECT 1 -- why ;\nDELIMITER"


@pytest.mark.parametrize(
    "script", [b"SELECT 1;\n", b"/* c */", b"DELIMITER ;;\n", b"SELECT '\\''//\n", b"use x\n"]
)
def test_nothing_is_decided_before_it_is_certain(script: bytes) -> None:
    """However much of a script is there, the first unit is the one of the whole script, or none yet."""
    whole = scan(script, 0, b"//" if b"//" in script else b";", PLAIN, final=True)
    for size in range(len(script)):
        found = scan(script[:size], 0, b"//" if b"//" in script else b";", PLAIN, final=False)
        assert found is None or found == whole


def test_mask_hides_only_bytes_of_wide_characters() -> None:
    sjis = Modes(charset="sjis")
    assert masked(b"'\x95\x5c' \\\x5c a", sjis) == b"'\x80\x80' \\\x5c a"
    assert masked(b"'\x95\x5c'", PLAIN) == b"'\x95\x5c'"


@pytest.mark.parametrize(
    ("sql_mode", "modes"),
    [
        ("ansi_quotes,strict_trans_tables", ANSI),
        ("ORACLE", ANSI),
        ("NO_BACKSLASH_ESCAPES", LITERAL),
        ("concat(@@sql_mode, ',ANSI_QUOTES')", ANSI),
        ("STRICT_TRANS_TABLES", PLAIN),
    ],
)
def test_modes_of_an_sql_mode(sql_mode: str, modes: Modes) -> None:
    assert Modes.of(sql_mode, "utf8mb4") == modes


def pieces(text: bytes, modes: Modes = PLAIN) -> list[tuple[Token, bytes]]:
    return [(token, text[start:end]) for token, start, end in tokens(text, modes)]


def test_tokens_leave_out_space_and_comments() -> None:
    text = b"/*!50017 a*/ -- x\n`b``c` /* d */ 'e''f\\'g' @`h` @@session.i # j\n(1.5)"
    assert pieces(text) == [
        (Token.OPEN, b"/*!50017"),
        (Token.WORD, b"a"),
        (Token.CLOSE, b"*/"),
        (Token.NAME, b"`b``c`"),
        (Token.STRING, b"'e''f\\'g'"),
        (Token.VARIABLE, b"@`h`"),
        (Token.VARIABLE, b"@@session.i"),
        (Token.OTHER, b"("),
        (Token.WORD, b"1"),
        (Token.OTHER, b"."),
        (Token.WORD, b"5"),
        (Token.OTHER, b")"),
    ]


def test_double_quotes_are_names_or_strings_by_the_mode() -> None:
    assert pieces(b'"a\\"') == [
        (Token.OTHER, b'"'),
        (Token.WORD, b"a"),
        (Token.OTHER, b"\\"),
        (Token.OTHER, b'"'),
    ]
    assert pieces(b'"a\\"', ANSI) == [(Token.NAME, b'"a\\"')]
    assert pieces(b'"a\\""') == [(Token.STRING, b'"a\\""')]


def test_unquoted_names() -> None:
    assert [unquoted(name) for name in (b"`a``b`", b'"a""b"', b"a", b"``")] == [b"a`b", b'a"b', b"a", b""]
