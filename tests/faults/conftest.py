"""A configured machine, and servers; see tests/end_to_end/conftest.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import database, encrypted, site, site_of
from tests.in_process import call

__all__ = ["database", "encrypted", "site", "site_of"]

Called = tuple[int, str, str]
"""Exit status, stdout, stderr."""


@pytest.fixture
def called() -> Callable[..., Called]:
    """`called(config, *words)`: run the command within this process, which takes milliseconds."""
    return lambda config, *words: call(["--config", str(config), *words])
