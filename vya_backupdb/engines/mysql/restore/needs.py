"""What a dump script asks of the server that it is restored into, found by reading its definitions.

Only what is not rows is read. Strings and ordinary comments are blanked first, so that no text in them is
taken for SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from vya_backupdb.model import SectionKind, ServerFacts, Statement

_NAME: Final = r"`(?:[^`]|``)*`"
_TOKENS: Final = re.compile(
    r"'(?:[^'\\]|\\.|'')*'"
    r'|"(?:[^"\\]|\\.|"")*"'
    rf"|{_NAME}"
    r"|/\*(?P<only>M?)!(?P<version>\d{5,6})?|\*/"
    r"|/\*.*?\*/"
    r"|(?:--[ \t]|#)[^\n]*",
    re.DOTALL,
)
_KIND: Final = re.compile(
    r"\s*CREATE\b[^;(]*?\b"
    r"(TABLE|VIEW|TRIGGER|PROCEDURE|FUNCTION|EVENT|SEQUENCE|PACKAGE\s+BODY|PACKAGE|LIBRARY)\b"
    r"\s*(?:IF NOT EXISTS\s*)?",
    re.IGNORECASE,
)
_QUALIFIED: Final = rf"(?:(?:{_NAME}|\w+)\s*\.\s*)?(?P<name>{_NAME}|\w+)"
_DEFINER: Final = re.compile(
    r"\bDEFINER\s*=\s*(?P<user>`(?:[^`]|``)*`|'[^']*'|\"[^\"]*\")(?:@(?P<host>`(?:[^`]|``)*`|'[^']*'|\"[^\"]*\"))?"
)
_COLLATION: Final = re.compile(r"\bCOLLATE[\s=]+`?(\w+)", re.IGNORECASE)
_CHARSET: Final = re.compile(r"\b(?:CHARSET|CHARACTER SET)[\s=]+`?(\w+)", re.IGNORECASE)
_WITHOUT_COLLATION: Final = re.compile(
    r"\b(?:CHARSET=|CHARACTER SET )(utf8mb4|utf8mb3|utf8|ucs2|utf16|utf32)\b(?!\s+COLLATE)", re.IGNORECASE
)
_ENGINE: Final = re.compile(r"\bENGINE\s*=\s*`?(\w+)", re.IGNORECASE)
_RELATION: Final = re.compile(rf"\b(?:FROM|JOIN)\s+\(*({_NAME})\.{_NAME}(?!\s*\.)", re.IGNORECASE)
_SQL_MODE: Final = re.compile(r"\bsql_mode\s*=\s*'([^']*)'", re.IGNORECASE)
_SET: Final = re.compile(r"\s*(?:/\*M?!\d*\s*)?SET\b", re.IGNORECASE)
_SETTING: Final = re.compile(
    r"@@(?:session\.|global\.|local\.)?(\w+)|(?:\bSET|,)\s*(?:SESSION\s+|LOCAL\s+)?(\w+)\s*:?=", re.IGNORECASE
)
_SAFE_FUNCTION: Final = re.compile(r"(?<!NOT )\bDETERMINISTIC\b|\bNO SQL\b|\bREADS SQL DATA\b", re.IGNORECASE)
_BEGINNING: Final = 1000
"""Characters of a statement in which a definer or a sql_mode is looked for."""
_ATTRIBUTE: Final = re.compile(r"[A-Z_]+(?: [A-Z_]+)*", re.IGNORECASE)
Outside = Literal[
    "tablespace", "spatial reference system", "full-text parser", "foreign server", "folder", "encryption"
]
_OUTSIDE: Final[dict[Outside, re.Pattern[str]]] = {
    "tablespace": re.compile(rf"\bTABLESPACE\s*=?\s*({_NAME})", re.IGNORECASE),
    "spatial reference system": re.compile(r"\bSRID (\d+)", re.IGNORECASE),
    "full-text parser": re.compile(rf"\bWITH PARSER ({_NAME})", re.IGNORECASE),
}
_IN_STRINGS: Final[dict[Outside, re.Pattern[str]]] = {
    "foreign server": re.compile(
        r"ENGINE=FEDERATED\b.* CONNECTION='([^':/]+)(?:/[^']*)?'", re.IGNORECASE | re.DOTALL
    ),
    "folder": re.compile(r"\b(?:DATA|INDEX) DIRECTORY\s*=\s*('(?:[^'\\]|\\.|'')*')", re.IGNORECASE),
    "encryption": re.compile(r"\b(ENCRYPTION)\s*=\s*'Y'", re.IGNORECASE),
}
"""Patterns of the same, whose names stand in strings."""
_ESCAPED_LITERAL: Final = re.compile(r"(?<![\w`'])_[a-z0-9]+'(?:[^'\\]|'')*\\", re.IGNORECASE)
"""A string with an introducer and a backslash in it: in an expression of a table MariaDB (10.11, 11.8) keeps
it without its escapes, and cannot make the table (1064)."""
_SOURCE: Final = re.compile(rb"^-- Host: [^\n]*?\s+Database: ([^\n]*)$", re.MULTILINE)


@dataclass
class Needs:
    """What a script asks for; a mapping's value is the first object that asks."""

    kinds: set[str] = field(default_factory=set)
    """`table`, `view`, `trigger` ... that it creates; `foreign key`, `alter database`."""
    definers: dict[tuple[str, str], str] = field(default_factory=dict)
    """(user, host)."""
    engines: dict[str, str] = field(default_factory=dict)
    collations: dict[str, str] = field(default_factory=dict)
    charsets: dict[str, str] = field(default_factory=dict)
    without_collation: dict[str, str] = field(default_factory=dict)
    """Unicode character sets that a table names without a collation: the server's default decides."""
    modes: set[str] = field(default_factory=set)
    """Single words of sql_mode."""
    settings: set[str] = field(default_factory=set)
    """System variables that the header reads or sets."""
    unsafe_functions: list[str] = field(default_factory=list)
    """Not DETERMINISTIC, NO SQL or READS SQL DATA."""
    tables: list[str] = field(default_factory=list)
    without_key: list[str] = field(default_factory=list)
    """Tables without a primary key."""
    dialect: dict[str, str] = field(default_factory=dict)
    """What the other flavour cannot read."""
    passed_over: dict[str, str] = field(default_factory=dict)
    """What stands in comments of tables that the server does not execute: `INVISIBLE`, `SRID` ..."""
    outside: dict[tuple[Outside, str], str] = field(default_factory=dict)
    """What tables name that is the server's: kind and name."""
    objects: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind, name and bare text of everything that it creates."""
    largest_statement: int = 0
    """Bytes."""


_DIALECTS: Final = {
    "mysql": {
        "sequences": r"^\s*CREATE\s+SEQUENCE\b",
        "packages": r"^\s*CREATE\b[^;(]*\bPACKAGE\b",
        "system versioning": r"\bWITH SYSTEM VERSIONING\b",
        "the page options of Aria": r"\bPAGE_CHECKSUM\s*=",
        "the types UUID, INET4 and INET6": r"`\s+(?:uuid|inet4|inet6)\b",
        "periods": r"\n\s*PERIOD FOR\b",
        "expressions as defaults without parentheses": r"\bDEFAULT (?!current_timestamp\b)\w+\(",
        "defaults of text and blobs": r"`\s+(?:tiny|medium|long)?(?:text|blob)\b[^,\n]*\bDEFAULT (?:''|-?\d)",
    },
    "mariadb": {
        "JSON duality views": r"\bJSON RELATIONAL DUALITY VIEW\b",
        "libraries": r"^\s*CREATE\b[^;(]*\bLIBRARY\b",
        "the type GEOMCOLLECTION": r"`\s+geomcollection\b",
        "functional keys": r"\bKEY\s+`[^`]*`\s*\(\s*\(",
        "expressions as defaults of text and blobs": r"\bDEFAULT \(_utf8mb4''",
    },
}
"""Flavour of the server, and what it cannot read with the pattern that finds it."""


def needs_of(statements: Iterable[tuple[SectionKind, Statement]], facts: ServerFacts) -> Needs:
    """Read a script's definitions as a server with such facts would."""
    needs = Needs()
    for kind, statement in statements:
        raw = statement.text.decode("utf-8", "surrogateescape")
        needs.largest_statement = max(needs.largest_statement, len(statement.text))
        passed_over: list[str] = []
        bare = bare_text(raw, facts, passed_over)
        _note_created(needs, raw, bare, passed_over)
        if _SET.match(raw):
            for mode in _SQL_MODE.findall(raw[:_BEGINNING]):
                needs.modes.update(word.strip().upper() for word in mode.split(",") if word.strip())
        if kind is SectionKind.HEADER:
            needs.settings.update(
                (system or assigned).lower()
                for system, assigned in _SETTING.findall(bare)
                if system or assigned
            )
    return needs


