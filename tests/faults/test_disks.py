"""Stores and data folders that fill up, turn read-only or vanish while they are worked on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.sample.clients import drop_database, plain_dump
from tests.conftest import choose
from tests.end_to_end.conftest import Site
from vya_backupdb.catalog.journal import JOURNAL
from vya_backupdb.catalog.store import Store
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import ScratchServer, start

from .conftest import Called
from .counts import ON_ONE, flavours
from .runs import Kept, wait_until
from .test_servers import use_halting_tool

PAGE = 4096

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes, open to everybody."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(folder: Path, leave: int) -> Path:
    """Fill a file system but for so many bytes; give the file that does."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    size = shutil.disk_usage(folder).free - leave
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
    return ballast


@pytest.fixture
def small(site: Site) -> Iterator[Path]:
    """The store lies on a file system of one MiB."""
    with mounted(site.folder / "small", 1 << 20) as folder:
        site.change_config(storage={"path": str(folder / "store"), "min_free": 0})
        yield folder


@ON_ONE
def test_a_store_that_is_full_at_any_point_of_a_backup_holds_whole_ones_only(
    site: Site, database: str, called: Callable[..., Called], small: Path
) -> None:
    """From no free page to one for each of: who holds the lock, archive, checksum, metadata, journal."""
    site.fill(database, rows=5)
    words = ("backup", "--instance", "source", "--database", database)
    kept = Kept(site, called, database)
    assert called(site.config, *words)[0] == 0
    kept.hold("the first one", more=1)
    journal = Store(small / "store", os.uname().nodename).instance_folder("source") / JOURNAL
    ends = set()
    for pages in range(9):
        with journal.open("ab") as file:  # so that the next line needs a page of its own
            file.write(b"\n" * (-file.tell() % PAGE))
        ballast = fill_up(small, leave=pages * PAGE)
        status, _, stderr = called(site.config, *words)
        ends.add((status, "journal not written" in stderr))
        assert status != 1, stderr
        kept.hold(f"{pages} pages: {stderr}", more=int(status == 0))
        assert kept.files_of_others() == [], pages
        ballast.unlink()
        assert called(site.config, *words)[0] == 0
        kept.hold(f"after {pages} pages", more=1)
    assert ends == {(23, False), (23, True), (0, True), (0, False)}


@ON_ONE
def test_a_store_that_fills_up_in_mid_dump_fails_that_one_only(
    site: Site, database: str, called: Callable[..., Called], small: Path
) -> None:
    site.fill(database, rows=5)
    words = ("backup", "--instance", "source", "--database", database, "--compression", "none")
    kept = Kept(site, called, database)
    assert called(site.config, *words)[0] == 0
    kept.hold("the first one", more=1)
    drop_database(site.source, database)
    site.fill(database, rows=20_000)  # two MiB: twice what there is room for, and not to be expected
    status, _, stderr = called(site.config, *words)
    assert (status, "No space left" in stderr) == (23, True), stderr
    kept.hold("after it was full", more=0)
    assert kept.files_of_others() == []


@ON_ONE
def test_a_full_store_lets_no_restore_begin_and_nothing_is_dropped(
    site: Site, database: str, called: Callable[..., Called], small: Path
) -> None:
    site.fill(database, rows=5)
    assert called(site.config, "backup", "--instance", "source", "--database", database)[0] == 0
    before = site.occupied(database)
    words = ("restore", "--instance", "source", "--database", database, "--latest")
    words = (*words, "--target-instance", "target", "--drop", "--force")
    assert called(site.config, *words, "--dry-run")[0] == 0
    ballast = fill_up(small, leave=0)
    status, _, stderr = called(site.config, *words)
    assert (status, "No space left" in stderr) == (23, True), stderr
    assert plain_dump(site.target, database) == before
    ballast.unlink()
    assert called(site.config, *words)[0] == 0
    assert site.same(database)


@ON_ONE
@pytest.mark.parametrize("becomes", ["absent", "read-only"])
def test_a_store_that_goes_in_mid_dump_fails_that_one_only(
    site: Site, database: str, called: Callable[..., Called], becomes: str, tmp_path: Path
) -> None:
    site.fill(database, rows=60_000)
    words = ("backup", "--instance", "source", "--database", database)
    with mounted(tmp_path / "disk", 64 << 20) as disk:
        (disk / "store").mkdir()
        site.store.mkdir()
        subprocess.run(["mount", "--bind", str(disk / "store"), str(site.store)], check=True)
        kept = Kept(site, called, database)
        site.run(*words)
        kept.hold("the first one", more=1)
        halted, go = use_halting_tool(site)
        with site.running(*words) as run:
            wait_until(halted.exists)
            subprocess.run(["umount", "--lazy", str(site.store)], check=True)
            if becomes == "read-only":
                for options in (["--bind", str(disk / "store")], ["-o", "remount,bind,ro"]):
                    subprocess.run(["mount", *options, str(site.store)], check=True)
            go.touch()
            _, stderr = run.communicate(timeout=100)
        assert run.returncode == 23, stderr
        assert str(site.store) in stderr
        if becomes == "read-only":
            subprocess.run(["umount", str(site.store)], check=True)
        assert list(site.store.rglob("*")) == []
        subprocess.run(["mount", "--bind", str(disk / "store"), str(site.store)], check=True)
        try:
            site.write_config()
            kept.hold("when it is back", more=0)
            site.run(*words)
            kept.hold("after the next run", more=1)
            assert kept.files_of_others() == []
        finally:
            subprocess.run(["umount", str(site.store)], check=True)


@pytest.mark.parametrize("flavour", flavours("postgresql"))
def test_a_target_whose_disk_is_full_is_half_loaded_and_says_so(
    request: pytest.FixtureRequest,
    flavour: Flavour,
    tmp_path: Path,
    encrypted: Callable[[Site], tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source: ScratchServer = request.getfixturevalue(flavour)
    folder = Path(tempfile.gettempdir()) / f"vya-disk-{os.urandom(3).hex()}"  # sockets need a short path
    database = f"full_{os.urandom(3).hex()}"
    with mounted(folder, 600 << 20):
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with start(choose(flavour)) as target:
            monkeypatch.undo()
            site = Site(tmp_path, source, target)
            site.write_config()
            for file in encrypted(site):
                shutil.copy(file, tmp_path)
            try:
                site.fill(database, rows=150_000)
                site.backup(database)
                words = ("restore", "--instance", "source", "--database", database, "--latest")
                words = (*words, "--target-instance", "target", "--force")
                ballast = fill_up(folder, leave=8 << 20)
                failed = site.run(*words, code=21)
                assert "half loaded" in failed.stderr
                ballast.unlink()
                site.run(*words, code=24)
                site.run(*words, "--drop")
                assert site.same(database)
            finally:
                drop_database(source, database)
    folder.rmdir()
