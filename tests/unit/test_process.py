"""Supervised children: every way a dump tool can end badly, in bounded time, with nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from vya_backupdb.errors import DumpFailed
from vya_backupdb.model import Verdict
from vya_backupdb.streams import child as child_module
from vya_backupdb.streams import process as process_module
from vya_backupdb.streams.process import PIPE_SIZE, Command, DumpProcess

PATH = {"PATH": "/usr/bin:/bin"}
LONG = timedelta(seconds=30)


def judge(line: str) -> Verdict:
    if line.startswith("tool:"):
        return Verdict.FATAL
    return Verdict.BENIGN if line.startswith("fine") else Verdict.WARNING


def shell(script: str, **environment: str) -> Command:
    return Command(("/bin/sh", "-c", script), PATH | environment, judge)


def python(script: str) -> Command:
    return Command((sys.executable, "-I", "-S", "-c", script), PATH, judge)


def running(command: Command, stall: float = 30, timeout: float | None = None) -> DumpProcess:
    bound = None if timeout is None else timedelta(seconds=timeout)
    return DumpProcess(command, stall_timeout=timedelta(seconds=stall), timeout=bound)


def read_all(process: DumpProcess, size: int = 1 << 20) -> bytes:
    return b"".join(iter(lambda: process.read(size), b""))


def process_table() -> Iterator[tuple[int, str, int, int]]:
    """Each process: its id, state, parent and process group."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            yield int(folder.name), state, int(parent), int(group)


def our_children() -> set[int]:
    """Children of this process, unreaped ones included."""
    return {pid for pid, _, parent, _ in process_table() if parent == os.getpid()}


def group_is_gone(group: int) -> bool:
    """Whether nothing of a process group runs any more; what its new parent has not reaped does not run."""
    return wait_for(
        lambda: all(state in "ZX" for _, state, _, its_group in process_table() if its_group == group)
    )


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    descriptors = set(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    children = our_children()
    yield
    assert wait_for(lambda: set(os.listdir("/proc/self/fd")) <= descriptors)
    assert wait_for(lambda: threading.active_count() <= threads)
    assert wait_for(lambda: our_children() <= children)


# ---------------------------------------------------------------------------- ending well


def test_all_bytes_of_a_child_that_ends_well_are_read() -> None:
    with running(shell("head -c 5000000 /dev/zero; echo end")) as process:
        assert read_all(process) == bytes(5_000_000) + b"end\n"
        assert process.exit_code == 0
        assert process.bytes_read == 5_000_004
        assert process.read(1) == b""


def test_no_more_than_what_was_asked_for_is_read() -> None:
    with running(shell("printf abcdef")) as process:
        assert process.read(4) == b"abcd"
        assert process.read(4) == b"ef"
        assert process.read(4) == b""


def test_asking_for_nothing_is_not_taken_for_the_end() -> None:
    with running(shell("sleep 60")) as process, pytest.raises(ValueError, match="at least one"):
        process.read(0)


@pytest.mark.threat("secrets-of-children")
def test_the_environment_is_exactly_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_PWD", "of the caller")
    command = Command(("/usr/bin/env",), {"PATH": "/usr/bin", "LC_ALL": "C.UTF-8"}, judge)
    with running(command) as process:
        assert sorted(read_all(process).splitlines()) == [b"LC_ALL=C.UTF-8", b"PATH=/usr/bin"]


def test_our_stdin_is_not_the_childs_and_its_folder_is_the_root() -> None:
    typed, keyboard = os.pipe()
    os.write(keyboard, b"typed")
    os.close(keyboard)
    ours = os.dup(0)
    os.dup2(typed, 0)
    try:
        with running(shell("cat; pwd; readlink /proc/self/fd/0")) as process:
            assert read_all(process) == b"/\n/dev/null\n"
    finally:
        os.dup2(ours, 0)
        os.close(ours)
        os.close(typed)


@pytest.mark.threat("secrets-of-children")
def test_only_the_descriptors_that_are_passed_reach_the_child() -> None:
    passed, other = os.memfd_create("passed"), os.memfd_create("other", 0)
    try:
        os.write(passed, b"secret")
        script = f"cat /dev/fd/{passed}; echo; ls /proc/self/fd"
        command = Command(("/bin/sh", "-c", script), PATH, judge, pass_fds=(passed,))
        with running(command) as process:
            first, *descriptors = read_all(process).split()
        assert first == b"secret"
        # the shell's standard ones, the one passed, and the one that ls reads the folder with
        assert len(descriptors) == 5
        assert str(passed).encode() in descriptors
    finally:
        os.close(passed)
        os.close(other)


def test_the_child_leads_its_own_session() -> None:
    with running(shell("ps -o pid=,pgid=,sid= -p $$")) as process:
        assert set(read_all(process).split()) == {str(process.pid).encode()}


def test_the_pipe_holds_a_mebibyte() -> None:
    with running(shell("head -c 10000000 /dev/zero")) as process:
        longest = 0
        while data := process.read(PIPE_SIZE):
            longest = max(longest, len(data))
            time.sleep(0.05)
        assert longest > 65_536


def test_a_sigpipe_ends_the_child_as_in_a_shell() -> None:
    with running(shell("trap - PIPE; kill -PIPE $$; echo survived")) as process:
        with pytest.raises(DumpFailed, match="SIGPIPE"):
            read_all(process)
        assert process.exit_code == -signal.SIGPIPE


# ---------------------------------------------------------------------------- ending badly


def test_an_exit_status_other_than_0_after_all_output_is_a_failure() -> None:
    with running(shell("echo data; echo 'tool: lost connection' >&2; exit 3")) as process:
        assert process.read(100) == b"data\n"
        with pytest.raises(
            DumpFailed, match=r"sh failed with exit status 3 .*5 bytes.*tool: lost connection"
        ):
            process.read(100)
        assert process.exit_code == 3


def test_a_fatal_line_with_exit_status_0_is_a_failure() -> None:
    script = "echo data; echo 'tool: could not read t' >&2; echo 'fine 1' >&2; echo 'fine 2' >&2"
    with running(shell(script)) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match=r"status 0 but reported an error.*tool: could not read t$"):
            process.read(100)


