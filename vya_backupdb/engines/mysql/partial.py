"""What a dump leaves out where the account may not read it, and the instance allows that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from vya_backupdb.engines.mysql import listing
from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.privileges import Privileges
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier
from vya_backupdb.engines.mysql.routines import routines_finding, sees_routines
from vya_backupdb.model import Finding, ServerFacts, Severity

_DENIED: Final = frozenset({1044, 1142, 1143})
"""ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR."""


@dataclass
class LeftOut:
    """What a dump has to do without, and how the tool is told."""

    tables: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    """Kind to number of the objects that are seen but left out."""
    findings: list[Finding] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


def leave_out(
    queries: Queries,
    facts: ServerFacts,
    privileges: Privileges,
    database: str,
    tables: Sequence[listing.Table],
) -> LeftOut:
    """Find what the account may not read, and what cannot be restored without it.

    Raises ConnectionFailed.
    """
    found = LeftOut()
    if _is_denied(queries, f"SHOW EVENTS FROM {identifier(database)}"):
        found.options.append("--skip-events")
    functions = None
    if not sees_routines(facts, privileges, database):
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
    queries: Queries, privileges: Privileges, database: str, table: listing.Table, found: LeftOut
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
    queries: Queries, facts: ServerFacts, privileges: Privileges, database: str, found: LeftOut
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
    found: LeftOut,
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


def _leave_out_view(view: str, missing: str, found: LeftOut) -> None:
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
