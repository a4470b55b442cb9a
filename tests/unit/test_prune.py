"""What `prune` deletes, and what it never does; stores without a server."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.made_backups import put
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.store import RECORD_SUFFIX, Store
from vya_backupdb.config.models import Config
from vya_backupdb.errors import ConfigurationError, LockedError, Refused
from vya_backupdb.locks import locked
from vya_backupdb.operations.prune import Fate, PruneOutcome, PruneRequest, prune

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "here")


@pytest.fixture
def pruned(store: Store) -> Callable[..., PruneOutcome]:
    """`pruned(rules, **request)`: what became of the store."""

    def run(rules: dict[str, Any] | None = None, /, **request: Any) -> PruneOutcome:
        config = Config.model_validate(
            {
                "instances": [
                    {
                        "id": "main",
                        "engine": "mysql",
                        "host": "db",
                        "databases": {"exclude": ["old*"]},
                    }
                ],
                "storage": {"path": str(store.root), "hostname": store.hostname},
                "retention": rules or {"keep_last": 2},
            }
        )
        return prune(config, PruneRequest(**request), NOW)

    return run


def nights(store: Store, count: int, database: str = "shop", instance: str = "main") -> list[Path]:
    """Make backups of so many nights, the newest first; give their records."""
    return [
        put(store, database, at=NOW - timedelta(days=days), instance=instance)
        for days in reversed(range(count))
    ][::-1]


def left(store: Store) -> list[Path]:
    return sorted(store.root.rglob("*" + RECORD_SUFFIX), reverse=True)


def note(store: Store, event: str, **facts: Any) -> None:
    journal.append(store.instance_folder("main"), event, facts)


def verified(store: Store, record: Path, *, ok: bool) -> None:
    note(store, "verify", file=record.name.replace(RECORD_SUFFIX, ".sql.zst"), ok=ok)


def fates(outcome: PruneOutcome) -> list[Fate]:
    (one,) = outcome.databases
    return [each.fate for each in one.judged]


def test_what_no_rule_keeps_goes_with_all_its_files(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    made = nights(store, 5)
    outcome = pruned()
    assert left(store) == made[:2]
    suffixes = Counter(path.suffix for path in store.root.rglob("shop_*"))
    assert suffixes == {".json": 2, ".sha256": 2, ".zst": 2}
    assert fates(outcome) == [Fate.KEPT] * 2 + [Fate.DELETED] * 3
    deleted = [entry["file"] for entry in journal.entries(store.instance_folder("main"))]
    assert len(deleted) == 3
    assert not pruned().errors
    assert left(store) == made[:2]


def test_a_dry_run_deletes_nothing_and_says_the_same(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    made = nights(store, 5)
    said = fates(pruned(dry_run=True))
    assert left(store) == made
    assert said == fates(pruned())


def test_the_last_good_one_stays_whatever_the_rules(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    old = put(store, at=NOW - timedelta(days=900))
    (one,) = pruned({"within": "1d"}).databases
    assert left(store) == [old]
    assert one.judged[0].reasons == ("the last good one",)


def test_the_last_one_that_a_drill_proved_stays(store: Store, pruned: Callable[..., PruneOutcome]) -> None:
    made = nights(store, 6)
    for record, ok in ((made[4], True), (made[3], False)):
        name = record.name.replace(RECORD_SUFFIX, ".sql.zst")
        note(store, "drill", database="shop", file=name, ok=ok)
    pruned()
    assert left(store) == [*made[:2], made[4]]


def test_the_last_one_that_was_verified_stays(store: Store, pruned: Callable[..., PruneOutcome]) -> None:
    made = nights(store, 6)
    verified(store, made[5], ok=True)
    verified(store, made[4], ok=True)
    pruned()
    assert left(store) == [*made[:2], made[4]]


def test_damaged_ones_count_for_nothing_and_are_left_alone(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    made = nights(store, 6)
    verified(store, made[0], ok=True)
    verified(store, made[0], ok=False)
    next(made[1].parent.glob("*.zst")).unlink()
    made[2].write_text("{")
    outcome = pruned({"keep_last": 1})
    assert fates(outcome) == [Fate.LEFT] * 3 + [Fate.KEPT] + [Fate.DELETED] * 2
    assert left(store) == made[:4]


@pytest.mark.threat("store-metadata")
def test_metadata_that_names_the_file_of_another_backup_takes_nothing_with_it(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    newest, older = (put(store, at=NOW - timedelta(minutes=minutes)) for minutes in (0, 1))
    named = newest.name.replace(RECORD_SUFFIX, ".sql.zst")
    older.write_text(older.read_text().replace(older.name.replace(RECORD_SUFFIX, ".sql.zst"), named))
    (one,) = pruned({"keep_last": 1}).databases
    assert {each.path: each.fate for each in one.judged} == {newest: Fate.KEPT, older: Fate.LEFT}
    assert newest.with_name(named).exists()


def test_nothing_goes_of_a_database_whose_newest_backup_failed(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    made = nights(store, 5)
    for database in ("shop", None):  # None: the server was not reached at all
        note(store, "backup failed", database=database, error="x")
        (one,) = pruned().databases
        assert one.protected is not None
        assert "failed" in one.protected
        assert left(store) == made
        note(store, "backup", database="shop")
    pruned()
    assert left(store) == made[:2]


@pytest.mark.parametrize(
    ("database", "instance", "named"),
    [
        ("old_shop", "main", {"instances": ("main",), "database": "old_shop"}),
        ("shop", "gone", {"instances": ("gone",)}),
    ],
)
def test_what_the_configuration_does_not_have_any_more_goes_only_where_it_is_named(
    store: Store, pruned: Callable[..., PruneOutcome], database: str, instance: str, named: dict[str, Any]
) -> None:
    made = nights(store, 5, database, instance)
    (one,) = pruned().databases
    assert one.protected is not None
    assert "name it" in one.protected
    assert left(store) == made
    pruned(**named)
    assert left(store) == made[:2]


def test_other_databases_and_other_machines_are_not_touched(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    other = nights(Store(store.root, "elsewhere"), 5)
    nights(store, 5, "shop")
    kept = nights(store, 5, "stock")
    pruned(instances=("main",), database="shop")
    assert set(left(store)) >= {*other, *kept}
    pruned(hostname="elsewhere")
    assert not set(left(store)) & set(other[2:])


def test_leftovers_go_after_a_day_and_files_of_others_never(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    record = put(store, at=NOW)
    folder = record.parent
    orphan = "shop_20261101T010101Z.sql.zst"
    names = {
        orphan: True,
        "shop_20261101T010101Z.sha256": True,
        "shop_20261101T020202Z.sql.gz.partial": True,
        record.name + ".partial": True,
        "notes.txt": False,
        "shop.sql": False,
        "stock_20261101T010101Z.sql.zst": False,
        "shop_20261101T030303Z.json.bak": False,
    }
    for name in names:
        (folder / name).write_text("x")
    assert not pruned().leftovers
    for name in (*names, record.name.replace(RECORD_SUFFIX, ".sql.zst")):
        os.utime(folder / name, times=(0, (NOW - timedelta(days=2)).timestamp()))
    gone = {name for name, goes in names.items() if goes}
    assert {path.name for path in pruned(dry_run=True).leftovers} == gone
    assert (folder / orphan).exists()
    assert {path.name for path in pruned().leftovers} == gone
    assert {path.name for path in folder.iterdir()} >= set(names) - gone
    assert left(store) == [record]


def test_a_deletion_that_is_cut_off_leaves_nothing_that_lists(
    store: Store, pruned: Callable[..., PruneOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = nights(store, 3)
    unlink = Path.unlink
    calls = 0

    def second_fails(path: Path, missing_ok: bool = False) -> None:
        nonlocal calls
        if path.name.startswith("shop_"):
            calls += 1
            if calls == 2:
                raise OSError(5, "Input/output error")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", second_fails)
    outcome = pruned()
    assert [error.exit_code for error in outcome.errors] == [23]
    assert left(store) == made[:2]
    assert [backup.path for backup in store.backups(instance="main")] == made[:2]


def test_a_run_at_work_keeps_prune_out(store: Store, pruned: Callable[..., PruneOutcome]) -> None:
    made = nights(store, 5)
    with locked(store.instance_folder("main"), "main"):
        outcome = pruned()
        assert fates(pruned(dry_run=True))[-1] is Fate.DELETED
    assert [type(error) for error in outcome.errors] == [LockedError]
    assert left(store) == made


def test_without_a_retention_or_backups_it_is_refused(
    store: Store, pruned: Callable[..., PruneOutcome]
) -> None:
    nights(store, 1)
    with pytest.raises(Refused):
        pruned(instances=("nowhere",))
    config = Config.model_validate({"instances": [{"id": "main", "engine": "mysql", "host": "db"}]})
    with pytest.raises(ConfigurationError, match="retention"):
        prune(config, PruneRequest(), NOW)


@pytest.mark.threat("store-links")
def test_a_link_in_the_store_leads_nowhere(
    store: Store, pruned: Callable[..., PruneOutcome], tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    made = nights(Store(outside, "here"), 5)
    nights(store, 1, "stock")
    linked = store.instance_folder("main") / "shop"
    linked.symlink_to(outside / "here/main/shop")
    orphan = made[0].with_name("shop_20261101T010101Z.sql")
    orphan.write_text("x")
    os.utime(orphan, times=(0, 0))
    assert not pruned().leftovers
    assert orphan.exists()
    assert left(Store(outside, "here")) == made
    linked.unlink()
    shutil.rmtree(outside)
