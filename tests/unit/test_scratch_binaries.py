"""Finding the servers that are installed: by what they say of themselves, not by their names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vya_backupdb.errors import ScratchError
from vya_backupdb.scratch import binaries
from vya_backupdb.scratch.binaries import ENGINE_MARK, engine_folders, find_binaries, newest

MYSQL = "mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"
MARIADB = "mysqld  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)"
POSTGRESQL = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
MYSQL_TOOLS = ("mysql", "mysqldump")
MARIADB_TOOLS = ("mariadb", "mariadb-dump", "mariadb-install-db")
POSTGRESQL_TOOLS = ("initdb", "psql", "pg_dump")

Install = Callable[..., Path]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing installed but what a test puts into the `PATH` folder."""
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(binaries, "_POSTGRESQL_FOLDERS", ("usr/lib/nowhere/*/bin",))
    monkeypatch.setattr(binaries, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(binaries, "_SHARED_CACHE", tmp_path / "shared")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{tmp_path / 'more'}{os.pathsep}/usr/bin:/bin")
    return tmp_path


def install(folder: Path, server: str, says: str, *tools: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ((server, says), *((tool, "") for tool in tools)):
        (folder / name).write_text(f"#!/bin/sh\necho '{text}'\n")
        (folder / name).chmod(0o755)
    return folder / server


def test_a_server_is_known_by_what_it_says(machine: Path) -> None:
    install(machine / "bin", "mysqld", MARIADB, *MARIADB_TOOLS, *MYSQL_TOOLS)
    assert find_binaries("mysql") == []
    (found,) = find_binaries("mariadb")
    assert (found.flavour, found.version, found.version_number) == ("mariadb", "10.11.14", (10, 11, 14))
    assert found.client == machine / "bin" / "mariadb"
    assert found.dump == machine / "bin" / "mariadb-dump"
    assert str(found) == "mariadb-10.11.14"


def test_two_names_of_one_server_are_one_server(machine: Path) -> None:
    install(machine / "bin", "mariadbd", MARIADB, *MARIADB_TOOLS)
    (machine / "bin" / "mysqld").symlink_to("mariadbd")
    assert len(find_binaries("mariadb")) == 1


def test_the_newest_version_comes_first_as_numbers_go(machine: Path) -> None:
    install(machine / "bin", "postgres", POSTGRESQL.replace("15.18", "9.6"), *POSTGRESQL_TOOLS)
    install(machine / "more", "postgres", POSTGRESQL, *POSTGRESQL_TOOLS)
    assert [found.version for found in find_binaries("postgresql")] == ["15.18", "9.6"]


def test_a_server_without_its_dump_tool_does_not_count(machine: Path) -> None:
    install(machine / "bin", "mysqld", MYSQL, "mysql")
    assert find_binaries("mysql") == []


def test_the_tools_may_lie_in_bin_beside_sbin(machine: Path) -> None:
    install(machine / "more", "mysqld", MYSQL)
    install(machine / "bin", "mysql", "", "mysqldump")
    assert find_binaries("mysql")[0].version == "9.7.4"


@pytest.mark.parametrize("text", ["", "garbage", "Ver"])
def test_what_says_nothing_sensible_is_no_server(machine: Path, text: str) -> None:
    install(machine / "bin", "postgres", text, *POSTGRESQL_TOOLS)
    assert find_binaries("postgresql") == []


def test_what_cannot_be_run_is_no_server(machine: Path) -> None:
    server = install(machine / "bin", "mysqld", MYSQL, *MYSQL_TOOLS)
    server.write_bytes(b"\x7fELF nonsense")
    assert find_binaries("mysql") == []


def test_an_unpacked_engine_counts_with_its_mark_only(machine: Path) -> None:
    root = machine / "cache" / "engines" / "mysql"
    install(root / "usr/sbin", "mysqld", MYSQL)
    install(root / "usr/bin", "mysql", "", "mysqldump")
    assert find_binaries("mysql") == []
    (root / ENGINE_MARK).touch()
    assert engine_folders() == [root]
    assert [found.server for found in find_binaries("mysql")] == [root / "usr/sbin/mysqld"]


def test_a_missing_server_is_told_with_what_to_install(machine: Path) -> None:
    with pytest.raises(ScratchError, match="no postgresql server") as caught:
        newest("postgresql")
    assert "pg_dump" in str(caught.value)


def test_a_folder_that_cannot_be_looked_into_is_passed_over(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(machine / "bin", "mysqld", MYSQL, *MYSQL_TOOLS)
    monkeypatch.setenv("PATH", f"/{'x' * 5000}{os.pathsep}{os.environ['PATH']}")
    assert [found.version for found in find_binaries("mysql")] == ["9.7.4"]
