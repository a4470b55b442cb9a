"""What a restore does with the statements of a section."""

from __future__ import annotations

import pytest

from vya_backupdb.engines.postgresql.restore.requirements import Requirements, requirements
from vya_backupdb.engines.postgresql.script.statements import parallel_group, parameter_of, statements
from vya_backupdb.errors import DumpFailed
from vya_backupdb.model import Action, Section, SectionKind, Statement


def execute(body: bytes, kind: SectionKind = SectionKind.SCHEMA, sequential: bool = False) -> list[Statement]:
    return list(statements(Section(kind, body, sequential=sequential)))


def only(body: bytes, kind: SectionKind = SectionKind.SCHEMA) -> Statement:
    (statement,) = execute(body, kind)
    return statement


# ---------------------------------------------------------------------------- text


def test_a_statement_comes_without_semicolon_and_without_what_surrounds_it() -> None:
    body = b"--\n-- Name: a; Type: TABLE\n--\n\nSELECT 1 -- one\n , ';' ;\n;\n/* x; */ SELECT 2;SELECT 3;\n"
    found = execute(body)
    assert [s.text for s in found] == [b"SELECT 1 -- one\n , ';'", b"SELECT 2", b"SELECT 3"]
    assert all(body[s.offset :].startswith(s.text) for s in found)


def test_copy_gives_its_lines_without_the_end_mark() -> None:
    copy, after = execute(
        b"\n-- x\nCOPY public.a (x) FROM stdin;\n1\n\\\\.\n\\.\n\nSELECT 1;\n", SectionKind.ROWS
    )
    assert (copy.text, copy.action, copy.offset) == (b"COPY public.a (x) FROM stdin", Action.COPY, 6)
    assert bytes(copy.copy_data or b"") == b"1\n\\\\.\n"
    assert after.text == b"SELECT 1"


def test_an_empty_copy_has_no_lines() -> None:
    copy = only(b"COPY public.a FROM stdin;\n\\.\n", SectionKind.ROWS)
    assert copy.copy_data is not None
    assert len(copy.copy_data) == 0


@pytest.mark.parametrize(
    "body", [b"SELECT 1", b"SELECT ';\n", b"COPY a FROM stdin;\n1\n", b"/* x", b"COPY a FROM stdin;"]
)
def test_a_section_without_whole_statements_is_an_error(body: bytes) -> None:
    with pytest.raises(DumpFailed):
        execute(body)


# ---------------------------------------------------------------------------- skipped and refused


def test_restrictions_of_psql_are_skipped_without_a_word() -> None:
    for statement in execute(b"\\restrict aB3\n\n\\unrestrict aB3 \n"):
        assert (statement.action, statement.reason) == (Action.SKIP, None)


@pytest.mark.parametrize(
    "command",
    [
        b"\\! rm -rf /",
        b"\\connect other",
        b"\\c",
        b"\\i /etc/passwd",
        b"\\copy a from program 'x'",
        b"\\.",
        b"\\restrict",
        b"\\restrict a \\\\ DROP DATABASE x;",
        b"\\restrict a b",
        b"\\set x `id`",
        b"\\unrestricted a",
    ],
)
@pytest.mark.threat("dumps-commands")
def test_any_other_command_of_psql_is_refused(command: bytes) -> None:
    refused, after = execute(command + b"\nSELECT 1;\n")
    assert refused.action is Action.REFUSE
    assert refused.reason is not None
    assert refused.reason.startswith("\\")
    assert after.text == b"SELECT 1"


