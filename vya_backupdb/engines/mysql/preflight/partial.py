"""What a dump leaves out: what the configuration says, and with `allow_partial` what may not be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from vya_backupdb.config.models import Instance
from vya_backupdb.engines.mysql import listing
from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.preflight.broken_views import broken_findings, broken_views
from vya_backupdb.engines.mysql.preflight.filters import filtered, needing
from vya_backupdb.engines.mysql.preflight.routines import routines_finding, sees_routines
from vya_backupdb.engines.mysql.privileges import Privileges
from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.model import Finding, LeftOut, ServerFacts, Severity


@dataclass
class Omitted:
    """What a dump has to do without, and how the tool is told."""

    tables: set[str] = field(default_factory=set)
    rows: set[str] = field(default_factory=set)
    """Tables of which only the rows are left out."""
    counts: Counter[str] = field(default_factory=Counter)
    """Kind to number of the objects that are seen but left out."""
    findings: list[Finding] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def as_recorded(self) -> LeftOut:
        """Give the names as the metadata keep them."""
        return LeftOut(tuple(sorted(self.tables)), tuple(sorted(self.rows)))


def leave_out(
    queries: Queries,
    facts: ServerFacts,
    privileges: Privileges,
    instance: Instance,
    database: str,
    tables: Sequence[listing.Table],
) -> Omitted:
    """Find what is to be left out, and what cannot be restored without it.

    Raises ConnectionFailed.
    """
    chosen = filtered(instance.tables, database, tables)
    found = Omitted(set(chosen.tables), set(chosen.rows), findings=list(chosen.findings))
    functions = None
    if instance.allow_partial:
        if _is_denied(queries, f"SHOW EVENTS FROM {identifier(database)}"):
            found.options.append("--skip-events")
        if not sees_routines(facts, privileges, database):
            functions = _readable_functions(queries, facts, privileges, database, found)
        for table in tables:
            if table.name not in found.tables:
                _leave_out_unreadable(queries, privileges, database, table, found)
    skips = instance.broken_views == "skip"
    broken = broken_views(queries, database, found.tables)
    found.findings += broken_findings(broken, skipped=skips)
    if skips:
        found.tables |= broken.keys()
    if found.tables or instance.allow_partial:
        _leave_out_dependent_views(queries, privileges, database, tables, functions, found)
        _count(queries, privileges, database, tables, found)
    found.rows -= found.tables
    found.options += [f"--ignore-table={database}.{name}" for name in sorted(found.tables)]
    by_option = found.rows if is_mariadb(facts) else set()  # mysqldump writes them, and they are dropped
    found.options += [f"--ignore-table-data={database}.{name}" for name in sorted(by_option)]
    kept = {table.name for table in tables} - found.tables
    found.findings += needing(queries, database, chosen.tables, chosen.rows, kept)
    found.findings += _inseparable(queries, database, found.tables, by_option)
    return found


def _count(
    queries: Queries,
    privileges: Privileges,
    database: str,
    tables: Sequence[listing.Table],
    found: Omitted,
) -> None:
    """Count what is left out, and skip the triggers altogether where none stays and none may be read."""
    triggers = queries.rows(
        "SELECT event_object_table FROM information_schema.triggers WHERE trigger_schema = %s", database
    )
    lost = sum(str(table) in found.tables for (table,) in triggers)
    found.counts["trigger"] += lost
    if lost == len(triggers) and not privileges.on_database("TRIGGER", database):
        found.options.append("--skip-triggers")
    found.counts.update(table.kind for table in tables if table.name in found.tables)


def _is_denied(queries: Queries, sql: str) -> bool:
    """Whether the account may not execute a statement; other errors are left to the tool to meet."""
    try:
        queries.rows(sql)
    except QueryError as error:
        return error.code in DENIED
    return False


def _leave_out_unreadable(
    queries: Queries, privileges: Privileges, database: str, table: listing.Table, found: Omitted
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
    queries: Queries, facts: ServerFacts, privileges: Privileges, database: str, found: Omitted
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
    cure = routines_finding(facts, privileges, database).cure
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
    found: Omitted,
) -> None:
    """Leave out the views that no restore could create, for what they stand on is not in the dump.

    `functions`: the case-folded names of those in the dump; None: all. Functions of the same database may
    be written without its name. What looks like a name inside a string counts too.
    """
    present = {table.name for table in tables} - found.tables
    # A broken view is for the tool to tell; only who sees all tables can tell it from one on a hidden table.
    sees_all = privileges.sees_all_tables(database)
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


def _leave_out_view(view: str, missing: str, found: Omitted) -> None:
    found.tables.add(view)
    found.findings.append(
        Finding(
            Severity.WARNING,
            f"the view {view} is left out, for it needs what is left out or not there: {missing}",
            object=view,
        )
    )


def _inseparable(
    queries: Queries, database: str, tables: Collection[str], rows: Collection[str]
) -> Iterator[Finding]:
    """Name the tables that the tools would leave out, or dump without rows, along with others.

    They compare the names of `--ignore-table` and `--ignore-table-data` byte by byte as latin1_swedish_ci:
    `t` takes `T` with it, and `é` takes `©` (mysqldump 9.7, mariadb-dump 10.11 and 11.8, found by running
    them).
    """
    if not tables and not rows:
        return
    alike: dict[str, list[str]] = {}
    for name, weight in queries.rows(
        "SELECT table_name, HEX(WEIGHT_STRING(CONVERT(CAST(table_name AS BINARY) USING latin1)"
        " COLLATE latin1_swedish_ci)) FROM information_schema.tables WHERE table_schema = %s",
        database,
    ):
        alike.setdefault(str(weight), []).append(str(name))
    for names in alike.values():
        gone = [name for name in names if name in tables]
        bare = [name for name in names if name in rows]
        whole = [name for name in names if name not in tables and name not in rows]
        if gone and (bare or whole):
            out, what = gone, f"{few(gone)} cannot be left out without {few([*bare, *whole])}"
        elif bare and whole:
            out, what = bare, f"the rows of {few(bare)} cannot be left out without those of {few(whole)}"
        else:
            continue
        yield Finding(
            Severity.FAULT,
            f"{what}: the dump tool takes these names for one",
            object=out[0],
            cure="treat them alike in the instance's `tables`, rename one of them, or, where the account may "
            f"not read it, grant SELECT (and SHOW VIEW) on {few(out)}",
        )
