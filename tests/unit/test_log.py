from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from vya_backupdb import log
from vya_backupdb.errors import ConfigurationError
from vya_backupdb.log import MASK, masked, printable


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""  # stdout is for results
    return captured.err


# ---------------------------------------------------------------------------- lines


def test_a_console_line_has_time_level_event_and_facts(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure()
    log.get_logger("vya_backupdb.operations.backup").info("dump finished", database="shop", bytes=5)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info    dump finished  database=shop bytes=5\n",
        logged(capsys),
    )


def test_a_json_line_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(style="json")
    log.get_logger("vya_backupdb.operations.backup").warning(
        "slow", database="a\nb", path=Path("/x"), rate=None
    )
    event = json.loads(logged(capsys))
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "level": "warning",
        "event": "slow",
        "module": "operations.backup",
        "database": "a\nb",
        "path": "/x",
        "rate": None,
    }


def fields(entry: bytes) -> dict[str, str]:
    """Take an entry of journald's protocol apart."""
    found = {}
    while entry:
        name, _, rest = entry.partition(b"\n")
        size = int.from_bytes(rest[:8], "little")
        found[name.decode()] = rest[8 : 8 + size].decode()
        assert rest[8 + size : 9 + size] == b"\n"
        entry = rest[9 + size :]
    return found


def test_the_journal_gets_each_fact_as_a_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "JOURNALD", str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(log.JOURNALD)
        log.configure(style="journald", file=tmp_path / "file")
        log.get_logger("vya_backupdb.operations.backup").warning(
            "dump finished", database="a\nb", bytes=5, password="x", **{"odd-key": [1]}
        )
        entry = fields(journal.recv(1 << 20))
    assert entry == {
        "MESSAGE": f'dump finished  database="a\\nb" bytes=5 password={MASK} odd-key=[1]',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "vya-backupdb",
        "VYA_EVENT": "dump finished",
        "VYA_MODULE": "operations.backup",
        "VYA_DATABASE": "a\nb",
        "VYA_BYTES": "5",
        "VYA_PASSWORD": MASK,
        "VYA_ODD_KEY": "[1]",
    }
    assert logged(capsys) == ""
    assert "Z warning dump finished  database=" in (tmp_path / "file").read_text()


def test_a_line_that_the_journal_does_not_take_goes_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "JOURNALD", str(tmp_path / "absent"))
    log.configure(style="journald")
    log.get_logger("x").info("dump finished", database="shop")
    assert logged(capsys).endswith("info    dump finished  database=shop\n")


@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.threat("server-words")
def test_no_line_holds_a_control_character(capsys: pytest.CaptureFixture[str], style: log.Format) -> None:
    log.configure(style=style)
    log.get_logger("x").info("e\x1b[31m", name="\x1b]0;x\x07 \x9b31m \u202e \n \udcff", raw=b"\xff\x1b")
    line = logged(capsys)
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_a_fact_with_spaces_is_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure()
    log.get_logger("x").info("e", a="b c", d="", e='f"g', h=["i"])
    assert logged(capsys).endswith('e  a="b c" d="" e="f\\"g" h=["i"]\n')


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_events_below_the_level_are_left_out(
    capsys: pytest.CaptureFixture[str], level: log.Level, count: int
) -> None:
    log.configure(level=level)
    logger = log.get_logger("x")
    logger.debug("a")
    logger.info("b")
    logger.warning("c")
    logger.error("d")
    assert len(logged(capsys).splitlines()) == count


def test_a_logger_made_before_the_log_is_configured_obeys_it(capsys: pytest.CaptureFixture[str]) -> None:
    logger = log.get_logger("x")
    log.configure(level="error")
    logger.warning("a")
    assert logged(capsys) == ""


# ---------------------------------------------------------------------------- the file


def test_the_file_gets_the_same_lines_appended_and_is_its_owners_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    for name in ("one", "two"):
        log.configure(file=path)
        log.get_logger("x").info(name)
    assert path.read_text() == logged(capsys)
    assert len(path.read_text().splitlines()) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_opened_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere/log: cannot log there"):
        log.configure(file=tmp_path / "nowhere" / "log")


def test_a_pipe_that_nobody_reads_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="cannot log there"):
        log.configure(file=tmp_path / "pipe")


def test_a_full_disk_is_told_once_and_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(file=Path("/dev/full"))
    logger = log.get_logger("x")
    logger.info("a")
    logger.info("b")
    assert [line for line in logged(capsys).splitlines() if "no longer logged to" in line] == [
        "/dev/full: no longer logged to: No space left on device"
    ]


def test_a_stderr_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    script = "from vya_backupdb import log; log.configure(); log.get_logger('x').error('a'); print('done')"
    for redirection in ("2>&-", "2>/dev/full"):
        done = subprocess.run(
            ("sh", "-c", f'"$1" -c "$2" {redirection}', "sh", sys.executable, script),
            capture_output=True,
            check=False,
        )
        assert done.stdout == b"done\n"


def test_lines_of_several_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log.configure(style="json", file=path)
    logger = log.get_logger("x")

    def work() -> None:
        for _ in range(50):
            logger.info("a", text="x" * 500)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 200


# ---------------------------------------------------------------------------- secrets


@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.threat("secrets-in-messages")
def test_secrets_are_masked_wherever_they_are(capsys: pytest.CaptureFixture[str], style: log.Format) -> None:
    log.configure(style=style)
    log.get_logger("x").info(
        "e",
        a=SecretStr("hunter2"),
        b=[SecretStr("hunter2")],
        c={"password": "hunter2", "d": {"api_token": "hunter2"}},
        password="hunter2",
        db_passwd=b"hunter2",
        sql="ALTER USER a IDENTIFIED BY 'hunter2'",
        argv=("mysqldump", "--password=hunter2"),
        error=ValueError("connect failed: password=hunter2 host=x"),
        url="mysql://u:hunter2@h/db",
    )
    line = logged(capsys)
    assert "hunter2" not in line
    assert line.count(MASK) == 10


@pytest.mark.parametrize(
    "text",
    [
        "CREATE USER 'a'@'b' IDENTIFIED WITH 'mysql_native_password' BY 'hunter''2\\' x'",
        "CREATE USER a IDENTIFIED VIA ed25519 USING 'hunter2'",
        "ALTER ROLE a PASSWORD 'hunter2'",
        "ALTER ROLE a ENCRYPTED PASSWORD 'hunter2'",
        "SET PASSWORD FOR a = PASSWORD('hunter2')",
        "SET PASSWORD = 'hunter2'",
        "identified by 'hunter2",
        "PGPASSWORD=hunter2 pg_dump",
        "MYSQL_PWD=hunter2",
        "--password=hunter2",
        "password = hunter2",
        "{'password': 'hunter2'}",
        '{"password": "hunter2"}',
        "password:hunter2",
        "postgresql://u:hunter2@h",
    ],
)
@pytest.mark.threat("secrets-in-messages")
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    assert "hunter" not in masked(text)
    assert MASK in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "a.password: unknown key",
        "Access denied for user 'bob'@'h' (using password: YES)",
        'password authentication failed for user "bob"',
        "SELECT 'a' FROM t",
        "http://h:3306/x",
        "the password is missing",
    ],
)
def test_what_is_no_secret_is_left(text: str) -> None:
    assert masked(text) == text


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


def test_characters_can_be_kept() -> None:
    assert printable("a\n\x1b", keep="\n") == "a\n\\x1b"
