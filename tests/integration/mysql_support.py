"""Instances, accounts and dumps on the throw-away MySQL and MariaDB servers."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from scripts.sample.clients import ClientError, run_sql
from tests.conftest import NewDatabase
from tests.values import checksums
from vya_backupdb.config.models import Dump, Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.connector import MySQLConnector
from vya_backupdb.engines.mysql.engine import ENGINE
from vya_backupdb.model import Action, DumpPlan, Finding, Section, SectionKind, Severity, Statement
from vya_backupdb.scratch import ScratchServer
from vya_backupdb.streams.process import Command


def instance_of(server: ScratchServer, **keys: Any) -> Instance:
    """Give the server as an instance by TCP, with its own dump tool; `keys` override."""
    where: dict[str, Any] = {"host": server.host, "port": server.port}
    if "socket" in keys:
        where = {}
    return Instance(
        **{"id": "db1", "engine": "mysql", "dump": Dump(tool=server.binaries.dump), **where, **keys}
    )


def superuser(server: ScratchServer) -> Credential:
    return Credential(server.superuser, SecretStr(server.password))


def connected(server: ScratchServer, credential: Credential | None = None, **keys: Any) -> MySQLConnector:
    """Connect; use as a context manager."""
    return MySQLConnector(instance_of(server, **keys), credential or superuser(server))


def sql_string(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


@contextmanager
def account(
    server: ScratchServer, *grants: str, password: str = "secret word", host: str = "%"
) -> Iterator[Credential]:
    """Make an account with grants (`SELECT ON shop.*`), and drop it in the end."""
    name = f"u_{secrets.token_hex(4)}"
    run_sql(server, f"CREATE USER '{name}'@'{host}' IDENTIFIED BY {sql_string(password)}")
    try:
        for grant in grants:
            run_sql(server, f"GRANT {grant} TO '{name}'@'{host}'")
        yield Credential(name, SecretStr(password))
    finally:
        run_sql(server, f"DROP USER '{name}'@'{host}'")


def plan_of(server: ScratchServer, database: str, credential: Credential | None = None) -> DumpPlan:
    with connected(server, credential) as connector:
        return connector.plan(database)


def dumped(
    server: ScratchServer, database: str, credential: Credential | None = None, **keys: Any
) -> subprocess.CompletedProcess[bytes]:
    """Plan and run the dump as the product would, but for its streams."""
    instance = instance_of(server, **keys)
    credential = credential or superuser(server)
    with ENGINE.connect(instance, credential) as connector:
        plan = connector.plan(database)
        tool = ENGINE.find_tool(connector.facts, instance)
        with ENGINE.dump_command(plan, tool, connector.facts, instance, credential) as command:
            return run_command(command)


def run_command(command: Command) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command.argv,
        env=dict(command.environment),
        pass_fds=command.pass_fds,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def privilege_findings(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.PRIVILEGE]


def only_on(server: ScratchServer, flavour: str) -> None:
    if server.flavour != flavour:
        pytest.skip(f"{flavour} only")


def install_archive(server: ScratchServer) -> None:
    """Give a MariaDB server the engine ARCHIVE, which MySQL has."""
    try:
        run_sql(server, "INSTALL PLUGIN IF NOT EXISTS archive SONAME 'ha_archive'")
    except ClientError as error:
        pytest.skip(f"no engine ARCHIVE here: {error}")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def sections_of(script: bytes) -> list[Section]:
    reader = ENGINE.reader()
    return [*reader.feed(script), *reader.finish()]


def examined(
    server: ScratchServer, database: str, script: bytes, credential: Credential | None = None, **facts: Any
) -> list[Finding]:
    """What the preflight of a restore finds on a server."""
    wanted = [section for section in sections_of(script) if section.kind is not SectionKind.ROWS]
    with connected(server, credential) as connector:
        return list(
            connector.examine_target(
                database, facts.pop("definition", None), facts.pop("facts", None), iter(wanted), **facts
            )
        )


def restored(
    server: ScratchServer, database: str, script: bytes, credential: Credential | None = None
) -> None:
    """Execute a script in one session, in its order, events last."""
    with connected(server, credential) as connector:
        if not connector.exists(database):
            connector.create(database, None)
        session = connector.session(database)
    later: list[bytes] = []
    try:
        for section in sections_of(script):
            for statement in ENGINE.statements(section):
                assert statement.action is not Action.REFUSE, statement.reason
                if statement.action is Action.EXECUTE:
                    session.execute(statement)
                later += statement.later
            session.commit()
        for text in later:
            session.execute(Statement(text, 0))
    finally:
        session.close()


@dataclass(frozen=True)
class Trip:
    """How a database came through a backup and a restore under another name on the same server."""

    findings: tuple[Finding, ...]
    script: bytes
    same_values: bool
    same_objects: bool
    copy: str

    @property
    def named(self) -> dict[str | None, str]:
        """What was said beforehand of each object."""
        return {finding.object: finding.what for finding in self.findings}


def trip(server: ScratchServer, new_database: NewDatabase, sql: str) -> Trip:
    """Make a database, plan, dump, restore; raises what the restore raises."""
    database, copy = new_database(server), new_database(server)
    run_sql(server, sql, database)
    plan = plan_of(server, database)
    done = dumped(server, database)
    assert done.returncode == 0, done.stderr
    restored(server, copy, done.stdout)
    with connected(server) as connector:
        counts = connector.object_counts(copy)
    return Trip(
        plan.findings,
        done.stdout,
        checksums(server, copy) == checksums(server, database),
        counts == plan.object_counts,
        copy,
    )


@contextmanager
def account_while_writable(server: ScratchServer) -> Iterator[Credential]:
    """An account with all privileges on the database `r`, on a server that is read-only otherwise."""
    run_sql(server, "SET GLOBAL read_only = OFF")
    with account(server, "ALL ON r.*") as credential:
        run_sql(server, "SET GLOBAL read_only = ON")
        try:
            yield credential
        finally:
            run_sql(server, "SET GLOBAL read_only = OFF")
    run_sql(server, "SET GLOBAL read_only = ON")
