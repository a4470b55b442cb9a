"""docs/commands.md: every command with its help, options and variables."""

from __future__ import annotations

from scripts.pages import errors
from scripts.pages.tree import Command, commands

_HEAD = """\
# The commands

<!-- Made from the code by `make docs`. -->

`vya-backupdb COMMAND --help` says the same of a command, and so do the man pages (`man vya-backupdb-backup`).

What `--format json` writes has a JSON Schema for each command in [schemas](schemas). `schema_version` changes
where a key goes or means something else, not where one is added.

The variable of an option is taken where the option is not given. It holds several words for an option that
may be repeated, `1` for one that takes no value.
"""


def page() -> str:
    everything = list(commands().all())
    contents = "".join(
        f"- [`{each.path}`](#{each.path.replace(' ', '-')}): {each.summary}\n" for each in everything
    )
    sections = "".join(map(_section, everything))
    statuses = f"\n## Exit status\n\n{errors.table()}\nTheir causes and cures: [errors.md](errors.md).\n"
    return f"{_HEAD}\n{contents}{sections}{statuses}"


def _section(command: Command) -> str:
    text = f"\n## {command.path}\n\n```\n{command.usage}\n```\n"
    for paragraph in command.help:
        text += f"\n```sh\n{paragraph.text}\n```\n" if paragraph.verbatim else f"\n{paragraph.text}\n"
    text += "\n| option | meaning | variable |\n|---|---|---|\n"
    for option in command.options:
        names, meaning = option.names.replace("|", r"\|"), option.meaning.replace("|", r"\|")
        text += f"| `{names}` | {meaning} | {f'`{option.variable}`' if option.variable else ''} |\n"
    return text
