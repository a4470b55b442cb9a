"""Restore one database from one backup or plain dump."""

from __future__ import annotations

from collections.abc import Callable

from vya_backupdb.archive.source import open_source
from vya_backupdb.catalog.store import Store
from vya_backupdb.config.models import Config, Instance
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.engines.base import Engine
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import Refused
from vya_backupdb.operations.choose import Chosen, choose
from vya_backupdb.operations.opened import opened_instance
from vya_backupdb.operations.progress import Progress
from vya_backupdb.operations.request import RestoreRequest, target_database, target_instance
from vya_backupdb.operations.restoring import RestoreOutcome, examine


def restore(
    config: Config,
    vault: Vault,
    request: RestoreRequest,
    confirm: Callable[[str], None],
    progress: Progress,
) -> RestoreOutcome:
    """Restore what the request names.

    `confirm` asks the user before something is dropped; it raises Refused for a no. Raises Refused,
    RestoreError, VerificationError, ConnectionFailed; their texts say in which state the target is.
    """
    store = Store(config.storage.path, config.storage.hostname)
    chosen = choose(store, request.selection)
    instance = config.instance(target_instance(request.target_instance, request.selection, chosen))
    database = target_database(request, chosen)
    engine = engine_named(instance.engine)
    refuse_other_content(chosen, engine, instance)
    with (
        open_source(chosen.path, engine.reader) as source,
        opened_instance(store, vault, instance, dry_run=request.dry_run) as place,
    ):
        target = place.target(database)
        restoring = examine(target, source, chosen, request, progress, skip_restored=not request.drop)
        if isinstance(restoring, RestoreOutcome):
            return restoring
        if restoring.prepared.to_drop is not None:
            confirm(restoring.prepared.to_drop)
        restoring.load()
        restoring.follow()
        restoring.grant()
        return restoring.finish()


def refuse_other_content(chosen: Chosen, engine: Engine, instance: Instance) -> None:
    """Raise Refused for a backup that is not one of a database, or of another engine."""
    record = chosen.record
    if record is not None and record.server.engine != engine.name:
        raise Refused(
            f"{chosen.path}: a backup of {record.server.flavour} cannot be restored "
            f"into {instance.id} ({engine.name})",
            cure="name another instance with --target-instance",
        )
    if record is not None and record.content == "users":
        raise Refused(
            f"{chosen.path}: a backup of users and roles, not of a database",
            cure=f"vya-backupdb users restore --all --file {chosen.path}",
        )
