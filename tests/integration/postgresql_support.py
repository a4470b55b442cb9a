"""What the tests of the PostgreSQL engine share."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from scripts.sample.clients import run_sql
from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.connector import PostgreSQLConnector
from vya_backupdb.engines.postgresql.engine import ENGINE
from vya_backupdb.model import Action, Finding, Section, SectionKind, Severity, Verdict
from vya_backupdb.scratch import ScratchServer


def instance_of(server: ScratchServer, **more: object) -> Instance:
    """Give the configuration of a server, by TCP unless `socket` is given."""
    place = {} if "socket" in more else {"host": server.host}
    keys = {"id": "pg", "engine": "postgresql", "port": server.port, **place, **more}
    if "dump" not in keys:
        keys["dump"] = {"tool": str(server.binaries.dump)}
    return Instance.model_validate(keys)


def superuser(server: ScratchServer) -> Credential:
    return Credential(server.superuser, SecretStr(server.password))


@contextmanager
def connected(
    server: ScratchServer, credential: Credential | None = None, **more: object
) -> Iterator[PostgreSQLConnector]:
    with PostgreSQLConnector(instance_of(server, **more), credential or superuser(server)) as connector:
        yield connector


@contextmanager
def role(server: ScratchServer, options: str = "", name: str | None = None) -> Iterator[Credential]:
    """Make a role that can log in, and drop it with all that it has."""
    name = name or f"r_{secrets.token_hex(4)}"
    password = secrets.token_hex(8)
    quoted = '"' + name.replace('"', '""') + '"'
    run_sql(server, f"CREATE ROLE {quoted} LOGIN PASSWORD '{password}' {options}")
    try:
        yield Credential(name, SecretStr(password))
    finally:
        databases = run_sql(
            server, "SELECT datname FROM pg_database WHERE datallowconn AND datconnlimit <> -2"
        ).splitlines()
        for database in databases:
            run_sql(
                server,
                f"SET default_transaction_read_only = off; REASSIGN OWNED BY {quoted} TO postgres;"
                f"DROP OWNED BY {quoted}",
                database,
            )
        run_sql(server, f"DROP ROLE {quoted}")


@dataclass(frozen=True)
class Dumped:
    status: int
    script: bytes
    stderr: list[tuple[Verdict, str]]
    argv: tuple[str, ...]


def dump(
    server: ScratchServer,
    database: str,
    credential: Credential | None = None,
    planner: Credential | None = None,
    **more: object,
) -> Dumped:
    """Dump with the command that the engine gives, planned by the same account or by another one."""
    credential = credential or superuser(server)
    instance = instance_of(server, **more)
    with PostgreSQLConnector(instance, planner or credential) as connector:
        plan = connector.plan(database)
        tool = ENGINE.find_tool(connector.facts, instance)
        with ENGINE.dump_command(plan, tool, connector.facts, instance, credential) as command:
            done = subprocess.run(
                command.argv,
                env=dict(command.environment),
                pass_fds=command.pass_fds,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            stderr = [(command.judge(line), line) for line in done.stderr.decode().splitlines()]
    return Dumped(done.returncode, done.stdout, stderr, command.argv)


def sections(script: bytes) -> list[Section]:
    reader = ENGINE.reader()
    return [*reader.feed(script), *reader.finish()]


def without_rows(script: bytes) -> Iterator[Section]:
    return (section for section in sections(script) if section.kind is not SectionKind.ROWS)


def load(connector: PostgreSQLConnector, database: str, script: bytes) -> dict[str, int]:
    """Execute a script in one session; give the rows taken by table."""
    rows: dict[str, int] = {}
    session = connector.session(database)
    try:
        for section in sections(script):
            taken = 0
            for statement in ENGINE.statements(section):
                assert statement.action is not Action.REFUSE, statement.reason
                if statement.action is not Action.SKIP:
                    taken += session.execute(statement)
            session.commit()
            if section.object is not None:
                rows[section.object] = rows.get(section.object, 0) + taken
    finally:
        session.close()
    return rows


def whats(findings: object) -> list[str]:
    """Give the texts of findings."""
    assert isinstance(findings, list | tuple)
    return [finding.what for finding in findings if isinstance(finding, Finding)]


def findings(server: ScratchServer, database: str, **more: object) -> list[Finding]:
    """Give what is found in a database before it is dumped: what stands in no dump's way."""
    with connected(server, **more) as connector:
        found = list(connector.plan(database).findings)
    assert {finding.severity for finding in found} <= {Severity.NOTE, Severity.WARNING}
    assert all(finding.object and finding.cure for finding in found)
    return found


def restored(server: ScratchServer, database: str, copy: str) -> None:
    """Dump a database and restore it into an empty one of the same server."""
    with connected(server) as connector:
        load(connector, copy, dump(server, database).script)


def both(server: ScratchServer, database: str, copy: str, query: str) -> tuple[str, str]:
    """Give the answers of a database and of its copy."""
    return run_sql(server, query, database).rstrip("\n"), run_sql(server, query, copy).rstrip("\n")
