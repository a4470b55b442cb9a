"""What a PostgreSQL server answers before anybody logs in: whether it does TLS, not its version."""

from __future__ import annotations

import socket
import struct
from typing import Final

from vya_backupdb.engines.account import Greeting

_SSL_REQUEST: Final = struct.pack(">II", 8, 80877103)
"""The manual: "Message Formats", SSLRequest."""
_ANSWERS: Final = {b"S": True, b"N": False}


def greeting(channel: socket.socket, patience: float) -> Greeting | None:
    """Ask what answers, for so many seconds at most; None: no PostgreSQL. Raises OSError."""
    channel.settimeout(patience)
    channel.sendall(_SSL_REQUEST)
    answer = channel.recv(1)
    return Greeting("postgresql", offers_tls=_ANSWERS[answer]) if answer in _ANSWERS else None
