"""The role and the playbooks of etc/ansible on machines of their own: installed, changed, recovered, removed.

One story is played once, however many processes the tests have; each test looks at one part of it.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import create_database, drop_database, plain_dump, run_sql
from vya_backupdb.scratch import ScratchServer

from .fleet import CALLS, INTERPRETED, PYTHON, ROOT, Fleet, told_once
from .machine import Machine, impossible, machine

UNITS = "/etc/systemd/system"
FOLDER = "/etc/vya-backupdb"
STORE = "/var/backups/vya-backupdb"
ACCOUNT = "ansible_backup@'%'"

pytestmark = [
    pytest.mark.mariadb,
    pytest.mark.skipif(bool(impossible()), reason=impossible()),
    pytest.mark.skipif(not PYTHON.exists(), reason=f"{PYTHON} is not there"),
]


@pytest.fixture(scope="module")
def told(
    tmp_path_factory: pytest.TempPathFactory, mariadb: ScratchServer, mariadb_target: ScratchServer
) -> dict[str, Any]:
    return told_once(
        tmp_path_factory,
        "ansible",
        lambda: story(tmp_path_factory.mktemp("ansible"), mariadb, mariadb_target),
    )


def story(folder: Path, source: ScratchServer, target: ScratchServer) -> dict[str, Any]:
    """Play it; give what the plays said and what was there after them."""
    fleet = Fleet(folder, source, target, f"ansible_{secrets.token_hex(3)}", secrets.token_hex(8))
    with ExitStack() as stack:
        for server in (source, target):
            stack.callback(run_sql, server, f"DROP USER IF EXISTS {ACCOUNT}")
            stack.callback(drop_database, server, fleet.database)
        create_database(source, fleet.database)
        rows = "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)"
        login = f"CREATE USER {ACCOUNT} IDENTIFIED BY '{fleet.password}'; GRANT ALL ON *.* TO {ACCOUNT}"
        run_sql(source, f"{rows}; {login}", fleet.database)
        machines = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            machines.append(stack.enter_context(machine(folder / name)))
            fleet.prepare(machines[-1])
        fleet.write_inventory()
        install(fleet, machines[0])
        change(fleet, machines[0])
        fleet.play("drill", machines[0], "drill.yml")
        recover(fleet, *machines)
        fleet.play("remove", machines[0], "remove.yml")
        fleet.told["left"] = files(machines[0])
    return fleet.told


def install(fleet: Fleet, one: Machine) -> None:
    before = files(one)
    fleet.play("look", one, "backup.yml", "--check", "--diff")
    fleet.told["after look"] = sorted(set(files(one)) - set(before))
    fleet.play("first", one, "backup.yml", "--diff", vya_backupdb_backup_now=True)
    fleet.told["units"] = {name: one.path(f"{UNITS}/{name}").read_text() for name in units()}
    fleet.told["owners"] = one.run(
        *("stat", "-c", "%n %U:%G %a", f"{FOLDER}/config.yaml", f"{FOLDER}/credentials.json"),
        *(f"{FOLDER}/vya-backupdb.key", STORE, "/var/log/vya-backupdb.log"),
    ).stdout.splitlines()
    fleet.told["backups"] = one.run("find", STORE, "-name", "*.zst", "-printf", "%u\n").stdout.split()
    fleet.told["verify"] = one.run(
        "systemd-analyze", "--man=no", "verify", *(f"{UNITS}/{name}" for name in units() if "/" not in name)
    ).stdout
    fleet.told["settings"] = {
        str(path.relative_to(one.path(UNITS))): path.read_text()
        for path in one.path(UNITS).rglob("*-ansible.conf")
    }
    fleet.told["timers"] = timers(one)
    fleet.told["calls"] = calls(one)
    said = one.run("grep", "-rlF", "-e", fleet.password, "-e", fleet.key, f"{one.written}/upper").stdout
    fleet.told["secrets in"] = said.replace(f"{one.written}/upper", "").split()
    fleet.told["secrets said"] = [
        name for name in (fleet.password, fleet.key) if name in fleet.told["first"]["said"]
    ]
    fleet.play("second", one, "backup.yml")


def change(fleet: Fleet, one: Machine) -> None:
    config, credentials = (one.path(f"{FOLDER}/{name}") for name in ("config.yaml", "credentials.json"))
    before = config.read_bytes(), credentials.read_bytes()
    fleet.password = secrets.token_hex(8)
    run_sql(fleet.source, f"ALTER USER {ACCOUNT} IDENTIFIED BY '{fleet.password}'")
    fleet.write_vault()
    variables = fleet.one()
    changed = variables["vya_backupdb_config"] | {"compression": {"codec": "gzip"}}
    variables["vya_backupdb_config"] = changed
    variables["vya_backupdb_timers"] = ["backup", "health"]
    variables["vya_backupdb_timer_settings"] = {"health": {"OnCalendar": "*:0/15"}}
    fleet.write_host("one", variables)
    parts = "vya_backupdb_config,vya_backupdb_credentials"
    one.path(INTERPRETED).unlink()
    fleet.play("change looked at", one, "backup.yml", "--check", "--diff", "--tags", parts, pipelining=False)
    fleet.told["interpreted"] = one.path(INTERPRETED).read_text().split()
    fleet.told["unchanged by look"] = before == (config.read_bytes(), credentials.read_bytes())
    asked = calls(one)
    fleet.play("change", one, "backup.yml", "--tags", f"{parts},vya_backupdb_units")
    fleet.told["changed"] = [before[0] != config.read_bytes(), before[1] != credentials.read_bytes()]
    fleet.told["calls of change"] = calls(one)[len(asked) :]
    fleet.told["timers after change"] = timers(one)
    fleet.told["settings after change"] = sorted(
        str(path.relative_to(one.path(UNITS))) for path in one.path(UNITS).rglob("*-ansible.conf")
    )

    before_it = config.read_bytes()
    tags = ("--tags", "vya_backupdb_config")
    broken = changed | {"compresion": {"codec": "gzip"}}
    fleet.play("broken", one, "backup.yml", *tags, vya_backupdb_config=broken)
    fleet.told["kept"] = config.read_bytes() == before_it


def recover(fleet: Fleet, one: Machine, two: Machine) -> None:
    """The second machine gets a copy of the store, as from the last disk of the first."""
    copied = one.run("cp", "-a", STORE, f"{fleet.folder}/store")
    brought = two.run("cp", "-a", f"{fleet.folder}/store", STORE)
    assert (copied.returncode, brought.returncode) == (0, 0)
    fleet.play("recover", two, "recover.yml")
    fleet.told["same"] = plain_dump(fleet.source, fleet.database) == plain_dump(fleet.target, fleet.database)
    fleet.told["login"] = run_sql(fleet.target, "SELECT user FROM mysql.user WHERE user = 'ansible_backup'")
    fleet.told["fetched"] = [
        (path.name, path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777)
        for path in (fleet.folder / "keys").iterdir()
    ]


def units() -> list[str]:
    """Give the files of etc/systemd."""
    folder = ROOT / "etc/systemd"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def files(of: Machine) -> list[str]:
    """Give every file of a machine that an installation may have brought."""
    places = (
        "/etc",
        "/opt/vya-backupdb",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/usr/local/share",
        "/var/backups",
    )
    said = of.run("find", *places, "-not", "-type", "d").stdout.splitlines()
    return [line for line in said if line.startswith("/")]  # the others name places that are not there


def timers(of: Machine) -> list[str]:
    return sorted(path.name for path in of.path(f"{UNITS}/timers.target.wants").glob("vya-backupdb-*"))


def calls(of: Machine) -> list[str]:
    """Give what systemd was asked so far."""
    return of.path(CALLS).read_text().splitlines()


# ---------------------------------------------------------------------------- installing


def test_check_mode_on_a_fresh_host_changes_nothing(told: dict[str, Any]) -> None:
    assert told["look"]["status"] == 0, told["look"]["said"]
    assert told["look"]["changed"] > 0
    assert told["after look"] == []


def test_the_first_run_installs_and_backs_up_as_the_user_of_the_services(told: dict[str, Any]) -> None:
    assert told["first"]["status"] == 0, told["first"]["said"]
    assert told["owners"] == [
        f"{FOLDER}/config.yaml root:vya-backupdb 640",
        f"{FOLDER}/credentials.json vya-backupdb:vya-backupdb 600",
        f"{FOLDER}/vya-backupdb.key root:root 600",
        f"{STORE} vya-backupdb:vya-backupdb 700",
        "/var/log/vya-backupdb.log vya-backupdb:vya-backupdb 600",
    ]
    assert told["backups"] == ["vya-backupdb"] * 2  # the database, and the users


def test_the_units_are_those_of_the_repository(told: dict[str, Any]) -> None:
    assert told["units"] == {name: (ROOT / "etc/systemd" / name).read_text() for name in units()}


def test_timers_are_switched_on_with_the_times_of_the_variables(told: dict[str, Any]) -> None:
    assert told["timers"] == [
        f"vya-backupdb-{name}.timer" for name in ("backup@prod", "health", "prune", "verify")
    ]
    assert "restart vya-backupdb-verify.timer" in told["calls"]
    assert (
        "\nOnCalendar=\nOnCalendar=*-*-* 02:00\n"
        in told["settings"]["vya-backupdb-backup@.timer.d/20-ansible.conf"]
    )
    assert (
        "--format prometheus --output /var/lib/prometheus"
        in told["settings"]["vya-backupdb-health.service.d/20-ansible.conf"]
    )


def test_systemd_has_nothing_to_say_of_units_and_settings(told: dict[str, Any]) -> None:
    assert told["verify"] == ""


def test_a_second_run_changes_nothing(told: dict[str, Any]) -> None:
    assert told["second"]["status"] == 0, told["second"]["said"]
    assert told["second"]["changed"] == 0, told["second"]["changes"]


def test_no_secret_is_said_or_lies_anywhere_but_in_the_key_file(told: dict[str, Any]) -> None:
    assert told["secrets said"] == []
    assert told["secrets in"] == [f"{FOLDER}/vya-backupdb.key"]


# ---------------------------------------------------------------------------- changing


def test_check_mode_tells_what_would_change(told: dict[str, Any]) -> None:
    look = told["change looked at"]
    assert look["status"] == 0, look["said"]
    assert "+  codec: gzip" in look["said"]
    assert any("Encrypt the credentials" in name for name in look["changes"])
    assert told["unchanged by look"]


def test_what_changed_is_written_and_the_handlers_run(told: dict[str, Any]) -> None:
    assert told["change"]["status"] == 0, told["change"]["said"]
    assert told["changed"] == [True, True]  # configuration, credentials
    assert told["change"]["handlers"] == ["Reload systemd", "Restart timers"]
    assert "daemon-reload" in told["calls of change"]
    assert "restart vya-backupdb-backup@prod.timer" in told["calls of change"]


def test_timers_and_settings_that_are_not_wanted_any_more_go(told: dict[str, Any]) -> None:
    assert told["timers after change"] == ["vya-backupdb-backup@prod.timer", "vya-backupdb-health.timer"]
    assert "stop vya-backupdb-verify.timer" in told["calls of change"]
    assert told["settings after change"] == [
        f"vya-backupdb-{unit}.d/20-ansible.conf" for unit in (".service", "health.service", "health.timer")
    ]


def test_a_broken_configuration_is_refused_and_the_old_one_stays(told: dict[str, Any]) -> None:
    assert told["broken"]["status"] == 2
    assert "compresion: unknown key, did you mean compression?" in told["broken"]["said"]
    assert told["kept"]


def test_credentials_reach_the_host_without_a_file(told: dict[str, Any]) -> None:
    """Though everything else does where pipelining is off, as in the run that looked at the change."""
    assert told["interpreted"].count("stdin") == 1
    assert told["interpreted"].count("file") > 1


# ---------------------------------------------------------------------------- drill, recovery, removal


def test_a_drill_says_how_long_a_recovery_takes(told: dict[str, Any]) -> None:
    assert told["drill"]["status"] == 0, told["drill"]["said"]
    assert "proved on mariadb" in told["drill"]["said"]


def test_a_new_machine_gets_users_and_databases_from_the_store(told: dict[str, Any]) -> None:
    assert told["recover"]["status"] == 0, told["recover"]["said"]
    assert told["same"]
    assert told["login"] == "ansible_backup\n"
    assert told["fetched"] == [["two.key", 0o600, 0o700]]


def test_removal_leaves_the_backups_and_the_key(told: dict[str, Any]) -> None:
    assert told["remove"]["status"] == 0, told["remove"]["said"]
    ours = {path for path in told["left"] if "vya-backupdb" in path}
    assert f"{FOLDER}/vya-backupdb.key" in ours
    assert {path for path in ours if not path.startswith(STORE)} == {f"{FOLDER}/vya-backupdb.key"}
