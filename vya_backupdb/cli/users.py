"""`vya-backupdb users`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.render import Table, confirmation, emit, format_option, printable
from vya_backupdb.cli.selection import all_named, find, users_selection_options
from vya_backupdb.model import Account
from vya_backupdb.operations.choose import Selection

if TYPE_CHECKING:
    from vya_backupdb.operations.users.restore import RestoredAccount, UsersOutcome


@click.group("users")
def group() -> None:
    """Users, roles and their grants: back up, list, restore."""


@group.command("backup")
@click.option("--instance", type=INSTANCE, required=True, help="Instance whose users are backed up.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Into this file (.sql, .sql.gz, .sql.zst) instead of the store.",
)
@click.option("--include-system", is_flag=True, help="The server's own accounts, too (root, postgres ...).")
@click.option("--dry-run", is_flag=True, help="Say where to; run nothing.")
@format_option
@pass_context
def backup_command(
    context: CliContext,
    instance: str,
    output: Path | None,
    include_system: bool,
    dry_run: bool,
    format: str,
) -> None:
    """Back up all users and roles of an instance, with their grants and passwords' hashes.

    \b
    vya-backupdb users backup --instance prod-mysql-01
    vya-backupdb users backup --instance prod-pg-01 --output roles.sql.gz
    """
    from vya_backupdb.cli.backup import run
    from vya_backupdb.operations.backup import BackupRequest
    from vya_backupdb.operations.users.backup import UsersOutput

    request = BackupRequest(
        instances=context.instances([instance]),
        databases=None,
        users=True,
        include_system=include_system,
        output=UsersOutput.at(output) if output else None,
        dry_run=dry_run,
    )
    run(context, request, format)


@group.command("list")
@users_selection_options
@format_option
@pass_context
def list_command(context: CliContext, selection: Selection, format: str) -> None:
    """List the users and roles in a backup. Needs no server.

    \b
    vya-backupdb users list --instance prod-mysql-01
    """
    from vya_backupdb.operations.users.script import accounts_of

    chosen = find(context, selection)
    accounts = accounts_of(chosen)
    shown = [_listed(account) for account in accounts]
    emit(format, {"file": str(chosen.path), "users": shown}, _accounts(accounts))


@group.command("restore")
@users_selection_options
@click.option("--target-instance", type=INSTANCE, help="Onto this instance instead of the recorded one.")
@click.option("--all", "everyone", is_flag=True, help="All users and roles of the backup.")
@click.option(
    "--user",
    "users",
    multiple=True,
    callback=all_named,
    metavar="NAME[@HOST]",
    help="Only this one, and the roles that it needs; may be given several times.",
)
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "skip", "replace"]),
    default="fail",
    show_default=True,
    help="What becomes of those that are there and differ; fail: nothing is changed at all.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan; change nothing.")
@click.option("--force", is_flag=True, help="Answer every question with yes.")
@format_option
@pass_context
def restore_command(
    context: CliContext,
    selection: Selection,
    target_instance: str | None,
    everyone: bool,
    users: tuple[str, ...],
    on_conflict: str,
    dry_run: bool,
    force: bool,
    format: str,
) -> None:
    """Restore users and roles with their passwords and grants; those that are there already stay.

    \b
    vya-backupdb users restore --instance prod-mysql-01 --target-instance new-server --all
    vya-backupdb users restore --instance prod-pg-01 --user app --dry-run
    """
    from vya_backupdb.cli.outcome import end_with
    from vya_backupdb.operations.users.restore import OnConflict, UsersRequest, restore_users

    if everyone == bool(users):
        raise click.UsageError("say who: --all, or --user NAME")
    request = UsersRequest(selection, target_instance, users, OnConflict(on_conflict), dry_run)
    outcome = restore_users(context.config(), context.vault(), request, confirmation(force=force))
    emit(format, users_document(outcome, dry_run=dry_run), *users_tables(outcome, dry_run=dry_run))
    if outcome.conflict is not None:
        raise outcome.conflict
    end_with([account.error for account in outcome.accounts] or [None], mixed=21)


def _listed(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "host": account.host,
        "kind": account.kind,
        "plugin": account.properties.get("plugin"),
        "roles": _roles(account),
        "grants": len(account.grants),
        "marks": account.marks,
        "properties": account.properties,
    }


def _roles(account: Account) -> list[str]:
    return list(dict.fromkeys(grant.role for grant in account.grants if grant.role is not None))


def _accounts(accounts: Sequence[Account]) -> Table:
    table = Table("Users and roles", ("name", "host", "kind", "plugin", "roles", "grants", "may"))
    for account in accounts:
        table.add(
            printable(account.name),
            printable(account.host) if account.host is not None else None,
            account.kind,
            account.properties.get("plugin"),
            printable(", ".join(_roles(account))),
            len(account.grants),
            ", ".join(account.marks),
        )
    return table


def users_document(outcome: UsersOutcome, *, dry_run: bool) -> dict[str, Any]:
    """Give what JSON says of restored users."""
    return {
        "dry_run": dry_run,
        "changed": outcome.changed,
        "instance": outcome.instance,
        "file": str(outcome.file),
        "conflict": str(outcome.conflict) if outcome.conflict else None,
        "users": [
            {
                "name": account.plan.wanted.name,
                "host": account.plan.wanted.host,
                "kind": account.plan.wanted.kind,
                "plan": account.plan.standing,
                "differences": account.plan.differences,
                "notes": account.plan.notes,
                "needed_by": account.plan.needed_by,
                "half_made": account.half_made,
                "changed": account.changed,
                "pending": [grant.what for grant in account.pending],
                "error": str(account.error) if account.error else None,
            }
            for account in outcome.accounts
        ],
    }


def users_tables(outcome: UsersOutcome, *, dry_run: bool) -> Iterator[Table]:
    """Give what a person is told of restored users: each about whom there is something to say, and counts."""
    counts = Counter(account.plan.standing for account in outcome.accounts)
    title = f"{outcome.instance}: users and roles" + (", the plan only" if dry_run else "")
    table = Table(title, ("name", "kind", "plan", "result", "what there is to know"))
    for account in outcome.accounts:
        told = list(_told(account))
        if not told and account.plan.standing == "same":
            continue
        plan = account.plan
        table.add(
            printable(plan.wanted.label), plan.wanted.kind, plan.standing, _result(account), "; ".join(told)
        )
    if table.rows:
        yield table
    total = Table(None, ("what", "how many"))
    for standing, count in counts.items():
        total.add(standing, count)
    yield total


def _told(account: RestoredAccount) -> Iterator[str]:
    if account.plan.needed_by is not None:
        yield f"needed by {printable(account.plan.needed_by)}"
    if account.half_made:
        yield "a restore that was cut off had begun it: it is made whole"
    yield from account.plan.differences
    yield from account.plan.notes
    yield from (f"waits for what it is on: {grant.what}" for grant in account.pending)
    if account.error is not None:
        yield account.error.what


def _result(account: RestoredAccount) -> str:
    if account.error is not None:
        return "FAILED"
    return "done" if account.changed else ""
