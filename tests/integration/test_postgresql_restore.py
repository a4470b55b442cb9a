from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from scripts.sample.clients import plain_dump, run_sql
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
from vya_backupdb.engines.postgresql.connection import connect
from vya_backupdb.engines.postgresql.connector import PostgreSQLConnector
from vya_backupdb.engines.postgresql.restore.session import PostgreSQLSession
from vya_backupdb.errors import Refused, RestoreError, StatementFailed
from vya_backupdb.model import (
    Action,
    DatabaseSetting,
    Finding,
    MySQLDefinition,
    PostgreSQLDefinition,
    Section,
    SectionKind,
    Severity,
    Statement,
)
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql

PLAIN = PostgreSQLDefinition("postgres", "UTF8", "libc", "C.UTF-8", "C.UTF-8")


@pytest.fixture
def database(postgresql: ScratchServer, new_database: Callable[..., str]) -> str:
    return new_database(postgresql)


@pytest.fixture
def absent(postgresql: ScratchServer, new_database: Callable[..., str]) -> str:
    """The name of a database that is not there, and is dropped after the test."""
    name = new_database(postgresql)
    run_sql(postgresql, f"DROP DATABASE {name}")
    return name


@pytest.fixture
def connector(postgresql: ScratchServer) -> Iterator[PostgreSQLConnector]:
    with connected(postgresql) as connector:
        yield connector


@pytest.fixture
def session(connector: PostgreSQLConnector, database: str) -> Iterator[PostgreSQLSession]:
    session = connector.session(database)
    yield session
    session.close()


def definition_of(connector: PostgreSQLConnector, database: str) -> PostgreSQLDefinition:
    definition = connector.plan(database).definition
    assert isinstance(definition, PostgreSQLDefinition)
    return definition


# ---------------------------------------------------------------------------- the database itself


@pytest.mark.limitation("postgresql-read-only-default")
def test_a_database_comes_back_as_pg_dump_create_would_write_it(
    postgresql: ScratchServer, connector: PostgreSQLConnector, new_database: Callable[..., str]
) -> None:
    name = new_database(postgresql)
    with role(postgresql) as owner, role(postgresql, name='o"dd, =role/s') as app, role(postgresql) as third:
        odd = '"o""dd, =role/s"'
        run_sql(
            postgresql,
            f"""
            ALTER DATABASE {name} OWNER TO {owner.username};
            REVOKE ALL ON DATABASE {name} FROM PUBLIC;
            REVOKE TEMPORARY ON DATABASE {name} FROM {owner.username};
            GRANT CONNECT ON DATABASE {name} TO {odd} WITH GRANT OPTION;
            SET ROLE {odd}; GRANT CONNECT ON DATABASE {name} TO {third.username}; RESET ROLE;
            COMMENT ON DATABASE {name} IS 'it''s a \\ comment';
            ALTER DATABASE {name} SET search_path = "$user", "a ""b, c", public;
            ALTER DATABASE {name} SET app.greeting = 'it''s, "quoted"';
            ALTER DATABASE {name} SET DateStyle = 'SQL, DMY';
            ALTER DATABASE {name} SET lc_monetary = 'C';
            ALTER DATABASE {name} SET default_transaction_read_only = on;
            ALTER DATABASE {name} SET session_preload_libraries = 'nowhere_to_be_found';
            ALTER ROLE {odd} IN DATABASE {name} SET search_path = '';
            ALTER DATABASE {name} CONNECTION LIMIT 0;
            ALTER DATABASE {name} IS_TEMPLATE true;
            """,
        )
        run_sql(postgresql, f"ALTER DATABASE {name} RESET session_preload_libraries")
        before, definition = plain_dump(postgresql, name), definition_of(connector, name)
        connector.drop(name)
        assert not connector.exists(name)
        connector.create(name, definition)
        assert run_sql(postgresql, "SHOW default_transaction_read_only", name).strip() == "off"
        connector.complete(name, definition)
        connector.object_counts(name)
        after = definition_of(connector, name)
        assert set(after.acl or ()) == set(definition.acl or ())
        assert replace(after, acl=None) == replace(definition, acl=None)
        assert plain_dump(postgresql, name) == before
        assert app.username in {setting.role for setting in definition.settings}
        connector.drop(name)  # a template, too


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
def test_a_comment_that_is_not_ascii_comes_back_in_the_databases_encoding(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str, encoding: str
) -> None:
    definition = replace(PLAIN, encoding=encoding, collate="C", ctype="C", comment="åäö")
    connector.create(absent, definition)
    connector.complete(absent, definition)
    assert definition_of(connector, absent) == definition
    assert (
        run_sql(
            postgresql,
            "SELECT length(shobj_description(oid, 'pg_database')) FROM pg_database"
            " WHERE datname = current_database()",
            absent,
        )
        == "3\n"
    )


