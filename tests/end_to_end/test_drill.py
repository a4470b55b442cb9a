"""`drill`: a backup that restores is proved in a throw-away server, and one that does not is called so."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import run_sql
from tests.unit.made_backups import document_of, sealed_document
from tests.waiting import wait_until

from .conftest import Site
from .estate import Estate

ONE_FLAVOUR = pytest.mark.parametrize("server", ["mariadb"], indirect=True)
"""Where the flavour makes no difference."""


def of(database: str) -> tuple[str, ...]:
    return ("--instance", "source", "--database", database)


def drilled(site: Site, *words: str, code: int = 0) -> Any:
    return site.json("drill", *words, code=code)


def journal(site: Site) -> list[dict[str, Any]]:
    lines = next(site.store.rglob("source/journal.jsonl")).read_text().splitlines()
    return [entry for line in lines if (entry := json.loads(line))["event"] == "drill"]


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of our own that throw-away servers lie in; nothing is left in it by any drill."""
    folder = Path(tempfile.mkdtemp(prefix="vya-drill-", dir="/tmp"))  # sockets need a short path
    folder.chmod(0o711)
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    left = list(folder.iterdir())
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def owned(site: Site, database: str) -> Iterator[str]:
    """A database whose view, routine and event belong to an account that its backup has not."""
    owner = f"o_{secrets.token_hex(4)}"
    site.fill(database, rows=3_000)
    if site.postgresql:
        run_sql(
            site.source,
            f"""CREATE ROLE {owner}; ALTER TABLE t OWNER TO {owner}; CREATE VIEW v AS SELECT id FROM t;
            ALTER VIEW v OWNER TO {owner}; CREATE MATERIALIZED VIEW m AS SELECT * FROM v;
            ALTER MATERIALIZED VIEW m OWNER TO {owner}; CREATE INDEX ON t (v);
            ALTER DATABASE {database} OWNER TO {owner}; REVOKE ALL ON DATABASE {database} FROM PUBLIC""",
            database,
        )
        gone = f"DROP ROLE {owner}"
    else:
        run_sql(
            site.source,
            f"""CREATE USER {owner}@localhost; GRANT ALL ON {database}.* TO {owner}@localhost;
            CREATE DEFINER={owner}@localhost VIEW v AS SELECT id FROM t;
            CREATE DEFINER={owner}@localhost FUNCTION f() RETURNS INT READS SQL DATA
              RETURN (SELECT COUNT(*) FROM t);
            CREATE DEFINER={owner}@localhost EVENT e ON SCHEDULE AT '2037-01-01 00:00:00' DO DELETE FROM t""",
            database,
        )
        gone = f"DROP USER {owner}@localhost"
    yield owner
    if site.postgresql:
        run_sql(site.source, f"ALTER DATABASE {database} OWNER TO postgres")
        run_sql(site.source, f"DROP OWNED BY {owner} CASCADE", database)
    run_sql(site.source, gone)


def test_a_good_backup_is_proved_though_its_owners_are_not_there(
    site: Site, database: str, owned: str
) -> None:
    checks = ["SELECT count(*) = 3000 FROM v", "SELECT count(*) > 0 FROM t WHERE v LIKE 'x%'"]
    if not site.postgresql:
        checks += ["SELECT f() = 3000", "SELECT @@event_scheduler = 'OFF'"]
    site.write_config(checks={database: checks})
    made = site.backup(database)
    done = drilled(site, *of(database))
    assert done["ok"]
    (drill,) = done["drills"]
    assert drill["server"] == f"{site.source.flavour} {site.source.version}"
    assert drill["other_version"] is None
    assert [name.partition("@")[0] for name in drill["stand_ins"]] == [owned]
    assert drill["seconds"]["recovery"] == drill["seconds"]["restore"] > 0 < drill["seconds"]["start"]
    (one,) = drill["databases"]
    assert (one["ok"], one["rows"], one["tables"], one["file"]) == (True, 3_000, 1, made["file"])
    assert one["failures"] == []
    assert [(check["query"], check["ok"]) for check in one["checks"]] == [(query, True) for query in checks]
    assert one["objects"]["view"] == 1
    (entry,) = journal(site)
    assert (entry["ok"], entry["database"], entry["file"]) == (True, database, Path(made["file"]).name)
    (status,) = site.json("status", "--instance", "source")["databases"]
    assert status["last_drill"]["ok"] is True
    assert status["last_verified_at"] == status["last_drill"]["at"]


