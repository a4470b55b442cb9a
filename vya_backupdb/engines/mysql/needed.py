"""What the account that backs up must be allowed: one list, for the preflight, `init` and docs/privileges.md.

Tests take each of these away on real servers, and a backup has to fail or to say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vya_backupdb.engines.account import BackupAccount, LoginKind, Need
from vya_backupdb.engines.mysql.quoting import text
from vya_backupdb.model import Flavour

Version = tuple[int, ...]

ON_DATABASES: Final = (
    Need(
        "SELECT",
        "reads rows and the definitions of tables; everywhere (`*.*`) also the bodies of routines, and in "
        "`mysql` the accounts with their hashes",
        "its tables cannot be dumped, and those without any privilege would be left out",
    ),
    Need("SHOW VIEW", "reads the definitions of views", "its views cannot be dumped"),
    Need("TRIGGER", "sees triggers", "its triggers would be left out"),
    Need("EVENT", "sees events", "its events cannot be dumped"),
)
"""Found by running the tools: without TRIGGER, and without sight of the routines, they end with status 0 and
a script that looks whole."""

LOCK_TABLES: Final = Need(
    "LOCK TABLES",
    "keeps tables still that no snapshot covers",
    "its tables that know no transactions cannot be dumped consistently",
    where="databases with tables that know no transactions (MyISAM ...)",
)

PASSWORD: Final = "<'password'>"  # noqa: S105
HOST: Final = "<'address'>"
"""Stand where something has to be put in; no server takes them."""


def positions(flavour: Flavour, version: Version) -> Need:
    """Give what SHOW MASTER STATUS needs, and SHOW REPLICA STATUS of MySQL."""
    renamed = flavour == "mariadb" and version >= (10, 5, 2)
    return Need(
        "BINLOG MONITOR" if renamed else "REPLICATION CLIENT",
        "reads the position in the binary log",
        "the position in the binary log cannot be read, and will be missing in the backups' records",
        where="servers with a binary log",
    )


def source_positions(flavour: Flavour, version: Version) -> Need | None:
    """Give what SHOW ALL SLAVES STATUS needs; None: no more than `positions`."""
    if flavour != "mariadb" or version < (10, 5, 9):
        return None
    return Need(
        "SLAVE MONITOR",
        "reads the position in the source's binary log",
        "the position in the source's binary log cannot be read, and will be missing in the backups' records",
        where="replicas",
    )


def routines(flavour: Flavour, version: Version) -> tuple[str, str]:
    """Give what shows the bodies of routines to whoever may not SELECT everywhere: privilege and place."""
    if flavour == "mariadb" or version < (8,):
        return "SELECT", "`mysql`.`proc`"
    # SHOW_ROUTINE came with 8.0.20; mysql.proc is gone
    return ("SHOW_ROUTINE" if version >= (8, 0, 20) else "SELECT"), "*.*"


def needed(flavour: Flavour, version: Version) -> tuple[Need, ...]:
    """Give what backups of all databases and of the users need, granted on `*.*`."""
    return (*ON_DATABASES, LOCK_TABLES, positions(flavour, version))


# ---------------------------------------------------------------------------- the account


def backup_account(
    flavour: Flavour, version: Version, name: str, *, login: LoginKind, client: str | None
) -> BackupAccount:
    """Give the SQL that makes the account; `client`: the address that it logs in from, if known.

    Both sockets' plugins take the user of the operating system whose name the account has (the manuals:
    "Socket Peer-Credential Pluggable Authentication", "Authentication Plugin - Unix Socket").
    """
    host = "localhost" if login == "socket" else client
    who = f"{text(name)}@{HOST if host is None else text(host)}"
    made = f"IDENTIFIED BY {PASSWORD}"
    remarks = []
    if login == "socket":
        made = "IDENTIFIED VIA unix_socket" if flavour == "mariadb" else "IDENTIFIED WITH auth_socket"
    if login == "socket" and flavour == "mysql":
        remarks.append("where auth_socket is not loaded: INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';")
    if of_replicas := source_positions(flavour, version):
        remarks.append(f"on a replica: {grant([of_replicas], who)};")
    return BackupAccount(
        login, (f"CREATE USER {who} {made}", grant(needed(flavour, version), who)), tuple(remarks)
    )


def grant(needs: Iterable[Need], who: str) -> str:
    """Give the statement that grants these everywhere."""
    return f"GRANT {', '.join(need.privilege for need in needs)} ON *.* TO {who}"
