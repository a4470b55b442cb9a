"""Do what the README says, word for word, in a fresh and minimal Debian, and say how long each step takes.

The last commit is cloned there. Nothing of this machine is used but its network: apt's mirror, pip's
registry and the certificates are handed in. Needs root rights and mmdebstrap. Exit status: 0 where all steps
went well, else 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.cleanroom import ansible, installation, quickstart
from scripts.cleanroom.documents import ROOT
from scripts.cleanroom.root import boot, enter, fresh_root

SUITES = ("bookworm", "trixie")
PACKAGES = ("git", "make", "python3")
"""What the README asks for."""
SOURCE = "/srv/vya-backupdb.git"
CLONE = "/srv/vya-backupdb"
TESTS = "tests/unit/test_cli_main.py tests/unit/test_completion.py tests/end_to_end/test_main_job.py"
"""A reduced `make test`: all checks, some tests, one of them on servers of each flavour."""
SHOWN = 30
"""Lines of the log of a step that failed."""

Script = Callable[[], str]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cleanroom", description=__doc__)
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0], help="the release of Debian")
    parser.add_argument("--only", choices=STEPS, action="append", help="only this step; repeatable")
    parser.add_argument("--tests", default=TESTS, metavar="PATHS", help="what of the tests is run")
    parser.add_argument("--keep", action="store_true", help="leave the root behind, and say where it is")
    options = parser.parse_args()
    if os.geteuid() != 0 or not all(map(shutil.which, ("mmdebstrap", "unshare"))):
        sys.exit("cleanroom: root rights, mmdebstrap and unshare are needed: apt-get install mmdebstrap")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    with fresh_root(options.suite, PACKAGES, keep=options.keep) as root:
        say(f"Debian {options.suite} with {', '.join(PACKAGES)}", time.monotonic() - started)
        clone_into(root)
        steps = [name for name in STEPS if name in (options.only or STEPS)]
        failed = [name for name in steps if not take(name, root, {"TESTS": options.tests})]
        if options.keep:
            print(f"cleanroom: left in {root.parent}", flush=True)
    say(f"{len(steps) - len(failed)} of {len(steps)} steps went well", time.monotonic() - started)
    return 1 if failed else 0


def clone_into(root: Path) -> None:
    """Give the root the last commit of this repository, as it would come from elsewhere."""
    argv = ("git", "clone", "--quiet", "--bare", "--no-hardlinks", str(ROOT), f"{root}{SOURCE}")
    subprocess.run(argv, check=True)


def take(name: str, root: Path, environment: Mapping[str, str]) -> bool:
    """Take a step and tell how it went; of one that fails, the end of what it said."""
    started, log = time.monotonic(), root.parent / f"{name}.log"
    begin = f"[ -e {CLONE} ] || git clone --quiet {SOURCE} {CLONE}\ncd {CLONE}\nset -x\n"
    status = enter(root, begin + STEPS[name](), log, environment)
    if status == 0 and name in BOOTED:
        status = boot(root, begin + BOOTED[name](), log)
    say(f"{name}: {f'FAILED with status {status}' if status else 'done'}", time.monotonic() - started)
    if status:
        print("\n".join(log.read_text(errors="replace").splitlines()[-SHOWN:]), flush=True)
    return status == 0


def say(what: str, seconds: float) -> None:
    print(f"cleanroom: {what} ({seconds:.0f} s)", flush=True)


STEPS: dict[str, Script] = {
    "demo": lambda: "make demo",
    "test": lambda: 'make test PYTEST="--cov-fail-under=0 $TESTS"',
    "install": installation.readme,
    "ways": installation.ways,
    "package": installation.package,
    "quickstart": quickstart.installation,
    "controller": ansible.installation,
}
"""Name to the commands, in the order in which they are taken."""

BOOTED: dict[str, Script] = {"quickstart": quickstart.services, "controller": ansible.services}
"""What follows with systemd as the first process."""


if __name__ == "__main__":
    sys.exit(main())
