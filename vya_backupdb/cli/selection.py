"""The options that say which backup is meant."""

from __future__ import annotations

from datetime import datetime

import click

from vya_backupdb.operations.choose import parse_moment


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
