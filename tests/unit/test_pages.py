"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import re

import pytest

from scripts.pages import ROOT, errors, pages
from vya_backupdb.errors import OTHER_STATUSES

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    path = ROOT / name
    assert path.exists(), f"{name} is missing: run make docs"
    assert path.read_text() == PAGES[name], f"{name} is not what the code says: run make docs"


@pytest.mark.parametrize("error", errors.described(), ids=lambda error: error.name)
def test_every_error_says_what_it_means_whence_it_comes_and_what_to_do(error: errors.Described) -> None:
    assert error.meaning.endswith(".")
    assert error.causes.endswith(".")
    assert error.cure.endswith(".")


def test_the_readme_names_every_exit_status() -> None:
    table = re.search(r"## Exit status\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL)
    assert table is not None
    rows = re.findall(r"^\| ([0-9, ]+) \|", table[1], re.MULTILINE)
    named = {int(code) for row in rows for code in row.split(",")}
    assert named == {error.code for error in errors.described()} | set(OTHER_STATUSES)
