"""What pg_dump or its restore loses in silence is real, and is named beforehand (docs/limitations.md)."""

from __future__ import annotations

import pytest

from scripts.sample.clients import ClientError, drop_database, run_sql
from tests.conftest import choose
from tests.integration.postgresql_support import both, dump, findings, restored, role, whats
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Severity
from vya_backupdb.scratch import ScratchServer, start

pytestmark = pytest.mark.postgresql


# ---------------------------------------------------------------------------- the system's and extensions'


@pytest.mark.limitation("postgresql-system-schemas")
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE FUNCTION pg_catalog.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function mine()"),
        ("CREATE TYPE pg_catalog.mine AS ENUM ()", "type mine"),
        ("CREATE OPERATOR pg_catalog.@@@@ (LEFTARG=int4,RIGHTARG=int4,FUNCTION=int4pl)", "operator @@@@"),
        ("CREATE TEXT SEARCH CONFIGURATION pg_catalog.m (COPY=simple)", "text search configuration m"),
        ("CREATE TEXT SEARCH DICTIONARY pg_catalog.m (TEMPLATE=simple)", "text search dictionary m"),
        ("CREATE VIEW information_schema.mine AS SELECT 1 AS n", "table mine"),
        ("CREATE TYPE information_schema.mine AS (n int)", "type mine"),
        ("CREATE COLLATION pg_catalog.mine (locale = 'C')", "collation mine"),
        ("CREATE OPERATOR FAMILY pg_catalog.mine USING btree", "operator family mine"),
        ("CREATE TEXT SEARCH TEMPLATE pg_catalog.m (LEXIZE=dsimple_lexize)", "text search template m"),
        (
            "CREATE TEXT SEARCH PARSER pg_catalog.m (START=prsd_start, GETTOKEN=prsd_nexttoken, END=prsd_end,"
            " LEXTYPES=prsd_lextype)",
            "text search parser m",
        ),
        ("CREATE RULE mine AS ON DELETE TO information_schema.tables DO NOTHING", "rule mine on tables"),
        (
            "CREATE TRIGGER mine INSTEAD OF DELETE ON information_schema.tables FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger mine on tables",
        ),
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA information_schema GRANT SELECT ON TABLES TO PUBLIC",
            "default privileges of postgres",
        ),
    ],
)
def test_what_is_in_the_systems_schemas_is_in_no_dump_and_named(
    postgresql: ScratchServer, database: str, statement: str, name: str
) -> None:
    run_sql(postgresql, statement, database)
    assert b"CREATE " not in dump(postgresql, database).script.replace(b"CREATE DATABASE", b"")
    assert whats(findings(postgresql, database)) == [
        f"in the system's own schemas, which pg_dump never dumps: {name}"
    ]


@pytest.mark.limitation("postgresql-system-schemas")
@pytest.mark.parametrize(
    ("statement", "name", "question"),
    [
        (
            "CREATE EXTENSION unaccent; ALTER TEXT SEARCH CONFIGURATION english"
            " ALTER MAPPING FOR word WITH unaccent, english_stem",
            "text search configuration english",
            "SELECT count(*) FROM pg_ts_config_map WHERE mapcfg = 'english'::regconfig AND mapdict >= 16384",
        ),
        (
            "CREATE FUNCTION compare(int, text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 0';"
            "ALTER OPERATOR FAMILY integer_ops USING btree ADD FUNCTION 1 (int, text) compare(int, text)",
            "operator family integer_ops (btree)",
            "SELECT count(*) FROM pg_amproc WHERE oid >= 16384",
        ),
    ],
)
def test_what_was_added_to_the_systems_own_is_in_no_dump_and_named(
    postgresql: ScratchServer, database: str, copy: str, statement: str, name: str, question: str
) -> None:
    run_sql(postgresql, statement, database)
    restored(postgresql, database, copy)
    assert both(postgresql, database, copy, question) == ("1", "0")
    assert whats(findings(postgresql, database)) == [
        f"the system's own, which pg_dump never dumps, and what was added to them is lost: {name}"
    ]


@pytest.mark.limitation("postgresql-system-schemas")
def test_statistics_in_the_systems_schemas_are_in_no_dump_and_named(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE t (a int, b int); CREATE STATISTICS information_schema.mine ON a, b FROM t",
        database,
    )
    assert b"STATISTICS" not in dump(postgresql, database).script
    assert [finding.object for finding in findings(postgresql, database)] == ["statistics mine"]