def test_a_command_in_the_midst_of_a_statement_is_refused_where_it_stands() -> None:
    refused, rest = execute(b"SELECT 1;\n\nSELECT '\\ok'\n\\gexec\n;SELECT 2;\n")[1:]
    assert (refused.action, rest.text) == (Action.REFUSE, b"SELECT 2")
    assert refused.reason is not None
    assert refused.reason.startswith("\\gexec ")
    assert refused.offset == len(b"SELECT 1;\n\nSELECT '\\ok'\n")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (b"CREATE DATABASE x;", "CREATE ... DATABASE names a database"),
        (b"drop database if exists x;", "DROP ... DATABASE names a database"),
        (b"ALTER DATABASE x SET search_path TO 'a';", "ALTER ... DATABASE names a database"),
        (b"COMMENT ON DATABASE x IS 'y';", "COMMENT ... DATABASE"),
        (b"GRANT ALL ON DATABASE x TO y;", "GRANT ... DATABASE"),
        (b"REVOKE CONNECT, TEMPORARY ON DATABASE x FROM PUBLIC;", "REVOKE ... DATABASE"),
        (b"SECURITY LABEL FOR p ON DATABASE x IS 'y';", "SECURITY ... DATABASE"),
        (b"CREATE ROLE r;", "CREATE ... ROLE changes the whole server"),
        (b"ALTER USER r PASSWORD 'x';", "ALTER ... USER changes the whole server"),
        (b"DROP GROUP r;", "whole server"),
        (b"GRANT a TO b;", "GRANT ... ROLE"),
        (b"CREATE TABLESPACE t LOCATION '/x';", "whole server"),
        (b"GRANT CREATE ON TABLESPACE t TO r;", "whole server"),
        (b"ALTER SYSTEM SET x = 1;", "whole server"),
        (b"COPY a FROM '/etc/passwd';", "something else"),
        (b"COPY (SELECT 1) TO PROGRAM 'sh';", "something else"),
        (b"COPY a TO stdout;", "something else"),
        (b"BEGIN;", "transactions"),
        (b"START TRANSACTION;", "transactions"),
        (b"COMMIT;", "transactions"),
        (b"ROLLBACK;", "transactions"),
        (b"SELECT 'a\0b';", "NUL byte"),
        (b"DROP OWNED BY r;", "whole server"),
        (b"DO $$ begin drop table a; end $$;", "`DO $$ begin` is no statement of a dump"),
        (b"UPDATE pg_catalog.pg_database SET datallowconn = false;", "no statement of a dump"),
        (b"TRUNCATE public.a;", "no statement of a dump"),
        (b"SELECT pg_terminate_backend(1);", "no statement of a dump"),
        (b"SELECT pg_catalog.setval('s', 1, true), pg_terminate_backend(1);", "no statement of a dump"),
        (b"SELECT pg_catalog.setval('s', (SELECT 1));", "no statement of a dump"),
        (b"SELECT * FROM pg_catalog.pg_restore_relation_stats('version', '1') WHERE f();", "no statement of"),
        (b"WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a;", "no statement of a dump"),
        (b"SELECT lo_import('/etc/passwd');", "no statement of a dump"),
        (b"SELECT pg_read_file('/etc/passwd');", "no statement of a dump"),
        (b"IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c;", "no statement of a dump"),
        (b"CALL p();", "no statement of a dump"),
        (b"LOAD 'x';", "no statement of a dump"),
        (b"INSERT INTO pg_catalog.pg_authid VALUES (1);", "the server's own"),
        (b'INSERT INTO "pg_authid" VALUES (1);', "the server's own"),
        (b"COPY pg_authid FROM stdin;\n\\.\n", "the server's own"),
        (b"COPY PG_CATALOG.pg_auth_members FROM stdin;\n\\.\n", "the server's own"),
        (b"INSERT INTO Pg_AuthID VALUES (1);", "the server's own"),
        (b"INSERT INTO postgres.pg_catalog.pg_authid VALUES (1);", "the server's own"),
        (b'INSERT INTO U&"pg\\005fcatalog".pg_authid VALUES (1);', "the server's own"),
        (b"CREATE USER mapping SUPERUSER PASSWORD 'x';", "whole server"),
        (b"ALTER USER mapping SUPERUSER;", "whole server"),
        (b"CREATE TABLE a AS SELECT pg_read_file('/etc/passwd');", "no statement of a dump"),
        (b"CREATE UNLOGGED TABLE IF NOT EXISTS a (b) WITH (fillfactor=70) AS TABLE c;", "no statement of"),
        (b"CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p;", "would connect"),
        (b"CREATE SUBSCRIPTION s CONNECTION 'connect = false' PUBLICATION p WITH (copy_data);", "would con"),
        (b"ALTER SUBSCRIPTION s ENABLE;", "would connect"),
        (b"ALTER SUBSCRIPTION s REFRESH PUBLICATION;", "would connect"),
        (b"SET allow_system_table_mods = on;", "the server's own"),
    ],
)
@pytest.mark.threat("dumps-leaving")
def test_what_acts_outside_of_the_database_is_refused(statement: bytes, reason: str) -> None:
    refused = only(b"\n-- x\n" + statement)
    assert refused.action is Action.REFUSE
    assert refused.reason is not None
    assert refused.offset == len(b"\n-- x\n")
    assert reason in refused.reason


