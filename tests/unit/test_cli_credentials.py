from __future__ import annotations

import io
import json
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from vya_backupdb.cli.main import main
from vya_backupdb.credentials.keys import HOSTNAME_WARNING, KeySource, write_key
from vya_backupdb.credentials.vault import Credential, load_vault, save_vault

INSTANCES = "instances:\n  - {id: prod-a, engine: mysql, host: h}\n  - {id: prod-b, engine: mysql, host: h}\n"
BY_KEY = INSTANCES + "credentials: {file: c.json, key: {file: key}}\n"
BY_NAME = INSTANCES + "credentials: {file: c.json}\n"
PLAIN = '{"prod-a": {"username": "u", "password": "hunter2"}, "prod-b": {"username": "v"}}'
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "c.yaml").write_text(BY_KEY)
    (tmp_path / "plain").write_text(PLAIN)
    write_key(tmp_path / "key")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main(["--config", str(folder / "c.yaml"), "credentials", *arguments])
        captured = capsys.readouterr()
        assert "hunter2" not in captured.out + captured.err
        return status, captured.out, captured.err

    return run


def vault(folder: Path, key: str = "key") -> dict[str, tuple[str, str | None]]:
    """Give what the file holds, decrypted: id to user name and password."""
    entries = load_vault(folder / "c.json", KeySource("file", str(folder / key))).entries
    return {
        name: (entry.username, entry.password.get_secret_value() if entry.password else None)
        for name, entry in entries.items()
    }


# ---------------------------------------------------------------------------- encrypt


def test_plain_credentials_are_encrypted_into_the_file_of_the_configuration(run: Run, folder: Path) -> None:
    status, out, err = run("encrypt", "--input", "plain")
    assert status == 0
    assert out == f"{folder}/c.json: 2 credentials, encrypted with the key file {folder}/key\n"
    assert err == "note: plain still holds the passwords in clear: remove it\n"
    assert vault(folder) == {"prod-a": ("u", "hunter2"), "prod-b": ("v", None)}
    assert stat.S_IMODE((folder / "c.json").stat().st_mode) == 0o600


def test_plain_credentials_can_come_from_stdin(run: Run, folder: Path) -> None:
    status, _, err = run("encrypt", "--input", "-", stdin=PLAIN.encode())
    assert (status, err) == (0, "")
    assert vault(folder)["prod-a"] == ("u", "hunter2")


def test_another_output_is_noted(run: Run, folder: Path) -> None:
    status, _, err = run("encrypt", "--input", "plain", "--output", "d.json")
    assert status == 0
    assert f"note: the configuration names another file: {folder}/c.json" in err


def test_the_host_name_key_is_warned_about(run: Run, folder: Path) -> None:
    (folder / "c.yaml").write_text(BY_NAME)
    status, out, err = run("encrypt", "--input", "plain")
    assert status == 0
    assert out.endswith(f"encrypted with the host name {socket.gethostname()}\n")
    assert f"note: {HOSTNAME_WARNING}\n" in err


def test_ids_that_fit_no_instance_are_noted(run: Run, folder: Path) -> None:
    (folder / "plain").write_text("prod-aa: {username: u}")
    err = run("encrypt", "--input", "plain")[2]
    assert "note: prod-aa: credentials without an instance, is prod-a meant?" in err
    assert "note: prod-b: no credentials for this instance" in err


def test_an_existing_file_is_replaced_only_when_told(run: Run, folder: Path) -> None:
    assert run("encrypt", "--input", "plain")[0] == 0
    before = (folder / "c.json").read_bytes()
    (folder / "plain").write_text(PLAIN.replace("hunter2", "hunter22"))
    status, _, err = run("encrypt", "--input", "plain")
    assert status == 24
    assert "--force" in err
    assert (folder / "c.json").read_bytes() == before
    assert run("encrypt", "--input", "plain", "--force")[0] == 0
    assert vault(folder)["prod-a"] == ("u", "hunter22")


