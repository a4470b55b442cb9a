"""The commands around a run: what they get, what becomes of what they write, and how long they may take."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from vya_backupdb.errors import HookFailed
from vya_backupdb.operations.notices import hooks
from vya_backupdb.operations.notices.hooks import run_hook

LONG = 60.0
"""Seconds; more than any of these commands takes."""
Logged = list[dict[str, Any]]


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_GRACE", 0.3)


@pytest.fixture
def logged() -> Any:
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """`script(text)` gives the argv of a shell script."""

    def make(text: str) -> tuple[str, ...]:
        path = tmp_path / "hook"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return (str(path),)

    return make


def test_a_command_gets_its_words_and_the_document(script: Callable[..., Any], tmp_path: Path) -> None:
    document = json.dumps({"text": "x" * 300_000}).encode()  # more than any pipe holds
    argv = (*script(f'cat > {tmp_path}/got; printf "%s\\n" "$@" > {tmp_path}/words'), "a b", "", "$HOME;")
    run_hook("hooks.after[0]", argv, document, LONG)
    assert (tmp_path / "got").read_bytes() == document
    assert (tmp_path / "words").read_text() == "a b\n\n$HOME;\n"


def test_a_document_that_is_not_read_is_no_failure() -> None:
    run_hook("hooks.after[0]", ("true",), b"x" * 1_000_000, LONG)


def test_the_environment_holds_no_secret(
    script: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VYA_BACKUPDB_KEY", "THE_KEY", "MYSQL_PWD", "PGPASSWORD", "CREDENTIALS_DIRECTORY"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("HOME", "/home/of-somebody")
    run_hook("hooks.after[0]", script(f"env > {tmp_path}/env; pwd >> {tmp_path}/env"), b"{}", LONG)
    seen = (tmp_path / "env").read_text()
    assert "hunter2" not in seen
    assert "HOME=/home/of-somebody\n" in seen
    assert seen.endswith("\n/\n")


def test_the_last_lines_are_logged_and_are_harmless(script: Callable[..., Any], logged: Logged) -> None:
    run_hook("hooks.after[0]", script("seq 100000; printf '\\033[31mred\\n' >&2; echo end"), b"{}", LONG)
    (event,) = logged
    assert (event["event"], event["hook"]) == ("hook finished", "hooks.after[0]")
    assert event["said"] == ["100000", "\\x1b[31mred", "end"]


def test_a_command_that_fails_is_named_with_its_status_and_last_words(
    script: Callable[..., Any], logged: Logged
) -> None:
    argv = (*script("echo password=hunter2; echo no room >&2; exit 7"), "--token=hunter2")
    with pytest.raises(HookFailed) as caught:
        run_hook("hooks.before[1]", argv, b"{}", LONG)
    assert f"hooks.before[1]: {argv[0]} failed with exit status 7" in caught.value.what
    assert caught.value.what.endswith(" | no room")
    assert logged[0]["event"] == "hook failed"
    assert "hunter2" not in str(caught.value) + str(logged)


@pytest.mark.parametrize("program", ["/no/where", "no-such-program", "/etc/passwd"])
def test_a_command_that_cannot_be_started_is_named(program: str) -> None:
    with pytest.raises(HookFailed, match=f"{program} cannot be started"):
        run_hook("hooks.before[0]", (program,), b"{}", LONG)


def test_a_script_for_no_interpreter_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hook"
    path.write_text("#!/no/interpreter\n")
    path.chmod(0o755)
    with pytest.raises(HookFailed, match="hook "):
        run_hook("hooks.before[0]", (str(path),), b"{}", LONG)


@pytest.mark.usefixtures("_impatient")
def test_a_command_that_takes_too_long_is_ended_with_what_it_started(
    script: Callable[..., Any], tmp_path: Path
) -> None:
    argv = script(f"trap '' TERM; sleep 300 & echo $! > {tmp_path}/pid; echo waiting; wait; wait")
    began = time.monotonic()
    with pytest.raises(HookFailed, match=r"not done after 3s and was ended.*waiting"):
        run_hook("hooks.after[0]", argv, b"{}", 3.0)
    assert time.monotonic() - began < 60
    pid = int((tmp_path / "pid").read_text())
    assert _ends(pid)


def test_a_command_that_writes_for_ever_is_ended(script: Callable[..., Any]) -> None:
    with pytest.raises(HookFailed, match=r"not done after 0\.5s"):
        run_hook("hooks.after[0]", script("yes"), b"{}", 0.5)


@pytest.mark.usefixtures("_impatient")
def test_what_a_command_leaves_in_the_background_is_not_waited_for(
    script: Callable[..., Any], tmp_path: Path
) -> None:
    began = time.monotonic()
    run_hook("hooks.after[0]", script(f"sleep 300 & echo $! > {tmp_path}/pid"), b"{}", LONG)
    assert time.monotonic() - began < 60
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)  # it runs on


def test_a_command_that_closes_its_output_is_waited_for(script: Callable[..., Any], tmp_path: Path) -> None:
    run_hook("hooks.after[0]", script(f"exec >&- 2>&-; sleep 0.3; : > {tmp_path}/done"), b"{}", LONG)
    assert (tmp_path / "done").exists()


def test_a_signal_while_a_command_runs_ends_it(
    script: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bool:
        while not (tmp_path / "pid").exists():
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(hooks, "_drained", interrupted)
    argv = script(f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 300")
    with pytest.raises(KeyboardInterrupt):
        run_hook("hooks.after[0]", argv, b"{}", LONG)
    assert _ends(int((tmp_path / "pid").read_text()))


def _ends(pid: int) -> bool:
    """Whether a process goes, or is a zombie that nobody here can reap, within a while."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
