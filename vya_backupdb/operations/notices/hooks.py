"""Run a command of the configuration's `hooks`: bounded, drained, without a shell, without our secrets."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from vya_backupdb.config.quantities import format_duration
from vya_backupdb.credentials.transport import secret_file
from vya_backupdb.errors import HookFailed
from vya_backupdb.log import get_logger, masked
from vya_backupdb.model import Verdict
from vya_backupdb.streams.child import await_exit, death_prefix, ended
from vya_backupdb.streams.stderr import ErrorLines

log = get_logger(__name__)

_PASSED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
"""Of our environment. Anything else may be a secret: the key of the credentials can be there."""

_GRACE: Final = 3.0
"""Seconds that a command has to end after SIGTERM, and its output to end after the command itself."""

_TICK: Final = 0.1


def run_hook(name: str, argv: tuple[str, ...], document: bytes, seconds: float) -> None:
    """Run a command with the document on its stdin, and log the last lines that it wrote.

    `name` is its place in the configuration. Raises HookFailed where it cannot be started, ends with another
    status than 0, or is not done in time. Its arguments are not named anywhere: they may hold secrets.
    """
    began = time.monotonic()
    lines = ErrorLines(lambda _: Verdict.BENIGN)
    what = _run(argv, document, seconds, lines)
    said = [masked(line) for line in lines.last]
    facts = {"hook": name, "program": argv[0], "seconds": round(time.monotonic() - began, 3), "said": said}
    if what is None:
        log.info("hook finished", **facts)
        return
    log.error("hook failed", **facts, error=what)
    raise HookFailed(
        f"{name}: {argv[0]} {what}" + (": " + " | ".join(said) if said else ""),
        cure="see what it needs: it runs in /, without a shell and with little of the environment",
    )


def _run(argv: tuple[str, ...], document: bytes, seconds: float, lines: ErrorLines) -> str | None:
    """Run it and give what went wrong, None: nothing."""
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
    program = shutil.which(argv[0], path=environment.get("PATH", os.defpath))
    if program is None:
        return "cannot be started: it is not there or not executable"
    with secret_file(document) as stdin:
        try:
            process = subprocess.Popen(
                (*death_prefix(), str(Path(program).absolute()), *argv[1:]),
                stdin=stdin.fd,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be started: {error.strerror or error}"
    try:
        if not _drained(process, time.monotonic() + seconds, lines):
            return f"was not done after {format_duration(timedelta(seconds=round(seconds, 1)))} and was ended"
        exit_code = await_exit(process.pid)
        return None if exit_code == 0 else ended(exit_code)
    finally:
        _end(process)
        lines.finish()


def _drained(process: subprocess.Popen[bytes], deadline: float, lines: ErrorLines) -> bool:
    """Take what a command writes until it has ended; False: it is not done in time.

    What it left running in the background may hold its output open: that is not waited for.
    """
    output = process.stdout
    if output is None:
        raise ValueError("the command has no output to drain")
    poll = select.poll()
    poll.register(output, select.POLLIN)
    is_open, has_ended = True, False
    while not has_ended or is_open:
        if not has_ended and _has_ended(process):
            has_ended, deadline = True, time.monotonic() + _GRACE
        if time.monotonic() > deadline:
            return has_ended
        if not is_open:
            time.sleep(_TICK)
        elif poll.poll(_TICK * 1000):
            data = os.read(output.fileno(), 1 << 16)
            lines.feed(data)
            is_open = bool(data)
    return True


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the command has ended; it is not reaped, so its number is that of its group still."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:
        return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, with all of its group, and reap it."""
    if not _has_ended(process):
        try:
            _signal(process, signal.SIGTERM)
            deadline = time.monotonic() + _GRACE
            while not _has_ended(process) and time.monotonic() < deadline:
                time.sleep(_TICK)
        finally:
            _signal(process, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel
        process.wait(_GRACE)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
