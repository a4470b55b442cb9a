"""What pg_dump loses of tables that inherit, partitions among them, is named (docs/limitations.md)."""

from __future__ import annotations

import psycopg
import pytest

from scripts.sample.clients import ClientError, run_sql
from tests.integration.postgresql_support import both, findings, restored
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Severity
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql


def since(server: ScratchServer, major: int) -> None:
    """Skip what only newer servers can have."""
    if server.binaries.version_number < (major,):
        pytest.skip(f"PostgreSQL {major} and later")


# ---------------------------------------------------------------------------- columns


@pytest.mark.limitation("postgresql-column-order")
@pytest.mark.parametrize(
    ("child", "names"),
    [
        ("CREATE TABLE child (z int, a int, b text); ALTER TABLE child INHERIT parent", ["child"]),
        ("CREATE TABLE child (b text, a int); ALTER TABLE child INHERIT parent", ["child"]),
        (
            "CREATE TABLE child (z int DEFAULT 2) INHERITS (parent); ALTER TABLE parent ADD later int",
            ["child"],
        ),
        (
            "CREATE TABLE middle (z int DEFAULT 2) INHERITS (parent);"
            "CREATE TABLE child () INHERITS (middle); ALTER TABLE parent ADD later int",
            ["child", "middle"],
        ),
        (
            "CREATE TABLE another (y int DEFAULT 2); CREATE TABLE child () INHERITS (another, parent);"
            "ALTER TABLE child NO INHERIT another; ALTER TABLE child INHERIT another",
            ["child"],
        ),
        (
            "CREATE TABLE gone () INHERITS (parent); CREATE TABLE another (y int DEFAULT 2);"
            "CREATE TABLE child () INHERITS (parent, another); DROP TABLE gone;\nVACUUM pg_inherits;\n"
            "ALTER TABLE child NO INHERIT another; ALTER TABLE child INHERIT another",
            ["child"],
        ),
    ],
    ids=[
        "its own first",
        "another order",
        "added later",
        "further up",
        "inherited again",
        "as it lies there",
    ],
)
def test_columns_of_an_inheriting_table_come_back_in_another_order_which_is_named(
    postgresql: ScratchServer, database: str, copy: str, child: str, names: list[str]
) -> None:
    run_sql(
        postgresql,
        f"CREATE TABLE parent (a int, b text); {child}; INSERT INTO child (a, b) VALUES (1, 'x')",
        database,
    )
    restored(postgresql, database, copy)
    before, after = both(postgresql, database, copy, "SELECT * FROM child")
    assert sorted(before.split()) == sorted(after.split())
    assert before != after
    (found,) = findings(postgresql, database)
    assert found.what.endswith(", ".join(f"public.{name}" for name in names))


def test_an_inheriting_table_whose_order_stays_is_not_worth_a_word(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE parent (gone int, a int, b text); ALTER TABLE parent DROP gone;"
        "CREATE TABLE child (z int) INHERITS (parent); CREATE TABLE p (a int, b int) PARTITION BY RANGE (a);"
        "CREATE TABLE p1 (b int, a int); ALTER TABLE p ATTACH PARTITION p1 DEFAULT;"
        "CREATE TABLE another (b text, c int, a int);"
        "CREATE TABLE of_both (y int) INHERITS (parent, another)",
        database,
    )
    assert findings(postgresql, database) == []
    restored(postgresql, database, copy)
    query = """
        SELECT attrelid::regclass::text, string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid IN ('child'::regclass, 'p1'::regclass, 'of_both'::regclass) AND attnum > 0 GROUP BY 1
        ORDER BY 1
    """
    before, after = both(postgresql, database, copy, query)
    assert before == after


