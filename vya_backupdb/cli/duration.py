"""Durations among the options."""

from __future__ import annotations

from datetime import timedelta

import click

from vya_backupdb.config.quantities import parse_duration


def duration(context: click.Context, option: click.Parameter, value: str | None) -> timedelta | None:
    """Read a duration such as `30m`."""
    try:
        return parse_duration(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=context, param=option) from None
