"""What single tables are and need on real servers, held against what the servers and their tools do."""

from __future__ import annotations

import subprocess

import pytest

from scripts.sample.clients import ClientError, quoted, run_sql
from tests.conftest import NewDatabase
from tests.integration import mysql_support, postgresql_support
from vya_backupdb.archive.selected import only, without
from vya_backupdb.engines.mysql.engine import ENGINE as MYSQL
from vya_backupdb.engines.postgresql.engine import ENGINE as POSTGRESQL
from vya_backupdb.model import SectionKind, Severity
from vya_backupdb.scratch import ScratchServer

POSTGRESQL_SCHEMA = """
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('a');
CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE app.parent (id serial PRIMARY KEY, m app.mood);
CREATE TABLE app."C.hild" (id int GENERATED ALWAYS AS IDENTITY, p int REFERENCES app.parent, t text,
    CHECK (p > 0), UNIQUE (p, t), EXCLUDE USING btree (t WITH =));
CREATE INDEX ON app."C.hild" (lower(t)) WHERE p > 1;
CREATE STATISTICS app.st ON p, t FROM app."C.hild";
CREATE TRIGGER tr BEFORE UPDATE OF t ON app."C.hild" FOR EACH ROW EXECUTE FUNCTION app.f();
CREATE RULE r AS ON DELETE TO app."C.hild" DO INSTEAD NOTHING;
ALTER TABLE app."C.hild" ENABLE ROW LEVEL SECURITY;
CREATE POLICY po ON app."C.hild" USING (p > 1);
COMMENT ON COLUMN app."C.hild".t IS 'x'; COMMENT ON TRIGGER tr ON app."C.hild" IS 'x';
COMMENT ON POLICY po ON app."C.hild" IS 'x'; COMMENT ON STATISTICS app.st IS 'x';
GRANT SELECT (t), UPDATE (t) ON app."C.hild" TO PUBLIC;
ALTER TABLE app."C.hild" REPLICA IDENTITY FULL;
INSERT INTO app.parent (m) VALUES ('a'); INSERT INTO app."C.hild" (p, t) VALUES (1, 'x');
"""


def postgresql_table(server: ScratchServer, database: str, pattern: str) -> bytes:
    """What pg_dump makes of one table."""
    argv = [str(server.binaries.dump), "-h", server.host, "-p", str(server.port), "-U", server.superuser]
    environment = {"PGPASSWORD": server.password, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [*argv, "-t", pattern, "-d", database], env=environment, capture_output=True, check=True
    )
    lines = done.stdout.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith((b"--", b"\\restrict", b"\\unrestrict")))


@pytest.mark.postgresql
def test_what_belongs_to_a_table_is_what_pg_dump_makes_of_it(
    postgresql: ScratchServer, new_database: NewDatabase
) -> None:
    source, target = new_database(postgresql), new_database(postgresql)
    run_sql(postgresql, POSTGRESQL_SCHEMA, source)
    script = postgresql_support.dump(postgresql, source).script
    sections = postgresql_support.sections(script)
    tables = POSTGRESQL.tables(part for part in sections if part.kind is not SectionKind.ROWS)
    table = 'app."C.hild"'
    own = [
        part if part.object == table else only(part, tables.spans(part, {table}, {"schema app"}))
        for part in sections
        if part.object in (None, table)
    ]
    run_sql(
        postgresql,
        "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('a');"
        "CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TABLE app.parent (id serial PRIMARY KEY, m app.mood);"
        "INSERT INTO app.parent (m) VALUES ('a')",
        target,
    )
    text = b"".join(part.body for part in own).replace(b"CREATE SCHEMA app;", b"")
    run_sql(postgresql, text, target)
    wanted = postgresql_table(postgresql, source, table)
    assert b"CREATE POLICY" in wanted
    assert postgresql_table(postgresql, target, table) == wanted


@pytest.mark.postgresql
def test_names_of_a_script_are_found_in_the_database_or_missing(
    postgresql: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(postgresql)
    run_sql(postgresql, POSTGRESQL_SCHEMA, database)
    there = {
        "app.parent",
        'app."C.hild"',
        "app.mood",
        "app.f",
        "app.parent_id_seq",
        "schema app",
        "schema public",
    }
    absent = {"app.child", "app.Mood", '"App".parent', "schema b", "b.parent"} - {"app.Mood"}
    with postgresql_support.connected(postgresql) as connector:
        assert connector.missing(database, there | absent) == absent
        assert connector.missing("not_there", there) == there - {"schema public"}


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("dependent", "named"),
    [
        ("CREATE VIEW app.v AS SELECT id FROM app.parent", "view app.v"),
        ("CREATE MATERIALIZED VIEW app.v AS SELECT id FROM app.parent", "materialized view app.v"),
        ("CREATE TABLE app.heir (x int) INHERITS (app.parent)", "app.heir"),
        ("CREATE TABLE app.other (p int REFERENCES app.parent)", "other_p_fkey"),
        ("CREATE TABLE app.other (p int DEFAULT nextval('app.parent_id_seq'))", "app.other"),
        ("CREATE FUNCTION app.g(app.parent) RETURNS int LANGUAGE sql AS 'SELECT 1'", "app.g"),
        ("CREATE TABLE app.other (p app.parent)", "app.other"),
    ],
)
def test_whatever_a_drop_would_need_cascade_for_is_foretold(
    postgresql: ScratchServer, new_database: NewDatabase, dependent: str, named: str
) -> None:
    database = new_database(postgresql)
    run_sql(postgresql, "CREATE SCHEMA app; CREATE TABLE app.parent (id serial PRIMARY KEY)", database)
    tables = {"app.parent"}
    with postgresql_support.connected(postgresql) as connector:
        assert connector.examine_drop(database, tables) == ()
        run_sql(postgresql, dependent, database)
        found = connector.examine_drop(database, tables)
        assert [finding.severity for finding in found] == [Severity.FAULT] * len(found)
        assert any(named in finding.what for finding in found)
        with pytest.raises(ClientError, match="other objects depend on it"):
            run_sql(postgresql, "DROP TABLE app.parent", database)


