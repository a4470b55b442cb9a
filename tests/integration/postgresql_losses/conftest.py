"""A database that something is lost of, and one to restore it into."""

from __future__ import annotations

import pytest

from tests.conftest import NewDatabase
from vya_backupdb.scratch import ScratchServer


@pytest.fixture
def database(postgresql: ScratchServer, new_database: NewDatabase) -> str:
    return new_database(postgresql)


@pytest.fixture
def copy(postgresql: ScratchServer, new_database: NewDatabase) -> str:
    """An empty database to restore into."""
    return new_database(postgresql)
