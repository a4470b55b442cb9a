"""Patterns mean the same on every Python that is supported."""

import re
from pathlib import Path

import vya_backupdb

POSSESSIVE_GROUP = re.compile(r"\)[*+?]\+|\(\?>")


def test_no_module_gives_a_possessive_group_to_the_standard_re() -> None:
    """Those match wrongly before Python 3.11.5 (Debian 12 has 3.11.2); the library regex is right."""
    modules = list(Path(vya_backupdb.__file__).parent.rglob("*.py"))
    guilty = [
        module.name
        for module in modules
        if POSSESSIVE_GROUP.search(text := module.read_text())
        and re.search(r"^import re$", text, re.MULTILINE)
    ]
    assert len(modules) > 50
    assert guilty == []
