"""What every engine offers. The operations know engines only through these protocols."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, Self

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.account import BackupAccount, Greeting, LoginKind
from vya_backupdb.model import (
    NOTHING_COMING,
    Account,
    AccountScript,
    Answer,
    Coming,
    DatabaseDefinition,
    DatabaseInfo,
    DumpPlan,
    DumpTool,
    EngineName,
    Finding,
    Fitted,
    Ownership,
    Reference,
    ScriptReader,
    Section,
    ServerFacts,
    Span,
    Statement,
    Stillness,
)
from vya_backupdb.streams.process import Command


class ScriptTables(Protocol):
    """The tables of one script, and what of its sections belongs to each; names are as in Section.object."""

    names: Sequence[str]
    """In the order of the script."""
    references: Sequence[Reference]

    def meant(self, written: str) -> Sequence[str]:
        """Give the tables that a person may mean by a name: one, none, or several to choose from."""
        ...

    def whole(self, tables: Collection[str]) -> frozenset[str]:
        """Give these tables with those that hold their rows (partitions)."""
        ...

    def spans(
        self, section: Section, tables: Collection[str], absent: Collection[str] = ()
    ) -> Iterator[Span]:
        """Give what of a section belongs to these tables, in order: statements, and settings they need.

        `absent` are references' `other`s that the target has not: what needs them is left out, but
        their schemas are taken along. Of rows that are no table's, what sets an owned sequence is given.
        """
        ...


class Session(Protocol):
    """One connection that executes a script's statements in one database; never reconnects."""

    def execute(self, statement: Statement) -> int:
        """Execute and give the number of rows that the server says it took (0 where it does not say).

        Raises StatementFailed with the server's message.
        """
        ...

    def commit(self) -> None:
        """Make durable what was executed since the last commit; nothing to do where it already is."""
        ...

    def cancel(self) -> None:
        """Make a running statement end soon; called from another thread."""
        ...

    def close(self) -> None:
        """End the connection; uncommitted rows are lost. Never raises."""
        ...


class Accounts(Protocol):
    """The users and roles of the instance that a connector is connected to."""

    def dump(self, *, system: bool = False) -> AccountScript:
        """Dump all accounts; those that belong to the server itself only with `system`.

        Raises BackupError (as it is made or iterated) where an account, a secret or a grant cannot be read.
        """
        ...

    def present(self, labels: Collection[str] | None = None) -> Sequence[Account]:
        """Give the accounts that are there, the server's own included; with `labels` only those of them."""
        ...

    def fit(self, accounts: Sequence[Account]) -> Sequence[Fitted]:
        """Say of each account, in order, what of it this server can have. Changes nothing."""
        ...

    def alter(self, wanted: Account, present: Account) -> Sequence[bytes]:
        """Give the statements that make an account that is there be as it is wanted, grants included."""
        ...

    def execute(self, statement: bytes) -> None:
        """Execute one statement of an account. Neither logs nor repeats it: secrets stand in it.

        Raises MissingObject where what it grants on is not there (yet), else StatementFailed.
        """
        ...