def test_a_fatal_line_after_stdout_was_closed_is_a_failure() -> None:
    with running(shell("echo data; exec 1>&-; sleep 0.3; printf 'tool: late' >&2")) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match="tool: late"):
            process.read(100)


def test_a_failure_is_not_taken_back_by_reading_again() -> None:
    with running(shell("exit 1")) as process:
        with pytest.raises(DumpFailed):
            process.read(100)
        with pytest.raises(DumpFailed, match="not running"):
            process.read(100)


def test_a_child_that_is_killed_is_a_failure_that_names_the_signal() -> None:
    with running(shell("echo data; kill -KILL $$")) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match="was killed by SIGKILL") as caught:
            process.read(100)
        assert "out-of-memory" in (caught.value.cure or "")


def test_the_last_lines_are_told_where_none_is_fatal() -> None:
    command = shell("for i in 1 2 3 4 5; do echo line $i >&2; done; exit 1")
    with running(command) as process, pytest.raises(DumpFailed, match=r"line 3 \| line 4 \| line 5$"):
        process.read(100)


def test_a_tool_that_is_not_there_is_named() -> None:
    command = Command(("/nowhere/pg_dump",), PATH, judge)
    with pytest.raises(DumpFailed, match="/nowhere/pg_dump is not there"), running(command):
        pass


def test_a_tool_that_cannot_be_executed_is_a_failure(tmp_path: Path) -> None:
    tool = tmp_path / "pg_dump"
    tool.write_bytes(b"\x7fELF but not really")
    tool.chmod(0o700)
    with pytest.raises(DumpFailed, match="pg_dump"), running(Command((str(tool),), PATH, judge)) as process:
        process.read(1)


