"""`vya-backupdb config`: validate, show, test-connections."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.outcome import SOME_FAILED
from vya_backupdb.cli.render import Table, emit, format_option, plain, write_output
from vya_backupdb.config.models import Config
from vya_backupdb.errors import ConnectionFailed, CredentialsError
from vya_backupdb.log import masked
from vya_backupdb.operations.connections import InstanceCheck, check_connections
from vya_backupdb.operations.credentials import compare_ids, examine_ids
from vya_backupdb.operations.notices.examine import examine


@click.group("config")
def command() -> None:
    """Validate and show the configuration, try its connections."""


@command.command("validate")
@format_option
@pass_context
def validate(context: CliContext, format: str) -> None:
    """Check the configuration; each fault is named with its line.

    \b
    vya-backupdb config validate
    vya-backupdb --config new.yaml config validate
    """
    config = context.config()
    path = context.config_path()
    ids = [instance.id for instance in config.instances]
    notes = [*_missing_files(config), *_credential_notes(config), *examine(config, path)]
    document = {"file": path, "valid": True, "instances": ids, "notes": notes}
    count = f"{len(ids)} instance{'s' if len(ids) != 1 else ''}"
    emit(format, document, f"{path}: valid, {count}", *(f"note: {note}" for note in notes))


def _missing_files(config: Config) -> list[str]:
    """Name the files that the configuration speaks of and that are not there."""
    named: list[tuple[str, Path | None]] = []
    for instance in config.instances:
        named.append((f"{instance.id}: dump.tool", instance.dump.tool))
        if instance.tls is not None:
            tls = instance.tls
            named += [(f"{instance.id}: tls.{key}", getattr(tls, key)) for key in ("ca", "cert", "key")]
    return [f"{what}: {path}: no such file" for what, path in named if path and not os.path.lexists(path)]


def _credential_notes(config: Config) -> list[str]:
    try:
        return examine_ids(config)
    except CredentialsError as error:
        return [error.what]


@command.command("show")
@click.option(
    "--format",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="How it is written.",
)
@click.option(
    "--no-secrets",
    is_flag=True,
    help="Leave out where credentials and keys lie, to pass it on; secrets are masked anyway.",
)
@pass_context
def show(context: CliContext, format: str, no_secrets: bool) -> None:
    """Show the configuration in force, defaults included.

    \b
    vya-backupdb config show --no-secrets
    """
    shown = _masked(context.config().model_dump(mode="json"))
    if no_secrets:
        del shown["credentials"]
        for instance in shown["instances"]:
            if instance["tls"] is not None:
                del instance["tls"]["key"]
    if format == "json":
        emit(format, {"file": context.config_path(), "config": shown})
        return
    import yaml

    write_output(yaml.safe_dump(shown, sort_keys=False, default_flow_style=False))


def _masked(value: Any) -> Any:
    """Mask what looks like a secret, wherever it is: none belongs in a configuration."""
    if isinstance(value, dict):
        return {key: _masked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_masked(part) for part in value]
    return masked(value) if isinstance(value, str) else value


# ---------------------------------------------------------------------------- connections


@command.command("test-connections")
@click.option("--instance", "instances", multiple=True, type=INSTANCE, help="Only this instance; repeatable.")
@format_option
@pass_context
def test_connections(context: CliContext, instances: tuple[str, ...], format: str) -> None:
    """Connect to each instance: server, dump tool, and what the account lacks.

    \b
    vya-backupdb config test-connections
    vya-backupdb config test-connections --instance prod-mysql-01
    """
    ids = context.instances(instances)
    config, vault = context.config(), context.vault()
    checks = list(check_connections(config, vault, ids))
    notes = [] if instances else compare_ids(config, [*vault.entries, *vault.damaged])
    document = {"instances": [_as_json(check) for check in checks], "notes": notes}
    emit(format, document, _table(checks), *_finding_lines(checks), *(f"note: {note}" for note in notes))
    failed = sum(not check.ok for check in checks)
    if failed:
        sys.exit(ConnectionFailed.exit_code if failed == len(checks) else SOME_FAILED)


def _as_json(check: InstanceCheck) -> dict[str, object]:
    facts, tool = check.facts, check.tool
    return {
        "instance": check.instance,
        "ok": check.ok,
        "flavour": facts.flavour if facts else None,
        "version": facts.version if facts else None,
        "account": facts.account if facts else None,
        "tool": {"path": tool.path, "version": tool.version, "notes": tool.notes} if tool else None,
        "databases": check.databases,
        "findings": plain(check.findings),
        "error": check.error,
    }


def _table(checks: list[InstanceCheck]) -> Table:
    table = Table(None, ("instance", "result", "server", "account", "databases", "dump tool"))
    for check in checks:
        facts, tool = check.facts, check.tool
        table.add(
            check.instance,
            "ok" if check.ok else "FAILED",
            f"{facts.flavour} {facts.version}" if facts else None,
            facts.account if facts else None,
            check.databases,
            f"{tool.path} {tool.version}" if tool else None,
        )
    return table


def _finding_lines(checks: list[InstanceCheck]) -> list[str]:
    lines = []
    for check in checks:
        if check.error is not None:
            known = check.error.what.startswith(check.instance)
            lines.append(check.error.what if known else f"{check.instance}: {check.error.what}")
            lines += _cure(check.error.cure)
        for found in check.findings:
            where = f" ({found.object})" if found.object else ""
            lines.append(f"{check.instance}: {found.severity}: {found.what}{where}")
            lines += _cure(found.cure)
        lines += [f"{check.instance}: warning: {note}" for note in (check.tool.notes if check.tool else ())]
    return lines


def _cure(text: str | None) -> list[str]:
    return [f"  {text}"] if text else []
