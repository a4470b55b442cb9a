"""The packages of Python that are installed here: what they need, and wheels for who has no network."""

from __future__ import annotations

import importlib.metadata
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import Requirement

_OF_AN_INSTALLATION = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
"""What pip writes beside the metadata of a wheel."""


def required(distribution: Distribution, extras: Iterable[str] = ()) -> Iterator[Distribution]:
    """Give what a distribution, with some of its extras, says that it needs, as it is installed here."""
    for requirement in map(Requirement, distribution.requires or ()):
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        )
        if wanted:
            found = importlib.metadata.distribution(requirement.name)
            yield found
            yield from required(found, requirement.extras)


def write_wheels(folder: Path, distributions: Iterable[Distribution]) -> None:
    """Write a wheel of each."""
    for distribution in {one.name: one for one in distributions}.values():
        _write_wheel(folder, distribution)


def _write_wheel(folder: Path, distribution: Distribution) -> None:
    """Pack the files as they lie here; pip makes those again that it has made (scripts, compiled modules)."""
    tags = [line for line in (distribution.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: ")]
    name = f"{distribution.name.replace('-', '_')}-{distribution.version}"
    files = [
        file
        for file in distribution.files or ()
        if file.parts[0] != ".." and file.suffix != ".pyc" and file.name not in _OF_AN_INSTALLATION
    ]
    (metadata,) = {file.parts[0] for file in files if file.parts[0].endswith(".dist-info")}
    with zipfile.ZipFile(folder / f"{name}-{tags[-1].removeprefix('Tag: ')}.whl", "w") as wheel:
        for file in files:
            wheel.write(str(file.locate()), str(file))
        wheel.writestr(f"{metadata}/RECORD", "".join(f"{file},,\n" for file in files))