@pytest.mark.parametrize("broken", ["Popen", "setpriv"])
def test_a_child_that_cannot_be_started_leaves_nothing(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "Popen":
        command = Command(("/bin/true", "x" * (200 << 10)), PATH, judge)  # E2BIG
    else:
        monkeypatch.setattr(process_module, "death_prefix", lambda: ("/nowhere/setpriv",))
        command = shell("echo")
    with pytest.raises(DumpFailed, match="cannot be started"), running(command):
        pass


@pytest.mark.parametrize("role", ["stderr", "supervisor"])
def test_a_machine_without_threads_to_spare_leaves_nothing(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Thread(threading.Thread):
        def start(self) -> None:
            if self.name.endswith(role):
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(threading, "Thread", Thread)
    with pytest.raises(DumpFailed, match="can't start new thread"), running(shell("echo")):
        pass


def test_ctrl_c_while_the_child_starts_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    process = running(shell("sleep 60"))
    spawned = threading.Event.wait

    def interrupted(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is None:  # whether or not the child has started already
            raise KeyboardInterrupt
        return spawned(event, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(process._spawned, "wait", interrupted.__get__(process._spawned))
        with pytest.raises(KeyboardInterrupt):
            process.__enter__()
    assert group_is_gone(process.pid)


def test_a_child_runs_without_setpriv_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None if name == "setpriv" else name)
    prefix = child_module.death_prefix.__wrapped__()
    assert prefix == ()
    monkeypatch.setattr(process_module, "death_prefix", lambda: prefix)
    with running(shell("echo data")) as process:
        assert read_all(process) == b"data\n"


def test_a_setpriv_that_cannot_do_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: "/bin/false")
    assert child_module.death_prefix.__wrapped__() == ()


def test_a_fault_of_the_judge_is_not_swallowed_and_does_not_block_the_child() -> None:
    def broken(line: str) -> Verdict:
        raise KeyError(line)

    command = Command(("/bin/sh", "-c", "seq 100000 >&2; echo data"), PATH, broken)
    with running(command) as process:
        assert process.read(100) == b"data\n"
        with pytest.raises(KeyError):
            process.read(100)


def test_an_exit_status_that_cannot_be_known_is_a_failure() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with running(shell("echo data; exit 3")) as process:
            process.read(100)
            with pytest.raises(DumpFailed, match="cannot be known"):
                process.read(100)
    finally:
        signal.signal(signal.SIGCHLD, before)


# ---------------------------------------------------------------------------- stderr


def test_a_flood_on_stderr_neither_blocks_the_child_nor_eats_memory() -> None:
    flood = (
        "import os\nfor i in range(2000): os.write(2, b'warning of some length %d\\n' % i * 100)\nprint(1)"
    )
    with running(python(flood)) as process:
        assert read_all(process) == b"1\n"
    assert len(process.warnings) == 101
    assert process.warnings[0] == "warning of some length 0"
    assert process.warnings[-1] == "and 199,900 more warnings, which were not kept"


def test_a_fatal_line_after_a_flood_is_still_seen() -> None:
    command = shell("seq 200000 >&2; echo 'tool: at last' >&2")
    with running(command) as process, pytest.raises(DumpFailed, match=r"tool: at last$"):
        process.read(1)


def test_benign_lines_are_no_warnings() -> None:
    with running(shell("echo fine >&2; echo odd >&2; printf 'no newline' >&2")) as process:
        assert read_all(process) == b""
    assert process.warnings == ("odd", "no newline")


@pytest.mark.threat("server-words")
def test_control_characters_from_a_server_reach_no_terminal() -> None:
    with running(shell(r"printf 'x\033]0;title\007\r\ny\t\342\200\256\377\n' >&2")) as process:
        read_all(process)
    assert process.warnings == (r"x\x1b]0;title\x07", r"y\t\u202e\xff")


def test_a_line_without_end_is_cut() -> None:
    with running(shell("head -c 10000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo next >&2")) as process:
        read_all(process)
    assert process.warnings == ("x" * 2000 + " ... [9,998,000 more bytes]", "next")


# ---------------------------------------------------------------------------- bounded time


@pytest.fixture
def short_graces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "HELD_GRACE", 0.3)
    monkeypatch.setattr(process_module, "END_GRACE", 0.3)


def test_silence_beyond_the_stall_timeout_is_a_failure() -> None:
    started = time.monotonic()
    with running(shell("echo data; echo waiting >&2; sleep 60"), stall=0.3) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match=r"sent nothing for 0\.3s \(after 5 bytes\): waiting") as caught:
            process.read(100)
        assert "stall_timeout" in (caught.value.cure or "")
    assert time.monotonic() - started < 3
    assert group_is_gone(process.pid)