@pytest.mark.limitation("postgresql-from-template0")
@pytest.mark.parametrize(
    ("statement", "name", "question"),
    [
        (
            "COMMENT ON EXTENSION plpgsql IS 'mine'",
            "comment on extension plpgsql",
            "SELECT obj_description(oid, 'pg_extension') FROM pg_extension",
        ),
        (
            "COMMENT ON SCHEMA pg_catalog IS 'mine'",
            "comment on schema pg_catalog",
            "SELECT obj_description('pg_catalog'::regnamespace, 'pg_namespace')",
        ),
        (
            "COMMENT ON SCHEMA information_schema IS 'mine'",
            "comment on schema information_schema",
            "SELECT obj_description('information_schema'::regnamespace, 'pg_namespace')",
        ),
        (
            "DROP EXTENSION plpgsql",
            "extension plpgsql, which was dropped",
            "SELECT count(*) FROM pg_extension",
        ),
    ],
)
def test_what_every_new_database_has_comes_back_as_it_is_there_which_is_noted(
    postgresql: ScratchServer, database: str, copy: str, statement: str, name: str, question: str
) -> None:
    run_sql(postgresql, statement, database)
    restored(postgresql, database, copy)
    before, after = both(postgresql, database, copy, question)
    assert before != after
    (found,) = findings(postgresql, database)
    assert (found.severity, found.object) == (Severity.NOTE, name)


@pytest.mark.limitation("postgresql-information-schema")
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("REVOKE USAGE ON SCHEMA information_schema FROM PUBLIC", "schema information_schema"),
        ("REVOKE SELECT ON information_schema.tables FROM PUBLIC", "table tables"),
        ("GRANT SELECT (table_name) ON information_schema.views TO pg_monitor", "table views"),
        (
            "REVOKE EXECUTE ON FUNCTION information_schema._pg_truetypid FROM PUBLIC",
            "function _pg_truetypid",
        ),
    ],
)
def test_privileges_on_the_information_schema_are_in_no_dump_and_named(
    postgresql: ScratchServer, database: str, statement: str, name: str
) -> None:
    run_sql(postgresql, statement, database)
    script = dump(postgresql, database).script
    assert b"GRANT" not in script
    assert b"REVOKE" not in script
    assert whats(findings(postgresql, database)) == [
        f"privileges on what is in information_schema are in no dump, and were changed: {name}"
    ]


MEMBER = """
    BEGIN; CREATE EXTENSION hstore; CREATE TABLE member (id int PRIMARY KEY, v text);
    CREATE VIEW shown AS SELECT id FROM member;
    ALTER EXTENSION hstore ADD TABLE member; ALTER EXTENSION hstore ADD VIEW shown; COMMIT;
"""
"""A table and a view that an extension has brought along."""


def test_an_extension_as_it_was_made_is_not_worth_a_word(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, MEMBER, database)
    assert findings(postgresql, database) == []


@pytest.mark.limitation("postgresql-extension-rows")
def test_rows_of_an_extensions_table_are_in_no_dump_and_named(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(postgresql, MEMBER + "INSERT INTO member VALUES (1, 'lost')", database)
    assert b"lost" not in dump(postgresql, database).script
    (found,) = findings(postgresql, database)
    assert found.object == "table public.member"
    assert "an extension has not marked as its configuration" in found.what


@pytest.mark.limitation("postgresql-extension-rows")
def test_the_number_of_an_extensions_sequence_is_in_no_dump_and_named(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(
        postgresql,
        "BEGIN; CREATE EXTENSION hstore; CREATE SEQUENCE s; ALTER EXTENSION hstore ADD SEQUENCE s; COMMIT",
        database,
    )
    assert findings(postgresql, database) == []
    run_sql(postgresql, "SELECT nextval('s')", database)
    assert b"setval" not in dump(postgresql, database).script
    (found,) = findings(postgresql, database)
    assert found.object == "sequence public.s"


@pytest.mark.limitation("postgresql-extension-changes")
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE INDEX added ON member (v)", "index public.added"),
        ("CREATE RULE added AS ON DELETE TO member DO INSTEAD NOTHING", "rule added on public.member"),
        ("CREATE POLICY added ON member", "policy added on public.member"),
        ("ALTER TABLE member ADD CONSTRAINT added CHECK (id > 0)", "constraint added of public.member"),
        ("ALTER TABLE member ADD added int", "column added of public.member"),
        ("CREATE OR REPLACE VIEW shown AS SELECT id, 1 AS added FROM member", "view public.shown"),
        ("ALTER FUNCTION hstore_in(cstring) SET added.n = 1", "function public.hstore_in(cstring)"),
        ("ALTER FUNCTION hstore_in(cstring) RENAME TO added", "function public.added(cstring)"),
        (
            "COMMENT ON FUNCTION hstore_in(cstring) IS 'added'",
            "comment on function public.hstore_in(cstring)",
        ),
        (
            "CREATE TRIGGER added BEFORE UPDATE ON member FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger added on public.member",
        ),
    ],
)
def test_what_was_added_to_an_extensions_table_is_in_no_dump_and_named(
    postgresql: ScratchServer, database: str, statement: str, name: str
) -> None:
    run_sql(postgresql, MEMBER, database)
    run_sql(postgresql, statement, database)
    assert b"added" not in dump(postgresql, database).script
    (found,) = findings(postgresql, database)
    assert found.what.startswith("added to what an extension made or changed there, and so in no dump: ")
    assert name in found.what


