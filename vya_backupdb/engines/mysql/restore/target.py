"""What would go wrong with a backup on a server, found before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb, titled
from vya_backupdb.engines.mysql.listing import exists
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.privileges import Privileges
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.restore.needs import Needs, other_databases, references
from vya_backupdb.engines.mysql.restore.outside import examine_outside
from vya_backupdb.engines.mysql.restore.target_settings import examine_definition, examine_settings
from vya_backupdb.model import Coming, Finding, Flavour, MySQLDefinition, ServerFacts, Severity

_NEEDED: Final = {
    "CREATE": {"", "table", "sequence"},
    "DROP": {"table", "view", "sequence"},
    "INSERT": {"table", "sequence"},
    "SELECT": {"view"},
    "ALTER": {"alter database"},
    "REFERENCES": {"foreign key"},
    "CREATE VIEW": {"view"},
    "TRIGGER": {"trigger"},
    "EVENT": {"event"},
    "CREATE ROUTINE": {"procedure", "function", "package", "package body", "library"},
    "ALTER ROUTINE": {"procedure", "function", "package", "package body", "library"},
}
"""Privilege on the target database, and the kinds of objects that need it; the empty kind is always there."""

_WIDE_TIMESTAMPS: Final = (11, 5)
"""MariaDB's version from which TIMESTAMP reaches to 2106 (release notes of 11.5)."""


def examine(
    queries: Queries,
    facts: ServerFacts,
    privileges: Privileges,
    database: str,
    needs: Needs,
    definition: MySQLDefinition | None,
    source: ServerFacts | None,
    original: str | None,
    coming: Coming,
    *,
    allow_references: bool = False,
) -> list[Finding]:
    """Give everything that is found, not the first only; `original` is the database that was dumped.

    Raises ConnectionFailed.
    """
    return [
        *_other_server(facts, source, needs),
        *_missing_privileges(privileges, database, needs),
        *_definers(queries, facts, privileges, needs, coming),
        *examine_settings(queries, facts, privileges, needs),
        *examine_definition(queries, facts, definition),
        *examine_outside(queries, facts, needs),
        *_references(database, original, needs, allowed=allow_references),
        *_absent_databases(queries, {database, original, *coming.databases}, needs),
    ]


def _other_server(facts: ServerFacts, source: ServerFacts | None, needs: Needs) -> Iterator[Finding]:
    if source is not None and source.flavour != facts.flavour:
        yield Finding(
            Severity.WARNING,
            f"made on {titled(source)}, and this is {titled(facts)}: what one flavour does not know of the "
            "other fails at its statement",
        )
    elif source is not None and source.version_number[:2] > facts.version_number[:2]:
        yield Finding(Severity.WARNING, f"made on {titled(source)}, which is newer than this {titled(facts)}")
    if source is not None and is_mariadb(source) and is_mariadb(facts):
        yield from _later_times(facts, source, needs)
    if needs.passed_over:
        listed = ", ".join(f"{what} ({name})" for what, name in needs.passed_over.items())
        yield Finding(
            Severity.WARNING,
            f"{titled(facts)} passes over what stands in comments for another server: {listed}",
            cure="look after the restore whether the tables are as they must be",
        )
    prefix = f"{facts.flavour}:"
    for what, name in needs.dialect.items():
        if what.startswith(prefix):
            yield Finding(
                Severity.FAULT,
                f"{titled(facts)} does not know {what.removeprefix(prefix)} ({name})",
                object=name,
                cure="restore into a server of the flavour that the backup was made on",
            )


def _later_times(facts: ServerFacts, source: ServerFacts, needs: Needs) -> Iterator[Finding]:
    """Find history of MariaDB from 11.5 on, where times without an end are in 2106: 2038 before (1525)."""
    versioned = needs.dialect.get("mysql:system versioning")
    if versioned is not None and source.version_number >= _WIDE_TIMESTAMPS > facts.version_number:
        yield Finding(
            Severity.FAULT,
            f"{titled(facts)} does not take the history of system-versioned tables of {titled(source)} "
            f"(the first is {versioned})",
            object=versioned,
            cure="restore into MariaDB 11.5 or newer",
        )


def _missing_privileges(privileges: Privileges, database: str, needs: Needs) -> Iterator[Finding]:
    kinds = needs.kinds | {""}
    needed = [name for name, wanted_by in _NEEDED.items() if wanted_by & kinds]
    missing = [name for name in needed if not privileges.on_database(name, database)]
    if missing:
        yield Finding(
            Severity.PRIVILEGE,
            f"the account lacks {', '.join(missing)} on {database}",
            object=database,
            cure=privileges.mend(
                [name for name in needed if not privileges.everywhere_but_revoked(name, database)], database
            ),
        )


