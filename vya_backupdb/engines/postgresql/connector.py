"""One PostgreSQL instance, as the operations see it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Self

import psycopg
from psycopg import sql

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql import acl, objects
from vya_backupdb.engines.postgresql import definition as definitions
from vya_backupdb.engines.postgresql.activity import blockers, connected
from vya_backupdb.engines.postgresql.connection import CONNECT_TIMEOUT, Connection, connect
from vya_backupdb.engines.postgresql.connections import OURS, Connections
from vya_backupdb.engines.postgresql.dump.snapshot import Snapshot
from vya_backupdb.engines.postgresql.failures import one_line
from vya_backupdb.engines.postgresql.listing import databases, server_facts
from vya_backupdb.engines.postgresql.positions import positions
from vya_backupdb.engines.postgresql.preflight import plan as preflight
from vya_backupdb.engines.postgresql.preflight.filters import filtered
from vya_backupdb.engines.postgresql.privileges import Unreadable, unreadable
from vya_backupdb.engines.postgresql.restore import stand_ins, target, target_tables
from vya_backupdb.engines.postgresql.restore.completion import complete
from vya_backupdb.engines.postgresql.restore.needs import needs
from vya_backupdb.engines.postgresql.restore.proofs import PostgreSQLProofs
from vya_backupdb.engines.postgresql.restore.requirements import requirements
from vya_backupdb.engines.postgresql.restore.session import PostgreSQLSession
from vya_backupdb.engines.postgresql.users.accounts import PostgreSQLAccounts
from vya_backupdb.errors import (
    BackupError,
    ConnectionFailed,
    DumpFailed,
    NoAnswer,
    Refused,
    RestoreError,
    VyaBackupDBError,
)
from vya_backupdb.model import (
    NOTHING_COMING,
    Coming,
    DatabaseDefinition,
    DatabaseInfo,
    DumpPlan,
    Finding,
    LeftOut,
    PostgreSQLDefinition,
    Section,
    ServerFacts,
    Stillness,
)


class PostgreSQLConnector:
    """What a run asks of an instance and does to it; each query is in the module of its subject."""

    def __init__(self, instance: Instance, credential: Credential) -> None:
        """Connect. Raises ConnectionFailed with one clear line."""
        self._instance = instance
        self._credential = credential
        self._connections = Connections(instance, credential)
        self._in, self._errors = self._connections.within, self._connections.errors
        try:
            with self._errors(BackupError, "the server's facts cannot be read"):
                self.facts = server_facts(self._main)
            if self.facts.version_number[0] < preflight.OLDEST:
                raise ConnectionFailed(
                    f"{self._connections.where}: PostgreSQL {self.facts.version} is not supported",
                    cure=f"upgrade the server to {preflight.OLDEST} or later",
                )
        except BaseException:
            self._connections.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._connections.close()

    # ------------------------------------------------------------------ what is there

    def databases(self) -> Sequence[DatabaseInfo]:
        """Give all databases but template0 and template1; their sizes include indexes."""
        with self._errors(BackupError, "the databases cannot be listed"):
            return databases(self._main)

    def examine_instance(self) -> Sequence[Finding]:
        """Give what the account lacks, and what is worth knowing, whatever the database."""
        with self._errors(BackupError, "the instance cannot be examined"):
            return tuple(map(preflight.shown, preflight.instance_findings(self._main, self.facts)))

    def exists(self, database: str) -> bool:
        """Whether the database is there."""
        with self._errors(RestoreError, f"whether {database} exists cannot be told"):
            query = "SELECT FROM pg_catalog.pg_database WHERE datname = %s"
            return self._main.execute(query, [database]).fetchone() is not None

    def contents(self, database: str) -> Sequence[str]:
        """Give up to ten objects that make the database not empty."""
        with self._errors(RestoreError, f"the contents of {database} cannot be read"):
            return objects.first_objects(self._in(database))

    def object_counts(self, database: str) -> Mapping[str, int]:
        """Give the number of objects by kind."""
        with self._errors(RestoreError, f"the objects of {database} cannot be counted"):
            return objects.object_counts(self._in(database))

    def positions(self) -> Mapping[str, str]:
        """Give the WAL position, the timeline, and on a standby how far replay is."""
        with self._errors(BackupError, "the WAL position cannot be read"):
            return positions(self._main)

    def blockers(self, database: str) -> Sequence[str]:
        """Name the sessions for whose locks others wait."""
        with (
            self._errors(BackupError, "the locks cannot be read"),
            self._connections.another() as connection,
        ):
            connection.patience = CONNECT_TIMEOUT  # they may be asked of a server that hangs
            return blockers(connection, database)

    def answers(self) -> bool:
        """Whether another connection can be opened in time, or is refused."""
        try:
            self._connections.another().close()
        except NoAnswer:
            return False
        except (VyaBackupDBError, psycopg.Error):
            return True
        return True

    # ------------------------------------------------------------------ before a dump

    def plan(self, database: str) -> DumpPlan:
        """Make the preflight of one database. Raises BackupError where it cannot be made."""
        with self._errors(BackupError, f"{database} cannot be examined"):
            connection = self._in(database)
            found = definitions.read(connection)
            partial = self._instance.allow_partial
            chosen = filtered(connection, self._instance.tables)
            hidden = (
                Unreadable()
                if self._is_superuser
                else unreadable(
                    connection,
                    self.facts.account,
                    allow_partial=partial,
                    excluded=chosen.relations,
                    without_rows=chosen.bare,
                )
            )
            findings = (
                *preflight.definition_findings(found),
                *chosen.findings,
                *hidden.findings,
                *preflight.database_findings(connection, self.facts),
            )
            if not partial:
                hidden = Unreadable()
            counts = objects.object_counts(connection, [*chosen.relations, *hidden.relations])
        return DumpPlan(
            database=database,
            definition=found,
            findings=tuple(map(preflight.shown, findings)),
            object_counts={kind: number for kind, number in counts.items() if kind not in hidden.kinds},
            tool_options=tuple(dict.fromkeys([*chosen.options, *hidden.options])),
            left_out=LeftOut(
                tuple(sorted({one_line(name) for name in (*chosen.tables, *hidden.names)})),
                tuple(sorted({one_line(name) for name in chosen.rows} - set(hidden.names))),
            ),
        )

    @contextmanager
    def snapshot(self, plan: DumpPlan) -> Iterator[Stillness]:
        """Lock the tables before the snapshot is taken. Raises DumpFailed where one stays locked."""
        with self._errors(DumpFailed, f"{plan.database}: the tables cannot be locked"):
            taken = Snapshot(self._in(plan.database), plan, self._instance)

        def begun() -> None:
            with self._errors(DumpFailed, f"{plan.database}: it is not known whether its tables stayed"):
                taken.begun()

        with closing(taken):
            yield Stillness(
                replace(plan, tool_options=(*plan.tool_options, f"--snapshot={taken.name}")), begun
            )

    # ------------------------------------------------------------------ restoring

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
        """Give everything that would go wrong on this server, all at once.

        `largest_statement` has no bearing here: rows go through COPY, which has no packet limit to set.
        What connects to the database that was dumped is a fault in a copy, unless `allow_references`.
        """
        wanted = _as_ours(definition)
        needed = needs(script)
        is_empty = self.exists(database) and not self.contents(database)
        with self._errors(RestoreError, "the target cannot be examined"):
            present = definitions.read(self._in(database)) if is_empty else None
            found = [
                *target.examine(
                    self._main,
                    self.facts,
                    database,
                    wanted,
                    facts,
                    needed,
                    present=present,
                    stays=stays,
                    coming=coming.accounts,
                )
            ]
            if original is not None and original != database:
                found += target.examine_references(original, needed, allowed=allow_references)
            if stays and not self._is_superuser:
                found += target.examine_schemas(self._in(database), self.facts.account, needed)
            return tuple(map(preflight.shown, found))

    def absent_roles(
        self, script: Iterator[Section], definition: DatabaseDefinition | None
    ) -> frozenset[str]:
        """Give the roles that a script and a definition name and the server has not."""
        wanted = _as_ours(definition)
        named = requirements(script).roles | acl.roles(wanted.acl or () if wanted else ())
        with self._errors(RestoreError, "the roles cannot be read"):
            return frozenset(target.missing_roles(self._main, named))

    def own(self, definition: DatabaseDefinition, absent_roles: Collection[str]) -> DatabaseDefinition:
        """Give the definition with the account as owner, and nothing granted to these roles."""
        wanted = _as_ours(definition)
        return definition if wanted is None else definitions.owned(wanted, self.facts.account, absent_roles)

    def missing(self, database: str, names: Collection[str]) -> frozenset[str]:
        """Give those of a script's names that the database has not."""
        if not self.exists(database):
            return frozenset(names) - target_tables.IN_A_NEW_DATABASE
        with self._errors(RestoreError, f"the objects of {database} cannot be read"):
            return target_tables.missing(self._in(database), names)

    def examine_drop(self, database: str, tables: Collection[str]) -> Sequence[Finding]:
        """Say what else would go, or stands in the way, if these tables were dropped."""
        with self._errors(RestoreError, f"the objects of {database} cannot be read"):
            return tuple(map(preflight.shown, target_tables.examine_drop(self._in(database), tables)))

    def drop_tables(self, database: str, tables: Collection[str]) -> None:
        """Drop these tables and nothing else. Raises Refused where the server would have to."""
        with self._errors(Refused, f"the tables of {database} cannot be dropped"):
            self._in(database).execute(target_tables.drop_statement(tables))

    def unmatched(self, database: str, tables: Collection[str]) -> Sequence[str]:
        """None: the server checks the rows when it makes a foreign key."""
        return ()

    def create(self, database: str, definition: DatabaseDefinition | None) -> None:
        """Create the database from template0; `complete` gives it what would stand in a load's way.

        Raises Refused where the server does not take the definition.
        """
        wanted = _as_ours(definition)
        self._connections.leave(database)
        version = self._main.info.server_version
        if wanted is not None and version < definitions.PROVIDER_SINCE.get(wanted.locale_provider, 0):
            raise Refused(
                f"{self._connections.where}: PostgreSQL {self.facts.version} knows no database with the "
                f"locale provider {wanted.locale_provider}, which {database} has",
                cure="restore onto a newer server, or create an empty database with another locale first",
            )
        with self._errors(Refused, f"database {database} cannot be created"):
            self._main.execute(definitions.creation(database, wanted, version))
        self.adopt(database, definition)

    def adopt(self, database: str, definition: DatabaseDefinition | None) -> None:
        """Make the settings that a load needs. `complete` does the rest; `examine_target` refuses others."""
        wanted = _as_ours(definition)
        for setting in definitions.needed_for_the_load(wanted) if wanted else ():
            # `complete` makes all settings again, and says which ones cannot be made
            with suppress(psycopg.errors.DatabaseError):
                self._main.execute(definitions.setting_statement(database, setting))

    def drop(self, database: str) -> None:
        """Drop the database. Raises Refused, naming them, where others are connected to it."""
        self._connections.leave(database)
        with self._errors(Refused, f"database {database} cannot be dropped"):
            if others := connected(self._main, database):
                raise Refused(
                    f"{self._connections.where}: database {database} is in use by {preflight.listed(others)}",
                    cure="end these sessions first",
                )
            name = sql.Identifier(database)
            self._main.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(name))
            self._main.execute(sql.SQL("DROP DATABASE {}").format(name))

    def session(self, database: str) -> PostgreSQLSession:
        """Open another connection, for executing a script in the database."""
        connection = connect(self._instance, self._credential, database, application=f"{OURS} restore")
        return PostgreSQLSession(connection, database)

    def complete(self, database: str, definition: DatabaseDefinition) -> None:
        """Give the loaded database its comment, labels, privileges, settings and limits.

        Raises RestoreError with all that the server refused, after the rest was done.
        """
        wanted = _as_ours(definition)
        if wanted is None:
            return
        with self._errors(RestoreError, f"the definition of {database} cannot be completed"):
            # connected before the connection limit and the privileges are back
            refused = complete(self._main, self._in(database), database, wanted)
        if refused:
            raise RestoreError(
                f"{database}: everything is loaded, but {len(refused)} properties of the database itself "
                f"are not set: {'; '.join(refused)}",
                cure="mend the cause and execute them, or restore again with --drop",
            )

    # ------------------------------------------------------------------ drill

    def stand_in(
        self,
        script: Iterator[Section],
        definition: DatabaseDefinition | None,
        databases: Collection[str],
    ) -> Sequence[str]:
        """Make the roles and tablespaces that are not there."""
        with self._errors(RestoreError, "roles cannot be made"):
            return stand_ins.make(self._main, requirements(script), _as_ours(definition))

    def proofs(self, database: str) -> PostgreSQLProofs:
        """Open another connection, for proving that a database came back."""
        return PostgreSQLProofs(self._instance, self._credential, database)

    def accounts(self) -> PostgreSQLAccounts:
        """Give the instance's roles, over this connection."""
        return PostgreSQLAccounts(
            lambda: self._main, self._errors, self.facts, self._instance, self._credential
        )

    @property
    def _main(self) -> Connection:
        return self._connections.main

    @property
    def _is_superuser(self) -> bool:
        return self.facts.settings["superuser"] == "on"


def _as_ours(definition: DatabaseDefinition | None) -> PostgreSQLDefinition | None:
    if definition is not None and not isinstance(definition, PostgreSQLDefinition):
        raise Refused("a MySQL or MariaDB database cannot be made on a PostgreSQL server")
    return definition
