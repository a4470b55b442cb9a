"""The role in etc/ansible: what it takes from elsewhere, and what is written of its variables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from vya_backupdb.config.load import load_config

ROOT = Path(__file__).parents[2]
ANSIBLE = ROOT / "etc/ansible"
ROLE = ANSIBLE / "roles/vya_backupdb"
_TASK_KEYS = {
    *("apply", "async", "become", "block", "changed_when", "check_mode", "delay", "delegate_to", "diff"),
    *("environment", "failed_when", "loop", "loop_control", "name", "no_log", "notify", "poll", "register"),
    *("retries", "tags", "throttle", "until", "vars", "when"),
}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def written_tasks() -> str:
    return "".join(path.read_text() for path in sorted((ROLE / "tasks").iterdir()))


def options() -> dict[str, Any]:
    """Give the variables of the role, each with its specification."""
    specified = read(ROLE / "meta/argument_specs.yml")["argument_specs"]
    return {name: spec for each in specified.values() for name, spec in each["options"].items()}


def tasks(of: Path) -> Iterator[dict[str, Any]]:
    """Give the tasks of a file, those in blocks too."""

    def flat(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in found:
            yield task
            yield from flat(task.get("block", []))

    yield from flat(read(of))


def test_the_wheel_brings_what_the_role_copies() -> None:
    """So that there is one copy in the repository, and units and program are of one version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    brought = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert brought["etc"] == "share/vya-backupdb"
    for name in ("systemd", "sysusers.d", "tmpfiles.d"):
        assert (ROOT / "etc" / name).is_dir()
        assert f"{{{{ vya_backupdb_share }}}}/{name}/" in written_tasks()


def test_the_versions_that_pip_is_held_to_are_those_of_the_tests() -> None:
    link = ROLE / "files/constraints.txt"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "constraints.txt"


def test_every_variable_is_specified_has_a_default_and_is_described() -> None:
    defaults = read(ROLE / "defaults/main.yml")
    page = (ROOT / "docs/ansible.md").read_text()
    described = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(described) == sorted(options())
    assert sorted(options()) == sorted([*defaults, "vya_backupdb_config"])


def test_defaults_are_those_of_the_specification() -> None:
    defaults = read(ROLE / "defaults/main.yml")
    specified = {name: spec["default"] for name, spec in options().items() if "default" in spec}
    assert specified == {name: defaults[name] for name in specified}


@pytest.mark.parametrize("path", sorted(ROLE.glob("[th]a*/*.yml")), ids=lambda path: path.stem)
def test_no_collection_is_needed(path: Path) -> None:
    modules = {key for task in tasks(path) for key in task if key not in _TASK_KEYS}
    assert {module for module in modules if not module.startswith("ansible.builtin.")} == set()


def test_what_handles_secrets_says_nothing_and_sends_no_file() -> None:
    of = {task["name"]: task for task in tasks(ROLE / "tasks/credentials.yml")}
    for name in ("Copy the key", "Encrypt the credentials"):
        assert of[name]["no_log"] is True
    assert of["Encrypt the credentials"]["vars"] == {"ansible_pipelining": True}


@pytest.mark.parametrize("group", ["vya_backupdb", "vya_backupdb_recovery"])
def test_the_configuration_of_the_example_is_valid(group: str, tmp_path: Path) -> None:
    config = read(ANSIBLE / f"inventory/group_vars/{group}/vars.yml")["vya_backupdb_config"]
    config.pop("notify", None)  # from the vault
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    assert load_config(path).instances


def test_the_vault_of_the_example_has_what_is_taken_from_it_and_no_secret() -> None:
    folder = ANSIBLE / "inventory/group_vars"
    vault = (folder / "all/vault.yml.example").read_text()
    used = {name for path in folder.rglob("vars.yml") for name in re.findall(r"vault_\w+", path.read_text())}
    assert set(yaml.safe_load(vault)) == used - {"vault_"}
    assert re.findall(r"password: (?!REPLACE-ME)", vault) == []
