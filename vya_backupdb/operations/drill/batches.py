"""Which backups a drill takes, and which of them are restored into one server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.catalog.store import Store
from vya_backupdb.config.models import Config, Instance
from vya_backupdb.errors import Refused, ScratchError, VyaBackupDBError
from vya_backupdb.model import ServerFacts
from vya_backupdb.operations.choose import Chosen, Selection, choose
from vya_backupdb.operations.restore_all import AllOutcome, choose_each
from vya_backupdb.operations.verify_all import instance_folder
from vya_backupdb.scratch import Binaries, fitting
from vya_backupdb.scratch.images import image_of

ALL: Final = "(all)"
"""Stands for all databases of an instance whose backups cannot be told."""

EngineKind = Literal["local", "docker"]


@dataclass(frozen=True)
class DrillRequest:
    """Which backups are drilled, and where."""

    selection: Selection
    """Of one backup; with `everything` of an instance, or of none: all that are configured."""
    everything: bool = False
    """The newest backup of each database."""
    engine: EngineKind = "local"
    image: str | None = None
    """Of Docker; None: the official one of the version that was backed up."""
    users: bool = False
    """The newest backup of the instance's users comes first."""
    keep: bool = False
    """The servers live on."""


@dataclass
class Batch:
    """Databases of one instance that are restored into one server."""

    instance: str
    configured: Instance | None
    """None: the configuration does not have it any more."""
    folder: Path | None
    """Of the instance in the store; None: the backup lies outside of one."""
    server: Binaries | str | None = None
    """What runs: programs of this machine, or an image; None: there is nothing that fits."""
    chosen: dict[str, Chosen] = field(default_factory=dict)
    """By database; without a server those that are in `failed`, as far as they are known."""
    users: Chosen | None = None
    failed: dict[str, VyaBackupDBError] = field(default_factory=dict)
    """Databases that cannot be drilled, and why."""
    notices: tuple[str, ...] = ()

    @property
    def record(self) -> BackupRecord:
        """The record of one of its backups: all are of the same kind of server."""
        record = next(iter(self.chosen.values())).record
        assert record is not None  # noqa: S101  # `_checked` refuses plain dumps
        return record


def batches(config: Config, request: DrillRequest) -> Iterator[Batch]:
    """Choose the backups. Raises Refused where there is none, or nothing tells of which server it is."""
    store = Store(config.storage.path, config.storage.hostname)
    selection = request.selection
    if not request.everything:
        yield from _of_one(config, store, request)
        return
    names = [selection.instance] if selection.instance else [each.id for each in config.instances]
    found = [
        batch
        for name in names
        for batch in _each(config, store, request, name, is_alone=selection.instance is not None)
    ]
    if not found:
        raise Refused(f"{store.root}: no backup of a database", cure="see what there is: restore list")
    yield from found


def _each(config: Config, store: Store, request: DrillRequest, name: str, *, is_alone: bool) -> list[Batch]:
    """Choose those of an instance; among several, one whose backups cannot be told does not stop the rest."""
    try:
        return list(_of_instance(config, store, request, replace(request.selection, instance=name)))
    except VyaBackupDBError as error:
        if is_alone:
            raise
        return [Batch(name, _configured(config, name), None, failed={ALL: error})]


def _of_one(config: Config, store: Store, request: DrillRequest) -> Iterator[Batch]:
    chosen = choose(store, request.selection)
    record = _checked(chosen)
    folder = None if request.selection.file else instance_folder(chosen.path)
    base = Batch(record.instance, _configured(config, record.instance), folder)
    base.users = _users(store, request, record.instance)
    yield from _grouped(base, {record.database: chosen}, request)


def _of_instance(
    config: Config, store: Store, request: DrillRequest, selection: Selection
) -> Iterator[Batch]:
    name = selection.instance or ""
    result = AllOutcome(name)
    chosen = choose_each(store, selection, result)
    if not result.databases and not result.too_new:
        return
    base = Batch(name, _configured(config, name), store.instance_folder(name, selection.host))
    for one in chosen.values():
        base.folder = instance_folder(one.path)
    base.failed = {one.database: one.error for one in result.databases if one.error is not None}
    base.notices = (
        *(f"{each}: not drilled: it had no backup yet at that time" for each in result.too_new),
        *_idle_checks(base, {one.database for one in result.databases}),
    )
    base.users = _users(store, request, name)
    yield from _grouped(base, chosen, request)


def _idle_checks(batch: Batch, databases: Collection[str]) -> Iterator[str]:
    for name in batch.configured.checks if batch.configured else ():
        if name not in databases:
            yield f"{name}: has checks in the configuration, and no backup: they were not asked"


def _checked(chosen: Chosen) -> BackupRecord:
    record = chosen.record
    if record is None:
        raise Refused(
            f"{chosen.path}: its metadata is missing, and with it what server it is of",
            cure="put the .json file of the backup beside it; a plain dump is proved by restoring it",
        )
    if record.content == "users":
        raise Refused(
            f"{chosen.path}: a backup of users and roles, not of a database",
            cure="drill a database of the instance with --users",
        )
    return record


def _configured(config: Config, name: str) -> Instance | None:
    return next((instance for instance in config.instances if instance.id == name), None)


def _users(store: Store, request: DrillRequest, instance: str) -> Chosen | None:
    """Give the backup of users that goes with it. Raises Refused where there is none."""
    if not request.users:
        return None
    selection = request.selection
    return choose(store, Selection(instance, at=selection.at, host=selection.host, users=True))


def _grouped(base: Batch, chosen: Mapping[str, Chosen], request: DrillRequest) -> Iterator[Batch]:
    """Part the databases by the server that each needs: an instance may have been upgraded in between."""
    groups: dict[Binaries | str, dict[str, Chosen]] = {}
    failed = dict(base.failed)
    for name, each in chosen.items():
        try:
            record = _checked(each)
            server = _server(request, record.server)
        except (Refused, ScratchError) as error:
            failed[name] = error
            continue
        groups.setdefault(server, {})[name] = each
    for server, members in groups.items():
        yield replace(base, server=server, chosen=members, failed={}, notices=())
    if failed or base.notices:
        known = {name: each for name, each in chosen.items() if name in failed}
        yield replace(base, chosen=known, failed=failed, users=None)


def _server(request: DrillRequest, recorded: ServerFacts) -> Binaries | str:
    if request.engine == "local":
        return fitting(recorded.flavour, recorded.version_number)
    return request.image or image_of(recorded.flavour, recorded.version_number)
