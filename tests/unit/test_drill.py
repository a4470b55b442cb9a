"""Parts of a drill that need no server: which one fits, and what an answer of a server means."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.made_backups import configured, new_store, put
from vya_backupdb.catalog.store import Store
from vya_backupdb.cli.main import main
from vya_backupdb.config.models import Config
from vya_backupdb.errors import Refused, ScratchError, StorageError
from vya_backupdb.model import Answer, Flavour
from vya_backupdb.operations.choose import Selection
from vya_backupdb.operations.drill.batches import ALL, DrillRequest, batches
from vya_backupdb.operations.drill.proof import differences, judged
from vya_backupdb.operations.drill.server import check_room
from vya_backupdb.scratch import Binaries, fitting
from vya_backupdb.scratch.images import image_of


@pytest.mark.parametrize(
    ("flavour", "recorded", "taken"),
    [
        ("mariadb", (10, 11, 18), "10.11.14"),
        ("mariadb", (10, 6, 1), "10.11.14"),
        ("mariadb", (11, 4, 2), "11.8.3"),
        ("mariadb", (11, 9), None),
        ("postgresql", (17, 1), "17.6"),
        ("postgresql", (16, 4), "17.6"),
        ("postgresql", (18, 0), None),
    ],
)
def test_a_server_of_the_same_series_is_taken_else_the_nearest_newer_one_and_never_an_older(
    monkeypatch: pytest.MonkeyPatch, flavour: Flavour, recorded: tuple[int, ...], taken: str | None
) -> None:
    versions = {"mariadb": ("11.8.3", "10.11.14", "10.11.6"), "postgresql": ("17.6", "15.18")}[flavour]
    found = [Binaries(flavour, version, Path("/server"), Path("/bin")) for version in versions]
    monkeypatch.setattr("vya_backupdb.scratch.versions.find_binaries", lambda _: found)
    if taken is None:
        with pytest.raises(ScratchError, match="only older ones"):
            fitting(flavour, recorded)
    else:
        assert fitting(flavour, recorded).version == taken


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(1, True, is_true=True), None),
        (Answer(1, False), "returned False"),
        (Answer(1, 0), "returned 0 (int)"),
        (Answer(1, None), "returned NULL"),
        (Answer(1, "yes  sir\n" * 40), "returned yes sir yes sir"),
        (Answer(0), "returned no row, not one"),
        (Answer(2, True, is_true=True), "returned more than one row, not one"),
        (Answer(None), "returned no rows, for it is no query"),
        (Answer(None, error="no such table"), "failed: no such table"),
    ],
)
def test_a_check_is_one_row_that_is_true_and_nothing_else(answer: Answer, said: str | None) -> None:
    result = judged("SELECT 1", answer)
    assert result.ok == (said is None)
    assert result.said.startswith(said or "returned True")
    assert len(result.said) < 130


def test_rows_are_compared_both_ways() -> None:
    assert list(differences({"a": 1, "b": 2, "new": 0}, {"a": 1, "b": 2})) == []
    found = list(differences({"a": 1, "more": 3}, {"a": 2, "gone": 4, "empty": 0}))
    assert found == [
        "a: 1 rows in the server, 2 in the backup",
        "gone: is not there, and 4 rows of it are in the backup",
        "more: 3 rows in the server, 0 in the backup",
    ]


@pytest.mark.parametrize(
    "words", [("--all", "--database", "x"), ("--all", "--file", "f"), ("--latest",), ("--users",)]
)
def test_what_cannot_go_together_is_a_question_of_usage(words: tuple[str, ...]) -> None:
    assert main(["drill", *words]) == 2


def test_a_plain_dump_does_not_tell_of_which_server_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = new_store(tmp_path / "store")
    (tmp_path / "config.json").write_text(json.dumps(configured(store)))
    (tmp_path / "dump.sql").write_text("-- MySQL dump 10.13\n")
    words = ("drill", "--file", str(tmp_path / "dump.sql"))
    assert main(["--config", str(tmp_path / "config.json"), *words]) == 24
    assert "its metadata is missing" in capsys.readouterr().err


def prepared(tmp_path: Path, **instance: Any) -> tuple[Config, Store]:
    store = new_store(tmp_path / "store")
    return Config.model_validate(configured(store, instance)), store


def test_a_drill_needs_the_room_that_the_scripts_take(tmp_path: Path) -> None:
    config, store = prepared(tmp_path)
    put(store)
    (batch,) = batches(config, DrillRequest(Selection("main", "shop"), engine="docker"))
    check_room(tmp_path, batch)
    record = batch.record
    huge = record.model_copy(update={"file": record.file.model_copy(update={"raw_bytes": 1 << 60})})
    batch.chosen["shop"] = replace(batch.chosen["shop"], record=huge)
    with pytest.raises(StorageError, match="TMPDIR"):
        check_room(tmp_path, batch)


def test_the_image_is_that_of_the_series_or_the_one_that_is_named(tmp_path: Path) -> None:
    config, store = prepared(tmp_path)
    put(store)
    selection = Selection("main", "shop")
    (batch,) = batches(config, DrillRequest(selection, engine="docker"))
    recorded = batch.record.server
    assert batch.server == image_of(recorded.flavour, recorded.version_number)
    (batch,) = batches(config, DrillRequest(selection, engine="docker", image="mine:1"))
    assert batch.server == "mine:1"
    assert image_of("postgresql", (17, 4)) == "postgres:17"
    assert image_of("mariadb", (10, 11, 14)) == "mariadb:10.11"
    assert image_of("mysql", (8, 0, 36)) == "mysql:8.0"


def test_one_instance_without_a_backup_of_users_does_not_stop_the_others(tmp_path: Path) -> None:
    config, store = prepared(tmp_path)
    put(store)
    request = DrillRequest(Selection(), everything=True, engine="docker", users=True)
    (batch,) = batches(config, request)
    assert "no backup of main/@users" in batch.failed[ALL].what
    with pytest.raises(Refused, match="@users"):
        list(batches(config, replace(request, selection=Selection("main"))))
