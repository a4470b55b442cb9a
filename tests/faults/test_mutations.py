"""Files of the tool that became something else: never a traceback, never a wrong success.

The commands are called within this process, so that thousands of changed files are cheap.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.sample.clients import drop_database
from tests.end_to_end.conftest import Site
from vya_backupdb.catalog.journal import JOURNAL
from vya_backupdb.catalog.store import Store
from vya_backupdb.config.values import PATH_MAX
from vya_backupdb.scratch import ScratchServer

from .conftest import Called
from .counts import FULL, dice
from .mutations import BYTES, other_value

DATABASE = "mutated"
NEWEST = ("--instance", "source", "--database", DATABASE)
LIST = ("restore", "list", "--format", "json")
VERIFY = ("verify", *NEWEST)
PRUNE = ("prune", "--dry-run", "--format", "json")
CONNECT = ("config", "test-connections", "--instance", "source")

DONE, USAGE, SOME, CONFIGURATION, CONNECTION, CREDENTIALS = 0, 2, 3, 10, 12, 13
DAMAGED, STORAGE, REFUSED = 22, 23, 24
PLUGIN = range(4)
"""What `health` ends with."""


@dataclass(frozen=True)
class World:
    """A machine with three backups of a database and one of the users, which the journal tells of."""

    site: Site
    folder: Path
    """Of the instance in the store."""
    records: tuple[Path, ...]
    """Of the backups of the database, the newest first."""

    @property
    def newest(self) -> Path:
        return self.records[0]


@pytest.fixture(scope="module", params=["mariadb", "postgresql"] if FULL else ["mariadb"])
def world(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    encrypted: Callable[[Site], tuple[Path, Path]],
) -> Iterator[World]:
    server: ScratchServer = request.getfixturevalue(request.param)
    target: ScratchServer = request.getfixturevalue(f"{request.param}_target")
    site = Site(tmp_path_factory.mktemp("world"), server, target)
    site.write_config(databases={"include": [DATABASE]})
    for file in encrypted(site):
        shutil.copy(file, site.folder)
    site.fill(DATABASE, rows=30)
    try:
        for _ in range(3):
            site.run("backup", "--instance", "source", "--all")
        site.restore(DATABASE)
        site.run("verify", "--all")
        site.change_config(retention={"keep_last": 1})
        # as people write it, so that its lines can be lost
        document = json.loads(site.config.read_text())
        site.config.write_text(yaml.safe_dump(document, sort_keys=False, default_flow_style=False))
        folder = Store(site.store, os.uname().nodename).instance_folder("source")
        records = sorted((folder / DATABASE).rglob("*.json"), key=_order, reverse=True)
        yield World(site, folder, tuple(records))
    finally:
        for each in (server, target):
            drop_database(each, DATABASE)


def _order(path: Path) -> tuple[str, int]:
    """Two of one second have a number."""
    taken, _, number = path.stem.partition("-")
    return taken, int(number or 1)


Call = Callable[..., Called]


@pytest.fixture
def call(world: World, called: Callable[..., Called]) -> Call:
    """`call(*words, config=None)`: run the command in this process."""
    return lambda *words, config=None: called(config or world.site.config, *words)


def ends_well(called: Called, allowed: tuple[int, ...] | range, about: str) -> None:
    """Hold a call to its possible ends: each of them tells in a line or two what is wrong."""
    status, _, stderr = called
    assert status in allowed, f"{about}: {status}\n{stderr}"
    assert "Traceback" not in stderr, about
    assert "unexpected fault" not in stderr, about
    assert all(len(line) < 3000 + PATH_MAX for line in stderr.splitlines()), f"{about}\n{stderr[:4000]}"


def changed(good: bytes, source: random.Random) -> bytes:
    """Give a file of JSON or YAML that is another one; never the same."""
    while True:
        text = other_document(good, source) if source.random() < 0.5 else source.choice(BYTES)(good, source)
        if text != good:
            return text


def other_document(good: bytes, source: random.Random) -> bytes:
    try:
        document = json.loads(good)
    except ValueError:
        document = yaml.safe_load(good)
    return json.dumps(other_value(document, source), indent=2).encode()


def test_a_changed_configuration_is_named_or_taken_as_it_is(world: World, call: Call, tmp_path: Path) -> None:
    good = world.site.config.read_bytes()
    (tmp_path / "store").symlink_to(world.site.store)
    for name in ("key", "credentials.json"):
        shutil.copy2(world.site.folder / name, tmp_path)
    config = tmp_path / "config.yaml"
    for about, source in dice("config", few=60, full=500):
        config.write_bytes(changed(good, source))
        validated = call("config", "validate", config=config)
        ends_well(validated, (DONE, CONFIGURATION), about)
        is_valid = validated[0] == DONE
        for words, allowed in (
            (("config", "show"), (DONE,)),
            (LIST, (DONE, STORAGE, REFUSED)),
            (("status",), (DONE, STORAGE)),
            (("health",), PLUGIN),
            (PRUNE, (DONE, SOME, CONFIGURATION, STORAGE, REFUSED)),
        ):
            called = call(*words, config=config)
            ends_well(called, allowed if is_valid else (CONFIGURATION, 3), f"{about} {words}")


def test_a_changed_journal_takes_no_good_backup_away(world: World, call: Call) -> None:
    journal = world.folder / JOURNAL
    good = journal.read_bytes()
    try:
        for about, source in dice("journal", few=60, full=500):
            lines = good.splitlines(keepends=True)
            if source.random() < 0.5:
                at = source.randrange(len(lines))
                lines[at] = json.dumps(other_value(json.loads(lines[at]), source)).encode() + b"\n"
                journal.write_bytes(b"".join(lines))
            else:
                journal.write_bytes(source.choice(BYTES)(good, source))
            for words, allowed in ((LIST, (DONE,)), (("status",), (DONE,)), (("health",), PLUGIN)):
                ends_well(call(*words), allowed, f"{about} {words}")
            pruned = call(*PRUNE)
            ends_well(pruned, (DONE,), about)
            assert fate(pruned, world.newest) != "deleted", about
            ends_well(call(*VERIFY), (DONE,), about)
    finally:
        journal.write_bytes(good)


def fate(pruned: Called, record: Path) -> str | None:
    for one in json.loads(pruned[1])["databases"]:
        for each in one["backups"]:
            if each["metadata"] == str(record):
                return str(each["fate"])
    return None


def test_changed_metadata_is_damage_to_all_commands(world: World, call: Call) -> None:
    good = world.newest.read_bytes()
    try:
        for about, source in dice("metadata", few=60, full=500):
            world.newest.write_bytes(changed(good, source))
            ends_well(call("restore", "list"), (DONE,), about)
            ends_well(call("status"), (DONE,), about)
            ends_well(call("health"), (2,), about)
            pruned = call(*PRUNE)
            ends_well(pruned, (DONE,), about)
            assert fate(pruned, world.newest) == "left alone", about
            assert fate(pruned, world.records[1]) == "kept", about
            listed = json.loads(call(*LIST, "--database", DATABASE)[1])["backups"]
            assert [each["error"] is None for each in listed] == [False, True, True], about
            for words in (VERIFY, ("show", *NEWEST), ("extract", *NEWEST, "--table", "t")):
                ends_well(call(*words), (DAMAGED,), f"{about} {words}")
    finally:
        world.newest.write_bytes(good)


def test_a_changed_checksum_file_changes_nothing(world: World, call: Call) -> None:
    path = world.newest.with_suffix(".sha256")
    good = path.read_bytes()
    try:
        for about, source in dice("checksum", few=3, full=50):
            path.write_bytes(source.choice(BYTES)(good, source))
            for words in (LIST, VERIFY, PRUNE, ("show", *NEWEST)):
                ends_well(call(*words), (DONE,), f"{about} {words}")
    finally:
        path.write_bytes(good)


def test_changed_metadata_restores_nothing(world: World, call: Call) -> None:
    good = world.newest.read_bytes()
    restore = ("restore", *NEWEST, "--latest", "--target-instance", "target", "--drop", "--dry-run")
    assert call(*restore)[0] == DONE
    try:
        for about, source in dice("restore", few=10, full=200):
            world.newest.write_bytes(changed(good, source))
            ends_well(call(*restore), (DAMAGED,), about)
    finally:
        world.newest.write_bytes(good)


def test_changed_credentials_are_damaged_or_another_login(world: World, call: Call, tmp_path: Path) -> None:
    """Nothing listens there: whoever gets as far as to connect has read the login."""
    shutil.copy2(world.site.folder / "key", tmp_path)
    document: dict[str, Any] = yaml.safe_load(world.site.config.read_text())
    for instance in document["instances"]:
        instance["port"] = 1
    document["storage"]["path"] = str(tmp_path / "store")
    config, credentials = tmp_path / "config.yaml", tmp_path / "credentials.json"
    config.write_text(yaml.safe_dump(document))
    good = (world.site.folder / "credentials.json").read_bytes()
    credentials.touch(mode=0o600)
    for about, source in dice("credentials", few=60, full=500):
        credentials.write_bytes(changed(good, source))
        for words, allowed in (
            (CONNECT, (CONNECTION, CREDENTIALS)),
            (("backup", "--all", "--dry-run"), (CONNECTION, CREDENTIALS, 20)),
            (("config", "validate"), (DONE,)),
        ):
            called = call(*words, config=config)
            ends_well(called, allowed, f"{about} {words}")
            assert world.site.source.password not in called[1] + called[2], about
