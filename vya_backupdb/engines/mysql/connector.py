"""The one open connection to an instance, and everything that is asked over it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Self

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql import listing
from vya_backupdb.engines.mysql.blockers import blockers
from vya_backupdb.engines.mysql.facts import server_facts
from vya_backupdb.engines.mysql.failures import PATIENCE, connection_failed
from vya_backupdb.engines.mysql.positions import is_replica, positions
from vya_backupdb.engines.mysql.preflight import plan as preflight
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.engines.mysql.restore import stand_ins, target, target_tables
from vya_backupdb.engines.mysql.restore.needs import needs_of, source_database
from vya_backupdb.engines.mysql.restore.proofs import MySQLProofs
from vya_backupdb.engines.mysql.restore.restoring import statements
from vya_backupdb.engines.mysql.restore.session import MySQLSession
from vya_backupdb.engines.mysql.users.accounts import MySQLAccounts
from vya_backupdb.errors import BackupError, NoAnswer, RestoreError, VyaBackupDBError
from vya_backupdb.log import get_logger
from vya_backupdb.model import (
    NOTHING_COMING,
    Coming,
    DatabaseDefinition,
    DatabaseInfo,
    DumpPlan,
    Finding,
    MySQLDefinition,
    Section,
    SectionKind,
    ServerFacts,
    Severity,
    Statement,
    Stillness,
)

log = get_logger(__name__)


class MySQLConnector:
    """Connector of base.py for MySQL and MariaDB."""

    def __init__(self, instance: Instance, credential: Credential) -> None:
        self._instance = instance
        self._credential = credential
        self._queries = Queries(instance, credential)
        try:
            self.facts = server_facts(self._queries)
            self._privileges = preflight.account_privileges(self._queries, self.facts)
            self._accounts = MySQLAccounts(self._queries, self.facts, self._privileges)
        except QueryError as error:
            # An account with an expired password may log in and do nothing.
            self._queries.close()
            raise connection_failed(instance, credential, error.__cause__ or error) from error
        except BaseException:
            self._queries.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._accounts.close()
        self._queries.close()

    # ------------------------------------------------------------------ backup

    def databases(self) -> Sequence[DatabaseInfo]:
        """All databases of users, in order of name."""
        with _refusals(BackupError):
            return listing.databases(self._queries)

    def examine_instance(self) -> Sequence[Finding]:
        """Say what the account lacks, whatever the database."""
        replica = is_replica(self._queries, self.facts)
        return preflight.examine_instance(self.facts, self._privileges, replica=replica)

    def plan(self, database: str) -> DumpPlan:
        """Make the preflight of one database. Raises BackupError where it is not there."""
        with _refusals(BackupError):
            return preflight.plan_dump(self._queries, self.facts, self._privileges, self._instance, database)

    def snapshot(self, plan: DumpPlan) -> AbstractContextManager[Stillness]:
        """Nothing: a table that is rebuilt after the tool's snapshot makes the dump fail (1412)."""
        return nullcontext(Stillness(plan))

    def positions(self) -> Mapping[str, str]:
        """Binlog file, position and GTID sets; on a replica also the source's."""
        with _refusals(BackupError):
            return positions(self._queries, self.facts)

    def blockers(self, database: str) -> Sequence[str]:
        """Name the sessions for whose locks on tables others wait."""
        with _refusals(BackupError), closing(Queries(self._instance, self._credential, PATIENCE)) as queries:
            return blockers(queries, self.facts, database)

    def answers(self) -> bool:
        """Whether another connection can be opened in time, or is refused."""
        try:
            Queries(self._instance, self._credential, PATIENCE).close()
        except NoAnswer:
            return False
        except VyaBackupDBError:
            return True
        return True

    # ------------------------------------------------------------------ restore

    def exists(self, database: str) -> bool:
        """Whether the database is there."""
        with _refusals(RestoreError):
            return listing.exists(self._queries, database)

    def contents(self, database: str) -> Sequence[str]:
        """Up to ten objects that make the database not empty."""
        with _refusals(RestoreError):
            return listing.contents(self._queries, self.facts, database)

    def object_counts(self, database: str) -> Mapping[str, int]:
        """Kind to number, as in DumpPlan."""
        with _refusals(RestoreError):
            return listing.object_counts(self._queries, self.facts, database)

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
        """Say what would go wrong with a backup on this server.

        `largest_statement`: bytes of the largest one among the rows, which `script` does not give.
        `stays` and `original` have no bearing: privileges are the same, and the script names the original.
        """
        del stays, original
        if definition is not None and not isinstance(definition, MySQLDefinition):
            return [Finding(Severity.FAULT, f"a backup of {definition.engine} cannot be restored into MySQL")]
        described = _Described(script)
        needs = needs_of(described.statements(), self.facts)
        needs.largest_statement = max(needs.largest_statement, described.largest, largest_statement)
        with _refusals(RestoreError):
            return target.examine(
                self._queries,
                self.facts,
                self._privileges,
                database,
                needs,
                definition,
                facts,
                described.source,
                coming,
                allow_references=allow_references,
            )

    def absent_roles(
        self, script: Iterator[Section], definition: DatabaseDefinition | None
    ) -> frozenset[str]:
        """None: no dump of a database grants anything, and definers may be missing."""
        return frozenset()

    def own(self, definition: DatabaseDefinition, absent_roles: Collection[str]) -> DatabaseDefinition:
        """Give the same: a database has no owner here."""
        return definition

    def missing(self, database: str, names: Collection[str]) -> frozenset[str]:
        """Give those of these tables and sequences that are not there."""
        with _refusals(RestoreError):
            return target_tables.missing(self._queries, self.facts, database, names)

    def examine_drop(self, database: str, tables: Collection[str]) -> Sequence[Finding]:
        """Say what is there under a table's name and is none."""
        with _refusals(RestoreError):
            return tuple(target_tables.examine_drop(self._queries, self.facts, database, tables))

    def drop_tables(self, database: str, tables: Collection[str]) -> None:
        """Drop these tables; foreign keys of others that refer to them stay. Raises RestoreError."""
        for statement in target_tables.drop_statements(database, tables):
            self._change(statement)

    def unmatched(self, database: str, tables: Collection[str]) -> Sequence[str]:
        """Count the rows that refer to nothing, from or to these tables."""
        with _refusals(RestoreError):
            return target_tables.unmatched(self._queries, self.facts, database, tables)

    def create(self, database: str, definition: DatabaseDefinition | None) -> None:
        """Create the database, empty. Raises RestoreError."""
        if definition is not None and not isinstance(definition, MySQLDefinition):
            raise RestoreError(f"{database}: its definition is one of {definition.engine}")
        self._change(listing.create_statement(self.facts, database, definition))

    def adopt(self, database: str, definition: DatabaseDefinition | None) -> None:
        """Give a database that is there and empty the definition's properties. Raises RestoreError."""
        if isinstance(definition, MySQLDefinition):
            self._change(listing.alter_statement(self.facts, database, definition))

    def drop(self, database: str) -> None:
        """Drop the database with all that is in it. Raises RestoreError."""
        if listing.is_system(database):
            raise RestoreError(f"{database} belongs to the server and is not dropped")
        self._change(f"DROP DATABASE {identifier(database)}")

    def session(self, database: str) -> MySQLSession:
        """Another connection, for executing a script in the database."""
        return MySQLSession(self._instance, self._credential, database)

    def complete(self, database: str, definition: DatabaseDefinition) -> None:
        """Nothing of a MySQL database stands in the way of a load, so all of it is there already."""

    # ------------------------------------------------------------------ drill

    def stand_in(
        self,
        script: Iterator[Section],
        definition: DatabaseDefinition | None,
        databases: Collection[str],
    ) -> Sequence[str]:
        """Make the definers that are not there, locked and with rights on these databases only, and zones."""
        zones: set[str] = set()
        needs = needs_of(stand_ins.noting_zones(_Described(script).statements(), zones), self.facts)
        with _refusals(RestoreError):
            return [
                *stand_ins.make(self._queries, needs.definers, databases),
                *stand_ins.make_zones(self._queries, zones),
            ]

    def proofs(self, database: str) -> MySQLProofs:
        """Another connection, for proving that a database came back."""
        return MySQLProofs(self._instance, self._credential, self.facts, database)

    # ------------------------------------------------------------------ accounts

    def accounts(self) -> MySQLAccounts:
        """Give the instance's users and roles."""
        return self._accounts

    def _change(self, statement: str) -> None:
        log.debug("executing", statement=statement)
        with _refusals(RestoreError):
            self._queries.execute(statement)


class _Described:
    """Reads a script's sections once, and remembers what is not in their statements."""

    def __init__(self, script: Iterator[Section]) -> None:
        self._script = script
        self.source: str | None = None
        self.largest = 0

    def statements(self) -> Iterator[tuple[SectionKind, Statement]]:
        for section in self._script:
            self.largest = max(self.largest, section.largest_statement)
            if section.kind is SectionKind.HEADER and self.source is None:
                self.source = source_database(section.body)
            for statement in statements(section):
                yield section.kind, statement


@contextmanager
def _refusals(kind: type[VyaBackupDBError]) -> Iterator[None]:
    """Turn what the server refuses into the error of the operation that asked."""
    try:
        yield
    except QueryError as error:
        raise kind(error.what) from error
