"""A machine on which documents are executed, and servers for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from subprocess import CalledProcessError

import pytest

from vya_backupdb.model import Flavour
from vya_backupdb.scratch import ScratchServer

from .machine import Machine, machine

NewServer = Callable[[Flavour, str], ScratchServer]


@pytest.fixture(scope="session")
def new_server(_servers: NewServer) -> NewServer:
    """`new_server(flavour, purpose)`: servers that only these tests have, which clear them."""
    return lambda flavour, purpose: _servers(flavour, f"documents: {purpose}")


@contextmanager
def a_machine() -> Iterator[Machine]:
    """Start a machine; skips, or fails in CI, where that is not possible."""
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root: it mounts")
    with ExitStack() as stack:
        try:
            made = stack.enter_context(machine())
        except (CalledProcessError, FileNotFoundError) as error:
            reason = f"no machine of its own can be made here: {getattr(error, 'stderr', None) or error}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        yield made


@pytest.fixture
def on_machine() -> Iterator[Machine]:
    """A machine of the test's own."""
    with a_machine() as made:
        yield made
