"""What a script needs beyond names: privileges of a superuser, collations, settings, formats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vya_backupdb.engines.postgresql.restore.about import created_by, identifiers
from vya_backupdb.engines.postgresql.restore.requirements import Requirements, requirements
from vya_backupdb.engines.postgresql.script.statements import parameter_of, statements
from vya_backupdb.engines.postgresql.script.tokens import Cursor, decode
from vya_backupdb.model import Action, Section, SectionKind

_DUMPED_FROM: Final = re.compile(rb"^-- Dumped from database version (\d+)", re.MULTILINE)
_COLLATE: Final = re.compile(rb'\bCOLLATE pg_catalog\.("(?:[^"]|"")+"|\w+)')
_MONEY: Final = re.compile(rb"\bmoney\b")
_CONNECTS: Final = re.compile(rb"\bdbname\s*=?\s*'{0,2}([^\s'\"$|,]+)")
"""An option of a foreign server (`dbname 'x'`), or part of a connection string (`dbname=x`)."""
_PUBLIC_SCHEMA: Final = re.compile(rb"GRANT .* ON SCHEMA public TO PUBLIC\Z", re.DOTALL)


@dataclass
class Needs:
    """What the statements of a script ask of the server."""

    named: Requirements = field(default_factory=Requirements)
    owners: set[str] = field(default_factory=set)
    superuser: dict[str, str] = field(default_factory=dict)
    """Kind of statement that only a superuser may execute, and the beginning of the first one."""
    settings: set[str] = field(default_factory=set)
    """Parameters that the script sets for its session."""
    collations: set[str] = field(default_factory=set)
    """Of the schema pg_catalog."""
    schemas: set[str] = field(default_factory=set)
    """In which something is made."""
    connects: dict[str, set[str]] = field(default_factory=dict)
    """Databases by name, and what connects to them: foreign servers, subscriptions, functions, views."""
    label_providers: set[str] = field(default_factory=set)
    """Of security labels."""
    money: bool = False
    """Whether the type money is in use."""
    public_opened: bool = False
    """Whether the script grants something on the schema public to everybody."""
    major: int | None = None
    """Major version of the server that was dumped, as the script's head tells it."""


def needs(script: Iterator[Section]) -> Needs:
    """Read sections of any kind but rows."""
    found = Needs()
    found.named = requirements(_watched(script, found))
    return found


def _watched(script: Iterator[Section], found: Needs) -> Iterator[Section]:
    for section in script:
        if found.major is None and (match := _DUMPED_FROM.search(section.body)):
            found.major = int(match[1])
        for statement in statements(section):
            if statement.action is not Action.EXECUTE:
                continue
            if section.kind is SectionKind.HEADER:
                parameter = parameter_of(statement)
                found.settings |= {parameter} if parameter else set()
            else:
                _take(statement.text, found)
        yield section


def _take(text: bytes, found: Needs) -> None:
    found.collations |= {
        decode(name[1:-1].replace(b'""', b'"') if name.startswith(b'"') else name)
        for name in _COLLATE.findall(text)
    }
    found.money = found.money or _MONEY.search(text) is not None
    found.public_opened = found.public_opened or _PUBLIC_SCHEMA.match(text) is not None
    for database in _CONNECTS.findall(text):
        objects = {f"{kind} {name}" for name, kind in created_by(text)}
        found.connects.setdefault(decode(database), set()).update(objects)
    found.schemas |= {parts[0] for name, _ in created_by(text) if len(parts := identifiers(name)) > 1}
    cursor = Cursor(text)
    verb = cursor.skip()
    if verb == b"SECURITY" and cursor.take(b"LABEL", b"FOR"):
        found.label_providers.add(cursor.identifier())
        return
    if verb == b"ALTER" and cursor.seek(b"OWNER", b"TO"):
        found.owners.add(cursor.identifier())
    if verb == b"CREATE" and (kind := _superusers(text)):
        found.superuser.setdefault(kind, decode(text[:80].split(b"(")[0]).strip())


_ALWAYS: Final = (
    (b"EVENT", b"TRIGGER"),
    (b"FOREIGN", b"DATA", b"WRAPPER"),
    (b"ACCESS", b"METHOD"),
    (b"OPERATOR", b"CLASS"),
    (b"OPERATOR", b"FAMILY"),
    (b"TEXT", b"SEARCH", b"PARSER"),
    (b"TEXT", b"SEARCH", b"TEMPLATE"),
    (b"PROCEDURAL", b"LANGUAGE"),
    (b"LANGUAGE",),
)
"""What only a superuser may CREATE (the manual's pages of these commands)."""


def _superusers(text: bytes) -> str | None:
    """Give the kind of a CREATE that only a superuser may execute; None for any other statement."""
    cursor = Cursor(text)
    cursor.skip()
    cursor.take(b"OR", b"REPLACE")
    cursor.take(b"TRUSTED")
    for words in _ALWAYS:
        if cursor.take(*words):
            return decode(b" ".join(words)).lower()
    kind = cursor.take_any(b"FUNCTION", b"PROCEDURE", b"TYPE", b"CAST", b"PUBLICATION", b"SUBSCRIPTION")
    if kind in (b"FUNCTION", b"PROCEDURE"):
        return _of_function(text)
    if kind == b"TYPE":
        return "base type" if re.search(rb"\(\s*(?:INTERNALLENGTH|INPUT)\s*=", text) else None
    if kind == b"CAST":
        return "cast without function" if cursor.seek(b"WITHOUT", b"FUNCTION") else None
    if kind == b"PUBLICATION":
        return "publication of all tables" if cursor.seek(b"FOR", b"ALL", b"TABLES") else None
    return "subscription" if kind == b"SUBSCRIPTION" else None


def _of_function(text: bytes) -> str | None:
    cursor = Cursor(text)
    if cursor.seek(b"LANGUAGE"):
        language = cursor.identifier()
        if language in ("c", "internal"):
            return f"function in {language}"
    return "leakproof function" if Cursor(text).seek(b"LEAKPROOF") else None
