"""The text of a first configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from vya_backupdb.operations.init.found import Server
from vya_backupdb.operations.init.home import SERVICE_KEY, Home

_HEAD = """\
# Written by `vya-backupdb init`. docs/configuration.md has every key, with its default.
# `vya-backupdb config validate` names each fault with its line.
# No user name and no password belongs here: they are in the encrypted credentials file.

instances:
"""
_INSTANCE_MORE = """\
    # databases: {exclude: ["scratch_*"]}  # which of them are left out; all are backed up
    # max_age: 26h                         # `health` is critical where a last good backup is older
"""
_REST = """\

storage:
  path: {store}

retention:        # what `prune` and `backup --prune` keep; without this section nothing is ever deleted
  keep_last: 3    # so many of each database, and the newest of each of the last
  daily: 7        # days,
  weekly: 4       # weeks
  monthly: 12     # and months that have backups
  timezone: UTC   # whose calendar that is, for example Europe/Stockholm

credentials:      # who logs in, encrypted; `vya-backupdb credentials set ID` writes it
  file: credentials.json  # beside this file
  key: {key}
"""
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/._-]*")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A server that is to be backed up, under an id."""

    id: str
    server: Server


def document(chosen: Sequence[Chosen], home: Home) -> str:
    """Give the configuration of these servers."""
    key = f"{{systemd: {SERVICE_KEY}}}  # loaded by the units" if home.service else "{file: key}  # beside it"
    rest = _REST.format(store=_written(str(home.store)), key=key)
    return _HEAD + "\n".join(map(_instance, chosen)) + rest


def _instance(chosen: Chosen) -> str:
    server, place = chosen.server, chosen.server.place
    lines = [
        f"  - id: {_written(chosen.id)}  # {server.title}",
        f"    engine: {server.greeting.flavour}",
    ]
    if place.socket is None:
        lines.append(f"    host: {_written(str(place.host))}")
    elif place.engine == "postgresql":
        lines.append(f"    socket: {_written(str(place.socket.parent))}  # the folder that it lies in")
    else:
        lines.append(f"    socket: {_written(str(place.socket))}")
    if place.port is not None:
        lines.append(f"    port: {place.port}")
    if server.greeting.offers_tls and not place.is_local:
        lines.append("    tls: {mode: require}  # better: verify-full, with the server's authority as `ca`")
    return "\n".join(lines) + "\n" + _INSTANCE_MORE


def _written(value: str) -> str:
    """Give a text as YAML takes it for one."""
    is_text = _PLAIN.fullmatch(value) and yaml.safe_load(value) == value  # not `no`, `null` ...
    return value if is_text else json.dumps(value, ensure_ascii=False)
