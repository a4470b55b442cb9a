"""A clock that was set back between two backups."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest

from scripts.sample.clients import run_sql
from tests.end_to_end.conftest import Site
from vya_backupdb.cli.main import main

from .counts import flavours


@pytest.fixture
def shifted(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """`shifted(hours, *words)`: what the command says, with a clock that is wrong by so many hours."""

    def run(hours: float, *words: str) -> Any:
        class Shifted(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + timedelta(hours=hours)

        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, module in list(sys.modules.items()):
                has_clock = (
                    name.startswith("vya_backupdb.") and name != "vya_backupdb.cli.render"
                )  # that looks
                if has_clock and getattr(module, "datetime", None) is datetime:  # whether something is a time
                    patch.setattr(module, "datetime", Shifted)
            assert main(["--config", str(site.config), *words, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("server", flavours("postgresql"), indirect=True)
def test_the_backup_made_last_is_the_newest_though_the_clock_was_set_back(
    site: Site, database: str, shifted: Callable[..., Any]
) -> None:
    """By an hour, by days, by a little; and each time the retention may have only one."""
    site.fill(database, rows=3)
    site.change_config(retention={"keep_last": 1})
    selected = ("--instance", "source", "--database", database)
    names, rows = set(), 3
    for hours in (0, -1, -50, -50, 0):
        run_sql(site.source, f"insert into t values ({1000 + rows}, 'x')", database)
        rows += 1
        (made,) = shifted(hours, "backup", *selected, "--prune")["backups"]
        names.add(made["file"])
        assert shifted(0, "show", *selected)["file"] == made["file"]
        (one,) = shifted(hours, "status", "--instance", "source")["databases"]
        assert one["last_good"]["id"] == made["id"]
        warned = ["clock of this machine" in each for each in made["warnings"]].count(True)
        assert warned == (hours < 0)
    assert len(names) == 5
    assert site.restore(database)["rows"] == rows
