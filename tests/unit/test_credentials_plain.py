from __future__ import annotations

import json
import traceback

import pytest

from vya_backupdb.credentials.vault import Credential
from vya_backupdb.errors import CredentialsError
from vya_backupdb.operations.plain_credentials import read_plain


def password(credential: Credential) -> str | None:
    return None if credential.password is None else credential.password.get_secret_value()


def refused(text: str | bytes) -> CredentialsError:
    with pytest.raises(CredentialsError) as caught:
        read_plain(text.encode() if isinstance(text, str) else text, "plain")
    ours = caught.value.__traceback__.tb_next if caught.value.__traceback__ else None
    frames = traceback.walk_tb(ours)
    shown = "".join(traceback.StackSummary.extract(frames, capture_locals=True).format())
    assert "read_plain" in shown
    assert "hunter" not in shown
    assert "hunter" not in str(caught.value)
    assert "hunter" not in repr(caught.value.__context__)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"username": "u", "password": "p"}}',
        "a:\n  username: u\n  password: p\n",
        "a: {username: u, password: 'p'}\n",
        "\ufeffa: {username: u, password: p}",
    ],
)
def test_json_and_yaml_are_read(text: str) -> None:
    entries = read_plain(text.encode(), "plain")
    assert (entries["a"].username, password(entries["a"])) == ("u", "p")


AWKWARD = "'\"#%\\ :{}[],&*!|>`@ü€🦉 é"


def test_every_awkward_character_of_json_comes_through() -> None:
    for ascii_only in (True, False):
        text = json.dumps({"a": {"username": AWKWARD, "password": AWKWARD}}, ensure_ascii=ascii_only)
        entries = read_plain(text.encode(), "plain")
        assert (entries["a"].username, password(entries["a"])) == (AWKWARD, AWKWARD)


@pytest.mark.parametrize(
    "text",
    ["a: {username: u}", "a:\n  username: u\n  password:\n", '{"a": {"username": "u", "password": null}}'],
)
def test_a_password_may_be_absent(text: str) -> None:
    assert read_plain(text.encode(), "plain")["a"].password is None


def test_words_of_old_yaml_are_passwords_as_they_stand() -> None:
    assert password(read_plain(b"a: {username: on, password: no}", "plain")["a"]) == "no"
    assert password(read_plain(b"a: {username: u, password: 0x10}", "plain")["a"]) == "0x10"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {username: u, password: 0123}", "a: the password is not text as it stands: write it in quotes"),
        ("a: {username: u, password: 1e5}", "the password is not text"),
        ("a: {username: u, password: true}", "the password is not text"),
        ("a: {username: 7, password: x}", "the username is not text"),
        ("a:\n  username: u\n  password: hunter #2\n", "3|password has a # behind it"),
        ("a:\n  username: u\n  password: #hunter\n", "the password has a # behind it"),
        ("a: {username: u, password: &hunter2 }", "neither JSON nor YAML"),
        ("a: {username: u, password: *hunter2 }", "neither JSON nor YAML"),
        ("a: {username: u, password: !hunter2 }", "a: tags"),
        ("a: {username: u, password: hunter,2}", "only username and password are known"),
        ("a: {username: u, password: 'hunter\n\n2'}", "the password holds a line end"),
        ('{"a": {"username": "u", "password": "hunter\\n"}}', "the password holds a line end"),
        ('{"a": {"username": "u", "password": "hunter\\u0000"}}', "the password holds a line end or a NUL"),
        ('{"a": {"username": "u", "password": "hunter\\ud800"}}', "the password is not valid Unicode"),
        ('{"a": {"username": "u", "password": 5}}', "the password is not text"),
        ('{"a": {"username": "", "password": "hunter"}}', "the user name is empty"),
        ('{"a": {"password": "hunter"}}', "the username is missing"),
        ('{"a": "hunter2"}', "must hold a username and a password"),
        ('{"a": {"username": "u"}, "a": {"username": "v"}}', "written twice"),
        ('{"a": {"username": "u", "username": "v"}}', "written twice"),
        ("a: {username: u}\na: {username: v}", "written twice"),
        ('{"a": {"username": "u", "password": "hunter2}}', "plain:1: neither JSON nor YAML"),
        ("a: 'hunter2\n", "neither JSON nor YAML"),
        ("hunter2", "holds no credentials"),
        ("- hunter2", "holds no credentials"),
        ("", "holds no credentials"),
        ("{}", "holds no credentials"),
        (b"a: hunter\xff", "plain:1: not UTF-8"),
        ("[" * 100_000, "neither JSON nor YAML"),
        ("{" + '"a":{' * 100_000, "neither JSON nor YAML"),
        ("a: hunter\x07", "neither JSON nor YAML"),
    ],
)  # fmt: skip
@pytest.mark.threat("secrets-in-messages")
def test_what_would_become_another_password_is_refused_and_not_repeated(text: str | bytes, said: str) -> None:
    assert said.rpartition("|")[2] in refused(text).what


def test_all_faults_are_named_at_once_with_their_lines() -> None:
    text = "a: {username: 1}\nb: {username: u}\nc:\n  password: hunter\n"
    assert refused(text).what.splitlines() == [
        "plain:1: a: the username is not text as it stands: write it in quotes",
        "plain:3: c: the username is missing",
    ]
