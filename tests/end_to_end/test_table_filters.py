"""Tables and rows that the configuration leaves out: gone, named, and no obstacle to a restore."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import ClientError, create_database, run_sql

from .conftest import Site

TABLES = """
    create table customer (id int primary key, name varchar(50));
    create table purchase (id int primary key, customer_id int,
        foreign key (customer_id) references customer (id));
    create table tmp_1 (id int primary key);
    create table tmp_2 (id int primary key);
    create table sessions (id int primary key, data varchar(50));
    create view v_tmp as select id from tmp_1;
    create view v_on_it as select id from v_tmp;
    create view v_sessions as select id from sessions;
    insert into customer values (1, 'one'), (2, 'two');
    insert into purchase values (1, 1), (2, 2);
    insert into tmp_1 values (1);
    insert into sessions values (1, 'secret 1'), (2, 'secret 2');
"""


@pytest.fixture
def shop(site: Site, database: str) -> Iterator[str]:
    """A database with tables to leave out."""
    create_database(site.source, database)
    run_sql(site.source, TABLES, database)
    return database


def record(entry: dict[str, Any]) -> dict[str, Any]:
    file = Path(entry["file"])
    return dict(json.loads(file.with_name(file.name.replace(".sql.zst", ".json")).read_text()))


def names(site: Site, *plain: str) -> list[str]:
    return [f"public.{name}" if site.postgresql else name for name in plain]


def tables_of(site: Site, database: str) -> set[str]:
    schema = "public" if site.postgresql else database
    query = f"select table_name from information_schema.tables where table_schema = '{schema}'"
    return set(run_sql(site.target, query, database).split())


def test_what_is_left_out_is_gone_and_the_rest_restores(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude": [f"{shop}.tmp_*"], "exclude_rows": [f"{shop}.sessions"]})
    site.backup(shop)
    outcome = site.restore(shop)
    assert tables_of(site, shop) == {"customer", "purchase", "sessions", "v_sessions"}
    assert run_sql(site.target, "select count(*) from sessions", shop).strip() == "0"
    assert run_sql(site.target, "select count(*) from purchase", shop).strip() == "2"
    assert outcome["rows_verified"] is True
    assert outcome["rows"] == 4


def test_left_out_rows_are_nowhere_in_the_backup(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude_rows": [f"{shop}.sessions"]})
    entry = site.backup(shop, "--compression", "none")
    script = Path(entry["file"]).read_bytes()
    assert b"secret" not in script
    assert b"sessions" in script
    assert entry["rows"] == 5


def test_what_is_left_out_is_recorded_and_listed(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude": [f"{shop}.tmp_*"], "exclude_rows": [f"{shop}.sessions"]})
    kept = record(site.backup(shop))
    assert kept["left_out"] == {
        "tables": names(site, "tmp_1", "tmp_2", "v_on_it", "v_tmp"),
        "rows": names(site, "sessions"),
    }
    assert kept["contents"]["objects"]["table"] == 3
    assert kept["contents"]["objects"]["view"] == 1
    (listed,) = site.json("restore", "list", "--database", shop)["backups"]
    assert listed["left_out"] == {"tables": 4, "rows": 1}
    assert "4 tables, rows of 1" in site.run("restore", "list", "--database", shop).stdout


def test_a_view_on_what_is_left_out_is_named(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude": [f"{shop}.tmp_1"]})
    warnings = "\n".join(site.backup(shop)["warnings"])
    for view in names(site, "v_tmp", "v_on_it"):
        assert f"view {view} is left out" in warnings


def test_a_foreign_key_to_what_is_left_out_is_named(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude": [f"{shop}.customer"]})
    warnings = [text for text in site.backup(shop)["warnings"] if "foreign key" in text]
    assert len(warnings) == 1
    referenced, table = names(site, "customer", "purchase")
    assert f"of {table} refers to {referenced}, which is left out" in warnings[0]
    # all rows come back, and what the warning says happens
    code = 21 if site.postgresql else 0
    site.run(
        *("restore", "--instance", "source", "--database", shop, "--latest", "--target-instance", "target"),
        *("--force",),
        code=code,
    )
    assert run_sql(site.target, "select count(*) from purchase", shop).strip() == "2"
    if not site.postgresql:
        with pytest.raises(ClientError, match=r"1452|1824"):
            run_sql(site.target, "insert into purchase values (3, 1)", shop)


def test_a_foreign_key_to_rows_that_are_left_out_is_named(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude_rows": [f"{shop}.customer"]})
    (warning,) = [text for text in site.backup(shop)["warnings"] if "foreign key" in text]
    assert "whose rows are left out" in warning
    code = 21 if site.postgresql else 0
    site.run(
        *("restore", "--instance", "source", "--database", shop, "--latest", "--target-instance", "target"),
        *("--force",),
        code=code,
    )
    assert run_sql(site.target, "select count(*) from purchase", shop).strip() == "2"


def test_leaving_out_both_ends_of_a_foreign_key_needs_no_warning(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude_rows": [f"{shop}.customer", f"{shop}.purchase"]})
    assert not [text for text in site.backup(shop)["warnings"] if "foreign key" in text]
    site.restore(shop)


def test_a_pattern_that_matches_nothing_is_a_warning(site: Site, shop: str) -> None:
    site.write_config(
        tables={
            "exclude": [f"{shop}.tpm_*", "no_such_db.t"],
            "exclude_rows": [f"{shop}.v_sessions", "other*.x"],
        }
    )
    warnings = site.backup(shop)["warnings"]
    assert f"tables.exclude: {shop}.tpm_* matches no table of {shop}" in warnings
    assert f"tables.exclude_rows: {shop}.v_sessions matches no table of {shop}" in warnings
    assert "tables: no_such_db.t matches no database of source" in warnings
    assert "tables: other*.x matches no database of source" in warnings


def test_patterns_of_other_databases_leave_nothing_out(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude": ["elsewhere.*"], "exclude_rows": ["elsewhere.*"]})
    assert record(site.backup(shop))["left_out"] == {"tables": [], "rows": []}
    site.restore(shop)
    assert site.same(shop)