@pytest.mark.parametrize(
    "made",
    [
        MEMBER + "SET allow_system_table_mods = on; UPDATE pg_depend SET deptype = 'n'"
        " WHERE classid = 'pg_extension'::regclass AND objid >= 16384;",
        MEMBER.replace("BEGIN;", "BEGIN; CREATE TABLE another (n int);"),
    ],
    ids=["by itself", "among others"],
)
def test_an_extension_that_pg_upgrade_made_is_not_worth_a_word(
    postgresql: ScratchServer, database: str, made: str
) -> None:
    """It makes members in one transaction each, from 17 on a thousand things in one; indexes come later."""
    run_sql(postgresql, made, database)
    run_sql(postgresql, "CREATE INDEX of_the_extension ON member (v)", database)
    assert findings(postgresql, database) == []


def test_an_extension_that_was_updated_is_not_worth_a_word(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE EXTENSION hstore VERSION '1.4'; CREATE EXTENSION citext", database)
    run_sql(postgresql, "ALTER EXTENSION hstore UPDATE; CREATE TABLE t (v citext)", database)
    run_sql(postgresql, "REVOKE EXECUTE ON FUNCTION hstore_in FROM PUBLIC", database)
    assert findings(postgresql, database) == []


@pytest.mark.limitation("postgresql-gone-roles")
def test_a_role_that_is_gone_and_that_an_extension_gave_privileges_to_is_named(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    with role(postgresql, "SUPERUSER") as gone:
        run_sql(postgresql, f"SET ROLE {gone.username}; CREATE EXTENSION pg_stat_statements", database)
    if postgresql.binaries.version_number >= (17,):  # which forgets these privileges with the role
        assert findings(postgresql, database) == []
        return
    (found, *_) = findings(postgresql, database)
    assert "an extension gave privileges to a role that is gone" in found.what
    with pytest.raises(StatementFailed, match=r'role "\d+" does not exist'):
        restored(postgresql, database, copy)


@pytest.mark.limitation("postgresql-languages")
def test_a_language_made_of_the_systems_functions_makes_a_restore_fail_and_is_named(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(postgresql, "CREATE LANGUAGE mine HANDLER plpgsql_call_handler", database)
    (found,) = findings(postgresql, database)
    assert found.object == "mine"
    with pytest.raises(StatementFailed, match='extension "mine" is not available'):
        restored(postgresql, database, copy)


@pytest.mark.limitation("postgresql-extension-version")
def test_an_extension_that_comes_back_in_another_version_is_named(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(postgresql, "CREATE EXTENSION hstore VERSION '1.4'", database)
    restored(postgresql, database, copy)
    before, after = both(
        postgresql, database, copy, "SELECT extversion FROM pg_extension WHERE extname = 'hstore'"
    )
    assert before == "1.4" != after
    (found,) = findings(postgresql, database)
    assert found.what.endswith(f"extension hstore 1.4 ({after})")


@pytest.mark.limitation("postgresql-extension-owner")
def test_an_extension_that_comes_back_as_another_roles_is_named(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    owner = "SELECT extowner::regrole FROM pg_extension WHERE extname = 'hstore'"
    with role(postgresql) as someone:
        run_sql(
            postgresql,
            f"GRANT CREATE ON DATABASE {database} TO {someone.username}; SET ROLE {someone.username};"
            "CREATE EXTENSION hstore",
            database,
        )
        restored(postgresql, database, copy)
        assert both(postgresql, database, copy, owner) == (someone.username, postgresql.superuser)
        (found,) = findings(postgresql, database)
        assert found.what.endswith(f"extension hstore ({someone.username})")
        assert found.severity is Severity.NOTE
        drop_database(postgresql, database)


# ---------------------------------------------------------------------------- tables


@pytest.mark.limitation("postgresql-comments")
@pytest.mark.parametrize(
    ("on", "name"),
    [
        ("CONSTRAINT k ON child", "constraint k on table public.child"),
        ("CONSTRAINT p_n_fkey ON p1", "constraint p_n_fkey on table public.p1"),
        ("TRIGGER g ON p1", "trigger g on table public.p1"),
        ('RULE "_RETURN" ON v', "rule _RETURN on view public.v"),
        ("CONSTRAINT c ON other", "constraint c on table public.other"),
    ],
)
def test_comments_on_what_is_inherited_are_in_no_dump_and_named(
    postgresql: ScratchServer, database: str, on: str, name: str
) -> None:
    run_sql(
        postgresql,
        f"""
        CREATE TABLE parent (n int CONSTRAINT k CHECK (n > 0)); CREATE TABLE child () INHERITS (parent);
        CREATE TABLE other (n int PRIMARY KEY); CREATE VIEW v AS SELECT 1;
        CREATE TABLE p (n int REFERENCES other) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p DEFAULT;
        CREATE TRIGGER g BEFORE UPDATE ON p FOR EACH ROW
            EXECUTE FUNCTION suppress_redundant_updates_trigger();
        CREATE CONSTRAINT TRIGGER c AFTER UPDATE ON other FOR EACH ROW
            EXECUTE FUNCTION suppress_redundant_updates_trigger();
        COMMENT ON TRIGGER c ON other IS 'kept'; COMMENT ON CONSTRAINT k ON parent IS 'kept';
        COMMENT ON TRIGGER g ON p IS 'kept';
        COMMENT ON {on} IS 'lost';
        """,
        database,
    )
    script = dump(postgresql, database).script
    assert b"'kept'" in script
    assert b"'lost'" not in script
    (found,) = findings(postgresql, database)
    assert found.object == name


@pytest.mark.limitation("postgresql-refresh-rights")
def test_a_materialized_view_whose_owner_may_not_refresh_it_is_named(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    with role(postgresql) as owner:
        run_sql(
            postgresql,
            "CREATE TABLE t AS SELECT 1 AS n; CREATE MATERIALIZED VIEW m AS SELECT n FROM t;"
            f"ALTER MATERIALIZED VIEW m OWNER TO {owner.username}",
            database,
        )
        (found,) = findings(postgresql, database)
        assert found.object == "public.m"
        with pytest.raises(StatementFailed, match="permission denied for table t"):
            restored(postgresql, database, copy)
        run_sql(postgresql, f"GRANT SELECT (n) ON t TO {owner.username}", database)
        assert findings(postgresql, database) == []


@pytest.mark.limitation("postgresql-collation-version")
def test_a_collation_in_use_whose_version_changed_is_named(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "CREATE COLLATION used (provider = icu, locale = 'sv'); CREATE TABLE t (n text COLLATE used);"
        "CREATE COLLATION unused (provider = icu, locale = 'da');"
        "UPDATE pg_collation SET collversion = '0.1' WHERE collname IN ('used', 'unused')",
        database,
    )
    (found,) = findings(postgresql, database)
    assert found.object == "public.used"


# ---------------------------------------------------------------------------- functions that a restore runs


OTHER = """
    CREATE EXTENSION unaccent; CREATE TABLE other AS SELECT 1 AS n;
    CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT unaccent($1)';
    CREATE FUNCTION counted(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$ DECLARE r int; BEGIN SELECT count(*) INTO r FROM other; RETURN r; END $$;
    CREATE FUNCTION listed(int) RETURNS boolean LANGUAGE sql STABLE AS
        'SELECT EXISTS (SELECT FROM public.other WHERE n = $1)';
"""


@pytest.mark.limitation("postgresql-search-path")
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "CREATE TABLE t (v text); CREATE INDEX i ON t (plain(v)); INSERT INTO t VALUES ('x')",
            "index public.i",
        ),
        ("CREATE MATERIALIZED VIEW m AS SELECT counted(1)", "materialized view public.m"),
        (
            "CREATE VIEW v AS SELECT counted(1) AS n; CREATE MATERIALIZED VIEW m AS SELECT * FROM v",
            "materialized view public.m",
        ),
        (
            "CREATE TABLE t (v text, g text GENERATED ALWAYS AS (plain(v)) STORED);"
            "INSERT INTO t VALUES ('x')",
            "the generated column g of table public.t",
        ),
        (
            "CREATE TABLE t (v text CONSTRAINT c CHECK (plain(v) <> '')); INSERT INTO t VALUES ('x')",
            "the constraint c of table public.t",
        ),
    ],
)
def test_a_function_that_needs_a_search_path_makes_a_restore_fail_and_is_named(
    postgresql: ScratchServer, database: str, copy: str, statement: str, what: str
) -> None:
    run_sql(postgresql, OTHER, database)
    try:
        run_sql(postgresql, statement, database)
    except ClientError:
        assert postgresql.binaries.version_number >= (17,)  # which refuses some of them in the first place
        return
    assert [finding.object for finding in findings(postgresql, database)] == [what]
    with pytest.raises(StatementFailed, match="does not exist"):
        restored(postgresql, database, copy)
    run_sql(
        postgresql,
        "ALTER FUNCTION plain SET search_path = public; ALTER FUNCTION counted SET search_path = public",
        database,
    )
    assert findings(postgresql, database) == []


@pytest.mark.limitation("postgresql-search-path")
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "CREATE FUNCTION outer_one(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT public.counted($1)';"
            "CREATE MATERIALIZED VIEW m AS SELECT outer_one(1)",
            "materialized view public.m",
        ),
        (
            "CREATE FUNCTION outer_one(int) RETURNS int LANGUAGE sql STABLE"
            " BEGIN ATOMIC SELECT counted($1); END; CREATE MATERIALIZED VIEW m AS SELECT outer_one(1)",
            "materialized view public.m",
        ),
        (
            "CREATE FUNCTION added(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
            " 'BEGIN RETURN counted($1); END';"
            "CREATE OPERATOR ## (LEFTARG=int, RIGHTARG=int, FUNCTION=added);"
            "CREATE MATERIALIZED VIEW m AS SELECT 1 ## 2",
            "materialized view public.m",
        ),
        (
            "CREATE FUNCTION added(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
            " 'BEGIN RETURN counted($1); END'; CREATE AGGREGATE total(int) (SFUNC=added, STYPE=int);"
            "CREATE MATERIALIZED VIEW m AS SELECT total(1)",
            "materialized view public.m",
        ),
    ],
    ids=["called by name", "called by standard SQL", "of an operator", "of an aggregate"],
)
def test_a_function_that_another_one_calls_is_looked_into(
    postgresql: ScratchServer, database: str, copy: str, statement: str, what: str
) -> None:
    run_sql(postgresql, OTHER, database)
    try:
        run_sql(postgresql, statement, database)
    except ClientError:
        assert postgresql.binaries.version_number >= (17,)  # which refuses some of them in the first place
        return
    assert {finding.object for finding in findings(postgresql, database)} == {what}
    with pytest.raises(StatementFailed, match="does not exist"):
        restored(postgresql, database, copy)


