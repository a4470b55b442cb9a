"""Accounts of every kind on MySQL and MariaDB, and what the servers say of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from scripts.sample.clients import quoted, run_sql
from tests.integration.mysql_support import connected
from vya_backupdb.engines.base import Accounts
from vya_backupdb.engines.mysql.engine import ENGINE
from vya_backupdb.errors import MissingObject
from vya_backupdb.model import Account, Finding, Grant, Section
from vya_backupdb.scratch import ScratchServer

HOSTILE = "a'b`c\\ \"d;--/*\nDROP USER x;%_\u00e9"
_HOSTILE = HOSTILE.replace("\\", "\\\\").replace("'", "''")

OBJECTS = """
CREATE DATABASE u_shop;
CREATE TABLE u_shop.t (a INT, b INT, `c,``(x)` INT);
CREATE TABLE u_shop.`ON *.* TO` (a INT);
CREATE PROCEDURE u_shop.p() SELECT 1;
CREATE FUNCTION u_shop.f() RETURNS INT DETERMINISTIC RETURN 1;
"""

_BOTH = f"""
CREATE USER plain IDENTIFIED BY 'pw plain';
CREATE USER here@localhost IDENTIFIED BY 'pw here';
CREATE USER net@'192.168.0.0/255.255.0.0' IDENTIFIED BY 'x';
CREATE USER pattern@'%.ex_ample.com' IDENTIFIED BY 'x';
CREATE USER ''@'10.0.0.1';
CREATE USER ''@'some.host';
CREATE USER nopassword@localhost;
CREATE USER '{_HOSTILE}'@'h%' IDENTIFIED BY 'x';
CREATE USER 'delimiter x'@localhost IDENTIFIED BY 'x';
CREATE USER `\u540d\u524d`@localhost IDENTIFIED BY 'pw \u00fc';
CREATE USER locked@localhost IDENTIFIED BY 'x' ACCOUNT LOCK;
CREATE USER expired@localhost IDENTIFIED BY 'x' PASSWORD EXPIRE;
CREATE USER never@localhost IDENTIFIED BY 'x' PASSWORD EXPIRE NEVER;
CREATE USER ageing@localhost IDENTIFIED BY 'x' PASSWORD EXPIRE INTERVAL 9 DAY;
ALTER USER ageing@localhost PASSWORD EXPIRE;
CREATE USER tls@localhost IDENTIFIED BY 'x' REQUIRE SSL;
CREATE USER x509@localhost IDENTIFIED BY 'x' REQUIRE X509;
CREATE USER subject@localhost IDENTIFIED BY 'x'
  REQUIRE SUBJECT '/CN=o''s\\\\ "x"' AND ISSUER '/CN=i REQUIRE NONE' AND CIPHER 'c';
CREATE USER limits@localhost IDENTIFIED BY 'x' WITH MAX_QUERIES_PER_HOUR 1 MAX_UPDATES_PER_HOUR 2
  MAX_CONNECTIONS_PER_HOUR 3 MAX_USER_CONNECTIONS 4;
CREATE USER admin@localhost IDENTIFIED BY 'pw admin';
GRANT ALL ON *.* TO admin@localhost WITH GRANT OPTION;
CREATE USER g_global IDENTIFIED BY 'x';
GRANT SELECT, RELOAD ON *.* TO g_global;
CREATE USER g_usage IDENTIFIED BY 'x';
GRANT USAGE ON *.* TO g_usage WITH GRANT OPTION;
CREATE USER g_database IDENTIFIED BY 'x';
GRANT ALL ON u_shop.* TO g_database;
GRANT SELECT, INSERT ON `u\\_shop`.* TO g_database WITH GRANT OPTION;
GRANT SELECT ON `later_%`.* TO g_database;
CREATE USER g_table IDENTIFIED BY 'x';
GRANT SELECT, UPDATE (b) ON u_shop.t TO g_table WITH GRANT OPTION;
GRANT DELETE ON u_shop.`ON *.* TO` TO g_table;
CREATE USER g_column IDENTIFIED BY 'x';
GRANT SELECT (a, `c,``(x)`), INSERT (b) ON u_shop.t TO g_column;
CREATE USER g_routine IDENTIFIED BY 'x';
GRANT EXECUTE ON PROCEDURE u_shop.p TO g_routine;
GRANT EXECUTE, ALTER ROUTINE ON FUNCTION u_shop.f TO g_routine WITH GRANT OPTION;
CREATE USER g_proxy IDENTIFIED BY 'x';
GRANT PROXY ON here@localhost TO g_proxy WITH GRANT OPTION;
CREATE ROLE r1, r2, r3, `r'4``\\;`;
GRANT SELECT ON u_shop.* TO r1;
GRANT r1 TO r2;
GRANT r1 TO `r'4``\\;`;
CREATE USER m_one IDENTIFIED BY 'x', m_two IDENTIFIED BY 'x', m_three IDENTIFIED BY 'x';
GRANT r1 TO m_one;
GRANT r1 TO m_two WITH ADMIN OPTION;
GRANT `r'4``\\;` TO m_two WITH ADMIN OPTION;
GRANT r2 TO m_three;
GRANT r3 TO m_three;
"""

_MYSQL = """
CREATE ROLE r5@'10.%';
CREATE USER asrole IDENTIFIED BY 'pw asrole';
GRANT asrole TO m_three;
SET DEFAULT ROLE r2, r3 TO m_three;
CREATE USER sha256@localhost IDENTIFIED WITH sha256_password BY 'pw sha256';
CREATE USER nologin@localhost IDENTIFIED WITH mysql_no_login;
CREATE USER socket@localhost IDENTIFIED WITH auth_socket AS 'o''s';
CREATE USER factors@localhost IDENTIFIED BY 'x' AND IDENTIFIED WITH auth_socket AS 'o''s'
  AND IDENTIFIED WITH mysql_no_login;