def source_database(header: bytes) -> str | None:
    """Give the name of the dumped database from the first comment of a script; None where it does not say."""
    found = _SOURCE.search(header[:4096])
    return found[1].strip().decode("utf-8", "surrogateescape") if found and found[1].strip() else None


def bare_text(raw: str, facts: ServerFacts, passed_over: list[str]) -> str:
    """Give SQL as such a server reads it: strings are `''`, comments gone, conditional ones judged.

    What stands in conditional ones that it does not execute is added to `passed_over`.
    """
    parts: list[str] = []
    position = 0
    skipped_from: int | None = None
    for token in _TOKENS.finditer(raw):
        if skipped_from is None:
            parts.append(raw[position : token.start()])
        text = token.group()
        position = token.end()
        if token["only"] is not None:
            if skipped_from is None and not _is_executed(token["only"], token["version"], facts):
                skipped_from = token.end()
            parts.append(" ")
        elif text == "*/":
            if skipped_from is not None:
                passed_over.append(raw[skipped_from : token.start()].strip())
            skipped_from = None
            parts.append(" ")
        elif skipped_from is not None:
            continue
        elif text.startswith("`"):
            parts.append(text)
        elif text[0] in "'\"":
            parts.append("''")
        else:
            parts.append(" ")
    if skipped_from is None:
        parts.append(raw[position:])
    return "".join(parts)