def test_a_file_that_holds_just_these_credentials_stays_as_it_is(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    before = (folder / "c.json").read_bytes()
    status, out, _ = run("encrypt", "--input", "-", stdin=PLAIN.encode())
    assert (status, out) == (0, f"{folder}/c.json: 2 credentials, unchanged\n")
    assert (folder / "c.json").read_bytes() == before


@pytest.mark.parametrize(
    "what", ["another password", "one fewer", "another key", "open to others", "damaged"]
)
def test_a_file_that_is_not_just_so_is_written_anew(run: Run, folder: Path, what: str) -> None:
    run("encrypt", "--input", "plain")
    before = (folder / "c.json").read_bytes()
    if what == "another password":
        (folder / "plain").write_text(PLAIN.replace("hunter2", "hunter22"))
    elif what == "one fewer":
        (folder / "plain").write_text('{"prod-b": {"username": "v"}}')
    elif what == "another key":
        write_key(folder / "key", replace=True)
    elif what == "open to others":
        (folder / "c.json").chmod(0o644)
    else:
        (folder / "c.json").write_text("{}")
    assert run("encrypt", "--input", "plain", "--dry-run")[1].endswith(", would be written\n")
    status, out, _ = run("encrypt", "--input", "plain", "--force")
    assert status == 0
    assert "encrypted with" in out
    assert (folder / "c.json").read_bytes() != before
    assert run("encrypt", "--input", "plain", "--dry-run")[1].endswith(", unchanged\n")


def test_a_dry_run_writes_no_credentials(run: Run, folder: Path) -> None:
    assert run("encrypt", "--input", "plain", "--dry-run")[0] == 0
    assert not (folder / "c.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_encrypts_anew_stays_its_owners(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    os.chown(folder / "c.json", 12345, 12346)
    assert run("encrypt", "--input", "plain", "--force")[0] == 0
    status = (folder / "c.json").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 12346, 0o600)


def test_a_plain_file_can_be_encrypted_where_it_lies(run: Run, folder: Path) -> None:
    status, _, err = run("encrypt", "--input", "plain", "--output", "plain", "--force")
    assert status == 0
    assert "remove it" not in err
    assert "hunter2" not in (folder / "plain").read_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prod-a: hunter2", "plain:1: prod-a: must hold a username and a password"),
        ("prod-a: {username: u, password: 'hunter2", "plain:1: neither JSON nor YAML"),
        ("", "plain: holds no credentials"),
    ],
)
def test_a_bad_input_writes_nothing(run: Run, folder: Path, content: str, said: str) -> None:
    (folder / "plain").write_text(content)
    status, _, err = run("encrypt", "--input", "plain")
    assert status == 13
    assert said in err
    assert not (folder / "c.json").exists()


def test_a_missing_input_is_told(run: Run) -> None:
    status, _, err = run("encrypt", "--input", "nowhere")
    assert status == 13
    assert "nowhere: No such file" in err


def test_a_missing_key_is_told_before_anything_is_written(run: Run, folder: Path) -> None:
    (folder / "key").unlink()
    status, _, err = run("encrypt", "--input", "plain")
    assert status == 13
    assert "no such file\n  make one with: vya-backupdb credentials keygen" in err
    assert not (folder / "c.json").exists()


# ---------------------------------------------------------------------------- keygen


def test_keygen_makes_the_key_file_of_the_configuration(run: Run, folder: Path) -> None:
    (folder / "key").unlink()
    status, out, err = run("keygen")
    assert (status, out) == (0, f"{folder}/key: new key\n")
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    assert (folder / "key").read_text().strip() not in out + err


def test_keygen_keeps_a_key_that_is_there(run: Run, folder: Path) -> None:
    before = (folder / "key").read_bytes()
    assert run("keygen")[0] == 24
    assert (folder / "key").read_bytes() == before
    assert run("keygen", "--force")[0] == 0
    assert (folder / "key").read_bytes() != before


def test_keygen_needs_no_configuration_with_an_output(run: Run, folder: Path) -> None:
    (folder / "c.yaml").unlink()
    status, _, err = run("keygen", "--output", "sub/new")
    assert status == 0
    assert f"{{key: {{file: {folder}/sub/new}}}}" in err
    assert (folder / "sub" / "new").exists()
    assert len(run("keygen", "--output", "-")[1]) == 45


def test_keygen_without_a_place_is_wrong_usage(run: Run, folder: Path) -> None:
    (folder / "c.yaml").write_text(BY_NAME)
    assert run("keygen")[0] == 2


# ---------------------------------------------------------------------------- set


