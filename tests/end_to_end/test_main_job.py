"""Back up and restore on real servers, and what an operator asks of it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.sample.clients import create_database, drop_database, plain_dump, raw_dump, run_sql

from .conftest import Site

pytestmark = pytest.mark.measured


def test_a_restored_database_is_identical(site: Site, database: str) -> None:
    site.fill(database)
    entry = site.backup(database)
    assert entry["ok"]
    assert entry["rows"] == 20_000
    outcome = site.restore(database)
    assert outcome["changed"]
    assert outcome["rows"] == 20_000
    assert outcome["rows_verified"]
    assert site.same(database)


@pytest.mark.parametrize("codec", ["zstd", "gzip:1", "none"])
def test_the_servers_own_client_restores_the_file(site: Site, database: str, codec: str) -> None:
    site.fill(database, rows=500)
    file = Path(site.backup(database, "--compression", codec)["file"])
    cat = {".zst": "zstdcat", ".gz": "zcat", ".sql": "cat"}[file.suffix]
    subprocess.run(
        ["sha256sum", "-c", file.name.partition(".sql")[0] + ".sha256"], cwd=file.parent, check=True
    )
    create_database(site.target, database)
    run_sql(site.target, subprocess.run([cat, str(file)], capture_output=True, check=True).stdout, database)
    assert site.same(database)


def test_a_database_that_is_not_empty_is_refused_and_stays(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    site.backup(database)
    before = site.occupied(database)
    done = site.run(
        "restore", "--instance", "source", "--database", database, "--latest", "--target-instance", "target",
        "--force", code=24,
    )  # fmt: skip
    assert "--drop" in done.stderr
    assert plain_dump(site.target, database) == before


def test_drop_without_force_and_without_a_terminal_is_refused(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    site.backup(database)
    before = site.occupied(database)
    site.run(
        "restore", "--instance", "source", "--database", database, "--latest", "--target-instance", "target",
        "--drop", code=24,
    )  # fmt: skip
    assert plain_dump(site.target, database) == before


def test_drop_replaces_what_was_there(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    site.backup(database)
    site.occupied(database)
    assert site.restore(database, "--drop")["changed"]
    assert site.same(database)


def test_an_empty_database_that_is_there_takes_the_definition_of_the_backup(
    site: Site, database: str
) -> None:
    site.fill(database, rows=5)
    site.backup(database)
    other = "connection limit 7" if site.postgresql else "character set latin1"
    run_sql(site.target, f"create database {site.quoted(database)} {other}")
    assert site.restore(database)["changed"]
    assert site.same(database)
    if not site.postgresql:  # whose dump says it
        asked = (
            "select default_character_set_name, default_collation_name from information_schema.schemata "
            f"where schema_name = '{database}'"
        )
        assert run_sql(site.target, asked) == run_sql(site.source, asked)


def test_a_second_restore_of_the_same_backup_changes_nothing(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    site.backup(database)
    assert site.restore(database)["changed"]
    assert not site.restore(database)["changed"]


def test_a_second_restore_of_an_empty_database_changes_nothing_while_it_is_empty(
    site: Site, database: str
) -> None:
    create_database(site.source, database)
    site.backup(database)
    assert [site.restore(database)["changed"] for _ in range(2)] == [True, False]
    run_sql(site.target, f"DROP DATABASE {site.quoted(database)}")
    assert site.restore(database)["changed"]


def test_a_moment_chooses_the_backup_before_it(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    first = site.backup(database)
    run_sql(site.source, "delete from t", database)
    site.backup(database)
    outcome = site.json(
        "restore", "--instance", "source", "--database", database, "--datetime", first["snapshot_at"],
        "--target-instance", "target", "--force",
    )  # fmt: skip
    assert outcome["rows"] == 5
    site.run(
        "restore", "--instance", "source", "--database", database, "--datetime", "2001-01-01",
        "--target-instance", "target", code=24,
    )  # fmt: skip


@pytest.mark.threat("dumps-code")
def test_another_name_leaves_the_original_as_it_is(site: Site, database: str) -> None:
    site.fill(database, rows=50)
    site.backup(database)
    before = plain_dump(site.source, database)
    copy = database + "_copy"
    try:
        site.json(
            "restore", "--instance", "source", "--database", database, "--latest", "--target-database", copy
        )
        assert plain_dump(site.source, database) == before
        assert run_sql(site.source, "select count(*) from t", copy).strip() == "50"
    finally:
        drop_database(site.source, copy)


@pytest.mark.parametrize("wrap", ["plain", "gzip", "zstd"])
def test_a_dump_that_the_tool_made_by_itself_is_restored(site: Site, database: str, wrap: str) -> None:
    site.fill(database, rows=300)
    script = raw_dump(site.source, database)
    file = site.folder / {"plain": "d.sql", "gzip": "d.sql.gz", "zstd": "d.sql.zst"}[wrap]
    if wrap == "zstd":
        script = subprocess.run(["zstd", "-q"], input=script, capture_output=True, check=True).stdout
    file.write_bytes(gzip.compress(script) if wrap == "gzip" else script)
    outcome = site.json(
        "restore", "--file", str(file), "--target-instance", "target", "--target-database", database
    )
    assert outcome["changed"]
    assert outcome["rows"] == 300
    assert site.same(database)


def test_a_dry_run_executes_nothing(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    planned = site.backup(database, "--dry-run")
    assert planned["options"]
    assert not site.store.exists()
    site.backup(database)
    assert not site.restore(database, "--dry-run")["changed"]
    assert not site.exists(site.target, database)


@pytest.mark.threat("store-damage")
def test_a_flipped_byte_is_found_before_anything_is_dropped(site: Site, database: str) -> None:
    site.fill(database)
    file = Path(site.backup(database)["file"])
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 0x10
    file.write_bytes(damaged)
    before = site.occupied(database)
    for _ in range(2):  # with its metadata, and without
        done = site.run(
            "restore", "--file", str(file), "--target-instance", "target", "--target-database", database,
            "--drop", "--force", code=22,
        )  # fmt: skip
        assert "damaged" in done.stderr or "frame" in done.stderr
        assert plain_dump(site.target, database) == before
        for path in file.parent.glob("*.json"):
            path.unlink()


def test_a_store_from_another_machine_is_found(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    site.backup(database)
    (own,) = site.store.iterdir()
    own.rename(site.store / "old-machine")
    assert len(site.json("restore", "list")["backups"]) == 1
    assert site.restore(database, "--host", "old-machine")["changed"]


def test_a_full_disk_ends_the_backup_and_leaves_nothing(site: Site, database: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    site.fill(database)
    small = site.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=True)
    try:
        site.change_config(storage={"path": str(small / "store"), "min_free": 0})
        done = site.run(
            "backup", "--instance", "source", "--database", database, "--compression", "none", code=23
        )
        assert "free" in done.stderr
        assert list(small.rglob("*.sql*")) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_store_that_is_mounted_read_only_can_be_restored_from(site: Site, database: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    site.fill(database)
    site.backup(database)
    subprocess.run(["mount", "--bind", str(site.store), str(site.store)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(site.store)], check=True)
        argv = ("--instance", "source", "--database", database, "--latest", "--target-instance", "target")
        done = site.run("restore", *argv)
        assert "store is read-only" in done.stderr
        assert "all checked" in done.stdout
    finally:
        subprocess.run(["umount", str(site.store)], check=True)


@pytest.mark.limitation("mysql-option-files")
@pytest.mark.limitation("postgresql-environment")
@pytest.mark.threat("program-surroundings")
def test_hostile_client_settings_of_the_caller_change_nothing(site: Site, database: str) -> None:
    site.fill(database, rows=50)
    home = site.folder / "home"
    home.mkdir()
    (home / ".my.cnf").write_text(
        "[client]\npassword=wrong\n[mysqldump]\nno-data\nwhere=1=0\n[mariadb-dump]\nno-data\n[mysql]\nuser=nobody\n"
    )
    (home / ".pgpass").write_text("*:*:*:*:wrong\n")
    (home / ".pgpass").chmod(0o600)
    hostile = {
        "HOME": str(home),
        "MYSQL_HOST": "192.0.2.1", "MYSQL_PWD": "wrong", "MYSQL_TCP_PORT": "1", "MYSQL_UNIX_PORT": "/nowhere",
        "PGOPTIONS": "-c default_transaction_read_only=on", "PGCLIENTENCODING": "LATIN1", "PGHOST": "x",
        "PGPASSWORD": "wrong", "PGDATABASE": "nowhere", "PGUSER": "nobody", "PGSERVICE": "nothing",
        "PGSSLMODE": "verify-full", "PGCLUSTER": "99/none", "PGAPPNAME": "x", "PGPORT": "1",
    }  # fmt: skip
    done = site.run("backup", "--instance", "source", "--database", database, "--format", "json", env=hostile)
    assert json.loads(done.stdout)["backups"][0]["rows"] == 50
    done = site.run(
        "restore", "--instance", "source", "--database", database, "--latest", "--target-instance", "target",
        "--format", "json", env=hostile,
    )  # fmt: skip
    assert json.loads(done.stdout)["rows"] == 50


@pytest.mark.threat("secrets-in-backups")
def test_files_and_folders_of_the_store_are_private(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    site.backup(database)
    for path in [site.store, *site.store.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & 0o777 == wanted, path


def test_an_unknown_database_is_named(site: Site) -> None:
    done = site.run("backup", "--instance", "source", "--database", "no_such_database", code=12)
    assert "no_such_database" in done.stderr


def test_a_wrong_password_is_one_clear_line(site: Site, database: str) -> None:
    site.write_credentials({"password": "wrong"})
    done = site.run("backup", "--instance", "source", "--all", code=12)
    assert "source" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4


def test_a_server_that_is_not_there_is_one_clear_line(site: Site) -> None:
    document = json.loads(site.config.read_text())
    document["instances"][0]["port"] = 1
    site.config.write_text(json.dumps(document))
    done = site.run("backup", "--instance", "source", "--all", code=12)
    assert "127.0.0.1" in done.stderr


def test_credentials_that_others_may_read_are_refused(site: Site) -> None:
    (site.folder / "credentials.json").chmod(0o644)
    done = site.run("backup", "--instance", "source", "--all", code=13)
    assert "chmod 600" in done.stderr


def test_a_copy_of_the_folder_works_elsewhere_with_its_key_file(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    site.backup(database)
    elsewhere = site.folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("config.yaml", "credentials.json", "key"):
        shutil.copy2(site.folder / name, elsewhere / name)
    shutil.copytree(site.store, elsewhere / "store")
    moved = Site(elsewhere, site.source, site.target)
    assert moved.restore(database)["changed"]


def test_the_connection_test_names_what_the_account_may_not_read(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    account, password = f"vya_{os.urandom(3).hex()}", os.urandom(6).hex()
    if site.postgresql:
        run_sql(site.source, f"create role {account} login password '{password}'")
    else:
        grant = f"grant select on {site.quoted(database)}.* to {account}@'%'"
        run_sql(site.source, f"create user {account}@'%' identified by '{password}'; {grant}")
    try:
        site.write_credentials({"username": account, "password": password})
        site.write_config(databases={"include": [database]})
        checks = site.json("config", "test-connections", "--instance", "source", code=12)
        said = json.dumps(checks)
        assert database in said
        assert ("SELECT" if site.postgresql else "TRIGGER") in said
        site.run("backup", "--instance", "source", "--all", "--no-users", code=20)
        assert site.files() == []
    finally:
        run_sql(site.source, f"drop role {account}" if site.postgresql else f"drop user {account}@'%'")


def test_an_option_that_loses_data_is_refused_beforehand(site: Site) -> None:
    site.write_config(dump={"extra_options": ["--schema-only" if site.postgresql else "--where=1=0"]})
    checks = site.json("config", "test-connections", "--instance", "source", code=12)
    assert "extra_options" in json.dumps(checks)
    done = site.run("backup", "--instance", "source", "--all", code=10)
    assert "is not allowed" in done.stderr
