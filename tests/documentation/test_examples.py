"""The example scripts and configurations."""

from __future__ import annotations

import gzip
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from scripts.sample.clients import run_sql
from vya_backupdb.config.load import load_config

from .blocks import ROOT, Command
from .conftest import NewServer, a_machine
from .machine import Machine
from .reading import CONFIG, STORE, Reader
from .servers import Known, clear, orders, with_shop, without_anything

SCRIPTS = sorted(path for path in (ROOT / "scripts/examples").iterdir() if path.suffix != ".md")
CONFIGURATIONS = sorted((ROOT / "etc/examples").glob("*.yaml"))


@dataclass
class Place:
    """A machine with a backup of a shop, its server, and another one."""

    machine: Machine
    prod: Known
    new: Known

    def run(self, line: str) -> str:
        """Run an example, which ends well; give all that it says."""
        (said,) = self.machine.run([Command("scripts/examples", f"scripts/examples/{line}")])
        assert said.status == 0, said
        return said.all

    def backups(self, database: str) -> list[Path]:
        return sorted(self.machine.path(STORE).glob(f"*/{self.prod.id}/{database}/*/*.json"))


@pytest.fixture(scope="module")
def place(new_server: NewServer) -> Iterator[Place]:
    with a_machine() as machine:
        prod = with_shop("prod-mariadb", new_server("mariadb", "shop"), "127.0.0.2")
        new = without_anything("new-mariadb", new_server("mariadb", "empty"), "127.0.0.3")
        machine.with_program()
        machine.know(prod, new)
        config = {
            "instances": [prod.entry(), new.entry()],
            "storage": {"path": STORE},
            "retention": {"keep_last": 10},
            "credentials": {"file": "credentials.json", "key": {"file": "key"}},
        }
        machine.write(CONFIG, yaml.safe_dump(config))
        steps = ["vya-backupdb credentials keygen"]
        steps += [f"vya-backupdb credentials set {one.id} --username {one.username}" for one in (prod, new)]
        steps.append(f"vya-backupdb backup --all --instance {prod.id}")
        said = machine.run(
            [Command("this test", step) for step in steps], Reader(machine, (prod, new)).answer
        )
        assert [one.status for one in said] == [0] * len(steps), "\n".join(map(str, said))
        yield Place(machine, prod, new)


@pytest.fixture
def new(place: Place) -> Known:
    """The other server, empty."""
    clear(place.new.server)
    return place.new


def test_one_database_is_backed_up_and_proved_without_a_word(place: Place) -> None:
    before = len(place.backups("shop"))
    assert place.run("nightly-database prod-mariadb shop").strip() == ""
    assert len(place.backups("shop")) == before + 1
    journal = next(place.machine.path(STORE).glob("*/prod-mariadb/journal.jsonl")).read_text()
    assert '"event": "verify"' in journal.splitlines()[-1]


def test_a_whole_server_is_backed_up_with_its_users(place: Place) -> None:
    before = [len(place.backups(name)) for name in ("shop", "@users")]
    place.run("nightly-server prod-mariadb")
    assert [len(place.backups(name)) for name in ("shop", "@users")] == [count + 1 for count in before]


def test_a_lost_server_is_rebuilt_on_an_empty_one(place: Place, new: Known) -> None:
    assert "restored already" in place.run("rebuild-server prod-mariadb new-mariadb")
    assert orders(new.server) == 3
    assert "`shop`" in run_sql(new.server, "SHOW GRANTS FOR reader")


def test_a_table_is_put_back_and_the_one_that_was_there_kept(place: Place) -> None:
    run_sql(place.prod.server, "UPDATE sessions SET what = 'spoilt'", "shop")
    place.run("restore-table prod-mariadb shop sessions")
    assert run_sql(place.prod.server, "SELECT what FROM sessions", "shop") == "x\n"
    kept = str(place.backups("shop")[-1]).removesuffix(".json")
    assert "spoilt" in place.machine.ran(f"zstdcat {STORE}/{kept.split(STORE + '/')[1]}.sql.zst")


def test_a_developer_gets_a_copy_that_replaces_the_one_before(place: Place, new: Known) -> None:
    for _ in range(2):
        place.run("copy-for-developer prod-mariadb shop new-mariadb shop_dev")
        assert orders(new.server, "shop_dev") == 3
        run_sql(new.server, "INSERT INTO orders (id, customer, amount) VALUES (9, 1, 1)", "shop_dev")


def test_users_alone_are_backed_up_into_a_file_of_their_own(place: Place) -> None:
    place.run("users-only prod-mariadb /srv")
    (file,) = place.machine.path("/srv").glob("prod-mariadb-users_*.sql.gz")
    assert b"app" in gzip.decompress(file.read_bytes())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_copy_that_breaks_off_holds_no_backup_and_the_next_one_all_that_are_finished(place: Place) -> None:
    machine = place.machine
    unfinished = [f"{STORE}/x.sql.zst.partial", f"{STORE}/.x.sql.zst.tmp"]
    machine.ran(f"touch {' '.join(unfinished)}; rm -rf /srv/copy; mkdir /srv/copy")
    once = '#!/bin/sh\n[ ! -e /srv/once ] || exit 12\ntouch /srv/once\nexec /usr/bin/rsync "$@"\n'
    machine.write("/usr/local/bin/rsync", once, 0o755)
    (broken,) = machine.run([Command("scripts/examples", "scripts/examples/copy-off-site /srv/copy")])
    assert broken.status == 12
    assert files(machine.path("/srv/copy/vya-backupdb"), "*.sql.zst")
    assert not files(machine.path("/srv/copy/vya-backupdb"), "*.json")

    machine.path("/usr/local/bin/rsync").unlink()
    place.run("copy-off-site /srv/copy")
    copied, store = machine.path("/srv/copy/vya-backupdb"), machine.path(STORE)
    kept = {name for name in files(store, "*") if not name.endswith(".partial") and "/." not in f"/{name}"}
    assert files(copied, "*") == kept
    assert {path.name for path in machine.path("/srv/copy/etc").iterdir()} == {
        "config.yaml",
        "credentials.json",
    }
    machine.ran(f"rm {' '.join(unfinished)}")


def files(folder: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob(pattern) if path.is_file()}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run_says_how_and_is_tried(script: Path) -> None:
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert re.match(r"#!/bin/sh\n# .*(\n#.*)*\nset -eu\n", text)
    assert f"\n#   {script.name} " in text
    here = Path(__file__).parent
    assert any(f"{script.name} " in test.read_text() for test in here.glob("test_*.py"))
    assert f"]({script.name})" in (script.parent / "README.md").read_text()


@pytest.mark.parametrize(
    "file", [*CONFIGURATIONS, ROOT / "etc/config.example.yaml"], ids=lambda path: path.name
)
def test_an_example_of_a_configuration_holds(file: Path) -> None:
    assert load_config(file).instances
    assert f"]({file.name})" in (ROOT / "etc/examples/README.md").read_text().replace("](../", "](")