@pytest.mark.limitation("postgresql-inherited-defaults")
def test_a_default_that_comes_back_from_further_up_is_named(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE a (n int DEFAULT 1, m int DEFAULT 1); CREATE TABLE b () INHERITS (a);"
        "CREATE TABLE c () INHERITS (b); ALTER TABLE b ALTER n DROP DEFAULT;"
        "ALTER TABLE ONLY b ALTER m DROP DEFAULT",
        database,
    )
    restored(postgresql, database, copy)
    before, after = both(
        postgresql,
        database,
        copy,
        "SELECT atthasdef FROM pg_attribute WHERE attrelid = 'c'::regclass AND attname = 'n'",
    )
    assert before == "f"
    names = [finding.object for finding in findings(postgresql, database)]
    assert names == ([] if after == "f" else ["n of public.c"])


@pytest.mark.limitation("postgresql-inherited-conflicts")
@pytest.mark.parametrize(
    ("change", "conflict"),
    [
        ("ALTER TABLE ONLY another ALTER n SET DEFAULT 2", "conflicting default values"),
        (
            "ALTER TABLE ONLY another ALTER n SET DEFAULT 2; ALTER TABLE child ALTER n SET DEFAULT 3",
            "conflicting default values",
        ),
        (
            "ALTER TABLE ONLY another ALTER n SET DEFAULT 2; ALTER TABLE child ALTER n DROP DEFAULT",
            "conflicting default values",
        ),
        (
            "CREATE TABLE lower () INHERITS (another); ALTER TABLE child NO INHERIT another;"
            "DROP TABLE child; CREATE TABLE child () INHERITS (parent, lower);"
            "INSERT INTO child DEFAULT VALUES; ALTER TABLE another ALTER n SET DEFAULT 2",
            "conflicting default values",
        ),
        ("ALTER TABLE ONLY another ALTER v SET STORAGE external", "storage parameter conflict"),
        (
            "ALTER TABLE parent ALTER v SET COMPRESSION pglz;"
            "ALTER TABLE ONLY another ALTER v SET COMPRESSION lz4",
            "compression method conflict",
        ),
    ],
    ids=["default", "with its own", "without any", "further up", "storage", "compression"],
)
def test_what_several_tables_have_otherwise_makes_a_restore_fail_and_is_named(
    postgresql: ScratchServer, database: str, copy: str, change: str, conflict: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE parent (n int DEFAULT 1, v text); CREATE TABLE another (n int DEFAULT 1, v text);"
        f"CREATE TABLE child () INHERITS (parent, another); INSERT INTO child DEFAULT VALUES; {change}",
        database,
    )
    (found,) = [finding for finding in findings(postgresql, database) if finding.severity > Severity.NOTE]
    assert "a restore cannot make the table" in found.what
    assert found.object == ("n" if "default" in conflict else "v") + " of public.child"
    with pytest.raises(StatementFailed, match=conflict):
        restored(postgresql, database, copy)
    if "default" in conflict:
        parents = run_sql(
            postgresql,
            "SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = 'child'::regclass",
            database,
        ).split()
        run_sql(
            postgresql,
            "".join(f"ALTER TABLE child NO INHERIT {parent};" for parent in parents)
            + "".join(f"ALTER TABLE child INHERIT {parent};" for parent in parents),
            database,
        )
        assert findings(postgresql, database) == []


def test_defaults_that_do_not_meet_are_not_worth_a_word(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE root (n int DEFAULT 1); CREATE TABLE a () INHERITS (root);"
        "CREATE TABLE b () INHERITS (root); CREATE TABLE diamond () INHERITS (a, b);"
        "ALTER TABLE ONLY b ALTER n SET DEFAULT 2; CREATE TABLE s (id int); CREATE TABLE t (id int);"
        "CREATE TABLE numbered () INHERITS (s, t); CREATE SEQUENCE s_id OWNED BY s.id;"
        "CREATE SEQUENCE t_id OWNED BY t.id; ALTER TABLE ONLY s ALTER id SET DEFAULT nextval('s_id');"
        "ALTER TABLE ONLY t ALTER id SET DEFAULT nextval('t_id');"
        "CREATE TABLE u (id int DEFAULT 1); CREATE TABLE w (id int DEFAULT 2);"
        "CREATE TABLE own (id int DEFAULT 3) INHERITS (u, w); ALTER TABLE own ALTER id DROP DEFAULT",
        database,
    )
    assert findings(postgresql, database) == []
    restored(postgresql, database, copy)


