"""Hard databases come back whole: the tool's dump is the same, and so is what no dump shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.sample.clients import create_database, plain_dump, run_sql
from tests.integration.mysql_support import install_archive
from tests.values import checksums
from vya_backupdb.catalog.record import read_record

from .conftest import Site
from .test_identity import catalogs

FOLDER = Path(__file__).parent / "hard"
"""A script for each subject; `-- only:` names the flavour that knows it, `-- says:` what a backup says."""

NAMES = [
    *("with space", "quo'te", 'dou"ble', "back``tick", "do.t", "per%cent", "new\nline", "-dash", "--help"),
    *("UPPER", "select", "ünï", "日本", "se;mi", "/* c */", "\\! ls", "#x", "a\tb"),
]
EACH_BYTE = bytes(range(256))


def with_names() -> str:
    return ";".join(
        f"CREATE TABLE `{name}` (`{name}` int, KEY `{name}` (`{name}`)); INSERT INTO `{name}` VALUES ({i});"
        f"CREATE VIEW `v {name}` AS SELECT `{name}` FROM `{name}`;"
        f"CREATE TRIGGER `t {name}` BEFORE INSERT ON `{name}` FOR EACH ROW SET @a = 1;"
        f"CREATE PROCEDURE `p {name}`() SELECT 1;"
        f"CREATE EVENT `e {name}` ON SCHEDULE EVERY 1 YEAR DO SELECT 1"
        for i, name in enumerate(NAMES)
    )


def with_every_byte() -> str:
    return (
        "CREATE TABLE b (a varbinary(256), b longblob, c binary(4), d bit(64), e tinyblob);"
        f"INSERT INTO b VALUES (0x{EACH_BYTE.hex()}, 0x{EACH_BYTE[::-1].hex()}, x'00', b'1',"
        f" 0x{EACH_BYTE[:255].hex()})"
    )


SUBJECTS = {
    **{path.stem: path.read_text() for path in sorted(FOLDER.glob("*.sql"))},
    "names": with_names(),
    "every_byte": with_every_byte(),
}


@pytest.fixture
def hard(site: Site, database: str) -> str:
    """The name of a database that is made on the source."""
    if site.postgresql:
        pytest.skip("MySQL and MariaDB only")
    create_database(site.source, database)
    return database


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_hard_database_comes_back_whole(site: Site, hard: str, subject: str) -> None:
    script = SUBJECTS[subject]
    only, says = (re.search(rf"^-- {word}: (.*)", script, re.MULTILINE) for word in ("only", "says"))
    if only and only[1] != site.source.flavour:
        pytest.skip(f"{only[1]} only")
    run_sql(site.source, script, hard)
    entry = site.backup(hard)
    assert entry["ok"]
    assert len(entry["warnings"]) == (says is not None), entry["warnings"]
    assert says is None or says[1] in entry["warnings"][0]
    outcome = site.restore(hard)
    assert outcome["changed"]
    assert plain_dump(site.target, hard) == plain_dump(site.source, hard)
    assert checksums(site.target, hard) == checksums(site.source, hard)
    assert catalogs(site, "target", hard) == catalogs(site, "source", hard)


@pytest.mark.timeout(600)
def test_two_thousand_tables_come_back(site: Site, hard: str) -> None:
    made = "".join(
        f"CREATE TABLE t{i} (a int PRIMARY KEY, f float, s varchar(9));"
        f"INSERT INTO t{i} VALUES ({i}, 1.5, 'x');"
        for i in range(2000)
    )
    run_sql(site.source, made, hard)
    assert site.backup(hard)["warnings"] == []
    site.restore(hard, "--jobs", "4")
    assert plain_dump(site.target, hard) == plain_dump(site.source, hard)


@pytest.mark.limitation("mysql-packets")
def test_a_large_row_comes_back_or_is_refused_beforehand(site: Site, hard: str) -> None:
    size = int(os.environ.get("VYA_TEST_LARGE_ROW", "20")) << 20
    limits = [run_sql(server, "SELECT @@GLOBAL.max_allowed_packet") for server in (site.source, site.target)]
    try:
        run_sql(site.source, "SET GLOBAL max_allowed_packet = 1 << 30")
        run_sql(
            site.source,
            "CREATE TABLE b (id int PRIMARY KEY, a longblob);"
            f"INSERT INTO b VALUES (1, REPEAT(x'00ff', {size // 2})), (2, x'0d0a')",
            hard,
        )
        site.backup(hard)
        run_sql(site.target, "SET GLOBAL max_allowed_packet = 16 << 20")
        words = (
            "restore",
            "--instance",
            "source",
            "--database",
            hard,
            "--latest",
            "--target-instance",
            "target",
        )
        done = site.run(*words, "--force", code=24)
        assert "max_allowed_packet" in done.stderr
        run_sql(site.target, "SET GLOBAL max_allowed_packet = 1 << 30")
        site.restore(hard)
        assert checksums(site.target, hard) == checksums(site.source, hard)
    finally:
        for server, limit in zip((site.source, site.target), limits, strict=True):
            run_sql(server, f"SET GLOBAL max_allowed_packet = {limit}")


@pytest.mark.limitation("mysql-document-ids")
def test_document_ids_are_loaded_in_order_whatever_the_number_of_sessions(site: Site, hard: str) -> None:
    rows = ", ".join(f"({1 + 60_000 * i}, REPEAT('a', 1 << 20))" for i in range(30))
    run_sql(
        site.source,
        "CREATE TABLE near (FTS_DOC_ID bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, t longtext);"
        f"INSERT INTO near VALUES {rows}; CREATE FULLTEXT INDEX i ON near (t)",
        hard,
    )
    assert site.backup(hard)["warnings"] == []
    site.restore(hard, "--jobs", "4")
    assert checksums(site.target, hard) == checksums(site.source, hard)


@pytest.mark.limitation("mysql-archive-numbers")
def test_archive_tables_are_loaded_in_order_whatever_the_number_of_sessions(site: Site, hard: str) -> None:
    if site.source.flavour == "mariadb":
        for server in (site.source, site.target):
            install_archive(server)
    rows = ", ".join(f"({1 + 7 * i}, REPEAT('a', 1 << 20))" for i in range(60))
    run_sql(
        site.source,
        "CREATE TABLE a (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, t longtext) ENGINE=ARCHIVE;"
        f"INSERT INTO a VALUES {rows}",
        hard,
    )
    (warning,) = site.backup(hard)["warnings"]
    assert "a (ARCHIVE)" in warning
    site.restore(hard, "--jobs", "4")
    assert checksums(site.target, hard) == checksums(site.source, hard)
    assert plain_dump(site.target, hard) == plain_dump(site.source, hard)


# ---------------------------------------------------------------------------- told, or refused


@pytest.mark.limitation("mysql-float")
def test_a_loss_is_named_in_the_report_the_metadata_and_by_the_connection_test(site: Site, hard: str) -> None:
    run_sql(site.source, "CREATE TABLE f (a float); INSERT INTO f VALUES (1234567)", hard)
    site.write_config(databases={"include": [hard]})
    (warning,) = site.backup(hard)["warnings"]
    assert "f (a): FLOAT" in warning
    (path,) = site.store.rglob("*.json")
    (finding,) = read_record(path).warnings
    assert (finding.object, finding.cure) == ("f", "make the columns DOUBLE")
    said = site.run("config", "test-connections", "--instance", "source", "--format", "json").stdout
    assert "f (a): FLOAT" in said


@pytest.mark.limitation("mysql-broken-views")
def test_a_broken_view_fails_the_backup_unless_it_is_to_be_skipped(site: Site, hard: str) -> None:
    run_sql(
        site.source,
        "CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t; DROP TABLE t; CREATE TABLE z (a int)",
        hard,
    )
    done = site.run("backup", "--instance", "source", "--database", hard, code=20)
    assert "the view v is broken" in done.stderr
    assert "broken_views: skip" in done.stderr
    assert site.files() == []
    site.write_config(broken_views="skip")
    (warning,) = site.backup(hard)["warnings"]
    assert "v is broken" in warning
    site.restore(hard)
    assert run_sql(site.target, "SHOW TABLES", hard).split() == ["z"]


@pytest.mark.limitation("mysql-large-statement")
def test_a_statement_that_no_server_takes_fails_the_backup(site: Site, hard: str) -> None:
    run_sql(site.source, "CREATE TABLE b (a blob); INSERT INTO b VALUES (REPEAT('x', 3000))", hard)
    lowered = (
        "import sys, vya_backupdb.operations.dump as dump; dump._PACKET_LIMIT = 4096;"
        "from vya_backupdb.cli.main import main; sys.exit(main())"
    )
    words = ("--config", str(site.config), "backup", "--instance", "source", "--database", hard)
    done = subprocess.run(
        [sys.executable, "-c", lowered, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 20, done.stderr
    assert "more than any server takes" in done.stderr
    assert site.files() == []
