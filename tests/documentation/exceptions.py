"""What of the documents is not executed as it stands, each with its reason. What is not needed here fails."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vya_backupdb.model import Flavour


@dataclass(frozen=True)
class Left:
    """Commands that are not executed."""

    pattern: str
    reason: str
    step: str | None = None
    """Of scripts/cleanroom, which executes them."""

    def fits(self, text: str) -> bool:
        return re.search(self.pattern, text) is not None


NOT_EXECUTED = (
    Left(r"^make (demo|test)\b", "they run all tests, or start servers of their own; CI runs both"),
    Left(r"^make dist$", "it looks what the machine has, and installs the rest", "ways"),
    Left(r"/opt/(pipx|uv)\b", "neither pipx nor uv is there", "ways"),
    Left(r"^(make \.venv/\.ready|scripts/package\b)", "they are for a machine of one release", "package"),
    Left(r"^apt-get install \./", "it changes what the machine shares with this one", "package"),
    Left(r"^apt-get install -y python3-venv\b", "there is no network", "install"),
    Left(r"^(systemctl|journalctl) ", "no systemd runs as the first process; tests/unit/test_systemd.py"),
)

UNIT = re.compile(r"^systemctl start vya-backupdb-backup@([\w-]+)\.service$")
WHAT_IT_RUNS = r"vya-backupdb backup --all --instance \1"
"""A unit that is started stands for what it runs."""

CLIENTS: dict[Flavour, tuple[str, ...]] = {
    "mysql": ("mysql",),
    "mariadb": ("mariadb",),
    "postgresql": ("psql",),
}
"""A paragraph that begins with the client of another engine is for that engine alone."""

_NEWEST = "/var/backups/vya-backupdb/HOST/prod-mariadb/shop/2026-11-23/shop_20261123T050000Z"

MADE_BEFORE = {
    "shop.sql.gz": "mariadb-dump shop | gzip",
    "shop.sql.zst": f"cat {_NEWEST}.sql.zst",
}
"""Files that commands read, each with what writes it when it is first named."""

NOT_KEPT = {
    "hooks": "the programs that they name are not there",
    "notify": "nobody can be told, which takes 20 seconds each time",
}
"""Sections of the configuration that are held to the model, and then taken out again."""


@dataclass(frozen=True)
class Placeholder:
    """What stands for something that each machine has another one of."""

    pattern: str
    meaning: str


PLACEHOLDERS = {
    "moment": Placeholder(r"2026-11-2[23] 05:00", "a time after a backup"),
    "stem": Placeholder(
        r"/var/backups/vya-backupdb/HOST/([\w-]+)/(\w+)/2026-11-23/\w+_20261123T050000Z",
        "the newest backup of a database, without the ends of its names",
    ),
}
