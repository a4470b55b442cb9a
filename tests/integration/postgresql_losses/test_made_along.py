"""What comes along with tables, views and types, and is lost by itself, is named (docs/limitations.md)."""

from __future__ import annotations

import pytest

from scripts.sample.clients import drop_database, run_sql
from tests.integration.postgresql_support import both, dump, findings, restored, role
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Severity
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql


MADE = """
    CREATE TABLE t (n int); CREATE VIEW v AS SELECT 1 AS n; CREATE TYPE e AS ENUM ('a');
    CREATE TYPE r AS RANGE (subtype = int4, multirange_type_name = m);
"""


@pytest.mark.limitation("postgresql-made-along")
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("COMMENT ON TYPE t IS 'lost'", "comment on type public.t"),
        ("COMMENT ON TYPE v IS 'lost'", "comment on type public.v"),
        ("COMMENT ON TYPE _e IS 'lost'", "comment on type public.e[]"),
        ("COMMENT ON TYPE m IS 'lost'", "comment on type public.m"),
        ("COMMENT ON FUNCTION r(int, int) IS 'lost'", "comment on function public.r(integer,integer)"),
        ("COMMENT ON CAST (r AS m) IS 'lost'", "comment on cast from public.r to public.m"),
        ("GRANT USAGE ON TYPE t TO pg_monitor", "privileges on type public.t"),
        ("REVOKE USAGE ON TYPE v FROM PUBLIC", "privileges on type public.v"),
        (
            "REVOKE EXECUTE ON FUNCTION r(int, int) FROM PUBLIC",
            "privileges on function public.r(integer,integer)",
        ),
    ],
)
def test_comments_and_privileges_on_what_comes_along_are_in_no_dump_and_named(
    postgresql: ScratchServer, database: str, statement: str, name: str
) -> None:
    run_sql(postgresql, MADE + statement, database)
    script = dump(postgresql, database).script
    assert b"'lost'" not in script
    assert b"GRANT" not in script
    assert b"REVOKE" not in script
    (found,) = findings(postgresql, database)
    assert found.object == name


def test_comments_and_privileges_on_what_is_made_by_itself_are_not_worth_a_word(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        MADE
        + """
        CREATE TYPE c AS (n int); CREATE DOMAIN d AS int; CREATE EXTENSION hstore;
        COMMENT ON TYPE c IS 'kept'; COMMENT ON TYPE e IS 'kept'; COMMENT ON TYPE r IS 'kept';
        COMMENT ON TABLE t IS 'kept'; COMMENT ON DOMAIN d IS 'kept';
        REVOKE USAGE ON TYPE c, e, r, d FROM PUBLIC; ALTER TYPE r OWNER TO pg_monitor;
        """,
        database,
    )
    assert findings(postgresql, database) == []
    restored(postgresql, database, copy)
    before, after = both(
        postgresql, database, copy, "SELECT typname, typacl FROM pg_type WHERE typacl IS NOT NULL ORDER BY 1"
    )
    assert before == after


@pytest.mark.limitation("postgresql-constructors")
@pytest.mark.parametrize(
    ("use", "change", "cure"),
    [
        ("r(1, 2)", "ALTER TYPE r RENAME TO q", ["r(int,int) RENAME TO q", "r(int,int,text) RENAME TO q"]),
        (
            "r(1, 2)",
            "CREATE SCHEMA s; ALTER TYPE r SET SCHEMA s",
            [
                f"{name} SET SCHEMA s"
                for name in ("r(int,int)", "r(int,int,text)", "m()", "m(s.r)", "m(s.r[])")
            ],
        ),
        (
            "m(r(1, 2))",
            "ALTER TYPE m RENAME TO q",
            [f"{name} RENAME TO q" for name in ("m()", "m(r)", "m(r[])")],
        ),
        ("s(1, 2)", "", ["s(int,int) RENAME TO r"]),
    ],
    ids=["renamed", "moved", "multirange", "by itself"],
)
def test_a_constructor_that_comes_back_under_another_name_makes_a_restore_fail_and_is_named(
    postgresql: ScratchServer, database: str, copy: str, use: str, change: str, cure: list[str]
) -> None:
    if not change:
        run_sql(postgresql, MADE + "ALTER FUNCTION r(int, int) RENAME TO s", database)
    else:
        run_sql(postgresql, MADE, database)
    run_sql(postgresql, f"CREATE VIEW used AS SELECT {use} AS x; {change}", database)
    (found,) = findings(postgresql, database)
    assert found.what.count(" (") == 1 + len(cure)
    with pytest.raises(StatementFailed, match="does not exist"):
        restored(postgresql, database, copy)
    run_sql(postgresql, "".join(f"ALTER FUNCTION {each};" for each in cure), database)
    assert findings(postgresql, database) == []


def test_constructors_of_a_multirange_in_another_schema_come_back_where_they_were(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        "CREATE SCHEMA s; CREATE TYPE r AS RANGE (subtype = int4, multirange_type_name = s.m);"
        "CREATE VIEW used AS SELECT m(r(1, 2)) AS x",
        database,
    )
    assert findings(postgresql, database) == []
    restored(postgresql, database, copy)


@pytest.mark.limitation("postgresql-multirange-owner")
def test_a_multirange_type_that_comes_back_as_another_roles_is_noted(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    with role(postgresql) as someone:
        run_sql(
            postgresql,
            f"GRANT CREATE ON SCHEMA public TO {someone.username}; SET ROLE {someone.username};"
            "CREATE TYPE r AS RANGE (subtype = int4, multirange_type_name = m)",
            database,
        )
        restored(postgresql, database, copy)
        before, after = both(
            postgresql, database, copy, "SELECT typowner::regrole FROM pg_type WHERE typname = 'm'"
        )
        assert before == someone.username
        if postgresql.binaries.version_number >= (17,):
            assert after == before
            assert findings(postgresql, database) == []
        else:
            assert after == postgresql.superuser
            (found,) = findings(postgresql, database)
            assert (found.severity, found.object) == (Severity.NOTE, f"public.m ({someone.username})")
        drop_database(postgresql, database)
        drop_database(postgresql, copy)
