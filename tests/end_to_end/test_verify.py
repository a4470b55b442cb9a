"""`verify`: what is whole is called so, and what is damaged is named with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import raw_dump, run_sql
from tests.unit.made_backups import document_of, sealed_document
from vya_backupdb.archive.reader import open_archive

from .conftest import Site


def verified(site: Site, *words: str, code: int = 0) -> Any:
    return site.json("verify", *words, code=code)


def of(database: str) -> tuple[str, ...]:
    return ("--instance", "source", "--database", database)


def journal(site: Site) -> list[dict[str, Any]]:
    lines = next(site.store.rglob("source/journal.jsonl")).read_text().splitlines()
    return [entry for line in lines if (entry := json.loads(line))["event"] == "verify"]


def overwrite(path: Path, offset: int) -> None:
    """Damage eight bytes: a single bit of compressed data may mean nothing."""
    data = bytearray(path.read_bytes())
    data[offset : offset + 8] = bytes(byte ^ 0xFF for byte in data[offset : offset + 8])
    path.write_bytes(data)


def test_a_whole_backup_is_proved_and_that_is_kept(site: Site, database: str) -> None:
    site.fill(database, rows=20_000)
    made = site.backup(database)
    done = verified(site, *of(database))
    assert done["ok"]
    (one,) = done["verified"]
    assert (one["ok"], one["rows"], one["file"], one["damages"]) == (True, 20_000, made["file"], [])
    assert "ok" in site.run("verify", *of(database)).stdout
    assert [entry["ok"] for entry in journal(site)] == [True, True]
    assert {entry["file"] for entry in journal(site)} == {Path(made["file"]).name}


@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
def test_damage_is_named_with_its_frame_table_and_place_and_what_is_whole(
    site: Site, database: str, codec: str
) -> None:
    site.fill(database, rows=300)
    run_sql(site.source, "create table other as select * from t", database)
    file = Path(site.backup(database, "--compression", codec)["file"])
    with open_archive(file) as archive:
        tables = {frame.object: (number, frame) for number, frame in enumerate(archive.manifest.frames, 1)}
    (damaged,) = (name for name in tables if name and name.endswith("other"))
    (whole,) = (name for name in tables if name and not name.endswith("other"))
    number, frame = tables[damaged]
    overwrite(file, frame.offset + frame.length // 2)

    done = verified(site, *of(database), code=22)
    (one,) = done["verified"]
    (damage,) = one["damages"]
    assert (damage["frame"], damage["table"], damage["offset"]) == (number, damaged, frame.offset)
    assert one["whole_tables"] == [whole]
    assert [entry["ok"] for entry in journal(site)] == [False]
    said = site.run("verify", "--file", str(file), code=22)
    assert f"can still be restored with --table: {whole}" in said.stdout
    assert f"at byte {frame.offset:,}" in said.stderr
    target = ("--target-instance", "target", "--target-database", database)
    site.run("restore", *of(database), "--latest", *target, "--table", whole)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def torn_record(file: Path) -> None:
    record = next(file.parent.glob("*.json"))
    record.write_bytes(record.read_bytes()[:-20])


def other_metadata(file: Path) -> None:
    record = next(file.parent.glob("*.json"))
    record.write_bytes(record.read_bytes().replace(b'"rows": 3', b'"rows": 4'))


def another_hash(file: Path) -> None:
    record = next(file.parent.glob("*.json"))
    text = document_of(record)
    text["file"]["sha256"] = "0" * 64
    record.write_bytes(sealed_document(text))


def more_rows(file: Path) -> None:
    record = next(file.parent.glob("*.json"))
    text = document_of(record)
    text["contents"]["rows"] += 1
    record.write_bytes(sealed_document(text))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "not the"),
        (Path.unlink, "is missing"),
        (torn_record, "metadata"),
        (other_metadata, "its bytes are not those that were written"),
        (another_hash, "its sha256 is not the one in its metadata"),
        (more_rows, "3 rows in the script, 4 in its metadata"),
    ],
)
def test_whatever_of_a_backup_is_not_as_it_was_is_found_among_others(
    site: Site, database: str, damage: Callable[[Path], None], said: str
) -> None:
    site.fill(database, rows=3)
    site.backup(database)
    assert verified(site, "--all")["ok"]
    damage(Path(site.backup(database)["file"]))
    done = verified(site, "--all", code=3)
    good, bad = sorted(done["verified"], key=lambda one: not one["ok"])
    assert good["ok"]
    assert said in bad["damages"][0]["what"]
    assert not done["ok"]


def test_those_that_wait_longest_are_verified_first(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    made = [site.backup(database)["file"] for _ in range(3)]
    runs = [verified(site, "--all", "--for", "0.001s") for _ in range(4)]
    assert [[one["file"] for one in run["verified"]] for run in runs] == [[made[i]] for i in (2, 1, 0, 2)]
    assert {run["not_reached"] for run in runs} == {2}
    assert len(verified(site, "--all", "--for", "1h", "--instance", "source")["verified"]) == 3
    site.run("verify", "--all", "--instance", "target", code=24)


def test_users_are_verified_among_the_others(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    site.backup(database)
    site.run("users", "backup", "--instance", "source")
    (record,) = site.store.rglob("@users_*.json")
    assert {one["database"] for one in verified(site, "--all")["verified"]} == {database, "@users"}
    text = document_of(record)
    text["contents"]["objects"] = {"user": 1_000}
    record.write_bytes(sealed_document(text))
    done = verified(site, "--all", code=3)
    assert [one["database"] for one in done["verified"] if not one["ok"]] == ["@users"]


def test_a_plain_dump_is_verified_as_far_as_it_can_be(site: Site, database: str) -> None:
    site.fill(database, rows=100)
    script = raw_dump(site.source, database)
    file = site.folder / "dump.sql"
    file.write_bytes(script)
    assert verified(site, "--file", str(file))["verified"][0]["rows"] == 100
    file.write_bytes(script[: len(script) // 2])
    site.run("verify", "--file", str(file), code=22)


@pytest.mark.parametrize(
    "words",
    [
        ("--all", "--database", "x"),
        ("--all", "--latest"),
        ("--for", "1h", "--instance", "a", "--database", "b"),
        ("--all", "--for", "soon"),
        (),
    ],
)
def test_what_cannot_go_together_is_a_question_of_usage(site: Site, words: tuple[str, ...]) -> None:
    site.run("verify", *words, code=2)
