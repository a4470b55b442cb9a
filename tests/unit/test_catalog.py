"""Names, records, publishing, journal and finding of backups; no server."""

import io
import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.made_backups import MOMENT, make_record, put, sealed_document
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.naming import date_folder, file_name, timestamp
from vya_backupdb.catalog.publish import make_folder, published, write_whole
from vya_backupdb.catalog.record import read_record, record_bytes
from vya_backupdb.catalog.store import Store, check_file, newest
from vya_backupdb.errors import LockedError, Refused, StorageError, VerificationError
from vya_backupdb.locks import locked
from vya_backupdb.operations.choose import Selection, choose
from vya_backupdb.operations.place import new_slot


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", "db1")


@given(st.text(min_size=1))
def test_a_file_name_is_safe_and_never_reserved(name: str) -> None:
    encoded = file_name(name)
    assert "/" not in encoded
    assert "\0" not in encoded
    assert encoded[0] not in ".-@"
    assert len(encoded.encode()) <= 200


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_databases_have_different_file_names(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


def test_non_ascii_names_stay_readable() -> None:
    assert file_name("Käufer データ") == "Käufer データ"


def test_long_names_that_differ_at_the_end_stay_different() -> None:
    assert file_name("x" * 300 + "a") != file_name("x" * 300 + "b")


def test_a_record_survives_being_written_and_read(tmp_path: Path) -> None:
    record = make_record()
    path = tmp_path / "r.json"
    path.write_bytes(record_bytes(record))
    assert read_record(path) == record


def test_a_record_with_one_other_byte_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    good = record_bytes(make_record())
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(VerificationError):
            read_record(path)


def test_a_record_without_a_check_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(make_record().model_dump_json(indent=2))
    with pytest.raises(VerificationError, match="not those that were written"):
        read_record(path)


def test_a_record_of_a_later_version_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "backup.json"
    document = json.loads(record_bytes(make_record()))
    del document["check"]
    document |= {"schema_version": 2, "made_by": "vya-backupdb 9.0", "a_new_key": {}}
    path.write_bytes(sealed_document(document))
    with pytest.raises(VerificationError, match=r"version 2 of the metadata.*up to version 1") as caught:
        read_record(path)
    assert caught.value.cure is not None
    assert "'vya-backupdb 9.0'" in caught.value.cure


@pytest.mark.parametrize("name", ["../x.sql.zst", "a/b.sql", "", "/etc/passwd"])
def test_a_record_never_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    document = make_record().model_dump(mode="json")
    document["file"]["name"] = name
    path = tmp_path / "r.json"
    path.write_bytes(sealed_document(document))
    with pytest.raises(VerificationError, match=r"file\.name"):
        read_record(path)


@pytest.mark.parametrize("name", [".", ".."])
def test_a_record_never_names_a_folder(tmp_path: Path, name: str) -> None:
    document = make_record().model_dump(mode="json")
    document["file"]["name"] = name
    (tmp_path / "r.json").write_bytes(sealed_document(document))
    with pytest.raises(VerificationError, match="folder"):
        read_record(tmp_path / "r.json")


def test_the_times_of_a_record_are_in_utc_whatever_their_offset(tmp_path: Path) -> None:
    document = make_record().model_dump(mode="json")
    document["snapshot_at"] = "2026-11-23T05:00:00+14:00"
    (tmp_path / "r.json").write_bytes(sealed_document(document))
    assert read_record(tmp_path / "r.json").snapshot_at.isoformat() == "2026-11-22T15:00:00+00:00"


def test_a_backup_in_the_folder_of_another_database_is_not_restored(store: Store) -> None:
    path = put(store)
    elsewhere = path.parents[2] / "crm" / path.parent.name
    elsewhere.mkdir(parents=True)
    path.rename(elsewhere / path.name)
    with pytest.raises(VerificationError, match="one of shop"):
        choose(store, Selection(instance="main", database="crm"))


@pytest.mark.parametrize("umask", [0o000, 0o777])
@pytest.mark.threat("secrets-in-backups")
def test_a_published_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_folder(tmp_path / "a" / "b")
        with published(tmp_path / "a" / "b" / "file") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b" / "file").stat().st_mode & 0o777 == 0o600


def test_a_published_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with published(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["x"]


def test_a_failure_while_publishing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), published(tmp_path / "x"):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_all_is_written_though_each_write_takes_little() -> None:
    class Narrow(io.BytesIO):
        def write(self, data: Any, /) -> int:
            return super().write(bytes(data)[:7])

    narrow = Narrow()
    write_whole(narrow, b"0123456789" * 10)
    assert narrow.getvalue() == b"0123456789" * 10


def test_publishing_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(StorageError), published(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.threat("store-links")
def test_publishing_does_not_follow_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "x.partial").symlink_to(victim)
    with pytest.raises(StorageError), published(tmp_path / "x") as file:
        file.write(b"new")
    assert victim.read_text() == "precious"


def test_folders_are_private(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_a_folder_in_place_of_which_a_file_stands_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(StorageError, match="a"):
        make_folder(tmp_path / "a" / "b")


def test_a_file_without_a_record_is_no_backup(store: Store) -> None:
    slot = store.slot("main", "shop", MOMENT)
    slot.open()
    slot.file(".sql.zst").write_bytes(b"data")
    assert store.backups() == []


def test_two_backups_in_one_second_do_not_collide(store: Store) -> None:
    paths = [put(store) for _ in range(12)]
    assert len(set(paths)) == 12
    assert [backup.path for backup in store.backups()] == paths[::-1]


def test_a_number_that_was_deleted_is_not_given_again(store: Store) -> None:
    paths = [put(store) for _ in range(3)]
    paths[1].unlink()
    paths[1].with_suffix(".sql.zst").unlink()
    paths[1].with_suffix(".sha256").unlink()
    (paths[0].parent / f"{paths[0].stem}x-9.json").touch()
    assert put(store).stem == f"{paths[0].stem}-4"


@pytest.mark.parametrize("database", ["shop", None])
def test_a_backup_made_after_the_clock_was_set_back_is_the_newest(store: Store, database: str | None) -> None:
    ahead = MOMENT + timedelta(days=400)
    name = database or "@users"
    store.slot("main", database, ahead).open()
    for stem in (f"{name}_{timestamp(ahead)}", f"{name}_zzz"):
        (store.instance_folder("main") / name / date_folder(ahead) / f"{stem}.json").touch()
    for number in (2, 3):
        slot, (finding,) = new_slot(store, "main", database, MOMENT)
        slot.file(".json").touch()
        assert slot.stem == f"{name}_{timestamp(ahead)}-{number}"
        assert "clock of this machine (2026-03-04 05:06:07 UTC) is behind" in finding.what
    slot, findings = new_slot(store, "main", database, ahead + timedelta(seconds=1))
    assert (slot.stem, findings) == (f"{name}_{timestamp(ahead + timedelta(seconds=1))}", ())


def test_when_the_record_cannot_be_published_nothing_of_the_backup_stays(store: Store) -> None:
    slot = store.slot("main", "shop", MOMENT)
    slot.open()
    record = make_record(slot.file(".sql.zst").name)
    slot.file(".json").write_text("in the way")
    with pytest.raises(StorageError), slot.all_or_nothing():
        slot.file(".sql.zst").write_bytes(b"data")
        slot.publish_record(record)
    assert os.listdir(slot.folder) == []


def test_the_checksum_file_satisfies_sha256sum(store: Store) -> None:
    slot = store.slot("main", "back\\slash", MOMENT)
    slot.open()
    file = slot.file(".sql")
    file.write_bytes(b"data")
    digest = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
    base = make_record(file.name)
    slot.publish_record(base.model_copy(update={"file": base.file.model_copy(update={"sha256": digest})}))
    subprocess.run(
        ["sha256sum", "-c", slot.stem + ".sha256"], cwd=slot.folder, check=True, capture_output=True
    )


def test_the_newest_backup_is_the_last_made(store: Store) -> None:
    for hours in (1, 3, 2):
        put(store, at=MOMENT + timedelta(hours=hours))
    found = newest(store.backups(instance="main", database="shop"))
    assert found is not None
    assert found[1].snapshot_at == MOMENT + timedelta(hours=3)


def test_a_moment_chooses_the_newest_at_or_before_it(store: Store) -> None:
    for hours in (1, 2, 3):
        put(store, at=MOMENT + timedelta(hours=hours))
    found = newest(store.backups(), at=MOMENT + timedelta(hours=2))
    assert found is not None
    assert found[1].snapshot_at == MOMENT + timedelta(hours=2)
    assert newest(store.backups(), at=MOMENT) is None


def test_a_damaged_record_is_not_passed_over_in_silence(store: Store) -> None:
    put(store, at=MOMENT)
    put(store, at=MOMENT + timedelta(hours=1)).write_text("{")
    with pytest.raises(VerificationError):
        newest(store.backups())


def test_other_hosts_are_searched_only_where_the_own_has_nothing(tmp_path: Path) -> None:
    put(Store(tmp_path, "old-host"))
    here = Store(tmp_path, "new-host")
    assert len(here.backups(instance="main")) == 1
    put(here, at=MOMENT + timedelta(days=1))
    assert [backup.hostname for backup in here.backups(instance="main")] == ["new-host"]


def test_several_other_hosts_that_match_are_refused_until_one_is_named(tmp_path: Path) -> None:
    put(Store(tmp_path, "one"))
    put(Store(tmp_path, "two"))
    here = Store(tmp_path, "new")
    with pytest.raises(Refused, match="one, two"):
        here.backups(instance="main")
    assert len(here.backups(hostname="two", instance="main")) == 1


def test_a_missing_or_shortened_file_is_told(store: Store) -> None:
    path = put(store)
    record = read_record(path)
    file = path.with_name(record.file.name)
    file.write_bytes(b"dat")
    with pytest.raises(VerificationError, match="3 bytes"):
        check_file(path, record)
    file.unlink()
    with pytest.raises(VerificationError, match="missing"):
        check_file(path, record)


def test_the_journal_gives_back_what_was_written(tmp_path: Path) -> None:
    journal.append(tmp_path, "backup", {"database": "shop"}, now=MOMENT)
    journal.append(tmp_path, "restore", {"database": 'we"ird\n'}, now=MOMENT)
    assert [entry["database"] for entry in journal.entries(tmp_path)] == ["shop", 'we"ird\n']


def test_a_torn_line_of_the_journal_spoils_only_itself(tmp_path: Path) -> None:
    journal.append(tmp_path, "one", {})
    with (tmp_path / journal.JOURNAL).open("ab") as file:
        file.write(b'{"at": "20')
    journal.append(tmp_path, "two", {})
    assert [entry["event"] for entry in journal.entries(tmp_path)] == ["one", "two"]


def test_a_second_run_is_told_at_once_who_holds_the_lock(tmp_path: Path) -> None:
    with (
        locked(tmp_path, "main"),
        pytest.raises(LockedError, match=f"process {os.getpid()} on"),
        locked(tmp_path, "main"),
    ):
        pass


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path, "main"):
            pass


def test_a_file_that_cannot_be_looked_at_is_a_storage_error(store: Store) -> None:
    with pytest.raises(StorageError, match="too long"):
        choose(store, Selection(file=Path("/" + "x" * 5000)))


@pytest.mark.parametrize("name", ["\udce9t\udce9", "\U0001f418"])
def test_names_that_are_not_ascii_come_back_from_the_journal(tmp_path: Path, name: str) -> None:
    journal.append(tmp_path, "backup", {"database": name})
    assert [entry["database"] for entry in journal.entries(tmp_path)] == [name]


def test_a_line_of_the_journal_with_half_a_character_is_passed_over(tmp_path: Path) -> None:
    journal.append(tmp_path, "one", {"database": "\ud800"})
    journal.append(tmp_path, "two", {"database": "shop"})
    assert [entry["event"] for entry in journal.entries(tmp_path)] == ["two"]


def test_a_run_reads_the_journal_once_and_knows_what_it_adds(tmp_path: Path) -> None:
    journal.append(tmp_path, "restore", {"database": "a"})
    journal.append(tmp_path, "backup", {"database": "a"})
    own = journal.Journal(tmp_path, "i")
    own.append("restore started", {"database": "b"})
    assert [entry["event"] for entry in own.entries()] == ["restore", "restore started"]
    own.note("restore", {"database": "b"})
    journal.append(tmp_path, "restore", {"database": "of another run"})
    assert [entry["database"] for entry in own.entries()] == ["a", "b", "b"]
    again = journal.Journal(tmp_path, "i").entries()
    assert [entry["database"] for entry in again] == ["a", "b", "b", "of another run"]


def test_a_journal_that_is_not_kept_lasts_as_long_as_the_run(tmp_path: Path) -> None:
    own = journal.Journal(tmp_path, "i", keeps=False)
    own.note("grants pending", {"grants": []})
    own.append("restore", {"database": "b"})
    assert [entry["event"] for entry in own.entries()] == ["grants pending", "restore"]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / journal.JOURNAL).mkdir()
    assert journal.Journal(tmp_path, "i", keeps=False).entries() == []
    with pytest.raises(StorageError):
        journal.Journal(tmp_path, "i").entries()
