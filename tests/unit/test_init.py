"""`vya-backupdb init` without any server: what it takes for one, what it writes, and when it refuses."""

from __future__ import annotations

import grp
import io
import json
import os
import pwd
import shlex
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from vya_backupdb.cli import init as command
from vya_backupdb.cli import render
from vya_backupdb.cli.main import main
from vya_backupdb.config.load import config_of, load_config
from vya_backupdb.engines.account import Greeting
from vya_backupdb.engines.mysql.needed import needed
from vya_backupdb.operations.init import places
from vya_backupdb.operations.init.document import Chosen, document
from vya_backupdb.operations.init.found import Server, ask
from vya_backupdb.operations.init.home import Home, home
from vya_backupdb.operations.init.places import Place, socket_place, well_known


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def handshake(version: bytes, number: int = 7, capabilities: int = 0xFFFF) -> bytes:
    payload = (
        b"\x0a" + version + b"\0" + struct.pack("<I8sxH", number, b"saltsalt", capabilities) + b"\0" * 20
    )
    return len(payload).to_bytes(3, "little") + b"\0" + payload


def refusal(code: int, text: bytes) -> bytes:
    payload = b"\xff" + struct.pack("<H", code) + text
    return len(payload).to_bytes(3, "little") + b"\0" + payload


@contextmanager
def answering(first: bytes, later: bytes = b"") -> Iterator[int]:
    """Listen on the loopback: say something to each who connects, and something when asked; give the port."""

    def serve() -> None:
        while True:
            try:
                channel, _ = listener.accept()
            except OSError:
                return
            with channel:
                channel.sendall(first)
                channel.settimeout(3)
                try:
                    if channel.recv(100) and later:
                        channel.sendall(later)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


# ---------------------------------------------------------------------------- who answers


@pytest.mark.parametrize(
    ("said", "greeting"),
    [
        (handshake(b"8.0.36"), Greeting("mysql", "8.0.36", 7, offers_tls=True)),
        (handshake(b"5.5.5-10.6.1-MariaDB-log"), Greeting("mariadb", "10.6.1", 7, offers_tls=True)),
        (
            handshake(b"11.8.2-MariaDB", 9, 0xFFFF & ~0x800),
            Greeting("mariadb", "11.8.2", 9, offers_tls=False),
        ),
        (refusal(1130, b"Host 'x' is not allowed to connect to this MariaDB server"), Greeting("mariadb")),
        (refusal(1040, b"Too many connections"), Greeting("mysql")),
        (b"\x05\0\0\0\x0b\x08\x05\x1a\0", None),  # the X protocol of MySQL
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", None),
        (handshake(b"8.0.36")[:9], None),
        (b"", None),
    ],
)
def test_a_mysql_server_is_known_by_its_first_words(said: bytes, greeting: Greeting | None) -> None:
    with answering(said) as port:
        found = ask(Place("mysql", host="127.0.0.1", port=port), patience=0.2)
    assert (found and found.greeting) == greeting


@pytest.mark.parametrize(
    ("answer", "greeting"),
    [
        (b"S", Greeting("postgresql", offers_tls=True)),
        (b"N", Greeting("postgresql", offers_tls=False)),
        (b"HTTP/1.1 400 Bad Request\r\n", None),
        (b"", None),
    ],
)
def test_a_postgresql_server_is_known_by_its_answer_about_tls(
    answer: bytes, greeting: Greeting | None
) -> None:
    with answering(b"", answer) as port:
        found = ask(Place("postgresql", host="127.0.0.1", port=port), patience=0.2)
    assert (found and found.greeting) == greeting


def test_who_says_nothing_or_one_byte_after_the_other_is_given_up_in_time() -> None:
    with answering(b"\x50") as port:
        begun = time.monotonic()
        assert ask(Place("mysql", host="127.0.0.1", port=port), 0.3) is None
        assert ask(Place("postgresql", host="127.0.0.1", port=port), 0.3) is None
        assert time.monotonic() - begun < 2


