"""Which restore is asked for, and onto what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vya_backupdb.catalog.journal import Journal
from vya_backupdb.config.models import Instance
from vya_backupdb.engines.base import Connector, Engine
from vya_backupdb.errors import Refused
from vya_backupdb.model import NOTHING_COMING, Coming
from vya_backupdb.operations.choose import Chosen, Selection


@dataclass(frozen=True)
class RestoreRequest:
    """What to restore, and onto what."""

    selection: Selection
    target_instance: str | None = None
    """None: the instance that was backed up."""
    target_database: str | None = None
    """None: the database's own name."""
    tables: tuple[str, ...] = ()
    """As a person names them; (): the whole database."""
    drop: bool = False
    """Drop first what is in the way: the database, or the named tables only."""
    no_owner: bool = False
    """Everything belongs to the account that restores."""
    allow_references: bool = False
    """A copy under another name may name the database that was backed up."""
    stop_on_error: bool = False
    """Stop at the first statement that fails after the rows."""
    dry_run: bool = False
    jobs: int | None = None
    """Connections that load rows; None: what the instance's configuration says."""
    coming: Coming = NOTHING_COMING
    """What the same run brings before it is needed."""


@dataclass(frozen=True)
class Target:
    """The database that is restored into, and the way there."""

    connector: Connector
    engine: Engine
    instance: Instance
    database: str
    folder: Path
    """Of the instance, in the store."""
    journal: Journal

    def __str__(self) -> str:
        return f"{self.instance.id}/{self.database}"


def target_instance(named: str | None, selection: Selection, chosen: Chosen) -> str:
    """Give the id of the instance: the named one, else that of the backup. Raises Refused for neither."""
    name = named or selection.instance or (chosen.record and chosen.record.instance)
    if not name:
        raise Refused(f"{chosen.path}: onto which instance is not said", cure="name it: --target-instance ID")
    return name


def target_database(request: RestoreRequest, chosen: Chosen) -> str:
    """Give the name of the database. Raises Refused where nothing tells it."""
    name = request.target_database or (chosen.record and chosen.record.database)
    if not name:
        raise Refused(
            f"{chosen.path}: into which database is not said, and a plain dump does not tell",
            cure="name it: --target-database NAME",
        )
    return name
