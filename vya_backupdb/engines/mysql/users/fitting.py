"""What of a dump's accounts a server can have: its plugins, privileges, roles and properties."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb, on, titled
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.users.definition import PUBLIC, Definition, Name
from vya_backupdb.engines.mysql.users.parsing import account_of, rights_of
from vya_backupdb.engines.mysql.users.reading import made
from vya_backupdb.engines.mysql.users.rights import (
    ALL,
    EVERYTHING,
    USAGE,
    Privilege,
    Right,
    arranged,
    as_literal,
)
from vya_backupdb.model import Account, Finding, Fitted, ServerFacts, Severity

_TWINS: Final = {"REPLICATION CLIENT": "BINLOG MONITOR", "BINLOG MONITOR": "REPLICATION CLIENT"}
"""One privilege with two names: that of MySQL, and MariaDB's."""
_ROUTINES: Final = {"mariadb": ("PACKAGE", "PACKAGE BODY"), "mysql": ("LIBRARY",)}
"""What routines privileges may be about, beside procedures and functions."""


@dataclass(frozen=True, slots=True)
class Here:
    """What a server knows."""

    facts: ServerFacts
    plugins: frozenset[str]
    privileges: frozenset[str]
    dynamic: frozenset[str]
    """MySQL: privileges that are granted on everything only."""
    names: frozenset[Name]

    @property
    def title(self) -> str:
        """Flavour and version."""
        return titled(self.facts)


def here(queries: Queries, facts: ServerFacts, names: Collection[Name]) -> Here:
    """Ask a server what it knows; `names`: the accounts it has. Raises QueryError."""
    plugins = queries.rows(
        "SELECT plugin_name FROM information_schema.plugins"
        " WHERE plugin_type = 'AUTHENTICATION' AND plugin_status = 'ACTIVE'"
    )
    told = [str(row[0]) for row in queries.rows("SHOW PRIVILEGES")]
    return Here(
        facts,
        frozenset(str(row[0]) for row in plugins),
        frozenset(name.upper() for name in told) | {ALL, USAGE},
        frozenset(name for name in told if name.isupper() and not is_mariadb(facts)),
        frozenset(names),
    )


def fit(accounts: Sequence[Account], server: Here) -> list[Fitted]:
    """Say of each account, in order, what of it the server can have."""
    taken: set[Name] = set()
    read = [(account, *account_of(account.create)) for account in accounts]
    names = {name: _renamed(name, definition, account, server) for account, name, definition in read}
    started = []
    for account, name, definition in read:
        fitting = _Fitting(server, names, account, names[name])
        fitting.define(name, definition)
        if names[name] in taken:
            fitting.fault(f"another account of the list has the name {names[name].label} on {server.title}")
        if not fitting.is_faulty:
            taken.add(names[name])
        started.append(fitting)
    known = taken | server.names
    return [fitting.fitted(known) for fitting in started]


def _renamed(name: Name, definition: Definition, account: Account, server: Here) -> Name:
    """Give the name here: MySQL's roles have hosts, MariaDB's none."""
    if not is_mariadb(server.facts):
        return Name(name.name, "%") if name.host is None and name.name != PUBLIC else name
    is_role = account.kind == "role" and definition.is_role
    return Name(name.name, None) if is_role else name


