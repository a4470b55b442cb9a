from __future__ import annotations

import base64
import json
import os
import re
import socket
import stat
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from vya_backupdb.credentials.keys import KeySource, write_key
from vya_backupdb.credentials.vault import Credential, load_vault, read_ids, save_vault
from vya_backupdb.errors import CredentialsError

CLEAR = "p#%'\"\\ ü€🦉"
HOSTNAME = KeySource("hostname")


@pytest.fixture
def source(tmp_path: Path) -> KeySource:
    write_key(tmp_path / "key")
    return KeySource("file", str(tmp_path / "key"))


@pytest.fixture
def stored(tmp_path: Path, source: KeySource) -> Path:
    """A file of two credentials, encrypted with a key file."""
    path = tmp_path / "credentials.json"
    save_vault(path, {"a": Credential("backup", SecretStr(CLEAR)), "b": Credential("peer")}, source)
    return path


def change(path: Path, edit: Callable[[Any], object]) -> None:
    document = json.loads(path.read_bytes())
    edit(document)
    path.write_text(json.dumps(document))


# ---------------------------------------------------------------------------- one credential


def test_a_credential_shows_no_password() -> None:
    credential = Credential("backup", SecretStr(CLEAR))
    assert CLEAR not in repr(credential)
    assert CLEAR not in f"{credential}"


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "a\n", "\ud800"])
def test_a_password_that_no_option_file_can_carry_is_refused(bad: str) -> None:
    with pytest.raises(CredentialsError, match="the password"):
        Credential("backup", SecretStr(bad))


@pytest.mark.parametrize("bad", ["", "a\nb", "a\0b"])
def test_a_user_name_that_no_option_file_can_carry_is_refused(bad: str) -> None:
    with pytest.raises(CredentialsError, match="the user name"):
        Credential(bad)


def test_a_refused_password_is_in_no_traceback_with_locals() -> None:
    try:
        Credential("backup", SecretStr("hunter2\n"))
    except CredentialsError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    source_line = '        Credential("backup", SecretStr("hunter2\\n"))'
    assert "hunter2" not in shown.replace(source_line.strip(), "")


# ---------------------------------------------------------------------------- there and back

awkward = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=50)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(username=awkward.filter(bool), password=st.none() | awkward)
def test_every_character_comes_back_as_it_was(
    tmp_path: Path, source: KeySource, username: str, password: str | None
) -> None:
    path = tmp_path / "credentials.json"
    credential = Credential(username, None if password is None else SecretStr(password))
    save_vault(path, {"a": credential}, source, replace=True)
    assert load_vault(path, source).credential("a") == credential


def test_the_host_name_is_key_enough(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    save_vault(path, {"a": Credential("backup", SecretStr(CLEAR))}, HOSTNAME)
    password = load_vault(path, HOSTNAME).credential("a").password
    assert password is not None
    assert password.get_secret_value() == CLEAR
    assert load_vault(path, KeySource("hostname", socket.gethostname())).credential("a").username == "backup"


def test_the_derivation_stands_in_the_file_with_a_fresh_salt(tmp_path: Path) -> None:
    salts = set()
    for name in ("one", "two"):
        save_vault(tmp_path / name, {}, HOSTNAME)
        key = json.loads((tmp_path / name).read_bytes())["key"]
        assert (key["source"], key["method"], key["r"], key["p"]) == ("hostname", "scrypt", 8, 1)
        assert key["n"] >= 1 << 16
        salts.add(base64.b64decode(key["salt"]))
    assert {len(salt) for salt in salts} == {16}
    assert len(salts) == 2


@pytest.mark.threat("secrets-in-the-file")
def test_the_file_holds_the_ids_and_nothing_else_in_clear(stored: Path, source: KeySource) -> None:
    text = stored.read_text()
    assert read_ids(stored) == ("a", "b")
    for secret in (
        'backup"',
        "peer",
        CLEAR,
        Path(source.name).read_text().strip(),
        socket.gethostname() + '"',
    ):
        assert secret not in text


@pytest.mark.threat("secrets-in-the-file")
def test_the_file_is_readable_by_its_owner_only_whatever_the_umask(tmp_path: Path, source: KeySource) -> None:
    before = os.umask(0)
    try:
        save_vault(tmp_path / "new" / "credentials.json", {}, source)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_an_existing_file_is_replaced_only_when_told(stored: Path, source: KeySource) -> None:
    before = stored.read_bytes()
    with pytest.raises(CredentialsError, match="is there already"):
        save_vault(stored, {}, source)
    assert stored.read_bytes() == before
    save_vault(stored, {}, source, replace=True)
    assert read_ids(stored) == ()


@pytest.mark.threat("secrets-in-the-file")
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    stored: Path, source: KeySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, names = stored.read_bytes(), sorted(stored.parent.iterdir())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CredentialsError, match="No space left"):
        save_vault(stored, {}, source, replace=True)
    assert stored.read_bytes() == before
    assert sorted(stored.parent.iterdir()) == names


