"""docs/disaster-recovery.md, followed to the letter on a machine that has nothing but the program."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
import yaml

from scripts.sample.clients import run_sql
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import ScratchServer

from .blocks import Command
from .conftest import NewServer
from .machine import Machine
from .reading import CONFIG, STORE, Reader
from .servers import Known, orders, with_shop, without_anything

OFF_SITE = "/srv/off-site"
KEY = "/etc/vya-backupdb/key"


@pytest.mark.parametrize(
    "flavour", [pytest.param(f, marks=getattr(pytest.mark, f)) for f in ("mysql", "mariadb", "postgresql")]
)
def test_the_runbook_brings_back_a_lost_server_a_database_and_a_table(
    flavour: Flavour, on_machine: Machine, new_server: NewServer
) -> None:
    lost = with_shop(f"prod-{flavour}", new_server(flavour, "shop"), "127.0.0.2")
    new = with_an_administrator(f"new-{flavour}", new_server(flavour, "empty"), "127.0.0.3")
    on_machine.with_program()
    on_machine.know(lost, new)
    back_up(on_machine, lost)
    lose(on_machine)

    reader = Reader(on_machine, (lost, new), engine=flavour)
    reader.config = yaml.safe_load(on_machine.path(f"{OFF_SITE}/etc/config.yaml").read_text())
    reader.read("docs/disaster-recovery.md")
    reader.done()
    for database in ("shop", "shop_before", "shop_by_hand"):
        assert orders(new.server, database) == 3
    app = replace(new.server, superuser="app", password="app")
    assert run_sql(app, "INSERT INTO orders (id, customer, amount) VALUES (9, 1, 1)", "shop") == ""


def with_an_administrator(name: str, server: ScratchServer, address: str) -> Known:
    """Make an empty server with the account of step 5."""
    empty = without_anything(name, server, address)
    password = secrets.token_hex(8)
    if server.flavour == "postgresql":
        made = f"CREATE ROLE admin LOGIN SUPERUSER PASSWORD '{password}'"
    else:
        made = f"CREATE USER admin@'%' IDENTIFIED BY '{password}';"
        made += "GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION"
    run_sql(server, made)
    return replace(empty, username="admin", password=password)


def back_up(machine: Machine, lost: Known) -> None:
    """Make the backups, as the machine named `lost` would, and a copy of all on another."""
    config = {
        "instances": [lost.entry()],
        "storage": {"path": STORE},
        "credentials": {"file": "credentials.json", "key": {"file": KEY}},
    }
    machine.rename("lost")
    machine.write(CONFIG, yaml.safe_dump(config))
    reader = Reader(machine, (lost,))
    steps = (
        "vya-backupdb credentials keygen",
        f"vya-backupdb credentials set {lost.id} --username {lost.username}",
        "vya-backupdb backup --all",
        f"mkdir -p {OFF_SITE} && scripts/examples/copy-off-site {OFF_SITE}",
    )
    said = machine.run([Command("this test", step) for step in steps], reader.answer)
    assert [one.status for one in said] == [0] * len(steps), "\n".join(map(str, said))


def lose(machine: Machine) -> None:
    """Leave nothing on the machine, and reach the other one as ssh would."""
    machine.ran(f"mkdir -p /media/usb && mv {KEY} /media/usb/vya-backupdb.key")
    machine.ran(f"chown -R 4711:4711 {OFF_SITE}")  # of a user that only the lost machine has
    machine.rename("recovery")
    machine.ran(f"rm -r {STORE} /etc/vya-backupdb/*")
    machine.write("/usr/local/bin/ssh", '#!/bin/sh\nshift\nexec sh -c "$*"\n', 0o755)