@pytest.mark.parametrize(
    "statement",
    [
        b"CREATE USER MAPPING FOR r SERVER s;",
        b"CREATE TABLE database (x integer);",
        b'GRANT SELECT ON TABLE "DATABASE" TO r;',
        b"GRANT SELECT ON parameter TO r;",
        b"GRANT SELECT(a) ON TABLE public.t TO r;",
        b"GRANT ALL ON SCHEMA s TO r;",
        b"COMMENT ON SCHEMA s IS 'CREATE DATABASE x';",
        b"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP DATABASE x';",
        b"SET SESSION AUTHORIZATION 'r';",
        b"SELECT pg_catalog.setval('public.\")\"', 1, true);",
        b"SELECT pg_catalog.lo_create('1');",
        b"SELECT * FROM pg_catalog.pg_restore_relation_stats('version', '180000'::integer);",
        b"REFRESH MATERIALIZED VIEW public.v;",
        b"INSERT INTO public.pg_authid VALUES (1);",
        b'INSERT INTO "PG_CATALOG".t VALUES (1);',
        b"CREATE USER MAPPING IF NOT EXISTS FOR r SERVER s;",
        b"CREATE TABLE public.a (b integer GENERATED ALWAYS AS ((1)) STORED) PARTITION BY RANGE (b);",
        b"CREATE UNLOGGED SEQUENCE public.s AS integer START WITH 1 NO MINVALUE CACHE 1;",
        b"CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p WITH (connect = false, slot_name = 's');",
        b"ALTER SUBSCRIPTION s OWNER TO r;",
    ],
)
def test_what_only_looks_so_is_executed(statement: bytes) -> None:
    assert only(statement).action is Action.EXECUTE


CLEAN = (
    b"ALTER TABLE ONLY public.a DROP CONSTRAINT a_key;\nDROP INDEX public.i;\n"
    b"CREATE OR REPLACE VIEW public.v AS\nSELECT\n    NULL::integer AS x;\n"
    b"ALTER TABLE public.a ALTER COLUMN id DROP DEFAULT;\nALTER DOMAIN public.d DROP CONSTRAINT c;\n"
    b"ALTER TABLE public.a DETACH PARTITION public.b;\nALTER PUBLICATION p DROP TABLE ONLY public.a;\n"
    b"SELECT pg_catalog.lo_unlink('1');\nDROP TABLE public.a;\nDROP EXTENSION hstore;\n"
)


@pytest.mark.threat("dumps-leaving")
def test_rows_of_the_servers_own_are_refused_whatever_an_index_calls_them() -> None:
    for body in (b"COPY pg_catalog.x FROM stdin;\n\\.\n", b"INSERT INTO pg_catalog.x VALUES (1);\n"):
        (statement,) = statements(Section(SectionKind.ROWS, body, object="public.t"))
        assert statement.action is Action.REFUSE


@pytest.mark.limitation("postgresql-column-versions")
@pytest.mark.parametrize(
    ("options", "left"),
    [
        (b"pg_attver=3912700344", None),
        (b"n_distinct=4, pg_attver=1, n_distinct_inherited=-0.5", b"n_distinct=4, n_distinct_inherited=-0.5"),
        (b"n_distinct=4", b"n_distinct=4"),
    ],
)
@pytest.mark.parametrize("column", [b"n", b'"a SET (b"', b'"pg_attver="'])
@pytest.mark.parametrize("kind", [b"TABLE", b"FOREIGN TABLE"])
def test_versions_of_columns_that_one_server_keeps_for_itself_are_left_out(
    options: bytes, left: bytes | None, column: bytes, kind: bytes
) -> None:
    head = b"ALTER " + kind + b" ONLY public.t ALTER COLUMN " + column + b" SET ("
    (statement,) = execute(head + options + b");\n")
    if left is None:
        assert statement.action is Action.SKIP
    else:
        assert (statement.action, statement.text) == (Action.EXECUTE, head + left + b")")


def test_what_clean_drops_is_skipped_for_the_target_is_empty() -> None:
    assert {s.action for s in execute(CLEAN)} == {Action.SKIP}
    found = execute(CLEAN + b"DROP SCHEMA public;\nCREATE SCHEMA public;\n" + CLEAN)[10:]
    assert {s.action for s in found} == {Action.EXECUTE}
    assert found[0].text == b"DROP SCHEMA public"
    assert {s.action for s in execute(CLEAN, SectionKind.POST)} == {Action.EXECUTE}


