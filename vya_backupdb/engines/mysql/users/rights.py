"""What an account is granted, taken apart so that it can be compared, and carried to another server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.engines.mysql.users.definition import Name
from vya_backupdb.model import Grant

ALL: Final = "ALL PRIVILEGES"
USAGE: Final = "USAGE"
"""No privilege."""

Privilege = tuple[str, str]
"""What may be done, and with which column (empty: not with columns only)."""


@dataclass(frozen=True, slots=True)
class Place:
    """What privileges are about."""

    database: str | None = None
    """A pattern where it stands alone; None: everything."""
    object: str | None = None
    kind: str = ""
    """`PROCEDURE`, `FUNCTION` ...; empty for tables."""

    @property
    def sql(self) -> str:
        """Give it as statements take it, and people read it."""
        database = "*" if self.database is None else identifier(self.database)
        name = "*" if self.object is None else identifier(self.object)
        return f"{self.kind} {database}.{name}".lstrip()


EVERYTHING: Final = Place()


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that an account is granted."""

    kind: Literal["privileges", "revoked", "role", "proxy", "default"]
    """`revoked`: MySQL's exception of a database from a global grant; `default`: the default roles."""
    place: Place = EVERYTHING
    privileges: frozenset[Privilege] = frozenset()
    accounts: tuple[Name, ...] = ()
    """The role, the account that may be acted for, or the default roles in order of name."""
    option: bool = False
    """It may be granted on; of roles: WITH ADMIN OPTION."""

    @property
    def what(self) -> str:
        """Give it as Grant.what does."""
        if self.kind == "role":
            return f"ROLE {self.accounts[0].sql}" + (" WITH ADMIN OPTION" if self.option else "")
        if self.kind == "default":
            return f"DEFAULT ROLE {self._names()}"
        option = " WITH GRANT OPTION" if self.option else ""
        if self.kind == "proxy":
            return f"PROXY ON {self._names()}{option}"
        told = f"{listed(self.privileges)} ON {self.place.sql}{option}"
        return f"REVOKE {told}" if self.kind == "revoked" else told

    def statement(self, grantee: Name) -> str:
        """Give the statement that grants it."""
        if self.kind == "role":
            option = " WITH ADMIN OPTION" if self.option else ""
            return f"GRANT {self.accounts[0].sql} TO {grantee.sql}{option}"
        if self.kind == "default":
            # MySQL says TO, MariaDB FOR; only MySQL's roles have hosts.
            preposition = "FOR" if self.accounts[0].host is None else "TO"
            return f"SET DEFAULT ROLE {self._names()} {preposition} {grantee.sql}"
        option = " WITH GRANT OPTION" if self.option else ""
        if self.kind == "proxy":
            return f"GRANT PROXY ON {self._names()} TO {grantee.sql}{option}"
        verb, preposition = ("REVOKE", "FROM") if self.kind == "revoked" else ("GRANT", "TO")
        return f"{verb} {listed(self.privileges)} ON {self.place.sql} {preposition} {grantee.sql}{option}"

    def grant(self, grantee: Name, *, literal: bool = False) -> Grant:
        """Give it as the operations know it; `literal`: for a server that takes names literally."""
        spoken = (as_literal(self) or self) if literal else self
        return GrantOfRight(
            self.what,
            spoken.statement(grantee).encode("utf-8", "surrogateescape"),
            self.place.database if self.place.object is not None else None,
            self.accounts[0].label if self.kind == "role" else None,
            right=spoken,
        )

    def _names(self) -> str:
        return ", ".join(name.sql for name in self.accounts)


@dataclass(frozen=True, slots=True)
class GrantOfRight(Grant):
    """A grant that need not be read again."""

    right: Right = Right("role")
    """As its statement says it."""


def as_pattern(right: Right) -> Right:
    """Give a right on a database of a server that takes names literally as all other servers have it."""
    database = right.place.database
    if right.kind != "privileges" or right.place.object is not None or database is None:
        return right
    return replace(right, place=Place(re.sub(r"([\\\\%_])", r"\\\1", database)))


def as_literal(right: Right) -> Right | None:
    """Give it as such a server has it; None: the name of the database is a pattern."""
    database = right.place.database
    if right.kind != "privileges" or right.place.object is not None or database is None:
        return right
    if re.fullmatch(r"(?:\\.|[^\\%_])*", database, re.DOTALL) is None:
        return None
    return replace(right, place=Place(re.sub(r"\\(.)", r"\1", database, flags=re.DOTALL)))


def listed(privileges: Iterable[Privilege]) -> str:
    """Give privileges as statements take them, in order of name."""
    columns: dict[str, list[str]] = {}
    for name, column in sorted(privileges):
        columns.setdefault(name if not column else f"{name} (", []).append(column)
    return ", ".join(
        f"{key}{', '.join(identifier(name) for name in names)})" if key.endswith("(") else key
        for key, names in columns.items()
    )


def arranged(rights: Iterable[Right]) -> tuple[Right, ...]:
    """Give rights in an order in which they can be granted, each once, without those that give nothing."""
    order = ("privileges", "revoked", "proxy", "role", "default")
    wanted = {
        right: None
        for right in rights
        if right.kind != "privileges" or right.option or right.privileges != {(USAGE, "")}
    }
    return tuple(sorted(wanted, key=lambda right: (order.index(right.kind), right.place.sql, right.what)))


def marks(rights: Sequence[Right]) -> tuple[str, ...]:
    """Say what makes an account powerful: what it may do everywhere."""
    everywhere = [right for right in rights if right.kind == "privileges" and right.place == EVERYTHING]
    names = {name for right in everywhere for name, _ in right.privileges}
    has_all = ALL in names or names >= _ADMINISTRATION
    told = {
        "all privileges": has_all,
        "super": "SUPER" in names and not has_all,
        "may create users": "CREATE USER" in names and not has_all,
        "may grant": any(right.option for right in everywhere),
    }
    return tuple(mark for mark, holds in told.items() if holds)


_ADMINISTRATION: Final = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "SUPER", "CREATE USER", "FILE", "SHUTDOWN"}
)
"""MySQL lists what ALL PRIVILEGES gave; who has these has, or can get, everything."""
