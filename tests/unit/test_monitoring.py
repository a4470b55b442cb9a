"""What is in etc/ for monitors speaks of metrics and commands that there are."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from scripts.pages import ROOT
from tests.unit.made_backups import configured, new_store, put
from vya_backupdb import log
from vya_backupdb.catalog import journal
from vya_backupdb.catalog.store import RECORD_SUFFIX
from vya_backupdb.cli.metrics import metrics
from vya_backupdb.config.models import Config
from vya_backupdb.credentials.vault import Credential, Vault
from vya_backupdb.operations.health import health

ETC = ROOT / "etc"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
METRIC = re.compile(r"(vya_backupdb_\w+)(?:\{([^}]*)\})?")
BY_PROMETHEUS = {"instance", "job"}
"""Labels that every scrape adds; ours of the same name is then `exported_instance`."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The metrics of a store in which everything has happened: name to labels."""
    store = new_store(tmp_path_factory.mktemp("store"))
    record = put(store, at=NOW)
    for event, facts in (
        ("backup", {"database": "shop"}),
        ("verify", {"file": record.name.replace(RECORD_SUFFIX, ".sql.zst"), "ok": True}),
    ):
        journal.append(store.instance_folder("main"), event, facts, now=NOW - timedelta(hours=1))
    config = Config.model_validate(configured(store))
    text = metrics(health(config, lambda: Vault({"main": Credential("backup", None)}), now=NOW))
    return {
        name: set(re.findall(r'(\w+)="', labels))
        for name, labels in re.findall(r"^(vya_backupdb_\w+)(\{.*\})? ", text, re.MULTILINE)
    }


def rules() -> Iterator[tuple[str, list[str]]]:
    """Give the expression of each alert, with the labels that its texts name."""
    document: Any = yaml.safe_load((ETC / "prometheus" / "vya_backupdb.rules.yaml").read_text())
    for group in document["groups"]:
        for rule in group["rules"]:
            yield rule["expr"], re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))


def dashboard() -> Any:
    return json.loads((ETC / "grafana" / "vya-backupdb.json").read_text())


def queries() -> Iterator[tuple[str, list[str]]]:
    """Give the expression of each target and variable of the dashboard, with the labels that it shows."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"], re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert asked is not None
            yield asked[1], [asked[2]]


@pytest.mark.parametrize(("expression", "shown"), [*rules(), *queries()])
def test_alerts_and_panels_ask_for_metrics_and_labels_that_there_are(
    written: dict[str, set[str]], expression: str, shown: list[str]
) -> None:
    found = METRIC.findall(expression)
    assert found
    known: set[str] = set(BY_PROMETHEUS)
    for name, matchers in found:
        assert name in written
        labels = BY_PROMETHEUS | {f"exported_{label}" for label in written[name] & BY_PROMETHEUS}
        labels |= written[name]
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= labels
        known |= labels
    kept = re.findall(r"\bby \(([^)]*)\)", expression)
    assert {label for labels in kept for label in labels.split(", ")} | set(shown) <= known
    if kept:
        assert set(shown) <= set(kept[0].split(", "))


def test_the_page_tells_of_every_metric_with_its_labels(written: dict[str, set[str]]) -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    told = re.findall(r"^\| `(vya_backupdb_\w+)` \| ([\w, ]*)\|", page, re.MULTILINE)
    assert {name: set(re.findall(r"\w+", labels)) for name, labels in told} == written


def test_every_metric_is_on_the_dashboard(written: dict[str, set[str]]) -> None:
    assert {name for expression, _ in queries() for name, _ in METRIC.findall(expression)} == set(written)


def test_the_panels_of_the_dashboard_stand_side_by_side_and_ask_the_chosen_source() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for asking in (panel, *panel["targets"]):
            assert asking["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_monitors_run_the_command_that_sudo_lets_them_run() -> None:
    files = [*(ETC / "nagios").iterdir(), *(ETC / "icinga").iterdir(), ROOT / "docs" / "monitoring.md"]
    texts = [re.sub(r'[",\[\]]', "", path.read_text()) for path in files]
    allowed = {each for text in texts for each in re.findall(r"ALL=\((\S+)\) NOPASSWD: (.+)$", text, re.M)}
    run = {each for text in texts for each in re.findall(r"/sudo +-n +-u +(\S+) +(.+?) *$", text, re.M)}
    assert run == allowed == {("vya-backupdb", "/usr/local/bin/vya-backupdb health")}


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not here")
def test_a_rotated_log_loses_no_line_of_a_run_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir(mode=0o750)
    file = folder / "vya-backupdb.log"
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    text = (ETC / "logrotate.d" / "vya-backupdb").read_text()
    settings = tmp_path / "settings"
    settings.write_text(
        text.replace("su vya-backupdb vya-backupdb", f"su {user} {group}").replace(
            "/var/log/vya-backupdb/", f"{folder}/"
        )
    )

    def rotate() -> None:
        argv = ("logrotate", "--force", "--state", str(tmp_path / "state"), str(settings))
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def events(path: Path) -> list[str]:
        return re.findall(r"info +(\w+)", path.read_text())

    before = structlog.get_config()
    try:
        log.configure(file=file)
        log.get_logger("a").info("before")
        rotate()
        log.get_logger("a").info("after")
        assert events(folder / "vya-backupdb.log.1") == ["before", "after"]
        assert not file.exists()
        log.configure(file=file)
        log.get_logger("a").info("next")
        assert events(file) == ["next"]
        assert file.stat().st_mode & 0o777 == 0o600
    finally:
        structlog.configure(**before)
    rotate()
    assert sorted(path.name for path in folder.iterdir()) == ["vya-backupdb.log.1", "vya-backupdb.log.2.gz"]
