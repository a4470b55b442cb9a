"""The throw-away server of a drill, as an instance that something is restored into."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from vya_backupdb.catalog.journal import Journal
from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.model import Flavour
from vya_backupdb.operations.drill.batches import Batch
from vya_backupdb.operations.opened import OpenInstance
from vya_backupdb.scratch import Binaries, Kept, private_folder, start
from vya_backupdb.scratch.flavour import Settings

SERVER: Final = "throw-away"
"""What messages call the server."""

_MYSQL: Final[Settings] = {
    "event-scheduler": "OFF",
    "max-allowed-packet": 1 << 30,
    "innodb-buffer-pool-size": "256M",
    "log-bin-trust-function-creators": 1,
}
_SETTINGS: Final[dict[Flavour, Settings]] = {
    "mysql": {**_MYSQL, "innodb-redo-log-capacity": "512M", "disable-log-bin": 1},
    "mariadb": {**_MYSQL, "innodb-log-file-size": "128M"},
    "postgresql": {
        "shared_buffers": "256MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "autovacuum": "off",
    },
}
"""Events do not run, all that a dump can hold is taken, and a load is not held up by small memory."""


@dataclass(frozen=True)
class DrillServer:
    """A throw-away server that restores go into."""

    place: OpenInstance
    flavour: Flavour
    version: str
    version_number: tuple[int, ...]
    start_seconds: float
    keep: Callable[[], Kept]

    def __str__(self) -> str:
        return f"{self.flavour} {self.version}"


@contextmanager
def opened_server(batch: Batch, binaries: Binaries) -> Iterator[DrillServer]:
    """Start what the batch needs, and connect to it; all of it is gone when the block ends, unless kept.

    Raises ScratchError, ConnectionFailed.
    """
    began = time.monotonic()
    flavour = batch.record.server.flavour
    with private_folder() as folder, start(binaries, settings=_SETTINGS[flavour]) as server:
        instance = Instance(
            id=SERVER,
            engine=batch.record.server.engine,
            socket=server.socket,
            port=server.port if batch.record.server.engine == "postgresql" else None,
            **({"jobs": batch.configured.jobs} if batch.configured else {}),
        )
        credential = Credential(server.superuser, SecretStr(server.password))
        engine = engine_named(instance.engine)
        with engine.connect(instance, credential) as connector:
            facts = connector.facts
            # keeps=False: what it says is of no use to a later run
            place = OpenInstance(connector, engine, instance, folder, Journal(folder, SERVER, keeps=False))
            seconds = time.monotonic() - began
            yield DrillServer(place, flavour, facts.version, facts.version_number, seconds, server.keep)
