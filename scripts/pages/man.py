"""man/*.1: every command as a man page, in the macros of man(7) that man-db and mandoc know alike."""

from __future__ import annotations

import re

from scripts.pages import errors
from scripts.pages.tree import Command, commands

_FILES = {
    "~/.config/vya-backupdb/config.yaml": "The configuration, of a user.",
    "/etc/vya-backupdb/config.yaml": "The configuration, where there is no such file.",
    "/var/backups/vya-backupdb": "The store, where the configuration names no other.",
}


def pages() -> dict[str, str]:
    """Give the text of each page by its name in the repository."""
    everything = list(commands().all())
    return {f"man/{_name(each)}.1": _page(each, everything) for each in everything}


def _name(command: Command) -> str:
    return command.path.replace(" ", "-")


def _page(command: Command, everything: list[Command]) -> str:
    name = _name(command)
    parts = [
        '.\\" Made from the code by `make docs`.',
        f'.TH {name.upper()} 1 "" vya-backupdb "User Commands"',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(command.summary.rstrip('.'))}",
        ".SH SYNOPSIS",
        *_synopsis(command),
        ".SH DESCRIPTION",
        *_description(command),
        ".SH OPTIONS",
    ]
    for option in command.options:
        parts += [".TP", _option_names(option.names), _text(option.meaning)]
        parts += [f"From the environment: \\fB\\%{option.variable}\\fR."] if option.variable else []
    if examples := list(command.examples()):
        parts += [".SH EXAMPLES", ".EX", *map(_line, examples), ".EE"]
    if command.commands:
        parts.append(".SH COMMANDS")
        for each in command.commands:
            parts += [".TP", f"\\fB{escaped(each.path)}\\fR", _text(each.summary)]
    if command is everything[0]:
        parts += [".SH FILES"]
        for path, meaning in _FILES.items():
            parts += [".TP", f"\\fI{escaped(path)}\\fR", _text(meaning)]
        parts.append(".SH EXIT STATUS")
        for code, meaning in errors.meanings().items():
            parts += [".TP", f"\\fB{code}\\fR", _text(meaning)]
    parts += [".SH SEE ALSO", _references(command, everything)]
    return "\n".join(parts) + "\n"


def _synopsis(command: Command) -> list[str]:
    arguments = command.usage.removeprefix(command.path).strip()
    return [f"\\fB{escaped(command.path)}\\fR {escaped(arguments)}"]


def _description(command: Command) -> list[str]:
    parts: list[str] = []
    for paragraph in command.help:
        if not paragraph.verbatim:
            parts += [".PP", _text(paragraph.text)] if parts else [_text(paragraph.text)]
    return parts


def _option_names(names: str) -> str:
    """Set the names of an option in bold, and what it takes as it is."""
    parts = re.split(r"(?<![\w-])(-{1,2}[a-z][a-z-]*)", names)
    return "".join(
        f"\\fB{escaped(part)}\\fR" if number % 2 else escaped(part) for number, part in enumerate(parts)
    )


def _references(command: Command, everything: list[Command]) -> str:
    """Name the pages above (the topmost has the exit statuses) and those below."""
    others = [each for each in everything if command.path.startswith(f"{each.path} ")]
    others += command.commands
    return ",\n".join(f".BR {escaped(_name(each))} (1)" for each in others)


def _text(text: str) -> str:
    """Give a running text; what stands between ` ` is bold."""
    return _line(re.sub(r" +", " ", text), bold=True)


def _line(text: str, *, bold: bool = False) -> str:
    shown = escaped(text)
    if bold:
        shown = re.sub(r"\\\(ga(.+?)\\\(ga", r"\\fB\1\\fR", shown)
    return f"\\&{shown}" if shown[:1] in (".", "'") else shown


def escaped(text: str) -> str:
    """Escape what roff would take for an instruction or print as another character."""
    special = {"\\": "\\e", "-": "\\-", "`": "\\(ga", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
    return "".join(special.get(character, character) for character in text)
