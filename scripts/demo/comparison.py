"""Comparing a database on two servers, by what the servers themselves say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.sample.clients import literal, plain_dump, quoted, run_sql
from vya_backupdb.scratch import ScratchServer


@dataclass(frozen=True, slots=True)
class TableState:
    """What a server says of one table."""

    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A database on the source and on the target."""

    database: str
    tables: dict[str, tuple[TableState | None, TableState | None]]
    """By name: source, target; None where it is not there."""
    objects: dict[str, tuple[int, int]]
    """By kind: source, target."""
    dump_bytes: int
    dumps_differ: str | None
    """The first difference of the plain dumps; None: there is none."""

    @property
    def differences(self) -> tuple[str, ...]:
        """Everything that is not the same, one line each."""
        return tuple(self._differences())

    def _differences(self) -> Iterator[str]:
        for name, (source, target) in self.tables.items():
            if source != target:
                yield f"table {name}: {source} on the source, {target} on the target"
        for kind, (before, after) in self.objects.items():
            if before != after:
                yield f"{kind}: {before} on the source, {after} on the target"
        if self.dumps_differ is not None:
            yield f"plain dumps: {self.dumps_differ}"

    @property
    def rows(self) -> int:
        """Rows of all tables of the source."""
        return sum(source.rows for source, _ in self.tables.values() if source)


def compare(source: ScratchServer, target: ScratchServer, database: str) -> Comparison:
    """Compare rows, checksums, numbers of objects, and the dumps that the server's own tool makes."""
    before, after = table_states(source, database), table_states(target, database)
    counts, restored = object_counts(source, database), object_counts(target, database)
    dump = plain_dump(source, database)
    return Comparison(
        database,
        {name: (before.get(name), after.get(name)) for name in sorted(before | after)},
        {kind: (counts.get(kind, 0), restored.get(kind, 0)) for kind in sorted(counts | restored)},
        len(dump),
        _first_difference(dump, plain_dump(target, database)),
    )


def table_states(server: ScratchServer, database: str) -> dict[str, TableState]:
    """Give the number of rows and a checksum of each table that has rows of its own, by name.

    The checksum is a sum over hashes of the rows, so their order does not matter. MariaDB's CHECKSUM TABLE
    will not do: with a virtual column it gives another sum after each FLUSH TABLES (seen on 10.11).
    """
    names = _tables(server, database)
    if not names:
        return {}
    if server.flavour == "postgresql":
        parts = [
            f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM ONLY {name} t"
            for name in names
        ]
    else:
        parts = [
            f"SELECT count(*), coalesce(sum({_mysql_hash(server, columns)}), 0) FROM {quoted(server, name)}"
            for name, columns in names.items()
        ]
    rows = _rows(run_sql(server, ";\n".join(parts) + ";\n", database))
    return {name: TableState(int(row[0]), row[1]) for name, row in zip(names, rows, strict=True)}


def _mysql_hash(server: ScratchServer, columns: list[str]) -> str:
    """Give an expression for a row's hash; MySQL 9.7 has no md5() any more."""
    texts = (f"coalesce(hex(CAST({quoted(server, column)} AS BINARY)), '-')" for column in columns)
    return f"CAST(conv(left(sha2(concat_ws(',', {', '.join(texts)}), 256), 15), 16, 10) AS DECIMAL(20))"


def object_counts(server: ScratchServer, database: str) -> dict[str, int]:
    """Give the number of objects of each kind, events and triggers by their state."""
    if server.flavour == "postgresql":
        answer = run_sql(server, _POSTGRESQL_OBJECTS, database)
    else:
        answer = run_sql(server, _MYSQL_OBJECTS.replace("DATABASE_NAME", literal(database)))
    return {kind: int(count) for kind, count in _rows(answer)}


def _tables(server: ScratchServer, database: str) -> dict[str, list[str]]:
    """Give the tables with rows of their own and their columns; PostgreSQL's names qualified and quoted."""
    if server.flavour == "postgresql":
        query = f"""
            SELECT encode(convert_to(c.oid::regclass::text, 'UTF8'), 'hex'), '' FROM pg_class c
            WHERE relkind IN ('r', 'm') AND relispopulated AND {_OWN.format("relnamespace")}
            ORDER BY c.oid::regclass::text COLLATE "C" """
    else:
        query = f"""
            SELECT hex(CAST(c.table_name AS BINARY)), hex(CAST(c.column_name AS BINARY))
            FROM information_schema.columns c
            JOIN information_schema.tables t USING (table_schema, table_name)
            WHERE c.table_schema = {literal(database)} AND t.table_type NOT IN ('VIEW', 'SEQUENCE')
            ORDER BY c.table_name, c.ordinal_position"""
    found: dict[str, list[str]] = {}
    for table, column in _rows(run_sql(server, query, database)):
        found.setdefault(bytes.fromhex(table).decode(), []).append(bytes.fromhex(column).decode())
    return found


