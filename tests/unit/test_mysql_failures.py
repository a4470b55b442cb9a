from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql
import pytest
from pydantic import SecretStr

from vya_backupdb.config.models import Instance, Tls
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.failures import connection_failed, is_lost, message_of
from vya_backupdb.engines.mysql.wire import open_wire
from vya_backupdb.errors import ConfigurationError, ConnectionFailed

CREDENTIAL = Credential("backup", SecretStr("hush-hush"))
INSTANCE = Instance(id="db1", engine="mysql", host="db1.example.net")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1040, "too many connections"),
        (1130, "not allowed to connect"),
        (1129, "blocks this host"),
        (1045, "access denied"),
        (3159, "only connections with TLS"),
        (1862, "password has expired"),
    ],
)
def test_an_error_of_the_server_becomes_one_line_with_instance_address_and_cure(
    code: int, reason: str
) -> None:
    failure = connection_failed(
        INSTANCE, CREDENTIAL, pymysql.err.OperationalError(code, "as the server says")
    )
    assert failure.what.startswith("db1: db1.example.net:3306: ")
    assert reason in failure.what
    assert "\n" not in failure.what
    assert failure.cure
    assert "hush" not in str(failure)


def test_an_unknown_database_is_named() -> None:
    error = pymysql.err.OperationalError(1049, "Unknown database 'shop'")
    assert "(shop)" in connection_failed(INSTANCE, CREDENTIAL, error, database="shop").what


def test_an_unsupported_plugin_is_named() -> None:
    error = pymysql.err.OperationalError(2059, "Authentication plugin 'b'parsec'' not configured")
    assert "plugin parsec of 'backup' is not supported" in connection_failed(INSTANCE, CREDENTIAL, error).what


def test_control_characters_of_a_server_do_not_reach_the_terminal() -> None:
    assert message_of(pymysql.err.OperationalError(1045, "a\x1b[2Jb\nc\x9bd")) == "a [2Jb c d (1045)"


@pytest.mark.parametrize("code", [2006, 2013, 1053, 1927, 3169, 4031])
def test_a_lost_connection_is_known_by_its_codes(code: int) -> None:
    assert is_lost(pymysql.err.OperationalError(code, "gone"))
    assert not is_lost(pymysql.err.OperationalError(1045, "denied"))


# ---------------------------------------------------------------------------- servers that are none


@contextmanager
def listener(answer: bytes | None) -> Iterator[Instance]:
    """Something that listens; says `answer` to whoever connects, or nothing at all (None)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                if answer is not None:
                    connection.sendall(answer)
                else:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Instance(id="db1", engine="mysql", host="127.0.0.1", port=server.getsockname()[1])
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"", b"\x05\0\0\0hello"],
)
def test_what_does_not_speak_the_protocol_is_a_failed_connection(answer: bytes) -> None:
    with listener(answer) as instance, pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1"):
        open_wire(instance, CREDENTIAL, read_timeout=5, patience=2)


@pytest.mark.threat("server-answers")
def test_a_server_that_never_answers_is_given_up() -> None:
    with listener(None) as instance, pytest.raises(ConnectionFailed, match=r"lost|no answer"):
        open_wire(instance, CREDENTIAL, read_timeout=3600, patience=0.2)


def test_a_closed_port_is_refused_in_one_line() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    instance = Instance(id="db1", engine="mysql", host="127.0.0.1", port=port)
    with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}: connection refused") as failure:
        open_wire(instance, CREDENTIAL, read_timeout=5)
    assert "check that the server runs" in (failure.value.cure or "")


def test_an_unknown_host_name_is_told() -> None:
    instance = Instance(id="db1", engine="mysql", host="nowhere.invalid")
    with pytest.raises(ConnectionFailed, match="host name is unknown"):
        open_wire(instance, CREDENTIAL, read_timeout=5)


def test_a_socket_that_is_not_there_is_told(tmp_path: Path) -> None:
    instance = Instance(id="db1", engine="mysql", socket=tmp_path / "none.sock")
    with pytest.raises(ConnectionFailed, match="there is no such socket"):
        open_wire(instance, CREDENTIAL, read_timeout=5)


def test_an_unreadable_certificate_authority_names_its_key_in_the_configuration(tmp_path: Path) -> None:
    instance = Instance(
        id="db1", engine="mysql", host="127.0.0.1", tls=Tls(mode="verify-full", ca=tmp_path / "none.pem")
    )
    with pytest.raises(ConfigurationError, match=r"db1: tls\.ca: .*none\.pem"):
        open_wire(instance, CREDENTIAL, read_timeout=5)
