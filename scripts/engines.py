#!/usr/bin/env python3
"""Unpack database servers of other Debian releases into the cache, and make them run where they lie.

    scripts/engines.py mysql           # MySQL from Debian unstable: for `make demo` and `make test`
    scripts/engines.py matrix          # all of them: for `make test-matrix`
    scripts/engines.py docker          # a Docker daemon for the tests; installs and starts nothing
    scripts/engines.py ssh             # an SSH server for the tests, whose package would start a service
    scripts/engines.py plugins         # those of the installed MariaDB, whose package would start a service
    scripts/engines.py --list | --remove

mmdebstrap extracts the packages (no maintainer script runs, nothing is installed, no service starts, no
root rights are needed); patchelf then makes the programs find the release's own C library and libraries by
absolute path, so that they run without chroot and mounts. `vya_backupdb.scratch` finds them by their mark.

Needs mmdebstrap and patchelf (see scripts/setup). The mirror is the one that this machine's apt uses.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MARK = ".vya-backupdb-engine"
"""The same as in vya_backupdb/scratch/binaries.py; this script runs before anything is installed."""

PACKAGES = {
    "mysql": ("sid", ("mysql-server-core", "mysql-client")),
    "mariadb-11.8": ("trixie", ("mariadb-server", "mariadb-client")),
    "postgresql-17": ("trixie", ("postgresql-17", "postgresql-client-17")),
    "postgresql-18": ("sid", ("postgresql-18", "postgresql-client-18")),
}
"""Name to Debian release and packages."""
NEEDED = {
    "mysql": ("usr/sbin/mysqld", "usr/bin/mysql", "usr/bin/mysqldump"),
    "mariadb": ("usr/sbin/mariadbd", "usr/bin/mariadb", "usr/bin/mariadb-dump"),
    "postgresql": tuple(f"usr/lib/postgresql/*/bin/{name}" for name in ("postgres", "psql", "pg_dump")),
}
"""The programs that must run in the end."""
PLUGINS = "mariadb-plugins"
"""A folder of the cache: what `mariadb-server` has beyond `mariadb-server-core`, of the version installed."""
DOCKER = "docker"
"""A folder of the cache: what the tests need to run a daemon of their own, and to make images."""
DOCKER_PACKAGES = ("docker.io", "containerd", "runc", "libdevmapper1.02.1", "busybox-static")
SSH = "ssh"
"""A folder of the cache: the SSH server of machines that tests make, with libraries that are missing here."""
SSH_PACKAGE = "openssh-server"
UNUSED = ("dev", "tmp", "var/cache", "var/lib/apt", "var/lib/dpkg", "usr/share/doc", "usr/share/man")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    choices = f"{', '.join(PACKAGES)}, plugins, docker, ssh"
    parser.add_argument("names", nargs="*", help=f"matrix, or some of: {choices}")
    parser.add_argument("--list", action="store_true", help="say what is there")
    parser.add_argument("--again", action="store_true", help="unpack anew what is there already")
    parser.add_argument("--remove", action="store_true", help="remove all, and what was made from them")
    options = parser.parse_args()
    folder = cache() / "engines"
    if options.remove:
        remove(folder)
        remove(cache() / "scratch")
        remove(cache() / PLUGINS)
        remove(cache() / DOCKER)
        remove(cache() / SSH)
        return 0
    if options.list:
        for name in PACKAGES:
            print(f"{name}: {folder / name if (folder / name / MARK).exists() else 'not unpacked'}")
        return 0
    names = list(PACKAGES) if "matrix" in options.names else options.names
    for name in names:
        if name not in (*PACKAGES, "plugins", "docker", "ssh"):
            parser.error(f"{name}: not one of {choices}")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        with (folder / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if name == "plugins":
                unpack_plugins(cache() / PLUGINS)
            elif name == "docker":
                if options.again or not (cache() / DOCKER).is_dir():
                    unpack_programs(cache() / DOCKER, DOCKER_PACKAGES)
            elif name == "ssh":
                if options.again or not (cache() / SSH).is_dir():
                    unpack_programs(cache() / SSH, (SSH_PACKAGE, *libraries_for(SSH_PACKAGE)))
            elif options.again or not (folder / name / MARK).exists():
                unpack(folder / name, *PACKAGES[name])
    return 0


def cache() -> Path:
    """As `cache_folder` in vya_backupdb/scratch/binaries.py."""
    if os.geteuid() == 0:
        return Path("/var/cache/vya-backupdb")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vya-backupdb"


def unpack(target: Path, suite: str, packages: tuple[str, ...]) -> None:
    """Extract the packages beside the target, make them run from it, and put them there in one step."""
    for tool in ("mmdebstrap", "patchelf"):
        if shutil.which(tool) is None:
            sys.exit(f"engines: {tool} is not installed: run scripts/setup, or install it")
    started = time.monotonic()
    print(f"engines: unpacking {target.name} ({suite}) ...", file=sys.stderr, flush=True)
    for old in target.parent.glob(f".{target.name}.new-*"):
        remove(old)  # of a run that was killed; we hold the lock
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
    try:
        root = work / "root"
        extract(root, suite, packages)
        for path in UNUSED:
            remove(root / path)
        patch(root, target)
        (root / MARK).touch()
        open_to_all(root)
        if target.exists():
            target.rename(work / "old")
        root.rename(target)
    finally:
        remove(work)
        mend_null()
    check(target)
    print(f"engines: {target.name} is ready ({time.monotonic() - started:.0f} s)", file=sys.stderr)


def unpack_plugins(target: Path) -> None:
    """Take the plugins out of the package `mariadb-server` of the installed version, installing nothing."""
    with tempfile.TemporaryDirectory() as work:
        run(("apt-get", "download", f"mariadb-server={installed('mariadb-server-core')}"), work)
        (package,) = Path(work).glob("*.deb")
        run(("dpkg-deb", "--extract", str(package), "root"), work)
        remove(target)
        shutil.copytree(Path(work) / "root/usr/lib/mysql/plugin", target)
    open_to_all(target)


def unpack_programs(target: Path, packages: tuple[str, ...]) -> None:
    """Take programs out of their packages, installing nothing. What they are for needs root rights."""
    if os.geteuid() != 0:
        sys.exit(f"engines: {target.name}: what it is for needs root rights")
    if shutil.which("apt-get") is None:
        sys.exit(f"engines: {target.name}: its packages come by apt, which is not here")
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        Path(work).chmod(0o755)
        run(("apt-get", "download", *packages), work)
        for package in Path(work).glob("*.deb"):
            run(("dpkg-deb", "--extract", str(package), "root"), work)
        remove(target)
        (Path(work) / "root").rename(target)


def libraries_for(package: str) -> list[str]:
    """Name the packages of libraries that apt would install with one."""
    simulated = ("apt-get", "install", "--simulate", "--no-install-recommends", package)
    lines = (line.split() for line in run(simulated, "/").splitlines())
    return [words[1] for words in lines if words[:1] == ["Inst"] and words[1].startswith("lib")]


def installed(package: str) -> str:
    return run(("dpkg-query", "--show", "--showformat", "${Version}", package), "/")


def run(argv: tuple[str, ...], folder: str) -> str:
    done = subprocess.run(
        argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"engines: {' '.join(argv)} ended with status {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def check(target: Path) -> None:
    """Run each needed program once; take the mark away if one does not run."""
    for pattern in NEEDED[target.name.partition("-")[0]]:
        found = sorted(target.glob(pattern))
        why = "is missing"
        if found:
            done = subprocess.run([found[0], "--version"], capture_output=True, text=True, check=False)
            why = done.stderr.strip() if done.returncode != 0 else ""
        if why:
            (target / MARK).unlink()
            sys.exit(f"engines: {target / pattern} does not run: {why}")


def extract(root: Path, suite: str, packages: tuple[str, ...]) -> None:
    mmdebstrap(
        root,
        suite,
        "--variant=extract",
        f"--mode={'root' if os.geteuid() == 0 else 'chrootless'}",
        # the release files of a kept mirror may be past their date
        '--aptopt=Acquire::Check-Valid-Until "false"',
        f"--include={','.join(packages)}",
    )


def mmdebstrap(root: Path, suite: str, *options: str, within: tuple[str, ...] = ()) -> None:
    """Fill a folder from our mirror, started by `within`. Exits with its last words if it fails."""
    done = subprocess.run(
        [*within, "mmdebstrap", "--quiet", *options, suite, str(root), mirror()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"mmdebstrap ended with status {done.returncode}\n{done.stdout[-3000:]}")


def mirror() -> str:
    """Give the address of a Debian archive that this machine's apt uses; on Ubuntu, Debian's own."""
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in said.splitlines():
        origin, _, rest = line.partition(" ")
        if origin == "Debian" and rest.startswith("Debian "):
            return rest.split()[-1]
    for line in said.splitlines():  # before the first `apt-get update` origins are not known
        if line.rstrip("/").endswith("/debian"):
            return line.split()[-1]
    sys.exit(
        "engines: apt on this machine knows no Debian archive\n"
        "run apt-get update; on other systems install the servers by hand"
    )


def patch(root: Path, target: Path) -> None:
    """Make each program use the release's own loader and libraries under `target`."""
    loaders = sorted(root.glob("usr/lib/*/ld-linux-*.so.*"))
    if not loaders:
        sys.exit(f"engines: no C library was unpacked in {root}")
    libraries = loaders[0].parent.relative_to(root)
    loader = target / libraries / loaders[0].name
    rpath = f"{target / libraries}:{target}/usr/lib/mysql/private"
    folders = (root / "usr/sbin", root / "usr/bin", *root.glob("usr/lib/postgresql/*/bin"))
    programs = [path for folder in folders for path in folder.glob("*") if is_program(path)]
    for path in programs:
        done = subprocess.run(
            ["patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", rpath, path],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 and "cannot find section '.interp'" not in done.stderr:  # static
            sys.exit(f"engines: patchelf {path}: {done.stderr.strip()}")


def is_program(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def open_to_all(root: Path) -> None:
    """Let other users in: as root the servers run as mysql and postgres."""
    for folder, _, _ in os.walk(root):
        path = Path(folder)
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o755)


def remove(path: Path) -> None:
    """Remove a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)


def mend_null() -> None:
    """Give the machine's own /dev/null its mode again: mmdebstrap as root has been seen to change it."""
    null = Path("/dev/null")
    if os.geteuid() == 0 and stat.S_IMODE(null.stat().st_mode) != 0o666:
        null.chmod(0o666)


if __name__ == "__main__":
    sys.exit(main())
