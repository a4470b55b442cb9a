"""What tables ask of their server, and what of it the other flavour passes over: told before a restore."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_support import dumped, examined, plan_of, restored
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Finding, Severity
from vya_backupdb.scratch import ScratchServer, start

SYSTEM = 4_120_001
DEFINITION = (
    'GEOGCS["it\'s mine",DATUM["d",SPHEROID["s",6378137,298]],PRIMEM["G",0],'
    'UNIT["degree",0.017453292519943278],AXIS["Lat",NORTH],AXIS["Lon",EAST]]'
)


def faults(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.severity is Severity.FAULT]


def warnings(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.severity is Severity.WARNING]


def script_of(server: ScratchServer, database: str, sql: str) -> bytes:
    run_sql(server, sql, database)
    return dumped(server, database).stdout


# ---------------------------------------------------------------------------- spatial reference systems


@pytest.fixture
def system(mysql: ScratchServer) -> Iterator[str]:
    """The statement that makes a spatial reference system, which is there."""
    quoted = DEFINITION.replace("'", "''")
    made = (
        f"CREATE SPATIAL REFERENCE SYSTEM {SYSTEM} NAME 'my ''own' DESCRIPTION 'a\\\\b' DEFINITION '{quoted}'"
    )
    run_sql(mysql, made)
    yield made
    run_sql(mysql, "DROP DATABASE IF EXISTS r")
    run_sql(mysql, f"DROP SPATIAL REFERENCE SYSTEM IF EXISTS {SYSTEM}")


@pytest.mark.limitation("mysql-spatial-systems")
def test_a_spatial_reference_system_is_named_with_what_makes_it_anew(
    mysql: ScratchServer, new_database: NewDatabase, system: str
) -> None:
    database, copy = new_database(mysql), "r"
    made = f"CREATE TABLE g (p point NOT NULL SRID {SYSTEM}, q point SRID 4326, r geometry, SPATIAL KEY (p));"
    values = f"ST_PointFromText('POINT(10 20)', {SYSTEM}), ST_PointFromText('POINT(1 2)', 4326), NULL"
    script = script_of(mysql, database, f"{made} INSERT INTO g VALUES ({values})")
    (finding,) = plan_of(mysql, database).findings
    assert (finding.severity, finding.object) == (Severity.WARNING, "g")
    assert f"spatial reference system {SYSTEM}" in finding.what
    asked = f"SELECT * FROM information_schema.st_spatial_reference_systems WHERE srs_id = {SYSTEM}"
    before = run_sql(mysql, asked)
    run_sql(mysql, f"DROP TABLE {database}.g; DROP SPATIAL REFERENCE SYSTEM {SYSTEM}")
    (fault,) = faults(examined(mysql, copy, script))
    assert f"no spatial reference system {SYSTEM} (g)" in fault
    with pytest.raises(StatementFailed, match="3548"):
        restored(mysql, copy, script)
    run_sql(mysql, str(finding.cure).partition(": ")[2])
    assert run_sql(mysql, asked) == before
    assert examined(mysql, copy, script) == []
    restored(mysql, copy, script)


@pytest.mark.limitation("mysql-spatial-systems")
def test_the_reference_system_of_a_column_is_named(mariadb: ScratchServer, new_database: NewDatabase) -> None:
    database, copy = new_database(mariadb), new_database(mariadb)
    script = script_of(mariadb, database, "CREATE TABLE g (p POINT REF_SYSTEM_ID=101, q POINT)")
    (finding,) = plan_of(mariadb, database).findings
    assert finding.what.startswith("g (p): their REF_SYSTEM_ID")
    restored(mariadb, copy, script)
    kept = (
        "SELECT srid FROM information_schema.geometry_columns"
        " WHERE f_table_schema = DATABASE() AND g_geometry_column = 'p'"
    )
    assert [run_sql(mariadb, kept, name).strip() for name in (database, copy)] == ["101", "0"]


# ---------------------------------------------------------------------------- what the server must have


@pytest.mark.limitation("mysql-server-objects")
def test_absent_tablespaces_are_told(mysql: ScratchServer, new_database: NewDatabase) -> None:
    database, copy = new_database(mysql), new_database(mysql)
    run_sql(mysql, "CREATE TABLESPACE `sp``ace` ADD DATAFILE 'space.ibd' ENGINE=InnoDB")
    tables = (
        "CREATE TABLE t (a int) TABLESPACE `sp``ace`;"
        "CREATE TABLE u (a int) TABLESPACE innodb_file_per_table;"
        "CREATE TABLE v (a int) TABLESPACE innodb_system COMMENT='TABLESPACE `none`'"
    )
    script = script_of(mysql, database, tables)
    assert examined(mysql, copy, script) == []
    run_sql(mysql, f"DROP TABLE {database}.t; DROP TABLESPACE `sp``ace`")
    (fault,) = faults(examined(mysql, copy, script))
    assert "no tablespace sp`ace (t)" in fault
    with pytest.raises(StatementFailed, match="3510"):
        restored(mysql, copy, script)


@pytest.mark.limitation("mysql-server-objects")
def test_absent_parsers_encryption_and_folders_are_told(
    mysql: ScratchServer, new_database: NewDatabase
) -> None:
    copy = new_database(mysql)
    made = script_of(
        mysql, new_database(mysql), "CREATE TABLE t (a text, FULLTEXT KEY (a) WITH PARSER ngram)"
    )
    assert examined(mysql, copy, made) == []
    (fault,) = faults(examined(mysql, copy, made.replace(b"`ngram`", b"`other`")))
    assert "no full-text parser other (t)" in fault
    (fault,) = faults(examined(mysql, copy, made.replace(b"ENGINE=", b"ENCRYPTION='Y' ENGINE=")))
    assert "encrypted tables (t)" in fault
    assert examined(mysql, copy, made.replace(b"ENGINE=", b"ENCRYPTION='N' ENGINE=")) == []
    (finding,) = examined(mysql, copy, made.replace(b"ENGINE=", b"DATA DIRECTORY='/srv/it''s' ENGINE="))
    assert "/srv/it's (t)" in finding.what


@pytest.mark.limitation("mysql-server-objects")
def test_absent_foreign_servers_are_told(mysql: ScratchServer) -> None:
    with start(mysql.binaries, settings={"federated": "ON"}) as server:
        where = f"HOST '{server.host}', PORT {server.port}, USER '{server.superuser}', DATABASE 'r'"
        created = (
            f"CREATE SERVER away FOREIGN DATA WRAPPER mysql OPTIONS ({where}, PASSWORD '{server.password}')"
        )
        run_sql(server, f"CREATE DATABASE r; CREATE DATABASE copy; {created}")
        tables = (
            "CREATE TABLE t (a int); CREATE TABLE f (a int) ENGINE=FEDERATED CONNECTION='away/t';"
            "CREATE TABLE u (a int) ENGINE=FEDERATED CONNECTION="
            f"'mysql://{server.superuser}:{server.password}@{server.host}:{server.port}/r/t'"
        )
        script = script_of(server, "r", tables)
        assert faults(examined(server, "copy", script)) == []
        run_sql(server, "DROP SERVER away")
        (fault,) = faults(examined(server, "copy", script))
        assert "no foreign server away (f)" in fault
        with pytest.raises(StatementFailed, match="1432"):
            restored(server, "copy", script)


# ---------------------------------------------------------------------------- onto the other flavour


@pytest.mark.limitation("mysql-passed-over")
def test_what_stands_in_comments_that_a_server_passes_over_is_named(
    mysql: ScratchServer, mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    tables = (
        "CREATE TABLE i (a int, b int INVISIBLE, CONSTRAINT k CHECK (a > 1) NOT ENFORCED)"
        " CHARSET utf8mb4 COLLATE utf8mb4_general_ci COMMENT='/*!80023 SECRET */';"
        "CREATE TABLE g (p point SRID 4326)"
    )
    script = script_of(mysql, new_database(mysql), tables).replace(b"0900_ai_ci", b"general_ci")
    copy = new_database(mariadb)
    (said,) = [what for what in warnings(examined(mariadb, copy, script)) if "passes over" in what]
    assert said.endswith(": SRID (g), INVISIBLE (i), NOT ENFORCED (i)")
    assert not any("passes over" in what for what in warnings(examined(mysql, copy, script)))
    restored(mariadb, copy, script)
    assert "INVISIBLE" not in run_sql(mariadb, "SHOW CREATE TABLE i", copy).partition("COMMENT")[0]


@pytest.mark.limitation("mysql-passed-over")
def test_what_mysql_passes_over_is_named(
    mysql: ScratchServer, mariadb: ScratchServer, new_database: NewDatabase
) -> None:
    made = "CREATE TABLE c (a varchar(99) COMPRESSED) CHARSET utf8mb4 COLLATE utf8mb4_general_ci"
    script = script_of(mariadb, new_database(mariadb), made)
    (said,) = warnings(examined(mysql, new_database(mysql), script))
    assert said.endswith(": COMPRESSED (c)")


@pytest.mark.limitation("mysql-other-flavour")
@pytest.mark.parametrize(
    ("column", "named"),
    [
        ("c varchar(20) AS (CONCAT(a, 'it''s')) STORED", "strings with a backslash"),
        ("c varchar(20) AS (CONCAT(a, 'x\\\\')) STORED", "strings with a backslash"),
        ("c varchar(20) DEFAULT (CONCAT('\\n', 'y'))", "strings with a backslash"),
        ("CHECK (a <> 'it''s')", "strings with a backslash"),
        ("c geomcollection", "GEOMCOLLECTION"),
        ("c varchar(20) AS (CONCAT(a, 'x\"y')) STORED COMMENT '_utf8mb4''\\\\', CHECK (a <> 'z')", None),
        ("c varchar(20) DEFAULT 'it''s' COMMENT 'x geomcollection'", None),
    ],
)
def test_columns_of_mysql_that_mariadb_cannot_read_are_told(
    mysql: ScratchServer, mariadb: ScratchServer, new_database: NewDatabase, column: str, named: str | None
) -> None:
    made = f"CREATE TABLE t (a varchar(9), {column}) CHARSET utf8mb4 COLLATE utf8mb4_general_ci"
    script, copy = script_of(mysql, new_database(mysql), made), new_database(mariadb)
    found = faults(examined(mariadb, copy, script))
    if named is None:
        assert found == []
        restored(mariadb, copy, script)
        return
    (fault,) = found
    assert named in fault
    assert "(t)" in fault
