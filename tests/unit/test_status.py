"""How backups stand, as a store and its journal tell it; no server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.made_backups import configured, new_store, put, resized
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.store import RECORD_SUFFIX, Store
from vya_backupdb.cli.main import main
from vya_backupdb.config.models import Config
from vya_backupdb.operations.status import DatabaseStatus, status

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "store")


@pytest.fixture
def asked(store: Store) -> Callable[..., list[DatabaseStatus]]:
    """`asked(**instance)`: the status of what is in the store."""
    return lambda **instance: status(Config.model_validate(configured(store, instance)), now=NOW)


def note(store: Store, event: str, *, hours_ago: float = 0.0, **facts: Any) -> None:
    journal.append(store.instance_folder("main"), event, facts, now=NOW - timedelta(hours=hours_ago))


def verified(store: Store, record: Path, *, ok: bool, hours_ago: float) -> None:
    name = record.name.replace(RECORD_SUFFIX, ".sql.zst")
    note(store, "verify", hours_ago=hours_ago, file=name, ok=ok)


def test_the_last_good_backup_its_age_and_the_last_attempt(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    put(store, at=NOW - timedelta(days=3))
    last = put(store, at=NOW - timedelta(hours=30))
    note(store, "backup", hours_ago=30, database="shop")
    (one,) = asked()
    assert (one.database, one.path, one.age, one.failed) == ("shop", last, timedelta(hours=30), None)
    note(store, "backup failed", hours_ago=6, database="shop", error="no space")
    (one,) = asked()
    assert (one.path, one.failed) == (last, "no space")
    assert one.attempt is not None
    assert one.attempt.at == NOW - timedelta(hours=6)


def test_a_server_that_was_not_reached_is_an_attempt_at_each_database(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    for database in ("shop", "stock"):
        put(store, database, at=NOW - timedelta(hours=30))
        note(store, "backup", hours_ago=30, database=database)
    note(store, "backup failed", hours_ago=6, database=None, error="access denied")
    assert [one.failed for one in asked()] == ["access denied"] * 2
    note(store, "backup", hours_ago=5, database="stock")
    assert [one.failed for one in asked()] == ["access denied", None]


def test_the_last_attempt_is_the_one_noted_last_though_the_clock_was_set_back(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    put(store, at=NOW - timedelta(days=1))
    note(store, "backup", hours_ago=3, database="shop")
    note(store, "backup failed", hours_ago=9, error="no route")
    assert [one.failed for one in asked()] == ["no route"]
    note(store, "backup", hours_ago=12, database="shop")
    assert [one.failed for one in asked()] == [None]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "2026-11-28", "soon", 5, None])
def test_an_entry_without_a_time_that_there_is_tells_nothing(
    store: Store, asked: Callable[..., list[DatabaseStatus]], at: object
) -> None:
    put(store, at=NOW - timedelta(days=1))
    journal.append(
        store.instance_folder("main"), "backup failed", {"database": "shop", "error": "x", "at": at}
    )
    (one,) = asked()
    assert (one.attempt, one.backups) == (None, 1)


def test_a_database_that_is_named_and_was_never_backed_up_is_not_forgotten(
    asked: Callable[..., list[DatabaseStatus]], store: Store
) -> None:
    put(store, at=NOW)
    named = asked(databases={"include": ["shop", "stock", "log_*"]})
    assert [(one.database, one.last is not None) for one in named] == [("shop", True), ("stock", False)]


def test_an_instance_without_any_backup_says_why(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    note(store, "backup failed", database=None, error="access denied")
    (one,) = asked()
    assert (one.last, one.failed, one.backups) == (None, "access denied", 0)


def test_damaged_ones_are_no_good_ones_and_are_told(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    good = put(store, at=NOW - timedelta(days=4))
    unsound = put(store, at=NOW - timedelta(days=3))
    verified(store, unsound, ok=False, hours_ago=1)
    next(put(store, at=NOW - timedelta(days=2)).parent.glob("*.zst")).unlink()
    put(store, at=NOW - timedelta(days=1)).write_text("{")
    (one,) = asked()
    assert one.path == good
    assert len(one.damaged) == 3
    assert one.backups == 4


def test_the_size_is_held_against_the_median_of_those_before(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    sizes = [9_000, 100, 100, 100, 100, 120, 80, 100, 50]
    for days, size in enumerate(reversed(sizes)):
        resized(put(store, at=NOW - timedelta(days=days)), size)
    (one,) = asked()
    assert one.usual_bytes == 100
    assert one.trend == 0.5


def test_what_was_verified_is_told_with_its_time(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    older, newest = put(store, at=NOW - timedelta(days=4)), put(store, at=NOW - timedelta(days=1))
    verified(store, older, ok=True, hours_ago=50)
    (one,) = asked()
    assert (one.proof, one.last_proved) == (None, NOW - timedelta(hours=50))
    verified(store, newest, ok=True, hours_ago=2)
    (one,) = asked()
    assert one.proof is not None
    assert one.last_proved == NOW - timedelta(hours=2)


def test_the_next_attempt_is_expected_after_the_usual_time(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    put(store, at=NOW - timedelta(hours=3))
    for hours in (148, 147.5, 147):  # by hand, on the first day
        note(store, "backup", hours_ago=hours, database="shop")
    (one,) = asked()
    assert (one.usual_interval, one.expected_at) == (None, None)
    for hours in (123, 75, 27):
        note(store, "backup failed", hours_ago=hours, database=None, error="access denied")
        note(store, "backup", hours_ago=hours - 24, database="shop")
    (one,) = asked()
    assert one.usual_interval == timedelta(hours=24)
    assert one.expected_at == NOW + timedelta(hours=21)


def test_a_clock_that_was_set_back_makes_no_interval(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    put(store, at=NOW)
    for hours in (30, 90, 70, 95, 75, 99, 79):
        note(store, "backup", hours_ago=hours, database="shop")
    (one,) = asked()
    assert one.usual_interval == timedelta(hours=20)


def test_a_backup_is_overdue_from_where_health_is_critical(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    put(store, at=NOW - timedelta(hours=3))
    for hours in (75, 51, 27, 3):
        note(store, "backup", hours_ago=hours, database="shop")
    (one,) = asked(max_age="2d")
    assert one.overdue_from == NOW + timedelta(hours=45)
    (one,) = asked(databases={"exclude": ["shop"]})  # no new ones will come
    assert (one.overdue_from, one.expected_at) == (None, None)


@pytest.mark.parametrize("words", [[], ["--summary"], ["--last-backup"]])
def test_the_command_prints_tables_and_documents(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    put(store, at=datetime.now(UTC) - timedelta(days=2, hours=3, minutes=5))
    note(store, "backup failed", database="shop", error="no space")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(configured(store)))
    assert main(["--config", str(config), "status", *words]) == 0
    out = capsys.readouterr().out
    assert "2 d 3 h" in out
    assert ("no space" in out) == (not words)
    if not words:
        assert "overdue" in out
        assert "old, more than 1d2h (max_age); the last attempt failed: no space; mend that, then vya-" in out
    assert main(["--config", str(config), "status", *words, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    if words == ["--summary"]:
        (one,) = told["instances"]
        assert (one["databases"], one["last_attempt_failed"]) == (1, 1)
    else:
        (one,) = told["databases"]
        assert one["last_attempt"]["error"] == "no space"
        (problem,) = one["problems"]
        assert problem["level"] == "CRITICAL"
        assert problem["cure"] == "mend that, then vya-backupdb backup --instance main --database shop"


def test_the_command_tells_what_comes_next(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, at=NOW - timedelta(hours=3))
    for hours in (75, 51, 27, 3):
        note(store, "backup", hours_ago=hours, database="shop")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(configured(store)))
    assert main(["--config", str(config), "status"]) == 0
    table = capsys.readouterr().out.partition("What comes next (UTC)\n")[2]
    assert table.splitlines()[1].split() == (
        ["main", "shop", "1", "d", "0", "h", "2026-11-29", "09:00", "2026-11-29", "11:00"]
    )
    assert main(["--config", str(config), "status", "--format", "json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["databases"]
    assert (one["usual_interval_seconds"], one["expected_at"], one["overdue_from"]) == (
        86400, "2026-11-29T09:00:00Z", "2026-11-29T11:00:00Z",
    )  # fmt: skip


def test_the_last_drill_is_told_and_one_that_went_well_is_a_proof(
    store: Store, asked: Callable[..., list[DatabaseStatus]]
) -> None:
    record = put(store, at=NOW - timedelta(hours=3))
    name = record.name.replace(RECORD_SUFFIX, ".sql.zst")
    note(store, "drill", hours_ago=2, database="shop", file=name, ok=True)
    (one,) = asked()
    assert one.drill is not None
    assert (one.drill.error, one.drill.file, one.last_proved) == (None, name, NOW - timedelta(hours=2))
    note(store, "drill", hours_ago=1, database="shop", file=name, ok=False, error="no orders")
    (one,) = asked()
    assert one.drill is not None
    assert (one.drill.error, one.last_proved, one.damaged) == ("no orders", NOW - timedelta(hours=2), ())
