from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from vya_backupdb.config.models import Instance, Tls
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.dump.optionfile import option_file, quoted
from vya_backupdb.errors import CredentialsError
from vya_backupdb.model import DumpTool, Flavour, ServerFacts

CREDENTIAL = Credential("backup", SecretStr("pass#word"))


def lines(
    flavour: Flavour,
    *,
    tls: Tls | None = None,
    offered: str = "offered",
    socket: Path | None = None,
    credential: Credential = CREDENTIAL,
    plugin: str = "mysql_native_password",
) -> list[str]:
    instance = Instance(id="db", engine="mysql", host=None if socket else "db1", socket=socket, tls=tls)
    facts = ServerFacts(
        "mysql", flavour, "9.0.0", (9, 0, 0), "backup@%", {"tls": offered, "login_plugin": plugin}
    )
    tool = DumpTool("/usr/bin/mysqldump", flavour, "9.0.0", (9, 0, 0))
    return option_file(instance, credential, facts, tool).decode().splitlines()


def test_values_are_quoted_so_that_nothing_in_them_is_read_as_syntax() -> None:
    assert quoted(r'a"b\c#d') == r'"a\"b\\c#d"'
    assert quoted("  lead and trail  ") == '"  lead and trail  "'


@pytest.mark.parametrize("character", ["\n", "\r", "\0"])
def test_a_line_end_in_a_password_is_refused_without_showing_it(character: str) -> None:
    with pytest.raises(CredentialsError) as failure:
        lines("mysql", credential=Credential("backup", SecretStr(f"hush{character}[client]")))
    assert "hush" not in str(failure.value)


def test_a_password_that_the_tools_would_cut_off_is_refused() -> None:
    with pytest.raises(CredentialsError, match="password is too long"):
        lines("mysql", credential=Credential("backup", SecretStr("x" * 4100)))


def test_the_protocol_is_stated_so_that_localhost_means_tcp() -> None:
    found = lines("mysql")
    assert {'protocol="tcp"', 'host="db1"', 'port="3306"', 'user="backup"', 'password="pass#word"'} <= set(
        found
    )
    assert found[0] == "[client]"


def test_a_socket_is_used_without_host_and_port() -> None:
    found = lines("mariadb", socket=Path("/run/mysqld.sock"))
    assert {'protocol="socket"', 'socket="/run/mysqld.sock"', 'ssl="0"'} <= set(found)
    assert not any(line.startswith(("host", "port")) for line in found)


def test_without_a_password_none_is_written() -> None:
    found = lines("mysql", credential=Credential("backup", None))
    assert not any("password" in line for line in found)


@pytest.mark.parametrize(
    ("mode", "written"),
    [
        (None, 'ssl-mode="PREFERRED"'),
        ("disable", 'ssl-mode="DISABLED"'),
        ("require", 'ssl-mode="REQUIRED"'),
        ("verify-ca", 'ssl-mode="VERIFY_CA"'),
        ("verify-full", 'ssl-mode="VERIFY_IDENTITY"'),
    ],
)
def test_mysqls_tool_gets_the_mode_of_tls(mode: str | None, written: str) -> None:
    tls = Tls.model_validate({"mode": mode}) if mode else None
    assert written in lines("mysql", tls=tls)


def test_mysqls_tool_may_ask_for_the_servers_key_only_where_there_is_no_tls() -> None:
    asking = 'get-server-public-key="1"'
    assert asking in lines("mysql", tls=Tls(mode="disable"))
    assert asking in lines("mysql", offered="absent")
    assert asking not in lines("mysql")
    assert asking not in lines("mysql", tls=Tls(mode="require"), offered="absent")


@pytest.mark.parametrize(
    ("mode", "offered", "ssl", "verify"),
    [
        (None, "offered", 1, 0),
        (None, "absent", 0, 0),
        ("disable", "offered", 0, 0),
        ("require", "absent", 1, 0),
        ("verify-ca", "offered", 1, 1),
        ("verify-full", "offered", 1, 1),
    ],
)
def test_mariadbs_tool_gets_its_own_words_for_tls(
    mode: str | None, offered: str, ssl: int, verify: int
) -> None:
    tls = Tls.model_validate({"mode": mode}) if mode else None
    found = lines("mariadb", tls=tls, offered=offered)
    assert {f'ssl="{ssl}"', f'ssl-verify-server-cert="{verify}"'} <= set(found)


@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_certificates_are_named(flavour: Flavour) -> None:
    tls = Tls(mode="verify-full", ca=Path("/tls/ca.pem"), cert=Path("/tls/c.pem"), key=Path("/tls/k.pem"))
    found = lines(flavour, tls=tls)
    assert {'ssl-ca="/tls/ca.pem"', 'ssl-cert="/tls/c.pem"', 'ssl-key="/tls/k.pem"'} <= set(found)


@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_without_an_authority_the_systems_own_are_named(flavour: Flavour) -> None:
    found = lines(flavour, tls=Tls(mode="verify-full"))
    assert any(line.startswith(("ssl-ca=", "ssl-capath=")) for line in found)


def test_mariadbs_tool_loads_no_plugin_where_the_account_needs_none() -> None:
    nowhere = 'plugin-dir="/dev/null"'
    assert nowhere in lines("mariadb")
    assert nowhere not in lines("mariadb", plugin="client_ed25519")
    assert nowhere not in lines("mysql")
