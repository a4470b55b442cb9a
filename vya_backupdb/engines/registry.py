"""Which engine an instance speaks. Engines are imported when first asked for: each brings its driver."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from vya_backupdb.engines.base import Engine
from vya_backupdb.model import EngineName


def engine_named(name: EngineName) -> Engine:
    """Give the engine: the object `ENGINE` of `vya_backupdb.engines.<name>.engine`."""
    return cast("Engine", import_module(f"vya_backupdb.engines.{name}.engine").ENGINE)