def test_sockets_are_looked_for_in_the_usual_places_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("run/mysqld/mysqld.sock", "run/postgresql/.s.PGSQL.5433", "tmp/.s.PGSQL.5432"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir((tmp_path / name).parent)  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind((tmp_path / name).name)
    (tmp_path / "run/postgresql/.s.PGSQL.5433.lock").touch()
    (tmp_path / "tmp/mysql.sock").touch()  # no socket
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("../run")
    found = well_known(tmp_path)
    assert [(each.socket.name, each.port) for each in found if each.socket] == [
        ("mysqld.sock", None),
        (".s.PGSQL.5433", 5433),
        (".s.PGSQL.5432", 5432),
    ]
    assert [each.port for each in found if each.host == "127.0.0.1"] == [
        *range(3306, 3310),
        *range(5432, 5437),
    ]


# ---------------------------------------------------------------------------- what is written


def of_user(path: Path) -> Home:
    return Home(path, path.parent / "a store: #1", "someone")


def test_what_is_written_is_valid_whatever_the_names_are(tmp_path: Path) -> None:
    servers = [
        Server(Place("mysql", socket=Path("/tmp/a b's #\u00e9.sock")), Greeting("mariadb", "10.11.1")),
        Server(Place("mysql", host="db1.example.net", port=3307), Greeting("mysql", None, offers_tls=True)),
        Server(socket_place("postgresql", Path("/run/pg/.s.PGSQL.5433")), Greeting("postgresql")),
        Server(Place("postgresql", host="::1"), Greeting("postgresql", offers_tls=True)),
    ]
    ids = ["123", "no", "1e3", "x" * 64]
    chosen = [Chosen(name, server) for name, server in zip(ids, servers, strict=True)]
    config = config_of(document(chosen, of_user(tmp_path / "c.yaml")), tmp_path / "c.yaml")
    assert [one.id for one in config.instances] == ids
    assert [one.socket for one in config.instances] == [
        servers[0].place.socket,
        None,
        Path("/run/pg"),
        None,
    ]
    assert [one.port for one in config.instances] == [None, 3307, 5433, None]
    assert [one.tls and one.tls.mode for one in config.instances] == [None, "require", None, None]
    assert config.storage.path == tmp_path / "a store: #1"
    assert config.credentials.file == tmp_path / "credentials.json"
    assert config.credentials.key.file == tmp_path / "key"
    assert config.retention is not None


@pytest.mark.parametrize(("uid", "service"), [(0, True), (0, False), (1000, False)])
def test_root_has_the_places_of_the_machine_and_a_user_his_own(
    monkeypatch: pytest.MonkeyPatch, uid: int, service: bool
) -> None:
    def named(name: str) -> SimpleNamespace:
        if not service:
            raise KeyError(name)
        return SimpleNamespace(pw_name=name, gr_gid=77)

    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(grp, "getgrnam", named)
    monkeypatch.setattr(pwd, "getpwnam", named)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_name="alice"))
    monkeypatch.setenv("HOME", "/home/alice")
    here = home()
    if uid:
        assert str(here.config) == "/home/alice/.config/vya-backupdb/config.yaml"
        assert str(here.store) == "/home/alice/.local/share/vya-backupdb"
        assert (here.user, here.account, here.service) == ("alice", "alice", False)
    else:
        assert str(here.config) == "/etc/vya-backupdb/config.yaml"
        assert (here.account, here.service, here.group) == ("vya-backupdb", service, 77 if service else None)
        assert not home(Path("/root/other.yaml")).service


# ---------------------------------------------------------------------------- the command


