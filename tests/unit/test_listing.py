"""Lists of backups: right, and no more read than is shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from vya_backupdb.catalog.store import Backup, Store
from vya_backupdb.operations.listing import list_backups

from .test_catalog import MOMENT, put


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store", "db1")
    for hours in (0, 1, 2, 30):
        put(store, at=MOMENT + timedelta(hours=hours))
    put(store, "other", at=MOMENT + timedelta(hours=3))
    return store


def taken(found: object) -> list[float]:
    assert hasattr(found, "__iter__")
    return [(entry.record.started_at - MOMENT) / timedelta(hours=1) for entry in found]


def test_the_newest_comes_first_over_all_databases(store: Store) -> None:
    assert taken(list_backups(store)) == [30, 3, 2, 1, 0]


def test_a_list_can_be_of_one_database_and_of_one_day(store: Store) -> None:
    assert taken(list_backups(store, database="shop")) == [30, 2, 1, 0]
    assert taken(list_backups(store, day=MOMENT.date())) == [3, 2, 1, 0]


def test_only_the_records_that_are_shown_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    record = Backup.record

    def noted(self: Backup) -> object:
        read.append(self.path)
        return record(self)

    monkeypatch.setattr(Backup, "record", noted)
    assert taken(list_backups(store, limit=2)) == [30, 3]
    assert len(read) == 2


def test_a_damaged_record_is_listed_as_one(store: Store) -> None:
    (newest, *_) = store.backups()
    newest.path.write_text("{}")
    (first, second, *_) = list_backups(store)
    assert first.record is None
    assert "not a metadata record" in str(first.error)
    assert second.record is not None
