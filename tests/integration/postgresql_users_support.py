"""Roles for the tests: of every kind, made by psql and compared by pg_dumpall."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg

from scripts.sample.clients import literal, quoted, run_sql
from tests.conftest import Get
from tests.integration.postgresql_support import connected
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.connector import PostgreSQLConnector
from vya_backupdb.engines.postgresql.engine import ENGINE
from vya_backupdb.model import Account, Finding, Fitted, Grant, Section, Severity
from vya_backupdb.scratch import ScratchServer

HOSTILE = (
    'quo"te',
    "apos'trophe",
    "semi;colon",
    "x; DROP ROLE victim; --",
    "back\\slash",
    "\\! touch /tmp/never",
    "new\nline\nDROP ROLE victim;",
    "-- comment",
    "/* open",
    "*/ close",
    "$$dollar$$",
    "$tag$",
    "x GRANTED BY y",
    '" GRANTED BY "y',
    "per%cent_and",
    "Größe 漢字 🐘",
    "UPPER",
    "set",
    "select",
    "with",
    "\ttab",
    " leading and trailing ",
    "\\.",
    "1digit",
    "'); SELECT 1; --",
)
"""Names, each of a role that can log in."""

PASSWORDS = {name: f"pass of {number} '\\ \"" for number, name in enumerate(HOSTILE)}

_KINDS = r"""
CREATE ROLE victim;
CREATE ROLE plain;
CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'boss';
CREATE ROLE maker CREATEROLE CREATEDB LOGIN PASSWORD 'maker';
CREATE ROLE walker REPLICATION BYPASSRLS NOINHERIT;
CREATE ROLE few CONNECTION LIMIT 3 LOGIN;
CREATE ROLE nobody_at_all CONNECTION LIMIT 0;
CREATE ROLE late VALID UNTIL '2031-02-03 04:05:06.5+02';
CREATE ROLE always VALID UNTIL 'infinity';
CREATE ROLE over VALID UNTIL '2001-02-03';
CREATE ROLE ancient VALID UNTIL '0099-02-03 04:05:06+00';
SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'old'; RESET password_encryption;
CREATE ROLE "told";
COMMENT ON ROLE told IS
    E'first\n--\n-- PostgreSQL database cluster dump complete\n--\n\\! ls\n\\.\nDROP ROLE victim;';
COMMENT ON ROLE plain IS E'it''s "quoted" \\ $$';
CREATE ROLE lists;
ALTER ROLE lists SET search_path = 'a b', public, 'x"y', '$user', 'com,ma', E'it''s';
ALTER ROLE lists SET session_preload_libraries = 'auto_explain', 'no_such';
ALTER ROLE lists SET temp_tablespaces = '';
CREATE ROLE emptied; ALTER ROLE emptied SET search_path = '';
CREATE ROLE sets LOGIN;
ALTER ROLE sets SET work_mem = '7MB';
ALTER ROLE sets SET app.tenant = E'it''s \\ ; a\nb -- c';
ALTER ROLE sets SET "App.Odd" = '';
ALTER ROLE sets SET statement_timeout = 90000;
ALTER ROLE sets SET datestyle = 'SQL, DMY';
ALTER ROLE sets SET role = 'boss';
ALTER ROLE sets SET TimeZone = 'Europe/Berlin';
CREATE ROLE here; ALTER ROLE here IN DATABASE postgres SET work_mem = '9MB';
CREATE ROLE g1; CREATE ROLE g2; CREATE ROLE g3; CREATE ROLE a_first; CREATE ROLE z_last;
GRANT plain TO z_last WITH ADMIN OPTION;
SET ROLE z_last; GRANT plain TO a_first WITH ADMIN OPTION; RESET ROLE;
SET ROLE a_first; GRANT plain TO g1; RESET ROLE;
GRANT told TO a_first WITH ADMIN OPTION;
SET ROLE a_first; GRANT told TO z_last; RESET ROLE;
GRANT pg_monitor, pg_execute_server_program TO g2;
GRANT pg_read_all_data TO g3 WITH ADMIN OPTION;
GRANT boss TO g3;
GRANT plain TO walker;
GRANT "x GRANTED BY y" TO g3;
GRANT SET ON PARAMETER log_statement TO g1;
GRANT SET, ALTER SYSTEM ON PARAMETER log_min_messages TO g2 WITH GRANT OPTION;
SET SESSION AUTHORIZATION g2; GRANT SET ON PARAMETER log_min_messages TO g3; RESET SESSION AUTHORIZATION;
GRANT SET ON PARAMETER app.secret TO g3;
"""

_OPTIONS = r"""
GRANT victim TO g1 WITH INHERIT FALSE;
GRANT victim TO g2 WITH SET FALSE;
GRANT victim TO g3 WITH INHERIT FALSE, SET FALSE, ADMIN TRUE;
GRANT plain TO g3 WITH INHERIT FALSE, SET FALSE;
GRANT told TO walker WITH INHERIT TRUE;
SET ROLE g3; GRANT victim TO z_last; RESET ROLE;
GRANT victim TO z_last WITH INHERIT FALSE;
"""
"""What PostgreSQL 16 and later have."""


def fill(server: ScratchServer) -> None:
    """Make the roles."""
    for name, password in PASSWORDS.items():
        secret = "E" + literal(password).replace("\\", "\\\\")
        run_sql(server, f"CREATE ROLE {quoted(server, name)} LOGIN PASSWORD {secret}")
    run_sql(server, _KINDS)
    if server.binaries.version_number >= (16,):
        run_sql(server, _OPTIONS)


def emptied(servers: Get, purpose: str) -> Iterator[ScratchServer]:
    """Give a server without any roles but its own, and leave it so: what a fixture is made of."""
    server = servers("postgresql", purpose)
    empty(server)
    yield server
    empty(server)


def empty(server: ScratchServer) -> None:
    """Drop all roles but the server's own."""
    run_sql(
        server,
        """
        SET client_min_messages = error;
        DO $$ DECLARE m record; BEGIN
            LOOP
                SELECT roleid::regrole r, member::regrole u, grantor::regrole g INTO m FROM pg_auth_members
                WHERE NOT (roleid < 16384 AND member < 16384) LIMIT 1;
                EXIT WHEN NOT FOUND;
                EXECUTE format('REVOKE %s FROM %s %s CASCADE', m.r, m.u,
                    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'GRANTED BY ' || m.g
                    ELSE '' END);
            END LOOP;
            FOR m IN SELECT oid::regrole r FROM pg_roles WHERE oid >= 16384 LOOP
                EXECUTE format('DROP OWNED BY %s CASCADE', m.r);
            END LOOP;
            FOR m IN SELECT oid::regrole r FROM pg_roles WHERE oid >= 16384 LOOP
                EXECUTE format('DROP ROLE %s', m.r);
            END LOOP;
        END $$""",
    )


