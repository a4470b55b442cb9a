"""docs/limitations.md and docs/security.md, and the tests that hold them, say the same."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGES = {"limitation": "limitations.md", "threat": "security.md"}
"""Each marker to its page."""


def ids_of_the_page(page: str) -> list[str]:
    text = (TESTS.parent / "docs" / page).read_text()
    return re.findall(r"^\| ([a-z0-9]+(?:-[a-z0-9]+)+) \|", text, flags=re.MULTILINE)


def ids_of_the_tests(marker: str) -> Iterator[str]:
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=str(attr)), args=[ast.Constant(value=str(name))]):
                    if attr == marker:
                        yield name


@pytest.mark.parametrize(("marker", "page"), PAGES.items())
def test_every_row_has_a_test_and_every_marked_test_a_row(marker: str, page: str) -> None:
    assert set(ids_of_the_page(page)) == set(ids_of_the_tests(marker))


@pytest.mark.parametrize("page", PAGES.values())
def test_no_row_is_there_twice(page: str) -> None:
    assert [name for name, times in Counter(ids_of_the_page(page)).items() if times > 1] == []
