"""A sink that hashes and counts what goes through it."""

from __future__ import annotations

import errno
import hashlib
from typing import Protocol


class Sink(Protocol):
    """Where bytes are written; as with raw files, a write may take only the first of them."""

    def write(self, data: memoryview, /) -> int:
        """Take bytes, and say how many were taken."""
        ...


class HashedSink:
    """Writes whole blocks into a sink; the hash is of the bytes as they were written."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Write all of `data`. Raises what the sink raises (OSError)."""
        rest = memoryview(data)
        while rest:
            taken = self._sink.write(rest)
            if not taken:
                raise BlockingIOError(errno.EAGAIN, "the sink takes nothing")
            rest = rest[taken:]
        self._hash.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """The digest of all that was written, in hexadecimal."""
        return self._hash.hexdigest()