def test_set_adds_one_and_leaves_the_others(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    status, _, err = run("set", "prod-b", "--username", "w", stdin="p ä'\"#%\\ \n".encode())
    assert (status, err) == (0, "")
    assert vault(folder) == {"prod-a": ("u", "hunter2"), "prod-b": ("w", "p ä'\"#%\\ ")}


def test_set_makes_the_file_where_there_is_none(run: Run, folder: Path) -> None:
    assert run("set", "prod-a", "--username", "u", stdin=b"hunter2")[0] == 0
    assert vault(folder) == {"prod-a": ("u", "hunter2")}


def test_set_keeps_the_user_name_unless_another_is_given(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    assert run("set", "prod-a", stdin=b"new\r\n")[0] == 0
    assert vault(folder)["prod-a"] == ("u", "new")


def test_set_can_take_the_password_away(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    assert run("set", "prod-a", "--no-password")[0] == 0
    assert vault(folder)["prod-a"] == ("u", None)


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "standard input: no password"),
        (b"\n", "standard input: no password"),
        (b"hunter2\nmore\n", "holds a line end"),
        (b"hunter2\0", "a NUL character"),
        (b"hunter2\xff", "not UTF-8"),
    ],
)
def test_set_refuses_what_is_no_password(run: Run, folder: Path, stdin: bytes, said: str) -> None:
    status, _, err = run("set", "prod-a", "--username", "u", stdin=stdin)
    assert status == 13
    assert said in err
    assert not (folder / "c.json").exists()


def test_set_needs_a_user_name(run: Run) -> None:
    assert run("set", "prod-a", stdin=b"p")[0] == 2


def test_set_notes_an_id_that_is_no_instance(run: Run, folder: Path) -> None:
    status, _, err = run("set", "prod-x", "--username", "u", stdin=b"p")
    assert status == 0
    assert "note: prod-x: no such instance, is prod-" in err


def test_set_names_what_was_damaged_already(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    document = json.loads((folder / "c.json").read_bytes())
    document["credentials"]["prod-b"] = "x"
    (folder / "c.json").write_text(json.dumps(document))
    err = run("set", "prod-a", stdin=b"p")[2]
    assert "note: prod-b: was damaged, give it again" in err


# ---------------------------------------------------------------------------- rekey


def test_rekey_to_another_key_before_the_configuration_is_changed(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    write_key(folder / "other")
    status, _, err = run("rekey", "--key", "file:other")
    assert status == 0
    assert err == f"note: now set in the configuration: credentials: {{key: {{file: {folder}/other}}}}\n"
    assert vault(folder, "other")["prod-a"] == ("u", "hunter2")


def test_rekey_from_another_key_after_the_configuration_is_changed(run: Run, folder: Path) -> None:
    write_key(folder / "old")
    save_vault(folder / "c.json", {"prod-a": Credential("u")}, KeySource("file", str(folder / "old")))
    assert run("rekey", "--old-key", "file:old")[0] == 0
    assert vault(folder) == {"prod-a": ("u", None)}


def test_rekey_opens_a_file_of_another_host(run: Run, folder: Path) -> None:
    save_vault(folder / "c.json", {"prod-a": Credential("u")}, KeySource("hostname", "old-host"))
    assert run("rekey", "--old-key", "hostname:old-host")[0] == 0
    assert vault(folder) == {"prod-a": ("u", None)}


def test_rekey_to_a_variable(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("encrypt", "--input", "plain")
    write_key(folder / "other")
    monkeypatch.setenv("MY_KEY", (folder / "other").read_text())
    assert run("rekey", "--key", "env:MY_KEY")[0] == 0
    assert vault(folder, "other")["prod-b"] == ("v", None)


def test_rekey_with_a_wrong_key_changes_nothing(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    before = (folder / "c.json").read_bytes()
    write_key(folder / "other")
    for arguments in (
        ("--old-key", "file:other"),
        ("--key", "file:nowhere"),
        ("--key", "env:NOT_THERE"),
        ("--old-key", "hostname"),
    ):
        status, _, err = run("rekey", *arguments)
        assert status == 13
        assert err.startswith("vya-backupdb: ")
    assert (folder / "c.json").read_bytes() == before
    assert sorted(os.listdir(folder)) == ["c.json", "c.yaml", "key", "other", "plain"]


def test_rekey_loses_no_damaged_entry_in_silence(run: Run, folder: Path) -> None:
    run("encrypt", "--input", "plain")
    document = json.loads((folder / "c.json").read_bytes())
    document["credentials"]["prod-b"] = "x"
    (folder / "c.json").write_text(json.dumps(document))
    before = (folder / "c.json").read_bytes()
    write_key(folder / "other")
    status, _, err = run("rekey", "--key", "file:other")
    assert status == 13
    assert "prod-b: the token is damaged" in err
    assert (folder / "c.json").read_bytes() == before
