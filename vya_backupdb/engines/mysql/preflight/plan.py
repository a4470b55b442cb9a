"""What is found before a dump: missing privileges, and what the dump tools choke on or lose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from vya_backupdb.config.models import Instance
from vya_backupdb.engines.mysql import listing
from vya_backupdb.engines.mysql.facts import is_mariadb, on
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.needed import LOCK_TABLES, ON_DATABASES, positions, source_positions
from vya_backupdb.engines.mysql.preflight.hostile import histogram_options, hostile_objects
from vya_backupdb.engines.mysql.preflight.losses import changed_values
from vya_backupdb.engines.mysql.preflight.partial import leave_out
from vya_backupdb.engines.mysql.preflight.routines import routines_finding, sees_routines
from vya_backupdb.engines.mysql.preflight.spatial import reference_systems
from vya_backupdb.engines.mysql.privileges import Privileges, parse_grants
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.model import DumpPlan, Finding, ServerFacts, Severity

_REMOTE_ENGINES: Final = frozenset({"mrg_myisam", "federated", "federatedx", "connect", "spider", "oqgraph"})
"""Their rows live elsewhere; mariadb-dump (--no-data-med) and mysqldump leave rows of most of them out."""


def account_privileges(queries: Queries, facts: ServerFacts) -> Privileges:
    """Ask for the grants of the session. Raises ConnectionFailed."""
    lines = [str(line) for (line,) in queries.rows("SHOW GRANTS")]
    roles = not is_mariadb(facts) and facts.version_number >= (8,)
    active = queries.value("SELECT CURRENT_ROLE()") if roles else "NONE"
    name, _, host = facts.account.rpartition("@")
    return Privileges(
        account=f"{_quoted(name)}@{_quoted(host)}",
        grants=parse_grants(lines),
        patterns=not on(facts, "partial_revokes"),
        merged_roles=active not in (None, "NONE"),
        fold_case=facts.settings.get("lower_case_table_names", "0") != "0",
    )


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


# ---------------------------------------------------------------------------- the instance


def examine_instance(facts: ServerFacts, privileges: Privileges, *, replica: bool = False) -> list[Finding]:
    """Say what the account cannot do, whatever the database; `replica`: the server is one."""
    findings = []
    if not any(
        grant.database is None and grant.privileges - {"USAGE", "PROCESS", "RELOAD"}
        for grant in privileges.grants
    ):
        findings.append(
            Finding(
                Severity.WARNING,
                "databases on which the account has no privilege are invisible to it, and not backed up",
                cure=privileges.mend(["SHOW DATABASES"], None),
            )
        )
    of_positions = [positions(facts.flavour, facts.version_number)] if on(facts, "log_bin") else []
    if replica and (of_source := source_positions(facts.flavour, facts.version_number)):
        of_positions.append(of_source)
    for need in of_positions:
        if not privileges.everywhere(need.privilege) and not privileges.everywhere("SUPER"):
            cure = privileges.mend([need.privilege], None)
            findings.append(Finding(Severity.WARNING, need.loss, cure=cure))
    if not sees_routines(facts, privileges, None):
        findings.append(routines_finding(facts, privileges, None))
    return findings


# ---------------------------------------------------------------------------- one database


def plan_dump(
    queries: Queries,
    facts: ServerFacts,
    privileges: Privileges,
    instance: Instance,
    database: str,
) -> DumpPlan:
    """Make the preflight of one database: what its instance leaves out, and all that stands in the way.

    Raises BackupError where the database is not there.
    """
    definition = listing.definition(queries, facts, database)
    tables = listing.tables(queries, database)
    counts = Counter(listing.object_counts(queries, facts, database))
    omitted = leave_out(queries, facts, privileges, instance, database, tables)
    tables = [table for table in tables if table.name not in omitted.tables]
    counts -= omitted.counts
    with_rows = [table for table in tables if table.name not in omitted.rows]
    locked = _not_transactional(queries, with_rows)
    findings = [
        *_missing_privileges(facts, privileges, database, tables, locked=bool(locked)),
        *omitted.findings,
        *_unlike_transactions(locked),
        *_rows_elsewhere(with_rows),
        *hostile_objects(queries, facts, database, tables),
        *reference_systems(queries, facts, database, tables),
        *changed_values(queries, facts, database, with_rows),
    ]
    if listing.is_read_only(queries, facts, database):
        findings.append(
            Finding(
                Severity.WARNING,
                "the database is READ ONLY, which no dump says: a restored one can be written to",
                object=database,
            )
        )
    return DumpPlan(
        database=database,
        definition=definition,
        findings=tuple(findings),
        consistency="locked" if locked else "snapshot",
        object_counts=dict(counts),
        tool_options=(*omitted.options, *histogram_options(queries, facts, database)),
        left_out=omitted.as_recorded(),
    )


def _missing_privileges(
    facts: ServerFacts,
    privileges: Privileges,
    database: str,
    tables: Sequence[listing.Table],
    *,
    locked: bool,
) -> Iterator[Finding]:
    """Name what the account lacks on the database, or on one of the tables that are to be dumped."""
    needed = {need.privilege: need.loss for need in ON_DATABASES}
    readable = all(privileges.on_table("SELECT", database, table.name) for table in tables)
    if readable and privileges.sees_all_tables(database) and not privileges.on_database("SELECT", database):
        del needed["SELECT"]
    if locked:
        needed[LOCK_TABLES.privilege] = LOCK_TABLES.loss
    missing = {name: loss for name, loss in needed.items() if not privileges.on_database(name, database)}
    # All at once: a grant on just this database hides one that was made by a wildcard.
    wanted = [name for name in needed if not privileges.everywhere_but_revoked(name, database)]
    cure = privileges.mend(wanted, database)
    for name, loss in missing.items():
        yield Finding(
            Severity.PRIVILEGE, f"{name} is missing on {database}: {loss}", object=database, cure=cure
        )
    if not sees_routines(facts, privileges, database):
        yield routines_finding(facts, privileges, database)


def _not_transactional(queries: Queries, tables: Sequence[listing.Table]) -> list[listing.Table]:
    """Give the tables that one snapshot does not cover."""
    rows = queries.rows("SELECT engine FROM information_schema.engines WHERE transactions = 'YES'")
    transactional = {str(engine).lower() for (engine,) in rows}
    return [
        table
        for table in tables
        if table.kind != "view" and table.engine is not None and table.engine.lower() not in transactional
    ]


def _unlike_transactions(locked: Sequence[listing.Table]) -> Iterator[Finding]:
    if locked:
        named = few(f"{table.name} ({table.engine})" for table in locked)
        yield Finding(
            Severity.WARNING,
            f"tables that know no transactions: {named}: all tables of the database are locked against "
            "writing while it is dumped",
            cure="convert them: ALTER TABLE ... ENGINE=InnoDB",
        )


def _rows_elsewhere(tables: Sequence[listing.Table]) -> Iterator[Finding]:
    remote = [
        table for table in tables if table.engine is not None and table.engine.lower() in _REMOTE_ENGINES
    ]
    if remote:
        named = few(f"{table.name} ({table.engine})" for table in remote)
        yield Finding(
            Severity.WARNING,
            f"tables whose rows are kept elsewhere: {named}: the backup holds their definition only",
            cure="back up the place where the rows are",
        )
