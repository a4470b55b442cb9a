"""A supervised child process: its end of file is believed only when it ended well."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn, Self

from vya_backupdb.errors import DumpFailed
from vya_backupdb.model import Verdict
from vya_backupdb.streams.child import await_exit, death_prefix, ended
from vya_backupdb.streams.stderr import ErrorLines

PIPE_SIZE: Final = 1 << 20
"""Bytes; /proc/sys/fs/pipe-max-size allows 1 MiB to everyone by default."""

_MUCH: Final = PIPE_SIZE // 4
"""Bytes of one read that show the tool to be the faster side."""

_FASTEST_TOOL: Final = 1e9
"""Bytes a second that a dump tool writes at the very most; so the pipe never fills while nobody reads."""

END_GRACE: Final = 3.0
"""Seconds that a child has to end after SIGTERM (pg_dump cancels its query on the server), then SIGKILL."""

HELD_GRACE: Final = 5.0
"""Seconds that an output may stay open after the child itself has ended."""

_KILL_GRACE = 10.0
"""Seconds until a killed child is given up: it hangs in the kernel, on a dead file system for instance."""


@dataclass(frozen=True)
class Command:
    """A child to run: argv without secrets, the whole of its environment, and what its stderr means."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    judge: Callable[[str], Verdict]
    """Judges one line of stderr."""
    pass_fds: tuple[int, ...] = ()
    cures: tuple[tuple[str, str], ...] = ()
    """Pattern of what the tool says when it fails, and what to do about it; the first that fits counts."""


