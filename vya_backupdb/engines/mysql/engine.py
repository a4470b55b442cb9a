"""The engine `mysql`: MySQL and MariaDB."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.account import BackupAccount, Greeting, LoginKind
from vya_backupdb.engines.base import Engine
from vya_backupdb.engines.mysql import needed
from vya_backupdb.engines.mysql.connector import MySQLConnector
from vya_backupdb.engines.mysql.dump import driver, tools
from vya_backupdb.engines.mysql.dump.options import extra_options
from vya_backupdb.engines.mysql.facts import parse_version
from vya_backupdb.engines.mysql.greeting import greeting
from vya_backupdb.engines.mysql.restore.belonging import MySQLTables
from vya_backupdb.engines.mysql.restore.owners import ownerships
from vya_backupdb.engines.mysql.restore.restoring import statements
from vya_backupdb.engines.mysql.script.reader import MySQLScriptReader
from vya_backupdb.engines.mysql.users.script_reading import accounts_in
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

_NEWEST = (999,)


class MySQLEngine:
    """Engine of base.py for MySQL and MariaDB, two flavours that the server tells apart."""

    name: EngineName = "mysql"

    def greeting(self, channel: socket.socket, patience: float) -> Greeting | None:
        """Hear what answers; None: neither MySQL nor MariaDB. Raises OSError."""
        return greeting(channel, patience)

    def backup_account(
        self, server: Greeting, name: str, *, login: LoginKind, client: str | None
    ) -> BackupAccount:
        """Give the SQL that makes the account; of a server that does not say its version, as the newest."""
        version = parse_version(server.version)[2] if server.version else _NEWEST
        return needed.backup_account(server.flavour, version, name, login=login, client=client)

    def connect(self, instance: Instance, credential: Credential) -> MySQLConnector:
        """Connect and log in. Raises ConnectionFailed with one clear line."""
        return MySQLConnector(instance, credential)

    def find_tool(self, facts: ServerFacts, instance: Instance) -> DumpTool:
        """Choose the dump tool, and check the configured options for it.

        Raises DumpToolMissing, naming what was looked for and what to install; ConfigurationError.
        """
        tool = tools.find_tool(
            facts.flavour,
            facts.version_number,
            instance.id,
            instance.dump.tool,
            os.environ.get("PATH", os.defpath),
        )
        extra_options(instance.id, instance.dump.extra_options, tool)
        return tool

    def dump_command(
        self, plan: DumpPlan, tool: DumpTool, facts: ServerFacts, instance: Instance, credential: Credential
    ) -> AbstractContextManager[Command]:
        """Give the command that dumps one database to its stdout; its secrets live as long as the context."""
        return driver.dump_command(plan, tool, facts, instance, credential)

    def reader(self, *, from_tool: bool = False) -> ScriptReader:
        """Give a fresh reader for one script of either flavour's dump tool."""
        return MySQLScriptReader(from_tool=from_tool)

    def statements(self, section: Section) -> Iterator[Statement]:
        """Give every statement of a section, in order."""
        return statements(section)

    def tables(self, script: Iterable[Section]) -> MySQLTables:
        """Read the sections that hold no table's rows, and tell what belongs to which table."""
        return MySQLTables(script)

    def ownerships(self, section: Section, absent: Collection[str] = ()) -> Iterator[Ownership]:
        """Give what makes accounts the owners of things, and grants to roles of `absent`."""
        del absent  # no dump of a database grants anything here
        return ownerships(section)

    def accounts(self, script: Iterable[Section]) -> Sequence[Account]:
        """Read a script of accounts. Raises VerificationError for what is none."""
        return accounts_in(script)


ENGINE: Engine = MySQLEngine()