def test_a_function_that_is_called_under_a_search_path_finds_what_it_names(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        OTHER
        + """
        CREATE FUNCTION outer_one(int) RETURNS int LANGUAGE sql STABLE SET search_path = public
            AS 'SELECT counted($1)';
        CREATE MATERIALIZED VIEW m AS SELECT outer_one(1);
        """,
        database,
    )
    assert findings(postgresql, database) == []
    restored(postgresql, database, copy)


@pytest.mark.limitation("postgresql-refresh-order")
def test_a_materialized_view_whose_function_reads_another_one_is_named(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        """
        CREATE MATERIALIZED VIEW z AS SELECT 1 AS n;
        CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM public.z';
        CREATE MATERIALIZED VIEW a AS SELECT counted();
        """,
        database,
    )
    (found,) = findings(postgresql, database)
    assert found.object == "materialized view public.a"
    with pytest.raises(StatementFailed, match="has not been populated"):
        restored(postgresql, database, copy)


@pytest.mark.limitation("postgresql-check-moment")
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "CREATE TABLE a (t timestamptz CONSTRAINT c CHECK (t > now())); INSERT INTO a VALUES (now() +"
            " interval '1 second')",
            "c of table public.a",
        ),
        (
            "CREATE DOMAIN d AS name CONSTRAINT c CHECK (VALUE = current_database());"
            "CREATE TABLE a (n d); INSERT INTO a VALUES (current_database())",
            "c of domain public.d",
        ),
        (
            "CREATE TABLE a (r name CONSTRAINT c CHECK (r = current_user)); GRANT INSERT ON a TO PUBLIC;"
            "GRANT USAGE ON SCHEMA public TO PUBLIC; SET ROLE pg_monitor;"
            "INSERT INTO a VALUES ('pg_monitor')",
            "c of table public.a",
        ),
    ],
)
def test_a_check_that_depends_on_the_moment_makes_a_restore_fail_and_is_named(
    postgresql: ScratchServer, database: str, copy: str, statement: str, what: str
) -> None:
    run_sql(postgresql, statement, database)
    (found,) = findings(postgresql, database)
    assert found.object == what
    run_sql(postgresql, "SELECT pg_sleep(1.1)")
    with pytest.raises(StatementFailed, match="violates check constraint"):
        restored(postgresql, database, copy)


