"""Patterns of tables: how they are read, and what they fit."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vya_backupdb.config.models import Instance
from vya_backupdb.config.tables import TablePattern


@pytest.mark.parametrize(
    ("pattern", "database", "schema", "table"),
    [
        ("shop.sessions", "shop", None, "sessions"),
        ("shop.tmp_*", "shop", None, "tmp_1"),
        ("shop.sessions", "shop", "any", "sessions"),
        ("shop.web.sessions", "shop", "web", "sessions"),
        ("*.*.log", "shop", "web", "log"),
        ("s[.]h.t[*][.]x", "s.h", None, "t*.x"),
        ("s.[!.]", "s", None, "x"),
    ],
)
def test_a_pattern_fits(pattern: str, database: str, schema: str | None, table: str) -> None:
    assert TablePattern.parse(pattern).fits(database, table, schema)


@pytest.mark.parametrize(
    ("pattern", "database", "schema", "table"),
    [
        ("shop.sessions", "shop", None, "Sessions"),
        ("shop.sessions", "shop2", None, "sessions"),
        ("shop.web.sessions", "shop", "api", "sessions"),
        ("shop.web.sessions", "shop", None, "sessions"),
        ("s.[!.]", "s", None, "."),
    ],
)
def test_a_pattern_does_not_fit(pattern: str, database: str, schema: str | None, table: str) -> None:
    assert not TablePattern.parse(pattern).fits(database, table, schema)


@pytest.mark.parametrize("text", ["sessions", "shop.", ".sessions", "a..b", "a.b.c.d", "s[.]h", ""])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 its text is not shown
        TablePattern.parse(text)


@pytest.mark.parametrize(
    ("pattern", "named"), [("shop.*", True), ("s[.]h.*", True), ("sh?p.t", False), ("*.t", False)]
)
def test_a_pattern_names_its_database_or_not(pattern: str, named: bool) -> None:
    assert TablePattern.parse(pattern).names_database is named


def instance(engine: str, pattern: str) -> Instance:
    return Instance.model_validate(
        {"id": "a", "engine": engine, "host": "db1", "tables": {"exclude_rows": [pattern]}}
    )


def test_a_schema_is_for_postgresql_only() -> None:
    assert instance("postgresql", "shop.web.t").tables.exclude_rows[0].schema == "web"
    with pytest.raises(ValidationError, match="three parts are for PostgreSQL"):
        instance("mariadb", "shop.web.t")


def test_patterns_are_written_as_they_were_read() -> None:
    shown = instance("mysql", "shop.t[.]x").model_dump()["tables"]
    assert shown == {"exclude": (), "exclude_rows": ("shop.t[.]x",)}
