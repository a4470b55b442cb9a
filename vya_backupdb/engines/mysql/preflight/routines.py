"""Whether the bodies of routines can be read: the tools leave hidden ones out with status 0."""

from __future__ import annotations

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.needed import routines
from vya_backupdb.engines.mysql.privileges import Privileges
from vya_backupdb.model import Finding, ServerFacts, Severity


def sees_routines(facts: ServerFacts, privileges: Privileges, database: str | None) -> bool:
    """Whether the account sees the bodies of all routines (None: of every database)."""
    if not is_mariadb(facts) and facts.version_number >= (8,):
        # mysql.proc is gone. SHOW_ROUTINE came with 8.0.20.
        if privileges.everywhere("SHOW_ROUTINE"):
            return True
        if database is None:
            return privileges.everywhere("SELECT")
        return privileges.everywhere_but_revoked("SELECT", database)
    if is_mariadb(facts) and facts.version_number >= (11, 3, 1):
        held = (
            privileges.everywhere if database is None else lambda name: privileges.on_database(name, database)
        )
        if held("SHOW CREATE ROUTINE"):
            return True
    return privileges.on_table("SELECT", "mysql", "proc")


def routines_finding(facts: ServerFacts, privileges: Privileges, database: str | None) -> Finding:
    """Say that routines may be hidden, and which grant shows them."""
    privilege, table = routines(facts.flavour, facts.version_number)
    cure = f"GRANT {privilege} ON {table} TO {privileges.account}"
    return Finding(
        Severity.PRIVILEGE,
        "the account does not see the routines of others: procedures and functions would be left out",
        object=database,
        cure=cure,
    )
