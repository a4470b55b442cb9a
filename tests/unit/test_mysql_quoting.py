from __future__ import annotations

import pytest

from vya_backupdb.engines.mysql.quoting import granted_database, identifier, text


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("shop", "`shop`"), ("a`b", "`a``b`"), ("`; DROP x", "```; DROP x`"), ("новый", "`новый`")],
)
def test_a_backtick_in_an_identifier_is_doubled(name: str, quoted: str) -> None:
    assert identifier(name) == quoted


def test_an_identifier_with_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        identifier("a\0b")


def test_a_string_cannot_leave_its_quotes() -> None:
    assert text("it's \\' or 1=1") == "'it''s \\\\'' or 1=1'"


def test_wildcards_of_a_granted_database_are_escaped_where_they_are_wildcards() -> None:
    assert granted_database("my_shop%", patterns=True) == "`my\\_shop\\%`"
    assert granted_database("my_shop%", patterns=False) == "`my_shop%`"