CREATE USER rules@localhost IDENTIFIED BY 'x' PASSWORD HISTORY 6 PASSWORD REUSE INTERVAL 7 DAY
  PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED;
CREATE USER rules0@localhost IDENTIFIED BY 'x' PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY
  PASSWORD REQUIRE CURRENT FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2;
CREATE USER told@localhost IDENTIFIED BY 'x' COMMENT 'it''s \\\\ a "comment"';
CREATE USER attribute@localhost IDENTIFIED BY 'x' ATTRIBUTE '{"a": {"b": "q\\'x\\\\\\\\"}, "\u00e9": 1.0}';
CREATE USER dynamic IDENTIFIED BY 'x';
GRANT BACKUP_ADMIN ON *.* TO dynamic WITH GRANT OPTION;
GRANT CLONE_ADMIN, XA_RECOVER_ADMIN ON *.* TO dynamic;
CREATE USER partly IDENTIFIED BY 'x';
GRANT SELECT, INSERT ON *.* TO partly;
REVOKE INSERT ON u_shop.* FROM partly;
"""

_MARIADB = """
CREATE USER seconds@localhost IDENTIFIED BY 'x' WITH MAX_STATEMENT_TIME 1.25;
CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('pw ed');
CREATE USER several@localhost IDENTIFIED VIA ed25519 USING PASSWORD('x')
  OR mysql_native_password USING PASSWORD('pw several') OR unix_socket;
