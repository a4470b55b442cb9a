"""Read changed dumps for a while, keep those of which a reader breaks its promise.

Exit status: 0 where nothing was found, 1 where something was.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import time
import traceback
from collections import Counter, defaultdict
from pathlib import Path

from scripts.fuzz.checks import MYSQL, POSTGRESQL, Dialect, check
from scripts.fuzz.mutations import mutated
from scripts.sample import load
from scripts.sample.clients import raw_dump
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import find_binaries, start


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz", description=__doc__)
    seconds = float(os.environ.get("VYA_FUZZ_SECONDS", "60"))
    parser.add_argument("--seconds", type=float, default=seconds, help="default: $VYA_FUZZ_SECONDS or 60")
    parser.add_argument("--seed", type=int, default=None, help="the same cases again")
    parser.add_argument("--found", type=Path, default=Path("found"), help="folder for what is found")
    parser.add_argument("dumps", type=Path, nargs="*", help="PostgreSQL's or MySQL's; default: of the sample")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    scripts = _given(options.dumps) if options.dumps else _dumped()
    print(f"seed {seed}, {', '.join(f'{len(texts)} dumps of {d.name}' for d, texts in scripts.items())}")
    found = 0
    outcomes: Counter[str] = Counter()
    cases = 0
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        dialect = (MYSQL, POSTGRESQL)[cases % 2]
        case = mutated(random.Random(f"{seed} {cases}"), scripts[dialect])
        try:
            outcome = check(dialect, case, random.Random(cases))
        except Exception:  # also what is no Fault: a reader raises only DumpFailed and Refused
            found += 1
            _keep(options.found, dialect, case, traceback.format_exc())
            outcomes["broken promise"] += 1
        else:
            outcomes[outcome.error.partition(":")[0] or "whole"] += 1
        cases += 1
        if cases % 1000 == 0:
            print(f"{cases:,} cases, {dict(outcomes)}", flush=True)
    print(f"{cases:,} cases, {dict(outcomes)}")
    return 1 if found else 0


def _given(paths: list[Path]) -> dict[Dialect, list[bytes]]:
    scripts: dict[Dialect, list[bytes]] = defaultdict(list)
    for path in paths:
        text = path.read_bytes()
        scripts[POSTGRESQL if b"PostgreSQL database dump" in text else MYSQL].append(text)
    return scripts


def _dumped() -> dict[Dialect, list[bytes]]:
    scripts: dict[Dialect, list[bytes]] = defaultdict(list)
    flavours: dict[Flavour, Dialect] = {"mysql": MYSQL, "mariadb": MYSQL, "postgresql": POSTGRESQL}
    for flavour, dialect in flavours.items():
        for binaries in find_binaries(flavour)[:1]:
            with start(binaries) as server:
                scripts[dialect] += [raw_dump(server, database) for database in load(server)]
    return scripts


def _keep(folder: Path, dialect: Dialect, case: bytes, why: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{dialect.name}-{hashlib.sha256(case).hexdigest()[:12]}"
    (folder / f"{name}.sql").write_bytes(case)
    (folder / f"{name}.txt").write_text(why)
    print(f"{folder / name}.sql: {why.splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
