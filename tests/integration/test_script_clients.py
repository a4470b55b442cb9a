"""Where the clients themselves end a statement: what their servers were sent, against the lexer.

The clients change what they send: line ends become line feeds, a blank goes behind a comment, a line comment
behind a delimiter goes with the statement before it. None of that is a matter of where statements end.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.mysql_script_support import ask, connect, login_of
from vya_backupdb.credentials.transport import secret_file
from vya_backupdb.engines.mysql.script.lexer import Kind, scan
from vya_backupdb.engines.mysql.script.modes import Modes
from vya_backupdb.scratch import ScratchServer

_COMMENTS_BEFORE = re.compile(rb"(?:\s|--[^\n]*(?:\n|\Z)|#[^\n]*(?:\n|\Z)|/\*(?!!|M!).*?\*/)*", re.DOTALL)
_LINE_COMMENT_BEHIND = re.compile(rb";*(?:--|#)")
_LOGGED = "SELECT argument FROM mysql.general_log WHERE command_type = 'Query' AND thread_id = "


@pytest.fixture(scope="module")
def logging_server(mysql_server: ScratchServer) -> Iterator[ScratchServer]:
    """A server that notes every statement that it is sent, also those that it does not understand."""
    switches = ["general_log", *(["log_raw"] if mysql_server.flavour == "mysql" else [])]
    connection = connect(mysql_server, "mysql")
    with connection.cursor() as cursor:
        if mysql_server.flavour == "mysql" and not ask(mysql_server, "mysql", "SELECT @@log_raw")[0][0]:
            cursor.execute("SET GLOBAL log_raw = ON")
        cursor.execute("SET GLOBAL log_output = 'TABLE'")
        cursor.execute("SET GLOBAL general_log = ON")
        yield mysql_server
        for switch in switches:
            cursor.execute(f"SET GLOBAL {switch} = OFF")
        cursor.execute("SET GLOBAL log_output = DEFAULT")
        cursor.execute("TRUNCATE mysql.general_log")
    connection.close()


def sent(server: ScratchServer, script: bytes) -> list[bytes]:
    """Give the statements that the client sends; it goes on behind errors."""
    mark = f"SELECT '{secrets.token_hex(8)}'"
    with secret_file(login_of(server)) as secret:
        argv = [
            str(server.binaries.client),
            f"--defaults-file={secret.path}",
            "--comments",
            "--force",
            "--default-character-set=utf8mb4",
        ]
        subprocess.run(
            argv,
            input=mark.encode() + b";\n" + script,
            capture_output=True,
            pass_fds=(secret.fd,),
            timeout=60,
            check=False,
        )
    quoted = mark.replace("'", "''")
    ((thread,),) = ask(
        server, "mysql", f"SELECT DISTINCT thread_id FROM general_log WHERE argument = '{quoted}'"
    )
    logged = [each[0] for each in ask(server, "mysql", f"{_LOGGED}{thread}")]
    texts = [text if isinstance(text, bytes) else str(text).encode() for text in logged]
    return texts[texts.index(mark.encode()) + 1 :]


def read(script: bytes, mode: bytes = b"") -> list[bytes]:
    """Give the statements that the lexer finds, up to the first client command."""
    found: list[bytes] = []
    delimiter, position = b";", 0
    modes = Modes.of(mode.decode(), "utf8mb4")
    while True:
        unit = scan(script, position, delimiter, modes, final=True)
        assert unit is not None
        if unit.kind in (Kind.REST, Kind.UNFINISHED) or (unit.argument and unit.kind is not Kind.DELIMITER):
            return found
        if unit.kind is Kind.DELIMITER:
            delimiter = unit.argument
        else:
            found.append(script[unit.text_start : unit.text_end])
        position = unit.end


def bare(statements: list[bytes]) -> list[bytes]:
    """Drop what the clients add or take away, and statements in which nothing is left."""
    texts = (re.sub(rb"\s+", b"", text[_COMMENTS_BEFORE.match(text).end() :]) for text in statements)  # type: ignore[union-attr]
    return [text for text in (text.rstrip(b";") for text in texts) if text]


def agree(server: ScratchServer, script: bytes, mode: bytes = b"") -> None:
    """Compare up to a DELIMITER in the midst of a statement, where the clients do not agree themselves."""
    ours = read(script, mode)
    odd = next((i for i, text in enumerate(ours) if b"DELIMITER" in text), len(ours))
    known = bare(ours[:odd])
    theirs = bare(sent(server, script))
    cut = [
        own if text.startswith(own) and _LINE_COMMENT_BEHIND.match(text, len(own)) else text
        for own, text in zip(known, theirs, strict=False)
    ]
    assert cut == known


TRIGGER = b"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t BEGIN %b SELECT 1; END */;;\n"
BODIES = (
    b"SELECT 'it''s; */', \"b\\\";;\", `c;;``;`;",
    b"/* x;;' */ -- y;;'\n # z;;`\n",
    b"SELECT '*/'; -- '\n /* \" */ SELECT '\\';;';",
    b"SELECT 1 --1; SELECT 2- -1; SELECT a/b*/* ' */c;",
    b"IF 1 THEN SELECT '\\\\'; END IF; SELECT N'a', _utf8mb4'b;', @`c;`, @'d;';",
    b"/*!50003 SELECT /* ' */ 1; */ /*!99999 SELECT '*/'; */",
)


@pytest.mark.parametrize("body", BODIES)
def test_bodies_end_where_the_clients_end_them(logging_server: ScratchServer, body: bytes) -> None:
    script = b"DELIMITER ;;\n" + TRIGGER % body + b"DELIMITER ;\nSELECT 2;\n"
    assert len(read(script)) == 2
    agree(logging_server, script)


@pytest.mark.parametrize(
    "script",
    [
        b"DELIMITER //\na;b//c//\nDELIMITER ;\nd;e;",
        b"  delimiter  $$ and more\na;b$$\n-- c\nDELIMITER ;\nd;",
        b"DELIMITER '//'\na;b//\nDELIMITER \";\"\nc;",
        b"DELIMITER |\na||b|\nDELIMITER ;\nc;",
        b"a /*+ ' ; */ b;c;",
        b"/*! a -- x;\n */;b;",
        b"/*!50003 a */;/*!50003 b ; c */;d;",
        b"a #;\nb;c;",
        b"a\n--;b;\n;c;",
        b"a--b;c;",
        b";;a;\n;\n;b;",
        b"SELECT delimiter a;b;\n",
    ],
)
def test_statements_end_where_the_clients_end_them(logging_server: ScratchServer, script: bytes) -> None:
    assert len(read(script)) > 1
    agree(logging_server, script)


@pytest.mark.parametrize("mode", [b"NO_BACKSLASH_ESCAPES", b""])
def test_backslashes_count_as_the_mode_says(logging_server: ScratchServer, mode: bytes) -> None:
    script = b"SET sql_mode = '%b';\nSELECT 'a\\';b';c;\nSELECT \"\\\";d;\";e;\n" % mode
    agree(logging_server, script, mode)


def test_a_comment_ends_where_the_server_ends_it(logging_server: ScratchServer) -> None:
    """The clients run past `/*/*/`, which cannot be restored through them."""
    script = b"SELECT 1 /*/*/ + 1;\nSELECT 2;\n"
    assert read(script) == [b"SELECT 1 /*/*/ + 1", b"SELECT 2"]
    assert ask(logging_server, "mysql", "SELECT 1 /*/*/ + 1") == [(2,)]
    assert len(sent(logging_server, script)) == 1


def test_dollars_quote_a_body_in_another_language_and_nothing_else(logging_server: ScratchServer) -> None:
    if logging_server.flavour == "mysql":
        texts = [b"CREATE LIBRARY l LANGUAGE JAVASCRIPT AS $js$ it's ;; $$ \"\n;;\n// $js$", b"SELECT 2"]
    else:
        texts = [b"SELECT 1 AS $a$", b"SELECT 2 AS $a$"]
    script = b"DELIMITER ;;\n" + b";;\n".join(texts) + b";;\nDELIMITER ;\n"
    assert read(script) == texts
    agree(logging_server, script)


PIECES = st.sampled_from(
    [
        *(
            b"SELECT ",
            b"1",
            b"a",
            b" ",
            b"\n",
            b"\t",
            b"- ",
            b"*",
            b"(",
            b")",
            b",",
            b"\r\n",
            b"\xc3\xa9",
            b"@a ",
        ),
        *(
            b"'",
            b'"',
            b"`",
            b"'a;b'",
            b"'it\\'s;'",
            b"'\\\\'",
            b'"x\\";"',
            b"`a;'`",
            b"N'a'",
            b"\\N",
            b"0x00",
        ),
        *(
            b"-- c;'\n",
            b"--\n",
            b"--\t;\n",
            b"# c;'\n",
            b"/* ;' */",
            b"/**/",
            b"''",
            b'""',
            b"``",
            b"'\n;\n'",
        ),
        *(
            b"/*!50003 SELECT ';' */ ",
            b"/*! 1 /* ; */ */ ",
            b"/*!99999 `;` -- ';\n*/ ",
            b"BEGIN SELECT 1 END",
        ),
        *(b"//", b"|", b";", b";;"),
    ]
)
STATEMENT = st.lists(PIECES, max_size=12).map(b"".join)
DELIMITERS = st.sampled_from([b";", b";", b";;", b"//", b"$$", b"|"])


@st.composite
def soups(draw: st.DrawFn) -> bytes:
    script, delimiter = b"", b";"
    for statement in draw(st.lists(STATEMENT, max_size=10)):
        script += statement + b" " + delimiter + draw(st.sampled_from([b"\n", b" \n", b"\r\n", b""]))
        chosen = draw(DELIMITERS)
        if chosen != delimiter:
            delimiter = chosen
            script += (b"" if script.endswith(b"\n") else b"\n") + b"DELIMITER " + delimiter + b"\n"
    return script


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=soups())
def test_statements_of_any_script_end_where_the_clients_end_them(
    logging_server: ScratchServer, script: bytes
) -> None:
    agree(logging_server, script)
