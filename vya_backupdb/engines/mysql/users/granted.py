"""What many accounts are granted, read from the server's tables at once.

The server looks through all grants of all accounts for each SHOW GRANTS: ten thousand of them take it five
seconds, and us as long. What the tables say is the same, and is taken here as far as each word of it is
known; the others are asked for by SHOW GRANTS, as are accounts that may act for others.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.users.definition import Name
from vya_backupdb.engines.mysql.users.here import NO_PRIVILEGES, Here, here, spoken
from vya_backupdb.engines.mysql.users.rights import ALL, EVERYTHING, USAGE, Place, Privilege, Right
from vya_backupdb.model import ServerFacts

_BITS: Final = (
    *("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "RELOAD", "SHUTDOWN", "PROCESS", "FILE"),
    *("GRANT", "REFERENCES", "INDEX", "ALTER", "SHOW DATABASES", "SUPER", "CREATE TEMPORARY TABLES"),
    *("LOCK TABLES", "REPLICATION SLAVE", "BINLOG MONITOR", "EXECUTE", "CREATE VIEW", "SHOW VIEW"),
    *("CREATE ROUTINE", "ALTER ROUTINE", "CREATE USER", "EVENT", "TRIGGER", "CREATE TABLESPACE"),
    *("DELETE HISTORY", "SET USER", "FEDERATED ADMIN", "CONNECTION ADMIN", "READ_ONLY ADMIN"),
    *("REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "BINLOG ADMIN", "BINLOG REPLAY"),
    *("SLAVE MONITOR", "SHOW CREATE ROUTINE"),
)
"""MariaDB's privileges on everything, from the lowest bit on (sql/privilege.h of 11.8)."""
Key = tuple[str, str]
"""User and host; MariaDB's roles have an empty host here."""


class Granted:
    """The grants of all accounts of a server."""

    def __init__(self, queries: Queries, facts: ServerFacts) -> None:
        """Read them. Raises QueryError."""
        self._queries = queries
        self._facts = facts
        self._here: Here = here(queries, facts, ())
        self._known = self._here.privileges | self._here.dynamic
        self._rights: dict[Key, list[Right]] = defaultdict(list)
        self._unsure: set[Key] = set()
        self._read()

    def of(self, name: Name) -> list[Right] | None:
        """Give what an account is granted itself; None: not all of it is understood."""
        key = (name.name, name.host or "")
        return None if key in self._unsure else self._rights.get(key, [])

    def _read(self) -> None:
        for user, host in self._queries.rows("SELECT user, host FROM mysql.proxies_priv"):
            self._unsure.add((user, host))
        if is_mariadb(self._facts):
            self._read_bits()
        else:
            self._read_mysql()
        self._read_databases()
        self._read_tables()
        for user, host, database, name, kind, granted in self._queries.rows(
            "SELECT user, host, db, routine_name, routine_type, proc_priv FROM mysql.procs_priv"
        ):
            self._add((user, host), Place(database, name, kind), _listed(granted))

    # ------------------------------------------------------------------ on everything, and roles

    def _read_mysql(self) -> None:
        for user, host, *granted in self._flags("user"):
            self._add((user, host), EVERYTHING, granted)
        dynamic: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for *key, name in self._queries.rows(
            "SELECT user, host, with_grant_option, priv FROM mysql.global_grants"
        ):
            dynamic[tuple(key)].append(name)
        for (user, host, option), names in dynamic.items():
            self._add((user, host), EVERYTHING, [*names, *(["GRANT"] if option == "Y" else [])])
        for user, host, said in self._queries.rows(
            "SELECT user, host, user_attributes->'$.Restrictions' FROM mysql.user"
            " WHERE JSON_CONTAINS_PATH(user_attributes, 'one', '$.Restrictions')"
        ):
            for one in json.loads(said):
                taken = frozenset((name, "") for name in one["Privileges"])
                self._rights[user, host].append(Right("revoked", Place(one["Database"]), taken))
        for user, host, role, of, option in self._queries.rows(
            "SELECT to_user, to_host, from_user, from_host, with_admin_option FROM mysql.role_edges"
        ):
            self._rights[user, host].append(Right("role", accounts=(Name(role, of),), option=option == "Y"))

    def _read_bits(self) -> None:
        version = self._facts.version_number
        current = version[0] * 10000 + version[1] * 100
        for user, host, said in self._queries.rows("SELECT User, Host, Priv FROM mysql.global_priv"):
            told: dict[str, Any] = json.loads(said, strict=False)
            bits = told.get("access", 0)
            names = [name for number, name in enumerate(_BITS) if bits >> number & 1]
            if bits >> len(_BITS) or (bits and told.get("version_id", 0) < current):
                self._unsure.add((user, host))  # an older version's bits mean more
            self._add((user, host), EVERYTHING, names)
            if role := told.get("default_role"):
                self._rights[user, host].append(Right("default", accounts=(Name(role, None),)))
        for user, host, role, option in self._queries.rows(
            "SELECT User, Host, Role, Admin_option FROM mysql.roles_mapping"
        ):
            right = Right("role", accounts=(Name(role, None),), option=option == "Y")
            self._rights[user, host].append(right)

    # ------------------------------------------------------------------ on what is in it

    def _read_databases(self) -> None:
        for user, host, database, *granted in self._flags("db", "db"):
            self._add((user, host), Place(database), granted)

    def _flags(self, table: str, *more: str) -> Iterator[list[Any]]:
        """Give user, host, more columns, and the privileges whose columns say `Y`."""
        columns = [
            str(row[0])
            for row in self._queries.rows(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'mysql'"
                " AND table_name = %s AND column_name LIKE %s",
                table,
                "%\\_priv",
            )
        ]
        kept = ("user", "host", *more)
        asked = f"SELECT {', '.join([*kept, *columns])} FROM mysql.{table}"  # noqa: S608  # names of the server
        for row in self._queries.rows(asked):
            flags = zip(columns, row[len(kept) :], strict=True)
            yield [*row[: len(kept)], *(name.removesuffix("_priv") for name, flag in flags if flag == "Y")]

    def _read_tables(self) -> None:
        columns: dict[tuple[str, str, str, str], list[Privilege]] = defaultdict(list)
        for user, host, database, table, column, granted in self._queries.rows(
            "SELECT user, host, db, table_name, column_name, column_priv FROM mysql.columns_priv"
        ):
            columns[user, host, database, table] += [(name, column) for name in spoken(_listed(granted))]
        for user, host, database, table, granted in self._queries.rows(
            "SELECT user, host, db, table_name, table_priv FROM mysql.tables_priv"
        ):
            of_columns = columns.get((user, host, database, table), [])
            self._add((user, host), Place(database, table), _listed(granted), of_columns)

    def _add(self, key: Key, place: Place, names: Iterable[str], columns: Iterable[Privilege] = ()) -> None:
        said = list(names)
        option = any(name.upper() == "GRANT" for name in said)
        granted = spoken(said)
        privileges = {(name, "") for name in granted} | set(columns)
        if not {name for name, _ in privileges} <= self._known - NO_PRIVILEGES:
            self._unsure.add(key)
        whole = self._here.whole(place)
        if whole and granted >= whole:
            privileges = {(ALL, "")}
        if privileges or option:
            kept = frozenset(privileges) or frozenset({(USAGE, "")})
            self._rights[key].append(Right("privileges", place, kept, option=option))


def _listed(granted: str) -> list[str]:
    return re.split(r",\s*", granted) if granted else []
