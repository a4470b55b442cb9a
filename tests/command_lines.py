"""Command lines, held to what the program understands; nothing is executed."""

from __future__ import annotations

import re
import shlex

import click

from vya_backupdb.cli.main import PROGRAM, cli


def understand(line: str, *, named: bool = False) -> None:
    """Parse a line of a shell as the program would its part of it; raises click.UsageError.

    `named`: a command may stand there without what it needs, as where a text speaks of it.
    """
    ours = next(part for part in re.split(r" [|>] ", line) if part.startswith(f"{PROGRAM} "))
    words = shlex.split(ours, comments=True)[1:]
    command: click.Command = cli
    context: click.Context | None = None
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        _, words, _ = command.make_parser(context).parse_args(words)
        if not words:  # a group that runs by itself
            assert named or command.invoke_without_command
            return
        if named and words[0] == "COMMAND":
            return
        title, found, words = command.resolve_command(context, words)
        assert title is not None
        assert found is not None
        command = found
        name = title
    try:
        command.make_context(name, words, parent=context)
    except click.MissingParameter:
        if not named:
            raise
