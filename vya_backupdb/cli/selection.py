"""The options that say which backup is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from vya_backupdb.catalog.store import Store
from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext
from vya_backupdb.operations.choose import Chosen, Selection, choose, choose_file, parse_moment

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def moment(context: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    """Read a time."""
    try:
        return parse_moment(value) if value else None
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a time: write it as '2026-11-23 05:00'", ctx=context, param=option
        ) from None


def named(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty name: an unset variable of a script must not mean the recorded database."""
    if value == "":
        raise click.BadParameter("the name is empty", ctx=context, param=option)
    return value


def all_named(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an empty name among several."""
    for value in values:
        named(context, option, value)
    return values


def selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which backup is meant; the command gets them as `selection`.

    The newest one of an instance's database is meant where neither a time nor a file is given. A command
    that has `--all` too (`everything`) gets a selection with at most an instance and a host for it.
    """
    return _selecting(function, time_with_all=False)


def newest_selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the same options where `--all` means the newest of each database: a time may go with it."""
    return _selecting(function, time_with_all=True)


def _selecting(function: Callable[..., Any], *, time_with_all: bool) -> Callable[..., Any]:

    @wraps(function)
    def selecting(
        *,
        instance: str | None,
        database: str | None,
        latest: bool,
        at: datetime | None,
        file: Path | None,
        host: str | None,
        **options: Any,
    ) -> Any:
        _check_one_is_said(latest, at, file)
        if options.get("everything"):
            if database or file or ((latest or at) and not time_with_all):
                raise click.UsageError("--all goes with --instance ID and --host NAME alone")
        elif file is None and not (instance and database):
            raise click.UsageError("say which backup: --instance ID --database NAME, or --file F")
        if file is not None and (instance or database or host):
            raise click.UsageError("--file stands alone")
        return function(selection=Selection(instance, database, at, file, host), **options)

    return _with_options(selecting, _OPTIONS)


def users_selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which backup of users is meant; the command gets them as `selection`."""

    @wraps(function)
    def selecting(
        *,
        instance: str | None,
        latest: bool,
        at: datetime | None,
        file: Path | None,
        host: str | None,
        **options: Any,
    ) -> Any:
        _check_one_is_said(latest, at, file)
        if (file is None) == (instance is None):
            raise click.UsageError("say which backup: --instance ID, or --file F")
        if file is not None and host:
            raise click.UsageError("--file stands alone")
        return function(selection=Selection(instance, None, at, file, host, users=True), **options)

    return _with_options(selecting, (_OPTIONS[0], *_OPTIONS[2:]))


def _check_one_is_said(latest: bool, at: datetime | None, file: Path | None) -> None:
    if (latest, at is not None, file is not None).count(True) > 1:
        raise click.UsageError("--latest, --datetime T and --file F exclude each other")


def _with_options(function: Callable[..., Any], options: Sequence[_Decorator]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


_OPTIONS = (
    click.option("--instance", type=INSTANCE, help="Instance that was backed up."),
    click.option("--database", callback=named, metavar="NAME", help="Database that was backed up."),
    click.option("--latest", is_flag=True, help="Its newest backup: what is taken unless it is said."),
    click.option(
        "--datetime", "at", callback=moment, metavar="T", help="Its newest backup at or before a time."
    ),
    click.option(
        "--file", type=click.Path(path_type=Path), metavar="F", help="A backup file, or a plain dump."
    ),
    click.option(
        "--host",
        callback=named,
        metavar="NAME",
        help="The machine that made the backup, as its folder is named.",
    ),
)


def find(context: CliContext, selection: Selection) -> Chosen:
    """Find the one backup that is meant; a file needs no configuration."""
    if selection.file is not None:
        return choose_file(selection.file)
    storage = context.config().storage
    return choose(Store(storage.path, storage.hostname), selection)
