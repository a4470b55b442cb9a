"""The throw-away server of a drill, as an instance that something is restored into."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from vya_backupdb.catalog.journal import Journal
from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import ScratchError, StorageError
from vya_backupdb.model import Flavour, ServerFacts
from vya_backupdb.operations.drill.batches import Batch
from vya_backupdb.operations.opened import OpenInstance
from vya_backupdb.scratch import Binaries, Kept, ScratchServer, private_folder, start
from vya_backupdb.scratch.docker import ContainerServer, start_image
from vya_backupdb.scratch.flavour import Settings
from vya_backupdb.scratch.folder import base_folder
from vya_backupdb.scratch.versions import series

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
def opened_server(batch: Batch, server: Binaries | str) -> Iterator[DrillServer]:
    """Start what the batch needs, and connect to it; all of it is gone when the block ends, unless kept.

    Raises ScratchError, StorageError, ConnectionFailed.
    """
    began = time.monotonic()
    recorded = batch.record.server
    if isinstance(server, Binaries):
        check_room(base_folder(), batch)
    with private_folder() as folder, _started(server, recorded.flavour) as running:
        instance = Instance(
            id=SERVER,
            engine=recorded.engine,
            socket=running.socket,
            port=running.port if recorded.engine == "postgresql" else None,
            **({"jobs": batch.configured.jobs} if batch.configured else {}),
        )
        credential = Credential(running.superuser, SecretStr(running.password))
        engine = engine_named(instance.engine)
        with engine.connect(instance, credential) as connector:
            facts = connector.facts
            _check_fits(str(server), facts, recorded)
            # keeps=False: what it says is of no use to a later run
            place = OpenInstance(connector, engine, instance, folder, Journal(folder, SERVER, keeps=False))
            seconds = time.monotonic() - began
            yield DrillServer(
                place, facts.flavour, facts.version, facts.version_number, seconds, running.keep
            )


@contextmanager
def _started(server: Binaries | str, flavour: Flavour) -> Iterator[ScratchServer | ContainerServer]:
    settings = _SETTINGS[flavour]
    if isinstance(server, Binaries):
        with start(server, settings=settings) as local:
            yield local
    else:
        with start_image(flavour, server, settings=settings) as container:
            yield container


def _check_fits(name: str, facts: ServerFacts, recorded: ServerFacts) -> None:
    """Raise ScratchError for an image of another flavour, or of an older version than was backed up."""
    own = series(facts.flavour, facts.version_number)
    if facts.flavour != recorded.flavour or own < series(recorded.flavour, recorded.version_number):
        raise ScratchError(
            f"{name}: is {facts.flavour} {facts.version}, and the backup is of {recorded.flavour} "
            f"{recorded.version}",
            cure="name an image of that flavour and version, or of a newer one: --image",
        )


def check_room(folder: Path, batch: Batch) -> None:
    """Raise StorageError where less is free than the scripts hold: a server on a full disk may only wait."""
    scripts = sum(chosen.record.file.raw_bytes for chosen in batch.chosen.values() if chosen.record)
    free = shutil.disk_usage(folder).free
    if free < scripts:
        raise StorageError(
            f"{folder}: {free:,} bytes free, and the backups hold {scripts:,} bytes of SQL",
            cure="name a folder with more room (TMPDIR), or drill fewer databases at a time",
        )