def test_a_database_whose_name_is_not_ascii_is_completed_in_any_encoding(
    postgresql: ScratchServer, connector: PostgreSQLConnector, new_database: Callable[..., str]
) -> None:
    name = new_database(postgresql, f"tå_{os.getpid()}")
    run_sql(postgresql, f'DROP DATABASE "{name}"')
    definition = replace(PLAIN, encoding="LATIN1", collate="C", ctype="C", connection_limit=5)
    connector.create(name, definition)
    connector.complete(name, definition)
    assert definition_of(connector, name) == definition


def test_names_of_roles_that_are_none_in_the_databases_encoding_are_no_hindrance(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    role = f"Ärzte_{os.getpid()}"
    run_sql(postgresql, f'CREATE ROLE "{role}"')
    try:
        definition = replace(PLAIN, encoding="EUC_JP", collate="C", ctype="C", connection_limit=5)
        connector.create(absent, definition)
        connector.complete(absent, definition)
        assert definition_of(connector, absent) == definition
    finally:
        run_sql(postgresql, f'DROP ROLE "{role}"')


def test_privileges_that_were_all_revoked_stay_revoked(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    definition = replace(PLAIN, acl=())
    connector.create(absent, definition)
    connector.complete(absent, definition)
    assert definition_of(connector, absent).acl == ()


def test_default_privileges_stay_the_default(connector: PostgreSQLConnector, absent: str) -> None:
    connector.create(absent, PLAIN)
    connector.complete(absent, PLAIN)
    assert definition_of(connector, absent) == PLAIN


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_encodings_come_back(connector: PostgreSQLConnector, absent: str, encoding: str) -> None:
    definition = replace(PLAIN, encoding=encoding, collate="C", ctype="C")
    connector.create(absent, definition)
    assert definition_of(connector, absent) == definition


def test_an_icu_locale_comes_back(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    if postgresql.binaries.version_number < (15,):
        pytest.skip("PostgreSQL has ICU databases from 15 on")
    definition = replace(PLAIN, locale_provider="icu", locale="sv")
    connector.create(absent, definition)
    assert definition_of(connector, absent) == definition


def test_a_provider_that_the_server_does_not_know_is_refused(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    if postgresql.binaries.version_number >= (17,):
        pytest.skip("PostgreSQL has the provider builtin from 17 on")
    definition = replace(PLAIN, locale_provider="builtin", locale="C.UTF-8")
    with pytest.raises(Refused, match="knows no database with the locale provider builtin"):
        connector.create(absent, definition)
    (found,) = connector.examine_target(absent, definition, None, iter(()))
    assert found.severity is Severity.FAULT


@pytest.mark.limitation("postgresql-dropped-public")
def test_a_database_that_lacked_its_public_schema_lacks_it_again(
    postgresql: ScratchServer, connector: PostgreSQLConnector, new_database: Callable[..., str]
) -> None:
    source, target = new_database(postgresql), new_database(postgresql)
    run_sql(postgresql, "DROP SCHEMA public; DROP EXTENSION plpgsql; CREATE SCHEMA s", source)
    definition = definition_of(connector, source)
    load(connector, target, dump(postgresql, source).script)
    connector.complete(target, definition)
    assert definition_of(connector, target) == definition
    assert connector.object_counts(target) == connector.object_counts(source) == {"schema": 1}


def test_a_public_schema_of_another_owner_and_acl_comes_back(
    postgresql: ScratchServer, connector: PostgreSQLConnector, new_database: Callable[..., str]
) -> None:
    source, target = new_database(postgresql), new_database(postgresql)
    with role(postgresql) as owner:
        run_sql(
            postgresql,
            f"ALTER SCHEMA public OWNER TO {owner.username}; REVOKE ALL ON SCHEMA public FROM PUBLIC;"
            f"COMMENT ON SCHEMA public IS 'mine'",
            source,
        )
        load(connector, target, dump(postgresql, source).script)
        query = (
            "SELECT nspowner::regrole, nspacl, obj_description(oid) FROM pg_namespace"
            " WHERE nspname = 'public'"
        )
        assert run_sql(postgresql, query, target) == run_sql(postgresql, query, source)


def test_what_cannot_be_completed_is_all_named_and_the_rest_is_done(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str
) -> None:
    definition = replace(
        PLAIN,
        comment="done",
        settings=(DatabaseSetting("no_such_setting", "1"), DatabaseSetting("work_mem", "7MB")),
        security_labels=(("nobody", "label"),),
        connection_limit=5,
    )
    with pytest.raises(RestoreError, match="2 properties") as caught:
        connector.complete(database, definition)
    assert "no_such_setting" in caught.value.what
    assert "SECURITY LABEL" in caught.value.what
    after = definition_of(connector, database)
    assert (after.comment, after.connection_limit) == ("done", 5)
    assert after.settings == (DatabaseSetting("work_mem", "7MB"),)


def test_a_database_that_was_there_gets_the_owner_of_the_source(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str
) -> None:
    with role(postgresql) as owner:
        me = owner.username
        definition = replace(PLAIN, owner=me, acl=(f"{me}=CTc/{me}", f"=c/{me}"))
        connector.complete(database, definition)
        assert definition_of(connector, database) == definition


@pytest.mark.limitation("postgresql-role-settings")
def test_settings_of_a_role_that_is_not_there_are_a_warning_and_left_out(
    connector: PostgreSQLConnector, database: str
) -> None:
    definition = replace(PLAIN, settings=(DatabaseSetting("work_mem", "7MB", "nobody here"),))
    (found,) = connector.examine_target(database, definition, None, iter(()))
    assert (found.severity, found.object) == (Severity.WARNING, "nobody here")
    connector.complete(database, definition)
    assert definition_of(connector, database).settings == ()


def test_a_definition_of_mysql_is_refused(connector: PostgreSQLConnector, absent: str) -> None:
    with pytest.raises(Refused, match="MySQL"):
        connector.create(absent, MySQLDefinition("utf8mb4", "utf8mb4_bin"))


def test_a_database_that_is_there_is_not_created_again(connector: PostgreSQLConnector, database: str) -> None:
    with pytest.raises(Refused, match=f"database {database} cannot be created.*already exists"):
        connector.create(database, None)


def test_a_database_in_use_is_not_dropped_and_who_uses_it_is_named(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str
) -> None:
    with (
        connect(instance_of(postgresql), superuser(postgresql), database, application="the user's app"),
        pytest.raises(Refused, match=r"in use by postgres \(the user's app, process \d+\)"),
    ):
        connector.drop(database)
    assert connector.exists(database)
    connector.drop(database)  # the server notices a closed connection a moment later
    assert not connector.exists(database)


def test_a_session_that_is_about_to_end_does_not_hinder_a_drop(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str
) -> None:
    with connect(instance_of(postgresql), superuser(postgresql), database, application="pg_dump") as session:
        ending = threading.Timer(0.5, session.close)
        ending.start()
        connector.drop(database)
        ending.join()
    assert not connector.exists(database)


def test_our_own_look_into_a_database_does_not_hinder_its_drop(
    connector: PostgreSQLConnector, database: str
) -> None:
    assert connector.contents(database) == ()
    connector.drop(database)
    assert not connector.exists(database)


def test_the_maintenance_database_itself_can_be_dropped_and_made(
    postgresql: ScratchServer, database: str
) -> None:
    with connected(postgresql, maintenance_database=database) as connector:
        connector.drop(database)
        assert not connector.exists(database)
        connector.create(database, PLAIN)
        assert definition_of(connector, database) == PLAIN


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE TABLE t ()", "table public.t"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function public.f()"),
        ("CREATE TYPE e AS ENUM ()", "type public.e"),
        ("CREATE SCHEMA s", "schema s"),
        ("CREATE EXTENSION pg_trgm WITH SCHEMA pg_catalog", "extension pg_trgm"),
        ("SELECT lo_create(4711)", "large object 4711"),
        ("CREATE PUBLICATION p", "publication p"),
    ],
)
def test_anything_makes_a_database_not_empty(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str, statement: str, name: str
) -> None:
    assert connector.contents(database) == ()
    run_sql(postgresql, f"SET client_min_messages = error; {statement}", database)
    assert connector.contents(database) == (name,)


# ---------------------------------------------------------------------------- sessions


def copied(text: bytes, data: bytes) -> Statement:
    return Statement(text, 0, Action.COPY, copy_data=memoryview(data))


def test_rows_taken_are_counted(postgresql: ScratchServer, session: PostgreSQLSession, database: str) -> None:
    assert session.execute(Statement(b"CREATE TABLE public.t (a int, b text)", 0)) == 0
    assert session.execute(copied(b"COPY public.t (a, b) FROM stdin", b"1\tx\n2\t\\N\n")) == 2
    assert session.execute(copied(b"COPY public.t FROM stdin", b"")) == 0
    assert session.execute(Statement(b"INSERT INTO public.t VALUES (3, '%s %'), (4, '%(x)s')", 0)) == 2
    assert session.execute(Statement(b"SELECT pg_catalog.set_config('work_mem', '1MB', false)", 0)) == 0
    assert session.execute(Statement(b"SELECT 1", 0)) == 0
    session.commit()
    assert run_sql(postgresql, "SELECT b FROM t ORDER BY a", database) == "x\n\n%s %\n%(x)s\n"


@pytest.mark.limitation("postgresql-encoding")
def test_rows_are_bytes_in_the_scripts_encoding(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    connector.create(absent, replace(PLAIN, encoding="SQL_ASCII", collate="C", ctype="C"))
    session = connector.session(absent)
    session.execute(Statement(b"SET client_encoding = 'SQL_ASCII'", 0))
    session.execute(Statement(b'CREATE TABLE public."\xff\xfe" (a text)', 0))
    assert session.execute(copied(b'COPY public."\xff\xfe" FROM stdin', b"\x80\xe9\n")) == 1
    session.commit()
    session.close()
    assert run_sql(postgresql, b'SELECT encode(a::bytea, $$hex$$) FROM "\xff\xfe"', absent) == "80e9\n"


def test_large_rows_go_through_in_blocks(
    postgresql: ScratchServer, session: PostgreSQLSession, database: str
) -> None:
    session.execute(Statement(b"CREATE TABLE public.t (a text)", 0))
    assert session.execute(copied(b"COPY public.t FROM stdin", b"x" * 5_000_000 + b"\ny\n")) == 2
    session.commit()
    assert run_sql(postgresql, "SELECT max(length(a)), count(*) FROM t", database) == "5000000\t2\n"


def test_rows_that_were_not_committed_are_gone(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str
) -> None:
    session = connector.session(database)
    session.execute(Statement(b"CREATE TABLE public.t (a int)", 0))
    session.execute(copied(b"COPY public.t FROM stdin", b"1\n"))
    session.commit()
    session.execute(copied(b"COPY public.t FROM stdin", b"2\n"))
    session.close()
    assert run_sql(postgresql, "SELECT * FROM t", database) == "1\n"


def test_a_section_that_fails_half_way_leaves_nothing_and_the_session_goes_on(
    postgresql: ScratchServer, session: PostgreSQLSession, database: str
) -> None:
    session.execute(Statement(b"CREATE TABLE public.t (a int)", 0))
    session.execute(copied(b"COPY public.t FROM stdin", b"1\n"))
    with pytest.raises(StatementFailed) as caught:
        session.execute(copied(b"COPY public.t FROM stdin", b"2\nrubbish\n"))
    assert not caught.value.retryable
    assert not caught.value.connection_lost
    assert 'invalid input syntax for type integer: "rubbish"' in caught.value.what
    assert "COPY t, line 2, column a" in caught.value.what
    assert "\n" not in caught.value.what
    session.execute(copied(b"COPY public.t FROM stdin", b"7\n"))
    session.commit()
    assert run_sql(postgresql, "SELECT * FROM t", database) == "7\n"


def test_a_transaction_of_the_scripts_own_is_its_own_to_end(
    postgresql: ScratchServer, session: PostgreSQLSession, database: str
) -> None:
    for text in (
        b"SELECT pg_catalog.lo_create('4711')",
        b"BEGIN",
        b"SELECT pg_catalog.lo_open('4711', 131072)",
    ):
        session.execute(Statement(text, 0))
    session.commit()  # between two sections
    session.execute(Statement(b"SELECT pg_catalog.lowrite(0, '\\x616263')", 0))
    session.execute(Statement(b"COMMIT", 0))
    assert run_sql(postgresql, "SELECT convert_from(lo_get(4711), 'UTF8')", database) == "abc\n"


@pytest.mark.limitation("postgresql-nul-bytes")
def test_a_nul_byte_does_not_cut_a_statement_short(session: PostgreSQLSession) -> None:
    with pytest.raises(StatementFailed, match="NUL byte"):
        session.execute(Statement(b"SELECT 1\0, 2", 0))


@pytest.mark.limitation("postgresql-newer-tool")
@pytest.mark.parametrize("ends", [b"\\", b"\\\\"])
@pytest.mark.threat("dumps-hidden")
def test_what_another_reading_of_strings_would_make_several_statements_of_is_not_executed(
    postgresql: ScratchServer, session: PostgreSQLSession, database: str, ends: bytes
) -> None:
    session.execute(Statement(b"CREATE TABLE t (a text, b text)", 0))
    session.execute(Statement(b"SET standard_conforming_strings = off", 0))
    hides = b"INSERT INTO t VALUES ('" + ends + b"', '); DROP TABLE t; --')"
    if len(ends) == 1:  # two statements for the server, one for who takes a backslash for a character
        with pytest.raises(StatementFailed, match="multiple commands"):
            session.execute(Statement(hides, 0))
    else:
        assert session.execute(Statement(hides, 0)) == 1
    session.commit()
    assert run_sql(postgresql, "SELECT to_regclass('t')", database).strip() == "t"


def test_a_setting_that_the_server_does_not_know_is_left_out(session: PostgreSQLSession) -> None:
    assert session.execute(Statement(b"SET no_such_timeout = 0", 0)) == 0
    with pytest.raises(StatementFailed, match="invalid value"):
        session.execute(Statement(b"SET client_encoding = 'no_such'", 0))


def test_a_failed_statement_shows_no_secret(session: PostgreSQLSession) -> None:
    with pytest.raises(StatementFailed) as caught:
        session.execute(
            Statement(b"CREATE USER MAPPING FOR PUBLIC SERVER nowhere OPTIONS (password 'geheim')", 0)
        )
    assert "CREATE USER MAPPING FOR PUBLIC SERVER nowhere OPTIONS (password ..." in caught.value.what
    assert "geheim" not in caught.value.what


def test_control_characters_of_a_servers_message_do_no_harm(session: PostgreSQLSession) -> None:
    with pytest.raises(StatementFailed) as caught:
        session.execute(Statement(b'SELECT * FROM "\x1b[31m\nred"', 0))
    assert caught.value.what.isprintable()


@pytest.mark.limitation("postgresql-deadlocks")
def test_a_deadlock_can_be_tried_again(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str
) -> None:
    run_sql(postgresql, "CREATE TABLE a (n int); CREATE TABLE b (n int)", database)
    one, two = connector.session(database), connector.session(database)
    for session, table in ((one, b"a"), (two, b"b")):
        session.execute(Statement(b"SET deadlock_timeout = '100ms'", 0))
        session.execute(copied(b"COPY public." + table + b" FROM stdin", b"1\n"))
    errors: list[StatementFailed] = []

    def lock(session: PostgreSQLSession, table: bytes) -> None:
        try:
            session.execute(Statement(b"LOCK TABLE public." + table, 0))
            session.commit()
        except StatementFailed as error:
            errors.append(error)

    threads = [threading.Thread(target=lock, args=args) for args in ((one, b"b"), (two, b"a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [(error.retryable, error.connection_lost) for error in errors] == [(True, False)]
    assert (
        run_sql(postgresql, "SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)", database) == "1\n"
    )
    one.close()
    two.close()


def test_a_running_statement_can_be_cancelled_from_another_thread(session: PostgreSQLSession) -> None:
    began = time.monotonic()
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    with pytest.raises(StatementFailed, match="canceling statement"):
        session.execute(Statement(b"SELECT pg_catalog.pg_sleep(30)", 0))
    timer.join()
    assert time.monotonic() - began < 10
    assert session.execute(Statement(b"SELECT 1", 0)) == 0


def test_where_the_server_takes_no_request_to_cancel_the_connection_is_cut(
    postgresql: ScratchServer, session: PostgreSQLSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vya_backupdb.engines.postgresql.restore.session._CANCEL_TIMEOUT", 1.0)
    began = time.monotonic()
    os.kill(postgresql.pid, signal.SIGSTOP)  # the session's own server process goes on
    try:
        timer = threading.Timer(0.3, session.cancel)
        timer.start()
        with pytest.raises(StatementFailed) as caught:
            session.execute(Statement(b"SELECT pg_catalog.pg_sleep(8)", 0))
        timer.join()
    finally:
        os.kill(postgresql.pid, signal.SIGCONT)
    assert caught.value.connection_lost
    assert time.monotonic() - began < 7


def test_a_constraint_that_is_checked_at_the_commit_is_a_failure_of_the_commit(
    postgresql: ScratchServer, session: PostgreSQLSession, database: str
) -> None:
    run_sql(postgresql, "CREATE TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)", database)
    session.execute(Statement(b"INSERT INTO public.t VALUES (1), (1)", 0))
    with pytest.raises(StatementFailed, match="duplicate key"):
        session.commit()
    assert session.execute(Statement(b"INSERT INTO public.t VALUES (1)", 0)) == 1
    session.commit()
    assert run_sql(postgresql, "SELECT * FROM t", database) == "1\n"


def test_cancelling_a_session_at_rest_or_closed_does_no_harm(session: PostgreSQLSession) -> None:
    session.cancel()
    assert session.execute(Statement(b"SELECT 1", 0)) == 0
    session.close()
    session.cancel()
    session.close()


def test_a_session_whose_server_process_is_gone_says_so(
    postgresql: ScratchServer, session: PostgreSQLSession, database: str
) -> None:
    session.execute(Statement(b"CREATE TABLE public.t (a int)", 0))
    run_sql(
        postgresql, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )
    with pytest.raises(StatementFailed) as caught:
        session.execute(copied(b"COPY public.t FROM stdin", b"1\n"))
    assert caught.value.connection_lost
    assert not caught.value.retryable
    with pytest.raises(StatementFailed) as caught:
        session.execute(Statement(b"SELECT 1", 0))
    assert caught.value.connection_lost


# ---------------------------------------------------------------------------- before a restore


def script(text: str, kind: SectionKind = SectionKind.SCHEMA) -> Iterator[Section]:
    return iter([Section(kind, text.encode())])


def test_a_fitting_backup_has_no_findings(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str, absent: str
) -> None:
    run_sql(postgresql, "CREATE TABLE t (a int, b money); CREATE EXTENSION pg_trgm", database)
    definition = definition_of(connector, database)
    text = dump(postgresql, database).script
    assert connector.examine_target(absent, definition, connector.facts, without_rows(text)) == ()


def test_all_faults_are_found_at_once(connector: PostgreSQLConnector, absent: str) -> None:
    definition = replace(
        PLAIN,
        owner="lost owner",
        tablespace="lost space",
        collate="xx_XX.UTF-8",
        acl=('"lost ""grantee"=c/postgres',),
    )
    found = connector.examine_target(
        absent,
        definition,
        replace(connector.facts, version="99.1", version_number=(99, 1)),
        script(
            """
            CREATE TABLE public.t (a text COLLATE pg_catalog."xx_XX.utf8");
            ALTER TABLE public.t OWNER TO "lost too";
            GRANT SELECT ON TABLE public.t TO nobody_here, PUBLIC;
            CREATE EXTENSION IF NOT EXISTS no_such_extension WITH SCHEMA public;
            SET default_tablespace = other_space;
            """
        ),
    )
    assert {(finding.severity, finding.object) for finding in found} == {
        (Severity.WARNING, None),
        (Severity.FAULT, "lost owner"),
        (Severity.FAULT, 'lost "grantee'),
        (Severity.FAULT, "lost too"),
        (Severity.FAULT, "nobody_here"),
        (Severity.FAULT, "lost space"),
        (Severity.FAULT, "other_space"),
        (Severity.FAULT, "no_such_extension"),
        (Severity.FAULT, "xx_XX.utf8"),
        (Severity.FAULT, "xx_XX.UTF-8"),
    }
    assert all(finding.cure for finding in found)


def test_a_setting_of_a_newer_header_is_a_warning(connector: PostgreSQLConnector, absent: str) -> None:
    text = "SET statement_timeout = 0;\nSET no_such_timeout = 0;\n"
    (found,) = connector.examine_target(absent, PLAIN, None, script(text, SectionKind.HEADER))
    assert (found.severity, found.object) == (Severity.WARNING, "no_such_timeout")


def test_a_plain_dump_of_a_newer_server_is_known_by_its_head(
    connector: PostgreSQLConnector, absent: str
) -> None:
    text = "--\n-- Dumped from database version 99.1 (Debian)\nSET lock_timeout = 0;\n"
    (found,) = connector.examine_target(absent, None, None, script(text, SectionKind.HEADER))
    assert "older than the source (99)" in found.what


def test_a_source_before_15_is_told_of_the_public_schema(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    if postgresql.binaries.version_number < (15,):
        pytest.skip("the schema public has been closed from 15 on")
    source = replace(connector.facts, version="14.9", version_number=(14, 9))
    (found,) = connector.examine_target(absent, PLAIN, source, iter(()))
    assert found.object == "public"
    opened = script("GRANT ALL ON SCHEMA public TO PUBLIC;")
    assert connector.examine_target(absent, PLAIN, source, opened) == ()


def test_an_empty_database_of_another_encoding_or_locale_is_named(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    connector.create(absent, replace(PLAIN, encoding="LATIN1", collate="C", ctype="C"))
    fault, warning = connector.examine_target(absent, PLAIN, None, iter(()))
    assert (fault.severity, warning.severity) == (Severity.FAULT, Severity.WARNING)
    assert "is there in the encoding LATIN1, and the backup is in UTF8" in fault.what
    run_sql(postgresql, "CREATE TABLE t ()", absent)  # not empty: refused, or dropped and made anew
    assert connector.examine_target(absent, PLAIN, None, iter(())) == ()


@pytest.mark.limitation("postgresql-money")
def test_money_of_another_format_is_named(connector: PostgreSQLConnector, absent: str) -> None:
    source = replace(connector.facts, settings={**connector.facts.settings, "lc_monetary": "sv_SE.UTF-8"})
    text = "CREATE TABLE public.t (price money);"
    (found,) = connector.examine_target(absent, PLAIN, source, script(text))
    assert (found.severity, found.object) == (Severity.WARNING, "lc_monetary")
    own = replace(PLAIN, settings=(DatabaseSetting("lc_monetary", "C"),))
    assert connector.examine_target(absent, own, source, script(text)) == ()


@pytest.mark.limitation("postgresql-money")
def test_money_is_read_in_the_databases_own_format_while_it_is_loaded(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    definition = replace(PLAIN, settings=(DatabaseSetting("lc_monetary", "C"), DatabaseSetting("a.b", "1")))
    connector.create(absent, definition)
    assert definition_of(connector, absent).settings == definition.settings


def test_what_a_restoring_account_lacks_is_all_named(
    postgresql: ScratchServer, connector: PostgreSQLConnector, absent: str
) -> None:
    text = """
        CREATE TABLE public.t (a int);
        ALTER TABLE public.t OWNER TO postgres;
        CREATE EXTENSION IF NOT EXISTS pageinspect WITH SCHEMA public;
        CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION public.f();
        CREATE FUNCTION public.c() RETURNS integer LANGUAGE c AS '$libdir/x', 'y';
        CREATE FUNCTION public.plain() RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert');
        CREATE CAST (text AS integer) WITHOUT FUNCTION;
        CREATE TYPE public.ty (INPUT = public.i, OUTPUT = public.o);
        CREATE TYPE public.en AS ENUM ('x');
    """
    with role(postgresql) as account, connected(postgresql, account) as mine:
        found = mine.examine_target(absent, replace(PLAIN, owner=account.username), None, script(text))
        assert {finding.severity for finding in found} == {Severity.PRIVILEGE}
        assert {finding.object for finding in found} == {
            account.username,
            "postgres",
            "pageinspect",
            "event trigger",
            "function in c",
            "publication of all tables",
            "cast without function",
            "base type",
        }
        run_sql(postgresql, f"ALTER ROLE {account.username} CREATEDB")
        own = replace(PLAIN, owner=account.username)
        assert mine.examine_target(absent, own, None, script("CREATE TABLE public.t (a int);")) == ()
    assert connector.examine_target(absent, PLAIN, None, script(text)) == ()


def test_an_ordinary_account_restores_what_is_its_own(postgresql: ScratchServer, absent: str) -> None:
    with role(postgresql, "CREATEDB") as account, connected(postgresql, account) as connector:
        definition = replace(
            PLAIN, owner=account.username, acl=(f"{account.username}=CTc/{account.username}",)
        )
        connector.create(absent, definition)
        session = connector.session(absent)
        session.execute(Statement(b"CREATE TABLE public.t AS SELECT 1 AS a", 0))
        session.close()
        connector.complete(absent, replace(definition, connection_limit=3, comment="x"))
        assert connector.object_counts(absent)["table"] == 1
        assert definition_of(connector, absent).acl == definition.acl
        with pytest.raises(Refused, match="cannot be created"):
            connector.create("another", replace(PLAIN, owner="postgres"))
        connector.drop(absent)


def test_an_empty_database_of_somebody_else_is_named(postgresql: ScratchServer, database: str) -> None:
    with role(postgresql) as account, connected(postgresql, account) as connector:
        found: list[Finding] = list(
            connector.examine_target(database, replace(PLAIN, owner=account.username), None, iter(()))
        )
    assert whats(found) == [f"{account.username} does not own the database {database!r}"]


def test_tables_in_a_database_of_somebody_else_need_no_more_than_their_schema(
    postgresql: ScratchServer, database: str
) -> None:
    run_sql(postgresql, "CREATE TABLE public.t (a int); CREATE SCHEMA closed", database)
    sections = [*script("CREATE TABLE public.t (a int);"), *script("CREATE TABLE closed.t (a int);")]
    with role(postgresql) as account, connected(postgresql, account) as mine:
        run_sql(postgresql, f"GRANT USAGE, CREATE ON SCHEMA public TO {account.username}", database)
        found = list(mine.examine_target(database, None, None, iter(sections), stays=True))
        assert whats(found) == [f"{account.username} may not create anything in the schema 'closed'"]
        found = list(mine.examine_target(database, None, None, script("CREATE TABLE new.t ();"), stays=True))
        assert whats(found) == [f"{account.username} may not create the schema 'new'"]
        dropped = mine.examine_drop(database, ["public.t"])
        assert whats(dropped) == [f"{account.username} does not own the table public.t"]
        run_sql(postgresql, f"ALTER TABLE public.t OWNER TO {account.username}", database)
        assert mine.examine_drop(database, ["public.t"]) == ()


@pytest.mark.limitation("postgresql-security-labels")
def test_security_labels_whose_provider_is_not_loaded_are_named(
    connector: PostgreSQLConnector, absent: str
) -> None:
    text = "SECURITY LABEL FOR \"se linux\" ON TABLE public.t IS 'a';"
    (found,) = connector.examine_target(absent, PLAIN, None, script(text))
    assert (found.severity, found.object) == (Severity.FAULT, "se linux")
    labelled = replace(PLAIN, security_labels=(("another", "x"),))
    (found,) = connector.examine_target(absent, labelled, None, iter(()))
    assert found.object == "another"


@pytest.mark.limitation("postgresql-copy-references")
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (
            "CREATE EXTENSION postgres_fdw;"
            "CREATE SERVER near FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost', dbname '{}')",
            "server near",
        ),
        (
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$SELECT 'host=localhost dbname={}'$$",
            "function public.f",
        ),
        ("CREATE VIEW v AS SELECT 'dbname=''{}'' port=1' AS place", "view public.v"),
    ],
    ids=["foreign server", "function", "view"],
)
def test_what_connects_to_the_original_is_a_fault_of_a_copy_unless_it_is_allowed(
    postgresql: ScratchServer, connector: PostgreSQLConnector, database: str, statement: str, name: str
) -> None:
    run_sql(postgresql, statement.replace("{}", database), database)
    text = dump(postgresql, database).script

    def examined(target: str, *, allow: bool) -> list[tuple[Severity, str]]:
        found = connector.examine_target(
            target, PLAIN, None, without_rows(text), original=database, allow_references=allow
        )
        return [(finding.severity, finding.what) for finding in found]

    assert examined(f"{database}_copy", allow=False) == [
        (
            Severity.FAULT,
            f"objects connect to the database {database}, and in a copy they would act on it: {name}",
        )
    ]
    ((severity, what),) = examined(f"{database}_copy", allow=True)
    assert severity is Severity.WARNING
    assert name in what
