"""What an account is besides its grants: how it logs in, its limits, its state."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from vya_backupdb.engines.mysql.quoting import identifier, text

PUBLIC: Final = "PUBLIC"
"""MariaDB's role that everybody has; no other account may bear the name without a host."""


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """The name of an account; MariaDB's roles have no host."""

    name: str
    host: str | None

    @property
    def label(self) -> str:
        """Give it as Account.label does."""
        return self.name if self.host is None else f"{self.name}@{self.host}"

    @property
    def sql(self) -> str:
        """Give it as statements take it."""
        if self.host is None:
            return PUBLIC if self.name == PUBLIC else identifier(self.name)
        return f"{identifier(self.name)}@{identifier(self.host)}"


_FIELDS: Final = {
    "password history": "history",
    "password reuse interval": "reuse_interval",
    "password require current": "require_current",
    "failed login attempts": "failed_attempts",
    "password lock time": "lock_days",
    "attribute": "attribute",
}
PASSWORDS: Final = frozenset({"caching_sha2_password", "sha256_password", "mysql_native_password"})
"""Plugins that a server takes where a statement names none."""


@dataclass(frozen=True, slots=True)
class Factor:
    """An authentication plugin, and what it compares with."""

    plugin: str
    secret: str = ""
    """Bytes that are not UTF-8 are kept as surrogate escapes."""


@dataclass(frozen=True, slots=True)
class Definition:
    """All that CREATE USER may say; None, 0 and the empty string are what it is without a word."""

    factors: tuple[Factor, ...] = ()
    alternatives: bool = False
    """MariaDB: any one of several suffices; MySQL asks for all of them."""
    tls: tuple[tuple[str, str], ...] = ()
    """`SSL` or `X509`, with an empty value; or any of SUBJECT, ISSUER and CIPHER."""
    limits: tuple[tuple[str, str], ...] = ()
    """`MAX_USER_CONNECTIONS` and its like, those that are not 0, in order of name."""
    expired: bool = False
    lifetime: int | None = None
    """Days until a password expires; 0: never."""
    locked: bool = False
    history: int | None = None
    reuse_interval: int | None = None
    require_current: bool | None = None
    failed_attempts: int = 0
    lock_days: int = 0
    """-1: unbounded."""
    attribute: str = ""
    """A JSON object; a comment is the member `comment`."""

    @property
    def is_role(self) -> bool:
        """Whether it is as MySQL's CREATE ROLE makes it: nobody can log in as that."""
        is_usual = all(f.plugin in PASSWORDS and not f.secret for f in self.factors) and len(self.factors) < 2
        return is_usual and replace(self, factors=()) == NEW_ROLE

    def without(self, properties: Collection[str]) -> Definition:
        """Give it without these of its properties, as `properties` calls them."""
        if not properties:
            return self
        usual = Definition()
        fields = {field for name, field in _FIELDS.items() if name in properties}
        return replace(self, **{field: getattr(usual, field) for field in fields})

    def properties(self) -> dict[str, str]:
        """Give what is not as usual, for people."""
        if self.is_role:
            return {}
        told = {
            "plugin": (" or " if self.alternatives else " and ").join(f.plugin for f in self.factors),
            "require": " ".join(f"{key} {text(value)}" if value else key for key, value in self.tls),
            **{name.lower().replace("_", " "): value for name, value in self.limits},
            "locked": "yes" if self.locked else "",
            "password expired": "yes" if self.expired else "",
            "password lifetime": _days(self.lifetime, "never expires"),
            "password history": _number(self.history),
            "password reuse interval": _days(self.reuse_interval, "0 days"),
            "password require current": {None: "", True: "yes", False: "optional"}[self.require_current],
            "failed login attempts": _number(self.failed_attempts or None),
            "password lock time": "unbounded" if self.lock_days < 0 else _days(self.lock_days or None, ""),
            "attribute": self.attribute,
        }
        return {key: value for key, value in told.items() if value}

    def secrets(self) -> dict[str, str]:
        """Give what each factor compares with."""
        return {
            "password" if number == 1 else f"password {number}": factor.secret
            for number, factor in enumerate(self.factors, 1)
            if factor.secret
        }


NEW_ROLE: Final = Definition(locked=True, expired=True)
"""What MySQL's CREATE ROLE makes."""


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _days(value: int | None, zero: str) -> str:
    if value is None:
        return ""
    return f"{value} days" if value else zero