def test_a_check_on_fixed_times_is_not_worth_a_word(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE a (t timestamptz CHECK (t > '2020-01-01' AND t < date '2100-01-01'),"
        " b text CHECK (b <> '{SQLVALUEFUNCTION now()'));"
        "ALTER TABLE a ADD CHECK (t < now()) NOT VALID",
        database,
    )
    assert findings(postgresql, database) == []


@pytest.mark.limitation("postgresql-check-other-tables")
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "CREATE TABLE a (n int CONSTRAINT c CHECK (listed(n))); INSERT INTO a VALUES (1)",
            "the constraint c of table public.a",
        ),
        (
            "CREATE DOMAIN d AS int CONSTRAINT c CHECK (listed(VALUE));"
            "CREATE TABLE a (n d); INSERT INTO a VALUES (1)",
            "the constraint c of domain public.d",
        ),
        (
            "CREATE FUNCTION atomic(int) RETURNS boolean LANGUAGE sql STABLE"
            " BEGIN ATOMIC SELECT EXISTS (SELECT FROM other WHERE n = $1); END;"
            "CREATE TABLE a (n int CONSTRAINT c CHECK (atomic(n))); INSERT INTO a VALUES (1)",
            "the constraint c of table public.a",
        ),
    ],
)
def test_a_check_that_reads_another_table_makes_a_restore_fail_and_is_named(
    postgresql: ScratchServer, database: str, copy: str, statement: str, what: str
) -> None:
    run_sql(postgresql, OTHER, database)
    run_sql(postgresql, statement, database)
    (found,) = findings(postgresql, database)
    assert (found.object, "other: a restore may load" in found.what) == (what, True)
    with pytest.raises(StatementFailed, match="violates check constraint"):
        restored(postgresql, database, copy)


