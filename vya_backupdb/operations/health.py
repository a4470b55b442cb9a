"""What of the backups needs somebody, and how soon: the judgement of a monitoring plugin."""

from __future__ import annotations

import shlex
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from vya_backupdb.catalog.naming import USERS
from vya_backupdb.catalog.store import Store
from vya_backupdb.config.models import Config
from vya_backupdb.config.quantities import format_duration
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.errors import CredentialsError, StorageError
from vya_backupdb.operations.status import EVERYTHING, DatabaseStatus, status


class Level(IntEnum):
    """As exit statuses of monitoring plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True)
class Problem:
    """Something that needs somebody: what, where, what to do."""

    level: Level
    what: str
    instance: str | None = None
    database: str | None = None
    cure: str | None = None


@dataclass(frozen=True)
class Health:
    """The state of everything at one moment."""

    now: datetime
    databases: tuple[DatabaseStatus, ...]
    problems: tuple[Problem, ...]
    """The gravest first."""
    free_bytes: int | None
    """Of the store; None: it is not there."""

    @property
    def level(self) -> Level:
        """The gravest of all."""
        return max((problem.level for problem in self.problems), default=Level.OK)


def health(
    config: Config,
    open_vault: Callable[[], Vault],
    *,
    max_age: timedelta | None = None,
    now: datetime | None = None,
) -> Health:
    """Look at every database of the configuration, the store and the credentials; asks no server.

    `max_age` stands in for that of the instances. Raises StorageError where the store cannot be read.
    """
    moment = now or datetime.now(UTC)
    databases = tuple(one for one in status(config, now=moment) if _is_wanted(config, one))
    free = _free_bytes(config)
    problems = [*_of_store(config, free), *_of_credentials(config, open_vault)]
    if free is not None:  # else nothing can be said of any database
        problems += [problem for one in databases for problem in problems_of(config, one, max_age)]
    problems.sort(key=lambda problem: -problem.level)
    return Health(moment, databases, tuple(problems), free)


def _is_wanted(config: Config, one: DatabaseStatus) -> bool:
    """Leave out what the configuration does not take any more: no new backups of it will come."""
    is_taken = one.database == USERS or config.instance(one.instance).databases.take(one.database)
    return is_taken or one.last is None


def problems_of(config: Config, one: DatabaseStatus, max_age: timedelta | None = None) -> list[Problem]:
    """Give what is wrong with a database; nothing where no new backups of it will come."""
    return [*_of_database(config, one, max_age)] if _is_wanted(config, one) else []


def _of_database(config: Config, one: DatabaseStatus, max_age: timedelta | None) -> Iterator[Problem]:
    def problem(level: Level, what: str, cure: str) -> Problem:
        return Problem(level, what, one.instance, one.database, cure)

    limit = max_age or config.instance(one.instance).max_age
    again = _command("backup", one)
    failed = f"; the last attempt failed: {one.failed}" if one.failed else ""
    if one.last is None or one.age is None:
        there = f" among the {one.backups:,} in the store" if one.backups else ""
        mend = "mend that, then " if one.failed else ""
        yield problem(Level.CRITICAL, f"has no good backup{there}{failed}", f"{mend}{again}")
    elif one.age > limit:
        what = f"the last good backup is {_whole(one.age)} old, more than {format_duration(limit)} (max_age)"
        if one.failed:
            yield problem(Level.CRITICAL, f"{what}{failed}", f"mend that, then {again}")
        else:
            tried = f"{one.attempt.at:%Y-%m-%d %H:%M} UTC" if one.attempt else "not known"
            yield problem(
                Level.CRITICAL,
                f"{what}; the last attempt: {tried}",
                f"see whether its timer runs, or {again}; if it was dropped, exclude it or remove its folder "
                "in the store",
            )
    elif one.failed:
        yield problem(
            Level.WARNING,
            f"the last attempt failed: {one.failed}; the last good backup is {_whole(one.age)} old",
            f"mend that, then {again}",
        )
    for what in one.damaged:
        yield problem(
            Level.CRITICAL,
            f"a newer backup than the last good one is damaged: {what}"
            if one.last
            else f"a backup is damaged: {what}",
            f"look at what the store lies on, then {again}",
        )
    yield from _of_size(config, one, problem)
    yield from _of_proof(config, one, problem)
    if one.drill is not None and one.drill.error is not None:
        yield problem(
            Level.WARNING,
            f"the last drill failed ({one.drill.at:%Y-%m-%d}): {one.drill.error}",
            f"mend that, then {_command('drill', one)}",
        )


def _command(name: str, one: DatabaseStatus) -> str:
    """Write the command for a database, its users or, where none is known, for all of an instance."""
    instance = f"--instance {one.instance}"
    if one.database == USERS and name == "backup":
        return f"vya-backupdb users backup {instance}"
    if one.database == EVERYTHING:
        return f"vya-backupdb {name} {instance} --all"
    return f"vya-backupdb {name} {instance} --database {shlex.quote(one.database)}"


_Make = Callable[[Level, str, str], Problem]


def _of_size(config: Config, one: DatabaseStatus, problem: _Make) -> Iterator[Problem]:
    """Name a file that is suddenly small or large: a dump can be empty without any error."""
    change = config.health.size_change.percent if config.health.size_change else None
    if one.trend is None or one.last is None or one.usual_bytes is None or change is None:
        return
    if abs(one.trend - 1) * 100 > change:
        yield problem(
            Level.WARNING,
            f"the last file has {one.last.file.bytes:,} bytes, usual are {one.usual_bytes:,.0f} "
            f"({one.trend - 1:+.0%})",
            f"see whether that is right: {_command('show', one)}",
        )


def _of_proof(config: Config, one: DatabaseStatus, problem: _Make) -> Iterator[Problem]:
    limit = config.health.unverified_for
    since = one.last_proved or one.first
    if limit is None or since is None or one.now - since <= limit:
        return
    age = f"{_whole(one.now - since)} ago, more than {format_duration(limit)} (unverified_for)"
    yield problem(
        Level.WARNING,
        f"the last proof of a backup was {age}"
        if one.last_proved
        else f"no backup was ever verified, and the first is from {age}",
        f"{_command('verify', one)}; for all by and by, from a timer: vya-backupdb verify --all --for 30m",
    )


def _of_store(config: Config, free: int | None) -> Iterator[Problem]:
    root = config.storage.path
    if free is None:
        yield Problem(Level.CRITICAL, f"{root}: the store is not there", cure="mount it, or make the folder")
        return
    reserve = config.storage.reserve()
    if free < reserve:
        yield Problem(
            Level.CRITICAL,
            f"{root}: {free:,} bytes free, but storage.min_free are {reserve:,}: backups are refused",
            cure="free space: vya-backupdb prune"
            if config.retention
            else "free space; with a `retention` in the configuration, vya-backupdb prune does",
        )
    store = Store(root, config.storage.hostname)
    for instance in config.instances:
        folder = store.instance_folder(instance.id)
        if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
            yield Problem(
                Level.WARNING,
                f"{folder}: others than its owner may enter it",
                instance.id,
                cure=f"chmod 700 {folder}",
            )


def _of_credentials(config: Config, open_vault: Callable[[], Vault]) -> Iterator[Problem]:
    try:
        vault = open_vault()
        for instance in config.instances:
            vault.credential(instance.id)
    except CredentialsError as error:
        yield Problem(Level.CRITICAL, error.what, cure=error.cure)


def _free_bytes(config: Config) -> int | None:
    try:
        return shutil.disk_usage(config.storage.path).free
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{config.storage.path}: {error.strerror or error}") from error


def _whole(age: timedelta) -> str:
    """Give an age in whole minutes."""
    return format_duration(timedelta(minutes=max(1, int(age.total_seconds()) // 60)))
