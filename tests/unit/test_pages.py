"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from scripts.pages import ROOT, configuration, errors, pages
from vya_backupdb.config.document import read_document
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


@pytest.mark.parametrize("section", [*configuration.sections()], ids=lambda section: section.path or "all")
def test_every_key_of_the_configuration_is_described(section: configuration.Section) -> None:
    assert section.description
    assert [key.path for key in section.keys if not key.description.endswith((".", "`."))] == []


def test_the_keys_of_the_example_are_those_of_the_reference() -> None:
    def paths(value: object, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, part in value.items():
                yield (below := f"{path}.{name}".lstrip("."))
                # the names below are those of databases
                yield from paths(part, below) if name != "checks" else ()
        elif isinstance(value, list):
            for part in value:
                yield from paths(part, f"{path}[]")

    example = set(paths(read_document((ROOT / "etc" / "config.example.yaml").read_text()).value, ""))
    described = {key.path for section in configuration.sections() for key in section.keys}
    written_otherwise = {path for path in described if path.startswith("credentials.key.")}
    assert example == described - written_otherwise
