"""The supervisor's part that needs no server: how it ends one, and how it cleans up."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vya_backupdb.scratch import supervisor

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor over a folder, not yet told what to run."""
    folder = tmp_path / "site"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        tell(process, {"folder": str(folder), "parent": process.pid})
        yield process
        process.kill()


def tell(process: subprocess.Popen[str], message: object) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def order(folder: Path, *argv: str, patience: float = 5) -> dict[str, object]:
    return {
        "argv": argv, "environment": {}, "stop_signal": signal.SIGTERM, "death_signal": signal.SIGKILL,
        "patience": patience, "uid": None, "gid": None, "folder": str(folder), "log": str(folder / "log"),
    }  # fmt: skip


def said(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def test_a_process_that_ignores_the_request_to_end_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        supervisor.end(process, signal.SIGTERM, 0.2)
        assert process.returncode == -signal.SIGKILL


def test_a_folder_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "file").touch()
    supervisor.remove(str(folder))
    assert not folder.exists()


def test_the_folder_goes_when_nothing_was_ordered(run: subprocess.Popen[str], tmp_path: Path) -> None:
    assert run.stdin is not None
    run.stdin.close()
    assert run.wait(10) == 0
    assert not (tmp_path / "site").exists()


def test_it_says_when_the_server_ended_by_itself_and_still_waits(
    run: subprocess.Popen[str], tmp_path: Path
) -> None:
    tell(run, order(tmp_path / "site", "/bin/sh", "-c", "exit 3"))
    assert said(run)[0] == "pid"
    assert said(run) == ["exited", "3"]
    assert (tmp_path / "site").exists()
    tell(run, "stop")
    assert run.wait(10) == 0
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_of_a_terminal_do_not_end_it(
    run: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    tell(run, order(tmp_path / "site", "/bin/sleep", "60"))
    said(run)
    run.send_signal(number)
    time.sleep(0.1)
    assert run.poll() is None
    run.send_signal(signal.SIGTERM)
    assert run.wait(10) == 0
    assert not (tmp_path / "site").exists()


def test_a_program_that_cannot_be_run_leaves_nothing(run: subprocess.Popen[str], tmp_path: Path) -> None:
    tell(run, order(tmp_path / "site", "/nonexistent/server"))
    assert said(run)[0] == "failed"
    assert run.wait(10) == 0
    assert not (tmp_path / "site").exists()


def test_a_server_that_is_kept_lives_on_until_the_supervisor_is_told(
    run: subprocess.Popen[str], tmp_path: Path
) -> None:
    tell(run, order(tmp_path / "site", sys.executable, "-c", "import time; time.sleep(60)"))
    word, pid = said(run)
    assert word == "pid"
    tell(run, "keep")
    assert said(run) == ["kept"]
    assert run.stdin is not None
    run.stdin.close()
    run.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert run.poll() is None
    assert Path(f"/proc/{pid}").exists()
    run.terminate()
    run.wait(20)
    assert not (tmp_path / "site").exists()
    assert not Path(f"/proc/{pid}").exists()
