from __future__ import annotations

import stat
from pathlib import Path

import pytest

from vya_backupdb.credentials.keys import Derivation, KeySource, derive, generate_key, write_key
from vya_backupdb.errors import CredentialsError

RANDOM = Derivation("none")


def test_a_key_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write_key(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert len((tmp_path / "key").read_bytes().strip()) == 44


def test_a_key_file_is_not_written_over(tmp_path: Path) -> None:
    write_key(tmp_path / "key")
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(CredentialsError, match="is there already"):
        write_key(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before


def test_the_same_key_comes_from_file_variable_and_systemd(tmp_path: Path) -> None:
    write_key(tmp_path / "key")
    text = (tmp_path / "key").read_text()
    environment = {"KEY": text, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    keys = {
        derive(source, RANDOM, environment).get_secret_value()
        for source in (
            KeySource("file", str(tmp_path / "key")),
            KeySource("env", "KEY"),
            KeySource("systemd", "key"),
        )
    }
    assert keys == {text.strip().encode()}


def test_a_key_shows_nothing_of_itself() -> None:
    key = generate_key()
    assert key.get_secret_value().decode() not in repr(key)


def test_a_systemd_credential_may_be_open_to_a_group_and_belong_to_root(tmp_path: Path) -> None:
    """systemd lets the service's user in by an ACL, whose mask shows as the group's bits."""
    write_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o440)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert derive(KeySource("systemd", "key"), RANDOM, environment)
    assert derive(KeySource("file", str(tmp_path / "key")), RANDOM, environment)
    (tmp_path / "key").chmod(0o444)
    with pytest.raises(CredentialsError, match="open to everyone"):
        derive(KeySource("systemd", "key"), RANDOM, environment)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (KeySource("env", "KEY"), "the variable KEY: not set or empty"),
        (KeySource("systemd", "key"), "CREDENTIALS_DIRECTORY is not set"),
        (KeySource("file", "/nowhere/key"), "the key file /nowhere/key: no such file"),
    ],
)
def test_a_missing_key_is_told_with_a_cure(source: KeySource, said: str) -> None:
    with pytest.raises(CredentialsError, match=said) as caught:
        derive(source, RANDOM, {})
    assert caught.value.cure


def test_a_missing_systemd_credential_is_told(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="no such file"):
        derive(KeySource("systemd", "key"), RANDOM, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize("text", ["hunter2", "hunter2" * 10, "A" * 44, "ü" * 44, "\udcff", " \n "])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CredentialsError, match=r"holds no key|not set or empty") as caught:
        derive(KeySource("env", "KEY"), RANDOM, {"KEY": text})
    assert "hunter2" not in str(caught.value)


def test_an_empty_key_file_holds_no_key(tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o600)
    with pytest.raises(CredentialsError, match="holds no key"):
        derive(KeySource("file", str(tmp_path / "key")), RANDOM, {})