def _is_executed(only: str, version: str | None, facts: ServerFacts) -> bool:
    """Whether a server executes `/*!50003 ... */` or `/*M!100100 ... */`.

    MariaDB passes over MySQL's from 5.7 to 9.99 (manual: Comment Syntax).
    """
    mariadb = facts.flavour == "mariadb"
    if only and not mariadb:
        return False
    if version is None:
        return True
    number = int(version)
    if mariadb and not only and 50700 <= number <= 99999:
        return False
    major, minor, patch = (*facts.version_number, 0, 0, 0)[:3]
    return number <= major * 10000 + minor * 100 + patch


def _note_created(needs: Needs, raw: str, bare: str, passed_over: Iterable[str]) -> None:
    """Note what a statement creates, and with what."""
    if re.match(r"\s*ALTER\s+DATABASE\b", bare, re.IGNORECASE):
        needs.kinds.add("alter database")
    # A definer may have the name of a kind.
    plain = _DEFINER.sub(" ", bare, count=1)
    created = _KIND.match(plain)
    if created is None:
        return
    kind = " ".join(created[1].lower().split())
    named = re.compile(_QUALIFIED).match(plain, created.end())
    name = _unquote(named["name"]) if named else ""
    needs.kinds.add(kind)
    if kind == "table":
        _note_table(needs, raw, bare, name)
        for attribute in filter(None, map(_ATTRIBUTE.match, passed_over)):
            needs.passed_over.setdefault(attribute[0], name)
    elif kind != "sequence" and (definer := _DEFINER.search(raw[:_BEGINNING])):
        account = (_unquote(definer["user"]), _unquote(definer["host"] or "''"))
        needs.definers.setdefault(account, name)
    if kind == "function" and not _SAFE_FUNCTION.search(bare):
        needs.unsafe_functions.append(name)
    for pattern, found in ((_COLLATION, needs.collations), (_CHARSET, needs.charsets)):
        for value in pattern.findall(bare):
            if value.lower() not in ("default", "binary", "cast"):
                found.setdefault(value.lower(), name)
    for flavour, patterns in _DIALECTS.items():
        for what, expression in patterns.items():
            if re.search(expression, bare, re.IGNORECASE):
                needs.dialect.setdefault(f"{flavour}:{what}", name)
    needs.objects.append((kind, name, bare))


def _note_table(needs: Needs, raw: str, bare: str, name: str) -> None:
    needs.tables.append(name)
    for engine in _ENGINE.findall(bare):
        needs.engines.setdefault(engine, name)
    for charset in _WITHOUT_COLLATION.findall(bare):
        needs.without_collation.setdefault(charset.lower(), name)
    if "PRIMARY KEY" not in bare.upper():
        needs.without_key.append(name)
    if "FOREIGN KEY" in bare.upper():
        needs.kinds.add("foreign key")
    if _ESCAPED_LITERAL.search(raw):
        needs.dialect.setdefault("mariadb:expressions that hold strings with a backslash", name)
    for patterns, text in ((_OUTSIDE, bare), (_IN_STRINGS, raw)):
        for kind, pattern in patterns.items():
            for found in pattern.finditer(text):
                # What stands in a string of the raw text is no keyword of the bare one.
                if found[0].partition("'")[0] in bare:
                    needs.outside.setdefault((kind, _unquote(found[1])), name)


def references(needs: Needs, database: str) -> list[tuple[str, str]]:
    """Give kind and name of the objects that name a database before a dot.

    A table with the database's own name makes `name.column` ambiguous: there it counts only if what follows
    the dot is an object of the script.
    """
    quoted = re.escape("`" + database.replace("`", "``") + "`")
    plain = rf"|(?<![\w`@.$]){re.escape(database)}" if re.fullmatch(r"[\w$]+", database) else ""
    pattern = re.compile(rf"(?:{quoted}{plain})\s*\.\s*(?P<name>{_NAME}|[\w$]+)", re.IGNORECASE)
    objects = {name.lower() for _, name, _ in needs.objects}
    ambiguous = database.lower() in objects
    return [
        (kind, name)
        for kind, name, bare in needs.objects
        if any(
            not ambiguous or _unquote(found["name"]).lower() in objects for found in pattern.finditer(bare)
        )
    ]


def other_databases(needs: Needs) -> dict[str, str]:
    """Give the databases whose tables the views read, each with the first such view."""
    found: dict[str, str] = {}
    for kind, view, bare in needs.objects:
        if kind == "view":
            for relation in _RELATION.finditer(bare):
                found.setdefault(_unquote(relation[1]), view)
    return found


def _unquote(name: str) -> str:
    if name[:1] in "`'\"" and name:
        mark = name[0]
        return name[1:-1].replace(mark * 2, mark)
    return name