@pytest.mark.limitation("postgresql-inherited-storage")
@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("ALTER TABLE ONLY parent ALTER v SET STORAGE external", "attstorage"),
        (
            "ALTER TABLE parent ALTER v SET STORAGE external; ALTER TABLE child ALTER v SET STORAGE extended",
            "attstorage",
        ),
        ("ALTER TABLE ONLY parent ALTER v SET COMPRESSION pglz", "attcompression"),
        (
            "ALTER TABLE parent ALTER v SET COMPRESSION pglz;"
            "ALTER TABLE child ALTER v SET COMPRESSION default",
            "attcompression",
        ),
    ],
)
def test_storage_that_comes_back_from_the_parent_is_named(
    postgresql: ScratchServer, database: str, copy: str, change: str, column: str
) -> None:
    run_sql(
        postgresql,
        f"CREATE TABLE parent (v text, w text); CREATE TABLE child () INHERITS (parent); {change};"
        "ALTER TABLE child ALTER w SET STORAGE main; ALTER TABLE child ALTER w SET COMPRESSION pglz",
        database,
    )
    restored(postgresql, database, copy)
    before, after = both(
        postgresql,
        database,
        copy,
        f"SELECT {column} FROM pg_attribute WHERE attrelid = 'child'::regclass AND attname = 'v'",
    )
    assert before != after
    (found,) = findings(postgresql, database)
    assert (found.severity, found.object) == (Severity.NOTE, "v of public.child")


@pytest.mark.limitation("postgresql-inherited-expressions")
@pytest.mark.parametrize(
    ("changed", "names"),
    [("ONLY parent", "n of public.child, n of public.lower"), ("lower", "n of public.lower")],
    ids=["parent", "child"],
)
def test_values_generated_by_another_expression_than_the_parents_are_named(
    postgresql: ScratchServer, database: str, copy: str, changed: str, names: str
) -> None:
    since(postgresql, 17)
    run_sql(
        postgresql,
        "CREATE TABLE parent (m int, n int GENERATED ALWAYS AS (m * 2) STORED);"
        "CREATE TABLE child () INHERITS (parent); CREATE TABLE lower () INHERITS (child);"
        f"ALTER TABLE {changed} ALTER n SET EXPRESSION AS (m * 3); INSERT INTO lower (m) VALUES (1)",
        database,
    )
    restored(postgresql, database, copy)
    before, after = both(postgresql, database, copy, "SELECT n FROM lower")
    assert before != after
    (found,) = findings(postgresql, database)
    assert found.what.endswith(f"column {names}")
    run_sql(
        postgresql,
        "ALTER TABLE lower NO INHERIT child; ALTER TABLE child NO INHERIT parent;"
        "ALTER TABLE child INHERIT parent; ALTER TABLE lower INHERIT child",
        database,
    )
    assert findings(postgresql, database) == []


