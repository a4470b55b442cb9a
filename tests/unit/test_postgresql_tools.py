from __future__ import annotations

import os
from pathlib import Path

import pytest

from vya_backupdb.config.models import Instance
from vya_backupdb.engines.postgresql import tools
from vya_backupdb.errors import DumpToolMissing
from vya_backupdb.model import ServerFacts

SERVER = ServerFacts("postgresql", "postgresql", "15.18", (15, 18), "me")


def instance(tool: Path | None = None) -> Instance:
    return Instance.model_validate(
        {"id": "pg", "engine": "postgresql", "host": "h", "dump": {"tool": tool and str(tool)}}
    )


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def tool(root: Path, version: str, folder: str = "usr/lib/postgresql/{}/bin") -> Path:
    major = version.split(".")[0]
    return script(root / folder.format(major) / "pg_dump", f"echo 'pg_dump (PostgreSQL) {version}'")


def found(root: Path) -> Path:
    return Path(tools.find_tool(SERVER, instance(), root=root).path)


def test_the_servers_own_major_version_is_preferred(tmp_path: Path) -> None:
    tool(tmp_path, "14.9")
    own = tool(tmp_path, "15.2 (Debian 15.2-1)")
    tool(tmp_path, "16.1")
    chosen = tools.find_tool(SERVER, instance(), root=tmp_path)
    assert (chosen.path, chosen.version, chosen.version_number, chosen.notes) == (
        str(own),
        "15.2",
        (15, 2),
        (),
    )


@pytest.mark.parametrize(
    "folder", ["usr/pgsql-{}/bin", "usr/lib/postgresql{}/bin", "usr/libexec/postgresql{}"]
)
def test_the_folders_of_other_distributions_are_known(tmp_path: Path, folder: str) -> None:
    own = tool(tmp_path, "15.2", folder)
    assert found(tmp_path) == own


def test_else_the_nearest_newer_one_is_taken_with_a_note(tmp_path: Path) -> None:
    tool(tmp_path, "18.1")
    near = tool(tmp_path, "16.3")
    chosen = tools.find_tool(SERVER, instance(), root=tmp_path)
    assert chosen.path == str(near)
    (note,) = chosen.notes
    assert "newer than the server (15)" in note
    assert "install postgresql-client-15" in note


def test_a_server_before_15_is_warned_of_the_public_schema(tmp_path: Path) -> None:
    tool(tmp_path, "15.3")
    facts = ServerFacts("postgresql", "postgresql", "14.2", (14, 2), "me")
    (note,) = tools.find_tool(facts, instance(), root=tmp_path).notes
    assert "schema public" in note


def test_an_older_one_is_refused_and_named(tmp_path: Path) -> None:
    tool(tmp_path, "14.9")
    script(tmp_path / "usr/lib/postgresql/15/bin/pg_dump", "echo 'pg_dump (PostgreSQL) 14.9'")
    with pytest.raises(DumpToolMissing, match=r"15/bin/pg_dump is version 14\.9") as caught:
        found(tmp_path)
    assert "postgresql-client-15" in str(caught.value.cure)


def test_a_script_in_usr_bin_is_not_taken_for_the_tool(tmp_path: Path) -> None:
    tool(tmp_path, "15.2", "usr/bin")
    with pytest.raises(DumpToolMissing, match="no pg_dump for PostgreSQL"):
        found(tmp_path)


def test_a_beta_has_a_version_too(tmp_path: Path) -> None:
    path = script(tmp_path / "pg_dump", "echo 'pg_dump (PostgreSQL) 19beta1'")
    chosen = tools.find_tool(SERVER, instance(path))
    assert (chosen.version, chosen.version_number) == ("19beta1", (19,))


def test_the_configured_tool_wins(tmp_path: Path) -> None:
    tool(tmp_path, "15.2")
    own = script(tmp_path / "my/dumper", "echo 'pg_dump (PostgreSQL) 16.1'")
    assert tools.find_tool(SERVER, instance(own), root=tmp_path).path == str(own)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 'pg_dump (PostgreSQL) 14.1'", "is version 14.1, and the server is 15.18"),
        ("echo 'mysqldump  Ver 10.19'", "does not say that it is a pg_dump"),
        ("echo 'pg_dump (PostgreSQL) 15.1'; exit 1", "does not say that it is a pg_dump"),
        ("head -c 1000 /dev/urandom", "does not say that it is a pg_dump"),
        ("exec sleep 60", "does not end"),
    ],
)
def test_a_configured_tool_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setattr(tools, "_VERSION_TIMEOUT", 0.5)
    with pytest.raises(DumpToolMissing, match=reason):
        tools.find_tool(SERVER, instance(script(tmp_path / "pg_dump", text)))


def test_a_configured_tool_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(DumpToolMissing, match="not there or not executable"):
            tools.find_tool(SERVER, instance(path))


def test_a_file_that_no_system_can_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pg_dump"
    path.write_bytes(b"\x7fELFrubbish")
    path.chmod(0o755)
    with pytest.raises(DumpToolMissing, match="cannot be run"):
        tools.find_tool(SERVER, instance(path))


def test_debians_wrapper_is_refused_by_name(tmp_path: Path) -> None:
    wrapper = script(tmp_path / "pg_wrapper", "echo 'pg_dump (PostgreSQL) 15.1'")
    link = tmp_path / "pg_dump"
    link.symlink_to(wrapper)
    with pytest.raises(DumpToolMissing, match="Debian's wrapper"):
        tools.find_tool(SERVER, instance(link))


def test_the_callers_variables_do_not_reach_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLUSTER", "9.6/main")
    path = script(tmp_path / "pg_dump", f"env > {tmp_path}/env; echo 'pg_dump (PostgreSQL) 15.1'")
    tools.find_tool(SERVER, instance(path))
    seen = (tmp_path / "env").read_text()
    assert "PGCLUSTER" not in seen
    assert os.environ["PGCLUSTER"] == "9.6/main"
