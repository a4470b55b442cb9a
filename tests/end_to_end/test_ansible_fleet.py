"""The playbooks of etc/ansible on several hosts, reached over ssh by a user who may sudo.

Each host has an instance of its own. One story is played once; each test looks at one part of it. With
VYA_TEST_FLEET=1 there is a third host, which has a MySQL server.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import create_database, drop_database, run_sql
from tests.documentation.servers import Known
from vya_backupdb.credentials.keys import generate_key
from vya_backupdb.scratch import ScratchServer

from .fleet import PYTHON, build, changes, command, encrypt, told_once
from .hosts import WITHOUT_PIP, Host, host, impossible

ALL = "vya_backupdb"
CONFIG = "/etc/vya-backupdb/config.yaml"
DATABASE = "fleet"
STORES = {"one": "/var/backups/vya-backupdb", "two": "/srv/backups/two", "three": "/srv/backups/three"}
LOG = "/var/log/databases/backup.log"
"""Of the hosts whose configuration names one; its folder is not there before."""
ROWS = "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)"

pytestmark = [
    pytest.mark.mariadb,
    pytest.mark.postgresql,
    pytest.mark.skipif(
        bool(impossible()) and os.environ.get("CI") != "true", reason=impossible() or "hosts can be made"
    ),
    pytest.mark.skipif(not PYTHON.exists(), reason=f"{PYTHON} is not there"),
]


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    mariadb: ScratchServer,
    postgresql: ScratchServer,
) -> dict[str, Any]:
    servers = [postgresql, mariadb]
    if os.environ.get("VYA_TEST_FLEET") == "1":
        servers.append(request.getfixturevalue("mysql"))
    return told_once(
        tmp_path_factory,
        "a-fleet",
        lambda: story(tmp_path_factory.mktemp("fleet"), dict(zip(STORES, servers, strict=False))),
    )


@dataclass
class Controller:
    """Where a person plays the playbooks: inventory, vault and wheel."""

    folder: Path
    known: dict[str, Known]
    """The instance of each host."""
    hosts: dict[str, Host] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    """What the tests are told."""
    _plays: int = 0

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    def write_inventory(self) -> None:
        """Write what all hosts have in common, the vault, and what each has for itself."""
        common = self.inventory / "group_vars/all"
        common.mkdir(parents=True)
        group = {"hosts": dict.fromkeys(self.hosts)}
        groups = {"children": {ALL: group, f"{ALL}_drill": group}}
        (self.inventory / "hosts.yml").write_text(json.dumps({"all": groups}))
        variables = {
            "vya_backupdb_wheel": str(build(self.folder / "dist")),
            "vya_backupdb_python": WITHOUT_PIP,
            "vya_backupdb_packages": [],
            "vya_backupdb_client_packages": [],
            "vya_backupdb_pip_args": ["--no-deps", "--no-index", "--no-compile"],
            "vya_backupdb_start": True,
            "vya_backupdb_poll": 1,
            "vya_backupdb_key": "{{ vault_keys[inventory_hostname] }}",
            "vya_backupdb_credentials": "{{ vault_credentials[inventory_hostname] }}",
        }
        (common / "vars.yml").write_text(json.dumps(variables))
        self.keys = {name: generate_key().get_secret_value().decode() for name in self.hosts}
        (self.folder / "vault-password").write_text(secrets.token_hex(16))
        credentials = {
            name: {known.id: {"username": known.username, "password": known.password}}
            for name, known in self.known.items()
        }
        encrypt(
            common / "vault.yml",
            {"vault_keys": self.keys, "vault_credentials": credentials},
            self.environment(),
        )
        for number, name in enumerate(self.hosts):
            self.write_host(name, self.config(name), hour=number)

    def write_host(self, name: str, config: dict[str, Any], *, hour: int = 0) -> None:
        """Write the variables of a host, which are other ones than those of the others."""
        variables = self.hosts[name].variables() | {
            "vya_backupdb_config": config,
            "vya_backupdb_timer_settings": {"backup": {"OnCalendar": f"*-*-* 0{hour}:00"}},
        }
        path = self.inventory / f"host_vars/{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(variables))

    def config(self, name: str) -> dict[str, Any]:
        """Give the configuration of a host; those of all but the first name a store and a log file."""
        instance = self.known[name].entry() | {"databases": {"include": [DATABASE]}}
        config: dict[str, Any] = {"instances": [instance], "storage": {"min_free": "1MiB"}}
        if name != "one":
            config["storage"]["path"] = STORES[name]
            config["logging"] = {"file": LOG}
        return config

    def environment(self) -> dict[str, str]:
        """Give all that Ansible may know of us."""
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_ASYNC_DIR": "/var/lib/ansible-async",  # of a host; /root is not its own
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_GATHERING": "smart",
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.folder / "facts"),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONHASHSEED": str(
                self._plays
            ),  # sets are in one order in the first play, in another in the second
            "ANSIBLE_INVENTORY": str(self.inventory),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.folder / "vault-password"),
        }

    def play(self, name: str, playbook: str, *words: str, **variables: Any) -> None:
        """Run a playbook, and note how it went on each host.

        It writes to a file: connections that are kept for the next play would keep a pipe open.
        """
        self._plays += 1
        with (self.folder / "said").open("w+") as file:
            done = subprocess.run(
                command(playbook, *words, **variables),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=300,
                check=False,
            )
            file.seek(0)
            said = file.read()
        recap = re.findall(r"^(\w+) +: (ok=.*)$", said, re.MULTILINE)
        self.told[name] = {
            "status": done.returncode,
            "said": said,
            "hosts": {of: {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", counts)} for of, counts in recap},
            "changes": changes(said),
        }

    def configs(self) -> dict[str, str]:
        """Give the configuration that each host has."""
        return {name: of.machine.path(CONFIG).read_text() for name, of in self.hosts.items()}


def story(folder: Path, servers: dict[str, ScratchServer]) -> dict[str, Any]:
    """Play it; give what the plays said and what was there after them."""
    with ExitStack() as stack:
        known = {name: instance(stack, name, server) for name, server in servers.items()}
        controller = Controller(folder, known)
        for number, (name, of) in enumerate(known.items(), 1):
            made = stack.enter_context(host(name, f"127.0.1.{number}", folder, of))
            controller.hosts[name] = made
        controller.write_inventory()
        install(controller)
        drill(controller)
        break_off(controller)
    return controller.told


def instance(stack: ExitStack, name: str, server: ScratchServer) -> Known:
    """Make a database and an account for the host."""
    username, password = f"fleet_{name}", secrets.token_hex(8)
    create_database(server, DATABASE)
    stack.callback(drop_database, server, DATABASE)
    run_sql(server, ROWS, DATABASE)
    if server.flavour == "postgresql":
        account = username
        run_sql(server, f"CREATE ROLE {account} LOGIN SUPERUSER PASSWORD '{password}'")
    else:
        account = f"{username}@'%'"
        run_sql(server, f"CREATE USER {account} IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO {account}")
    stack.callback(
        run_sql, server, f"DROP {'ROLE' if server.flavour == 'postgresql' else 'USER'} IF EXISTS {account}"
    )
    return Known(f"prod-{name}", server, "127.0.0.1", username, password)


def install(controller: Controller) -> None:
    """All hosts at a time, which is quicker; one first and then the others is what the faults show."""
    at_once = {"vya_backupdb_serial": ["100%"]}
    controller.play("first", "backup.yml", vya_backupdb_backup_now=True, **at_once)
    assert controller.told["first"]["status"] == 0, controller.told["first"]["said"]
    controller.told["configs"] = controller.configs()
    controller.told["timers"] = {
        name: of.machine.ran("cat /etc/systemd/system/vya-backupdb-backup@.timer.d/20-ansible.conf")
        for name, of in controller.hosts.items()
    }
    controller.told["calls"] = {name: of.calls() for name, of in controller.hosts.items()}
    controller.told["backups"] = {
        name: of.machine.ran(f"cd {STORES[name]} && find . -name '*.zst' -printf '%u %h\\n'").split("\n")[:-1]
        for name, of in controller.hosts.items()
    }
    controller.told["folders"] = {
        name: owners(of, STORES[name], Path(LOG).parent, LOG)
        for name, of in controller.hosts.items()
        if name != "one"
    }
    controller.told["secrets"] = {
        name: of.machine.ran(
            f"grep -rlF -e {controller.keys[name]} -e {controller.known[name].password}"
            " /etc /opt/vya-backupdb /run /srv/deploy /usr/local /var/backups /var/lib /var/log || true"
        ).split()
        for name, of in controller.hosts.items()
    }
    controller.play("second", "backup.yml", **at_once)


def drill(controller: Controller) -> None:
    """The backup of the first host is damaged."""
    one = controller.hosts["one"].machine
    (backup,) = one.ran(f"find {STORES['one']} -name '{DATABASE}_*.zst'").split()
    one.ran(f"printf x | dd of={backup} bs=1 seek=40 conv=notrunc")
    controller.play("drill", "drill.yml", "-v")
    said = re.findall(r"^(?:ok|fatal): \[(\w+)\].*? => (\{.*\})$", controller.told["drill"]["said"], re.M)
    controller.told["drill"]["times"] = {
        name: [result["start"], result["end"]]
        for name, result in ((name, json.loads(result)) for name, result in said)
        if "start" in result
    }


def break_off(controller: Controller) -> None:
    """A configuration of the first host with which nothing can be reached, and a run that fails after it."""
    tags = ("--tags", "vya_backupdb_config,vya_backupdb_credentials")
    config = controller.config("one")
    config["instances"][0]["port"] = 1
    config["storage"]["path"] = "/srv/elsewhere/store"
    config["logging"] = {"file": "/srv/elsewhere/log/backup.log"}
    controller.write_host("one", config)
    controller.play("broken off", "backup.yml", *tags, vya_backupdb_credentials={"prod-one": "nobody"})
    controller.told["broken off"]["configs"] = controller.configs()
    controller.told["brought"] = owners(
        controller.hosts["one"], "/srv/elsewhere/store", "/srv/elsewhere/log", "/srv/elsewhere/log/backup.log"
    )
    controller.play("after it", "backup.yml", *tags)


def owners(of: Host, *paths: str | Path) -> list[str]:
    """Give owner and mode of what is there."""
    return of.machine.ran(f"stat -c '%n %U:%G %a' {' '.join(map(str, paths))} 2>&1 || true").splitlines()


# ---------------------------------------------------------------------------- all hosts


def test_the_first_run_changes_every_host_and_the_second_none(told: dict[str, Any]) -> None:
    first, second = told["first"], told["second"]
    assert first["status"] == 0, first["said"]
    assert all(counts["changed"] > 0 for counts in first["hosts"].values())
    assert second["status"] == 0, second["said"]
    assert {name: counts["changed"] for name, counts in second["hosts"].items()} == dict.fromkeys(
        told["configs"], 0
    ), second["changes"]


def test_each_host_has_what_its_variables_say(told: dict[str, Any]) -> None:
    for number, (name, config) in enumerate(told["configs"].items()):
        assert re.findall(r"id: (prod-\w+)", config) == [f"prod-{name}"]
        assert f"OnCalendar=*-*-* 0{number}:00" in told["timers"][name]
        assert f"restart vya-backupdb-backup@prod-{name}.timer" in told["calls"][name]


def test_systemd_knows_units_and_settings_before_timers_are_switched_on(told: dict[str, Any]) -> None:
    """Whatever fails after it, they are those that are written."""
    for calls in told["calls"].values():
        assert calls[0] == "daemon-reload"


def test_each_host_backs_up_its_own_instance_with_its_own_credentials(told: dict[str, Any]) -> None:
    for name, backups in told["backups"].items():
        assert sorted(re.sub(r"/\d{4}-\d\d-\d\d$", "", line) for line in backups) == [
            f"vya-backupdb ./{name}/prod-{name}/{what}" for what in ("@users", DATABASE)
        ]


def test_no_secret_lies_anywhere_but_in_the_key_file_of_its_host(told: dict[str, Any]) -> None:
    for found in told["secrets"].values():
        assert found == ["/etc/vya-backupdb/vya-backupdb.key"]


def test_folders_of_the_store_and_of_the_log_file_are_made(told: dict[str, Any]) -> None:
    for name, found in told["folders"].items():
        assert found == [
            f"{STORES[name]} vya-backupdb:vya-backupdb 700",
            f"{Path(LOG).parent} vya-backupdb:vya-backupdb 750",
            f"{LOG} vya-backupdb:vya-backupdb 600",
        ]


# ---------------------------------------------------------------------------- one after another


def test_a_host_whose_drill_fails_leaves_the_others_theirs(told: dict[str, Any]) -> None:
    drill = told["drill"]
    assert drill["status"] == 2
    assert {name: counts["failed"] for name, counts in drill["hosts"].items()} == {
        name: int(name == "one") for name in told["configs"]
    }, drill["said"]
    assert drill["said"].count("proved on") == len(told["configs"]) - 1


def test_drills_go_one_host_after_another(told: dict[str, Any]) -> None:
    times = [[datetime.fromisoformat(moment) for moment in both] for both in told["drill"]["times"].values()]
    assert len(times) == len(told["configs"])
    ordered = sorted(times)
    assert all(before[1] <= after[0] for before, after in pairwise(ordered))


# ---------------------------------------------------------------------------- one first


def test_a_configuration_that_is_wrong_reaches_the_first_host_only(told: dict[str, Any]) -> None:
    changed = told["broken off"]["configs"]
    assert {name for name, config in changed.items() if config != told["configs"][name]} == {"one"}
    for play in ("broken off", "after it"):
        assert {name: counts["failed"] for name, counts in told[play]["hosts"].items()} == {"one": 1}


def test_folders_come_with_the_configuration_that_names_them(told: dict[str, Any]) -> None:
    assert told["brought"] == [
        "/srv/elsewhere/store vya-backupdb:vya-backupdb 700",
        "/srv/elsewhere/log vya-backupdb:vya-backupdb 750",
        "/srv/elsewhere/log/backup.log vya-backupdb:vya-backupdb 600",
    ]


def test_connections_are_tried_after_a_run_that_broke_off(told: dict[str, Any]) -> None:
    """Nothing is to be changed any more, and still it is told that nobody answers."""
    broken_off, after = told["broken off"], told["after it"]
    assert broken_off["status"] == 2
    assert "Test connections" not in broken_off["said"]
    assert (after["status"], after["changes"]) == (2, []), after["said"]
    assert "prod-one  FAILED" in after["said"]
