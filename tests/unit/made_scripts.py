"""Scripts made piece by piece, so that their statements and rows are known without reading them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.unit.mysql_script_samples import SANDBOX

AWKWARD = "aE;'\"\\`$-/*#(),.\n\r\t%@ é日"
TEXTS = st.text(AWKWARD, max_size=12)
LINES = st.text(AWKWARD.replace("\n", "").replace("\r", ""), max_size=12)
NAMES = TEXTS.map(lambda text: f"{text.replace(chr(13), '')}x")


@dataclass
class Made:
    """A script, the statements that a restore executes in their order, and the rows of each table."""

    script: bytes = b""
    statements: list[bytes] = field(default_factory=list)
    """Without SET, which the readers may repeat; of a COPY with its lines."""
    rows: Counter[str] = field(default_factory=Counter)

    def add(self, before: bytes, text: bytes, behind: bytes) -> None:
        """Put a statement between what does not belong to it."""
        self.script += before + text + behind
        self.statements.append(text)


def doubled(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote


# ---------------------------------------------------------------------------- MySQL and MariaDB


@dataclass(frozen=True)
class Writing:
    """How a script is written."""

    ansi_quotes: bool
    no_backslash_escapes: bool
    raw: bool
    """Line feeds in strings stay what they are, as tools of others leave them."""

    @property
    def mode(self) -> bytes:
        named = {"ANSI_QUOTES": self.ansi_quotes, "NO_BACKSLASH_ESCAPES": self.no_backslash_escapes}
        return ",".join(name for name, is_set in named.items() if is_set).encode()

    def name(self, text: str) -> str:
        return doubled(text, '"' if self.ansi_quotes else "`")

    def string(self, text: str) -> str:
        if self.no_backslash_escapes:
            return doubled(text, "'")
        for char, letter in (("\\", "\\"), ("'", "'"), ('"', '"')):
            text = text.replace(char, "\\" + letter)
        return "'" + (text if self.raw else text.replace("\n", "\\n").replace("\r", "\\r")) + "'"


WRITING = st.builds(Writing, st.booleans(), st.booleans(), st.booleans())
MYSQL_COMMENTS = st.lists(
    st.one_of(
        LINES.map(lambda text: f"-- {text}\n"),
        LINES.map(lambda text: f"#{text}\n"),
        TEXTS.map(lambda text: f"/* {text.replace('*/', '')} */".replace("/*!", "/* !")),
        st.sampled_from(["--\n", "\n", " ", "/**/", "--\t;\n"]),
    ),
    max_size=3,
).map(lambda parts: "".join(parts).encode())


def _mysql_values(writing: Writing) -> st.SearchStrategy[str]:
    string = TEXTS.map(writing.string)
    return st.one_of(
        string,
        string.map(lambda text: f"_binary {text}"),
        st.binary(min_size=1, max_size=6).map(lambda raw: f"0x{raw.hex().upper()}"),
        st.sampled_from(["NULL", "-1", "-1.5e-05", "b'101'", "'2024-02-29'", "'-1--2'", "''", "NULL"]),
    )


@st.composite
def _mysql_rows(draw: st.DrawFn, writing: Writing, table: str) -> tuple[str, int]:
    values = _mysql_values(writing)
    rows = draw(st.lists(st.lists(values, min_size=1, max_size=3).map(",".join), min_size=1, max_size=4))
    verb = draw(st.sampled_from(["INSERT INTO", "INSERT IGNORE INTO", "REPLACE INTO"]))
    columns = draw(
        st.sampled_from(["", " (`a`, `b)`)" if not writing.ansi_quotes else ' ("a", ";b(")', " (a,b)"])
    )
    start, between = draw(
        st.sampled_from([(" VALUES (", "),("), (" VALUES\n(", "),\n("), (" VALUES (", "), (")])
    )
    return f"{verb} {writing.name(table)}{columns}{start}{between.join(rows)})", len(rows)


def _mysql_body(writing: Writing) -> st.SearchStrategy[str]:
    """Give a body without `;;`, `//` and `$$`, at which no tool can have cut it."""
    conditional = TEXTS.map(lambda text: f"/*!50003 SELECT {writing.string(text)} /* ' */ */;")
    piece = st.one_of(
        TEXTS.map(lambda text: f"SELECT {writing.string(text)};"),
        NAMES.map(lambda text: f"SELECT {writing.name(text)}, @`;`, N'a';"),
        LINES.map(lambda text: f"-- {text}\n"),
        TEXTS.map(lambda text: f"/* {text.replace('*/', '')} */".replace("/*!", "/* !")),
        conditional,
        st.sampled_from(["SELECT delimiter;", "/**/", "IF 1 THEN SELECT 1; END IF;", "SELECT 1 - -1;"]),
    )
    bodies = st.lists(piece, max_size=4).map(lambda pieces: f"BEGIN {' '.join(pieces)} END")
    return bodies.filter(lambda body: not any(delimiter in body for delimiter in (";;", "//", "$$")))


@st.composite
def mysql_scripts(draw: st.DrawFn) -> Made:
    """Give scripts in every way of writing them that a mode, an option or another tool makes."""
    writing = draw(WRITING)
    made = Made(draw(st.sampled_from([b"", SANDBOX])) + draw(MYSQL_COMMENTS))
    made.script += b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='%b' */;\n" % writing.mode
    for table in draw(st.lists(NAMES, max_size=3, unique=True)):
        name, comment = writing.name(table), writing.string(draw(TEXTS))
        text = f"CREATE TABLE {name} (\n  a int DEFAULT '1' COMMENT {comment}\n) COMMENT={comment}"
        made.add(draw(MYSQL_COMMENTS), text.encode(), b";\n")
        for insert, count in draw(st.lists(_mysql_rows(writing, table), max_size=3)):
            made.add(
                draw(MYSQL_COMMENTS), insert.encode(), draw(st.sampled_from([b";\n", b";\n\n", b" ;\n"]))
            )
            made.rows[table] += count
    for name in draw(st.lists(NAMES, max_size=2)):
        delimiter = draw(st.sampled_from([b";;", b"//", b"$$"]))
        text = f"CREATE PROCEDURE {writing.name(name)}()\n{draw(_mysql_body(writing))}".encode()
        if delimiter in text:
            continue
        made.add(
            draw(MYSQL_COMMENTS) + b"\nDELIMITER %b\n" % delimiter, text, b" %b\nDELIMITER ;\n" % delimiter
        )
    made.script += draw(MYSQL_COMMENTS) + b"\n-- Dump completed on 2026-11-23  6:07:05\n"
    return made


# ---------------------------------------------------------------------------- PostgreSQL

Quoting = Callable[[str], str]


def _on(text: str) -> str:
    return doubled(text, "'")


def _off(text: str) -> str:
    return doubled(text.replace("\\", "\\\\"), "'")


def _escape(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _dollar(text: str) -> str:
    tag = next(tag for tag in ("$$", "$a$", "$_b1$", "$é$") if tag not in text + tag[:-1])
    return tag + text + tag


def _inner_dollar(text: str) -> str:
    """A quote within a quote, and what looks like the end of either."""
    return "$outer$ $$" + text.replace("$", "") + "$$ $outer $oute$ $outer$"


PG_NAMES = NAMES.map(lambda text: doubled(text, '"'))
PG_COMMENTS = st.lists(
    st.one_of(
        LINES.map(lambda text: f"--{text}\n"),
        st.sampled_from(["\n", " ", "/**/", "/* ; ' /* \" */ $$ */", "/*/* ; */*/", "--\n", "\t"]),
    ),
    max_size=3,
).map(lambda parts: "".join(parts).encode())


def _expressions(quoting: Quoting) -> st.SearchStrategy[str]:
    string = TEXTS.map(quoting)
    return st.one_of(
        string,
        TEXTS.map(_escape),
        TEXTS.map(_dollar),
        TEXTS.map(_inner_dollar),
        TEXTS.map(lambda text: "U&" + quoting(text.replace("\\", ""))),
        PG_NAMES,
        PG_NAMES.map(lambda name: f"U&{name}"),
        st.sampled_from(["1", "-1", "- -1", "ARRAY[(1),(2)]", "ROW(1, ')')", "N'a'", "B'1'", "x$1", "f($1)"]),
    )


def _bodies(quoting: Quoting) -> st.SearchStrategy[str]:
    """Give SQL-standard bodies: CASE within CASE, each with an END of its own."""
    leaf = _expressions(quoting)
    case = st.recursive(
        leaf,
        lambda inner: st.tuples(inner, inner).map(lambda pair: f"CASE WHEN {pair[0]} THEN {pair[1]} END"),
        max_leaves=4,
    )
    return st.lists(case, min_size=1, max_size=3).map(
        lambda cases: "BEGIN ATOMIC\n" + "".join(f" SELECT {each};\n" for each in cases) + "END"
    )


@st.composite
def _pg_statement(draw: st.DrawFn, quoting: Quoting, *, behind_rows: bool) -> str:
    value, name = draw(_expressions(quoting)), draw(PG_NAMES)
    body = draw(_bodies(quoting))
    forms = [
        f"CREATE TABLE public.{name} (a text DEFAULT {value}, b text CHECK ((b <> {value})))",
        f"COMMENT ON TABLE public.{name} IS {value}",
        f"CREATE VIEW public.{name} AS\n SELECT {value} AS {name}",
        f"CREATE FUNCTION public.{name}() RETURNS text LANGUAGE sql {body}",
        f"CREATE OR REPLACE PROCEDURE public.{name}() LANGUAGE sql {body}",
        f"CREATE FUNCTION public.begin() RETURNS text LANGUAGE sql AS {value}",
        f"COMMENT ON SCHEMA public IS {_dollar(value)}",
    ]
    if behind_rows:
        forms += [
            f"CREATE RULE {name} AS ON INSERT TO public.t DO INSTEAD ( SELECT {value};\n SELECT 2; )",
            f"ALTER TABLE ONLY public.t\n    ADD CONSTRAINT {name} CHECK ((a <> {value}))",
        ]
    return draw(st.sampled_from(forms))


@st.composite
def _pg_insert(draw: st.DrawFn, quoting: Quoting, table: str) -> tuple[str, int]:
    rows = draw(
        st.lists(
            st.lists(_expressions(quoting), min_size=1, max_size=3).map(", ".join), min_size=1, max_size=4
        )
    )
    if draw(st.integers(0, 9)) == 0:
        return f"INSERT INTO {table} DEFAULT VALUES", 1
    columns = draw(st.sampled_from(["", '(a, "b)")', "(a)"]))
    overriding = draw(st.sampled_from(["", "OVERRIDING SYSTEM VALUE "]))
    between = draw(st.sampled_from(["), (", "),\n\t("]))
    conflict = draw(st.sampled_from(["", " ON CONFLICT DO NOTHING"]))
    start = f"INSERT INTO {table} {columns}{' ' if columns else ''}{overriding}VALUES"
    return (
        f"{start}{draw(st.sampled_from([' (', chr(10) + chr(9) + '(']))}{between.join(rows)}){conflict}",
        len(rows),
    )


ROW = st.one_of(
    st.binary(max_size=9).map(lambda raw: raw.replace(b"\n", b"\\n")).filter(lambda raw: raw != b"\\."),
    st.sampled_from(
        [
            b"\\\\.",
            b" \\.",
            b"\\. ",
            b"\\.\r",
            b"\\.\t1",
            b"\\N",
            b"",
            b"COPY t FROM stdin;",
            b"\\q",
            b"'",
            b"$$",
        ]
    ),
)


@st.composite
def postgresql_scripts(draw: st.DrawFn) -> Made:
    """Give scripts with strings of either kind, and rows as COPY or INSERT."""
    is_on = draw(st.booleans())
    quoting = _on if is_on else _off
    made = Made(draw(PG_COMMENTS))
    made.script += b"SET standard_conforming_strings = %b;\n" % (b"on" if is_on else b"off")
    for statement in draw(st.lists(_pg_statement(quoting, behind_rows=False), max_size=3)):
        made.add(draw(PG_COMMENTS), statement.encode(), b";\n")
    for name in draw(st.lists(PG_NAMES, max_size=3, unique=True)):
        table = f"public.{name}"
        if draw(st.booleans()):
            rows = draw(st.lists(ROW, max_size=5))
            text = f"COPY {table} (a, {name}) FROM stdin;\n".encode() + b"".join(row + b"\n" for row in rows)
            made.add(draw(PG_COMMENTS), text, b"\\.\n")
            made.rows[table] += len(rows)
        else:
            for insert, count in draw(st.lists(_pg_insert(quoting, table), max_size=3)):
                made.add(draw(PG_COMMENTS), insert.encode(), b";\n")
                made.rows[table] += count
    for statement in draw(st.lists(_pg_statement(quoting, behind_rows=True), max_size=3)):
        made.add(draw(PG_COMMENTS), statement.encode(), b";\n")
    made.script += draw(PG_COMMENTS) + b"\n-- PostgreSQL database dump complete\n"
    return made