@pytest.mark.postgresql
def test_tables_that_refer_to_each_other_are_dropped_together(
    postgresql: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(postgresql)
    run_sql(
        postgresql,
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a);"
        "ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES b; CREATE TABLE c (id int)",
        database,
    )
    both = {"public.a", "public.b"}
    with postgresql_support.connected(postgresql) as connector:
        assert connector.examine_drop(database, both) == ()
        connector.drop_tables(database, both)
        assert connector.missing(database, {*both, "public.c"}) == both


# ---------------------------------------------------------------------------- MySQL and MariaDB

DEFINERS = """
CREATE TABLE t (id int);
CREATE DEFINER=`o``dd'x`@`10.%` TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a = 'DEFINER=`a`@`b`';
CREATE DEFINER='other'@'%' VIEW v AS SELECT 'DEFINER=`a`@`b`' AS a;
CREATE DEFINER='other'@'%' SQL SECURITY INVOKER VIEW w AS SELECT 1 AS a;
CREATE DEFINER='other'@'%' PROCEDURE p() COMMENT 'DEFINER=x' SELECT 'DEFINER=`a`@`b`';
CREATE DEFINER='other'@'%' FUNCTION f() RETURNS int DETERMINISTIC SQL SECURITY INVOKER RETURN 1;
CREATE DEFINER='other'@'%' EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO SELECT 1;
"""


def test_without_definers_all_is_defined_by_whoever_executes_the_script(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    source, target = new_database(mysql_server), new_database(mysql_server)
    with mysql_support.account(mysql_server, f"ALL ON {target}.*", "SELECT ON mysql.*") as credential:
        run_sql(mysql_server, DEFINERS, source)
        sections = mysql_support.sections_of(mysql_support.dumped(mysql_server, source).stdout)
        found = [each for part in sections for each in MYSQL.ownerships(part)]
        assert {each.object for each in found if each.kind == "owner"} == {
            "trigger tr", "view v", "view w", "procedure p", "function f", "event e",
        }  # fmt: skip
        assert {each.object for each in found if each.kind == "actor"} == {
            "trigger tr", "view v", "procedure p", "event e",
        }  # fmt: skip
        assert {each.role for each in found} == {"o`dd'x@10.%", "other@%"}
        text = b"".join(
            without(part, [each.span for each in MYSQL.ownerships(part) if each.span]).body
            for part in sections
        )
        run_sql(mysql_server, "SET GLOBAL log_bin_trust_function_creators = ON")
        try:
            mysql_support.restored(mysql_server, target, text, credential)
        finally:
            run_sql(mysql_server, "SET GLOBAL log_bin_trust_function_creators = OFF")
        asked = f"""
            SELECT definer FROM information_schema.triggers WHERE trigger_schema = '{target}'
            UNION ALL SELECT definer FROM information_schema.views WHERE table_schema = '{target}'
            UNION ALL SELECT definer FROM information_schema.routines WHERE routine_schema = '{target}'
            UNION ALL SELECT definer FROM information_schema.events WHERE event_schema = '{target}'"""
        assert run_sql(mysql_server, asked).split() == [f"{credential.username}@%"] * 6
        assert run_sql(mysql_server, "SELECT a FROM v", target).strip() == "DEFINER=`a`@`b`"


def test_rows_that_refer_to_nothing_are_counted_by_foreign_key(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE `p``1` (a int, b int, PRIMARY KEY (a, b));"
        "CREATE TABLE c (a int, b int, CONSTRAINT two FOREIGN KEY (a, b) REFERENCES `p``1` (a, b));"
        "INSERT INTO `p``1` VALUES (1, 1); INSERT INTO c VALUES (1, 1), (NULL, 7), (7, NULL);"
        "SET foreign_key_checks = 0; INSERT INTO c VALUES (1, 2), (2, 2)",
        database,
    )
    with mysql_support.connected(mysql_server) as connector:
        for table in ("c", "p`1"):
            assert connector.unmatched(database, {table}) == [
                "2 rows of c refer to nothing in p`1 (foreign key two)"
            ]
        assert connector.unmatched(database, {"c", "p`1"}) == []


def test_a_view_is_not_dropped_in_place_of_a_table(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE t (a int); CREATE VIEW v AS SELECT * FROM t", database)
    with mysql_support.connected(mysql_server) as connector:
        assert connector.missing(database, {"t", "v", "x"}) == {"x"}
        assert connector.examine_drop(database, {"t"}) == ()
        (finding,) = connector.examine_drop(database, {"t", "v"})
        assert (finding.severity, finding.object) == (Severity.FAULT, "v")


def test_a_table_that_others_refer_to_is_dropped_and_their_keys_stay(
    mysql_server: ScratchServer, new_database: NewDatabase
) -> None:
    database = new_database(mysql_server)
    run_sql(
        mysql_server,
        "CREATE TABLE p (a int PRIMARY KEY);"
        "CREATE TABLE c (a int, CONSTRAINT k FOREIGN KEY (a) REFERENCES p (a))",
        database,
    )
    with mysql_support.connected(mysql_server) as connector:
        connector.drop_tables(database, {"p"})
    run_sql(mysql_server, "CREATE TABLE p (a int PRIMARY KEY)", database)
    with pytest.raises(ClientError, match="foreign key"):
        run_sql(mysql_server, f"INSERT INTO {quoted(mysql_server, database)}.c VALUES (1)")