def test_what_a_silent_child_waits_for_is_asked_while_it_still_waits() -> None:
    alive = []

    def why() -> str:
        alive.append(not group_is_gone(process.pid))
        return ", for a reason"

    silent = DumpProcess(shell("sleep 60"), stall_timeout=timedelta(seconds=0.3), why_silent=why)
    said = r"sent nothing for 0\.3s, for a reason \(after 0 bytes\)"
    with silent as process, pytest.raises(DumpFailed, match=said):
        process.read(100)
    assert alive == [True]


def test_a_child_that_spins_without_output_is_ended() -> None:
    spinning = running(shell("while :; do :; done"), stall=0.2)
    with spinning as process, pytest.raises(DumpFailed, match="sent nothing"):
        process.read(1)
    assert group_is_gone(process.pid)


def test_a_slow_reader_is_no_stall() -> None:
    with running(shell("head -c 3000000 /dev/zero"), stall=0.3) as process:
        process.read(100)
        time.sleep(0.6)
        assert len(read_all(process)) == 2_999_900


def test_a_slow_but_steady_child_is_no_stall() -> None:
    with running(shell("for i in 1 2 3 4; do echo $i; sleep 0.2; done"), stall=0.5) as process:
        assert read_all(process) == b"1\n2\n3\n4\n"


def test_the_whole_is_bounded_even_while_bytes_flow() -> None:
    endless = running(shell("while :; do echo y; done"), timeout=0.3)
    with endless as process, pytest.raises(DumpFailed, match=r"was not done after 0\.3s"):
        read_all(process)
    assert group_is_gone(process.pid)


def test_the_whole_is_bounded_while_nothing_flows() -> None:
    with (
        running(shell("sleep 60"), timeout=0.3) as process,
        pytest.raises(DumpFailed, match="not done after"),
    ):
        process.read(1)


def test_a_child_that_closes_its_output_but_does_not_end_is_ended() -> None:
    with running(shell("echo data; exec 1>&- 2>&-; exec sleep 60"), stall=0.3) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match=r"closed its output, but did not end within 0\.3s"):
            process.read(100)
    assert group_is_gone(process.pid)


@pytest.mark.usefixtures("short_graces")
@pytest.mark.parametrize(("redirection", "held"), [("", "output"), ("1>/dev/null", "error output")])
def test_a_grandchild_that_holds_an_output_is_a_failure_in_bounded_time(redirection: str, held: str) -> None:
    with running(shell(f"sleep 60 {redirection} & echo data")) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match=f"status 0, but something .* its {held} open"):
            process.read(100)
    assert group_is_gone(process.pid)


@pytest.mark.usefixtures("short_graces")
def test_a_grandchild_in_another_session_cannot_hold_us(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        f"setsid sh -c 'echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 60' & echo data"
    )
    with running(shell(script)) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match="still holds"):
            process.read(100)
    assert wait_for(pid_file.exists)
    os.kill(int(pid_file.read_text()), signal.SIGKILL)


@pytest.mark.usefixtures("short_graces")
def test_a_grandchild_in_another_session_that_floods_stderr_cannot_hold_us() -> None:
    flood = "setsid sh -c 'while :; do echo flood >&2; done' >/dev/null & echo data"
    started = time.monotonic()
    with running(shell(flood)) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match="still holds its error output open"):
            process.read(100)
    assert time.monotonic() - started < 10


