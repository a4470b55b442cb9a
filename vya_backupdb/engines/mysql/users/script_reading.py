"""A script of accounts, read again: nothing but what such a script holds is taken, and nothing is executed.

What is read is never sent to a server as it stands, but made anew from what was understood of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vya_backupdb.engines.mysql.script.lexer import Kind, scan
from vya_backupdb.engines.mysql.script.modes import PLAIN
from vya_backupdb.engines.mysql.users.definition import PUBLIC, Definition, Name
from vya_backupdb.engines.mysql.users.parsing import definition_in, rights_in
from vya_backupdb.engines.mysql.users.rights import Right, arranged, as_pattern, marks
from vya_backupdb.engines.mysql.users.script import LITERAL, SETTINGS
from vya_backupdb.engines.mysql.users.source import Source, SourceAccount, source_in
from vya_backupdb.engines.mysql.users.words import UnknownStatementError
from vya_backupdb.errors import VerificationError
from vya_backupdb.model import Account, Section, SectionKind

_PLAIN: Final = rb"[^;'`\"#/\\$\n-]*"
_OURS: Final = re.compile(
    rb"((?:GRANT|REVOKE|CREATE|ALTER|SET) " + _PLAIN + rb"(?:(?:`[^`]*`|'[^'\\]*')" + _PLAIN + rb")*);\n"
)
"""A statement as script.py writes it, but one with a backslash: where it ends is plain to see."""
_SHOWN: Final = frozenset(
    b"ALTER ANALYZE BEGIN CALL CREATE DATA DATABASE DEFAULT DELETE DELIMITER DO DROP EVENT EXECUTE FLUSH"
    b" FOR FROM FUNCTION GLOBAL GRANT HANDLER IMPORT INSERT INSTALL INTO KILL LOAD LOCK PASSWORD PERSIST"
    b" PLUGIN PREPARE PROCEDURE RENAME REPLACE RESET REVOKE ROLE SCHEMA SELECT SESSION SET SHUTDOWN"
    b" SOURCE START SYSTEM TABLE TO TRIGGER TRUNCATE UNINSTALL UPDATE USE USER VIEW".split()
)
"""Words at the beginning of a statement that can be told: no secret is one of them."""


def accounts_in(script: Iterable[Section]) -> list[Account]:
    """Read a script of accounts. Raises VerificationError, with the statement, for what is none."""
    reader = _Reader()
    number = 0
    for section in script:
        reader.source = reader.source or source_in(section.body)
        block = section.object if section.kind in (SectionKind.SCHEMA, SectionKind.POST) else None
        statement = b""
        try:
            for statement in _statements(section.body):
                number += 1
                reader.take(statement, block)
                statement = b""
        except UnknownStatementError as unknown:
            told = f"statement {number}{_beginning(statement)}" if statement else f"after statement {number}"
            raise VerificationError(
                f"this is no backup of accounts, or it was changed: {told}: {unknown or _NEITHER}",
                cure="restore an older backup of users, and find out who changed this one",
            ) from None
    return reader.accounts()


_NEITHER: Final = "it neither makes an account nor grants it anything, as such a script does"


def _beginning(statement: bytes) -> str:
    words = []
    for word in statement[:200].upper().split():
        if word not in _SHOWN:
            break
        words.append(word.decode())
    return f" ({' '.join(words)} ...)" if words else ""


def _statements(body: bytes) -> Iterator[bytes]:
    pos = 0
    while (found := _OURS.match(body, pos)) is not None:
        yield found[1]
        pos = found.end()
    while (unit := scan(body, pos, b";", PLAIN, final=True)) is not None and unit.kind is not Kind.REST:
        if unit.kind is Kind.UNFINISHED:
            raise UnknownStatementError(f"the script ends inside of {unit.inside or 'a statement'}")
        if unit.kind is not Kind.STATEMENT or unit.argument:
            raise UnknownStatementError("a command for the client")
        if unit.text_end > unit.text_start:
            yield body[unit.text_start : unit.text_end]
        pos = unit.end


class _Reader:
    """Takes a script's statements in their order."""

    def __init__(self) -> None:
        self.source: Source | None = None
        self._created: dict[Name, list[bytes]] = {}
        self._definitions: dict[Name, Definition] = {}
        self._rights: dict[Name, list[Right]] = {}
        self._last: Name | None = None
        """Whom the statement before this one made."""
        self._literal = False

    def take(self, statement: bytes, block: str | None) -> None:
        """Take one statement; `block`: the account that it must be about, where the file says it."""
        first, second = _words(statement)
        if first == b"SET" and second != b"DEFAULT":
            if statement not in (*SETTINGS, LITERAL):
                raise UnknownStatementError
            self._literal = self._literal or statement == LITERAL
            return
        last, self._last = self._last, None
        if first in (b"CREATE", b"ALTER"):
            name, definition = definition_in(statement, Definition())
            if first == b"ALTER":
                if name != last:
                    raise UnknownStatementError(f"it changes {name.label}, which it does not make")
                name, definition = definition_in(statement, self._definitions[name])
            elif name in self._definitions:
                raise UnknownStatementError(f"it makes {name.label} a second time")
            self._created.setdefault(name, []).append(statement)
            self._definitions[name] = definition
            self._last = name
        else:
            name, rights = rights_in(statement)
            if name not in self._definitions:
                if name != Name(PUBLIC, None):
                    raise UnknownStatementError(f"it grants to {name.label}, which is not in the backup")
                self._created[name], self._definitions[name] = [], Definition()
            self._rights.setdefault(name, []).extend(rights)
        if block is not None and name.label != block:
            raise UnknownStatementError(f"it is about {name.label}, in the part of {block}")

    def accounts(self) -> list[Account]:
        """Give the accounts in the order in which they were made."""
        granted = (right for rights in self._rights.values() for right in rights if right.kind == "role")
        roles = {role for right in granted for role in right.accounts}
        return [
            self._account(name, is_role=name in roles or name.host is None or definition.is_role)
            for name, definition in self._definitions.items()
        ]

    def _account(self, name: Name, *, is_role: bool) -> Account:
        definition = self._definitions[name]
        rights = self._rights.get(name, [])
        if self._literal:
            rights = [as_pattern(right) for right in rights]
        ordered = arranged(rights)
        return SourceAccount(
            name.name,
            name.host,
            "role" if is_role else "user",
            tuple(self._created[name]),
            tuple(right.grant(name) for right in ordered),
            definition.properties(),
            definition.secrets(),
            marks(ordered),
            self.source,
            definition,
        )


def _words(statement: bytes) -> tuple[bytes, bytes]:
    first, second, *_ = [*statement.upper().split(None, 2), b"", b""]
    return first, second
