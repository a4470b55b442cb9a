"""Shells complete what is typed. The shells themselves are run, with the files of etc/completions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from scripts.pages import ROOT
from vya_backupdb.cli.completion import VARIABLE
from vya_backupdb.cli.context import CliContext
from vya_backupdb.cli.main import PROGRAM, cli

FOLDER = ROOT / "etc" / "completions"
CONFIG = "instances:\n  - {id: prod-mysql, engine: mysql}\n  - {id: prod-pg}\n  - {id: dev, colour: red}\n"


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not here")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home with a configuration, faulty but for the ids, and the command in its PATH."""
    command = tmp_path / "vya-backupdb"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m vya_backupdb "$@"\n')
    command.chmod(0o755)
    config = tmp_path / ".config" / "vya-backupdb" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG)
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def run(environment: dict[str, str], *argv: str) -> list[str]:
    """Run a shell, which says nothing on stderr, and give the lines of its output."""
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def in_bash(environment: dict[str, str], *words: str) -> list[str]:
    """Give what bash offers for the last word."""
    script = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _vya_backupdb_completion vya-backupdb
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    file = FOLDER / "bash-completion" / "completions" / "vya-backupdb"
    found = run(environment, "bash", "--norc", "-c", script, "bash", str(file), "vya-backupdb", *words)
    return [line for line in found if line]


@needs("bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("re",), ["restore"]),
        (("restore", "li"), ["list"]),
        (("config", "show", "--no"), ["--no-secrets"]),
        (("backup", "--format", ""), ["table", "json"]),
        (("backup", "--instance", "prod"), ["prod-mysql", "prod-pg"]),
        (("restore", "--target-instance", ""), ["prod-mysql", "prod-pg", "dev"]),
        (("credentials", "set", "d"), ["dev"]),
    ],
)
def test_bash_completes(environment: dict[str, str], words: tuple[str, ...], offered: list[str]) -> None:
    assert in_bash(environment, *words) == offered


def offered_here(*words: str) -> list[str]:
    """Give what is offered for the last word, without a shell around it."""
    *before, incomplete = words
    asked = ShellComplete(cli, {"obj": CliContext()}, PROGRAM, VARIABLE)
    return [each.value for each in asked.get_completions(before, incomplete)]


def test_the_named_configuration_is_the_one_whose_ids_are_offered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("instances: [{id: elsewhere}]")
    assert offered_here("--config", str(other), "status", "--instance", "") == ["elsewhere"]
    monkeypatch.setenv("VYA_BACKUPDB_CONFIG", str(other))
    assert offered_here("status", "--instance", "e") == ["elsewhere"]


@pytest.mark.parametrize(
    "text", ["a: [", "instances: 5", "instances: [1, {id: 2}, {id: '* $(ls)'}]", "\x00", "[]", "", None]
)
def test_a_configuration_that_cannot_be_read_offers_nothing_and_says_nothing(
    tmp_path: Path, text: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    assert offered_here("--config", str(path), "status", "--instance", "") == []
    assert capfd.readouterr() == ("", "")


@needs("zsh")
def test_zsh_completes(environment: dict[str, str]) -> None:
    script = """
        autoload -Uz compinit; compinit -u -d "$HOME/dump"
        _describe() { print -l ${(P)${@[-2]}} }
        compadd() { print -l ${(P)${@[-1]}} }
        print $_comps[vya-backupdb]
        words=(vya-backupdb backup --instance prod); CURRENT=4
        _vya-backupdb
    """
    environment["FPATH"] = f"{FOLDER / 'zsh' / 'site-functions'}:{zsh_functions()}"
    assert run(environment, "zsh", "-f", "-c", script) == ["_vya-backupdb", "prod-mysql", "prod-pg"]


def zsh_functions() -> str:
    done = subprocess.run(
        ("zsh", "-f", "-c", "print $FPATH"), env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
    )
    return done.stdout.strip()


@needs("fish")
def test_fish_completes(environment: dict[str, str]) -> None:
    file = FOLDER / "fish" / "vendor_completions.d" / "vya-backupdb.fish"
    script = f"source {file}; complete -C 'vya-backupdb backup --instance prod'"
    assert run(environment, "fish", "--no-config", "-c", script) == ["prod-mysql", "prod-pg"]
