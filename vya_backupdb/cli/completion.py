"""What shells complete: commands and options by click, ids of instances from the configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from vya_backupdb.errors import ConfigurationError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _ParamType = click.ParamType[str]
else:
    _ParamType = click.ParamType  # before click 8.2 it is not generic

VARIABLE = "_VYA_BACKUPDB_COMPLETE"
"""Set by the completions in etc/completions: what is wanted, as `bash_complete`."""


def completed(cli: click.Command, program: str, state: object) -> int | None:
    """Answer a shell that asks for completions, and give the exit status; None: none asks."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return None
    from click.shell_completion import shell_complete

    return shell_complete(cli, {"obj": state}, program, VARIABLE, wanted)


class InstanceId(_ParamType):
    """The id of an instance; whether there is such a one is for the configuration to say."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse an empty one: an unset variable of a script must not mean all of them."""
        if value == "":
            self.fail("the name is empty", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Give the ids that begin so; none where the configuration cannot be read: nobody asked for it."""
        from click.shell_completion import CompletionItem

        from vya_backupdb.config.load import find_config, ids_in

        try:
            ids = ids_in(find_config(ctx.find_root().params.get("config_file")))
        except ConfigurationError:
            return []
        return [CompletionItem(name) for name in ids if name.startswith(incomplete)]


INSTANCE = InstanceId()