def test_large_objects_keep_their_own_transactions() -> None:
    body = b"BEGIN;\nSELECT pg_catalog.lo_open('1', 131072);\nCOMMIT;\n"
    assert all(s.action is Action.EXECUTE for s in execute(body, SectionKind.ROWS, sequential=True))
    assert [s.action for s in execute(body, SectionKind.ROWS)] == [
        Action.REFUSE,
        Action.EXECUTE,
        Action.REFUSE,
    ]


# ---------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        (b"SET transaction_timeout = 0", "transaction_timeout"),
        (b"set Transaction_Timeout to '0'", "transaction_timeout"),
        (b"SET SESSION x = 1", "x"),
        (b"SET a.b = 'c'", "a.b"),
        (b"SET TIME ZONE 'UTC'", "timezone"),
        (b"SET NAMES 'UTF8'", "client_encoding"),
        (b"SET SESSION AUTHORIZATION 'r'", "session_authorization"),
        (b"SET ROLE r", "role"),
        (b"SET TRANSACTION READ ONLY", None),
        (b"SET CONSTRAINTS ALL DEFERRED", None),
        (b"RESET x", None),
        (b"SELECT pg_catalog.set_config('search_path', '', false)", None),
        (b"UPDATE t SET x = 1", None),
    ],
)
def test_a_plain_set_tells_its_parameter(text: bytes, parameter: str | None) -> None:
    assert parameter_of(Statement(text, 0)) == parameter


# ---------------------------------------------------------------------------- parallel


@pytest.mark.parametrize(
    ("text", "group"),
    [
        (b"ALTER TABLE ONLY public.a\n    ADD CONSTRAINT k PRIMARY KEY (x, y)", "index"),
        (b'ALTER TABLE ONLY "a;"."b""c" ADD CONSTRAINT "k x" UNIQUE NULLS NOT DISTINCT (x)', "index"),
        (
            b"ALTER TABLE ONLY a ADD CONSTRAINT k EXCLUDE USING gist (x WITH &&, y WITH =) WHERE (z > 0)",
            "index",
        ),
        (b"ALTER TABLE ONLY a ADD CONSTRAINT k UNIQUE (x) USING INDEX TABLESPACE t", "index"),
        (b"CREATE INDEX i ON public.a USING btree (x, lower(y)) WHERE (x > 0)", "index"),
        (b"CREATE UNIQUE INDEX i ON ONLY public.a USING btree (x)", "index"),
        (
            b"ALTER TABLE ONLY a ADD CONSTRAINT f FOREIGN KEY (x, y) REFERENCES b(x, y) ON DELETE CASCADE",
            "foreign key",
        ),
        (b"ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b(x)", None),
        (b"ALTER TABLE a ADD CONSTRAINT k PRIMARY KEY (x)", None),
        (b"ALTER TABLE ONLY a ADD CONSTRAINT k PRIMARY KEY USING INDEX i", None),
        (
            b"ALTER TABLE ONLY a ADD CONSTRAINT k UNIQUE (x), ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b",
            None,
        ),
        (b"ALTER TABLE ONLY a ADD CONSTRAINT c CHECK (x > 0) NOT VALID", None),
        (b"ALTER TABLE ONLY a REPLICA IDENTITY USING INDEX i", None),
        (b"ALTER TABLE a CLUSTER ON i", None),
        (b"ALTER INDEX a ATTACH PARTITION b", None),
        (b"ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 100", None),
        (b"COMMENT ON INDEX i IS 'x'", None),
        (b"CREATE INDEX CONCURRENTLY i ON a (x)", None),
        (b"CREATE STATISTICS s ON x, y FROM a", None),
        (b"REFRESH MATERIALIZED VIEW m", None),
        (b"CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()", None),
    ],
)
def test_only_what_may_run_beside_its_neighbours_in_any_order_is_parallel(
    text: bytes, group: str | None
) -> None:
    assert parallel_group(text) == group
    assert only(text + b";", SectionKind.POST).parallel == group
    assert only(text + b";", SectionKind.SCHEMA).parallel is None


