"""The statements that give an account that is there just what another is granted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vya_backupdb.engines.mysql.users.definition import Name
from vya_backupdb.engines.mysql.users.rights import USAGE, Place, Privilege, Right, listed


def regranting(name: Name, wanted: Sequence[Right], present: Sequence[Right]) -> Iterator[str]:
    """Revoke what is too much, then grant what lacks."""
    if set(wanted) == set(present):
        return
    touched: set[Place] = set()
    for place in dict.fromkeys(right.place for right in present if right.kind == "privileges"):
        lost = _lost(_at(place, wanted), _at(place, present))
        if lost:
            touched.add(place)
            yield f"REVOKE {', '.join(lost)} ON {place.sql} FROM {name.sql}"
    changed_roles = False
    for right in present:
        if right in wanted:
            continue
        if right.kind == "role":
            changed_roles = True
            yield f"REVOKE {right.accounts[0].sql} FROM {name.sql}"
        elif right.kind == "proxy":
            yield f"REVOKE PROXY ON {right.accounts[0].sql} FROM {name.sql}"
        elif right.kind == "revoked":
            # The exception goes; whatever else this gives is taken back with the next statements.
            yield f"GRANT {listed(right.privileges)} ON {right.place.sql} TO {name.sql}"
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


def _lost(wanted: dict[Privilege, bool], present: dict[Privilege, bool]) -> list[str]:
    """Give what must be revoked: privileges, and the option to grant, which the others of a place share."""
    usage = (USAGE, "")
    takes_option = (
        any(present.values())
        and wanted != present
        and not all(wanted.get(privilege, False) for privilege, option in present.items() if option)
    )
    lost = [
        privilege
        for privilege, option in present.items()
        if privilege != usage
        and (privilege not in wanted or (takes_option and option and not wanted[privilege]))
    ]
    told = [listed(lost)] if lost else []
    return [*told, "GRANT OPTION"] if takes_option else told


def _differ_everywhere(wanted: Sequence[Right], present: Sequence[Right]) -> bool:
    return _at(Place(), wanted) != _at(Place(), present)
