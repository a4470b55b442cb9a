"""The databases of a server, what is in them, and how they are defined."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.engines.mysql.quoting import identifier, text
from vya_backupdb.errors import BackupError
from vya_backupdb.model import DatabaseInfo, MySQLDefinition, ServerFacts

_SYSTEM: Final = ("information_schema", "performance_schema", "mysql", "sys")

_STRAY_FOLDER: Final = "#mysql50#"
"""MariaDB lists every folder of the data folder as a database; a name that it did not make (`lost+found`,
`#innodb_redo`, `.snapshot`) gets this before it."""

_CONTENTS: Final = 10


def is_system(name: str) -> bool:
    """Whether a database belongs to the server itself."""
    return name.lower() in _SYSTEM


def databases(queries: Queries) -> list[DatabaseInfo]:
    """Give all databases of users with the server's estimate of their bytes, in order of name."""
    sizes = {
        str(name): int(size or 0)
        for name, size in queries.rows(
            "SELECT table_schema, SUM(data_length) FROM information_schema.tables"
            " WHERE table_type NOT LIKE '%VIEW' GROUP BY table_schema"
        )
    }
    names = sorted(
        str(name) for (name,) in queries.rows("SELECT schema_name FROM information_schema.schemata")
    )
    return [
        DatabaseInfo(name, sizes.get(name, 0))
        for name in names
        if not is_system(name) and not (name.startswith(_STRAY_FOLDER) and name not in sizes)
    ]


_SAME_NAME: Final = "(schema_name = %s OR (@@lower_case_table_names <> 0 AND schema_name = LOWER(%s)))"
"""Compares as the server does where it folds names; takes the name twice."""


def exists(queries: Queries, database: str) -> bool:
    """Whether a database is there, compared as the server compares names."""
    query = f"SELECT 1 FROM information_schema.schemata WHERE {_SAME_NAME}"  # noqa: S608
    return bool(queries.rows(query, database, database))


# ---------------------------------------------------------------------------- objects


@dataclass(frozen=True)
class Table:
    """A table, view or sequence."""

    name: str
    kind: str
    """`table`, `view` or `sequence`."""
    engine: str | None
    """None for a view, and for a table that the server cannot open."""
    versioned: bool = False
    """MariaDB: the table keeps the history of its rows."""


def tables(queries: Queries, database: str) -> list[Table]:
    """Give the tables, views and sequences of a database that the account sees."""
    kinds = {"VIEW": "view", "SYSTEM VIEW": "view", "SEQUENCE": "sequence"}
    return [
        Table(str(name), kinds.get(str(kind), "table"), engine, versioned=kind == "SYSTEM VERSIONED")
        for name, kind, engine in queries.rows(
            "SELECT table_name, table_type, engine FROM information_schema.tables"
            " WHERE table_schema = %s AND table_type <> 'TEMPORARY' ORDER BY table_name",
            database,
        )
    ]


def object_counts(queries: Queries, facts: ServerFacts, database: str) -> dict[str, int]:
    """Give the number of objects of each kind that is there: table, view, trigger, function ..."""
    return dict(sorted(Counter(kind for kind, _ in _objects(queries, facts, database)).items()))


def contents(queries: Queries, facts: ServerFacts, database: str) -> list[str]:
    """Give up to ten objects as `kind name`."""
    return [f"{kind} {name}" for kind, name in _objects(queries, facts, database)[:_CONTENTS]]


def _objects(queries: Queries, facts: ServerFacts, database: str) -> list[tuple[str, str]]:
    parts = [
        "SELECT LOWER(routine_type), routine_name FROM information_schema.routines"
        " WHERE routine_schema = %s AND routine_type IS NOT NULL",
        "SELECT 'trigger', trigger_name FROM information_schema.triggers WHERE trigger_schema = %s",
        "SELECT 'event', event_name FROM information_schema.events WHERE event_schema = %s",
    ]
    if not is_mariadb(facts) and facts.version_number >= (9, 2):
        parts.append(
            "SELECT 'library', library_name FROM information_schema.libraries WHERE library_schema = %s"
        )
    rows = queries.rows(" UNION ALL ".join(parts), *[database] * len(parts))
    found = [(table.kind, table.name) for table in tables(queries, database)]
    return found + [(str(kind), str(name)) for kind, name in rows]


# ---------------------------------------------------------------------------- definition


def definition(queries: Queries, facts: ServerFacts, database: str) -> MySQLDefinition:
    """Give what CREATE DATABASE needs to make the database again.

    Raises BackupError where the database is not there.
    """
    extra = "NULL"
    if is_mariadb(facts) and facts.version_number >= (10, 5):
        extra = "schema_comment"
    elif not is_mariadb(facts) and facts.version_number >= (8, 0, 16):
        extra = "default_encryption"
    found = queries.rows(
        f"SELECT default_character_set_name, default_collation_name, {extra}"  # noqa: S608
        f" FROM information_schema.schemata WHERE {_SAME_NAME}",
        database,
        database,
    )
    if not found:
        raise BackupError(
            f"{queries.instance.id}: the database {database} does not exist",
            cure="check its name, and that the account has a privilege on it",
        )
    charset, collation, said = found[0]
    return MySQLDefinition(
        charset=str(charset),
        collation=str(collation),
        comment=str(said or "") if is_mariadb(facts) else "",
        encryption=not is_mariadb(facts) and said == "YES",
    )


def is_read_only(queries: Queries, facts: ServerFacts, database: str) -> bool:
    """Whether MySQL keeps the database as READ ONLY (from 8.0.22), which no dump says."""
    if is_mariadb(facts) or facts.version_number < (8, 0, 22):
        return False
    options = queries.value(
        "SELECT options FROM information_schema.schemata_extensions WHERE schema_name = %s", database
    )
    return "READ ONLY=1" in str(options or "")


def create_statement(facts: ServerFacts, database: str, wanted: MySQLDefinition | None) -> str:
    """Give the statement that creates a database on such a server; None: by the server's defaults."""
    statement = f"CREATE DATABASE {identifier(database)}"
    return statement if wanted is None else statement + _properties(facts, wanted)


def alter_statement(facts: ServerFacts, database: str, wanted: MySQLDefinition) -> str:
    """Give the statement that makes a database that is there as defined."""
    return f"ALTER DATABASE {identifier(database)}" + _properties(facts, wanted)


def _properties(facts: ServerFacts, wanted: MySQLDefinition) -> str:
    statement = f" CHARACTER SET {identifier(wanted.charset)} COLLATE {identifier(wanted.collation)}"
    if wanted.comment and is_mariadb(facts) and facts.version_number >= (10, 5):
        statement += f" COMMENT {text(wanted.comment)}"
    if wanted.encryption and not is_mariadb(facts) and facts.version_number >= (8, 0, 16):
        statement += " ENCRYPTION 'Y'"
    return statement
