"""An instance that something is restored into: locked, and connected to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vya_backupdb.catalog.journal import Journal
from vya_backupdb.catalog.store import Store
from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.engines.base import Connector, Engine
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.locks import locked
from vya_backupdb.log import get_logger
from vya_backupdb.operations.request import Target

log = get_logger(__name__)


@dataclass(frozen=True)
class OpenInstance:
    """One instance, and the way there."""

    connector: Connector
    engine: Engine
    instance: Instance
    folder: Path
    """Its own in the store."""
    journal: Journal

    def target(self, database: str) -> Target:
        """Give one of its databases, which need not be there."""
        return Target(self.connector, self.engine, self.instance, database, self.folder, self.journal)


@contextmanager
def opened_instance(
    store: Store, vault: Vault, instance: Instance, *, dry_run: bool
) -> Iterator[OpenInstance]:
    """Lock an instance, but for a dry run, and connect to it.

    Raises LockedError, StorageError, CredentialsError, ConnectionFailed.
    """
    credential = vault.credential(instance.id)
    engine = engine_named(instance.engine)
    with ExitStack() as stack:
        folder = store.instance_folder(instance.id)
        keeps_journal = not store.is_read_only(instance.id)
        if not keeps_journal:
            log.warning(
                "store is read-only",
                store=str(store.root),
                cost="no journal is kept: the next run does not know what this one did, nor is it kept away",
            )
        elif not dry_run:
            folder = store.open_instance(instance.id)
            stack.enter_context(locked(folder, instance.id))
        connector = stack.enter_context(engine.connect(instance, credential))
        journal = Journal(folder, instance.id, keeps=keeps_journal)
        yield OpenInstance(connector, engine, instance, folder, journal)