# ---------------------------------------------------------------------------- definers


def _definers(
    queries: Queries, facts: ServerFacts, privileges: Privileges, needs: Needs, coming: Coming
) -> Iterator[Finding]:
    name, _, host = facts.account.rpartition("@")
    others = {account: first for account, first in needs.definers.items() if account != (name, host)}
    if not others:
        return
    yield from _right_to_name_others(facts, privileges, others)
    try:
        present = set(queries.rows("SELECT user, host FROM mysql.user"))
        system = _system_accounts(queries, facts)
    except QueryError:
        yield Finding(
            Severity.WARNING,
            f"whether the definers {_accounts(others)} exist here, and are system accounts, cannot be seen",
            cure=f"GRANT SELECT ON `mysql`.* TO {privileges.account}, else the restore may fail with 1227",
        )
        return
    absent = {
        account: first
        for account, first in others.items()
        if account not in present and _label(*account) not in coming.accounts
    }
    if absent:
        yield Finding(
            Severity.WARNING,
            f"definers that do not exist here: {_accounts(absent)}: what they define fails when it is used "
            f"(the first is {next(iter(absent.values()))})",
            cure="create the accounts first",
        )
        if not is_mariadb(facts) and facts.version_number >= (8, 2) and not privileges.everywhere("SUPER"):
            yield from _lacking(privileges, "ALLOW_NONEXISTENT_DEFINER", "that do not exist here", absent)
    yield from _lacking(privileges, "SYSTEM_USER", "that are system accounts", system & set(others))


def _right_to_name_others(
    facts: ServerFacts, privileges: Privileges, others: Mapping[tuple[str, str], str]
) -> Iterator[Finding]:
    wanted = definers_privilege(facts.flavour, facts.version_number)
    if not privileges.everywhere("SUPER"):
        yield from _lacking(privileges, wanted, f"other than {privileges.account}", others)


def definers_privilege(flavour: Flavour, version: tuple[int, ...]) -> str:
    """Give what an account needs to make things whose definer is another."""
    if flavour == "mariadb":
        return "SET USER" if version >= (10, 5, 2) else "SUPER"
    if version >= (8, 2):
        return "SET_ANY_DEFINER"
    return "SET_USER_ID" if version >= (8,) else "SUPER"


def _lacking(
    privileges: Privileges, wanted: str, which: str, accounts: Collection[tuple[str, str]]
) -> Iterator[Finding]:
    if accounts and not privileges.everywhere(wanted):
        yield Finding(
            Severity.PRIVILEGE,
            f"definers {which} ({_accounts(accounts)}) need {wanted}",
            cure=privileges.mend([wanted], None),
        )


def _system_accounts(queries: Queries, facts: ServerFacts) -> set[tuple[str, str]]:
    """Give the accounts with SYSTEM_USER (MySQL from 8.0.16), which only such an account may name."""
    if is_mariadb(facts) or facts.version_number < (8, 0, 16):
        return set()
    rows = queries.rows("SELECT user, host FROM mysql.global_grants WHERE priv = 'SYSTEM_USER'")
    return {(str(user), str(host)) for user, host in rows}


def _accounts(accounts: Iterable[tuple[str, str]]) -> str:
    return few(_label(user, host) for user, host in accounts)


def _label(user: str, host: str) -> str:
    """Give an account as its Account.label; MariaDB's roles have no host."""
    return f"{user}@{host}" if host else user


# ---------------------------------------------------------------------------- other databases


def _absent_databases(queries: Queries, known: Collection[str | None], needs: Needs) -> Iterator[Finding]:
    """Find the views that fail, for a database that they read is not here (1049, 1146)."""
    for name, view in other_databases(needs).items():
        if name not in known and not exists(queries, name):
            yield Finding(
                Severity.WARNING,
                f"the view {view} reads the database {name}, which is not here: it fails, and is kept in the "
                "file of failed statements",
                object=view,
                cure=f"restore {name} first, or all databases in one run",
            )


# ---------------------------------------------------------------------------- copies


def _references(database: str, original: str | None, needs: Needs, *, allowed: bool) -> Iterator[Finding]:
    """Find what would let a copy under another name touch the original, or show its data."""
    if original is None or original == database:
        return
    named = [f"{kind} {name}" for kind, name in references(needs, original)]
    if named and allowed:
        yield Finding(
            Severity.WARNING,
            f"objects of the copy act on the database {original}, not on the copy: {', '.join(named)}",
            cure="alter them in the copy, or drop them; its events stay disabled until then",
        )
    elif named:
        yield Finding(
            Severity.FAULT,
            f"objects name the database {original}, and in a copy they would act on it: {', '.join(named)}",
            cure="restore under the original name on another instance, or allow it: --allow-references "
            "(events stay disabled)",
        )