class Proofs(Protocol):
    """Asks one database, over a connection of its own, what proves that it is as it was backed up.

    Every method raises ConnectionFailed where the connection is lost, and RestoreError.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *args: object) -> None: ...

    def row_counts(self, expected: Mapping[str, int]) -> Mapping[str, int]:
        """Count the rows of every table that a dump holds rows of.

        `expected`: those of the dump, whose names are taken; a count never depends on them but where the
        server has rows in a table that no dump of it holds.
        """
        ...

    def integrity(self) -> Sequence[Finding]:
        """Let the server check what it has stored. FAULT: that is damaged; WARNING: worth a word."""
        ...

    def ask(self, query: str, seconds: int) -> Answer:
        """Execute one query of the configuration, for so long at most."""
        ...


class Connector(Protocol):
    """The one open connection to an instance that all the queries of a run use.

    Every method raises ConnectionFailed where the connection is lost.
    """

    facts: ServerFacts

    def __enter__(self) -> Self: ...

    def __exit__(self, *args: object) -> None: ...

    def databases(self) -> Sequence[DatabaseInfo]:
        """All databases but the system's own, in order of name, before include and exclude patterns."""
        ...

    def examine_instance(self) -> Sequence[Finding]:
        """Say what the account lacks, and what is worth knowing, whatever the database."""
        ...

    def answers(self) -> bool:
        """Whether the server still answers at all, within seconds. For any thread; never raises."""
        ...

    def plan(self, database: str) -> DumpPlan:
        """Make the preflight of one database: its definition, object counts, and everything found."""
        ...

    def snapshot(self, plan: DumpPlan) -> AbstractContextManager[Stillness]:
        """Keep still what the dump tool's own snapshot does not.

        Raises DumpFailed.
        """
        ...

    def positions(self) -> Mapping[str, str]:
        """Binlog file, position and GTID set, or WAL position; on a replica also the source's."""
        ...

    def blockers(self, database: str) -> Sequence[str]:
        """Name the sessions whose locks others in the database wait for at this moment; () where none is.

        Asked over another connection, for the server may be frozen.
        """
        ...

    def exists(self, database: str) -> bool:
        """Whether the database is there."""
        ...

    def contents(self, database: str) -> Sequence[str]:
        """Up to ten objects that make the database not empty; () where it is empty."""
        ...

    def object_counts(self, database: str) -> Mapping[str, int]:
        """Kind to number, as in DumpPlan."""
        ...

    def examine_target(
        self,
        database: str,
        definition: DatabaseDefinition | None,
        facts: ServerFacts | None,
        script: Iterator[Section],
        largest_statement: int = 0,
        *,
        allow_references: bool = False,
        stays: bool = False,
        original: str | None = None,
        coming: Coming = NOTHING_COMING,
    ) -> Sequence[Finding]:
        """Say what would go wrong here with a backup of a database so defined, from such a server.

        `script` gives the sections of kind header, schema, post and footer; `largest_statement` is in
        bytes, those among the rows included; `definition` and `facts` are None for a plain dump without
        metadata. With `allow_references` it is only a warning that a copy under another name would act on
        the database that was dumped. `stays`: the database is there and keeps what it has.
        `original`: the database that was dumped, where the metadata tells it. What is `coming` is not missed.
        """
        ...

    def absent_roles(
        self, script: Iterator[Section], definition: DatabaseDefinition | None
    ) -> frozenset[str]:
        """Give the roles that a script and a definition name and the server has not."""
        ...

    def own(self, definition: DatabaseDefinition, absent_roles: Collection[str]) -> DatabaseDefinition:
        """Give the definition with the account as owner, and nothing granted to these roles."""
        ...

    def missing(self, database: str, names: Collection[str]) -> frozenset[str]:
        """Give those of a script's names (tables, and References' `other`) that the database has not."""
        ...

    def examine_drop(self, database: str, tables: Collection[str]) -> Sequence[Finding]:
        """Say what else would go, or stands in the way, if these tables were dropped."""
        ...

    def drop_tables(self, database: str, tables: Collection[str]) -> None:
        """Drop these tables and nothing else."""
        ...

    def unmatched(self, database: str, tables: Collection[str]) -> Sequence[str]:
        """Say which foreign keys from or to these tables and other ones have rows that refer to nothing.

        A server that checks them when they are made has none.
        """
        ...

    def create(self, database: str, definition: DatabaseDefinition | None) -> None:
        """Create the database, empty; without what stands in a load's way (see `complete`)."""
        ...

    def adopt(self, database: str, definition: DatabaseDefinition | None) -> None:
        """Give a database that is there and empty the properties that a load builds on."""
        ...

    def drop(self, database: str) -> None:
        """Drop the database with all that is in it."""
        ...

    def session(self, database: str) -> Session:
        """Another connection, for executing a script in the database."""
        ...

    def complete(self, database: str, definition: DatabaseDefinition) -> None:
        """Apply last what would stand in the way of a load: settings, ACL, connection limit, comment."""
        ...

    def stand_in(
        self,
        script: Iterator[Section],
        definition: DatabaseDefinition | None,
        databases: Collection[str],
    ) -> Sequence[str]:
        """Make on a throw-away server what a script and a definition name and it has not; give the names.

        That is owners, grantees and definers, who cannot log in and may do nothing outside of these
        databases, tablespaces and time zones.
        """
        ...

    def proofs(self, database: str) -> Proofs:
        """Another connection, for proving that a database came back."""
        ...

    def accounts(self) -> Accounts:
        """Give the instance's users and roles, to dump, compare and change them over this connection."""
        ...


class Engine(Protocol):
    """One kind of server: how to connect to it, dump it, and read its dump tool's scripts."""

    name: EngineName

    def greeting(self, channel: socket.socket, patience: float) -> Greeting | None:
        """Ask who answers on an open connection, without a login, for so many seconds; None: another.

        Raises OSError.
        """
        ...

    def backup_account(
        self, server: Greeting, name: str, *, login: LoginKind, client: str | None
    ) -> BackupAccount:
        """Give the SQL that makes the least privileged account for backups of all databases and users.

        `client`: the address that the server sees when it logs in, `localhost` for its socket; None: it is
        not known.
        """
        ...

    def connect(self, instance: Instance, credential: Credential) -> Connector:
        """Connect and log in. Raises ConnectionFailed with one clear line."""
        ...

    def find_tool(self, facts: ServerFacts, instance: Instance) -> DumpTool:
        """Choose the dump tool. Raises DumpToolMissing, naming what was looked for and what to install."""
        ...

    def dump_command(
        self, plan: DumpPlan, tool: DumpTool, facts: ServerFacts, instance: Instance, credential: Credential
    ) -> AbstractContextManager[Command]:
        """Give the command that dumps one database to its stdout; its secrets live as long as the context."""
        ...

    def reader(self, *, from_tool: bool = False) -> ScriptReader:
        """Give a fresh reader for one script of this engine's dump tool.

        `from_tool`: the tool is writing it, so that what it always does need not be verified for each row.
        """
        ...

    def statements(self, section: Section) -> Iterator[Statement]:
        """Give every statement of a section, in order; together they are the whole of it."""
        ...

    def tables(self, script: Iterable[Section]) -> ScriptTables:
        """Read the sections that hold no table's rows, and tell what belongs to which table."""
        ...

    def ownerships(self, section: Section, absent: Collection[str] = ()) -> Iterator[Ownership]:
        """Give what of a section makes accounts the owners of things, and what acts with their rights.

        Also its grants to roles of `absent`.
        """
        ...

    def accounts(self, script: Iterable[Section]) -> Sequence[Account]:
        """Read a script of accounts (see AccountScript), of any version and flavour of this engine.

        Raises VerificationError for what is none.
        """
        ...
