"""Accounts and time zones in place of those that a throw-away server has not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import granted_database, text
from vya_backupdb.model import SectionKind, Statement

_RIGHTS = "SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, SHOW VIEW"
"""On the databases that are restored, and none on the server: whoever could write a view at home could act
with the rights of its definer here."""


_ZONE = re.compile(rb"\bTIME_ZONE\s*=\s*'([A-Za-z][^']*)'", re.IGNORECASE)


def noting_zones(
    statements: Iterable[tuple[SectionKind, Statement]], zones: set[str]
) -> Iterator[tuple[SectionKind, Statement]]:
    """Give the statements, and note the time zones that they name: events are made in their own."""
    for kind, statement in statements:
        if kind is SectionKind.POST:
            zones |= {zone.decode(errors="replace") for zone in _ZONE.findall(statement.text)}
        yield kind, statement


def make_zones(queries: Queries, zones: Collection[str]) -> Sequence[str]:
    """Make those of these that the server does not know, as UTC; give what was made.

    A new server knows none by name, and would refuse what is made in one (1298). Nothing acts by it.
    """
    named = sorted(zone for zone in zones if zone.upper() != "SYSTEM")
    present = {str(name).lower() for (name,) in queries.rows("SELECT name FROM mysql.time_zone_name")}
    made = [zone for zone in named if zone.lower() not in present]
    for zone in made:
        queries.execute("INSERT INTO mysql.time_zone (use_leap_seconds) VALUES ('N')")
        number = int(queries.value("SELECT LAST_INSERT_ID()"))
        queries.execute("INSERT INTO mysql.time_zone_name VALUES (%s, %s)", zone, number)
        queries.execute("INSERT INTO mysql.time_zone_transition_type VALUES (%s, 0, 0, 0, 'UTC')", number)
    return [f"time zone {zone} (as UTC)" for zone in made]


def make(queries: Queries, definers: Iterable[tuple[str, str]], databases: Collection[str]) -> Sequence[str]:
    """Make those of these (name, host) that are not there, without a way to log in; give their labels.

    A definer without a host is a role of MariaDB's.
    """
    present = {(str(user), str(host)) for user, host in queries.rows("SELECT user, host FROM mysql.user")}
    made = []
    for user, host in sorted(set(definers) - present):
        account = f"{text(user)}@{text(host)}" if host else text(user)
        queries.execute(f"CREATE USER {account} ACCOUNT LOCK" if host else f"CREATE ROLE {account}")
        for database in databases:
            queries.execute(f"GRANT {_RIGHTS} ON {granted_database(database, patterns=True)}.* TO {account}")
        made.append(f"{user}@{host}" if host else user)
    return made
