from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from vya_backupdb.cli.main import main
from vya_backupdb.credentials.keys import KeySource, write_key
from vya_backupdb.credentials.vault import Credential, save_vault

CONFIG = """\
instances:
  - {id: a, engine: mysql, host: db1, tls: {mode: verify-full, ca: ca.pem, cert: c.pem, key: k.pem}}
  - {id: b, engine: postgresql, socket: /run/postgresql, dump: {extra_options: ["--x-password=hunter2"]}}
credentials: {file: c.json, key: {file: key}}
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG)
    write_key(tmp_path / "key")
    save_vault(
        tmp_path / "c.json",
        {"a": Credential("u"), "bb": Credential("v")},
        KeySource("file", str(tmp_path / "key")),
    )
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["--config", str(folder / "c.yaml"), "config", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_valid_configuration_is_called_so_and_what_is_missing_is_noted(run: Run, folder: Path) -> None:
    status, out, err = run("validate")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"{folder}/c.yaml: valid, 2 instances",
        f"note: a: tls.ca: {folder}/ca.pem: no such file",
        f"note: a: tls.cert: {folder}/c.pem: no such file",
        f"note: a: tls.key: {folder}/k.pem: no such file",
        "note: b: no credentials for this instance",
        "note: bb: credentials without an instance, is b meant?",
    ]


def test_validate_needs_no_key(run: Run, folder: Path) -> None:
    (folder / "key").unlink()
    assert "note: b: no credentials for this instance" in run("validate")[1]


def test_credentials_that_cannot_be_read_are_noted(run: Run, folder: Path) -> None:
    (folder / "c.json").chmod(0o644)
    status, out, _ = run("validate", "--format", "json")
    assert status == 0
    document = json.loads(out)
    assert (document["schema_version"], document["valid"], document["instances"]) == (1, True, ["a", "b"])
    assert any("open to others" in note for note in document["notes"])


def test_faults_are_on_stderr_and_end_with_10(run: Run, folder: Path) -> None:
    (folder / "c.yaml").write_text("instances:\n  - {id: a, engine: x, host: h}\n  - {id: a/b}\n")
    status, out, err = run("validate")
    assert (status, out) == (10, "")
    lines = err.splitlines()
    assert lines[0] == f"vya-backupdb: {folder}/c.yaml: 4 faults"
    assert all(line.startswith(f"{folder}/c.yaml:") for line in lines[1:5])
    assert lines[5:] == ["  every key is described in etc/config.example.yaml"]


@pytest.mark.threat("secrets-in-messages")
def test_show_writes_what_can_be_read_again_and_masks_secrets(run: Run, folder: Path) -> None:
    status, out, _ = run("show")
    assert status == 0
    assert "hunter2" not in out
    shown = yaml.safe_load(out)
    assert shown["instances"][0]["dump"]["stall_timeout"] == "5m"
    assert shown["credentials"] == {"file": f"{folder}/c.json", "key": {"file": f"{folder}/key"}}
    (folder / "c.yaml").write_text(out)
    assert run("show")[1] == out


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_show_without_secrets_does_not_even_say_where_they_are(run: Run, folder: Path, form: str) -> None:
    out = run("show", "--no-secrets", "--format", form)[1]
    document: Any = yaml.safe_load(out) if form == "yaml" else json.loads(out)["config"]
    assert "credentials" not in document
    assert "key" not in document["instances"][0]["tls"]
    assert "hunter2" not in out
    assert "c.json" not in out


def test_an_unknown_instance_names_the_known_ones(run: Run) -> None:
    status, _, err = run("test-connections", "--instance", "c")
    assert status == 10
    assert err == "vya-backupdb: c: no such instance\n  configured are: a, b\n"


def test_credentials_that_cannot_be_used_end_test_connections_with_13(run: Run, folder: Path) -> None:
    (folder / "c.json").chmod(0o644)
    status, out, err = run("test-connections")
    assert (status, out) == (13, "")
    assert err.endswith(f"mend it with: chmod 600 {folder}/c.json\n")


def test_logging_of_the_configuration_is_obeyed_from_there_on(run: Run, folder: Path) -> None:
    (folder / "c.yaml").write_text(CONFIG + "logging: {file: nowhere/log}\n")
    status, _, err = run("validate")
    assert status == 10
    assert "nowhere/log: cannot log there" in err
