"""What the system must be asked of a child: to die with us, and how it ended."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess


@functools.cache
def death_prefix() -> tuple[str, ...]:
    """Give the beginning of an argv whose process is killed by the kernel when its parent dies.

    `setpriv` (util-linux) sets that and then becomes the tool, with the same pid. Setting it between fork
    and exec is not safe in a program with threads. Without it (util-linux before 2.33, busybox) an
    orphan dies when it next writes into its pipe, which a tool that spins or waits for a lock never does.
    """
    setpriv = shutil.which("setpriv", path="/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin")
    if setpriv is None:
        return ()
    prefix = (setpriv, "--pdeathsig", "KILL", "--")
    try:
        trial = subprocess.run((*prefix, setpriv, "--version"), capture_output=True, env={}, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return prefix if trial.returncode == 0 else ()


def await_exit(pid: int) -> int | None:
    """Wait for a child's end without reaping it; None: how it ended cannot be known.

    That is so where whoever started us ignores SIGCHLD; Popen calls such an end a success.
    """
    try:
        result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def ended(exit_code: int | None) -> str:
    """Say how a child ended, by the exit status that `await_exit` gave."""
    if exit_code is None:
        return "ended with a status that cannot be known (SIGCHLD is ignored)"
    if exit_code == 0:
        return "ended with exit status 0"
    if exit_code > 0:
        return f"failed with exit status {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"
