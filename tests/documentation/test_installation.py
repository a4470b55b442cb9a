"""docs/installation.md: what of it needs no network but an index of packages. A clean room does the rest."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from .machine import Machine
from .reading import Reader


def test_each_way_of_pip_brings_the_program(on_machine: Machine, wheels: Path) -> None:
    on_machine.offer(wheels)
    on_machine.ran(f"{sys.executable} -m hatchling build --target wheel --directory dist")  # as `make dist`
    versions = []

    def look() -> None:
        versions.append(on_machine.ran("vya-backupdb --version"))
        on_machine.ran("/opt/vya-backupdb/bin/pip uninstall --yes vya-backupdb")

    def lose_the_network() -> None:
        on_machine.ran("rm -r /etc/pip.conf /opt/vya-backupdb")

    pip = "/opt/vya-backupdb/bin/pip"
    by_hand = {
        "cp -rsf ": look,
        f"{pip} install -c constraints.txt dist/": look,
        f"{pip} download ": lose_the_network,
        f"{pip} install --no-index ": look,
    }
    reader = Reader(on_machine, (), by_hand=by_hand)
    reader.read("docs/installation.md")
    reader.done()
    assert versions == [f"vya-backupdb {importlib.metadata.version('vya-backupdb')}\n"] * 3