def test_functions_that_find_all_they_name_are_not_worth_a_word(
    postgresql: ScratchServer, database: str, copy: str
) -> None:
    run_sql(
        postgresql,
        OTHER
        + """
        CREATE FUNCTION lower_of(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RETURN lower($1) || public.unaccent('from other, plain()') /* FROM other */; END $$;
        CREATE FUNCTION unused(int) RETURNS int LANGUAGE sql AS 'SELECT n FROM other';
        CREATE TABLE t (v text CHECK (lower_of(v) <> '')); CREATE INDEX i ON t (lower_of(v));
        INSERT INTO t VALUES ('X'); CREATE MATERIALIZED VIEW empty AS SELECT unused(1) WITH NO DATA;
        """,
        database,
    )
    assert findings(postgresql, database) == []
    restored(postgresql, database, copy)


# ---------------------------------------------------------------------------- beside the database


@pytest.mark.limitation("postgresql-prepared-transactions")
def test_a_prepared_transaction_is_in_no_dump_and_named() -> None:
    with start(choose("postgresql"), settings={"max_prepared_transactions": 1}) as server:
        run_sql(server, "CREATE TABLE t (n int)")
        run_sql(server, "BEGIN; INSERT INTO t VALUES (4711); PREPARE TRANSACTION 'half done'")
        assert b"4711" not in dump(server, "postgres").script
        (found,) = findings(server, "postgres")
        assert found.object == "half done"


@pytest.mark.limitation("postgresql-replication-slots")
def test_a_logical_replication_slot_is_in_no_dump_and_named() -> None:
    with start(choose("postgresql"), settings={"wal_level": "logical"}) as server:
        run_sql(server, "SELECT pg_create_logical_replication_slot('feed', 'pgoutput')")
        run_sql(server, "SELECT pg_create_physical_replication_slot('standby')")
        assert b"feed" not in dump(server, "postgres").script
        (found,) = findings(server, "postgres")
        assert found.object == "feed"
        run_sql(server, "SELECT pg_drop_replication_slot('feed')")
        assert findings(server, "postgres") == []
