"""PostgreSQL as an engine of the operations."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.account import BackupAccount, Greeting, LoginKind
from vya_backupdb.engines.base import Connector, Engine
from vya_backupdb.engines.postgresql import needed, tools
from vya_backupdb.engines.postgresql.connector import PostgreSQLConnector
from vya_backupdb.engines.postgresql.dump import driver
from vya_backupdb.engines.postgresql.greeting import greeting
from vya_backupdb.engines.postgresql.restore.belonging import PostgreSQLTables
from vya_backupdb.engines.postgresql.restore.owners import ownerships
from vya_backupdb.engines.postgresql.script.reader import PostgreSQLScriptReader
from vya_backupdb.engines.postgresql.script.statements import statements
from vya_backupdb.engines.postgresql.users.script import accounts
from vya_backupdb.model import (
    Account,
    DumpPlan,
    DumpTool,
    EngineName,
    Ownership,
    ScriptReader,
    Section,
    ServerFacts,
    Statement,
)
from vya_backupdb.streams.process import Command


class PostgreSQLEngine:
    """Servers of PostgreSQL 13 to 18, and their pg_dump."""

    name: EngineName = "postgresql"

    def greeting(self, channel: socket.socket, patience: float) -> Greeting | None:
        """Ask what answers; None: no PostgreSQL. Raises OSError."""
        return greeting(channel, patience)

    def backup_account(
        self, server: Greeting, name: str, *, login: LoginKind, client: str | None
    ) -> BackupAccount:
        """Give the SQL that makes the role."""
        del server  # it does not say its version
        return needed.backup_account(name, login=login, client=client)

    def connect(self, instance: Instance, credential: Credential) -> Connector:
        """Connect to the maintenance database. Raises ConnectionFailed with one clear line."""
        return PostgreSQLConnector(instance, credential)

    def find_tool(self, facts: ServerFacts, instance: Instance) -> DumpTool:
        """Find the pg_dump for a server. Raises DumpToolMissing, ConfigurationError."""
        driver.check_extra_options(instance)
        return tools.find_tool(facts, instance)

    def dump_command(
        self, plan: DumpPlan, tool: DumpTool, facts: ServerFacts, instance: Instance, credential: Credential
    ) -> AbstractContextManager[Command]:
        """Give the command that dumps one database to its stdout."""
        del facts  # all that matters of the server is in the plan and in the choice of the tool
        return driver.dump_command(plan, tool, instance, credential)

    def reader(self, *, from_tool: bool = False) -> ScriptReader:
        """Give a fresh reader for one script of pg_dump."""
        return PostgreSQLScriptReader()

    def statements(self, section: Section) -> Iterator[Statement]:
        """Give every statement of a section."""
        return statements(section)

    def tables(self, script: Iterable[Section]) -> PostgreSQLTables:
        """Read the sections that hold no table's rows, and tell what belongs to which table."""
        return PostgreSQLTables(script)

    def ownerships(self, section: Section, absent: Collection[str] = ()) -> Iterator[Ownership]:
        """Give what makes accounts the owners of things, and grants to roles of `absent`."""
        return ownerships(section, absent)

    def accounts(self, script: Iterable[Section]) -> list[Account]:
        """Read a script of roles. Raises VerificationError for what is none."""
        return accounts(script)


ENGINE: Engine = PostgreSQLEngine()