CREATE USER nativefirst@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('x') OR unix_socket;
CREATE USER socket@localhost IDENTIFIED VIA unix_socket;
CREATE USER nobody@localhost IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS -1;
CREATE USER pam@localhost IDENTIFIED VIA pam USING 'o''s \\\\ WITH GRANT OPTION';
CREATE USER invalid@localhost IDENTIFIED VIA mysql_native_password USING 'invalid';
CREATE USER lockedexpired@localhost IDENTIFIED VIA unix_socket ACCOUNT LOCK PASSWORD EXPIRE;
GRANT BINLOG ADMIN, READ_ONLY ADMIN ON *.* TO seconds@localhost WITH GRANT OPTION;
CREATE ROLE `PUBLIC x`, `of@host`;
SET DEFAULT ROLE r3 FOR m_three;
GRANT SELECT ON u_shop.t TO PUBLIC;
GRANT r3 TO PUBLIC;
"""

PASSWORDS = {
    "mysql": {
        "plain": "pw plain",
        "here": "pw here",
        "admin": "pw admin",
        "\u540d\u524d": "pw \u00fc",
        "asrole": "pw asrole",
        "sha256": "pw sha256",
    },
    "mariadb": {
        "plain": "pw plain",
        "here": "pw here",
        "admin": "pw admin",
        "\u540d\u524d": "pw \u00fc",
        "ed": "pw ed",
        "several": "pw several",
    },
}


def script(server: ScratchServer) -> str:
    """Give what makes all the accounts."""
    return _BOTH + (_MYSQL if server.flavour == "mysql" else _MARIADB)


@contextmanager
def prepared(server: ScratchServer, *, accounts: bool) -> Iterator[ScratchServer]:
    """A server with the objects and plugins, with or without the accounts; empty again in the end."""
    try:
        fill(server, accounts=accounts)
        yield server
    finally:
        empty(server)


def fill(server: ScratchServer, *, accounts: bool) -> None:
    """Make the objects and plugins, and with `accounts` these, and nothing else."""
    empty(server)
    run_sql(server, OBJECTS)
    if server.flavour == "mysql":
        run_sql(server, "SET GLOBAL partial_revokes = ON")
        for plugin in ("mysql_no_login", "auth_socket"):
            run_sql(server, f"INSTALL PLUGIN {plugin} SONAME '{plugin}.so'")
    else:
        run_sql(server, "INSTALL SONAME 'auth_ed25519'; INSTALL SONAME 'auth_pam'")
    if accounts:
        run_sql(server, script(server))


def empty(server: ScratchServer) -> None:
    """Drop all accounts but the server's own, and the objects."""
    with connected(server) as connector:
        for account in connector.accounts().present():
            if account.name in ("root", "mariadb.sys") or account.name.startswith("mysql."):
                continue
            if account.host is None and account.name == "PUBLIC":
                for statement in connector.accounts().alter(replace(account, grants=()), account):
                    connector.accounts().execute(statement)
        for account in connector.accounts().present():
            if account.name in ("root", "mariadb.sys", "PUBLIC") or account.name.startswith("mysql."):
                continue
            kind = "ROLE" if account.host is None else "USER"
            connector.accounts().execute(f"DROP {kind} {sql_name(server, account)}".encode())
    run_sql(server, "DROP DATABASE IF EXISTS u_shop")
    if server.flavour == "mysql":
        run_sql(server, "SET GLOBAL partial_revokes = OFF")
        active = run_sql(server, "SELECT plugin_name FROM information_schema.plugins").splitlines()
        for plugin in {"mysql_no_login", "auth_socket"} & set(active):
            run_sql(server, f"UNINSTALL PLUGIN {plugin}")
    else:
        run_sql(server, "UNINSTALL SONAME IF EXISTS 'auth_ed25519'; UNINSTALL SONAME IF EXISTS 'auth_pam'")


def sql_name(server: ScratchServer, account: Account) -> str:
    name = quoted(server, account.name)
    return name if account.host is None else f"{name}@{quoted(server, account.host)}"


def dump_of(server: ScratchServer, *, system: bool = False) -> tuple[list[Section], list[Finding]]:
    with connected(server) as connector:
        script = connector.accounts().dump(system=system)
        sections = list(script)
        return sections, script.notes


def accounts_of(server: ScratchServer) -> list[Account]:
    return list(ENGINE.accounts(dump_of(server)[0]))


def restore(server: ScratchServer, wanted: Sequence[Account]) -> tuple[list[Finding], list[Grant]]:
    """Make accounts on a server as the operations do; give what was found, and what is pending."""
    with connected(server) as connector:
        return restore_over(connector.accounts(), wanted)


def restore_over(accounts: Accounts, wanted: Sequence[Account]) -> tuple[list[Finding], list[Grant]]:
    """Do the same over a connection that is there."""
    pending = []
    fitted = accounts.fit(wanted)
    kept = [fit.account for fit in fitted if not any(f.severity == "fault" for f in fit.findings)]
    for account in kept:
        for statement in account.create:
            accounts.execute(statement)
    for account in kept:
        for grant in account.grants:
            try:
                accounts.execute(grant.statement)
            except MissingObject:
                pending.append(grant)
    return [finding for fit in fitted for finding in fit.findings], pending


def told(server: ScratchServer, accounts: Sequence[Account]) -> dict[str, list[str]]:
    """What the server itself says of each account."""
    said = {}
    for account in accounts:
        name = sql_name(server, account)
        public = account.host is None and account.name == "PUBLIC"
        asked = [f"SHOW GRANTS FOR {'PUBLIC' if public else name}"]
        if account.host is not None:
            asked.append(f"SHOW CREATE USER {name}")
        if server.flavour == "mysql":
            asked.insert(0, "SET print_identified_with_as_hex = 1")
        said[account.label] = sorted(run_sql(server, ";".join(asked)).splitlines())
    return said


def logs_in(server: ScratchServer, user: str, password: str) -> str:
    """Log in with the server's own client by the socket; give what is wrong, or an empty string."""
    done = subprocess.run(
        [
            str(server.binaries.client),
            "--no-defaults",
            f"--socket={server.socket}",
            f"--user={user}",
            f"--password={password}",
            "--execute=SELECT 1",
        ],
        capture_output=True,
        check=False,
        env={"LC_ALL": "C.UTF-8"},
    )
    return "" if done.returncode == 0 else done.stderr.decode(errors="replace")