_VOLATILE = re.compile(r"^(?:\\(?:un)?restrict .*|ALTER ROLE postgres WITH .*)\n", re.MULTILINE)


def dumpall(server: ScratchServer) -> str:
    """Give what pg_dumpall says of the roles, through the socket, where the superuser needs no password."""
    done = subprocess.run(
        [
            str(server.binaries.client_folder / "pg_dumpall"),
            "--roles-only",
            "--username=postgres",
            f"--host={server.socket}",
            f"--port={server.port}",
        ],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    return _VOLATILE.sub("", done.stdout.decode())


def backed_up(
    server: ScratchServer, credential: Credential | None = None, *, system: bool = False, **more: object
) -> tuple[list[Section], list[Finding]]:
    """Dump the roles; give the sections, and what a person should know."""
    with connected(server, credential, **more) as connector:
        script = connector.accounts().dump(system=system)
        return list(script), script.notes


def script_of(sections: Iterable[Section]) -> bytes:
    return b"".join(section.body for section in sections)


def read(sections: Iterable[Section]) -> dict[str, Account]:
    return {account.label: account for account in ENGINE.accounts(sections)}


def taken_out(fitted: Iterable[Fitted]) -> list[str]:
    return [finding.what for one in fitted for finding in one.findings]


def make(connector: PostgreSQLConnector, fitted: Sequence[Fitted]) -> None:
    """Make accounts as a restore does: all of them, then the grants in order."""
    accounts = connector.accounts()
    possible = [
        one.account
        for one in fitted
        if not any(finding.severity is Severity.FAULT for finding in one.findings)
    ]
    for account in possible:
        for statement in account.create:
            accounts.execute(statement)
    grants: list[Grant] = [grant for account in possible for grant in account.grants]
    for grant in sorted(grants, key=lambda grant: grant.depth):
        accounts.execute(grant.statement)


def restored(
    server: ScratchServer, sections: Iterable[Section], credential: Credential | None = None
) -> list[Fitted]:
    """Make all accounts of a script on a server."""
    with connected(server, credential) as connector:
        fitted = list(connector.accounts().fit(list(read(sections).values())))
        make(connector, fitted)
    return fitted


def differences(
    server: ScratchServer, accounts: Iterable[Account], credential: Credential | None = None
) -> list[tuple[str, object, object]]:
    """Compare accounts, once fitted, with those of a server as a restore does."""
    with connected(server, credential) as connector:
        fitted = [one.account for one in connector.accounts().fit(list(accounts))]
        there = {account.label: account for account in connector.accounts().present()}
    found: list[tuple[str, object, object]] = []
    for account in fitted:
        present = there.get(account.label)
        if present is None:
            found.append((account.label, account, None))
            continue
        found += [
            (account.label, ours, theirs)
            for ours, theirs in (
                (account.kind, present.kind),
                (account.properties, present.properties),
                (account.secrets, present.secrets),
                ({grant.what for grant in account.grants}, {grant.what for grant in present.grants}),
            )
            if ours != theirs
        ]
    return found


def psql(server: ScratchServer, script: bytes) -> None:
    """Execute a script as an administrator does."""
    subprocess.run(
        [
            str(server.binaries.client),
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(server.socket),
            "-p",
            str(server.port),
            "-U",
            "postgres",
            "-d",
            "postgres",
        ],
        input=script,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )


@contextmanager
def logged_in(
    server: ScratchServer, user: str, password: str
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(
        host=server.host, port=server.port, user=user, password=password, dbname="postgres"
    ) as connection:
        yield connection