# ---------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o660, 0o601])
@pytest.mark.threat("secrets-in-the-file")
def test_a_file_that_others_may_touch_is_refused_with_the_command_that_mends_it(
    stored: Path, source: KeySource, mode: int
) -> None:
    stored.chmod(mode)
    with pytest.raises(CredentialsError, match=rf"mode {mode:04o}") as caught:
        load_vault(stored, source)
    assert caught.value.cure == f"mend it with: chmod 600 {stored}"


@pytest.mark.threat("secrets-in-the-file")
def test_a_key_file_that_others_may_read_is_refused(stored: Path, source: KeySource) -> None:
    Path(source.name).chmod(0o644)
    with pytest.raises(CredentialsError, match="open to others") as caught:
        load_vault(stored, source)
    assert caught.value.cure == f"mend it with: chmod 600 {source.name}"


def test_a_file_of_another_user_is_refused_with_the_command_that_mends_it(
    stored: Path, source: KeySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: stored.stat().st_uid + 54321)
    with pytest.raises(CredentialsError, match="belongs to") as caught:
        load_vault(stored, source)
    assert re.fullmatch(rf"mend it with: chown \S+ {re.escape(str(stored))}", caught.value.cure or "")


def test_the_command_that_mends_it_is_quoted(tmp_path: Path, source: KeySource) -> None:
    path = tmp_path / "a b;c"
    save_vault(path, {}, source)
    path.chmod(0o644)
    with pytest.raises(CredentialsError) as caught:
        load_vault(path, source)
    assert caught.value.cure == f"mend it with: chmod 600 '{path}'"


@pytest.mark.threat("secrets-in-the-file")
def test_a_symbolic_link_a_folder_and_a_pipe_are_refused(stored: Path, source: KeySource) -> None:
    link, pipe = stored.with_name("link"), stored.with_name("pipe")
    link.symlink_to(stored)
    os.mkfifo(pipe, 0o600)
    for path, said in (
        (link, "symbolic link"),
        (pipe, "not an ordinary file"),
        (stored.parent, "not an ordinary"),
    ):
        with pytest.raises(CredentialsError, match=said):
            load_vault(path, source)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path, source: KeySource) -> None:
    with pytest.raises(CredentialsError, match="no credentials file") as caught:
        load_vault(tmp_path / "nowhere", source)
    assert "credentials encrypt" in (caught.value.cure or "")


def test_a_plain_file_is_not_taken_for_an_encrypted_one(tmp_path: Path, source: KeySource) -> None:
    path = tmp_path / "plain"
    path.write_text(json.dumps({"a": {"username": "u", "password": CLEAR}}))
    path.chmod(0o600)
    with pytest.raises(CredentialsError, match="not an encrypted credentials file") as caught:
        load_vault(path, source)
    assert CLEAR not in str(caught.value)


# ---------------------------------------------------------------------------- wrong keys


def test_another_host_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    save_vault(path, {"a": Credential("backup")}, KeySource("hostname", "old-host"))
    with pytest.raises(CredentialsError, match="encrypted under another host name than"):
        load_vault(path, HOSTNAME)


def test_another_key_is_told_so(stored: Path, tmp_path: Path) -> None:
    write_key(tmp_path / "other")
    with pytest.raises(CredentialsError, match="encrypted with another key than the key file"):
        load_vault(stored, KeySource("file", str(tmp_path / "other")))


