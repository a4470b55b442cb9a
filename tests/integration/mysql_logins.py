"""Accounts that somebody logs in with: how they are made, how the login goes, and what it may do."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.sample.clients import run_sql
from tests.integration.mysql_certificates import Certificates
from tests.integration.mysql_support import sql_string
from tests.integration.mysql_users_support import empty
from vya_backupdb.scratch import ScratchServer

WORD = "pw 'it\"s` \\ \u00fc#;"
"""The password, unless an account has another."""

OBJECTS = """
CREATE DATABASE u_shop; CREATE DATABASE uxshop; CREATE DATABASE later_1;
CREATE TABLE u_shop.t (a INT PRIMARY KEY, b INT, c INT); INSERT INTO u_shop.t VALUES (1, 2, 3);
CREATE TABLE uxshop.t (a INT); CREATE TABLE later_1.t (a INT);
CREATE PROCEDURE u_shop.p() SELECT 'called';
CREATE FUNCTION u_shop.f() RETURNS INT DETERMINISTIC RETURN 7;
CREATE DEFINER = CURRENT_USER VIEW u_shop.v AS SELECT a FROM u_shop.t;
"""
_GONE = "DROP DATABASE IF EXISTS u_shop; DROP DATABASE IF EXISTS uxshop; DROP DATABASE IF EXISTS later_1"

PROBES = """
SELECT 'who', CURRENT_USER(), @@max_user_connections;
SELECT 'role', CURRENT_ROLE();
SELECT 'a', a FROM u_shop.t;
SELECT 'b', b FROM u_shop.t;
SELECT 'all', COUNT(*) FROM u_shop.t;
INSERT INTO u_shop.t (a, b) SELECT 9, 9 FROM DUAL WHERE 0;
UPDATE u_shop.t SET b = 1 WHERE a = -1;
UPDATE u_shop.t SET b = 1;
UPDATE u_shop.t SET b = 2;
DELETE FROM u_shop.t WHERE a = -1;
CREATE TABLE u_shop.made (i INT);
DROP TABLE u_shop.made;
CALL u_shop.p();
SELECT 'f', u_shop.f();
SHOW CREATE VIEW u_shop.v;
SELECT 'other', COUNT(*) FROM uxshop.t;
SELECT 'later', COUNT(*) FROM later_1.t;
FLUSH STATUS;
SHOW GRANTS FOR r1;
CREATE ROLE u_probe;
DROP ROLE u_probe;
GRANT SELECT ON u_shop.t TO sink;
GRANT EXECUTE ON FUNCTION u_shop.f TO sink;
GRANT r1 TO sink;
SET ROLE r1;
SELECT 'as r1', a FROM u_shop.t;
XA RECOVER;
SELECT 'limit', @@max_statement_time;
"""
"""One a line: what may be done is asked of the server by doing it, so that nothing stays."""


@dataclass(frozen=True)
class Login:
    """One account."""

    name: str
    host: str = "%"
    identified: str = ""
    """What makes it; empty: by the password."""
    more: str = ""
    """What follows: REQUIRE, WITH ..., options of passwords."""
    grants: str = ""
    """Statements with `@@` for the account."""
    password: str = WORD
    options: tuple[str, ...] = ()
    as_owner: bool = False
    """By the socket, as the owner of the server's files in the operating system."""
    may_log_in: bool = True
    user: str | None = None
    """Whom to log in as; None: its name."""

    @property
    def sql(self) -> str:
        return f"{sql_string(self.name)}@{sql_string(self.host)}"

    def script(self) -> Iterator[str]:
        made = self.identified or f"IDENTIFIED BY {sql_string(self.password)}"
        yield f"CREATE USER {self.sql} {made} {self.more}"
        if self.grants:
            yield self.grants.replace("@@", self.sql)


HOSTILE = "\u00e4 '\"`\\;-- /*x*/ #\n%"
_TLS = ("--ssl-cert={cert}", "--ssl-key={key}")

