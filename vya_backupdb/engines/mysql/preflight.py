"""What is found before a dump: missing privileges, and what the dump tools choke on or lose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from vya_backupdb.engines.mysql import listing
from vya_backupdb.engines.mysql.facts import is_mariadb, on
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.privileges import Privileges, parse_grants
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import DumpPlan, Finding, ServerFacts, Severity

_NEEDED: Final = {
    "SELECT": "its tables cannot be dumped, and those without any privilege would be left out",
    "SHOW VIEW": "its views cannot be dumped",
    "TRIGGER": "its triggers would be left out",
    "EVENT": "its events cannot be dumped",
}
"""Privilege on a whole database, and what goes wrong without it. Found by running the tools: without TRIGGER
and without sight of the routines they end with status 0 and a script that looks whole."""

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


def examine_instance(facts: ServerFacts, privileges: Privileges) -> list[Finding]:
    """Say what the account cannot do, whatever the database."""
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
    if on(facts, "log_bin") and not may_read_positions(facts, privileges):
        findings.append(
            Finding(
                Severity.WARNING,
                "the position in the binary log cannot be read, and will be missing in the backups' records",
                cure=privileges.mend([positions_privilege(facts)], None),
            )
        )
    if not _sees_routines(facts, privileges, None):
        findings.append(_routines_finding(facts, privileges, None))
    return findings


def positions_privilege(facts: ServerFacts) -> str:
    """Give the privilege that SHOW MASTER STATUS and SHOW REPLICA STATUS need."""
    return (
        "BINLOG MONITOR" if is_mariadb(facts) and facts.version_number >= (10, 5, 2) else "REPLICATION CLIENT"
    )


def may_read_positions(facts: ServerFacts, privileges: Privileges) -> bool:
    """Whether the account may read positions of the binary log."""
    return privileges.everywhere(positions_privilege(facts)) or privileges.everywhere("SUPER")


# ---------------------------------------------------------------------------- one database


def plan_dump(
    queries: Queries,
    facts: ServerFacts,
    privileges: Privileges,
    database: str,
    *,
    allow_partial: bool = False,
) -> DumpPlan:
    """Make the preflight of one database; with `allow_partial`, what may not be read is left out.

    Raises BackupError where the database is not there.
    """
    definition = listing.definition(queries, facts, database)
    tables = listing.tables(queries, database)
    counts = Counter(listing.object_counts(queries, facts, database))
    left_out = _LeftOut()
    if allow_partial:
        left_out = _leave_out(queries, facts, privileges, database, tables)
        tables = [table for table in tables if table.name not in left_out.tables]
        counts -= left_out.counts
    locked = _not_transactional(queries, tables)
    findings = [
        *_missing_privileges(facts, privileges, database, locked=bool(locked)),
        *left_out.findings,
        *_hostile_events(queries, database),
        *_unlike_transactions(locked),
        *_rows_elsewhere(tables),
        *_lost_history(queries, facts, database, tables),
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
        tool_options=tuple(left_out.options),
    )


def _missing_privileges(
    facts: ServerFacts, privileges: Privileges, database: str, *, locked: bool
) -> Iterator[Finding]:
    needed = dict(_NEEDED)
    if locked:
        needed["LOCK TABLES"] = "its tables that know no transactions cannot be dumped consistently"
    missing = {name: loss for name, loss in needed.items() if not privileges.on_database(name, database)}
    # All at once: a grant on just this database hides one that was made by a wildcard.
    wanted = [name for name in needed if not privileges.everywhere_but_revoked(name, database)]
    cure = privileges.mend(wanted, database)
    for name, loss in missing.items():
        yield Finding(
            Severity.PRIVILEGE, f"{name} is missing on {database}: {loss}", object=database, cure=cure
        )
    if not _sees_routines(facts, privileges, database):
        yield _routines_finding(facts, privileges, database)


def _sees_routines(facts: ServerFacts, privileges: Privileges, database: str | None) -> bool:
    """Whether the account sees the bodies of all routines (None: of every database)."""
    if not is_mariadb(facts) and facts.version_number >= (8,):
        # mysql.proc is gone. SHOW_ROUTINE came with 8.0.20.
        if privileges.everywhere("SHOW_ROUTINE"):
            return True
        if database is None:
            return privileges.everywhere("SELECT")
        return privileges.everywhere_but_revoked("SELECT", database)
    if is_mariadb(facts) and facts.version_number >= (11, 3, 1):
        held = (
            privileges.everywhere if database is None else lambda name: privileges.on_database(name, database)
        )
        if held("SHOW CREATE ROUTINE"):
            return True
    return privileges.on_table("SELECT", "mysql", "proc")


def _routines_finding(facts: ServerFacts, privileges: Privileges, database: str | None) -> Finding:
    if is_mariadb(facts) or facts.version_number < (8,):
        cure = f"GRANT SELECT ON `mysql`.`proc` TO {privileges.account}"
    elif facts.version_number >= (8, 0, 20):
        cure = privileges.mend(["SHOW_ROUTINE"], None)
    else:
        cure = privileges.mend(["SELECT"], None)
    return Finding(
        Severity.PRIVILEGE,
        "the account does not see the routines of others: procedures and functions would be left out",
        object=database,
        cure=cure,
    )


# ---------------------------------------------------------------------------- leaving out


_DENIED: Final = frozenset({1044, 1142, 1143})
"""ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR."""


@dataclass
class _LeftOut:
    """What a dump has to do without, and how the tool is told."""

    tables: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    """Kind to number of the objects that are seen but left out."""
    findings: list[Finding] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


def _leave_out(
    queries: Queries,
    facts: ServerFacts,
    privileges: Privileges,
    database: str,
    tables: Sequence[listing.Table],
) -> _LeftOut:
    found = _LeftOut()
    if _is_denied(queries, f"SHOW EVENTS FROM {identifier(database)}"):
        found.options.append("--skip-events")
    functions = None
    if not _sees_routines(facts, privileges, database):
        functions = _readable_functions(queries, facts, privileges, database, found)
    for table in tables:
        _leave_out_unreadable(queries, privileges, database, table, found)
    _leave_out_dependent_views(queries, privileges, database, tables, functions, found)
    triggers = queries.rows(
        "SELECT event_object_table FROM information_schema.triggers WHERE trigger_schema = %s", database
    )
    lost = sum(str(table) in found.tables for (table,) in triggers)
    found.counts["trigger"] += lost
    if lost == len(triggers) and not privileges.on_database("TRIGGER", database):
        found.options.append("--skip-triggers")
    found.counts.update(table.kind for table in tables if table.name in found.tables)
    found.options += [f"--ignore-table={database}.{name}" for name in sorted(found.tables)]
    found.findings += _inseparable(queries, database, found.tables)
    return found


def _is_denied(queries: Queries, sql: str) -> bool:
    """Whether the account may not execute a statement; other errors are left to the tool to meet."""
    try:
        queries.rows(sql)
    except QueryError as error:
        return error.code in _DENIED
    return False


def _leave_out_unreadable(
    queries: Queries, privileges: Privileges, database: str, table: listing.Table, found: _LeftOut
) -> None:
    """Leave a table or view out on which the server refuses what the tool asks."""
    name = f"{identifier(database)}.{identifier(table.name)}"
    if table.kind == "view":
        needed = ["SELECT", "SHOW VIEW"]
        questions = [f"SHOW CREATE VIEW {name}"]
    else:
        needed = ["SELECT"]
        questions = [f"SHOW CREATE TABLE {name}", f"SELECT * FROM {name} LIMIT 0"]  # noqa: S608
    missing = [right for right in needed if not privileges.on_table(right, database, table.name)]
    # The grants may say less than the server lets pass (wildcards, each column by itself): so it is asked.
    if not missing or not any(_is_denied(queries, question) for question in questions):
        return
    found.tables.add(table.name)
    found.findings.append(
        Finding(
            Severity.PRIVILEGE,
            f"the {table.kind} {table.name} is left out: no {' and '.join(missing)} on it",
            object=table.name,
            cure=f"GRANT {', '.join(missing)} ON {name} TO {privileges.account}",
        )
    )


def _readable_functions(
    queries: Queries, facts: ServerFacts, privileges: Privileges, database: str, found: _LeftOut
) -> frozenset[str]:
    """Leave the routines out if no body can be read, and give the functions that stay.

    The tool dies of a routine that is seen without its body (by EXECUTE for instance), and cannot leave
    out a single one.
    """
    query = (
        "SELECT LOWER(routine_type), routine_name, routine_definition IS NOT NULL"
        " FROM information_schema.routines WHERE routine_schema = %s AND routine_type IS NOT NULL"
    )
    values = [database]
    if not is_mariadb(facts) and facts.version_number >= (9, 2):
        query += (
            " UNION ALL SELECT 'library', library_name, library_definition IS NOT NULL"
            " FROM information_schema.libraries WHERE library_schema = %s"
        )
        values.append(database)
    routines = [(str(kind), str(name), bool(whole)) for kind, name, whole in queries.rows(query, *values)]
    hidden = [f"{kind} {name}" for kind, name, whole in routines if not whole]
    cure = _routines_finding(facts, privileges, database).cure
    if len(hidden) == len(routines):
        found.options.append("--skip-routines")
        found.counts.update(kind for kind, _, _ in routines)
        found.findings.extend(
            Finding(Severity.PRIVILEGE, f"the {named} is left out: its body is hidden", named, cure)
            for named in hidden
        )
        return frozenset()
    if hidden:
        found.findings.append(
            Finding(
                Severity.FAULT,
                f"the bodies of some routines are hidden: {few(hidden)}: the dump tool fails on them, and "
                "cannot leave them out without those that can be read",
                object=hidden[0],
                cure=cure,
            )
        )
    return frozenset(name.casefold() for kind, name, _ in routines if kind == "function")


def _leave_out_dependent_views(
    queries: Queries,
    privileges: Privileges,
    database: str,
    tables: Sequence[listing.Table],
    functions: Collection[str] | None,
    found: _LeftOut,
) -> None:
    """Leave out the views that no restore could create, for what they stand on is not in the dump.

    `functions`: the case-folded names of those in the dump; None: all. Functions of the same database may
    be written without its name. What looks like a name inside a string counts too.
    """
    present = {table.name for table in tables} - found.tables
    # A broken view is for the tool to tell; only who sees all tables can tell it from one on a hidden table.
    sees_all = privileges.on_database("SELECT", database)
    definitions = {
        str(name): str(body)
        for name, body in queries.rows(
            "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = %s",
            database,
        )
        if str(name) in present
    }
    here = re.escape(identifier(database))
    name = r"`((?:[^`]|``)+)`"
    relation = re.compile(
        rf"(?:\b(?:from|join) \(*|\b(?:nextval|lastval|setval)\(){here}\.{name}(?!\.)", re.IGNORECASE
    )
    call = re.compile(rf"(?:(?<![`.]){here}\.|(?<![`.])){name}\(")
    wants: dict[str, set[str]] = {}
    for view, body in definitions.items():
        wants[view] = {_plain(found_name) for found_name in relation.findall(body)}
        if sees_all:
            wants[view] &= present | found.tables
        called = {_plain(found_name) for found_name in call.findall(body)} if functions is not None else set()
        absent = sorted(each for each in called if each.casefold() not in (functions or ()))
        if absent:
            _leave_out_view(view, f"the function {absent[0]}", found)
            present.discard(view)
    while broken := [view for view in wants if view in present and not wants[view] <= present]:
        for view in broken:
            _leave_out_view(view, few(sorted(wants[view] - present)), found)
        present.difference_update(broken)


def _plain(name: str) -> str:
    return name.replace("``", "`")


def _leave_out_view(view: str, missing: str, found: _LeftOut) -> None:
    found.tables.add(view)
    found.findings.append(
        Finding(
            Severity.WARNING,
            f"the view {view} is left out, for it needs what may not be read or is not there: {missing}",
            object=view,
        )
    )


def _inseparable(queries: Queries, database: str, left_out: Collection[str]) -> Iterator[Finding]:
    """Name the readable tables that the tools would leave out along with others.

    They compare the names of `--ignore-table` byte by byte as latin1_swedish_ci: `t` takes `T` with it, and
    `é` takes `©` (mysqldump 9.7, mariadb-dump 10.11 and 11.8, found by running them).
    """
    if not left_out:
        return
    alike: dict[str, list[str]] = {}
    for name, weight in queries.rows(
        "SELECT table_name, HEX(WEIGHT_STRING(CONVERT(CAST(table_name AS BINARY) USING latin1)"
        " COLLATE latin1_swedish_ci)) FROM information_schema.tables WHERE table_schema = %s",
        database,
    ):
        alike.setdefault(str(weight), []).append(str(name))
    for names in alike.values():
        out = [name for name in names if name in left_out]
        kept = [name for name in names if name not in left_out]
        if out and kept:
            yield Finding(
                Severity.FAULT,
                f"{few(out)} cannot be left out without {few(kept)}: the dump tool takes these names for one",
                object=out[0],
                cure=f"grant the account SELECT (and SHOW VIEW) on {few(out)}, or rename one of them",
            )


def _hostile_events(queries: Queries, database: str) -> Iterator[Finding]:
    """Name the events over which the tools never end.

    They look for a delimiter that is not in SHOW CREATE EVENT, and with `;;` in it they look for ever
    (mysqldump 9.7, mariadb-dump 10.11 and 11.8).
    """
    rows = queries.rows(
        "SELECT event_name FROM information_schema.events WHERE event_schema = %s AND"
        " LOCATE(';;', CONCAT_WS(' ', event_name, event_definition, event_comment, definer)) > 0",
        database,
    )
    for (name,) in rows:
        yield Finding(
            Severity.FAULT,
            f"the event {name} has two semicolons in a row in its body, name or comment: the dump tool "
            "would never end",
            object=str(name),
            cure=f"write the event {name} without `;;` (ALTER EVENT)",
        )


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


def _lost_history(
    queries: Queries, facts: ServerFacts, database: str, tables: Sequence[listing.Table]
) -> Iterator[Finding]:
    """Name the system-versioned tables whose history mariadb-dump cannot write."""
    versioned = [table.name for table in tables if table.versioned]
    if not versioned:
        return
    if facts.version_number < (10, 11):
        yield Finding(
            Severity.WARNING,
            f"system-versioned tables: {few(versioned)}: the dump tools before 10.11 leave their history out",
            cure="upgrade the server",
        )
        return
    by_transaction = [
        str(name)
        for (name,) in queries.rows(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = %s"
            " AND generation_expression = 'ROW START' AND data_type = 'bigint'",
            database,
        )
    ]
    if by_transaction:
        yield Finding(
            Severity.FAULT,
            f"tables with history by transaction: {few(by_transaction)}: mariadb-dump refuses them",
            cure="version them by time (TIMESTAMP(6) columns), or keep them in a database of their own",
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