class DumpProcess:
    """A dump tool at work, as a context manager; after it nothing of the child is left, whatever happens.

    The child leads a session of its own (Ctrl-C reaches us, not it), has `/` as its folder, an empty
    stdin, no descriptors but `pass_fds`, and is killed by the kernel if we are killed.

    `stall_timeout` bounds the time that `read` waits for bytes; a slow reader is no stall. `timeout`
    bounds the whole; None: no bound. Use it from one thread; only `stop` may be called from anywhere.
    `why_silent` says for the error what a child that is about to be ended for its silence waits for.
    """

    def __init__(
        self,
        command: Command,
        *,
        stall_timeout: timedelta,
        timeout: timedelta | None = None,
        why_silent: Callable[[], str] = str,
    ) -> None:
        self.tool = Path(command.argv[0]).name
        self.bytes_read = 0
        self.exit_code: int | None = None
        """None: it still runs; negative: the signal that ended it."""
        self._command = command
        self._stall = stall_timeout.total_seconds()
        self._why_silent = why_silent
        self._timeout = None if timeout is None else timeout.total_seconds()
        self._lines = ErrorLines(command.judge)
        self._process: subprocess.Popen[bytes] | None = None
        self._spawn_error: BaseException | None = None
        self._spawned = threading.Event()
        self._exited = threading.Event()
        self._exited_at = 0.0
        self._guard = threading.RLock()
        """Held while the group is signalled or the child reaped: no recycled pid is ever signalled."""
        self._stopped = False
        self._finished = False
        self._closed = True
        self._nap = 0.0
        """Seconds in which no tool fills the pipe."""
        self._is_behind = False
        """Whether the last read found little: the tool is the slower side."""

    @property
    def pid(self) -> int:
        """The child's process id, which is its process group's too."""
        if self._process is None:
            raise RuntimeError("the child has not been started")
        return self._process.pid

    @property
    def warnings(self) -> tuple[str, ...]:
        """The first 100 warnings from its stderr, and a line with the number of those that were dropped."""
        return self._lines.warnings

    def __enter__(self) -> Self:
        """Start the child. Raises DumpFailed where that cannot be done."""
        argv0 = self._command.argv[0]
        executable = shutil.which(argv0, path=self._command.environment.get("PATH", os.defpath))
        if executable is None:
            raise DumpFailed(f"{self.tool} cannot be started: {argv0} is not there or not executable")
        argv = (*death_prefix(), str(Path(executable).absolute()), *self._command.argv[1:])
        self._stdout, stdout = os.pipe()
        self._stderr, stderr = os.pipe()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._drained = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closed = False
        os.set_blocking(self._stdout, False)
        with suppress(OSError):  # over the user's limit for pipes: the default size only is slower
            fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self._nap = fcntl.fcntl(stdout, fcntl.F_GETPIPE_SZ) / _FASTEST_TOOL
        self._supervisor = threading.Thread(
            target=self._supervise, args=(argv, stdout, stderr), name=f"{self.tool} supervisor", daemon=True
        )
        self._drainer = threading.Thread(target=self._drain, name=f"{self.tool} stderr", daemon=True)
        self._began = time.monotonic()
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        try:
            self._start(stdout, stderr)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the child and all of its group if they still run; reap it and close everything."""
        self._end()

    def stop(self) -> None:
        """Ask the child to end, so that `read` raises soon. For signal handlers and other threads."""
        with self._guard:
            self._stopped = True
            if not self._closed:
                os.eventfd_write(self._wake, 1)
                self._signal(signal.SIGTERM)

    def read(self, max_bytes: int) -> bytes:
        """Give the next bytes of its stdout, at most so many; b"" once it has ended, and ended well.

        Raises DumpFailed where it exits with another status than 0, says something fatal on stderr,
        sends nothing for too long, takes too long as a whole, or was stopped.
        """
        if max_bytes < 1:
            raise ValueError("at least one byte must be asked for")
        if self._finished:
            return b""
        if self._closed:
            raise DumpFailed(f"{self.tool} is not running")
        asked_at = time.monotonic()
        while True:
            self._check_limits(asked_at)
            self._gather()
            try:
                data = os.read(self._stdout, min(max_bytes, PIPE_SIZE))
            except BlockingIOError:
                self._wait(asked_at)
                self._is_behind = True
                continue
            if not data:
                self._conclude()
                return b""
            self.bytes_read += len(data)
            self._is_behind = len(data) < _MUCH
            return data

    def _gather(self) -> None:
        """Let bytes gather in the pipe if there were few at the last time.

        The tools write 4 KiB at a time, and a reader that waits for each of them costs both sides a change
        of processes: for 290 MB of mysqldump 33,000 waits, with this 450 (and 3 % less processor time of
        tool and reader together, 7 % with pg_dump).
        """
        if self._is_behind:
            time.sleep(self._nap)

    def _start(self, stdout: int, stderr: int) -> None:
        try:
            self._drainer.start()
            self._supervisor.start()
            self._spawned.wait()
        except RuntimeError as error:  # no more threads
            os.close(stdout)
            os.close(stderr)
            self._exited.set()
            raise DumpFailed(f"{self.tool} cannot be started: {error}") from error
        except BaseException:
            # Ctrl-C: it must be known which child there is to end
            self._spawned.wait(_KILL_GRACE)
            raise
        if isinstance(self._spawn_error, OSError):
            reason = self._spawn_error.strerror or str(self._spawn_error)
            raise DumpFailed(f"{self.tool} cannot be started: {reason}") from self._spawn_error
        if self._spawn_error is not None:
            raise self._spawn_error

    # ------------------------------------------------------------------ limits

    def _check_limits(self, asked_at: float) -> None:
        if self._stopped:
            self._fail("was stopped")
        if self._remaining_timeout() <= 0:
            self._fail(
                f"was not done after {_spell(self._timeout or 0)}",
                cure="look for what slows the dump down, or raise the instance's `dump.timeout`",
            )

    def _remaining_timeout(self) -> float:
        if self._timeout is None:
            return threading.TIMEOUT_MAX
        return self._began + self._timeout - time.monotonic()

    def _wait(self, asked_at: float) -> None:
        """Wait for bytes, the end of file, a call of `stop` or the exit of the child, within the limits."""
        now = time.monotonic()
        stall = asked_at + self._stall - now
        held = max(asked_at, self._exited_at) + HELD_GRACE - now if self._exited.is_set() else stall
        remaining = min(stall, held, self._remaining_timeout())
        if remaining > 0:
            self._sleep(remaining)
            return
        if held < stall:
            self._fail_held("output")
        if stall <= 0:
            self._fail(
                f"sent nothing for {_spell(self._stall)}{self._why_silent()}",
                cure="look on the server for what blocks it, or raise the instance's `dump.stall_timeout`",
            )

    def _sleep(self, seconds: float) -> None:
        # an hour at most: poll takes no longer times than 24 days
        self._poll.poll(min(seconds, 3600.0) * 1000 + 1)
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)

    # ------------------------------------------------------------------ the end

    def _conclude(self) -> None:
        """Its stdout has ended: believe it only after its exit status and its stderr."""
        self._poll.unregister(self._stdout)
        asked_at = time.monotonic()
        while not self._exited.is_set():
            self._check_limits(asked_at)
            stall = asked_at + self._stall - time.monotonic()
            if stall <= 0:
                self._fail(f"closed its output, but did not end within {_spell(self._stall)}")
            self._sleep(min(stall, self._remaining_timeout()))
        self._drainer.join(HELD_GRACE)
        if self._drainer.is_alive():
            self._fail_held("error output")
        self._end()
        if self._lines.fault is not None:
            raise self._lines.fault
        if self._stopped:
            self._fail("was stopped")
        if self.exit_code != 0 or self._lines.fatal:
            cure = self._cure()
            if self.exit_code == -signal.SIGKILL:
                cure = "nobody here killed it: look for the out-of-memory killer in the kernel's log"
            self._fail(
                ended(self.exit_code) + (" but reported an error" if self.exit_code == 0 else ""), cure=cure
            )
        self._finished = True

    def _cure(self) -> str | None:
        said = "\n".join(self._lines.fatal)
        return next((cure for pattern, cure in self._command.cures if re.search(pattern, said)), None)

    def _fail(self, what: str, *, cure: str | None = None) -> NoReturn:
        """End the child and raise, with what it said last."""
        self._end()
        text = f"{self.tool} {what} (after {self.bytes_read:,} bytes)"
        said = self._lines.fatal or self._lines.last
        if said:
            text += ": " + " | ".join(list(said)[:_MOST_SAID])
        raise DumpFailed(text, cure=cure)

    def _fail_held(self, stream: str) -> NoReturn:
        self._fail(f"{ended(self.exit_code)}, but something that it started still holds its {stream} open")

    def _end(self) -> None:
        """End the group, reap the child, drain its stderr, close all. Nothing to do the second time."""
        if self._closed:
            return
        try:
            if not self._exited.is_set():
                self._signal(signal.SIGTERM)
                self._exited.wait(END_GRACE)
        finally:
            # the child is not reaped yet, so its group's number cannot have gone to others
            self._signal(signal.SIGKILL)
            gone = self._exited.wait(_KILL_GRACE)
            with self._guard:
                if self._process is not None and gone:
                    self._process.wait()
            self._join_drainer()
            with self._guard:
                self._closed = True
                os.close(self._stdout)
                os.close(self._stderr)
                os.close(self._drained)
                if gone:
                    if self._supervisor.ident:
                        self._supervisor.join()
                    os.close(self._wake)
        if not gone and self._process is not None:
            raise DumpFailed(f"{self.tool} (process {self.pid}) cannot be killed: it hangs in the kernel")

    def _join_drainer(self) -> None:
        if not self._drainer.ident:
            return
        self._drainer.join(1.0)
        os.eventfd_write(self._drained, 1)
        self._drainer.join()

    def _signal(self, number: signal.Signals) -> None:
        with self._guard:
            lost = self._exited.is_set() and self.exit_code is None
            if self._process is not None and self._process.returncode is None and not lost:
                # PermissionError: it took other rights (a set-user-ID wrapper); closing its pipe ends it
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)

    # ------------------------------------------------------------------ threads

    def _supervise(self, argv: tuple[str, ...], stdout: int, stderr: int) -> None:
        """Start the child and wait for its exit, without reaping it.

        The kernel sends the parent-death signal when the *thread* that started the child ends; this one
        lives as long as the child.
        """
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=self._command.environment,
                cwd="/",
                start_new_session=True,
                pass_fds=self._command.pass_fds,
            )
        except BaseException as error:
            self._spawn_error = error
        finally:
            os.close(stdout)
            os.close(stderr)
        if self._process is not None:
            self._spawned.set()
            self.exit_code = await_exit(self._process.pid)
        self._exited_at = time.monotonic()
        self._exited.set()
        self._spawned.set()
        os.eventfd_write(self._wake, 1)

    def _drain(self) -> None:
        """Read stderr to its end, or until told to stop, so that the child never blocks on it."""
        poll = select.poll()
        poll.register(self._stderr, select.POLLIN)
        poll.register(self._drained, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._drained in ready:
                break
            data = os.read(self._stderr, 1 << 16)
            if not data:
                break
            self._lines.feed(data)
        self._lines.finish()


_MOST_SAID = 3
"""Lines of stderr in an error."""


def _spell(seconds: float) -> str:
    """Write a duration as the configuration does: `90s`, `5m`, `6h`."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"