@pytest.fixture
def mysql_8() -> Iterator[Place]:
    """A place where something talks like MySQL 8.0."""
    with answering(handshake(b"8.0.36")) as port:
        yield Place("mysql", host="127.0.0.1", port=port)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, mysql_8: Place, tmp_path: Path) -> Path:
    """A machine with this server; give the file of the configuration."""
    monkeypatch.setattr(places, "well_known", lambda: [mysql_8])
    return tmp_path / "new" / "config.yaml"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_without_a_terminal_it_writes_nothing_unless_forced(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--output", str(there)]) == 24
    assert "--force answers yes" in capsys.readouterr().err
    assert not there.exists()
    assert main(["init", "--output", str(there), "--force"]) == 0
    assert mode(there) == 0o600
    (instance,) = load_config(there).instances
    assert (instance.id, instance.engine, instance.host) == ("mysql", "mysql", "127.0.0.1")


def test_a_configuration_is_replaced_only_if_told_and_that_is_said(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.parent.mkdir()
    there.write_text("mine")
    assert main(["init", "--output", str(there)]) == 24
    assert there.read_text() == "mine"
    assert main(["init", "--output", str(there), "--force"]) == 0
    assert f"{there}: replaced" in capsys.readouterr().out
    assert os.listdir(there.parent) == [there.name]


def test_each_server_is_asked_about_and_named(
    there: Path,
    mysql_8: Place,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with answering(b"", b"S") as port:
        postgresql = Place("postgresql", host="127.0.0.1", port=port)
        monkeypatch.setattr(places, "well_known", lambda: [mysql_8, postgresql])
        monkeypatch.setattr(render, "is_terminal", lambda _: True)
        monkeypatch.setattr("sys.stdin", io.StringIO("n\n\nno name\nmain\n"))
        assert main(["init", "--output", str(there)]) == 0
        asked = capsys.readouterr().err
        assert f"Back up MySQL 8.0.36 at 127.0.0.1:{mysql_8.port}? [Y/n]" in asked
        assert "Its id [postgresql]" in asked
        assert [one.id for one in load_config(there).instances] == ["main"]
        monkeypatch.setattr("sys.stdin", io.StringIO("y\nn\nn\n"))
        assert main(["init", "--output", str(there)]) == 24
        assert "no server was chosen" in capsys.readouterr().err
        assert [one.id for one in load_config(there).instances] == ["main"]


def test_where_nothing_answers_it_says_where_it_looked(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(places, "well_known", lambda: [Place("mysql", host="127.0.0.1", port=1)])
    assert main(["init", "--output", str(there), "--force"]) == 12
    assert "127.0.0.1:1" in capsys.readouterr().err
    assert not there.exists()


def written(there: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main(["init", "--output", str(there), "--format", "json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_server_that_is_named_is_not_asked_about_and_no_other_is_looked_for(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(places, "well_known", lambda: pytest.fail("looked for servers"))
    named = ("--engine", "mariadb", "--host", "127.0.0.1", "--port", "1", "--id", "far", "--account", "o'b")
    (one,) = written(there, capsys, *named)["instances"]
    assert (one["id"], one["answers"], one["flavour"], one["version"]) == ("far", False, "mariadb", None)
    assert one["accounts"][0]["statements"][0] == "CREATE USER 'o''b'@<'address'> IDENTIFIED BY <'password'>"
    assert load_config(there).instance("far").port == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--host", "h"),
        ("--id", "x"),
        ("--port", "1", "--engine", "mysql"),
        ("--engine", "mysql", "--host", "h", "--socket", "/s"),
        ("--engine", "mysql", "--socket", "/s", "--port", "1"),
        ("--engine", "postgresql", "--socket", "/run/postgresql"),
        ("--engine", "mysql", "--host", "h", "--id", "a/b"),
        ("--force", "--account", "root"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(there: Path, words: tuple[str, ...]) -> None:
    assert main(["init", "--output", str(there), *words]) == 2
    assert not there.exists()


@pytest.mark.parametrize("service", [True, False])
def test_the_steps_that_are_named_can_be_taken(
    service: bool, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that need neither a server nor systemd."""
    where = Home(
        there, there.parent / "store", "daemon", service=service, group=os.getegid() if service else None
    )
    monkeypatch.setattr(command, "home", lambda _: where)
    if service:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(there.parent))
    document = written(there, capsys, "--force")
    assert mode(there) == (0o640 if service else 0o600)
    for step in document["next"]:
        words = shlex.split(step["command"])
        if words[0] == "vya-backupdb" and "credentials" in words:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"secret\n")))
            assert main(words[1:]) == 0, capsys.readouterr().err
    assert main(["--config", str(there), "config", "validate"]) == 0
    assert "valid, 1 instance" in capsys.readouterr().out
    assert {path.name for path in there.parent.iterdir()} == {
        *("config.yaml", "credentials.json"),
        "vya-backupdb.key" if service else "key",
    }


def test_no_password_is_made_up(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--output", str(there), "--force"]) == 0
    out = capsys.readouterr().out
    assert "IDENTIFIED BY <'password'>" in out
    for need in needed("mysql", (8, 0, 36)):
        assert need.privilege in out
