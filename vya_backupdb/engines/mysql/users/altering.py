"""The statements that give an account that is there just what another is granted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vya_backupdb.engines.mysql.users.definition import Name
from vya_backupdb.engines.mysql.users.rights import USAGE, Place, Privilege, Right, listed


def regranting(name: Name, wanted: Sequence[Right], present: Sequence[Right]) -> Iterator[str]:
    """Revoke what is too much, then grant what lacks."""
    if set(wanted) == set(present):
        return
    for right in present:
        if right.kind == "revoked" and right not in wanted:
            # While it is granted on everything, this takes the exception back and gives nothing else.
            yield f"GRANT {listed(right.privileges)} ON {right.place.sql} TO {name.sql}"
    touched: set[Place] = set()
    for place in dict.fromkeys(right.place for right in present if right.kind == "privileges"):
        there = [right for right in present if right.kind == "privileges" and right.place == place]
        for lost in _lost(_at(place, wanted), there):
            touched.add(place)
            yield f"REVOKE {lost} ON {place.sql} FROM {name.sql}"
    changed_roles = False
    for right in present:
        if right in wanted:
            continue
        if right.kind == "role":
            changed_roles = True
            yield f"REVOKE {right.accounts[0].sql} FROM {name.sql}"
        elif right.kind == "proxy":
            yield f"REVOKE PROXY ON {right.accounts[0].sql} FROM {name.sql}"
        elif right.kind == "default" and all(other.kind != "default" for other in wanted):
            preposition = "FOR" if right.accounts[0].host is None else "TO"
            yield f"SET DEFAULT ROLE NONE {preposition} {name.sql}"
    for right in wanted:
        again = {
            "privileges": right.place in touched,
            "revoked": any(other.kind == "privileges" and other.place == Place() for other in wanted)
            and _differ_everywhere(wanted, present),
            "default": changed_roles,
        }
        if right not in present or again.get(right.kind, False):
            yield right.statement(name)


def _at(place: Place, rights: Sequence[Right]) -> dict[Privilege, bool]:
    """Give the privileges at a place, and whether each may be granted on."""
    return {
        privilege: right.option
        for right in rights
        if right.kind == "privileges" and right.place == place
        for privilege in right.privileges
    }


def _lost(wanted: dict[Privilege, bool], present: Sequence[Right]) -> Iterator[str]:
    """Give what must be revoked at a place: the option to grant, which is one for all, then privileges.

    The option of a table goes with its last privilege. On everything it goes last: MySQL (9.7) does not
    revoke dynamic privileges from an account that has lost it.
    """
    may = {privilege for right in present if right.option for privilege in right.privileges}
    takes_option = any(not wanted.get(privilege, False) for privilege in may)
    is_last = all(right.place == Place() for right in present)
    if takes_option and not is_last:
        yield "GRANT OPTION"
    for right in present:
        lost = {
            privilege
            for privilege in right.privileges
            if privilege not in wanted or (takes_option and right.option and not wanted[privilege])
        }
        lost -= {(USAGE, "")}
        dynamic = {privilege for privilege in lost if "_" in privilege[0]}
        yield from (listed([privilege]) for privilege in sorted(dynamic))
        if lost - dynamic:
            yield listed(lost - dynamic)
    if takes_option and is_last:
        yield "GRANT OPTION"


def _differ_everywhere(wanted: Sequence[Right], present: Sequence[Right]) -> bool:
    return _at(Place(), wanted) != _at(Place(), present)