def _rows(answer: str) -> list[list[str]]:
    return [line.split("\t") for line in answer.split("\n") if line]


def _first_difference(source: bytes, target: bytes) -> str | None:
    if source == target:
        return None
    pairs = zip(source.split(b"\n"), target.split(b"\n"), strict=False)
    for number, (before, after) in enumerate(pairs, start=1):
        if before != after:
            return f"line {number}: {_short(before)} on the source, {_short(after)} on the target"
    return f"{len(source):,} bytes on the source, {len(target):,} on the target"


def _short(line: bytes) -> str:
    return repr(line.decode(errors="replace")[:150])


_OWN = "{} IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')"

_POSTGRESQL_OBJECTS = f"""
SELECT CASE relkind WHEN 'r' THEN 'tables' WHEN 'p' THEN 'partitioned tables' WHEN 'v' THEN 'views'
  WHEN 'm' THEN 'materialized views' WHEN 'S' THEN 'sequences' WHEN 'c' THEN 'composite types'
  WHEN 'i' THEN 'indexes' WHEN 'I' THEN 'partitioned indexes' ELSE 'other relations' END, count(*)
FROM pg_class WHERE {_OWN.format("relnamespace")} GROUP BY 1
UNION ALL SELECT 'schemas', count(*) FROM pg_namespace WHERE {_OWN.format("oid")}
UNION ALL SELECT 'extensions', count(*) FROM pg_extension
UNION ALL SELECT 'types and domains', count(*) FROM pg_type WHERE {_OWN.format("typnamespace")}
UNION ALL SELECT 'routines', count(*) FROM pg_proc WHERE {_OWN.format("pronamespace")}
UNION ALL SELECT 'operators', count(*) FROM pg_operator WHERE {_OWN.format("oprnamespace")}
UNION ALL SELECT 'constraints', count(*) FROM pg_constraint WHERE {_OWN.format("connamespace")}
UNION ALL SELECT 'triggers: ' || CASE tgenabled WHEN 'D' THEN 'disabled' ELSE 'enabled' END, count(*)
  FROM pg_trigger WHERE NOT tgisinternal GROUP BY 1
UNION ALL SELECT 'event triggers: ' || CASE evtenabled WHEN 'D' THEN 'disabled' ELSE 'enabled' END, count(*)
  FROM pg_event_trigger GROUP BY 1
UNION ALL SELECT 'rules', count(*) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
  WHERE {_OWN.format("c.relnamespace")}
UNION ALL SELECT 'policies', count(*) FROM pg_policy
UNION ALL SELECT 'publications', count(*) FROM pg_publication
UNION ALL SELECT 'large objects', count(*) FROM pg_largeobject_metadata
UNION ALL SELECT 'statistics objects', count(*) FROM pg_statistic_ext
UNION ALL SELECT 'comments', count(*) FROM pg_description WHERE objoid >= 16384
UNION ALL SELECT 'settings of the database', count(*) FROM pg_db_role_setting
  WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

_MYSQL_OBJECTS = """
SELECT lower(table_type), count(*) FROM information_schema.tables
  WHERE table_schema = DATABASE_NAME GROUP BY table_type
UNION ALL SELECT lower(routine_type), count(*) FROM information_schema.routines
  WHERE routine_schema = DATABASE_NAME GROUP BY routine_type
UNION ALL SELECT 'trigger', count(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE_NAME
UNION ALL SELECT concat('event: ', lower(status)), count(*) FROM information_schema.events
  WHERE event_schema = DATABASE_NAME GROUP BY status
UNION ALL SELECT 'partition', count(*) FROM information_schema.partitions
  WHERE table_schema = DATABASE_NAME AND partition_name IS NOT NULL
UNION ALL SELECT lower(constraint_type), count(*)
  FROM information_schema.table_constraints WHERE constraint_schema = DATABASE_NAME GROUP BY constraint_type
UNION ALL SELECT 'indexed column', count(*) FROM information_schema.statistics
  WHERE table_schema = DATABASE_NAME
UNION ALL SELECT 'column', count(*) FROM information_schema.columns WHERE table_schema = DATABASE_NAME
UNION ALL SELECT concat('default ', default_character_set_name, ' ', default_collation_name), 1
  FROM information_schema.schemata WHERE schema_name = DATABASE_NAME
"""
