"""A server that speaks just enough of the MySQL protocol to ask a client for what it must not give."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_CAPABILITIES = 0x01FF_F7DF & ~0x0800  # all of the classic ones, without TLS
_OK = b"\0\0\0\2\0\0\0"


@dataclass
class HostileServer:
    """What it is like, and what it was told."""

    port: int = 0
    version: bytes = b"8.0.99"
    plugin: bytes = b""
    """The authentication plugin that it asks to switch to; none: it lets everybody in."""
    answer: bytes = b"\xfb/etc/hostname"
    """To any question; this one asks for a file of the client's (LOAD DATA LOCAL INFILE)."""
    times: int = 1
    """How often the answer is sent."""
    told: list[bytes] = field(default_factory=list)
    """Every packet that a client sent."""

    @property
    def heard(self) -> bytes:
        return b"\n".join(self.told)


@contextmanager
def hostile_server(server: HostileServer) -> Iterator[HostileServer]:
    """Run it on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        threading.Thread(target=_serve, args=(listener, server), daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, server: HostileServer) -> None:
    with suppress(OSError):
        while True:
            channel, _ = listener.accept()
            threading.Thread(target=_talk, args=(channel, server), daemon=True).start()


def _talk(channel: socket.socket, server: HostileServer) -> None:
    with channel, suppress(OSError, EOFError):
        greeting = (
            b"\x0a" + server.version + b"\0\1\0\0\0" + b"a" * 8 + b"\0"
            + (_CAPABILITIES & 0xFFFF).to_bytes(2, "little") + b"\x2d\2\0"
            + (_CAPABILITIES >> 16).to_bytes(2, "little") + b"\x15" + b"\0" * 10
            + b"b" * 12 + b"\0mysql_native_password\0"
        )  # fmt: skip
        _send(channel, 0, greeting)
        number, login = _receive(channel)
        server.told.append(login)
        if server.plugin:
            _send(channel, number + 1, b"\xfe" + server.plugin + b"\0")
            number, said = _receive(channel)
            server.told.append(said)
        _send(channel, number + 1, _OK)
        while True:
            number, said = _receive(channel)
            server.told.append(said)
            if said.startswith(b"\x03SET NAMES"):  # PyMySQL takes anything for an answer to that
                _send(channel, number + 1, _OK)
                continue
            for i in range(server.times):
                _send(channel, number + 1 + i, server.answer)
            if server.answer.startswith(b"\xfb"):
                number, content = _receive(channel)
                server.told.append(content)
                while content:
                    number, content = _receive(channel)
                    server.told.append(content)
                _send(channel, number + 1, b"\xff\x51\x04#HY000enough")


def _send(channel: socket.socket, number: int, body: bytes) -> None:
    while len(body) >= 0xFFFFFF:
        channel.sendall(b"\xff\xff\xff" + bytes([number % 256]) + body[:0xFFFFFF])
        body, number = body[0xFFFFFF:], number + 1
    channel.sendall(len(body).to_bytes(3, "little") + bytes([number % 256]) + body)


def _receive(channel: socket.socket) -> tuple[int, bytes]:
    head = _exactly(channel, 4)
    return head[3], _exactly(channel, int.from_bytes(head[:3], "little"))


def _exactly(channel: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = channel.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data