@pytest.mark.limitation("postgresql-inherited-not-null")
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE parent ALTER n SET NOT NULL; ALTER TABLE child ALTER n DROP NOT NULL",
        "ALTER TABLE ONLY parent ALTER n SET NOT NULL",
        "ALTER TABLE ONLY parent ADD PRIMARY KEY (n)",
    ],
    ids=["dropped here", "only there", "primary key"],
)
def test_not_null_that_comes_back_from_the_parent_makes_a_restore_fail_and_is_named(
    postgresql: ScratchServer, database: str, copy: str, change: str
) -> None:
    run_sql(postgresql, "CREATE TABLE parent (n int); CREATE TABLE child () INHERITS (parent)", database)
    try:
        run_sql(postgresql, change + "; INSERT INTO child VALUES (NULL)", database)
    except ClientError:
        assert postgresql.binaries.version_number >= (18,)  # which refuses it, or (ONLY) has it right
        return
    if postgresql.binaries.version_number >= (18,):
        assert findings(postgresql, database) == []
        return
    (found,) = findings(postgresql, database)
    assert found.object == "n of public.child"
    with pytest.raises(StatementFailed, match="violates not-null constraint"):
        restored(postgresql, database, copy)
    run_sql(
        postgresql,
        "ALTER TABLE parent DROP CONSTRAINT IF EXISTS parent_pkey; ALTER TABLE parent ALTER n DROP NOT NULL;"
        "ALTER TABLE parent ADD CHECK (n IS NOT NULL) NO INHERIT",
        database,
    )
    assert findings(postgresql, database) == []


def test_a_table_that_is_locked_does_not_keep_its_defaults_from_being_looked_at(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE parent (n int DEFAULT  1); CREATE TABLE another (n int DEFAULT 1);"
        "CREATE TABLE child () INHERITS (parent, another); CREATE TABLE t (n pg_node_tree, c regclass)",
        database,
    )
    place = {"host": postgresql.host, "port": postgresql.port, "user": postgresql.superuser}
    with psycopg.connect(**place, password=postgresql.password, dbname=database) as holder:
        holder.execute("LOCK TABLE parent, another, child, t")
        names = [finding.object for finding in findings(postgresql, database, lock_wait="1s")]
    assert names == ["n of public.t (pg_node_tree)", "c of public.t (regclass)"]


# ---------------------------------------------------------------------------- constraints


@pytest.mark.limitation("postgresql-orphaned-constraints")
@pytest.mark.parametrize("then", ["", "ALTER TABLE child NO INHERIT parent"])
def test_a_constraint_that_no_parent_has_any_more_is_in_no_dump_and_named(
    postgresql: ScratchServer, database: str, copy: str, then: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE parent (a int, b int, CONSTRAINT k CHECK (a > 0 OR b > 0), CONSTRAINT j CHECK (a > 0));"
        "CREATE TABLE child () INHERITS (parent); ALTER TABLE ONLY parent DROP COLUMN b;" + then,
        database,
    )
    restored(postgresql, database, copy)
    query = (
        "SELECT conname FROM pg_constraint WHERE conrelid = 'child'::regclass AND contype = 'c' ORDER BY 1"
    )
    before, after = both(postgresql, database, copy, query)
    assert (before, after) == ("j\nk", "j")
    assert "k of public.child" in [finding.object for finding in findings(postgresql, database)]


@pytest.mark.limitation("postgresql-inherited-not-valid")
@pytest.mark.parametrize(
    ("major", "statement", "name"),
    [
        (
            13,
            "CREATE TABLE parent (n int); CREATE TABLE child () INHERITS (parent);"
            "ALTER TABLE parent ADD CONSTRAINT k CHECK (n > 0) NOT VALID;"
            "ALTER TABLE child VALIDATE CONSTRAINT k",
            "k of public.child",
        ),
        (
            18,
            "CREATE TABLE r (n int PRIMARY KEY); CREATE TABLE parent (n int) PARTITION BY LIST (n);"
            "CREATE TABLE child PARTITION OF parent DEFAULT;"
            "ALTER TABLE parent ADD CONSTRAINT k FOREIGN KEY (n) REFERENCES r NOT VALID;"
            "ALTER TABLE child VALIDATE CONSTRAINT k",
            "k of public.child",
        ),
    ],
    ids=["check", "foreign key"],
)
def test_a_constraint_that_comes_back_not_valid_is_named(
    postgresql: ScratchServer, database: str, copy: str, major: int, statement: str, name: str
) -> None:
    since(postgresql, major)
    run_sql(postgresql, statement, database)
    restored(postgresql, database, copy)
    query = "SELECT convalidated FROM pg_constraint WHERE conrelid = 'child'::regclass AND conname = 'k'"
    assert both(postgresql, database, copy, query) == ("t", "f")
    (found,) = findings(postgresql, database)
    assert (found.severity, found.object) == (Severity.NOTE, name)
    run_sql(postgresql, "ALTER TABLE parent VALIDATE CONSTRAINT k", database)
    assert findings(postgresql, database) == []


