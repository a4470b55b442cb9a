"""A controller with Ansible: inventory, vault and wheel for two machines, and what their plays said."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from vya_backupdb.credentials.keys import generate_key
from vya_backupdb.scratch import ScratchServer

from .machine import Machine

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "etc/ansible"
MINOR = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = Path("/usr/bin") / MINOR
"""Of our version, and every user may run it: that of the tests often lies in somebody's home."""
CALLS = "/var/lib/calls"
"""Of a machine: what systemd was asked to do."""
INTERPRETED = "/var/lib/interpreted"
"""Of a machine: `file` or `stdin` for each module of Ansible, as it came there."""
DEPENDENCIES = "/opt/dependencies"

SYSTEMCTL = f"""#!/bin/sh
# There is no systemd: what it would be asked is noted. Units are switched on and off for real.
state() {{
    last=$(grep -x "[a-z]* $1" {CALLS} | tail -n 1)
    case ${{last:-stop}} in stop*) echo inactive ;; *) echo active ;; esac
}}
case $1 in
    daemon-reload) echo "$1" >> {CALLS} ;;
    start | stop | restart) call=$1; shift; for unit; do echo "$call $unit" >> {CALLS}; done ;;
    show) printf 'LoadState=loaded\\nActiveState=%s\\n' "$(state "$2")" ;;
    is-active) shift; for unit; do state "$unit"; done ;;
    list-units) ;;
    *) exec /usr/bin/systemctl --root=/ "$@" ;;
esac
"""

INTERPRETER = f"""#!/bin/sh
if [ $# = 0 ]; then echo stdin; else echo file; fi >> {INTERPRETED}
exec {PYTHON} "$@"
"""


def told_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, story: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Give what happened; the first process that asks plays the story, others wait for its end."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    written = shared / f"story-of-{name}.json"
    with FileLock(shared / f"story-of-{name}.lock"):
        if not written.exists():
            written.write_text(json.dumps(story()))
    found: dict[str, Any] = json.loads(written.read_text())
    return found


def build(target: Path) -> Path:
    """Build the wheel."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = target.iterdir()
    return wheel


def encrypt(vault: Path, content: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Write a vault."""
    vault.write_text(json.dumps(content))
    words = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", str(vault)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def command(playbook: str, *words: str, **variables: Any) -> list[str]:
    """Give what plays a playbook."""
    given = ["--extra-vars", json.dumps(variables)] if variables else []
    return [
        str(Path(sys.executable).with_name("ansible-playbook")),
        str(PLAYBOOKS / playbook),
        *words,
        *given,
    ]


def changes(said: str) -> list[str]:
    """Give the tasks that changed something."""
    return re.findall(r"^TASK \[(.*?)\] \*+\n(?:(?!TASK|RUNNING).*\n)*?changed:", said, re.MULTILINE)


