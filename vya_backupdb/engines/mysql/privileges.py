"""What the account of a session may do, computed from SHOW GRANTS.

information_schema hides from an account just those objects that it may not see, so only the grants tell
what a dump would leave out. `SHOW GRANTS` without FOR lists, on both flavours, the grants of the account and
of the roles that its session has active: the same that the dump tool gets, for it logs in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vya_backupdb.engines.mysql.quoting import granted_database

_NAME: Final = r"`(?:[^`]|``)*`"
_ITEM: Final = rf"[A-Z][A-Z0-9_ ]*?(?: \({_NAME}(?:, ?{_NAME})*\))?"
_LINE: Final = re.compile(
    rf"(?P<verb>GRANT|REVOKE|DENY) (?P<items>{_ITEM}(?:, ?{_ITEM})*) ON "
    rf"(?P<database>\*|{_NAME})\.(?P<table>\*|{_NAME}) "
    rf"(?:TO|FROM) (?P<grantee>PUBLIC\b|{_NAME}@?|'[^@]*'@)"
)
_SPLIT: Final = re.compile(_ITEM + r"(?=, ?[A-Z]|$)")

_WILDCARD: Final = re.compile(r"(?:\\.|[^%_\\]|\\$)*[%_]", re.DOTALL)

ALL: Final = "ALL PRIVILEGES"


class _Grantee(StrEnum):
    """Whose grant it is: MariaDB matches the patterns of each by themselves and adds up."""

    USER = "user"
    ROLE = "role"
    PUBLIC = "public"


@dataclass(frozen=True)
class Grant:
    """One line of SHOW GRANTS about privileges; column privileges are left out, for no dump can use them."""

    privileges: frozenset[str]
    database: str | None
    """As granted, wildcards and all; None: every database."""
    table: str | None = None
    grantee: _Grantee = _Grantee.USER
    revoked: bool = False
    """MySQL's partial revoke, an exception from a global grant; DENY of later MariaDB."""

    def gives(self, privilege: str) -> bool:
        """Whether the privilege is among its own."""
        return privilege in self.privileges or ALL in self.privileges


def parse_grants(lines: Iterable[str]) -> tuple[Grant, ...]:
    """Read the lines of SHOW GRANTS, made under a sql_mode without ANSI_QUOTES.

    Lines about roles, proxies and single routines give nothing that a dump needs and are passed over.
    """
    grants = []
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        items = (item.group() for item in _SPLIT.finditer(found["items"]))
        grants.append(
            Grant(
                frozenset(item for item in items if "(" not in item),
                _unquote(found["database"]),
                _unquote(found["table"]),
                _grantee(found["grantee"]),
                revoked=found["verb"] != "GRANT",
            )
        )
    return tuple(grants)


def _unquote(name: str) -> str | None:
    return None if name == "*" else name[1:-1].replace("``", "`")


def _grantee(written: str) -> _Grantee:
    if written == "PUBLIC":
        return _Grantee.PUBLIC
    # Only MariaDB's roles have no host.
    return _Grantee.USER if written.endswith("@") else _Grantee.ROLE


@dataclass(frozen=True)
class Privileges:
    """The privileges of a session."""

    account: str
    """As GRANT takes it: `` `backup`@`%` ``."""
    grants: tuple[Grant, ...]
    patterns: bool = True
    """Granted names of databases are patterns: always, but on MySQL with partial_revokes."""
    merged_roles: bool = False
    """MySQL with active roles: it looks for the very name of the database first, then at the patterns."""
    fold_case: bool = False
    """lower_case_table_names is not 0."""

    def everywhere(self, privilege: str) -> bool:
        """Whether it is granted on `*.*`; partial revokes are not regarded."""
        return any(
            grant.gives(privilege) for grant in self.grants if grant.database is None and not grant.revoked
        )

    def on_database(self, privilege: str, database: str) -> bool:
        """Whether it is held on a whole database, those of its objects included that come later."""
        if self.everywhere(privilege) and not self._is_revoked(privilege, database):
            return True
        kinds = {grant.grantee for grant in self.grants}
        return any(self._matched(privilege, database, kind) for kind in kinds)

    def everywhere_but_revoked(self, privilege: str, database: str) -> bool:
        """Whether it is granted on `*.*` and not taken away for the database."""
        return self.everywhere(privilege) and not self._is_revoked(privilege, database)

    def sees_all_tables(self, database: str) -> bool:
        """Whether information_schema lists every table of a database: any privilege on tables does that."""
        return any(self.on_database(right, database) for right in ("SELECT", "SHOW VIEW", "TRIGGER"))

    def on_table(self, privilege: str, database: str, table: str) -> bool:
        """Whether it is held on one table, all columns of it."""
        if self.on_database(privilege, database):
            return True
        return any(
            grant.gives(privilege)
            for grant in self.grants
            if grant.table is not None
            and self._same(grant.database, database)
            and self._same(grant.table, table)
        )

    def mend(self, privileges: Iterable[str], database: str | None) -> str:
        """Give the statement that grants privileges on a database (None: everywhere) to the account.

        Privileges on a database that already has a grant by a wildcard must be granted together: the exact
        grant then hides the other.
        """
        place = "*.*" if database is None else f"{granted_database(database, patterns=self.patterns)}.*"
        return f"GRANT {', '.join(privileges)} ON {place} TO {self.account}"

    def _is_revoked(self, privilege: str, database: str) -> bool:
        return any(
            grant.gives(privilege)
            for grant in self.grants
            if grant.revoked and (grant.database is None or self._fits(grant.database, database))
        )

    def _same(self, left: str | None, right: str) -> bool:
        if left is None:
            return False
        return left.casefold() == right.casefold() if self.fold_case else left == right

    def _matched(self, privilege: str, database: str, kind: _Grantee) -> bool:
        """Whether the grants on databases give it, as the server finds them: one fitting name counts only.

        A name without wildcards is preferred. Which of several with wildcards is taken differs between
        MySQL, MySQL with roles, and MariaDB; so all of them must give the privilege.
        """
        fitting: dict[str, list[Grant]] = {}
        for grant in self.grants:
            if (
                grant.grantee is not kind
                or grant.revoked
                or grant.table is not None
                or grant.database is None
            ):
                continue
            if self._fits(grant.database, database):
                fitting.setdefault(grant.database, []).append(grant)
        exact = [name for name in fitting if self._is_exact(name, database)]
        if exact:
            fitting = {name: fitting[name] for name in exact}
        return bool(fitting) and all(
            any(grant.gives(privilege) for grant in grants) for grants in fitting.values()
        )

    def _is_exact(self, pattern: str, database: str) -> bool:
        if self.merged_roles:
            return self._same(pattern, database)
        return not self.patterns or _WILDCARD.match(pattern) is None

    def _fits(self, pattern: str, database: str) -> bool:
        if not self.patterns:
            return self._same(pattern, database)
        flags = re.DOTALL | (re.IGNORECASE if self.fold_case else 0)
        return re.fullmatch(_as_regex(pattern), database, flags) is not None


def _as_regex(pattern: str) -> str:
    parts = []
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part == "%":
            parts.append(".*")
        elif part == "_":
            parts.append(".")
        else:
            parts.append(re.escape(part[-1]))
    return "".join(parts)
