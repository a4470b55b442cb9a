"""Servers with sample data, a configuration that names them, and the command that is tried on them."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scripts.sample import load, make_roles
from scripts.sample.clients import literal, run_sql
from vya_backupdb.engines.mysql import needed
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import ScratchServer

ACCOUNT = "vya_backup"
"""Who makes the backups; on MySQL and MariaDB with no more rights than that takes."""


class StepError(Exception):
    """A command of the demonstration did not end with status 0."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers of a flavour: one with data, and an empty one."""

    flavour: Flavour
    source: ScratchServer
    target: ScratchServer
    databases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A command that was run."""

    command: str
    seconds: float


@dataclass
class Site:
    """A folder with a configuration, encrypted credentials and a store; the steps taken in it."""

    folder: Path
    pairs: list[Pair] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)

    def add(self, flavour: Flavour, source: ScratchServer, target: ScratchServer) -> Pair:
        """Load the sample data into the source, and make what owns it on the target."""
        databases = load(source)
        make_roles(target)
        # as awkward as a real one may be; new each time
        password = f"{secrets.token_hex(12)} #;\"'\\%ö="
        run_sql(source, _account(source, password))
        self.passwords[f"{flavour}-source"] = password
        self.passwords[f"{flavour}-target"] = target.password
        pair = Pair(flavour, source, target, databases)
        self.pairs.append(pair)
        return pair

    def configure(self, *roles: str) -> None:
        """Write the configuration of these servers (`source`, `target`), and encrypt their credentials."""
        instances = []
        credentials = {}
        for pair in self.pairs:
            for role, server in (("source", pair.source), ("target", pair.target)):
                if role not in roles:
                    continue
                name = f"{pair.flavour}-{role}"
                instance: dict[str, Any] = {
                    "id": name,
                    "engine": "postgresql" if pair.flavour == "postgresql" else "mysql",
                    "host": server.host,
                    "port": server.port,
                    "dump": {"tool": str(server.binaries.dump)},
                }
                if pair.flavour == "postgresql":
                    instance["databases"] = {"exclude": ["postgres"]}
                instances.append(instance)
                user = ACCOUNT if role == "source" else server.superuser
                credentials[name] = {"username": user, "password": self.passwords[name]}
        config = {
            "instances": instances,
            "storage": {"path": "backups", "hostname": "demo", "min_free": "64MiB"},
            "credentials": {"file": "secrets/credentials.json", "key": {"file": "secrets/key"}},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        secrets_folder = self.folder / "secrets"
        if not secrets_folder.exists():
            secrets_folder.mkdir(mode=0o700)
            self.run("credentials", "keygen")
        plain = secrets_folder / "plain.json"
        plain.touch(mode=0o600)
        plain.write_text(json.dumps(credentials))
        self.run("credentials", "encrypt", "--input", "secrets/plain.json", "--force")
        plain.unlink()

    def run(self, *words: str) -> str:
        """Run the command as a user would, and give its stdout. Raises StepError."""
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "vya_backupdb", "--quiet", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "VYA_BACKUPDB_CONFIG": str(self.folder / "config.yaml"),
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            timeout=900,
            check=False,
        )
        command = f"vya-backupdb {shlex.join(words)}"
        if done.returncode != 0:
            raise StepError(f"{command}\nended with status {done.returncode}\n{done.stderr}{done.stdout}")
        self.steps.append(Step(command, time.monotonic() - started))
        return done.stdout

    def run_json(self, *words: str) -> dict[str, Any]:
        """Run the command with `--format json`, and give the document."""
        document: dict[str, Any] = json.loads(self.run(*words, "--format", "json"))
        return document


def _account(server: ScratchServer, password: str) -> str:
    if server.flavour == "postgresql":
        # row security and large objects of others: nothing less reads everything
        return f"CREATE ROLE {ACCOUNT} LOGIN SUPERUSER PASSWORD {literal(password)};"
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    who = f"{ACCOUNT}@localhost"
    rights = needed.grant(needed.needed(server.flavour, server.binaries.version_number), who)
    return f"CREATE USER {who} IDENTIFIED BY '{escaped}';\n{rights};\n"
