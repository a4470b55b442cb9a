"""What others have put into the store before us, or may put there: it leads nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.made_backups import MOMENT, new_store, put
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.publish import published
from vya_backupdb.catalog.store import Store, check_file
from vya_backupdb.errors import LockedError, StorageError, VerificationError
from vya_backupdb.locks import locked


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "store")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def link_to(target: Path, *, at: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    if at.is_dir():
        at.rmdir()
    at.symlink_to(target)


@pytest.mark.parametrize("place", ["here", "here/main", "here/main/shop", "here/main/shop/2026-03-04"])
@pytest.mark.threat("store-links")
def test_a_backup_goes_through_no_link(store: Store, outside: Path, place: str) -> None:
    (store.root / "here/main").rmdir()
    link_to(outside, at=store.root / place)
    with pytest.raises(StorageError, match="a symbolic link"):
        store.open_instance("main")
        put(store)
    assert not [path for path in outside.rglob("*") if path.is_file()]


def test_the_root_itself_may_be_a_link(store: Store, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(store.root)
    record = put(Store(link, "here"))
    assert [backup.path for backup in Store(link, "here").backups()] == [record]


@pytest.mark.parametrize("suffix", [".partial", ""])
@pytest.mark.threat("store-links")
def test_a_link_at_the_place_of_a_file_is_not_followed(store: Store, outside: Path, suffix: str) -> None:
    victim = outside / "victim"
    victim.write_text("precious")
    file = store.instance_folder("main") / "shop.sql.zst"
    link_to(victim, at=file.with_name(file.name + suffix))
    with pytest.raises(StorageError), published(file) as sink:
        sink.write(b"x")
    assert victim.read_text() == "precious"


@pytest.mark.threat("store-links")
def test_a_link_at_the_place_of_journal_or_lock_is_not_followed(store: Store, outside: Path) -> None:
    folder, victim = store.instance_folder("main"), outside / "victim"
    victim.write_text("precious")
    for name in (journal.JOURNAL, ".lock", ".lock-holder.json"):
        link_to(victim, at=folder / name)
    with pytest.raises(StorageError):
        journal.append(folder, "backup", {})
    with pytest.raises(StorageError), locked(folder, "main"):
        pass
    (folder / ".lock").unlink()
    with locked(folder, "main"):
        assert not (folder / ".lock-holder.json").is_symlink()
    assert victim.read_text() == "precious"


@pytest.mark.threat("store-odd-files")
@pytest.mark.parametrize("content", [b"[" * 200_000, b"{}", b'{"pid": "x"}', b"\xff\xfe", None, 1 << 40])
def test_word_of_who_holds_a_lock_is_read_in_bounds(store: Store, content: bytes | int | None) -> None:
    folder = store.instance_folder("main")
    with locked(folder, "main"):
        holder = folder / ".lock-holder.json"
        holder.unlink()
        if content is None:
            os.mkfifo(holder)
        elif isinstance(content, int):
            with holder.open("wb") as file:
                file.truncate(content)
        else:
            holder.write_bytes(content)
        with pytest.raises(LockedError, match=r"main: locked by another run\n"), locked(folder, "main"):
            pass


@pytest.mark.threat("store-links")
def test_a_file_that_is_a_link_is_no_backup(store: Store, outside: Path) -> None:
    record_path = put(store)
    (backup,) = store.backups()
    record = backup.record()
    file = record_path.with_name(record.file.name)
    file.rename(outside / "data")
    file.symlink_to("x" * record.file.bytes)  # as many bytes as the file had
    with pytest.raises(VerificationError, match="no regular file"):
        check_file(record_path, record)


@pytest.mark.parametrize("place", ["", "here", "here/main"])
@pytest.mark.threat("store-writers")
def test_a_store_that_everybody_may_write_is_refused_with_the_command_that_mends_it(
    store: Store, place: str
) -> None:
    store.check_private("main")
    for mode in (0o777, 0o1777, 0o702):
        (store.root / place).chmod(mode)
        with pytest.raises(StorageError, match="everybody may write") as caught:
            store.check_private("main")
        assert "chmod go-w" in str(caught.value.cure)
    (store.root / place).chmod(0o770)
    store.check_private("main")


@pytest.mark.parametrize(
    "name",
    ["..", ".", "../../x", "a/b", "a\0b", "a\nb", "@users", "-rf", ".lock", "x.partial", "\udcff", "a%2Fb"],
)
@pytest.mark.threat("store-names")
def test_a_name_stays_in_its_place_and_is_nobody_elses(store: Store, name: str) -> None:
    record = put(store, "placeholder", at=MOMENT)  # another database of the same time
    slot = store.slot("main", name, MOMENT)
    slot.open()
    assert slot.folder.parent.parent == store.instance_folder("main")
    assert slot.folder.parent.name not in ("@users", record.parent.parent.name, journal.JOURNAL, ".lock")
    assert slot.folder.name == "2026-03-04"
    assert store.slot(name, "shop", MOMENT).folder.parent.parent.parent == store.root / "here"
    assert Store(store.root, name).instance_folder("main").parent.parent == store.root


@pytest.mark.parametrize(
    ("one", "other"), [("Shop", "shop"), ("é", "e\u0301"), ("a", "a\u200b"), ("%41", "A")]
)
@pytest.mark.threat("store-names")
def test_names_that_look_alike_have_folders_of_their_own(store: Store, one: str, other: str) -> None:
    assert store.slot("main", one, MOMENT).folder != store.slot("main", other, MOMENT).folder
