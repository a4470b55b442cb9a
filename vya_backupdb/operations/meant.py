"""Which table of a script a person means by a name."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from vya_backupdb.engines.base import ScriptTables
from vya_backupdb.errors import Refused


def meant(path: Path, found: ScriptTables, written: str) -> str:
    """Give the table's name as sections write it.

    Raises Refused for a name that is none, with the nearest ones, or that may be several.
    """
    names = found.meant(written)
    if len(names) == 1:
        return names[0]
    if names:
        several = " or ".join(names)
        raise Refused(f"{path}: {written!r} may be {several}", cure="write the name with its schema")
    near = get_close_matches(written, found.names, n=3, cutoff=0.5)
    bare = {name.rpartition(".")[2].strip('"'): name for name in found.names}
    near += [bare[name] for name in get_close_matches(written, bare, n=3) if bare[name] not in near]
    nearest = f"the nearest names are {', '.join(near[:3])}"
    raise Refused(
        f"{path}: there is no table {written!r} in it",
        cure=nearest if near else f"it has {len(found.names):,} tables",
    )
