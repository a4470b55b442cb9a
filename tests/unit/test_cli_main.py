"""The frame: options, errors, exit codes, signals. Most run in-process; what ends a process has its own."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import structlog

from vya_backupdb.cli import main as frame
from vya_backupdb.cli.context import CliContext
from vya_backupdb.cli.main import main
from vya_backupdb.credentials.keys import KeySource, write_key
from vya_backupdb.credentials.vault import save_vault
from vya_backupdb.errors import ConnectionFailed, Refused

PROGRAM = (sys.executable, "-m", "vya_backupdb")
Fault = Callable[[BaseException], None]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def raises(monkeypatch: pytest.MonkeyPatch) -> Fault:
    """Make `vya-backupdb config` raise something."""

    def set_up(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            secret = "hunter2-local"  # noqa: F841
            raise error

        monkeypatch.setattr(frame.cli, "get_command", lambda *_: command)

    return set_up


# ---------------------------------------------------------------------------- start-up


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vya-backupdb {version('vya-backupdb')}\n"


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_cheap_options_import_nothing_heavy(option: str) -> None:
    script = (
        "import sys; from vya_backupdb.cli.main import main; main([sys.argv[1]]); "
        "loaded = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(loaded & set(sys.argv[2].split())), file=sys.stderr)"
    )
    heavy = "pydantic yaml structlog rich cryptography psycopg pymysql zstandard isal filelock apprise"
    done = subprocess.run(
        (sys.executable, "-c", script, option, heavy), capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


def test_help_lists_the_commands_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("backup", "restore", "config", "credentials"))


def test_every_command_that_is_listed_can_be_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(frame.cli)
    for name in frame.cli.list_commands(context):
        assert frame.cli.get_command(context, name) is not None


# ---------------------------------------------------------------------------- errors


def test_an_error_is_what_and_cure_and_its_exit_code(
    raises: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    raises(ConnectionFailed("db1: refused", cure="start it"))
    assert main(["config"]) == 12
    assert capsys.readouterr().err == "vya-backupdb: db1: refused\n  start it\n"


def test_an_unexpected_fault_is_one_line_and_the_way_to_more(
    raises: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    raises(ZeroDivisionError("by zero"))
    assert main(["config"]) == 1
    assert capsys.readouterr().err == (
        "vya-backupdb: unexpected fault: ZeroDivisionError: by zero\n"
        "  run again with --verbose --verbose for the traceback\n"
    )


@pytest.mark.threat("secrets-in-messages")
def test_a_traceback_comes_with_two_verbose_only_and_without_locals(
    raises: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    raises(ZeroDivisionError("by zero"))
    assert main(["-v", "config"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert main(["-v", "-v", "config"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "ZeroDivisionError: by zero" in err
    assert "'hunter2-local'" not in err


@pytest.mark.threat("secrets-in-messages")
def test_secrets_and_control_characters_in_an_error_reach_no_terminal(
    raises: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    raises(ValueError("\x1b[31m password=hunter2 \x9b \u202e"))
    for arguments in (["config"], ["-vv", "config"]):
        assert main(arguments) == 1
        err = capsys.readouterr().err
        assert "hunter2 " not in err
        assert all(line.isprintable() for line in err.splitlines())


def test_an_interrupt_ends_with_130(raises: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    raises(KeyboardInterrupt())
    assert main(["config"]) == 130
    assert capsys.readouterr().err == "vya-backupdb: interrupted\n"


def test_a_broken_pipe_of_something_else_than_stdout_is_a_fault(
    raises: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    raises(BrokenPipeError(32, "Broken pipe"))
    assert main(["config"]) == 1
    assert "BrokenPipeError" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (3, 3), (20, 20), (None, 0)])
def test_a_command_can_end_with_a_status(raises: Fault, status: int | None, expected: int) -> None:
    raises(SystemExit(status))
    assert main(["config"]) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nope"], "No such option"),
        (["nope"], "No such command 'nope'"),
        (["\x1b[31m"], r"\x1b[31m"),
        (["--log-format", "xml", "config"], "xml"),
        (["-q", "-v", "config", "validate"], "exclude each other"),
        (["config", "test-connections", "extra"], "unexpected extra argument"),
        (["credentials", "set"], "Missing argument"),
        (["credentials", "rekey"], "say --key"),
        (["credentials", "rekey", "--key", "hunter2"], "take hostname"),
        (["config"], "Usage:"),
        ([], "Usage:"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert all(line.isprintable() for line in captured.err.splitlines())
    assert "hunter2" not in captured.err


# ---------------------------------------------------------------------------- the environment


def test_options_come_from_the_environment(raises: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[CliContext] = []

    @click.command()
    @click.pass_obj
    def command(state: CliContext) -> None:
        seen.append(state)

    monkeypatch.setattr(frame.cli, "get_command", lambda *_: command)
    monkeypatch.setenv("VYA_BACKUPDB_CONFIG", "/x/y.yaml")
    monkeypatch.setenv("VYA_BACKUPDB_VERBOSE", "2")
    monkeypatch.setenv("VYA_BACKUPDB_LOG_FORMAT", "json")
    monkeypatch.setenv("VYA_BACKUPDB_VERSION", "1.2.3")  # as images set it; no option of ours
    assert main(["config"]) == 0
    assert (seen[0].config_file, seen[0].verbose, seen[0].log_format) == (Path("/x/y.yaml"), 2, "json")
    assert main(["--config", "/z.yaml", "config"]) == 0
    assert seen[1].config_file == Path("/z.yaml")


# ---------------------------------------------------------------------------- streams and signals


def test_a_reader_who_has_gone_is_no_fault() -> None:
    for arguments in ("--help", "config --help", "--version"):
        done = subprocess.run(
            ("sh", "-c", f'{{ "$0" -m vya_backupdb {arguments}; echo $? >&2; }} | true', sys.executable),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == "0\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_result_that_cannot_be_written_is_a_fault(unbuffered: str) -> None:
    for arguments in (("--version",), ("config", "--help")):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                (*PROGRAM, *arguments), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            )  # fmt: skip
        assert done.returncode == 23
        assert done.stderr == "vya-backupdb: standard output: No space left on device\n"


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(redirection: str) -> None:
    done = subprocess.run(
        ("sh", "-c", f'"$0" -m vya_backupdb --version {redirection}', sys.executable),
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_a_signal_ends_it_at_once_and_cleanly(tmp_path: Path, number: int, status: int, said: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("instances: [{id: a, engine: mysql, host: h}]\n")
    command = (*PROGRAM, "--config", str(config), "credentials", "encrypt", "--input", "-")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _wait_until_it_reads(process.pid)
        process.send_signal(number)
        _, err = process.communicate(timeout=10)
    assert process.returncode == status
    assert err == f"vya-backupdb: {said}\n"
    assert os.listdir(tmp_path) == ["config.yaml"]


def _wait_until_it_reads(pid: int) -> None:
    for _ in range(1000):
        number, descriptor, *_rest = (Path(f"/proc/{pid}/syscall").read_text() + " - -").split()
        if number == "0" and descriptor in ("0x0", _terminal(pid)):
            return
        time.sleep(0.01)
    pytest.fail("it never read its stdin")


def _terminal(pid: int) -> str:
    """Give the descriptor of /dev/tty, where a password is read from."""
    for path in Path(f"/proc/{pid}/fd").iterdir():
        if str(path.readlink()) == "/dev/tty":
            return hex(int(path.name))
    return "none"


def test_each_signal_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one, while the first is cleaned up after, is not swallowed."""
    with frame._endable(), pytest.raises(frame.Ended):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            with pytest.raises(frame.Ended):
                signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with frame._endable():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


