"""What of roles a server can have: the rest is taken out, and said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.failures import one_line
from vya_backupdb.engines.postgresql.users.quoting import is_utf8, readable
from vya_backupdb.engines.postgresql.users.roles import (
    PREDEFINED,
    Membership,
    ParameterGrant,
    Role,
    inherits,
)
from vya_backupdb.engines.postgresql.users.target import Target, examine
from vya_backupdb.engines.postgresql.users.writing import accounts_of, role_of
from vya_backupdb.model import Account, Finding, Fitted, ServerFacts, Severity

_SUPERUSERS_ONLY: Final = ("SUPERUSER", "REPLICATION", "BYPASSRLS")
"""What only a superuser may give a role before PostgreSQL 16."""

_OWN_ONLY: Final = ("CREATEDB", "REPLICATION", "BYPASSRLS")
"""What others may give from 16 on if they have it themselves."""


def fit(
    connection: Connection, facts: ServerFacts, accounts: Sequence[Account], *, lock_wait: int
) -> list[Fitted]:
    """Say of each account what of it the server can have and the account may give. Changes nothing.

    `lock_wait` is the longest wait for a lock, in milliseconds.
    """
    roles = [role_of(account) for account in accounts]
    return fitted(examine(connection, facts, roles, lock_wait=lock_wait), roles)


def fitted(target: Target, roles: Sequence[Role]) -> list[Fitted]:
    """Fit roles onto a server."""
    faults = [tuple(_faults(target, role)) for role in roles]
    makeable = [role for role, found in zip(roles, faults, strict=True) if not found]
    parts = [_Fitting(target, role) for role in roles]
    known = set(target.flags) | {role.name for role in makeable}
    for part in parts:
        part.password()
        part.attributes()
        part.settings()
        part.labels()
        part.memberships(known)
        part.parameters()
    _grantors(target, parts)
    # before 16 whoever executes a GRANT is its grantor unless the statement names another one
    names_bootstrap = target.superuser and not target.chains and target.account != target.bootstrap
    made = accounts_of([part.role for part in parts], bootstrap=target.bootstrap if names_bootstrap else None)
    if target.passwords is None:  # so they are not known on the other side of a comparison either
        made = [replace(account, secrets={}) for account in made]
    return [
        Fitted(account, (*found, *part.findings))
        for account, part, found in zip(made, parts, faults, strict=True)
    ]


def _faults(target: Target, role: Role) -> Iterator[Finding]:
    """Give why a role cannot be made at all."""
    name = readable(role.name)
    if target.standby:
        yield _fault(role, "the server is a standby: nothing can be written", "restore onto the primary")
    if target.utf8 and not _is_utf8(role):
        yield _fault(
            role,
            f"a name or text of the role {name} is not UTF-8",
            "rename it at the source, or restore onto a server whose databases are SQL_ASCII",
        )
    if role.name in target.flags:
        return
    if not role.made and not role.name.startswith(PREDEFINED):
        yield _fault(
            role,
            f"the role {name} is not there, and the backup has only what it was granted",
            f"CREATE ROLE {name}, or take another backup",
        )
        return
    if role.name.startswith(PREDEFINED):
        yield _fault(
            role,
            f"the role {name} is the server's own by its name, and PostgreSQL {_major(target)} has none such",
            "roles whose names begin with pg_ cannot be made: rename it at the source",
        )
    if not target.superuser and "CREATEROLE" not in target.flags.get(target.account, ()):
        account = readable(target.account)
        yield _fault(
            role, f"{account} may not create roles", f"ALTER ROLE {account} CREATEROLE, or a superuser"
        )


def _is_utf8(role: Role) -> bool:
    texts = [role.name, role.comment or ""]
    texts += [label for _, label in role.labels]
    texts += [text for name, values in role.settings for text in (name, *values)]
    texts += [text for grant in role.memberships for text in (grant.role, grant.grantor or "")]
    texts += [grant.grantor or "" for grant in role.parameters]
    return all(map(is_utf8, texts))


def _fault(role: Role, what: str, cure: str) -> Finding:
    return Finding(Severity.FAULT, one_line(what), one_line(role.name), one_line(cure))


def _major(target: Target) -> int:
    return target.version // 10000


@dataclass
class _Fitting:
    """A role while it is being fitted."""

    target: Target
    role: Role
    findings: list[Finding] = field(default_factory=list)

    @property
    def present(self) -> Role | None:
        """The role as it is there, where the account in use may not give everything."""
        return self.target.present.get(self.role.name)

    def has_already(self, membership: Membership) -> Membership | None:
        """Give the membership with these options that is there, of the same grantor if there are several."""
        if self.present is None:
            return None
        alike = [
            there
            for there in self.present.memberships
            if there.role == membership.role
            and (there.admin, there.set) == (membership.admin, membership.set)
            and inherits(self.present, there) == inherits(self.role, membership)
        ]
        alike.sort(key=lambda there: there.grantor != membership.grantor)
        return alike[0] if alike else None

    def note(self, what: str, cure: str | None = None) -> None:
        self.findings.append(
            Finding(
                Severity.WARNING,
                one_line(f"role {readable(self.role.name)}: {what}"),
                one_line(self.role.name),
                cure and one_line(cure),
            )
        )

    def password(self) -> None:
        """Keep the password that a role has there where the backup was made without passwords."""
        if self.role.password is not None or not self.role.made:
            if self.role.password and self.target.passwords is None and self._is_others_and_there():
                self.note(
                    "whether its password is the same cannot be told, and it stays unless more differs: "
                    f"{readable(self.target.account)} may not read any",
                    "restore as a superuser",
                )
            return
        if self.role.name in self.target.flags:
            self.role = replace(self.role, password=(self.target.passwords or {}).get(self.role.name))
        elif "LOGIN" in self.role.flags:
            self.note(
                "it will have no password: the backup was made by an account that may not read any",
                f"ALTER ROLE {readable(self.role.name)} PASSWORD ...",
            )

    def _is_others_and_there(self) -> bool:
        return self.present is not None and self.role.name != self.target.account

    def attributes(self) -> None:
        """Take out what the account in use may not give; what the role has there already may stay."""
        if self.target.superuser:
            return
        own = self.target.flags.get(self.target.account, frozenset())
        if self.target.chains:
            forbidden = {"SUPERUSER", *(flag for flag in _OWN_ONLY if flag not in own)}
        else:
            forbidden = set(_SUPERUSERS_ONLY)
        forbidden -= self.target.flags.get(self.role.name, frozenset())
        taken = sorted(forbidden & self.role.flags)
        if taken:
            self.role = replace(self.role, flags=self.role.flags - forbidden)
            words = ", ".join(taken)
            self.note(
                f"{words} left out: {readable(self.target.account)} may not give that",
                f"ALTER ROLE {readable(self.role.name)} {' '.join(taken)}, as a superuser",
            )

    def settings(self) -> None:
        kept = []
        there = dict(self.present.settings) if self.present else {}
        for name, values in self.role.settings:
            why = self.target.refused_settings.get((name, values))
            if why is None or there.get(name) == values:
                kept.append((name, values))
            else:
                self.note(f"setting {name} left out: {why}")
        self.role = replace(self.role, settings=tuple(kept))

    def labels(self) -> None:
        kept = []
        for provider, label in self.role.labels:
            if provider in self.target.missing_providers:
                self.note(
                    f"security label of {provider} left out: the provider is not loaded",
                    "name its library in shared_preload_libraries",
                )
            else:
                kept.append((provider, label))
        self.role = replace(self.role, labels=tuple(kept))

    def memberships(self, known: set[str]) -> None:
        kept: dict[tuple[str, str | None], Membership] = {}
        for membership in self.role.memberships:
            if membership.role not in known and membership.role.startswith(PREDEFINED):
                self.note(
                    f"membership in {readable(membership.role)} left out: "
                    f"PostgreSQL {_major(self.target)} has no such role"
                )
            elif membership.role not in known:
                self.note(
                    f"membership in {readable(membership.role)} left out: there is no such role, "
                    "here or among those to be restored",
                    "restore that role too",
                )
            elif not self._may_grant(membership.role) and self.has_already(membership) is None:
                granted, account = readable(membership.role), readable(self.target.account)
                self.note(
                    f"membership in {granted} left out: {account} may not grant it",
                    f"GRANT {granted} TO {account} WITH ADMIN OPTION, or a superuser",
                )
            elif (fitting := self._with_options(membership)) is not None:
                if fitting.grantor == self.target.bootstrap:
                    fitting = replace(fitting, grantor=None)
                key = fitting.role, fitting.grantor if self.target.chains else None
                first = kept.get(key)
                kept[key] = replace(first, admin=True) if first and fitting.admin else first or fitting
        self.role = replace(self.role, memberships=tuple(kept.values()))

    def _may_grant(self, role: str) -> bool:
        if self.target.superuser or role not in self.target.flags:
            return True  # whoever makes a role may grant it
        if self.target.chains:
            return role in self.target.may_grant
        return "SUPERUSER" not in self.target.flags[role]

    def _with_options(self, membership: Membership) -> Membership | None:
        """Give a membership as servers before 16 can have it; None: they have nothing as narrow."""
        if self.target.chains:
            return membership
        own = "INHERIT" in self.role.flags
        wanted = inherits(self.role, membership)
        name, server = readable(membership.role), f"PostgreSQL {_major(self.target)}"
        if not (wanted or membership.set or membership.admin):
            self.note(
                f"membership in {name} left out: it is WITH INHERIT FALSE, SET FALSE, "
                f"and in {server} it would not be"
            )
            return None
        if wanted != own:
            self.note(
                f"membership in {name}: INHERIT {'TRUE' if wanted else 'FALSE'} left out, "
                f"in {server} it is as the role's own {'' if own else 'NO'}INHERIT says"
            )
        if not membership.set:
            self.note(f"membership in {name}: SET FALSE left out, which {server} does not know")
        return replace(membership, inherit=None, set=True)

    def parameters(self) -> None:
        kept = []
        for grant in self.role.parameters:
            if self.target.version < 150000:
                why = f"PostgreSQL {_major(self.target)} knows no privileges on parameters"
            elif grant.parameter in self.target.unknown_parameters:
                why = f"PostgreSQL {_major(self.target)} does not know it"
            elif not self.target.superuser and not (self.present and grant in self.present.parameters):
                why = "only a superuser may grant that"
            else:
                grantor = None if grant.grantor == self.target.bootstrap else grant.grantor
                kept.append(replace(grant, grantor=grantor))
                continue
            self.note(f"{', '.join(grant.privileges)} on parameter {grant.parameter} left out: {why}")
        self.role = replace(self.role, parameters=tuple(kept))


def _grantors(target: Target, parts: Sequence[_Fitting]) -> None:
    """Give the grants grantors that the server accepts."""
    makeable = {part.role.name for part in parts} | set(target.flags)
    admins, late = _admins(target, (part.role for part in parts))
    for part in parts:
        memberships = []
        for membership in part.role.memberships:
            grantor, named = None, membership.grantor
            there = part.has_already(membership)
            if there is not None:
                grantor, named = there.grantor, there.grantor
            elif not target.superuser:
                grantor = target.account
            elif named is None or not target.chains:
                grantor = named if named in makeable else None
            elif (membership.role, named) in admins and not (
                membership.admin and (membership.role, named) in late
            ):
                grantor = named
            if named is not None and grantor != named:
                part.note(
                    f"membership in {readable(membership.role)}: "
                    f"GRANTED BY {readable(named)} left out, who may not grant it there"
                )
            memberships.append(replace(membership, grantor=grantor))
        parameters = tuple(_parameters(part, makeable))
        merged = tuple(_merged(part.role, memberships))
        part.role = replace(part.role, memberships=merged, parameters=parameters)


def _merged(role: Role, memberships: Iterable[Membership]) -> Iterator[Membership]:
    """Make one of several memberships of one grantor: a second GRANT would take back what the first gave."""
    alike: dict[tuple[str, str | None], list[Membership]] = {}
    for membership in memberships:
        alike.setdefault((membership.role, membership.grantor), []).append(membership)
    for first, *others in alike.values():
        if others:
            all_of_them = (first, *others)
            yield replace(
                first,
                admin=any(one.admin for one in all_of_them),
                inherit=any(inherits(role, one) for one in all_of_them),
                set=any(one.set for one in all_of_them),
            )
        else:
            yield first


def _parameters(part: _Fitting, known: set[str]) -> Iterator[ParameterGrant]:
    for grant in part.role.parameters:
        if grant.grantor is None or grant.grantor in known:
            yield grant
        else:
            part.note(
                f"parameter {grant.parameter}: granted by the superuser, for {grant.grantor} is not there"
            )
            yield replace(grant, grantor=None)


def _admins(target: Target, roles: Iterable[Role]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Give who will be able to grant which role once these are there, and who not in time: (role, member).

    What would have to be granted WITH ADMIN OPTION by the latter the superuser grants instead.
    """
    able = set(target.admins)
    waiting: dict[tuple[str, str], list[tuple[str, str]]] = {}
    ready = list(able)
    for role in roles:
        for grant in role.memberships:
            if not grant.admin:
                continue
            if grant.grantor is None:
                ready.append((grant.role, role.name))
            else:
                waiting.setdefault((grant.role, grant.grantor), []).append((grant.role, role.name))
    late: set[tuple[str, str]] = set()
    while ready or waiting:
        if not ready:
            coming = {one for those in waiting.values() for one in those}
            never = [grantor for grantor in waiting if grantor not in coming]
            for grantor in never or [next(iter(waiting))]:  # a circle is broken anywhere
                late.add(grantor)
                ready += waiting.pop(grantor)
        one = ready.pop()
        able.add(one)
        ready += waiting.pop(one, ())
    return able, late
