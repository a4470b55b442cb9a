"""Backups that earlier versions made: each can be verified and restored for ever (docs/upgrading.md).

tests/golden has a folder for each version whose files differ from those before it: the database `shop` and
a role, of MySQL, MariaDB and PostgreSQL, in each codec. A version that changes what is written adds a
folder; none is ever changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.sample.clients import run_sql

from .conftest import Site

GOLDEN = Path(__file__).parents[1] / "golden"
STORES = sorted(path for version in GOLDEN.iterdir() for path in version.iterdir())


@pytest.fixture
def old(site: Site) -> Iterator[Site]:
    """A machine that has come by the old stores."""
    shutil.copytree(GOLDEN, site.folder / "golden")
    yield site
    run_sql(site.target, "DROP ROLE IF EXISTS golden_reader")


@pytest.mark.parametrize("store", STORES, ids=lambda path: "-".join(path.parts[-2:]))
def test_a_backup_of_an_earlier_version_is_whole_and_restores(old: Site, store: Path, database: str) -> None:
    old.change_config(
        storage={"path": str(old.folder / "golden" / store.relative_to(GOLDEN)), "min_free": "0"}
    )
    of = ("--host", "golden", "--instance", old.source.flavour)
    assert old.json("verify", *of, "--database", "shop")["ok"]
    made = old.json("users", "restore", *of, "--all", "--target-instance", "target", "--force")
    assert [account["name"] for account in made["users"]] == ["golden_reader"]
    to = ("--target-instance", "target", "--target-database", database, "--allow-references", "--force")
    old.json("restore", *of, "--database", "shop", "--latest", *to)
    hexed = "encode(raw, 'hex')" if old.postgresql else "hex(raw)"
    rows = run_sql(old.target, f"SELECT id, what, lower({hexed}) FROM orders ORDER BY id", database)
    assert rows.splitlines()[0].split("\t") == ["1", "a;b'c", "00ff5c27"]
    assert rows.splitlines()[1].split("\t")[:2] == ["2", "Größe"]
    assert run_sql(old.target, "SELECT what FROM recent", database).strip() == "Größe"