@pytest.mark.parametrize(
    ("before", "group"),
    [
        (b"SET default_tablespace = '';", "index"),
        (b"SET default_tablespace = fast;", None),
        (b"SET default_tablespace = fast; SET default_tablespace = '';", "index"),
        (b"SET default_tablespace = fast; RESET default_tablespace;", None),
        (b"SET default_table_access_method = heap_too;", "index"),
        (b"SET SESSION AUTHORIZATION 'r';", None),
        (b"SET SESSION AUTHORIZATION 'r'; RESET SESSION AUTHORIZATION;", "index"),
        (b"SET SESSION AUTHORIZATION 'r'; SET SESSION AUTHORIZATION DEFAULT;", "index"),
        (b"SET maintenance_work_mem = '1GB';", None),
    ],
)
def test_under_a_setting_of_its_own_an_index_is_made_alone(before: bytes, group: str | None) -> None:
    assert execute(before + b"CREATE INDEX i ON a (x);", SectionKind.POST)[-1].parallel == group


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (b"CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f();", True),
        (b"ALTER EVENT TRIGGER e DISABLE;", True),
        (b"COMMENT ON EVENT TRIGGER e IS 'x';", True),
        (b"SECURITY LABEL FOR p ON EVENT TRIGGER e IS 'x';", True),
        (b"CREATE TRIGGER event AFTER INSERT ON a EXECUTE FUNCTION f();", False),
        (b"COMMENT ON TABLE event IS 'ON EVENT TRIGGER';", False),
    ],
)
@pytest.mark.threat("dumps-code")
def test_event_triggers_come_last(text: bytes, last: bool) -> None:
    assert only(text, SectionKind.POST).last is last


# ---------------------------------------------------------------------------- requirements


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        (b"ALTER TABLE public.a OWNER TO alice;", {"alice"}),
        (b'ALTER FUNCTION public.f(a integer, "OWNER TO x" text) OWNER TO "Al""ice; x";', {'Al"ice; x'}),
        (b"ALTER LARGE OBJECT 1 OWNER TO ALICE;", {"alice"}),
        (b"ALTER TABLE a OWNER TO CURRENT_USER;", set()),
        (b"GRANT SELECT(x),UPDATE(y) ON TABLE a TO alice, GROUP bob WITH GRANT OPTION;", {"alice", "bob"}),
        (b"GRANT ALL ON FUNCTION f(a integer) TO PUBLIC;", set()),
        (b"REVOKE ALL ON SCHEMA s FROM alice;", {"alice"}),
        (b"GRANT SELECT ON TABLE a TO alice GRANTED BY carol;", {"alice", "carol"}),
        (
            b"ALTER DEFAULT PRIVILEGES FOR ROLE alice IN SCHEMA s GRANT SELECT ON TABLES TO bob;",
            {"alice", "bob"},
        ),
        (b"ALTER DEFAULT PRIVILEGES FOR ROLE alice REVOKE ALL ON FUNCTIONS FROM PUBLIC;", {"alice"}),
        (b"CREATE POLICY p ON a FOR SELECT TO alice, \"b b\" USING ((x = 'TO carol'));", {"alice", "b b"}),
        (b"CREATE USER MAPPING FOR alice SERVER s OPTIONS (user 'x');", {"alice"}),
        (b"CREATE USER MAPPING FOR PUBLIC SERVER s;", set()),
        (b"CREATE SCHEMA s AUTHORIZATION alice;", {"alice"}),
        (b"SET SESSION AUTHORIZATION 'al''ice';", {"al'ice"}),
        (b"SET SESSION AUTHORIZATION DEFAULT;", set()),
        (b"COMMENT ON TABLE a IS 'OWNER TO x';", set()),
    ],
)
def test_the_roles_that_a_script_needs(text: bytes, roles: set[str]) -> None:
    assert requirements([Section(SectionKind.POST, text)]).roles == roles


def test_the_extensions_schemas_and_tablespaces_that_a_script_needs() -> None:
    body = (
        b'CREATE SCHEMA shop;\nCREATE SCHEMA IF NOT EXISTS "Sh op";\n'
        b'CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA shop;\nCREATE EXTENSION "uuid-ossp";\n'
        b"SET default_tablespace = fast;\nSET default_tablespace = '';\nSET default_tablespace = \"F s\";\n"
        b"CREATE INDEX i ON a (x) TABLESPACE slow WHERE (x = 'TABLESPACE y');\nSELECT 'CREATE EXTENSION z';\n"
    )
    assert requirements([Section(SectionKind.SCHEMA, body)]) == Requirements(
        extensions=frozenset({"hstore", "uuid-ossp"}),
        schemas=frozenset({"shop", "Sh op"}),
        tablespaces=frozenset({"fast", "F s", "slow"}),
    )
