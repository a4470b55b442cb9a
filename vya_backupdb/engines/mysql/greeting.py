"""What a MySQL or MariaDB server says first, before a login (the manual: "Protocol::HandshakeV10")."""

from __future__ import annotations

import socket
import time
from typing import Final

from vya_backupdb.engines.account import Greeting
from vya_backupdb.engines.mysql.facts import parse_version

_LARGEST: Final = 1024
"""Bytes: version, salt and the name of a plugin take a hundred."""
_VERSION_10: Final = 10
_ERROR: Final = 0xFF
_REFUSALS: Final = range(1000, 2000)
"""Error numbers that the server itself gives: too many connections, a host that may not connect ..."""
_TLS: Final = 0x0800
"""CLIENT_SSL."""


def greeting(channel: socket.socket, patience: float) -> Greeting | None:
    """Hear what answers, for so many seconds at most; None: no MySQL or MariaDB. Raises OSError."""
    deadline = time.monotonic() + patience
    head = _read(channel, 4, deadline)
    length = int.from_bytes(head[:3], "little")
    if len(head) < 4 or head[3] != 0 or not 3 <= length <= _LARGEST:
        return None
    packet = _read(channel, length, deadline)
    if len(packet) < length:
        return None
    if packet[0] == _ERROR:
        refused = int.from_bytes(packet[1:3], "little") in _REFUSALS
        return Greeting("mariadb" if b"MariaDB" in packet else "mysql") if refused else None
    said, end, rest = packet[1:].partition(b"\0")
    if packet[0] != _VERSION_10 or not end or len(rest) < 15 or not said[:1].isdigit():
        return None
    flavour, version, _ = parse_version(said.decode("ascii", "replace"))
    # connection number, eight bytes of salt, a NUL, capabilities
    offers_tls = bool(int.from_bytes(rest[13:15], "little") & _TLS)
    return Greeting(flavour, version, int.from_bytes(rest[:4], "little"), offers_tls)


def _read(channel: socket.socket, size: int, deadline: float) -> bytes:
    """Read so many bytes, fewer where the other side ends."""
    read = b""
    while len(read) < size:
        channel.settimeout(max(0.001, deadline - time.monotonic()))
        part = channel.recv(size - len(read))
        if not part:
            break
        read += part
    return read
