"""What of a dump's accounts a server can have: its plugins, privileges, roles and properties."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb, on
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.users.definition import PASSWORDS, PUBLIC, Definition, Name
from vya_backupdb.engines.mysql.users.here import NO_PRIVILEGES, Here
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
from vya_backupdb.engines.mysql.users.source import SourceAccount
from vya_backupdb.model import Account, Finding, Fitted, Severity

_TWINS: Final = {"REPLICATION CLIENT": "BINLOG MONITOR", "BINLOG MONITOR": "REPLICATION CLIENT"}
"""One privilege with two names: that of MySQL, and MariaDB's."""
_ROUTINES: Final = {"mariadb": ("PACKAGE", "PACKAGE BODY"), "mysql": ("LIBRARY",)}
"""What routines privileges may be about, beside procedures and functions."""
_MASKED_HOST: Final = re.compile(r"[0-9.]+/[0-9]{1,2}")
"""A range of addresses as MySQL knows it from 8.0.23 on, and MariaDB (11.8) does not."""
_SPLIT: Final = (11, 0)
"""MariaDB: from this version on SUPER gives less."""
_OF_SUPER: Final = frozenset(
    {
        "BINLOG ADMIN",
        "BINLOG MONITOR",
        "BINLOG REPLAY",
        "CONNECTION ADMIN",
        "FEDERATED ADMIN",
        "REPLICATION MASTER ADMIN",
        "REPLICATION SLAVE ADMIN",
        "SET USER",
        "SLAVE MONITOR",
    }
)
"""What it gave before: what the server (11.8) itself adds to an account of an older version."""
_SINCE: Final = {
    "password history": (8, 0, 3),
    "password reuse interval": (8, 0, 3),
    "password require current": (8, 0, 13),
    "failed login attempts": (8, 0, 19),
    "password lock time": (8, 0, 19),
    "attribute": (8, 0, 21),
}
"""Properties that MySQL knows from a version on (its manual, CREATE USER, release notes)."""
_FACTORS_SINCE: Final = (8, 0, 27)
_HEXADECIMAL_SINCE: Final = (8, 0, 17)


def fit(accounts: Sequence[Account], server: Here) -> list[Fitted]:
    """Say of each account, in order, what of it the server can have."""
    taken: set[Name] = set()
    read = [(account, *account_of(account)) for account in accounts]
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
        self._source = account.source if isinstance(account, SourceAccount) else None
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
            self._look_at_passwords()
        if len(self._name.name) > self._server.longest_name:
            self.fault(f"{self._server.title} takes names of {self._server.longest_name} characters at most")
        if _MASKED_HOST.fullmatch(self._name.host or ""):
            self._look_at_mask()

    def _for_mariadb(self) -> None:
        made = self._definition
        if len(made.factors) > 1 and not made.alternatives:
            self.fault(f"{self._server.title} asks for one factor only")
        known = Definition(
            made.factors, made.alternatives, made.tls, made.limits, made.expired, made.lifetime, made.locked
        )
        self._leave_out(known)

    def _for_mysql(self) -> None:
        made, version = self._definition, self._server.facts.version_number
        if len(made.factors) > 1 and not made.alternatives and version < _FACTORS_SINCE:
            self.fault(f"{self._server.title} asks for one factor only")
        if made.secrets() and version < _HEXADECIMAL_SINCE:
            self.fault(f"{self._server.title} takes no hash in hexadecimal")
        limits = tuple(
            (key, value)
            for key, value in made.limits
            if key != "MAX_STATEMENT_TIME" and not value.startswith("-")
        )
        known = replace(made, limits=limits)
        if not known.is_role:
            late = {name for name, since in _SINCE.items() if version < since}
            known = known.without(late)
        self._leave_out(known)

    def _look_at_mask(self) -> None:
        host, source = self._name.host, self._source
        if is_mariadb(self._server.facts):
            if source is None or source.flavour == "mysql":
                self._warn(
                    f"{self._server.title} takes {host} for the name of a host, from where nobody logs in",
                    "make the account with the mask in full, such as 10.0.0.0/255.0.0.0",
                )
        elif source is not None and source.flavour == "mariadb":
            self._warn(f"{self._server.title} takes {host} for a range of addresses, which it was not before")

    def _leave_out(self, known: Definition) -> None:
        if known == self._definition:
            return
        kept = known.properties()
        if lost := [name for name in self._definition.properties() if name not in kept]:
            self._warn(f"left out, for {self._server.title} does not know it: {', '.join(lost)}")
        self._definition = known

    def _look_at_passwords(self) -> None:
        factors = self._definition.factors
        if self._server.refuses_hashes and any(factor.secret for factor in factors):
            self._warn(
                f"{self._server.title} here refuses hashes of passwords",
                "SET GLOBAL strict_password_validation = OFF while accounts are restored",
            )
        elif self._server.checks_passwords and factors[0].plugin in PASSWORDS and not factors[0].secret:
            self._warn(
                f"{self._server.title} here checks passwords, and may refuse an account without one",
                "relax its policy for the restore (validate_password, or the plugins of MariaDB)",
            )

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
            brought = not is_mariadb(self._server.facts) and any("_" in name for name in absent)
            self._warn(
                f"left out, for {self._server.title} does not know it: {told} ON {right.place.sql}",
                "if a plugin or a component brings it, install that first" if brought else None,
            )
        if right.place == EVERYTHING and ("SUPER", "") in kept and (ALL, "") not in kept:
            kept |= self._with_super(kept)
        if not kept:
            if not right.option:
                return
            kept = {(USAGE, "")}
        whole = self._server.whole(right.place)
        if whole and {name for name, column in kept if not column} >= whole:
            # As the server says it itself; one of another version may know more, or less.
            kept = {(ALL, "")}
        fitting = replace(right, privileges=frozenset(kept))
        if on(self._server.facts, "partial_revokes") and as_literal(fitting) is None:
            self._warn(f"left out, for {self._server.title} here takes names literally: {right.what}")
            return
        if right.place == EVERYTHING and (ALL, "") in kept and not is_mariadb(self._server.facts):
            # MySQL says later what that was.
            static = self._server.privileges - self._server.dynamic - NO_PRIVILEGES
            yield replace(right, privileges=frozenset((name, "") for name in static))
            if self._server.dynamic:
                yield replace(right, privileges=frozenset((name, "") for name in self._server.dynamic))
        else:
            yield replace(right, privileges=frozenset(kept))

    def _with_super(self, kept: Collection[Privilege]) -> set[Privilege]:
        """Give what is to be granted beside SUPER so that the account may do what it could."""
        facts, source = self._server.facts, self._source
        others = {(name, "") for name in _OF_SUPER & self._server.privileges} - set(kept)
        if source is None or not is_mariadb(facts) or not others:
            return set()
        told = ", ".join(sorted(name for name, _ in others))
        is_split, was_split = facts.version_number >= _SPLIT, source.version >= _SPLIT
        if source.flavour == "mariadb" and is_split and not was_split:
            self._warn(f"granted too, for SUPER of {self._server.title} does not include it any more: {told}")
            return others
        if is_split and source.flavour == "mysql":
            self._warn(f"SUPER of {self._server.title} does not include {told}")
        elif not is_split and (was_split or source.flavour == "mysql"):
            self._warn(f"SUPER of {self._server.title} includes also: {told}")
        return set()
