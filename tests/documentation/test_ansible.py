"""docs/ansible.md: a controller that is its own host, from the first command to the removal."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
import yaml

from scripts.sample.clients import run_sql
from tests.end_to_end.fleet import CALLS, PYTHON, SYSTEMCTL
from tests.end_to_end.machine import impossible

from .conftest import NewServer
from .machine import HOME, WORK, Machine
from .reading import STORE, Reader
from .servers import Known, orders, with_shop
from .test_runbook import with_an_administrator

INVENTORY = f"{WORK}/my-inventory"
SOCKET = "/run/mysqld/mysqld.sock"

pytestmark = [
    pytest.mark.skipif(bool(impossible()), reason=impossible()),
    pytest.mark.skipif(not PYTHON.exists(), reason=f"{PYTHON} is not there"),
]


def test_the_role_backs_up_recovers_and_goes_as_the_page_says(
    on_machine: Machine, new_server: NewServer, wheels: Path
) -> None:
    mariadb = with_shop("mariadb", new_server("mariadb", "shop"), "127.0.0.2")
    postgresql = with_shop("postgresql", new_server("postgresql", "shop"), "127.0.0.1")
    new = with_an_administrator("new-mariadb", new_server("mariadb", "empty"), "127.0.0.1")
    # as `init` shows; the server is outside of the machine, and does not know its users
    run_sql(mariadb.server, "CREATE USER 'vya-backupdb'@localhost")
    run_sql(mariadb.server, "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO 'vya-backupdb'@localhost")
    on_machine.know(mariadb, postgresql, new)
    # where it lies, the service's user may not go
    on_machine.ran(f"touch {SOCKET} && mount --bind {mariadb.server.socket} {SOCKET}")
    on_machine.offer(wheels)
    on_machine.rename("db1")
    on_machine.write(CALLS, "")
    on_machine.write("/usr/local/bin/systemctl", SYSTEMCTL, 0o755)
    on_machine.write("/usr/local/bin/editor", editor(on_machine, postgresql, new), 0o755)
    kept: list[str] = []

    def backed_up() -> None:
        kept.extend(on_machine.ran(f"find {STORE} -name '*.json' -printf '%u %P\\n'").splitlines())
        lose(on_machine)

    by_hand = {
        "cp -r etc/ansible/inventory": lambda: fill_in(on_machine),
        "ansible-playbook -i my-inventory --ask-vault-pass etc/ansible/backup.yml -e ": backed_up,
    }
    reader = Reader(on_machine, (), by_hand=by_hand, vault=secrets.token_hex(8))
    reader.read("docs/ansible.md")
    reader.done()
    assert sorted("/".join(line.split("/")[:3]) for line in kept) == [
        f"vya-backupdb db1/{instance}/{database}"
        for instance in ("mariadb", "postgresql")
        for database in (("@users", "shop") if instance == "mariadb" else ("@users", "postgres", "shop"))
    ]
    assert orders(new.server) == 3
    assert on_machine.ran(f"find {STORE}/db1 -name '*.sql.zst' | wc -l") == f"{len(kept)}\n"
    assert on_machine.ran("ls /etc/vya-backupdb") == "vya-backupdb.key\n"
    on_machine.ran("test ! -e /opt/vya-backupdb")


def fill_in(machine: Machine) -> None:
    """Put into the inventory what is true of this machine, which needs no packages of Debian."""
    hosts = yaml.safe_load(machine.path(f"{INVENTORY}/hosts.yml").read_text())["all"]["children"]
    del hosts["vya_backupdb"]["hosts"]["db2.example.net"]
    hosts["vya_backupdb_removed"]["hosts"] = {"new1.example.net": None}
    of_all = {
        "ansible_connection": "local",
        "ansible_async_dir": f"{HOME}/async",  # root's own home is not of the machine
        "ansible_remote_tmp": f"{HOME}/tmp",
        "ansible_pipelining": True,  # faster
        "vya_backupdb_packages": [],
        "vya_backupdb_client_packages": [],
        "vya_backupdb_python": str(PYTHON),
        "vya_backupdb_poll": 1,
    }
    document = {"all": {"children": hosts, "vars": of_all}}
    machine.write(f"{INVENTORY}/hosts.yml", yaml.safe_dump(document))
    common = f"{INVENTORY}/group_vars/vya_backupdb/vars.yml"
    variables = yaml.safe_load(machine.path(common).read_text())
    del variables["vya_backupdb_config"]["notify"]  # nobody can be told
    del variables["vya_backupdb_config"]["instances"][1]["tls"]  # the server has none
    machine.write(common, yaml.safe_dump(variables))


def editor(machine: Machine, postgresql: Known, new: Known) -> str:
    """Give a program that puts the key that was shown, and passwords, into the vault."""
    shown = f"$(grep -hxE '[A-Za-z0-9_-]{{43}}=' {machine.folder}/*/*.out)"
    changes = [f"s/REPLACE-ME-with.*/{shown}/"]
    for known in (postgresql, new):
        changes.append(
            f"s/{known.id}: .*/{known.id}: {{username: {known.username}, password: {known.password}}}/"
        )
    words = " ".join(f'-e "{change}"' for change in changes)
    return f'#!/bin/sh\nexec sed -i {words} "$1"\n'


def lose(machine: Machine) -> None:
    """Leave nothing but the controller's files; another machine has the store, and answers as ssh would."""
    machine.ran(f"mv {STORE} /srv/backups")
    machine.ran("rm -r /opt/vya-backupdb /etc/vya-backupdb/* /etc/systemd/system/vya-backupdb-*")
    machine.rename("new1")
    machine.write("/usr/local/bin/ssh", '#!/bin/sh\nshift\nexec sh -c "$*"\n', 0o755)
