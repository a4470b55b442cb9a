"""The page on faults names tests that there are, and all those of the suite."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def defined_in(folder: Path) -> set[str]:
    files = folder.rglob("test_*.py")
    return {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}


def test_the_page_and_the_suite_name_the_same_tests() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/faults.md").read_text()))
    assert named <= defined_in(ROOT / "tests")
    assert defined_in(ROOT / "tests/faults") <= named