def test_what_a_check_does_not_find_fails_the_drill_with_what_it_returned(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    asked = {
        "SELECT count(*) > 3 FROM t": "returned",
        "SELECT id FROM t": "returned more than one row",
        "SELECT id FROM t WHERE id > 5": "returned no row",
        "SELECT count(*) > 0 FROM orders": "failed:",
        "SELECT NULL": "returned NULL",
        "DROP TABLE t": "",
        "SELECT count(*) = 3 FROM t": None,
    }
    del asked["DROP TABLE t" if not site.postgresql else "SELECT NULL"]
    site.write_config(checks={database: list(asked)})
    site.backup(database)
    done = drilled(site, *of(database), code=22)
    (one,) = done["drills"][0]["databases"]
    assert not one["ok"]
    assert not done["ok"]
    expected = [f"the check {query} {said}" for query, said in asked.items() if said is not None]
    assert len(one["failures"]) == len(expected)
    for failure, beginning in zip(one["failures"], expected, strict=True):
        assert failure.startswith(beginning)
    (entry,) = journal(site)
    assert entry["ok"] is False
    assert entry["error"].startswith("the check SELECT count(*) > 3 FROM t returned")
    said = site.run("drill", *of(database), code=22)
    assert f"source/{database}: the drill failed" in said.stderr
    assert "mend the check" in said.stderr
    assert "FAILED" in said.stdout
    (status,) = site.json("status", "--instance", "source")["databases"]
    assert status["last_drill"]["ok"] is False
    assert status["damaged"] == []


def test_the_newest_of_every_database_and_the_users_come_into_one_server(site: Site, estate: Estate) -> None:
    site.json("backup", "--all", "--instance", "source")
    site.write_config(databases={"include": estate.databases}, checks={"shp": ["SELECT 1 = 1"]})
    done = drilled(site, "--all", "--users")
    first, rest = done["drills"]
    assert {one["database"] for one in first["databases"]} == set(estate.databases)
    assert all(one["ok"] for one in first["databases"])
    assert first["users"]["ok"]
    assert first["users"]["restored"] >= 3
    assert first["stand_ins"] == []
    assert first["seconds"]["users"] > 0
    assert rest["notices"] == ["shp: has checks in the configuration, and no backup: they were not asked"]
    assert rest["databases"] == []


@ONE_FLAVOUR
def test_without_a_server_of_the_version_or_a_newer_one_nothing_is_proved(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    record = Path(site.backup(database)["file"]).with_suffix("").with_suffix(".json")
    text = document_of(record)
    text["server"] |= {"version": "99.1.2", "version_number": [99, 1, 2]}
    record.write_bytes(sealed_document(text))
    done = drilled(site, *of(database), code=12)
    assert not done["ok"]
    assert "no mariadb server 99.1 or newer" in done["drills"][0]["databases"][0]["failures"][0]
    assert [entry["ok"] for entry in journal(site)] == [False]


@ONE_FLAVOUR
def test_a_drill_that_is_interrupted_leaves_nothing(site: Site, database: str, folders: Path) -> None:
    site.fill(database, rows=3)
    site.write_config(checks={database: ["SELECT SLEEP(120) = 0"]})
    site.backup(database)
    with subprocess.Popen(site.command("drill", *of(database)), stdin=subprocess.DEVNULL) as process:
        assert wait_until(lambda: list(folders.glob(f"vya-scratch-*/data/{database}/t.ibd")), 90)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert list(folders.iterdir()) == []


@ONE_FLAVOUR
def test_a_server_that_is_kept_can_be_reached_and_ended(site: Site, database: str, folders: Path) -> None:
    site.fill(database, rows=3)
    site.backup(database)
    (drill,) = drilled(site, *of(database), "--keep")["drills"]
    kept = drill["kept"]
    query = [*shlex.split(kept["connect"]), "--batch", "--skip-column-names", database]
    asked = subprocess.run(
        query, input="SELECT COUNT(*) FROM t", capture_output=True, text=True, timeout=60, check=True
    )
    assert asked.stdout.strip() == "3"
    subprocess.run(shlex.split(kept["end"]), timeout=60, check=True)
    assert wait_until(lambda: not list(folders.iterdir()), 90)
