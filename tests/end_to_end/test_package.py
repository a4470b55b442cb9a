"""What is published: a source archive, and a wheel with all that the repository has for operators."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.pages import ROOT
from tests.installed import required

EPOCH = 1_700_000_000
VERSION = importlib.metadata.version("vya-backupdb")
DATA = f"vya_backupdb-{VERSION}.data/data/share"
IMPORT_ALL = """
import importlib, pkgutil, vya_backupdb
for module in pkgutil.walk_packages(vya_backupdb.__path__, "vya_backupdb."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


@dataclass(frozen=True)
class Published:
    sdist: Path
    wheel: Path


def build(source: Path, target: Path) -> Published:
    """Build both, as `make dist` does, with the packages that are here."""
    subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "--directory", str(target)),
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)},
        check=True,
        capture_output=True,
    )
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return Published(sdist, wheel)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def files(folder: Path, within: str = "") -> dict[str, bytes]:
    """Give what a folder holds by path below it, under the name that it has elsewhere."""
    return {
        f"{within}{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_the_package_and_what_an_operator_needs_and_nothing_else(published: Published) -> None:
    with zipfile.ZipFile(published.wheel) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist()}
        modes = {entry.external_attr >> 16 & 0o777 for entry in wheel.infolist()}
    records = {name for name in held if name.startswith(f"vya_backupdb-{VERSION}.dist-info/")}
    assert {name: held[name] for name in held.keys() - records} == {
        **files(ROOT / "vya_backupdb", "vya_backupdb/"),
        **files(ROOT / "man", f"{DATA}/man/man1/"),
        **files(ROOT / "etc" / "completions", f"{DATA}/"),
        **files(ROOT / "etc", f"{DATA}/vya-backupdb/"),
    }
    assert modes <= {0o644, 0o755}


def test_the_source_archive_has_no_tests_and_builds_the_same_files_anew(
    published: Published, tmp_path: Path
) -> None:
    with tarfile.open(published.sdist) as sdist:
        held = {entry.name.split("/")[1] for entry in sdist}
        assert {entry.mtime for entry in sdist} == {EPOCH}
    run("tar", "-xf", str(published.sdist), "-C", str(tmp_path))
    assert held == {
        *("CHANGELOG.md", "PKG-INFO", "README.md", "constraints.txt", "pyproject.toml", ".gitignore"),
        *("docs", "etc", "man", "vya_backupdb"),
    }
    again = build(tmp_path / f"vya_backupdb-{VERSION}", tmp_path / "dist")
    assert again.wheel.read_bytes() == published.wheel.read_bytes()
    assert again.sdist.read_bytes() == published.sdist.read_bytes()


def test_the_wheel_runs_with_what_it_says_that_it_needs_and_nothing_else(
    published: Published, tmp_path: Path
) -> None:
    python = tmp_path / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path))
    pip = (sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", str(published.wheel))
    (modules,) = tmp_path.glob("lib/python3*/site-packages")
    (told,) = importlib.metadata.distributions(name="vya-backupdb", path=[str(modules)])
    for needed in required(told):
        for name in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
            if not (modules / name).exists():
                (modules / name).symlink_to(str(needed.locate_file(name)))
    run(str(python), "-I", "-c", IMPORT_ALL)

    command, share = str(tmp_path / "bin" / "vya-backupdb"), tmp_path / "share"
    assert run(command, "--version") == f"vya-backupdb {VERSION}\n"
    assert re.search(r"^  backup +Back up databases", run(command, "--help"), re.MULTILINE)
    run(command, "--config", str(share / "vya-backupdb" / "config.example.yaml"), "config", "validate")
    assert files(ROOT / "man").items() <= files(share / "man" / "man1").items()
    assert files(ROOT / "etc" / "completions").items() <= files(share).items()


def run(*argv: str) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
    return done.stdout
