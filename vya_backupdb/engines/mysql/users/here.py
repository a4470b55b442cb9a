"""What a server knows of accounts: plugins, privileges, and how long a name may be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb, titled
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.users.definition import Name
from vya_backupdb.engines.mysql.users.rights import ALL, EVERYTHING, USAGE, Place
from vya_backupdb.model import ServerFacts

_OTHERWISE: Final = {
    "CREATE TMP TABLE": "CREATE TEMPORARY TABLES",
    "DELETE VERSIONING ROWS": "DELETE HISTORY",
    "SHOW DB": "SHOW DATABASES",
    "REPL SLAVE": "REPLICATION SLAVE",
    "REPL CLIENT": "REPLICATION CLIENT",
}
"""Privileges that the server's tables call by another name than its statements."""
NO_PRIVILEGES: Final = frozenset({ALL, USAGE, "GRANT OPTION", "PROXY"})
"""What stands where privileges stand, and is none."""


@dataclass(frozen=True, slots=True)
class Here:
    """What a server knows."""

    facts: ServerFacts
    plugins: frozenset[str]
    privileges: frozenset[str]
    dynamic: frozenset[str]
    """MySQL: privileges that are granted on everything only."""
    names: frozenset[Name]
    of_databases: frozenset[str] = frozenset()
    """What ALL PRIVILEGES on a database is."""
    of_tables: frozenset[str] = frozenset()
    longest_name: int = 32
    """Characters."""
    checks_passwords: bool = False
    """A plugin or component looks at passwords, and at their absence."""
    refuses_hashes: bool = False
    """MariaDB: hashes, at which it cannot look, are refused too."""

    @property
    def title(self) -> str:
        """Flavour and version."""
        return titled(self.facts)

    def whole(self, place: Place) -> frozenset[str]:
        """Give what ALL PRIVILEGES is at a place; nothing where the server never says that."""
        if place.kind:
            return frozenset()
        if place == EVERYTHING:
            return self.privileges - NO_PRIVILEGES if is_mariadb(self.facts) else frozenset()
        return self.of_databases if place.object is None else self.of_tables


def here(queries: Queries, facts: ServerFacts, names: Collection[Name]) -> Here:
    """Ask a server what it knows; `names`: the accounts it has. Raises QueryError."""
    plugins = queries.rows(
        "SELECT plugin_name FROM information_schema.plugins"
        " WHERE plugin_type = 'AUTHENTICATION' AND plugin_status = 'ACTIVE'"
    )
    checks = _checks_passwords(queries, facts)
    told = [str(row[0]) for row in queries.rows("SHOW PRIVILEGES")]
    columns = {
        (str(table).lower(), str(column).lower()): (str(kind), length)
        for table, column, kind, length in queries.rows(
            "SELECT table_name, column_name, column_type, character_maximum_length"
            " FROM information_schema.columns WHERE table_schema = 'mysql'"
            " AND table_name IN ('db', 'tables_priv')"
        )
    }
    tables, _ = columns.get(("tables_priv", "table_priv"), ("", 0))
    _, longest_name = columns.get(("db", "user"), ("", 0))
    return Here(
        facts,
        frozenset(str(row[0]) for row in plugins),
        frozenset(name.upper() for name in told) | {ALL, USAGE},
        frozenset(name for name in told if name.isupper() and not is_mariadb(facts)),
        frozenset(names),
        spoken(name.removesuffix("_priv") for table, name in columns if table == "db" and "_priv" in name),
        spoken(re.findall(r"'([^']*)'", tables)),
        longest_name or 32,
        checks,
        checks and is_mariadb(facts) and bool(queries.value("SELECT @@GLOBAL.strict_password_validation")),
    )


def _checks_passwords(queries: Queries, facts: ServerFacts) -> bool:
    asked = [
        "SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_status = 'ACTIVE'"
        " AND plugin_type IN ('PASSWORD VALIDATION', 'VALIDATE PASSWORD')"
    ]
    if not is_mariadb(facts):
        asked.append("SELECT COUNT(*) FROM mysql.component WHERE component_urn LIKE '%validate_password%'")
    return any(queries.value(one) for one in asked)


def spoken(names: Iterable[str]) -> frozenset[str]:
    """Give privileges as statements call them, from how tables do; the option to grant is none."""
    capitals = ((name if name.isupper() else name.replace("_", " ").upper()) for name in names)
    return frozenset(_OTHERWISE.get(name, name) for name in capitals if name != "GRANT")