def test_another_kind_of_key_is_told_so(stored: Path, tmp_path: Path, source: KeySource) -> None:
    with pytest.raises(
        CredentialsError, match="encrypted with a random key, but the key is to come from the host"
    ):
        load_vault(stored, HOSTNAME)
    save_vault(tmp_path / "by-name", {}, HOSTNAME)
    with pytest.raises(CredentialsError, match="encrypted with the host name, but the key is to come from"):
        load_vault(tmp_path / "by-name", source)


# ---------------------------------------------------------------------------- damage


def test_a_file_cut_short_anywhere_is_called_damaged(stored: Path, source: KeySource) -> None:
    whole = stored.read_bytes().rstrip()
    for length in range(0, len(whole), 7):
        stored.write_bytes(whole[:length])
        with pytest.raises(CredentialsError, match="damaged"):
            load_vault(stored, source)


def test_one_damaged_token_leaves_the_others_usable(stored: Path, source: KeySource) -> None:
    change(stored, lambda d: d["credentials"].update(a=d["credentials"]["a"][:-8] + "AAAAAAA="))
    vault = load_vault(stored, source)
    assert vault.credential("b").username == "peer"
    with pytest.raises(CredentialsError, match="a: the token is damaged") as caught:
        vault.credential("a")
    assert caught.value.cure == "give it again: vya-backupdb credentials set a"


@pytest.mark.parametrize("token", ["", "x", "ü", "gAAAAA", None, 3])
def test_what_is_no_token_is_called_damaged(stored: Path, source: KeySource, token: object) -> None:
    change(stored, lambda d: d["credentials"].update(a=token))
    with pytest.raises(CredentialsError, match="damaged"):
        load_vault(stored, source).credential("a")


def test_tokens_that_are_swapped_are_found_out(stored: Path, source: KeySource) -> None:
    change(stored, lambda d: d["credentials"].update(a=d["credentials"]["b"], b=d["credentials"]["a"]))
    vault = load_vault(stored, source)
    for name, other in (("a", "b"), ("b", "a")):
        with pytest.raises(CredentialsError, match=f"{name}: the token belongs to {other}"):
            vault.credential(name)


def test_a_damaged_check_is_no_wrong_key(stored: Path, source: KeySource) -> None:
    change(stored, lambda d: d.update(check="gAAAAA"))
    assert load_vault(stored, source).credential("a").username == "backup"


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["key"].update(salt=base64.b64encode(bytes(16)).decode()),
        lambda d: d["key"].update(n=1 << 40),
        lambda d: d["key"].update(n="65536"),
        lambda d: d["key"].pop("digest"),
        lambda d: d.pop("key"),
        lambda d: d.update(key=[]),
        lambda d: d.update(credentials=[]),
        lambda d: d.pop("check"),
    ],
)
def test_a_damaged_head_is_no_wrong_key(tmp_path: Path, edit: Callable[[Any], object]) -> None:
    path = tmp_path / "credentials.json"
    save_vault(path, {"a": Credential("backup")}, HOSTNAME)
    change(path, edit)
    with pytest.raises(CredentialsError, match=r"credentials\.json: damaged"):
        load_vault(path, HOSTNAME)


def test_a_derivation_beyond_all_bounds_is_refused_even_with_a_good_digest(tmp_path: Path) -> None:
    """Who writes the file must not make us take all memory."""
    import hashlib

    path = tmp_path / "credentials.json"
    save_vault(path, {}, HOSTNAME)

    def huge(document: Any) -> None:
        key = document["key"]
        key["n"] = 1 << 30
        parts = {name: key[name] for name in ("method", "salt", "n", "r", "p")}
        key["digest"] = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    change(path, huge)
    with pytest.raises(CredentialsError, match="damaged"):
        load_vault(path, HOSTNAME)


def test_an_id_without_credentials_says_how_to_add_them(stored: Path, source: KeySource) -> None:
    with pytest.raises(CredentialsError, match="c: no credentials") as caught:
        load_vault(stored, source).credential("c")
    assert "credentials set c" in (caught.value.cure or "")


@pytest.mark.threat("secrets-in-messages")
def test_nothing_of_a_vault_is_in_a_traceback_with_locals(stored: Path, source: KeySource) -> None:
    vault = load_vault(stored, source)
    credential = vault.credential("a")
    try:
        vault.credential("c")
    except CredentialsError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert credential.password is not None
    assert CLEAR not in shown
