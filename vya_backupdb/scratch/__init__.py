"""Throw-away servers made from the binaries on this machine, each with a data folder of its own.

    with start(find_binaries("postgresql")[0]) as server:
        ...

A server listens on a free loopback port and on a socket in its own folder. It ends, and its folder goes,
when the `with` block ends, and also when this process is killed (see `supervisor`).
"""

from __future__ import annotations

from vya_backupdb.scratch.binaries import Binaries, cache_folder, engine_folders, find_binaries
from vya_backupdb.scratch.folder import private_folder
from vya_backupdb.scratch.server import Kept, ScratchServer, start
from vya_backupdb.scratch.versions import fitting

__all__ = [
    "Binaries",
    "Kept",
    "ScratchServer",
    "cache_folder",
    "engine_folders",
    "find_binaries",
    "fitting",
    "private_folder",
    "start",
]
