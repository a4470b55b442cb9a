"""What a server that is not what it says gets from us and from the dump tools: neither password nor file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.conftest import choose
from tests.hostile_mysql import HostileServer, hostile_server
from vya_backupdb.cli.render import to_stderr
from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.connector import MySQLConnector
from vya_backupdb.engines.mysql.dump.optionfile import option_file
from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.model import DumpTool, Flavour, ServerFacts

CREDENTIAL = Credential("backup", SecretStr("sesame-open"))
FLAVOURS = [pytest.param(flavour, marks=getattr(pytest.mark, flavour)) for flavour in ("mysql", "mariadb")]


def connected(server: HostileServer) -> str:
    """Give what is said of the server."""
    instance = Instance(id="db", engine="mysql", host="127.0.0.1", port=server.port)
    with pytest.raises(VyaBackupDBError) as caught, MySQLConnector(instance, CREDENTIAL) as connector:
        connector.databases()
    return f"{caught.value.what}\n{caught.value.cure}"


def dumped(flavour: Flavour, server: HostileServer, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Let the flavour's dump tool at it, as it is called where the account has an ordinary password."""
    binaries = choose(flavour)
    instance = Instance(id="db", engine="mysql", host="127.0.0.1", port=server.port)
    settings = {"tls": "absent", "login_plugin": "mysql_native_password"}
    facts = ServerFacts("mysql", flavour, "10.11.0", (10, 11, 0), "backup@%", settings)
    tool = DumpTool(str(binaries.dump), flavour, "9.7.0", (9, 7, 0))
    options = folder / "options"
    options.write_bytes(option_file(instance, CREDENTIAL, facts, tool))
    argv = [str(binaries.dump), f"--defaults-file={options}", "shop"]
    return subprocess.run(argv, capture_output=True, timeout=60, env={"PATH": "/usr/bin:/bin"}, check=False)


@pytest.mark.parametrize("plugin", ["mysql_clear_password", "dialog", "mysql_old_password"])
@pytest.mark.threat("secrets-readable-logins")
def test_it_gets_no_password_by_asking_for_another_authentication(plugin: str) -> None:
    with hostile_server(HostileServer(plugin=plugin.encode())) as server:
        assert plugin in connected(server)
        assert b"sesame" not in server.heard


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("plugin", ["mysql_clear_password", "dialog"])
@pytest.mark.threat("secrets-readable-logins")
def test_it_gets_no_password_of_a_dump_tool_either(flavour: Flavour, plugin: str, tmp_path: Path) -> None:
    with hostile_server(HostileServer(plugin=plugin.encode())) as server:
        assert dumped(flavour, server, tmp_path).returncode != 0
        assert server.told
        assert b"sesame" not in server.heard


@pytest.mark.threat("server-files")
def test_it_gets_no_file(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("the only copy")
    with hostile_server(HostileServer(answer=b"\xfb" + bytes(precious))) as server:
        assert "does not keep to the MySQL protocol" in connected(server)
        assert b"VERSION()" in server.heard
        assert b"the only copy" not in server.heard


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.threat("server-files")
def test_it_gets_no_file_of_a_dump_tool_either(flavour: Flavour, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("the only copy")
    with hostile_server(HostileServer(answer=b"\xfb" + bytes(precious))) as server:
        assert dumped(flavour, server, tmp_path).returncode != 0
        assert b"SQL_MODE" in server.heard
        assert b"the only copy" not in server.heard


def error_packet(text: bytes) -> bytes:
    return b"\xff\x51\x04#HY000" + text


@pytest.mark.parametrize(
    "text", [b"\x1b]0;owned\x07\x1b[2J\x9b5n", "\u202egnp.exe\u2066".encode(), b"\r\n\x00"]
)
@pytest.mark.threat("server-words")
def test_its_words_do_nothing_to_a_terminal(text: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with hostile_server(HostileServer(answer=error_packet(b"said " + text))) as server:
        to_stderr(connected(server))
    shown = capsys.readouterr().err
    assert "said" in shown
    assert all(line.isprintable() for line in shown.splitlines())


@pytest.mark.threat("server-words")
def test_its_words_are_told_in_bounds() -> None:
    with hostile_server(HostileServer(answer=error_packet(b"x" * (40 << 20)))) as server:
        assert len(connected(server)) < 3000


@pytest.mark.parametrize("version", [b"", b"\x1b[2J", b"9" * 300, b"x" * 5000, b"8.0.0\xff\xfe"])
@pytest.mark.threat("server-answers")
def test_a_version_that_is_none_is_no_crash(version: bytes) -> None:
    with hostile_server(HostileServer(version=version, answer=error_packet(b"no"))) as server:
        connected(server)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xfe",
        b"\xfc\xff\xff",
        b"\x01",
        b"\xfd\xff\xff\xff",
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x03",
        b"\0",
    ],
)
@pytest.mark.threat("server-answers")
def test_an_answer_that_is_none_is_no_crash(answer: bytes) -> None:
    with hostile_server(HostileServer(answer=answer, times=8)) as server:
        connected(server)
