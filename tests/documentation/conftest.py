"""A machine on which documents are executed, and servers for it."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from tests.installed import required, write_wheels
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import ScratchServer

from .machine import Machine, machine

NewServer = Callable[[Flavour, str], ScratchServer]


@pytest.fixture(scope="session")
def new_server(_servers: NewServer) -> NewServer:
    """`new_server(flavour, purpose)`: servers that only these tests have, which clear them."""
    return lambda flavour, purpose: _servers(flavour, f"documents: {purpose}")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that pip has to find: what the program needs, Ansible, what builds wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    ours = importlib.metadata.distribution("vya-backupdb")
    write_wheels(folder, required(ours, ("docker", "ed25519", "notify")))
    for name in ("ansible-core", "hatchling"):
        other = importlib.metadata.distribution(name)
        write_wheels(folder, [other, *required(other)])
    return folder


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
