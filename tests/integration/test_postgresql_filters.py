"""What the patterns of an instance leave out of a dump of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scripts.sample.clients import run_sql
from vya_backupdb.model import DumpPlan, Severity
from vya_backupdb.scratch import ScratchServer

from .postgresql_support import connected, dump, load, role

NewDatabase = Callable[..., str]


def filters(database: str, *exclude: str, rows: tuple[str, ...] = ()) -> dict[str, object]:
    return {
        "tables": {
            "exclude": [f"{database}.{name}" for name in exclude],
            "exclude_rows": [f"{database}.{name}" for name in rows],
        }
    }


def plan(server: ScratchServer, database: str, *exclude: str, rows: tuple[str, ...] = ()) -> DumpPlan:
    with connected(server, **filters(database, *exclude, rows=rows)) as connector:
        return connector.plan(database)


def faults(plan: DumpPlan) -> list[str]:
    return [finding.what for finding in plan.findings if finding.severity is Severity.FAULT]


@pytest.fixture
def database(postgresql: ScratchServer, new_database: NewDatabase) -> str:
    return new_database(postgresql)


def test_a_schema_chooses(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE SCHEMA a; CREATE TABLE a.t (x int); CREATE TABLE public.t (x int)", database)
    assert plan(postgresql, database, "a.t").left_out.tables == ("a.t",)
    assert plan(postgresql, database, "t").left_out.tables == ("a.t", "public.t")


@pytest.mark.parametrize("name", ['We ird.Tab"q', "t*", "t?", "\\d", "a|b", "$x", "(a)"])
def test_any_name_is_left_out_alone(postgresql: ScratchServer, database: str, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    run_sql(postgresql, f"CREATE TABLE {quoted} (x int); CREATE TABLE tt (x int)", database)
    pattern = "".join(f"[{letter}]" if letter in "*?." else letter for letter in name)
    done = dump(postgresql, database, **filters(database, pattern))
    assert done.status == 0
    assert b"CREATE TABLE public.tt" in done.script
    assert done.script.count(b"CREATE TABLE") == 1


def test_sequences_and_partitions_go_with_their_table(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE gone (id serial, i int GENERATED ALWAYS AS IDENTITY, d int) PARTITION BY RANGE (d);"
        "CREATE TABLE part PARTITION OF gone FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE stays (id serial)",
        database,
    )
    found = plan(postgresql, database, "gone")
    assert found.left_out.tables == ("public.gone", "public.gone_i_seq", "public.gone_id_seq", "public.part")
    assert found.object_counts["table"] == 1
    assert found.object_counts["sequence"] == 1
    assert "partitioned table" not in found.object_counts
    assert any("public.part is left out, for it is a part of" in finding.what for finding in found.findings)
    script = dump(postgresql, database, **filters(database, "gone")).script
    assert b"gone" not in script
    assert b"stays_id_seq" in script


def test_rows_of_partitions_go_with_those_of_their_table(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE t (d int) PARTITION BY RANGE (d);"
        "CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (9); INSERT INTO t VALUES (1)",
        database,
    )
    found = plan(postgresql, database, rows=("t",))
    assert found.left_out.rows == ("public.part", "public.t")
    script = dump(postgresql, database, **filters(database, rows=("t",))).script
    assert b"COPY" not in script
    assert b"CREATE TABLE public.part" in script


def test_one_partition_can_be_left_out(
    postgresql: ScratchServer, database: str, new_database: NewDatabase
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE t (d int PRIMARY KEY) PARTITION BY RANGE (d);"
        "CREATE TABLE old PARTITION OF t FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE new PARTITION OF t FOR VALUES FROM (10) TO (19); INSERT INTO t VALUES (1), (11)",
        database,
    )
    found = plan(postgresql, database, "old")
    assert found.left_out.tables == ("public.old",)
    copy = new_database(postgresql)
    script = dump(postgresql, database, **filters(database, "old")).script
    with connected(postgresql) as connector:
        assert load(connector, copy, script) == {"public.new": 1}
        assert connector.object_counts(copy) == found.object_counts


@pytest.mark.parametrize(
    "dependent",
    [
        "CREATE TABLE child (y int) INHERITS (gone)",
        "CREATE TABLE holder (g gone)",
        "CREATE TABLE holder (g gone[])",
        "CREATE FUNCTION f(gone) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS SETOF gone LANGUAGE sql AS 'SELECT NULL::gone'",
        "CREATE TABLE other (id int DEFAULT nextval('gone_id_seq'))",
        "CREATE TYPE holder AS (g gone)",
        "CREATE DOMAIN d AS gone",
    ],
)
def test_what_a_restore_cannot_make_without_a_table_is_a_fault(
    postgresql: ScratchServer, database: str, dependent: str
) -> None:
    run_sql(postgresql, f"CREATE TABLE gone (id serial); {dependent}", database)
    (fault,) = faults(plan(postgresql, database, "gone"))
    assert "cannot be restored without what the configuration leaves out" in fault
    assert faults(plan(postgresql, database, rows=("gone",))) == []


def test_policies_and_functions_that_need_it_are_named(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE gone (x int); CREATE TABLE t (x int);"
        "CREATE POLICY p ON t USING (x IN (SELECT x FROM gone));"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO gone VALUES (1); END'",
        database,
    )
    whats = [finding.what for finding in plan(postgresql, database, "gone").findings]
    assert any("the policy p of public.t needs what is left out" in what for what in whats)
    assert any("the function public.f() seems to need public.gone" in what for what in whats)


def test_a_materialized_view_without_rows_is_made_without_them(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(postgresql, "CREATE TABLE t (x int); CREATE MATERIALIZED VIEW m AS SELECT x FROM t", database)
    assert b"REFRESH" not in dump(postgresql, database, **filters(database, rows=("m",))).script
    (finding,) = plan(postgresql, database, rows=("t",)).findings
    assert "materialized view public.m reads tables whose rows are left out" in finding.what


def test_select_is_not_asked_for_on_what_is_left_out(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE TABLE open_ (id int); CREATE TABLE private (id serial)", database)
    with role(postgresql, "BYPASSRLS") as credential:
        run_sql(postgresql, f'GRANT SELECT ON open_ TO "{credential.username}"', database)
        with connected(postgresql, credential) as connector:
            assert "private" in str(connector.plan(database).findings)
        with connected(postgresql, credential, **filters(database, "private")) as connector:
            assert connector.plan(database).findings == ()
        done = dump(postgresql, database, credential, **filters(database, "private"))
    assert (done.status, done.stderr) == (0, [])
    assert b"CREATE TABLE public.open_" in done.script


def test_row_security_is_no_obstacle_where_rows_are_left_out(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(postgresql, "CREATE TABLE t (x int); ALTER TABLE t ENABLE ROW LEVEL SECURITY", database)
    with role(postgresql) as credential:
        run_sql(postgresql, f'GRANT SELECT ON t TO "{credential.username}"', database)
        with connected(postgresql, credential) as connector:
            assert len(faults(connector.plan(database))) == 1
        with connected(postgresql, credential, **filters(database, rows=("t",))) as connector:
            assert faults(connector.plan(database)) == []
        assert dump(postgresql, database, credential, **filters(database, rows=("t",))).status == 0