class _Fitting:
    """One account on its way to a server."""

    def __init__(self, server: Here, names: dict[Name, Name], account: Account, name: Name) -> None:
        self._server = server
        self._names = names
        self._account = account
        self._name = name
        self._definition = Definition()
        self._findings: list[Finding] = []

    @property
    def is_faulty(self) -> bool:
        return any(finding.severity is Severity.FAULT for finding in self._findings)

    def fault(self, what: str, cure: str | None = None) -> None:
        self._findings.append(Finding(Severity.FAULT, what, self._account.label, cure))

    def _warn(self, what: str, cure: str | None = None) -> None:
        self._findings.append(Finding(Severity.WARNING, what, self._account.label, cure))

    # ------------------------------------------------------------------ the account itself

    def define(self, name: Name, definition: Definition) -> None:
        """Take over what makes the account, as far as it is known here."""
        self._definition = definition
        if is_mariadb(self._server.facts):
            if name.host not in (None, "%") and self._name.host is None:
                self._warn(f"roles of {self._server.title} have no host: it becomes {self._name.label}")
            self._for_mariadb()
        else:
            if self._name.host is None:
                self.fault(f"{self._server.title} has no role that everybody has")
            self._for_mysql()
        if self._name.host is not None and not self._definition.is_role:
            self._look_for_plugins()

    def _for_mariadb(self) -> None:
        made = self._definition
        if len(made.factors) > 1 and not made.alternatives:
            self.fault(f"{self._server.title} asks for one factor only")
        known = Definition(
            made.factors, made.alternatives, made.tls, made.limits, made.expired, made.lifetime, made.locked
        )
        self._leave_out(known)

    def _for_mysql(self) -> None:
        made = self._definition
        self._leave_out(
            replace(made, limits=tuple(limit for limit in made.limits if limit[0] != "MAX_STATEMENT_TIME"))
        )

    def _leave_out(self, known: Definition) -> None:
        kept = known.properties()
        lost = [name for name in self._definition.properties() if name not in kept]
        if known != self._definition and lost:
            self._warn(f"left out, for {self._server.title} does not know it: {', '.join(lost)}")
        self._definition = known

    def _look_for_plugins(self) -> None:
        made = self._definition
        absent = [f.plugin for f in made.factors if f.plugin not in self._server.plugins]
        kept = tuple(factor for factor in made.factors if factor.plugin in self._server.plugins)
        if made.alternatives and not is_mariadb(self._server.facts):
            absent += [factor.plugin for factor in kept[1:]]
            kept = kept[:1]
        if not absent:
            return
        plugins = ", ".join(absent)
        if not made.alternatives or not kept:
            self.fault(
                f"it logs in by {plugins}, which {self._server.title} here does not have",
                "install the plugin, or make the account by hand with another one",
            )
            return
        self._warn(f"left out, for {self._server.title} here does not have it: login by {plugins}")
        self._definition = replace(made, factors=kept, alternatives=len(kept) > 1)

    # ------------------------------------------------------------------ its grants

    def fitted(self, known: Collection[Name]) -> Fitted:
        """Take over its grants; `known` are the accounts that are here, or come."""
        rights: list[Right] = []
        if not self.is_faulty:
            for right in rights_of(self._account):
                rights += self._right(right, known)
        if self.is_faulty:
            return Fitted(self._account, tuple(self._findings))
        is_role = self._account.kind == "role"
        facts = self._server.facts
        account = made(self._name, self._definition, arranged(rights), facts, is_role=is_role)
        return Fitted(account, tuple(self._findings))

    def _right(self, right: Right, known: Collection[Name]) -> Iterator[Right]:
        if right.kind in ("role", "default"):
            yield from self._of_roles(right, known)
        elif right.kind == "proxy":
            yield replace(right, accounts=tuple(self._here(name) for name in right.accounts))
        elif right.kind == "revoked" and not on(self._server.facts, "partial_revokes"):
            self.fault(
                f"{self._server.title} here takes no database out of a global grant: {right.what}",
                None if is_mariadb(self._server.facts) else "SET PERSIST partial_revokes = ON",
            )
        elif right.place.kind in _ROUTINES["mysql" if is_mariadb(self._server.facts) else "mariadb"]:
            self._warn(f"left out, for {self._server.title} does not know it: {right.what}")
        else:
            yield from self._of_privileges(right)

    def _of_roles(self, right: Right, known: Collection[Name]) -> Iterator[Right]:
        names = [self._here(name) for name in right.accounts]
        kept = tuple(sorted(name for name in names if name in known))
        absent = [name.label for name in names if name not in known]
        if absent and right.kind == "role":
            self._warn(f"left out, for the role is neither here nor in the backup: {', '.join(absent)}")
        if is_mariadb(self._server.facts):
            users = [name.label for name in kept if name.host is not None]
            if users and right.kind == "role":
                self._warn(f"left out, for {self._server.title} grants roles only: {', '.join(users)}")
            kept = tuple(name for name in kept if name.host is None)
        if len(kept) > 1 and is_mariadb(self._server.facts):
            self._warn(f"left out, for {self._server.title} knows one default role: {kept[1].label}")
            kept = kept[:1]
        if kept:
            yield replace(right, accounts=kept)

    def _here(self, name: Name) -> Name:
        if name in self._names:
            return self._names[name]
        if is_mariadb(self._server.facts):
            role = Name(name.name, None)
            return role if role in self._server.names and name not in self._server.names else name
        return Name(name.name, "%") if name.host is None else name

    def _of_privileges(self, right: Right) -> Iterator[Right]:
        kept, absent = set[Privilege](), set[str]()
        for name, column in right.privileges:
            twin = _TWINS.get(name, name)
            if name in self._server.privileges:
                kept.add((name, column))
            elif twin in self._server.privileges:
                kept.add((twin, column))
            else:
                absent.add(name)
        if absent:
            told = few(sorted(absent))
            self._warn(f"left out, for {self._server.title} does not know it: {told} ON {right.place.sql}")
        if not kept:
            if not right.option:
                return
            kept = {(USAGE, "")}
        fitting: Right | None = replace(right, privileges=frozenset(kept))
        if fitting is not None and on(self._server.facts, "partial_revokes") and as_literal(fitting) is None:
            self._warn(f"left out, for {self._server.title} here takes names literally: {right.what}")
            return
        if right.place == EVERYTHING and (ALL, "") in kept and not is_mariadb(self._server.facts):
            # MySQL says later what that was.
            static = self._server.privileges - self._server.dynamic - _NO_PRIVILEGES
            yield replace(right, privileges=frozenset((name, "") for name in static))
            if self._server.dynamic:
                yield replace(right, privileges=frozenset((name, "") for name in self._server.dynamic))
        else:
            yield replace(right, privileges=frozenset(kept))


_NO_PRIVILEGES: Final = frozenset({ALL, USAGE, "GRANT OPTION", "PROXY"})
