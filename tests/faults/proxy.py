"""A network between the command and a server that can be cut, or lose everything without a word."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from contextlib import suppress
from typing import Literal, Self

from tests.end_to_end.conftest import Site

Mood = Literal["passes", "cut", "swallows"]
_NOW = struct.pack("ii", 1, 0)
"""SO_LINGER: the end of a connection is a RST."""


class Proxy:
    """Listens on a loopback port and passes bytes on to another.

    Once `limit` bytes have passed, from servers (`down`) or to them, its mood changes: connections are reset
    and no new ones are taken, or everything is read and thrown away. `reached` tells it.
    """

    def __init__(self, port: int, *, then: Mood, limit: int, down: bool) -> None:
        self._port = port
        self._then = then
        self._limit = limit
        self._down = down
        self._passed = 0
        self._mood: Mood = "passes"
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.reached = threading.Event()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def mend(self) -> None:
        """Pass everything on, whatever its number."""
        with self._lock:
            self._mood, self._limit = "passes", 1 << 62

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self._mood == "cut":
                _reset(client)
                continue
            self._start(self._carry, client, socket.create_connection(("127.0.0.1", self._port)))

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with client, server:
            while not self._closing.is_set():
                if self._mood == "cut":
                    _reset(client)
                    _reset(server)
                    return
                for channel in select.select([client, server], [], [], 0.2)[0]:
                    try:
                        data = channel.recv(1 << 16)
                    except OSError:
                        return
                    if not data:
                        return
                    if self._take(len(data), down=channel is server) == "passes":
                        with suppress(OSError):
                            other[channel].sendall(data)

    def _take(self, count: int, *, down: bool) -> Mood:
        with self._lock:
            if down == self._down:
                self._passed += count
            if self._passed > self._limit and self._mood == "passes":
                self._mood = self._then
                self.reached.set()
            return self._mood


def _reset(channel: socket.socket) -> None:
    with suppress(OSError):
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
        channel.close()


def point(site: Site, instance: str, port: int, **dump: object) -> None:
    """Let an instance of the configuration be reached by another port."""
    document = json.loads(site.config.read_text())
    for each in document["instances"]:
        if each["id"] == instance:
            each["port"] = port
            each["dump"] |= dump
    site.config.write_text(json.dumps(document))
