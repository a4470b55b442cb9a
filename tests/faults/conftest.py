"""A configured machine, and servers; see tests/end_to_end/conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import database, encrypted, site, site_of
from vya_backupdb.cli.main import main

__all__ = ["database", "encrypted", "site", "site_of"]

Called = tuple[int, str, str]
"""Exit status, stdout, stderr."""


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """`called(config, *words)`: run the command within this process, which takes milliseconds."""

    def run(config: Path, *words: str) -> Called:
        capsys.readouterr()
        status = main(["--config", str(config), *words])
        return (status, *capsys.readouterr())

    return run
