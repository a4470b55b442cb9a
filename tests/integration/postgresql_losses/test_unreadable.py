"""Values that no server reads back, or not every one, are named (docs/limitations.md)."""

from __future__ import annotations

import pytest

from scripts.sample.clients import drop_database, run_sql
from tests.integration.postgresql_support import both, findings, restored, role
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Severity
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql


@pytest.mark.limitation("postgresql-unreadable-types")
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("SELECT adbin AS v FROM pg_attrdef", "pg_node_tree"),
        ("SELECT stxdndistinct AS v FROM pg_statistic_ext_data", "pg_ndistinct"),
        ("SELECT stxddependencies AS v FROM pg_statistic_ext_data", "pg_dependencies"),
        ("SELECT stxdmcv AS v FROM pg_statistic_ext_data", "pg_mcv_list"),
    ],
)
def test_values_that_no_server_reads_back_make_a_restore_fail_and_are_named(
    postgresql: ScratchServer, database: str, copy: str, query: str, name: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE s AS SELECT n % 9 AS a, n % 9 AS b FROM generate_series(1, 99) n;"
        "ALTER TABLE s ALTER a SET DEFAULT 1; CREATE STATISTICS st ON a, b FROM s; ANALYZE s;"
        f"CREATE TABLE t AS {query}",
        database,
    )
    (found,) = findings(postgresql, database)
    assert (found.severity, found.object) == (Severity.WARNING, f"v of public.t ({name})")
    with pytest.raises(StatementFailed, match=f"cannot accept a value of type {name}"):
        restored(postgresql, database, copy)
    run_sql(postgresql, "ALTER TABLE t ALTER v TYPE text USING v::text", database)
    assert findings(postgresql, database) == []


@pytest.mark.limitation("postgresql-object-names")
@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("regclass", "'z_pkey'", 'relation "public.z_pkey" does not exist'),
        ("regclass[]", "'{z_pkey}'", 'relation "public.z_pkey" does not exist'),
        ("of_a_table", "'z_pkey'", 'relation "public.z_pkey" does not exist'),
        ("regproc", "'f'", 'more than one function named "public.f"'),
        ("regoper", "'551'::oid", r"more than one operator named pg_catalog.\+"),
    ],
)
def test_names_that_a_restore_cannot_tell_make_it_fail_and_are_noted(
    postgresql: ScratchServer, database: str, copy: str, kind: str, value: str, why: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE z (n int PRIMARY KEY); CREATE DOMAIN of_a_table AS regclass;"
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        f"CREATE TABLE t (v {kind}); INSERT INTO t VALUES ({value});"
        "CREATE FUNCTION f(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        database,
    )
    (found,) = findings(postgresql, database)
    shown = "public.of_a_table" if kind == "of_a_table" else kind
    assert (found.severity, found.object) == (Severity.NOTE, f"v of public.t ({shown})")
    with pytest.raises(StatementFailed, match=why):
        restored(postgresql, database, copy)


@pytest.mark.limitation("postgresql-object-names")
def test_privileges_of_a_role_that_is_gone_make_a_restore_fail_and_are_noted(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    with role(postgresql) as gone:
        run_sql(
            postgresql,
            "CREATE TABLE t (v aclitem); INSERT INTO t"
            f" SELECT makeaclitem('{gone.username}'::regrole, 'postgres'::regrole, 'SELECT', false)",
            database,
        )
    (found,) = findings(postgresql, database)
    assert (found.severity, found.object) == (Severity.NOTE, "v of public.t (aclitem)")
    with pytest.raises(StatementFailed, match=r'role "\d+" does not exist'):
        restored(postgresql, database, copy)
    drop_database(postgresql, copy)


def test_names_that_a_restore_can_tell_are_not_worth_a_word(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        """
        CREATE TABLE t (a regtype, b regoperator, c regconfig, d regdictionary, e regcollation,
            f regnamespace, g regprocedure);
        CREATE SCHEMA s; CREATE TABLE s.z (n int); CREATE COLLATION s.c (locale = 'C');
        CREATE TEXT SEARCH CONFIGURATION s.c (COPY = simple);
        CREATE TEXT SEARCH DICTIONARY s.d (TEMPLATE = simple);
        CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION s.f(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
        INSERT INTO t VALUES ('s.z[]', '+(int, int)', 's.c', 's.d', 's.c', 's', 's.f(text)');
        """,
        database,
    )
    assert findings(postgresql, database) == []
    restored(postgresql, database, copy)
    before, after = both(postgresql, database, copy, "SELECT * FROM t")
    assert before == after