_BOTH = (
    Login("plain"),
    Login("here", "localhost"),
    Login("net", "127.0.0.0/255.0.0.0"),
    Login("address", "127.0.0.1"),
    Login("underscore", "localhos_"),
    Login("percent", "local%"),
    Login("", user="whoever", password="nobody"),
    Login("nopassword", identified=" ", password=""),
    Login(HOSTILE),
    Login("\u540d\u524d", password="\u5bc6\u7801 \u043f\u0430\u0440\u043e\u043b\u044c"),
    Login("a%b_c\\%"),
    Login("x" * 32),
    Login("delimiter ;;", password="y" * 200),
    Login("-- x", grants="GRANT SELECT (a) ON u_shop.t TO @@"),
    Login("tls", more="REQUIRE SSL"),
    Login("x509", more="REQUIRE X509", options=_TLS),
    Login("subject", more="REQUIRE SUBJECT '/CN=client' AND ISSUER '/CN=authority ca'", options=_TLS),
    Login("otherone", more="REQUIRE SUBJECT '/CN=other'", options=_TLS, may_log_in=False),
    Login("limits", more="WITH MAX_QUERIES_PER_HOUR 500 MAX_UPDATES_PER_HOUR 100 MAX_USER_CONNECTIONS 4"),
    Login("onceonly", more="WITH MAX_UPDATES_PER_HOUR 1", grants="GRANT UPDATE, SELECT ON u_shop.t TO @@"),
    Login("never", more="PASSWORD EXPIRE NEVER"),
    Login("ageing", more="PASSWORD EXPIRE INTERVAL 9 DAY"),
    Login("expired", more="PASSWORD EXPIRE", may_log_in=False),
    Login("locked", more="ACCOUNT LOCK", may_log_in=False),
    Login("admin", grants="GRANT ALL ON *.* TO @@ WITH GRANT OPTION"),
    Login("g_global", grants="GRANT SELECT, RELOAD ON *.* TO @@"),
    Login("g_users", grants="GRANT CREATE USER ON *.* TO @@"),
    Login("g_usage", grants="GRANT USAGE ON *.* TO @@ WITH GRANT OPTION"),
    Login("g_database", grants="GRANT ALL ON `u\\_shop`.* TO @@"),
    Login("g_passes", grants="GRANT SELECT, INSERT ON `u\\_shop`.* TO @@ WITH GRANT OPTION"),
    Login("g_pattern", grants="GRANT SELECT ON `u_shop`.* TO @@"),
    Login("g_percent", grants="GRANT SELECT ON `later%`.* TO @@"),
    Login("g_table", grants="GRANT SELECT, UPDATE (b) ON u_shop.t TO @@ WITH GRANT OPTION"),
    Login("g_deletes", grants="GRANT DELETE, SELECT (a), INSERT (a, b) ON u_shop.t TO @@"),
    Login("g_columns", grants="GRANT SELECT (b), UPDATE (b) ON u_shop.t TO @@"),
    Login("g_view", grants="GRANT SHOW VIEW, SELECT ON u_shop.v TO @@"),
    Login("g_procedure", grants="GRANT EXECUTE ON PROCEDURE u_shop.p TO @@"),
    Login("g_function", grants="GRANT EXECUTE ON FUNCTION u_shop.f TO @@ WITH GRANT OPTION"),
    Login("g_proxy", grants="GRANT PROXY ON here@localhost TO @@ WITH GRANT OPTION"),
    Login("m_none", grants="GRANT r1 TO @@"),
    Login("m_admin", grants="GRANT r1 TO @@ WITH ADMIN OPTION"),
    Login("m_nested", grants="GRANT r2 TO @@"),
    Login("m_hostile", grants="GRANT `r'4``\\;` TO @@"),
    Login("m_nothing", grants="GRANT r3 TO @@"),
)
_MYSQL = (
    Login("sha256", identified=f"IDENTIFIED WITH sha256_password BY {sql_string(WORD)}"),
    Login("rules", more="PASSWORD HISTORY 6 PASSWORD REUSE INTERVAL 7 DAY PASSWORD REQUIRE CURRENT OPTIONAL"),
    Login("attempts", more="FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED"),
    Login("comment", more="COMMENT 'it''s \\\\ a \"comment\"'"),
    Login("attribute", more='ATTRIBUTE \'{"a": {"b": "q\\\'x"}}\''),
    Login("dynamic", grants="GRANT XA_RECOVER_ADMIN ON *.* TO @@ WITH GRANT OPTION"),
    Login("m_default", grants="GRANT r1, r3 TO @@; SET DEFAULT ROLE r1, r3 TO @@"),
    Login("asrole", grants="GRANT SELECT ON later_1.* TO @@; GRANT @@ TO m_nothing"),
    Login("nologin", identified="IDENTIFIED WITH mysql_no_login", may_log_in=False),
)
_MARIADB = (
    Login("ed", identified=f"IDENTIFIED VIA ed25519 USING PASSWORD({sql_string(WORD)})"),
    Login(
        "either",
        identified="IDENTIFIED VIA ed25519 USING PASSWORD('x') OR mysql_native_password"
        f" USING PASSWORD({sql_string(WORD)}) OR unix_socket",
    ),
    Login("seconds", more="WITH MAX_STATEMENT_TIME 1.25"),
    Login("m_default", grants="GRANT r1 TO @@; SET DEFAULT ROLE r1 FOR @@"),
    Login("nobody", more="WITH MAX_USER_CONNECTIONS -1", may_log_in=False),
    Login("invalid", identified="IDENTIFIED VIA mysql_native_password USING 'invalid'", may_log_in=False),
    Login("setuser", grants="GRANT SET USER, CONNECTION ADMIN ON *.* TO @@"),
)


