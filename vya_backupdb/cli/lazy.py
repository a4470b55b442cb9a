"""A group whose commands are imported only when they run: `--version` and `--help` stay fast."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import click

from vya_backupdb.cli.environment import PREFIX, name_variables


class LazyGroup(click.Group):
    """A group that knows its commands by name, place (`module:attribute`) and one line of help."""

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at
        name_variables(self)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order that they are listed in."""
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self._commands_at:
            return None
        module, _, attribute = self._commands_at[cmd_name][0].partition(":")
        command = cast("click.Command", getattr(import_module(module), attribute))
        name_variables(command, f"{PREFIX}_{cmd_name.upper()}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands for `--help` without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._commands_at.items()])
