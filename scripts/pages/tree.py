"""The commands as click has them, for the pages that describe them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import click

from vya_backupdb.cli.main import PROGRAM, cli

_WIDE = 1000
"""Columns: pages do not depend on the terminal of who makes them."""


@dataclass(frozen=True)
class Paragraph:
    """Of a help text. `verbatim`: lines that stay as they are, which all are examples."""

    text: str
    verbatim: bool


@dataclass(frozen=True)
class Option:
    """`names`: with what they take, as in `-v, --verbose`. `variable`: where else it may come from."""

    names: str
    meaning: str
    variable: str | None


@dataclass(frozen=True)
class Command:
    """A command; `path` as it is typed."""

    path: str
    usage: str
    summary: str
    help: tuple[Paragraph, ...]
    options: tuple[Option, ...]
    commands: tuple[Command, ...]
    runs: bool
    """Whether it does something itself, and is not just a group of others."""

    def all(self) -> Iterator[Command]:
        """Give it and all in it, in the order of the help."""
        yield self
        for each in self.commands:
            yield from each.all()

    def examples(self) -> Iterator[str]:
        """Give the command lines of the help."""
        for paragraph in self.help:
            if paragraph.verbatim:
                yield from paragraph.text.splitlines()


@cache
def commands() -> Command:
    """Give the whole command."""
    return _command(cli, PROGRAM, None)


def _command(command: click.Command, name: str, parent: click.Context | None) -> Command:
    context = click.Context(command, parent=parent, info_name=name, **command.context_settings)
    context.terminal_width = context.max_content_width = _WIDE
    inner = []
    if isinstance(command, click.Group):
        found = ((each, command.get_command(context, each)) for each in command.list_commands(context))
        inner = [_command(each, title, context) for title, each in found if each is not None]
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return Command(
        path=context.command_path,
        usage=command.get_usage(context).removeprefix("Usage: "),
        summary=paragraphs[0].replace("\n", " "),
        help=tuple(_paragraph(each) for each in paragraphs),
        options=tuple(_options(command, context)),
        commands=tuple(inner),
        runs=not isinstance(command, click.Group) or command.invoke_without_command,
    )


def _paragraph(text: str) -> Paragraph:
    verbatim = text.startswith("\b\n")
    return Paragraph(text.removeprefix("\b\n") if verbatim else " ".join(text.split()), verbatim)


def _options(command: click.Command, context: click.Context) -> Iterator[Option]:
    for option in command.get_params(context):
        if isinstance(option, click.Option) and (record := option.get_help_record(context)) is not None:
            variable = option.envvar if isinstance(option.envvar, str) else None
            yield Option(*record, variable)
