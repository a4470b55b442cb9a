from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from scripts.sample.clients import ClientError, run_sql
from tests.conftest import NewDatabase
from tests.integration.postgresql_support import (
    connected,
    dump,
    instance_of,
    load,
    role,
    superuser,
    whats,
    without_rows,
)
from vya_backupdb.engines.postgresql import tools
from vya_backupdb.engines.postgresql.engine import ENGINE
from vya_backupdb.errors import BackupError, ConfigurationError, ConnectionFailed
from vya_backupdb.model import DatabaseSetting, Finding, PostgreSQLDefinition, Severity, Verdict
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql


@pytest.fixture
def database(postgresql: ScratchServer, new_database: Callable[..., str]) -> str:
    return new_database(postgresql)


def findings(
    server: ScratchServer, database: str, credential: object = None, **more: object
) -> list[Finding]:
    with connected(server, credential, **more) as connector:  # type: ignore[arg-type]
        return list(connector.plan(database).findings)


# ---------------------------------------------------------------------------- databases and definitions


def test_templates_are_not_listed_and_all_others_are(postgresql: ScratchServer, database: str) -> None:
    with connected(postgresql) as connector:
        listed = {info.name: info for info in connector.databases()}
    assert "postgres" in listed
    assert listed[database].unavailable is None
    assert not {"template0", "template1"} & listed.keys()


def test_the_size_of_a_database_is_without_the_systems_catalogs(
    postgresql: ScratchServer, new_database: NewDatabase
) -> None:
    empty, full = new_database(postgresql), new_database(postgresql)
    run_sql(postgresql, "CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)", full)
    with connected(postgresql) as connector:
        sizes = {info.name: info.estimated_bytes for info in connector.databases()}
    assert sizes[empty] < 1_000_000
    assert 2_000_000 < sizes[full] < 4_000_000