@dataclass
class Fleet:
    """What a person at the controller has: inventory, vault, wheel, and two machines."""

    folder: Path
    source: ScratchServer
    target: ScratchServer
    database: str
    password: str
    key: str = field(default_factory=lambda: generate_key().get_secret_value().decode())
    told: dict[str, Any] = field(default_factory=dict)
    """What the tests are told."""

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    # ------------------------------------------------------------------ before anything is installed

    def prepare(self, of: Machine) -> None:
        """Put on a machine what others have: systemd, and dependencies that need no network."""
        site_packages = f"/opt/vya-backupdb/lib/{MINOR}/site-packages"
        made = of.run(
            *("sh", "-c", f'mkdir -p {DEPENDENCIES} {site_packages} && mount --bind "$1" {DEPENDENCIES}'),
            *("sh", sysconfig.get_path("purelib")),
        )
        assert made.returncode == 0, made.stdout
        of.write(f"{site_packages}/dependencies.pth", f"{DEPENDENCIES}\n")
        of.write(CALLS, "")
        of.write("/usr/local/bin/systemctl", SYSTEMCTL)
        of.write("/usr/local/bin/interpreter", INTERPRETER)

    def write_inventory(self) -> None:
        """Write the inventory, with an encrypted vault."""
        all_hosts = self.inventory / "group_vars/all"
        all_hosts.mkdir(parents=True)
        groups = {
            "vya_backupdb": ["one"],
            "vya_backupdb_drill": ["one"],
            "vya_backupdb_removed": ["one"],
            "vya_backupdb_recovery": ["two"],
        }
        children = {name: {"hosts": dict.fromkeys(hosts)} for name, hosts in groups.items()}
        (self.inventory / "hosts.yml").write_text(json.dumps({"all": {"children": children}}))
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/local/bin/interpreter",
            "vya_backupdb_wheel": str(build(self.folder / "dist")),
            "vya_backupdb_python": str(PYTHON),
            "vya_backupdb_packages": [],
            "vya_backupdb_client_packages": [],
            "vya_backupdb_pip_args": ["--no-deps", "--no-index", "--no-compile"],
            "vya_backupdb_start": True,
            "vya_backupdb_poll": 1,
        }
        (all_hosts / "vars.yml").write_text(json.dumps(common))
        (self.folder / "vault-password").write_text(secrets.token_hex(16))
        self.write_vault()
        self.write_host("one", self.one())
        self.write_host("two", self.two())

    def write_host(self, name: str, variables: dict[str, Any]) -> None:
        """Write the variables of a machine."""
        path = self.inventory / "host_vars" / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(variables))

    def write_vault(self) -> None:
        """Write what is secret, encrypted."""
        logins = {"prod": {"username": "ansible_backup", "password": self.password}}
        target = {"username": self.target.superuser, "password": self.target.password}
        encrypt(
            self.inventory / "group_vars/all/vault.yml",
            {"vault_key": self.key, "vault_one": logins, "vault_two": {"new": target}},
            self.environment(),
        )

    def one(self) -> dict[str, Any]:
        """The machine that backs up."""
        return {
            "vya_backupdb_config": self.config("prod", self.source)
            | {"retention": {"keep_last": 2}, "logging": {"file": "/var/log/vya-backupdb.log"}},
            "vya_backupdb_key": "{{ vault_key }}",
            "vya_backupdb_credentials": "{{ vault_one }}",
            "vya_backupdb_timer_settings": {
                "backup": {"OnCalendar": "*-*-* 02:00", "RandomizedDelaySec": "2h"}
            },
            "vya_backupdb_metrics_file": "/var/lib/prometheus/node-exporter/vya_backupdb.prom",
        }

    def two(self) -> dict[str, Any]:
        """The machine that is recovered to."""
        return {
            "vya_backupdb_config": self.config("new", self.target),
            "vya_backupdb_credentials": "{{ vault_two }}",
            "vya_backupdb_key_fetch_to": str(self.folder / "keys"),
            "vya_backupdb_timers": [],
            "vya_backupdb_recover": [{"instance": "prod", "target": "new", "host": "one"}],
        }

    def config(self, instance: str, server: ScratchServer) -> dict[str, Any]:
        """Give a configuration of one instance."""
        return {
            "instances": [
                {
                    "id": instance,
                    "engine": "mariadb",
                    "host": server.host,
                    "port": server.port,
                    "databases": {"include": [self.database]},
                    "dump": {"tool": str(server.binaries.dump)},
                }
            ],
            "storage": {"hostname": "one" if instance == "prod" else "two", "min_free": "1MiB"},
        }

    # ------------------------------------------------------------------ runs

    def environment(self, *, pipelining: bool = True) -> dict[str, str]:
        """Give all that Ansible may know of us."""
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_ASYNC_DIR": str(self.folder / "async"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
            "ANSIBLE_PIPELINING": str(pipelining),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_GATHERING": "smart",
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.folder / "facts"),
            "ANSIBLE_INVENTORY": str(self.inventory),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.folder / "vault-password"),
        }

    def play(
        self, name: str, on: Machine, playbook: str, *words: str, pipelining: bool = True, **variables: Any
    ) -> None:
        """Run a playbook from the machine itself, and note how it went."""
        done = on.run(*command(playbook, *words, **variables), env=self.environment(pipelining=pipelining))
        recap = re.search(r"^\w+ +: (ok=.*)$", done.stdout, re.MULTILINE)
        counts = dict(re.findall(r"(\w+)=(\d+)", recap[1])) if recap else {}
        self.told[name] = {
            "status": done.returncode,
            "said": done.stdout,
            "changed": int(counts.get("changed", -1)),
            "changes": changes(done.stdout),
            "handlers": re.findall(r"^RUNNING HANDLER \[vya_backupdb : (.*?)\]", done.stdout, re.MULTILINE),
        }
