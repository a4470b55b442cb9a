"""A configured machine, and servers; see tests/end_to_end/conftest.py."""

from __future__ import annotations

from tests.end_to_end.conftest import database, encrypted, site

__all__ = ["database", "encrypted", "site"]
