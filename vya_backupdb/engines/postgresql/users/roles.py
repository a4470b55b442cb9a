"""What a role of PostgreSQL is, whichever version says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

FLAGS: Final = ("SUPERUSER", "CREATEDB", "CREATEROLE", "INHERIT", "LOGIN", "REPLICATION", "BYPASSRLS")
"""Each also with NO before it."""

ON_BY_DEFAULT: Final = frozenset({"INHERIT"})

PREDEFINED: Final = "pg_"
"""How the names of the server's own roles begin; no other role may be called so."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A role granted to another one."""

    role: str
    admin: bool = False
    inherit: bool | None = None
    """None: as the member's own INHERIT says, which is all that there is before PostgreSQL 16."""
    set: bool = True
    grantor: str | None = None
    """None: the superuser that initdb has made."""


@dataclass(frozen=True, slots=True)
class ParameterGrant:
    """What a role may do with a parameter of the server (PostgreSQL 15 and later)."""

    parameter: str
    privileges: tuple[str, ...]
    """SET, ALTER SYSTEM."""
    grantable: bool = False
    grantor: str | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A role with all that belongs to it; names and texts that are not UTF-8 hold surrogate escapes."""

    name: str
    made: bool = True
    """False: only what it was granted is known, for the server itself makes it (pg_monitor)."""
    flags: frozenset[str] = ON_BY_DEFAULT
    connection_limit: int = -1
    valid_until: str | None = None
    """In ISO 8601, UTC."""
    password: str | None = None
    """Its hash; "": it has none; None: not known."""
    comment: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """(provider, label)."""
    settings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(name, values): more than one value only for a list of names."""
    memberships: tuple[Membership, ...] = ()
    parameters: tuple[ParameterGrant, ...] = ()


def inherits(role: Role, membership: Membership) -> bool:
    """Whether a member has the privileges of a role without SET ROLE."""
    return "INHERIT" in role.flags if membership.inherit is None else membership.inherit


Granted = Membership | ParameterGrant


def depths(roles: Iterable[Role]) -> Mapping[tuple[str, Granted], int]:
    """Say of each grant (who has it, what it is) how many others must be made before it, one after the other.

    0: none of these roles has to be able to grant it first.
    """
    waiting: list[tuple[str, Granted]] = []
    for role in roles:
        waiting += [(role.name, grant) for grant in role.memberships]
        waiting += [(role.name, grant) for grant in role.parameters]
    not_yet = {(key, name) for name, grant in waiting if _passes_on(grant) for key in _objects(grant)}
    missing: dict[tuple[str, Granted], int] = {}
    waits_for: dict[tuple[tuple[str, ...], str | None], list[tuple[str, Granted]]] = {}
    for name, grant in waiting:
        before = [(key, grant.grantor) for key in _objects(grant) if (key, grant.grantor) in not_yet]
        missing[name, grant] = len(before)
        for pair in before:
            waits_for.setdefault(pair, []).append((name, grant))
    found: dict[tuple[str, Granted], int] = {}
    ready = [one for one, count in missing.items() if not count]
    depth = 0
    while ready:
        after = []
        for name, grant in ready:
            found[name, grant] = depth
            for key in _objects(grant) if _passes_on(grant) else ():
                for one in waits_for.pop((key, name), ()):
                    missing[one] -= 1
                    if not missing[one]:
                        after.append(one)
        ready, depth = after, depth + 1
    # the rest is a circle: no server has it, so one refuses it
    return {one: found.get(one, depth) for one in waiting}


def _passes_on(grant: Granted) -> bool:
    return grant.admin if isinstance(grant, Membership) else grant.grantable


def _objects(grant: Granted) -> list[tuple[str, ...]]:
    if isinstance(grant, Membership):
        return [("role", grant.role)]
    return [("parameter", grant.parameter, privilege) for privilege in grant.privileges]
