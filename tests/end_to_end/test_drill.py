"""`drill`: a backup that restores is proved in a throw-away server, and one that does not is called so."""

from __future__ import annotations

import json
from typing import Any

from scripts.sample.clients import run_sql

from .conftest import Site


def of(database: str) -> tuple[str, ...]:
    return ("--instance", "source", "--database", database)


def drilled(site: Site, *words: str, code: int = 0) -> Any:
    return site.json("drill", *words, code=code)


def journal(site: Site) -> list[dict[str, Any]]:
    lines = next(site.store.rglob("source/journal.jsonl")).read_text().splitlines()
    return [entry for line in lines if (entry := json.loads(line))["event"] == "drill"]


def test_a_good_backup_is_proved(site: Site, database: str) -> None:
    site.fill(database, rows=3_000)
    run_sql(site.source, "create view v as select id from t", database)
    site.write_config(checks={database: ["select count(*) = 3000 from t"]})
    made = site.backup(database)
    done = drilled(site, *of(database))
    assert done["ok"]
    (drill,) = done["drills"]
    (one,) = drill["databases"]
    assert (one["ok"], one["rows"], one["tables"], one["file"]) == (True, 3_000, 1, made["file"])
    (check,) = one["checks"]
    assert (check["query"], check["ok"]) == ("select count(*) = 3000 from t", True)
    assert [(entry["ok"], entry["database"]) for entry in journal(site)] == [(True, database)]
