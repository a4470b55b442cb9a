"""`vya-backupdb notify`: a notice by hand, and of a unit of systemd that failed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback import Listener, listening, status
from vya_backupdb.cli.main import main


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, listener: Listener) -> Path:
    return configured(tmp_path, listener.url.replace("http://", "json://") + "/hook/t0ken")


def configured(folder: Path, *urls: str) -> Path:
    path = folder / "config.json"
    document = {"instances": [{"id": "main", "engine": "mysql", "host": "db"}], "notify": {"urls": urls}}
    path.write_text(json.dumps({**document, "storage": {"hostname": "db1"}}))
    return path


def told(listener: Listener) -> tuple[str, str, str]:
    (request,) = listener.requests
    sent = json.loads(request.body)
    return sent["title"], sent["message"], sent["type"]


def stand_on_stdin(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_a_subject_and_what_stands_on_stdin_are_sent(
    config: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_on_stdin(monkeypatch, b"/var 99 %\n\x1b[2J/home 12 % \xff\n")
    assert main(["--config", str(config), "notify", "the disks"]) == 0
    assert told(listener) == ("db1: the disks", "/var 99 %\n\\x1b[2J/home 12 % \\xff", "warning")


@pytest.mark.parametrize(
    ("invocation", "asked"),
    [
        ("", "--unit vya-backupdb-verify.service"),
        ("0a" * 16, f"_SYSTEMD_INVOCATION_ID={'0a' * 16} + INVOCATION_ID={'0a' * 16}"),
    ],
)
def test_a_unit_that_failed_is_told_with_its_last_lines_of_that_run_where_it_is_known(
    config: Path,
    listener: Listener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    invocation: str,
    asked: str,
) -> None:
    monkeypatch.setenv("MONITOR_INVOCATION_ID", invocation)
    journalctl = tmp_path / "journalctl"
    journalctl.write_text('#!/bin/sh\necho "$*"; echo "verify: \033[1m2 damaged"; echo "password=hunter2"\n')
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["--config", str(config), "notify", "--unit", "vya-backupdb-verify.service"]) == 0
    subject, body, kind = told(listener)
    assert (subject, kind) == ("db1: vya-backupdb-verify.service failed", "failure")
    first, second, third, last = body.splitlines()
    assert first.startswith(f"{asked} --lines 40 ")
    assert (second, third) == ("verify: \\x1b[1m2 damaged", "password=**********")
    assert last == "On db1, `journalctl --unit vya-backupdb-verify.service` tells the rest."


def test_a_journal_that_cannot_be_read_is_told_too(
    config: Path, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--config", str(config), "notify", "--unit", "x.service"]) == 0
    assert "its lines in the journal cannot be read: " in told(listener)[1]


def test_who_cannot_be_told_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_on_stdin(monkeypatch, b"")
    with listening(status(500)) as refusing:
        config = configured(tmp_path, refusing.url.replace("http://", "json://") + "/hook/t0ken")
        assert main(["--config", str(config), "notify", "a test"]) == 12
    said = capsys.readouterr().err
    assert "notify.urls[0]: not sent: " in said
    assert "t0ken" not in said


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["a test"], 10, "notify.urls: is not set"),
        ([], 2, "give either a SUBJECT or --unit"),
        (["a test", "--unit", "x"], 2, "give either a SUBJECT or --unit"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, what: str
) -> None:
    assert main(["--config", str(configured(tmp_path)), "notify", *words]) == code
    assert what in capsys.readouterr().err
