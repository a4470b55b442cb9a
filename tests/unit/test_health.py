"""What `health` calls a problem, and how it says so; no server."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.made_backups import configured, new_store, put, resized
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.store import RECORD_SUFFIX, Store
from vya_backupdb.cli.main import main
from vya_backupdb.cli.metrics import metrics
from vya_backupdb.config.models import Config
from vya_backupdb.credentials.vault import Credential, Vault
from vya_backupdb.errors import CredentialsError
from vya_backupdb.operations.health import Health, Level, health

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "store")


def vault() -> Vault:
    return Vault({"main": Credential("backup", None)})


@pytest.fixture
def asked(store: Store) -> Callable[..., Health]:
    """`asked(instance, max_age=..., **config)`: the health of what is in the store."""

    def ask(
        instance: dict[str, Any] | None = None, *, max_age: timedelta | None = None, **rest: Any
    ) -> Health:
        config = Config.model_validate(configured(store, instance, **rest))
        return health(config, vault, max_age=max_age, now=NOW)

    return ask


def said(found: Health) -> list[tuple[Level, str]]:
    return [(problem.level, problem.what) for problem in found.problems]


def note(store: Store, event: str, **facts: Any) -> None:
    journal.append(store.instance_folder("main"), event, facts, now=NOW - timedelta(hours=1))


def test_a_fresh_backup_is_all_that_is_asked_for(store: Store, asked: Callable[..., Health]) -> None:
    put(store, at=NOW - timedelta(hours=25))
    note(store, "backup", database="shop")
    found = asked()
    assert found.problems == ()
    assert found.level is Level.OK


def test_a_backup_that_is_too_old_is_critical(store: Store, asked: Callable[..., Health]) -> None:
    put(store, at=NOW - timedelta(hours=27))
    ((level, what),) = said(asked())
    assert level is Level.CRITICAL
    assert what == ("the last good backup is 1d3h old, more than 1d2h (max_age); the last attempt: not known")
    assert said(asked({"max_age": "2d"})) == []
    assert asked({"max_age": "2d"}, max_age=timedelta(hours=1)).level is Level.CRITICAL


def test_a_failed_attempt_is_a_warning_while_the_last_good_one_is_fresh(
    store: Store, asked: Callable[..., Health]
) -> None:
    put(store, at=NOW - timedelta(hours=2))
    note(store, "backup failed", database="shop", error="no space")
    ((level, what),) = said(asked())
    assert level is Level.WARNING
    assert "no space" in what
    assert asked(max_age=timedelta(hours=1)).level is Level.CRITICAL


def test_what_was_never_backed_up_is_critical(store: Store, asked: Callable[..., Health]) -> None:
    note(store, "backup failed", database=None, error="access denied")
    (problem,) = asked().problems
    assert (problem.level, problem.what, problem.cure) == (
        Level.CRITICAL,
        "has no good backup; the last attempt failed: access denied",
        "mend that, then vya-backupdb backup --instance main --all",
    )
    put(store, at=NOW)
    found = asked({"databases": {"include": ["shop", "stock"]}}, max_age=timedelta(days=1))
    assert {(p.database, p.level) for p in found.problems} == {
        ("shop", Level.WARNING),
        ("stock", Level.CRITICAL),
    }


def test_what_the_configuration_does_not_take_any_more_is_no_problem(
    store: Store, asked: Callable[..., Health]
) -> None:
    put(store, "old", at=NOW - timedelta(days=90))
    put(store, at=NOW)
    assert said(asked({"databases": {"exclude": ["old"]}})) == []
    assert asked().level is Level.CRITICAL


@pytest.mark.parametrize(("size", "problems"), [(50, 0), (49, 1), (150, 0), (151, 1), (4, 1)])
def test_a_file_of_another_size_than_usual_is_a_warning(
    store: Store, asked: Callable[..., Health], size: int, problems: int
) -> None:
    for days in (3, 2, 1):
        resized(put(store, at=NOW - timedelta(days=days)), 100)
    resized(put(store, at=NOW), size)
    found = asked()
    assert len(found.problems) == problems
    assert all(level is Level.WARNING and "usual are 100" in what for level, what in said(found))
    assert said(asked(health={"size_change": None})) == []


def test_a_newer_backup_that_is_damaged_is_critical(store: Store, asked: Callable[..., Health]) -> None:
    put(store, at=NOW - timedelta(hours=2))
    put(store, at=NOW - timedelta(hours=1)).write_text("{")
    ((level, what),) = said(asked())
    assert level is Level.CRITICAL
    assert what.startswith("a newer backup than the last good one is damaged: ")
    for record in store.root.rglob("*.json"):
        record.write_text("{")
    assert said(asked())[0] == (Level.CRITICAL, "has no good backup among the 2 in the store")


def test_backups_without_a_proof_for_long_are_a_warning(store: Store, asked: Callable[..., Health]) -> None:
    old = put(store, at=NOW - timedelta(days=31))
    put(store, at=NOW)
    ((level, what),) = said(asked())
    assert (level, what) == (
        Level.WARNING,
        "no backup was ever verified, and the first is from 31d ago, more than 30d (unverified_for)",
    )
    note(store, "verify", file=old.name.replace(RECORD_SUFFIX, ".sql.zst"), ok=True)
    assert said(asked()) == []
    ((_, what),) = said(asked(health={"unverified_for": "10s"}))
    assert what == "the last proof of a backup was 1h ago, more than 10s (unverified_for)"


def test_a_full_or_absent_store_and_one_that_others_may_enter(
    store: Store, asked: Callable[..., Health], tmp_path: Path
) -> None:
    put(store, at=NOW)
    huge = {"path": str(store.root), "hostname": "here", "min_free": "99.999%"}
    assert [level for level, what in said(asked(storage=huge)) if "min_free" in what] == [Level.CRITICAL]
    store.instance_folder("main").chmod(0o755)
    assert [level for level, what in said(asked()) if "others" in what] == [Level.WARNING]
    absent = asked(storage={"path": str(tmp_path / "nowhere"), "hostname": "here"})
    assert said(absent) == [(Level.CRITICAL, f"{tmp_path / 'nowhere'}: the store is not there")]
    assert absent.free_bytes is None


def test_credentials_that_cannot_be_read_are_critical(store: Store) -> None:
    put(store, at=NOW)

    def closed() -> Vault:
        raise CredentialsError("the key does not fit")

    found = health(Config.model_validate(configured(store)), closed, now=NOW)
    assert said(found) == [(Level.CRITICAL, "the key does not fit")]


def test_every_problem_says_what_to_do_in_commands_that_are_understood(
    store: Store, asked: Callable[..., Health], tmp_path: Path
) -> None:
    for name in ("shop", "it's"):
        put(store, name, at=NOW - timedelta(days=80))
        resized(put(store, name, at=NOW - timedelta(days=40)), 1000)
        note(store, "backup failed", database=name, error="no space")
    note(store, "backup failed", database="@users", error="no space")
    put(store, "late", at=NOW - timedelta(days=2))
    put(store, "broken", at=NOW - timedelta(days=2)).write_text("{")
    found = asked({"databases": {"include": ["*", "never"]}})
    config = tmp_path / "config.json"
    config.write_text(json.dumps(configured(store, {"host": "127.0.0.1", "port": 1})))
    commands = set()
    for problem in found.problems:
        assert problem.cure, problem
        for text in re.findall("vya-backupdb ([^;,]*)", problem.cure):
            words = shlex.split(text)
            commands.add(words[0])
            assert main(["--config", str(config), *words]) != 2, text
            if "--database" in words:
                assert words[-1] == problem.database
    assert commands == {"backup", "users", "show", "verify"}


PREFIXES = (
    "",
    "pico",
    "nano",
    "micro",
    "milli",
    "centi",
    "deci",
    "kilo",
    "mega",
    "giga",
    "tera",
    "kibi",
    "mibi",
)
UNITS = {
    *(
        prefix + unit
        for prefix in PREFIXES
        for unit in ("amperes", "bits", "bytes", "grams", "seconds", "volts")
    ),
    *("minutes", "hours", "days", "weeks", "percents", "percentage", "celsius", "fahrenheit", "calories"),
}
ABBREVIATIONS = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"}


def linted(name: str) -> list[str]:
    """What `promtool check metrics` says of the name of a gauge."""
    words = set(name.split("_"))
    found = [f"{name}: not snake_case"] if not re.fullmatch("[a-z][a-z0-9_]*", name) else []
    found += [
        f"{name}: {end} is not for gauges"
        for end in ("total", "count", "sum", "bucket", "info")
        if end in words
    ]
    found += [
        f"{name}: holds its type" for kind in ("gauge", "counter", "histogram", "summary") if kind in words
    ]
    found += [
        f"{name}: {unit} is no base unit" for unit in (words & UNITS) - {"seconds", "bytes", "volts", "grams"}
    ]
    return found + [f"{name}: {short} is an abbreviated unit" for short in words & ABBREVIATIONS]


def test_the_rules_of_promtool_are_broken_by_what_breaks_them() -> None:
    broken = (
        "backupAge",
        "backups_total",
        "problems_gauge",
        "age_hours",
        "size_kilobytes",
        "size_mb",
        "age_ms",
        "a:b",
    )
    assert [name for name in broken if not linted(name)] == []


LABEL = r'[a-z]+="(?:[^"\\\n]|\\.)*"'
SAMPLE = re.compile(rf"vya_backupdb_[a-z_]+(\{{{LABEL}(,{LABEL})*\}})? \S+")


def test_metrics_are_what_prometheus_reads(store: Store, asked: Callable[..., Health]) -> None:
    put(store, 'a"b\\c\nd', at=NOW)
    note(store, "backup", database='a"b\\c\nd')
    text = metrics(asked())
    assert text.endswith("\n")
    families: list[str] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, told = line.split(" ", 3)
            assert linted(name) == []
            assert told.strip()
            families.append(name)
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {families[-1]} gauge"
        else:
            assert SAMPLE.fullmatch(line), line
            assert re.split(r"[{ ]", line)[0] == families[-1]
    assert len(set(families)) == len(families)
    assert r'database="a\"b\\c\nd"} ' + str(NOW.timestamp())[:10] in text
    assert 'vya_backupdb_problems{level="critical"} 0' in text


@pytest.mark.threat("server-words")
def test_a_name_in_metrics_does_nothing_to_a_terminal(store: Store, asked: Callable[..., Health]) -> None:
    put(store, "a\x1b[2J\u202e\r", at=NOW)
    text = metrics(asked())
    assert r'database="a\\x1b[2J\\u202e\\r"' in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_command_ends_as_a_plugin_does(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, at=datetime.now(UTC) - timedelta(days=9))
    config = tmp_path / "config.json"
    config.write_text(json.dumps(configured(store)))

    def run(*words: str) -> tuple[int, str]:
        status = main(["--config", str(config), "health", *words])
        return status, capsys.readouterr().out

    status, out = run()
    assert status == 2
    first, *lines = out.splitlines()
    assert first.startswith("CRITICAL: ")
    assert sum(line.startswith("CRITICAL main/shop: the last good backup is 9d old") for line in lines) == 1
    status, out = run("--format", "json")
    assert (status, json.loads(out)["status"]) == (2, "CRITICAL")
    file = tmp_path / "out.prom"
    file.write_text("old")
    assert run("--format", "prometheus", "--output", str(file)) == (2, "")
    assert file.read_text().startswith("# HELP")
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert run("--output", str(tmp_path / "no/where"))[0] == 3
    config.write_text("{")
    status, out = run()
    assert status == 3
    assert out.startswith("UNKNOWN: ")
