"""Accounts in place of those that a throw-away server has not: what they define must work nevertheless."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import granted_database, text

_RIGHTS = "SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, SHOW VIEW"
"""On the databases that are restored, and none on the server: whoever could write a view at home could act
with the rights of its definer here."""


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
