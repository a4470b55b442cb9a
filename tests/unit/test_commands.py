"""What `--help`, docs/commands.md, the man pages and the README tell of the commands."""

from __future__ import annotations

import re
import shutil
import subprocess

import click
import pytest

from scripts.pages import ROOT
from scripts.pages.tree import Command, commands
from tests.command_lines import understand
from vya_backupdb.cli.main import PROGRAM, cli

EVERY = list(commands().all())


def name(command: Command) -> str:
    return command.path


@pytest.mark.parametrize("command", [each for each in EVERY if each.runs], ids=name)
def test_the_help_of_a_command_has_an_example_of_it(command: Command) -> None:
    groups = [each.path for each in command.commands]
    assert [
        line
        for line in command.examples()
        if re.search(rf"\b{command.path.removeprefix(PROGRAM).strip()}\b", line)
        and not any(line.startswith(group) for group in groups)
    ]


@pytest.mark.parametrize("line", [line for command in EVERY for line in command.examples()])
def test_an_example_is_understood(line: str) -> None:
    understand(line)


@pytest.mark.parametrize("command", EVERY, ids=name)
def test_every_option_has_a_help_and_is_named_after_its_variable(command: Command) -> None:
    for option in command.options:
        assert option.meaning
        if option.variable is not None:
            own = option.variable.removeprefix(command.path.upper().replace(" ", "_").replace("-", "_") + "_")
            assert f"--{own.lower().replace('_', '-')}" in option.names


def test_only_help_and_version_do_not_come_from_the_environment() -> None:
    without = {option.names for command in EVERY for option in command.options if option.variable is None}
    assert without == {"-h, --help", "--version"}


@pytest.mark.parametrize("command", [each for each in EVERY if each.runs], ids=name)
def test_the_readme_names_every_command(command: Command) -> None:
    words = command.path.removeprefix(PROGRAM).strip()
    assert re.search(rf"\b{words}\b", (ROOT / "README.md").read_text())


def test_the_variable_of_an_option_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VYA_BACKUPDB_BACKUP_ALL", "1")
    monkeypatch.setenv("VYA_BACKUPDB_BACKUP_INSTANCE", "one two")
    backup = cli.get_command(click.Context(cli), "backup")
    assert backup is not None
    given = backup.make_context("backup", [], parent=click.Context(cli)).params
    assert (given["everything"], given["instances"]) == (True, ("one", "two"))


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not here")
def test_the_man_pages_are_what_roff_understands() -> None:
    pages = sorted(str(page) for page in (ROOT / "man").iterdir())
    for page in pages:
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", page], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