def test_a_grandchild_that_holds_nothing_is_ended_too() -> None:
    with running(shell("sleep 60 >/dev/null 2>&1 & echo data")) as process:
        assert read_all(process) == b"data\n"
    assert group_is_gone(process.pid)


@pytest.mark.usefixtures("short_graces")
def test_a_child_that_ignores_sigterm_is_killed() -> None:
    with running(shell("trap '' TERM; echo data; while :; do sleep 1; done"), stall=0.2) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match="sent nothing"):
            process.read(100)
        assert process.exit_code == -signal.SIGKILL
    assert group_is_gone(process.pid)


def test_a_child_gets_the_time_to_end_politely() -> None:
    script = "trap 'echo cancelled >&2; exit 1' TERM; echo data; sleep 60 & wait"
    with running(shell(script), stall=0.2) as process:
        process.read(100)
        with pytest.raises(DumpFailed, match="cancelled"):
            process.read(100)
        assert process.exit_code == 1


# ---------------------------------------------------------------------------- leaving early


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_exception_in_the_body_ends_the_child(error: type[BaseException]) -> None:
    with pytest.raises(error), running(shell("sleep 60 & head -c 9000000 /dev/zero; wait")) as process:
        process.read(100)
        raise error
    assert group_is_gone(process.pid)


def test_leaving_the_body_early_ends_the_child() -> None:
    with running(shell("yes")) as process:
        process.read(100)
    assert group_is_gone(process.pid)


def test_stop_from_another_thread_ends_a_waiting_read() -> None:
    with running(shell("echo data; sleep 60")) as process:
        process.read(100)
        timer = threading.Timer(0.2, process.stop)
        timer.start()
        with pytest.raises(DumpFailed, match="was stopped"):
            process.read(100)
        timer.join()
    assert group_is_gone(process.pid)


def test_stop_from_a_signal_handler_ends_a_waiting_read() -> None:
    with running(shell("sleep 60")) as process:
        before = signal.signal(signal.SIGALRM, lambda *_: process.stop())
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            with pytest.raises(DumpFailed, match="was stopped"):
                process.read(100)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def test_a_dump_that_was_stopped_is_no_success_even_if_the_child_ends_with_0() -> None:
    with running(shell("trap 'exit 0' TERM; echo data; sleep 60 & wait")) as process:
        process.read(100)
        process.stop()
        with pytest.raises(DumpFailed, match="was stopped"):
            process.read(100)


def test_a_stop_at_the_very_end_is_no_success() -> None:
    def stops(line: str) -> Verdict:
        time.sleep(0.3)  # meanwhile the child ends well
        process.stop()
        return Verdict.BENIGN

    command = Command(("/bin/sh", "-c", "exec 1>&-; echo line >&2"), PATH, stops)
    with running(command) as process, pytest.raises(DumpFailed, match="was stopped"):
        process.read(100)


def test_stop_after_the_end_is_harmless() -> None:
    with running(shell("true")) as process:
        assert process.read(1) == b""
    process.stop()


ORPHAN = """
import sys
from datetime import timedelta
from vya_backupdb.model import Verdict
from vya_backupdb.streams.process import Command, DumpProcess
command = Command(("/bin/sh", "-c", "echo $$; while :; do :; done"), {}, lambda line: Verdict.BENIGN)
with DumpProcess(command, stall_timeout=timedelta(seconds=60)) as process:
    print(process.read(100).decode(), flush=True)
    process.read(100)
"""


def test_a_child_dies_with_us_even_if_we_are_killed_and_it_never_writes() -> None:
    with subprocess.Popen((sys.executable, "-c", ORPHAN), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    assert group_is_gone(child)


def test_the_thread_that_starts_a_child_may_end_before_it() -> None:
    process = running(shell("sleep 0.5; echo data"))
    starter = threading.Thread(target=process.__enter__)
    starter.start()
    starter.join()
    try:
        assert read_all(process) == b"data\n"
    finally:
        process.__exit__()
