"""Every command of the documents as it is written, on a machine that has the servers that they name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.cleanroom.__main__ import STEPS
from scripts.sample.clients import run_sql

from .blocks import DOCUMENTS, blocks
from .conftest import NewServer
from .exceptions import NOT_EXECUTED
from .machine import HOME, WORK, Machine
from .reading import Reader
from .servers import orders, with_shop, without_anything

_PAGES = ("backup", "restore", "users", "verify-and-drill", "retention", "notices", "monitoring")
ON_SERVERS = (
    "README.md",
    "docs/upgrading.md",
    *(f"docs/{name}.md" for name in (*_PAGES, "troubleshooting", "file-format")),
)
ALONE = ("etc/examples/README.md", "docs/deployment.md")
FOR_EACH_ENGINE = ("docs/disaster-recovery.md",)
ONE_AFTER_ANOTHER = ("docs/quickstart.md",)
BESIDE = {
    "docs/ansible.md": "test_ansible.py",
    "docs/container.md": "test_container.py",
    "docs/installation.md": "test_installation.py",
}
"""Executed by tests beside this one, each with what it needs: an index of packages, a vault, Docker."""
MADE_FROM_HELP = ("docs/commands.md",)
"""Their examples are those of `--help`: see tests/unit/test_commands.py."""


def test_every_document_with_commands_is_executed() -> None:
    with_commands = [
        name for name in DOCUMENTS if any(block.language in ("sh", "yaml") for block in blocks(name))
    ]
    read = [*ON_SERVERS, *ALONE, *ONE_AFTER_ANOTHER, *FOR_EACH_ENGINE]
    assert sorted([*read, *MADE_FROM_HELP, *BESIDE]) == with_commands
    for document, test in BESIDE.items():
        assert f'.read("{document}")' in Path(__file__).with_name(test).read_text()


def test_what_needs_the_network_is_executed_in_a_clean_room() -> None:
    commands = [
        one.text
        for name in DOCUMENTS
        for block in blocks(name)
        if block.language == "sh"
        for one in block.commands()
    ]
    steps = {name: script() for name, script in STEPS.items()}
    for left in NOT_EXECUTED:
        for command in filter(left.fits, commands):
            assert left.step is None or command in steps[left.step]


def test_the_commands_of_the_readme_and_of_the_documents_do_what_they_are_for(
    on_machine: Machine, new_server: NewServer, wheels: Path
) -> None:
    on_machine.offer(wheels)
    prod = with_shop("prod-mariadb", new_server("mariadb", "shop"), "127.0.0.2")
    also = with_shop("prod-postgresql", new_server("postgresql", "shop"), "127.0.0.1")
    new = without_anything("new-mariadb", new_server("mariadb", "empty"), "127.0.0.3")
    dev = without_anything("dev", new_server("postgresql", "empty"), "127.0.0.4")
    on_machine.know(prod, also, new, dev)
    on_machine.link("/run/mysqld/mysqld.sock", prod.server.socket)
    login = f"[client]\nuser={prod.server.superuser}\npassword={prod.server.password}\n"
    on_machine.write(f"{HOME}/.my.cnf", login)  # of the administrator, who types the commands
    on_machine.path("/var/lib/prometheus/node-exporter").mkdir(parents=True)
    reader = Reader(on_machine, (prod, also, new, dev), beside=(new.id, dev.id))
    for document in ON_SERVERS:
        if document == "docs/monitoring.md":
            on_machine.ran(
                f"systemd-sysusers {WORK}/etc/sysusers.d/vya-backupdb.conf"
            )  # it is about services
        reader.read(document)
    reader.done()
    assert orders(prod.server, "shop_by_hand") == 3


def test_the_commands_of_the_deployment_do_what_they_are_for(on_machine: Machine) -> None:
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd is not installed")
    on_machine.with_program()
    on_machine.write(f"{WORK}/plain.json", '{"prod-mariadb": {"username": "vya-backupdb"}}')
    reader = Reader(on_machine, ())
    reader.config = {"instances": [{"id": "prod-mariadb", "engine": "mariadb", "host": "db.example.net"}]}
    for document in ALONE:
        reader.read(document)
    reader.done()
    assert on_machine.ran("stat -c '%U %a' /var/backups/vya-backupdb") == "vya-backupdb 700\n"


def test_the_quickstart_leads_from_nothing_to_a_proved_backup(
    on_machine: Machine, new_server: NewServer, wheels: Path
) -> None:
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd is not installed")
    on_machine.offer(wheels)
    prod = with_shop("prod-mariadb", new_server("mariadb", "shop"), "127.0.0.2")
    on_machine.know(prod)
    on_machine.link("/run/mysqld/mysqld.sock", prod.server.socket)
    # without a password, as `init` shows; the server is outside of the machine, and does not know its users
    run_sql(prod.server, "CREATE USER 'vya-backupdb'@localhost")
    run_sql(prod.server, "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO 'vya-backupdb'@localhost")
    reader = Reader(on_machine, (prod,))
    for document in ONE_AFTER_ANOTHER:
        reader.read(document)
    reader.done()
