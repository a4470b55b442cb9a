"""Every option of a command can come from the environment."""

from __future__ import annotations

import click

PREFIX = "VYA_BACKUPDB"


def name_variables(command: click.Command, prefix: str = PREFIX) -> None:
    """Name the variable of each option after the option, as in VYA_BACKUPDB_BACKUP_ALL; also of its commands.

    click's `auto_envvar_prefix` would take the name that the value has in the code.
    """
    for option in command.params:
        if isinstance(option, click.Option) and option.allow_from_autoenv and option.envvar is None:
            option.envvar = f"{prefix}_{_upper(max(option.opts, key=len))}"
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            name_variables(inner, f"{prefix}_{_upper(name)}")


def _upper(name: str) -> str:
    return name.lstrip("-").replace("-", "_").upper()