def logins(server: ScratchServer) -> list[Login]:
    """Give the accounts for a server."""
    owner = Path(server.socket).owner()
    if server.flavour == "mysql":
        socket = f"IDENTIFIED WITH auth_socket AS {sql_string(owner)}"
        both = f"IDENTIFIED BY {sql_string(WORD)} AND {socket}"
        return [
            *(*_BOTH, *_MYSQL),
            Login("socket", "localhost", socket, as_owner=True, password=""),
            Login("factors", "localhost", both, as_owner=True, options=("--password2=",)),
        ]
    socket = Login(owner, "localhost", "IDENTIFIED VIA unix_socket", as_owner=True, password="")
    found = [*_BOTH, *_MARIADB, socket]
    if _has_parsec(server):
        identified = f"IDENTIFIED VIA parsec USING PASSWORD({sql_string(WORD)})"
        found.append(Login("parsec", identified=identified))
    return found


def _has_parsec(server: ScratchServer) -> bool:
    return server.binaries.version_number >= (11, 6)


@contextmanager
def with_objects(server: ScratchServer, *, accounts: bool) -> Iterator[ScratchServer]:
    """A server with databases and plugins, with or without the accounts; empty again in the end."""
    empty(server)
    run_sql(server, _GONE + ";" + OBJECTS)
    if server.flavour == "mysql":
        run_sql(server, "SET GLOBAL partial_revokes = OFF")
        for plugin in ("mysql_no_login", "auth_socket"):
            run_sql(server, f"INSTALL PLUGIN {plugin} SONAME '{plugin}.so'")
    else:
        run_sql(server, "INSTALL SONAME 'auth_ed25519'")
        if _has_parsec(server):
            run_sql(server, "INSTALL SONAME 'auth_parsec'")
    try:
        if accounts:
            run_sql(server, ";\n".join(script(server)))
        yield server
    finally:
        empty(server)
        run_sql(server, _GONE)
        if _has_parsec(server):
            run_sql(server, "UNINSTALL SONAME 'auth_parsec'")


def script(server: ScratchServer) -> Iterator[str]:
    """Give the statements that make roles and accounts."""
    yield "CREATE ROLE r1, r2, r3, `r'4``\\;`"
    yield "GRANT SELECT ON u_shop.* TO r1"
    yield "GRANT r1 TO r2, `r'4``\\;`"
    yield f"CREATE USER sink IDENTIFIED BY {sql_string(WORD)} ACCOUNT LOCK"
    for login in logins(server):
        yield from login.script()
    if server.flavour == "mariadb":
        yield "GRANT SELECT ON later_1.t TO PUBLIC"


def outcome(server: ScratchServer, login: Login, certificates: Certificates, password: str) -> list[str]:
    """Log in with the server's own client and try everything; give the answers and the numbers of errors."""
    cert, key = certificates.pair("client")
    host = (f"--socket={server.socket}", "--protocol=socket")
    if not login.as_owner:
        host = (f"--host={server.host}", f"--port={server.port}", "--protocol=tcp")
    options = [option.format(cert=cert, key=key) for option in login.options]
    if server.flavour == "mariadb":
        options.append("--ssl-verify-server-cert=0")
        options.append("--ssl")
    given = "--password1" if "--password2=" in login.options else "--password"
    done = subprocess.run(
        [
            str(server.binaries.client),
            "--no-defaults",
            *host,
            f"--user={login.name if login.user is None else login.user}",
            f"{given}={password}",
            *options,
            *_plugins(server),
            "--default-character-set=utf8mb4",
            *("--batch", "--skip-column-names", "--force"),
        ],
        input=PROBES.encode(),
        capture_output=True,
        check=False,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        user=Path(server.socket).owner() if login.as_owner and os.getuid() == 0 else None,
    )
    errors = re.findall(r"^ERROR (\d+) .*?(at line \d+|$)", done.stderr.decode(), re.MULTILINE)
    return [*done.stdout.decode().splitlines(), *(" ".join(error).strip() for error in errors)]


def _plugins(server: ScratchServer) -> list[str]:
    """Give an unpacked MariaDB's client its plugins."""
    root = Path(server.binaries.client).parent.parent
    found = sorted(root.glob("lib/*/libmariadb3/plugin")) if server.flavour == "mariadb" else []
    return [f"--plugin-dir={found[0]}"] if found else []
