"""What a script needs of the server it is restored into, read from its statements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.postgresql.script.parts import setting_of
from vya_backupdb.engines.postgresql.script.statements import statements
from vya_backupdb.engines.postgresql.script.tokens import Cursor, literal
from vya_backupdb.model import Action, Section


@dataclass(frozen=True, slots=True)
class Requirements:
    """Names as the server knows them, without quotes."""

    roles: frozenset[str] = frozenset()
    """Owners, grantees and grantors, roles of policies, default privileges and user mappings."""
    extensions: frozenset[str] = frozenset()
    schemas: frozenset[str] = frozenset()
    """Those that the script creates."""
    tablespaces: frozenset[str] = frozenset()


def requirements(sections: Iterable[Section]) -> Requirements:
    """Read sections of any kind; among the rows only large objects name anything (their owners, from 17)."""
    gathered = _Gathered()
    for section in sections:
        for statement in statements(section):
            if statement.action is Action.EXECUTE:
                gathered.take(statement.text)
    return Requirements(
        frozenset(gathered.roles),
        frozenset(gathered.extensions),
        frozenset(gathered.schemas),
        frozenset(gathered.tablespaces),
    )


def roles_of(text: bytes) -> frozenset[str]:
    """Give the roles that one statement names."""
    gathered = _Gathered()
    gathered.take(text)
    return frozenset(gathered.roles)


_NO_ROLE: Final = frozenset(
    (b"PUBLIC", b"CURRENT_USER", b"SESSION_USER", b"CURRENT_ROLE", b"USER", b"NONE", b"DEFAULT")
)
"""Unquoted words that stand in place of a role; `"public"` and `"none"` mean the same quoted."""


class _Gathered:
    def __init__(self) -> None:
        self.roles: set[str] = set()
        self.extensions: set[str] = set()
        self.schemas: set[str] = set()
        self.tablespaces: set[str] = set()

    def take(self, text: bytes) -> None:
        """Note what one statement names."""
        cursor = Cursor(text)
        match cursor.skip():
            case b"SET":
                self._take_setting(text)
            case b"GRANT" | b"REVOKE":
                self._take_grant(cursor)
            case b"CREATE":
                self._take_tablespace(text)
                self._take_create(cursor)
            case b"ALTER":
                self._take_tablespace(text)
                self._take_alter(cursor)
            case b"DROP":
                self._take_user_mapping(cursor)
            case _:
                pass

    def _take_setting(self, text: bytes) -> None:
        setting = setting_of(text)
        if setting is None:
            return
        if setting.parameter in ("session_authorization", "role"):
            self._take_roles(Cursor(setting.value))
        elif setting.parameter == "default_tablespace":
            self._add(self.tablespaces, Cursor(setting.value))

    def _take_tablespace(self, text: bytes) -> None:
        """Note the tablespace of a table, index or materialized view, or of a constraint's index."""
        cursor = Cursor(text)
        if cursor.seek(b"TABLESPACE"):
            self._add(self.tablespaces, cursor)

    def _take_grant(self, cursor: Cursor) -> None:
        """GRANT ... ON ... TO roles, REVOKE ... ON ... FROM roles; ALTER DEFAULT PRIVILEGES ends so too."""
        cursor.seek(b"ON")
        if cursor.seek_any(b"TO", b"FROM"):
            self._take_roles(cursor)
        if cursor.seek(b"GRANTED", b"BY"):
            self._take_roles(cursor)

    def _take_create(self, cursor: Cursor) -> None:
        match cursor.skip():
            case b"EXTENSION":
                cursor.take(b"IF", b"NOT", b"EXISTS")
                self._add(self.extensions, cursor)
            case b"SCHEMA":
                cursor.take(b"IF", b"NOT", b"EXISTS")
                if cursor.peek() != b"AUTHORIZATION":
                    self._add(self.schemas, cursor)
                if cursor.take(b"AUTHORIZATION"):
                    self._take_roles(cursor)
            case b"POLICY":
                self._take_policy(cursor)
            case b"USER":
                self._take_mapped_user(cursor)
            case _:
                pass

    def _take_alter(self, cursor: Cursor) -> None:
        match cursor.skip():
            case b"DEFAULT":
                if cursor.take(b"PRIVILEGES", b"FOR") and cursor.take_any(b"ROLE", b"USER"):
                    self._take_roles(cursor)
                self._take_grant(cursor)
            case b"POLICY":
                self._take_policy(cursor)
            case b"USER":
                self._take_mapped_user(cursor)
            case _ if cursor.seek(b"OWNER", b"TO"):
                self._take_roles(cursor)
            case _:
                pass

    def _take_policy(self, cursor: Cursor) -> None:
        if cursor.seek(b"TO"):
            self._take_roles(cursor)

    def _take_user_mapping(self, cursor: Cursor) -> None:
        if cursor.take(b"USER"):
            self._take_mapped_user(cursor)

    def _take_mapped_user(self, cursor: Cursor) -> None:
        if cursor.take(b"MAPPING") and cursor.seek(b"FOR"):
            self._take_roles(cursor)

    def _take_roles(self, cursor: Cursor) -> None:
        while True:
            cursor.take_any(b"GROUP")
            if cursor.peek() not in _NO_ROLE and cursor.peek() not in (b'"public"', b'"none"'):
                self._add(self.roles, cursor)
            else:
                cursor.skip()
            if not cursor.take(b","):
                return

    def _add(self, names: set[str], cursor: Cursor) -> None:
        is_string = cursor.peek()[-1:] == b"'"
        name = literal(cursor.skip()) if is_string else cursor.identifier()
        if name:
            names.add(name)
