from __future__ import annotations

import time
from pathlib import Path

import pytest

from vya_backupdb.engines.mysql.dump.tools import find_tool, parse_tool_version
from vya_backupdb.errors import DumpToolMissing
from vya_backupdb.model import Flavour

MYSQL_9 = "mysqldump  Ver 9.7.0 for Linux on x86_64 (MySQL Community Server - GPL)"
MARIADB_10_6 = "mysqldump  Ver 10.19 Distrib 10.6.12-MariaDB, for debian-linux-gnu (x86_64)"
MARIADB_10_11 = "mysqldump  Ver 10.19 Distrib 10.11.14-MariaDB, for debian-linux-gnu (x86_64)"
MARIADB_11_8 = "mariadb-dump from 11.8.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)"


@pytest.mark.parametrize(
    ("said", "parsed"),
    [
        (MYSQL_9, ("mysql", "9.7.0")),
        ("mysqldump  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", ("mysql", "9.7.4")),
        ("mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)", ("mysql", "5.7.44")),
        ("mysqldump  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))", ("mysql", "8.0.36")),
        ("/usr/bin/mysqldump  Ver 8.0.36-28 for Linux on x86_64 (Percona Server (GPL))", ("mysql", "8.0.36")),
        (MARIADB_10_11, ("mariadb", "10.11.14")),
        ("mariadb-dump  Ver 10.19 Distrib 10.11.14-MariaDB, for debian-linux-gnu", ("mariadb", "10.11.14")),
        (MARIADB_11_8, ("mariadb", "11.8.2")),
        ("pg_dump (PostgreSQL) 15.3", None),
        ("mysqldump of MariaDB", None),
        ("", None),
    ],
)
def test_every_form_of_version_is_read(said: str, parsed: tuple[Flavour, str] | None) -> None:
    assert parse_tool_version(said) == parsed


def tool(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def saying(folder: Path, name: str, version: str) -> Path:
    return tool(folder, name, f'echo "{version}"')


def find(flavour: Flavour, version: tuple[int, ...], *folders: Path) -> str:
    return find_tool(flavour, version, "db", None, ":".join(map(str, folders))).path


def test_the_first_tool_of_the_servers_flavour_is_taken(tmp_path: Path) -> None:
    saying(tmp_path / "a", "mysqldump", MYSQL_9)
    wanted = saying(tmp_path / "b", "mariadb-dump", MARIADB_10_11)
    assert find("mariadb", (10, 11, 19), tmp_path / "a", tmp_path / "b") == str(wanted)


def test_a_tool_that_is_not_older_is_preferred_to_one_that_is(tmp_path: Path) -> None:
    saying(tmp_path / "a", "mariadb-dump", MARIADB_10_6)
    wanted = saying(tmp_path / "b", "mariadb-dump", MARIADB_10_11)
    assert find("mariadb", (10, 11, 19), tmp_path / "a", tmp_path / "b") == str(wanted)


def test_an_older_tool_is_taken_with_a_note(tmp_path: Path) -> None:
    path = saying(tmp_path, "mysqldump", MARIADB_10_6)
    found = find_tool("mariadb", (12, 3, 1), "db", path, "")
    assert found.path == str(path)
    assert "older than the server (12.3.1)" in found.notes[0]


def test_an_older_patch_release_is_no_older_tool(tmp_path: Path) -> None:
    path = saying(tmp_path, "mysqldump", MYSQL_9)
    assert find_tool("mysql", (9, 7, 4), "db", path, "").notes == ()


@pytest.mark.parametrize("version", ["5.7.41", "8.0.32"])
@pytest.mark.limitation("mysql-global-lock")
def test_a_tool_that_takes_a_global_lock_is_noted(tmp_path: Path, version: str) -> None:
    path = saying(tmp_path, "mysqldump", f"mysqldump  Ver 10.13 Distrib {version}, for Linux (x86_64)")
    assert "needs RELOAD" in find_tool("mysql", (5, 7), "db", path, "").notes[0]


@pytest.mark.limitation("mysql-other-tool")
def test_the_other_flavours_tool_is_refused(tmp_path: Path) -> None:
    path = saying(tmp_path, "mysqldump", MARIADB_11_8)
    with pytest.raises(DumpToolMissing, match=r"is MariaDB's, and the server is MySQL") as failure:
        find_tool("mysql", (9, 7), "db", path, "")
    assert "mysql-client" in (failure.value.cure or "")


def test_nothing_found_says_what_was_there_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vya_backupdb.engines.mysql.dump.tools._FOLDERS", ())
    saying(tmp_path, "mysqldump", MARIADB_10_11)
    with pytest.raises(DumpToolMissing, match=r"no mysqldump of MySQL .*mysqldump is MariaDB's") as failure:
        find("mysql", (9, 7), tmp_path)
    assert "install mysql-client" in (failure.value.cure or "")


def test_a_tool_that_is_garbage_is_named(tmp_path: Path) -> None:
    path = tool(tmp_path, "mysqldump", "echo hello")
    with pytest.raises(DumpToolMissing, match="is no mysqldump or mariadb-dump"):
        find_tool("mysql", (9,), "db", path, "")


def test_a_tool_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mysqldump"
    path.write_bytes(b"\x7fELF garbage")
    path.chmod(0o755)
    with pytest.raises(DumpToolMissing, match="cannot be run"):
        find_tool("mysql", (9,), "db", path, "")


@pytest.mark.parametrize("script", ["sleep 60", "sleep 60 & exit 0", "exec 1>&-; sleep 60", "yes"])
def test_a_tool_that_does_not_end_is_given_up_and_nothing_of_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr("vya_backupdb.engines.mysql.dump.tools._PATIENCE", 0.3)
    nap = f"60.{time.time_ns()}"
    path = tool(tmp_path, "mysqldump", script.replace("60", nap))
    started = time.monotonic()
    with pytest.raises(DumpToolMissing, match=r"does not end|is no mysqldump"):
        find_tool("mysql", (9,), "db", path, "")
    assert time.monotonic() - started < 5
    deadline = time.monotonic() + 5  # a killed process stays listed until its parent has looked
    while _running(nap.encode()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _running(nap.encode()) == []


def _running(argument: bytes) -> list[Path]:
    return [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if argument in _read(entry)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_callers_environment_does_not_reach_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYSQL_PWD", "x")
    monkeypatch.setenv("HOME", "/nonexistent")
    path = tool(tmp_path, "mysqldump", f'test -z "$MYSQL_PWD$HOME" && echo "{MYSQL_9}"')
    assert find_tool("mysql", (9,), "db", path, "").version == "9.7.0"
