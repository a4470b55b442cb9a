"""docs/limitations.md and the tests that hold it say the same."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "limitations.md"


def ids_of_the_page() -> list[str]:
    return re.findall(r"^\| ((?:mysql|postgresql)-[a-z0-9-]+) \|", PAGE.read_text(), flags=re.MULTILINE)


def ids_of_the_tests() -> Iterator[str]:
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="limitation"), args=[ast.Constant(value=str(name))]):
                    yield name


def test_every_known_limitation_has_a_test_and_every_test_of_one_a_row() -> None:
    assert set(ids_of_the_page()) == set(ids_of_the_tests())


def test_no_limitation_is_listed_twice() -> None:
    assert [name for name, times in Counter(ids_of_the_page()).items() if times > 1] == []
