"""The systemd units in etc/systemd, as systemd itself reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from vya_backupdb.cli.main import cli

ETC = Path(__file__).parents[2] / "etc"
UNITS = sorted(path.name for path in (ETC / "systemd").glob("*.*") if path.is_file())
SERVICES = [name for name in UNITS if name.endswith(".service")]
PROGRAM = "/usr/local/bin/vya-backupdb"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine's folders with the units installed as the documentation says."""
    of_systemd = Path("/usr/lib/systemd/system")
    if shutil.which("systemd-analyze") is None or not of_systemd.is_dir():
        pytest.skip("systemd-analyze is not installed")
    made = tmp_path_factory.mktemp("machine")
    shutil.copytree(of_systemd, made / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(ETC / "systemd", made / "etc/systemd/system")
    program = made / PROGRAM[1:]
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    return made


def analyze(root: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["systemd-analyze", f"--root={root}", "--no-pager", "--man=no", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def settings(name: str, of: str) -> list[str]:
    text = (ETC / "systemd" / name).read_text()
    return re.findall(rf"^{of}=(.*)$", text, re.MULTILINE)


def test_systemd_has_nothing_to_say_of_the_units(root: Path) -> None:
    assert analyze(root, "verify", *UNITS) == (0, "")


def test_a_fault_in_a_unit_would_be_said(root: Path) -> None:
    broken = root / "etc/systemd/system/broken.service"
    broken.write_text((ETC / "systemd" / "vya-backupdb-prune.service").read_text() + "NoSuchSetting=1\n")
    assert "NoSuchSetting" in analyze(root, "verify", "broken.service")[1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_shut_in(root: Path, name: str) -> None:
    status, said = analyze(root, "security", "--offline=true", "--threshold=20", name)
    assert status == 0, said


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".timer")])
def test_a_timer_catches_up_and_starts_a_service(name: str) -> None:
    assert settings(name, "Persistent") == ["yes"]
    assert settings(name, "RandomizedDelaySec")
    assert name.replace(".timer", ".service") in SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_a_command_that_there_is(name: str) -> None:
    (line,) = settings(name, "ExecStart")
    program, *words = line.replace("%i", "prod").split()
    assert program == PROGRAM
    command = parsed(words)
    assert command.name in name or command.name == "notify"


def parsed(words: list[str]) -> click.Command:
    """Give the command that these words call. Raises UsageError for an option that it has not."""
    with click.Context(cli) as context:
        command = cli.get_command(context, words[0])
        assert command is not None
        command.make_context(words[0], words[1:], parent=context)
    return command


@pytest.mark.parametrize("name", [name for name in SERVICES if "failed" not in name])
def test_who_is_to_know_of_a_failure_is_told(name: str) -> None:
    assert settings(name, "OnFailure") == ["vya-backupdb-failed@%n.service"]


def sandbox(of: str) -> list[str]:
    return settings("vya-backupdb-.service.d/10-sandbox.conf", of)


def made_for_the_machine() -> Iterator[str]:
    for file in ("sysusers.d", "tmpfiles.d"):
        yield from (ETC / file / "vya-backupdb.conf").read_text().splitlines()


def test_the_user_and_the_folders_of_the_services_are_made() -> None:
    lines = list(made_for_the_machine())
    (user,) = sandbox("User")
    (store,) = sandbox("ReadWritePaths")
    assert any(line.startswith(f"u {user} ") for line in lines)
    assert f"d {store} 0700 {user} {user} -" in lines
