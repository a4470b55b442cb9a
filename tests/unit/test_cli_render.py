from __future__ import annotations

import io
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import SecretStr

from vya_backupdb.cli.progress import watched
from vya_backupdb.cli.render import Table, confirmation, emit, human_size, message, plain, printable
from vya_backupdb.errors import Refused


def test_json_is_one_document_with_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass
    class Thing:
        name: str
        size: int

    class Kind(StrEnum):
        ONE = "one"

    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    emit(
        "json",
        {
            "thing": Thing("a", 5),
            "at": moment,
            "naive": datetime(2026, 1, 2, tzinfo=UTC),
            "path": Path("/x"),
            "kind": Kind.ONE,
            "took": timedelta(seconds=1.5),
            "list": (1, None, True),
            "secret": SecretStr("hunter2"),
        },
    )
    out = capsys.readouterr().out
    assert json.loads(out) == {
        "schema_version": 1,
        "thing": {"name": "a", "size": 5},
        "at": "2026-01-02T01:04:05Z",
        "naive": "2026-01-02T00:00:00Z",
        "path": "/x",
        "kind": "one",
        "took": 1.5,
        "list": [1, None, True],
        "secret": "**********",
    }
    assert "hunter2" not in out


@pytest.mark.threat("server-words")
def test_json_holds_no_control_character_and_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    emit("json", {"name": "\x1b[31m\x9b\udcff\n"})
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert json.loads(out)["name"] == "\x1b[31m\x9b\udcff\n"


def test_a_table_without_a_terminal_is_plain_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("Backups", ("name", "rows", "file"))
    table.add("shop", 1234567, "x" * 500)
    table.add("[bold]shop[/bold]", 2, None)
    emit("table", {}, table, "closing line")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "x" * 500 in out
    assert "1,234,567" in out
    assert "[bold]shop[/bold]" in out
    assert out.endswith("closing line\n")
    assert all(line == line.rstrip() for line in out.splitlines())


@pytest.mark.threat("server-words")
def test_a_table_holds_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("t\x1b[31m", ("name",))
    table.add("\x1b[31m\x07\u202e")
    emit("table", {}, table, "\x1b[32m")
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def test_columns_are_aligned_whatever_is_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(None, ("name", "rows", "file"))
    table.add("漢字", 1, "x")
    table.add("a\nbc", 1_000, "y\nz")
    emit("table", {}, table)
    assert capsys.readouterr().out.splitlines() == [
        "name   rows  file",
        "漢字      1  x",
        "a     1,000  y",
        "bc           z",
    ]


def test_ten_thousand_rows_are_written_in_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("Backups", ("name", "rows", "file"))
    for number in range(10_000):
        table.add(f"database {number}", number, "/a/path" * 10)
    for format in ("table", "json"):
        began = time.process_time()
        emit(format, {"backups": [{"name": "x" * 50, "number": n} for n in range(10_000)]}, table)
        assert time.process_time() - began < 2
        assert len(capsys.readouterr().out) > 10_000


def test_an_empty_table_has_its_heads(capsys: pytest.CaptureFixture[str]) -> None:
    emit("table", {}, Table(None, ("name", "rows")))
    assert capsys.readouterr().out.split() == ["name", "rows"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (3 << 50, "3072.0 TiB")],
)
def test_sizes_are_written_as_people_read_them(count: int, text: str) -> None:
    assert human_size(count) == text


def test_further_lines_of_a_text_are_indented() -> None:
    assert printable("a\nb\x1b", indent=2) == "a\n  b\\x1b"
    assert printable("a\nb") == "a\\nb"


def test_without_a_terminal_a_question_is_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused, match="not confirmed: Drop it") as caught:
        confirmation(force=False)("Drop it?")
    assert "--force" in (caught.value.cure or "")


def test_force_is_a_yes() -> None:
    confirmation(force=True)("Drop it?")


# ---------------------------------------------------------------------------- errors


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_question_is_asked_in_full_where_progress_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    monkeypatch.setattr("sys.stderr", screen := Terminal())
    with watched() as progress:
        confirmation(force=False)("Drop [b]it[/b]?")
        asked = screen.getvalue()
        progress.begin("shop", 100)
        progress.advance(50, "orders")
        progress.end()
    assert asked.startswith("Drop [b]it[/b]? [y/N]:")
    assert "shop" in screen.getvalue()


def test_one_fault_takes_a_line_and_its_cure_another() -> None:
    assert message(Refused.of_faults("a/b", [("it is full", "empty it")])) == "a/b: it is full\n  empty it"
    assert message(Refused.of_faults("a/b", [("it is full", None)] * 2)) == "a/b: it is full"


def test_several_faults_stand_in_lines_of_their_own_and_json_has_them_in_one() -> None:
    error = Refused.of_faults("a/b", [("it is full", "empty it"), ("it is old", None)])
    assert message(error) == "a/b:\n  it is full\n    empty it\n  it is old"
    assert plain(error) == {"what": "a/b: it is full; it is old", "cure": "empty it", "exit_code": 24}


def test_a_cure_for_all_faults_stands_behind_them() -> None:
    error = Refused.of_faults("x.sql", [("line 1", None), ("line 2", None)], cure="mend it")
    assert message(error) == "x.sql:\n  line 1\n  line 2\n  mend it"


def test_very_many_faults_are_counted() -> None:
    lines = message(Refused.of_faults("x", [(f"fault {n}", None) for n in range(1000)])).splitlines()
    assert (len(lines), lines[-1]) == (22, "  and 980 more")


@pytest.mark.parametrize(
    "name", ["[/x]", "[link=http://evil]x[/link]", "[red]x", ":smile:", "\x1b[2J", "\u202ex"]
)
@pytest.mark.threat("server-words")
def test_a_name_is_no_markup_on_a_terminal(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vya_backupdb.cli.render.is_terminal", lambda _: True)
    emit("table", {}, Table(name, ("what",), [(name,)]), name)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert shown.count(printable(name)) == 3
    assert "\x1b" not in shown
