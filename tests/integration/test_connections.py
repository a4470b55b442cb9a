"""`config test-connections` on real servers: what it says, and what it ends with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from vya_backupdb.cli.main import main
from vya_backupdb.credentials.keys import KeySource, write_key
from vya_backupdb.credentials.vault import Credential, save_vault
from vya_backupdb.scratch import ScratchServer

SQL = Callable[..., str]
ACCOUNT = "o'brien \"%#\\ ü"
PASSWORD = "p'\"\\#%;= ü€ "


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class Try:
    """Tries connections with a configuration of its own, and gives status, document and stderr."""

    def __init__(self, folder: Path, server: ScratchServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.server = server
        self.capsys = capsys
        self.credentials = {"main": Credential(server.superuser, SecretStr(server.password))}
        self.instances = [self.instance("main")]

    def instance(self, name: str, **more: object) -> dict[str, object]:
        server = self.server
        return {
            "id": name,
            "engine": "postgresql" if server.flavour == "postgresql" else "mysql",
            "host": server.host,
            "port": server.port,
            "dump": {"tool": str(server.binaries.dump)},
            **more,
        }

    def __call__(self, *arguments: str) -> tuple[int, Any, str]:
        config = {"instances": self.instances, "credentials": {"file": "c.json", "key": {"file": "key"}}}
        (self.folder / "c.yaml").write_text(json.dumps(config))  # JSON is YAML
        write_key(self.folder / "key", replace=True)
        source = KeySource("file", str(self.folder / "key"))
        save_vault(self.folder / "c.json", self.credentials, source, replace=True)
        path = str(self.folder / "c.yaml")
        status = main(["--config", path, "config", "test-connections", "--format", "json", *arguments])
        captured = self.capsys.readouterr()
        return status, json.loads(captured.out), captured.err


@pytest.fixture
def attempt(tmp_path: Path, server: ScratchServer, capsys: pytest.CaptureFixture[str]) -> Try:
    return Try(tmp_path, server, capsys)


def test_a_good_connection_shows_server_account_and_tool(attempt: Try, server: ScratchServer) -> None:
    status, document, _ = attempt()
    (check,) = document["instances"]
    assert status == 0
    assert check["ok"] is True
    assert check["error"] is None
    assert (check["flavour"], check["version"].split("-")[0]) == (
        server.flavour,
        server.version.split("-")[0],
    )
    assert check["account"].startswith(server.superuser)
    assert Path(check["tool"]["path"]).exists()
    assert check["tool"]["version"]
    assert document["notes"] == []


def test_a_wrong_password_is_one_clear_line_and_ends_with_12(attempt: Try, server: ScratchServer) -> None:
    attempt.credentials["main"] = Credential(server.superuser, SecretStr("hunter2"))
    status, document, err = attempt()
    (check,) = document["instances"]
    assert status == 12
    assert check["ok"] is False
    assert check["error"]["exit_code"] == 12
    assert len(check["error"]["what"].splitlines()) == 1
    assert "hunter2" not in json.dumps(document) + err


def test_one_of_several_that_fails_ends_with_3(attempt: Try) -> None:
    attempt.instances.append(attempt.instance("refused", port=1))
    attempt.credentials["refused"] = attempt.credentials["main"]
    status, document, _ = attempt()
    assert status == 3
    assert {check["instance"]: check["ok"] for check in document["instances"]} == {
        "main": True,
        "refused": False,
    }
    assert attempt("--instance", "main")[0] == 0
    assert attempt("--instance", "refused")[0] == 12


def test_an_instance_without_credentials_fails_alone(attempt: Try) -> None:
    attempt.instances.append(attempt.instance("other"))
    status, document, _ = attempt()
    assert status == 3
    assert document["instances"][1]["error"]["exit_code"] == 13
    assert document["notes"] == ["other: no credentials for this instance"]


def test_a_missing_tool_is_told_with_all_that_is_known(attempt: Try, tmp_path: Path) -> None:
    attempt.instances = [attempt.instance("main", dump={"tool": "nowhere/dump"})]
    status, document, _ = attempt()
    (check,) = document["instances"]
    assert status == 12
    assert check["version"]
    assert "nowhere/dump" in check["error"]["what"]


def test_an_account_without_rights_fails_unless_partial_backups_are_allowed(
    attempt: Try, server: ScratchServer, run_sql: SQL
) -> None:
    """Name and password of the account hold every awkward character, and arrive as they are."""
    quote = "'" + PASSWORD.replace("'", "''") + "'"
    if server.flavour == "postgresql":
        name = '"' + ACCOUNT.replace('"', '""') + '"'
        create, drop = f"CREATE ROLE {name} LOGIN PASSWORD {quote}", f"DROP ROLE {name}"
    else:
        name = "'" + ACCOUNT.replace("\\", "\\\\").replace("'", "''") + "'@'%'"
        create = f"CREATE USER {name} IDENTIFIED BY {quote.replace(chr(92), chr(92) * 2)}"
        drop = f"DROP USER {name}"
    run_sql(server, create)
    try:
        attempt.credentials["main"] = Credential(ACCOUNT, SecretStr(PASSWORD))
        status, document, _ = attempt()
        attempt.instances = [attempt.instance("main", allow_partial=True)]
        partial_status, partial, _ = attempt()
    finally:
        run_sql(server, drop)
    (check,) = document["instances"]
    assert check["error"] is None
    assert check["account"].startswith(ACCOUNT)
    assert "privilege" in {found["severity"] for found in check["findings"]}
    assert (status, check["ok"]) == (12, False)
    assert (partial_status, partial["instances"][0]["ok"]) == (0, True)