# ---------------------------------------------------------------------------- a terminal


def on_a_terminal(tmp_path: Path, answers: list[bytes], *arguments: str) -> tuple[int, str]:
    """Run with a terminal for all streams, answer each question, and give exit status and what was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [*PROGRAM, *arguments])
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        shown += part
        if answers and shown.endswith(b": "):
            _wait_until_it_reads(pid)  # a Ctrl-C just before that is seen only after it
            os.write(terminal, answers.pop(0))
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(
        "instances: [{id: a, engine: mysql, host: h}]\ncredentials: {file: c.json, key: {file: key}}\n"
    )
    (tmp_path / "plain").write_text("a: {username: u, password: p}")
    write_key(tmp_path / "key")
    save_vault(tmp_path / "c.json", {}, KeySource("file", str(tmp_path / "key")))
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (b"y\n", 0, "1 credential, encrypted with the key file"),
        (b"n\n", Refused.exit_code, "not confirmed"),
        (b"\n", Refused.exit_code, "not confirmed"),
        (b"\x04", Refused.exit_code, "not confirmed"),
        (b"\x03", 130, "interrupted"),
    ],
)
def test_a_question_on_a_terminal_is_asked_and_obeyed(
    folder: Path, answer: bytes, status: int, said: str
) -> None:
    before = (folder / "c.json").read_bytes()
    arguments = ("--config", "c.yaml", "credentials", "encrypt", "--input", "plain")
    code, shown = on_a_terminal(folder, [answer], *arguments)
    assert said in shown
    assert code == status
    assert ((folder / "c.json").read_bytes() == before) == (status != 0)


def test_a_password_is_asked_for_twice_and_not_shown(folder: Path) -> None:
    arguments = ("--config", "c.yaml", "credentials", "set", "a", "--username", "u")
    code, shown = on_a_terminal(folder, [b"hunter 2\n"] * 2, *arguments)
    assert code == 0
    assert "hunter" not in shown


def test_the_end_of_input_where_a_password_is_asked_is_a_refusal(folder: Path) -> None:
    arguments = ("--config", "c.yaml", "credentials", "set", "a", "--username", "u")
    code, shown = on_a_terminal(folder, [b"\x04"], *arguments)
    assert "the question was not answered" in shown
    assert code == Refused.exit_code