def test_a_database_of_ones_own_that_is_a_template_is_listed(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(postgresql, f"ALTER DATABASE {database} IS_TEMPLATE true")
    try:
        with connected(postgresql) as connector:
            assert database in [info.name for info in connector.databases()]
            definition = connector.plan(database).definition
        assert isinstance(definition, PostgreSQLDefinition)
        assert definition.is_template
    finally:
        run_sql(postgresql, f"ALTER DATABASE {database} IS_TEMPLATE false")


def test_a_database_that_cannot_be_dumped_says_why(
    postgresql: ScratchServer, new_database: Callable[..., str]
) -> None:
    closed, broken = new_database(postgresql), new_database(postgresql)
    run_sql(postgresql, f"ALTER DATABASE {closed} ALLOW_CONNECTIONS false")
    run_sql(postgresql, f"UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{broken}'")
    with connected(postgresql) as connector:
        listed = {info.name: info.unavailable or "" for info in connector.databases()}
    assert "allows no connections" in listed[closed]
    assert "DROP DATABASE of it was interrupted" in listed[broken]


@pytest.mark.limitation("postgresql-names-not-utf8")
def test_a_name_that_is_not_utf8_is_listed_as_unavailable(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, f"CREATE DATABASE {database}_a TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
    try:
        run_sql(
            postgresql,
            f'SET client_encoding = SQL_ASCII; ALTER DATABASE {database} RENAME TO "'.encode() + b'\xe9"',
            f"{database}_a",
        )
        with connected(postgresql, maintenance_database=f"{database}_a") as connector:
            listed = {info.name: info.unavailable or "" for info in connector.databases()}
            assert "is not UTF-8" in listed["\udce9"]
            with pytest.raises(BackupError, match="is not UTF-8"):
                connector.plan("\udce9")
    finally:
        run_sql(
            postgresql,
            b'SET client_encoding = SQL_ASCII; ALTER DATABASE "\xe9" RENAME TO ' + database.encode(),
            f"{database}_a",
        )
        run_sql(postgresql, f"DROP DATABASE {database}_a")


def test_a_role_whose_name_cannot_be_said_in_the_databases_encoding_is_told_with_a_cure(
    postgresql: ScratchServer,
) -> None:
    name = f"euc_{os.getpid()}"
    with role(postgresql, name="Ärzte") as owner:
        run_sql(
            postgresql,
            f'CREATE DATABASE {name} OWNER "{owner.username}" TEMPLATE template0 ENCODING EUC_JP'
            " LC_COLLATE 'C' LC_CTYPE 'C'",
        )
        try:
            with connected(postgresql) as connector, pytest.raises(BackupError) as caught:
                connector.plan(name)
        finally:
            run_sql(postgresql, f"DROP DATABASE {name} WITH (FORCE)")
    assert "ALTER ROLE ... RENAME" in str(caught.value.cure)


@pytest.mark.limitation("postgresql-role-settings")
def test_the_definition_holds_all_that_create_would_restore(
    postgresql: ScratchServer, new_database: Callable[..., str]
) -> None:
    name = f"latin_{os.getpid()}"
    with role(postgresql) as owner, role(postgresql, name='Odd, "role"\'s') as grantee:
        odd = '"Odd, ""role""\'s"'
        run_sql(
            postgresql,
            f"CREATE DATABASE {name} OWNER {owner.username} TEMPLATE template0 ENCODING LATIN1"
            " LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 7;",
        )
        try:
            run_sql(
                postgresql,
                f"COMMENT ON DATABASE {name} IS 'it''s';"
                f"ALTER DATABASE {name} SET search_path = 'a b', public;"
                f"ALTER DATABASE {name} SET work_mem = '7MB';"
                f"ALTER ROLE {odd} IN DATABASE {name} SET app.x = 'a=b';"
                f"GRANT CONNECT ON DATABASE {name} TO {odd}",
            )
            run_sql(postgresql, "DROP SCHEMA public; DROP EXTENSION plpgsql", name)
            with connected(postgresql) as connector:
                definition = connector.plan(name).definition
        finally:
            run_sql(postgresql, f"DROP DATABASE {name} WITH (FORCE)")
    me = owner.username
    assert definition == PostgreSQLDefinition(
        owner=me,
        encoding="LATIN1",
        locale_provider="libc",
        collate="C",
        ctype="C",
        connection_limit=7,
        acl=(f"=Tc/{me}", f"{me}=CTc/{me}", f'"Odd, ""role""\'s"=c/{me}'),
        settings=(
            DatabaseSetting("search_path", '"a b", public'),
            DatabaseSetting("work_mem", "7MB"),
            DatabaseSetting("app.x", "a=b", grantee.username),
        ),
        comment="it's",
        lacks=("schema public", "extension plpgsql"),
    )


@pytest.mark.limitation("postgresql-names-not-utf8")
def test_a_comment_that_is_not_utf8_is_a_fault_because_no_metadata_can_hold_it(
    postgresql: ScratchServer, database: str
) -> None:
    name = f"{database}_a"
    run_sql(postgresql, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
    try:
        run_sql(postgresql, b"COMMENT ON DATABASE " + name.encode() + b" IS '\xe9'", name)
        (found,) = findings(postgresql, name)
    finally:
        run_sql(postgresql, f"DROP DATABASE {name} WITH (FORCE)")
    assert found.severity is Severity.FAULT
    assert "is not UTF-8" in found.what


def test_findings_can_be_written_anywhere(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, 'CREATE SCHEMA "\x1b[31m"; CREATE TABLE "\x1b[31m"."a\nb" (n int)', database)
    with role(postgresql) as account:
        (found,) = findings(postgresql, database, account)
    assert f"{found.what}{found.object}{found.cure}".isprintable()


def test_a_plan_for_a_database_that_is_not_there_is_refused(postgresql: ScratchServer) -> None:
    with (
        connected(postgresql) as connector,
        pytest.raises(ConnectionFailed, match="there is no database 'nope'"),
    ):
        connector.plan("nope")


def test_objects_are_counted_by_kind(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        """
        CREATE TABLE a (id serial PRIMARY KEY, n int CHECK (n > 0));
        CREATE TABLE p (k int PRIMARY KEY REFERENCES a) PARTITION BY RANGE (k);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
        CREATE VIEW v AS SELECT * FROM a; CREATE MATERIALIZED VIEW m AS SELECT * FROM a;
        CREATE TYPE e AS ENUM ('x'); CREATE TYPE c AS (a int); CREATE TYPE r AS RANGE (subtype = date);
        CREATE DOMAIN d AS int;
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
        CREATE PROCEDURE pr() LANGUAGE sql AS 'SELECT 1';
        CREATE TRIGGER t BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION f();
        CREATE POLICY po ON a; CREATE RULE ru AS ON UPDATE TO v DO INSTEAD NOTHING;
        CREATE STATISTICS s ON id, n FROM a; SELECT lo_create(4711);
        CREATE PUBLICATION pub FOR TABLE a;
        """,
        database,
    )
    with connected(postgresql) as connector:
        counts = connector.plan(database).object_counts
        assert connector.object_counts(database) == counts
    assert counts == {
        "table": 2,
        "partitioned table": 1,
        "view": 1,
        "materialized view": 1,
        "sequence": 1,
        "composite type": 1,
        "index": 3,
        "constraint": 4,
        "trigger": 1,
        "rule": 1,
        "policy": 1,
        "statistics": 1,
        "function": 1,
        "procedure": 1,
        "enum type": 1,
        "domain": 1,
        "range type": 1,
        "publication": 1,
        "schema": 1,
        "extension": 1,
        "large object": 1,
    }


# ---------------------------------------------------------------------------- privileges


def test_the_least_grants_are_enough(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE a (id serial PRIMARY KEY); ALTER TABLE a ENABLE ROW LEVEL SECURITY;"
        "CREATE SCHEMA s; CREATE TABLE s.b (x int); CREATE VIEW v AS SELECT * FROM a",
        database,
    )
    with role(postgresql, "BYPASSRLS IN ROLE pg_read_all_data") as account:
        assert findings(postgresql, database, account) == []
        assert dump(postgresql, database, account).status == 0


def test_grants_table_by_table_are_enough(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE TABLE a (id serial PRIMARY KEY); CREATE VIEW v AS SELECT * FROM a", database)
    with role(postgresql) as account:
        run_sql(postgresql, f"GRANT SELECT ON a, a_id_seq TO {account.username}", database)
        assert findings(postgresql, database, account) == []
        assert dump(postgresql, database, account).status == 0


@pytest.mark.limitation("postgresql-missing-privileges")
def test_each_missing_privilege_is_named_with_the_grant_that_mends_it(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(
        postgresql,
        'CREATE TABLE "T%""b" (id serial); CREATE SCHEMA "S h"; CREATE TABLE "S h".t (a int);'
        'CREATE TABLE "S h".u (a int)',
        database,
    )
    with role(postgresql) as account:
        me = account.username
        found = findings(postgresql, database, account)
        assert [(finding.severity, finding.what, finding.cure) for finding in found] == [
            (Severity.PRIVILEGE, 'no USAGE on schema "S h"', f'GRANT USAGE ON SCHEMA "S h" TO {me}'),
            (
                Severity.PRIVILEGE,
                'no SELECT on table public."T%""b"',
                f'GRANT SELECT ON TABLE public."T%""b" TO {me}',
            ),
            (
                Severity.PRIVILEGE,
                'no SELECT on sequence public."T%""b_id_seq"',
                f'GRANT SELECT ON SEQUENCE public."T%""b_id_seq" TO {me}',
            ),
        ]
        assert dump(postgresql, database, account).status == 1
        for finding in found:
            run_sql(postgresql, str(finding.cure), database)
        for finding in findings(postgresql, database, account):  # those in the schema that was closed
            run_sql(postgresql, str(finding.cure), database)
        assert findings(postgresql, database, account) == []
        assert dump(postgresql, database, account).status == 0


def test_membership_in_a_role_that_may_read_counts(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE TABLE a (id int)", database)
    with role(postgresql) as reader, role(postgresql, f"IN ROLE {reader.username}") as account:
        run_sql(postgresql, f"GRANT SELECT ON a TO {reader.username}", database)
        assert findings(postgresql, database, account) == []


def test_members_of_an_extension_need_no_privilege(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "BEGIN; CREATE EXTENSION pg_trgm; CREATE TABLE own (a int);"
        "ALTER EXTENSION pg_trgm ADD TABLE own; COMMIT",
        database,
    )
    with role(postgresql) as account:
        assert findings(postgresql, database, account) == []
        assert dump(postgresql, database, account).status == 0


@pytest.mark.limitation("postgresql-row-security")
def test_row_security_is_a_fault_because_the_tool_fails(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE TABLE a (id int); ALTER TABLE a ENABLE ROW LEVEL SECURITY", database)
    with role(postgresql, "IN ROLE pg_read_all_data") as account:
        (found,) = findings(postgresql, database, account)
        assert (found.severity, found.object) == (Severity.FAULT, "public.a")
        assert found.cure == f"ALTER ROLE {account.username} BYPASSRLS"
        done = dump(postgresql, database, account)
        assert done.status == 1
        assert done.stderr[0][0] is Verdict.FATAL


def test_row_security_does_not_concern_the_owner_unless_forced(
    postgresql: ScratchServer, database: str
) -> None:
    with role(postgresql) as account:
        run_sql(
            postgresql,
            "CREATE TABLE a (id int); ALTER TABLE a ENABLE ROW LEVEL SECURITY;"
            f"ALTER TABLE a OWNER TO {account.username}",
            database,
        )
        assert findings(postgresql, database, account) == []
        run_sql(postgresql, "ALTER TABLE a FORCE ROW LEVEL SECURITY", database)
        assert [finding.severity for finding in findings(postgresql, database, account)] == [Severity.FAULT]


@pytest.mark.limitation("postgresql-large-objects")
def test_large_objects_that_cannot_be_read_are_named(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "SELECT lo_from_bytea(101, 'x'); SELECT lo_from_bytea(102, 'x')", database)
    with role(postgresql, "IN ROLE pg_read_all_data") as account:
        (found,) = findings(postgresql, database, account)
        assert found.what == "no SELECT on large object 101 and 1 more"
        assert dump(postgresql, database, account).status == 1
        run_sql(postgresql, f"GRANT SELECT ON LARGE OBJECT 101, 102 TO {account.username}", database)
        assert findings(postgresql, database, account) == []
        assert dump(postgresql, database, account).status == 0


def test_large_objects_of_a_role_that_the_account_is_a_member_of_can_be_read(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(postgresql, "SELECT lo_from_bytea(101, 'x')", database)
    with role(postgresql) as owner, role(postgresql, f"IN ROLE {owner.username}") as account:
        run_sql(postgresql, f"ALTER LARGE OBJECT 101 OWNER TO {owner.username}", database)
        assert findings(postgresql, database, account) == []
        assert dump(postgresql, database, account).status == 0


SUBSCRIPTION = """
    CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere dbname=x' PUBLICATION p
    WITH (connect = false, slot_name = NONE)
"""


@pytest.fixture
def subscribed(postgresql: ScratchServer, database: str) -> object:
    run_sql(postgresql, f"SET client_min_messages = error; {SUBSCRIPTION}", database)
    yield database
    run_sql(postgresql, "DROP SUBSCRIPTION sub", database)


@pytest.mark.limitation("postgresql-subscriptions")
def test_a_subscription_that_would_be_left_out_in_silence_is_named(
    postgresql: ScratchServer, subscribed: str
) -> None:
    with role(postgresql, "IN ROLE pg_read_all_data") as account:
        (found,) = findings(postgresql, subscribed, account)
        assert (found.severity, found.object) == (Severity.PRIVILEGE, "sub")
        done = dump(postgresql, subscribed, account)
        assert done.status == 0  # this is why the line is fatal
        assert b"CREATE SUBSCRIPTION" not in done.script
        assert [verdict for verdict, _ in done.stderr] == [Verdict.FATAL]
        partial = dump(postgresql, subscribed, account, allow_partial=True)
        assert [verdict for verdict, _ in partial.stderr] == [Verdict.WARNING]
        with connected(postgresql, account, allow_partial=True) as connector:
            assert "subscription" not in connector.plan(subscribed).object_counts
    with connected(postgresql) as connector:
        assert connector.plan(subscribed).object_counts["subscription"] == 1
        assert connector.plan(subscribed).findings == ()


@pytest.mark.limitation("postgresql-enabled-subscriptions")
def test_an_enabled_subscription_is_said_to_come_back_disabled(
    postgresql: ScratchServer, subscribed: str
) -> None:
    run_sql(postgresql, "UPDATE pg_subscription SET subenabled = true WHERE subname = 'sub'", subscribed)
    (found,) = findings(postgresql, subscribed)
    assert found.what == "enabled here, and disabled after a restore: subscription sub"
    assert found.severity is Severity.NOTE  # nothing to mend on the server: for whoever restores
    run_sql(postgresql, "UPDATE pg_subscription SET subenabled = false WHERE subname = 'sub'", subscribed)


@pytest.mark.limitation("postgresql-user-mappings")
def test_hidden_options_of_a_user_mapping_are_named(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE USER MAPPING FOR postgres SERVER s OPTIONS (password 'x')",
        database,
    )
    with role(postgresql, "IN ROLE pg_read_all_data") as account:
        (found,) = findings(postgresql, database, account)
        assert found.severity is Severity.PRIVILEGE
        assert "user mapping for postgres on server s are hidden" in found.what
        assert b"OPTIONS" not in dump(postgresql, database, account).script
    assert findings(postgresql, database) == []


def test_without_any_privilege_the_instance_says_so(postgresql: ScratchServer, database: str) -> None:
    with role(postgresql) as account:
        with connected(postgresql, account) as connector:
            (found,) = connector.examine_instance()
        assert found.severity is Severity.PRIVILEGE
        assert found.cure == f"GRANT pg_read_all_data TO {account.username}"
        run_sql(postgresql, f"CREATE TABLE a (); GRANT SELECT ON a TO {account.username}", database)
        with connected(postgresql, account) as connector:
            assert connector.examine_instance() == ()
    with connected(postgresql) as connector:
        assert connector.examine_instance() == ()


def test_a_database_without_connect_is_named_by_the_instance_and_still_listed(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(postgresql, f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
    with (
        role(postgresql, "IN ROLE pg_read_all_data") as account,
        connected(postgresql, account) as connector,
    ):
        (found,) = connector.examine_instance()
        assert found.cure == f"GRANT CONNECT ON DATABASE {database} TO {account.username}"
        assert [info.estimated_bytes for info in connector.databases() if info.name == database] == [0]


# ---------------------------------------------------------------------------- allow_partial


@pytest.mark.limitation("postgresql-missing-privileges")
def test_a_partial_dump_leaves_out_what_cannot_be_read_and_restores(
    postgresql: ScratchServer, new_database: Callable[..., str]
) -> None:
    source, target = new_database(postgresql), new_database(postgresql)
    run_sql(
        postgresql,
        """
        CREATE TABLE open (id int); INSERT INTO open VALUES (1);
        CREATE TABLE closed (id serial PRIMARY KEY); CREATE VIEW v AS SELECT * FROM closed;
        CREATE VIEW vv AS SELECT * FROM v; CREATE TABLE child () INHERITS (closed);
        CREATE SEQUENCE hidden; CREATE TABLE draws (id int DEFAULT nextval('hidden'));
        CREATE SCHEMA shut; CREATE TABLE shut."T.*" (a int);
        SELECT lo_from_bytea(101, 'x');
        """,
        source,
    )
    with role(postgresql) as account:
        me = account.username
        run_sql(postgresql, f"GRANT SELECT ON open, child, draws, closed_id_seq TO {me}", source)
        with connected(postgresql, account, allow_partial=True) as connector:
            plan = connector.plan(source)
        done = dump(postgresql, source, account, allow_partial=True)
        with connected(postgresql) as connector:  # as long as the role of its GRANTs is there
            assert load(connector, target, done.script) == {"public.open": 1}
            assert connector.object_counts(target) == plan.object_counts
    assert {finding.object for finding in plan.findings if finding.severity is Severity.PRIVILEGE} == {
        "public.closed",
        "public.hidden",
        "shut",
        "large objects",
    }
    assert {finding.object for finding in plan.findings if finding.severity is Severity.WARNING} == {
        "public.v",
        "public.vv",
        "public.child",
        "public.closed_id_seq",
        "public.draws",
    }
    assert done.status == 0


# ---------------------------------------------------------------------------- losses that are told


@pytest.mark.limitation("postgresql-system-schemas")
def test_objects_in_the_systems_schemas_are_named(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE FUNCTION pg_catalog.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", database)
    (found,) = findings(postgresql, database)
    assert found.severity is Severity.WARNING
    assert found.what.endswith("which pg_dump never dumps: function mine()")


@pytest.mark.limitation("postgresql-invalid-indexes")
def test_an_invalid_index_is_named_and_not_counted(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE TABLE a (n int); INSERT INTO a VALUES (1), (1)", database)
    with pytest.raises(ClientError):
        run_sql(postgresql, "CREATE UNIQUE INDEX CONCURRENTLY i ON a (n)", database)
    with connected(postgresql) as connector:
        plan = connector.plan(database)
    assert whats(plan.findings) == ["invalid, and so left out by pg_dump: index public.i"]
    assert "index" not in plan.object_counts
    assert b"INDEX" not in dump(postgresql, database).script


@pytest.mark.limitation("postgresql-disabled-foreign-keys")
def test_foreign_keys_that_are_switched_off_are_named(postgresql: ScratchServer, database: str) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a);"
        "ALTER TABLE b DISABLE TRIGGER ALL; INSERT INTO b VALUES (1)",
        database,
    )
    (found,) = findings(postgresql, database)
    assert found.object == "public.b"
    assert "foreign keys are switched off" in found.what


@pytest.mark.limitation("postgresql-collation-version")
def test_a_changed_version_of_the_collation_is_named_once_and_printed_nowhere(
    postgresql: ScratchServer, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if postgresql.binaries.version_number < (15,):
        pytest.skip("PostgreSQL keeps the version of a database's collation from 15 on")
    name = f"{database}_icu"
    run_sql(postgresql, f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'")
    try:
        run_sql(postgresql, f"UPDATE pg_database SET datcollversion = '0.1' WHERE datname = '{name}'")
        with connected(postgresql) as connector:
            plan = connector.plan(name)
            connector.session(name).close()
        assert capfd.readouterr() == ("", "")
        (found,) = plan.findings
        assert "was of version 0.1" in found.what
        assert f"ALTER DATABASE {name} REFRESH COLLATION VERSION" in str(found.cure)
        done = dump(postgresql, name)
        assert done.status == 0
        assert [verdict for verdict, _ in done.stderr] == [Verdict.WARNING] * len(done.stderr)
        assert "collation version mismatch" in done.stderr[0][1]
    finally:
        run_sql(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


# ---------------------------------------------------------------------------- positions and the tool


def test_positions_tell_where_in_the_log_the_server_is(postgresql: ScratchServer, database: str) -> None:
    with connected(postgresql) as connector:
        before = connector.positions()
        run_sql(postgresql, "CREATE TABLE a AS SELECT generate_series(1, 1000)", database)
        after = connector.positions()
    assert before.keys() == {"role", "wal_lsn", "wal_file", "timeline", "system_identifier"}
    assert before["role"] == "primary"
    assert before["wal_lsn"] != after["wal_lsn"]
    assert before["system_identifier"] == after["system_identifier"]


def test_positions_are_read_without_any_privilege(postgresql: ScratchServer) -> None:
    with role(postgresql) as account, connected(postgresql, account) as connector:
        assert "wal_lsn" in connector.positions()


def test_the_servers_own_tool_is_found(postgresql: ScratchServer) -> None:
    if not postgresql.binaries.dump.is_relative_to("/usr/lib/postgresql"):
        pytest.skip("the server under test is not one that the system has installed")
    with connected(postgresql, dump={}) as connector:
        tool = tools.find_tool(connector.facts, instance_of(postgresql, dump={}))
    assert tool.version_number[0] == connector.facts.version_number[0]
    assert tool.notes == ()
    assert tool.path == str(postgresql.binaries.dump)


@pytest.mark.limitation("postgresql-encoding")
def test_a_dump_is_in_the_databases_own_encoding(postgresql: ScratchServer, database: str) -> None:
    name = f"{database}_l"
    run_sql(postgresql, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
    try:
        run_sql(postgresql, b"CREATE TABLE a AS SELECT text '\xe9' AS t", name)
        assert b"\n\xe9\n" in dump(postgresql, name).script
    finally:
        run_sql(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.limitation("postgresql-lock-wait")
def test_a_table_that_stays_locked_fails_in_bounded_time(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "CREATE TABLE a (n int)", database)
    with connected(postgresql) as connector:
        session = connector.session(database)
        session._connection.execute("BEGIN; LOCK TABLE public.a IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        done = dump(postgresql, database, lock_wait="1s")
        session.close()
    assert time.monotonic() - began < 10
    assert done.status == 1
    assert any(verdict is Verdict.FATAL and "statement timeout" in line for verdict, line in done.stderr)


@pytest.mark.limitation("postgresql-harmful-options")
def test_an_extra_option_that_is_not_on_the_list_is_refused(postgresql: ScratchServer, database: str) -> None:
    with pytest.raises(ConfigurationError, match=r"dump\.extra_options: --clean is not allowed"):
        dump(
            postgresql,
            database,
            dump={"tool": str(postgresql.binaries.dump), "extra_options": ["--clean"]},
        )


def test_every_allowed_option_is_known_to_the_tool_and_keeps_the_rows(
    postgresql: ScratchServer, database: str
) -> None:
    from vya_backupdb.engines.postgresql.dump.driver import ALLOWED

    run_sql(postgresql, "CREATE TABLE a AS SELECT 1 AS n", database)
    for option in ALLOWED:
        extra = {"tool": str(postgresql.binaries.dump), "extra_options": [option]}
        done = dump(postgresql, database, dump=extra)
        assert (done.status, done.stderr) == (0, []), option
        assert b"\n1\n\\.\n" in done.script


def test_no_secret_is_in_argv_or_environment_of_the_tool(postgresql: ScratchServer, database: str) -> None:
    instance, credential = instance_of(postgresql), superuser(postgresql)
    with connected(postgresql) as connector:
        plan, tool = connector.plan(database), ENGINE.find_tool(connector.facts, instance)
        with ENGINE.dump_command(plan, tool, connector.facts, instance, credential) as command:
            assert postgresql.password not in repr(command)
            assert command.environment.keys() == {"PATH", "LC_ALL", "HOME"}
            (descriptor,) = command.pass_fds
            assert os.fstat(descriptor).st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_whole_dump_has_large_objects_by_default(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, "SELECT lo_from_bytea(101, 'abc')", database)
    assert b"lo_open('101'" in dump(postgresql, database).script


def test_a_script_without_rows_is_what_the_preflight_of_a_restore_reads(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(postgresql, "CREATE TABLE a AS SELECT 1 AS n", database)
    script = dump(postgresql, database).script
    assert all(section.object is None for section in without_rows(script))