# ---------------------------------------------------------------------------- partitions


@pytest.mark.limitation("postgresql-partition-keys")
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE p1 ADD CONSTRAINT own FOREIGN KEY (n) REFERENCES r;"
        "ALTER TABLE p ADD CONSTRAINT theirs FOREIGN KEY (n) REFERENCES r",
        "ALTER TABLE p ADD CONSTRAINT theirs FOREIGN KEY (n) REFERENCES r;"
        "ALTER TABLE p1 RENAME CONSTRAINT theirs TO own",
        "ALTER TABLE p ADD CONSTRAINT own FOREIGN KEY (n) REFERENCES r;"
        "ALTER TABLE p RENAME CONSTRAINT own TO theirs",
    ],
    ids=["made before", "renamed there", "renamed above"],
)
def test_foreign_keys_of_partitions_come_back_under_another_name_which_is_noted(
    postgresql: ScratchServer, database: str, copy: str, statement: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE r (n int PRIMARY KEY) PARTITION BY LIST (n); CREATE TABLE r1 PARTITION OF r DEFAULT;"
        "CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p DEFAULT;" + statement,
        database,
    )
    restored(postgresql, database, copy)
    query = """
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'p1'::regclass AND contype = 'f' AND confrelid = 'r'::regclass
    """
    assert both(postgresql, database, copy, query) == ("own", "theirs")
    (found,) = findings(postgresql, database)
    assert (found.severity, found.object) == (Severity.NOTE, "own of public.p1 (theirs)")


def test_a_foreign_key_of_a_partition_whose_name_was_taken_keeps_its_own(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE r (n int PRIMARY KEY); CREATE TABLE p (n int) PARTITION BY LIST (n);"
        "CREATE TABLE p1 PARTITION OF p DEFAULT; ALTER TABLE p1 ADD CONSTRAINT k CHECK (n > 0);"
        "ALTER TABLE p ADD CONSTRAINT k FOREIGN KEY (n) REFERENCES r",
        database,
    )
    assert findings(postgresql, database) == []
    restored(postgresql, database, copy)
    query = "SELECT conname FROM pg_constraint WHERE conrelid = 'p1'::regclass AND contype = 'f'"
    before, after = both(postgresql, database, copy, query)
    assert before == after != "k"


@pytest.mark.limitation("postgresql-interrupted-detach")
def test_a_partition_whose_detaching_was_interrupted_comes_back_attached_and_is_named(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p DEFAULT;"
        "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2); INSERT INTO p VALUES (1), (2); DROP TABLE p1;"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1)",
        database,
    )
    place = {"host": postgresql.host, "port": postgresql.port, "user": postgresql.superuser}
    with psycopg.connect(**place, password=postgresql.password, dbname=database) as reader:
        reader.execute("SELECT FROM p")
        with pytest.raises(ClientError, match="statement timeout"):
            run_sql(
                postgresql,
                "SET statement_timeout = '300ms';\nALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;",
                database,
            )
    restored(postgresql, database, copy)
    assert both(postgresql, database, copy, "SELECT count(*) FROM p") == ("1", "2")
    (found,) = findings(postgresql, database)
    assert found.object == "public.p1"
    run_sql(postgresql, "ALTER TABLE p DETACH PARTITION p1 FINALIZE", database)
    assert findings(postgresql, database) == []
