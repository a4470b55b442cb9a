"""`vya-backupdb restore`. What only the restore itself needs is imported when it runs: lists are quick."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext
from vya_backupdb.cli.listing import list_command
from vya_backupdb.cli.progress import watched
from vya_backupdb.cli.render import confirmation, emit, format_option
from vya_backupdb.cli.selection import all_named, moment, named
from vya_backupdb.operations.choose import Selection

if TYPE_CHECKING:
    from vya_backupdb.operations.request import RestoreRequest


@click.group("restore", invoke_without_command=True)
@click.option("--instance", type=INSTANCE, help="Instance that was backed up.")
@click.option("--database", callback=named, metavar="NAME", help="Database that was backed up.")
@click.option("--all", "everything", is_flag=True, help="All databases of the instance that have a backup.")
@click.option("--users", is_flag=True, help="Its users and roles first; goes with --all.")
@click.option("--latest", is_flag=True, help="Its newest backup.")
@click.option("--datetime", "at", callback=moment, metavar="T", help="Its newest backup at or before a time.")
@click.option("--file", type=click.Path(path_type=Path), metavar="F", help="A backup file, or a plain dump.")
@click.option(
    "--host", callback=named, metavar="NAME", help="The machine that made the backup, as its folder is named."
)
@click.option("--target-instance", type=INSTANCE, help="Onto this instance instead of the recorded one.")
@click.option(
    "--target-database", callback=named, metavar="NAME", help="Under this name instead of the recorded one."
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    callback=all_named,
    metavar="T",
    help="Only this table with all that is its own; may be given several times. PostgreSQL: T or SCHEMA.T.",
)
@click.option(
    "--drop",
    is_flag=True,
    help="Drop the target database first, if it is not empty; with --table those tables only (asks).",
)
@click.option(
    "--no-owner",
    is_flag=True,
    help="Everything belongs to the account that restores, whoever owned or defined it.",
)
@click.option(
    "--allow-references",
    is_flag=True,
    help="Make a copy under another name though its objects name the original; its events stay disabled.",
)
@click.option("--stop-on-error", is_flag=True, help="Stop at the first statement that fails after the rows.")
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Connections that load rows.")
@click.option("--dry-run", is_flag=True, help="Check file, target and privileges; execute nothing.")
@click.option("--force", is_flag=True, help="Answer every question with yes.")
@format_option
@click.pass_context
def command(
    click_context: click.Context,
    instance: str | None,
    database: str | None,
    everything: bool,
    users: bool,
    latest: bool,
    at: datetime | None,
    file: Path | None,
    host: str | None,
    target_instance: str | None,
    target_database: str | None,
    tables: tuple[str, ...],
    drop: bool,
    no_owner: bool,
    allow_references: bool,
    stop_on_error: bool,
    jobs: int | None,
    dry_run: bool,
    force: bool,
    format: str,
) -> None:
    """Restore a database, some of its tables, or a whole instance, and check that every row came back.

    \b
    vya-backupdb restore --instance prod-mysql-01 --database shop --latest --target-instance new-server
    vya-backupdb restore --file shop.sql.gz --target-instance new-server --target-database shop
    vya-backupdb restore --instance prod-mysql-01 --database shop --latest --table orders --drop
    vya-backupdb restore --instance prod-pg-01 --database shop --latest --target-instance dev --no-owner
    vya-backupdb restore --instance prod-mysql-01 --all --users --latest --target-instance new-server

    What the server refuses after the rows (a trigger, an index ...) is written to a file, the rest is
    executed, and the exit status is 21.
    """
    if click_context.invoked_subcommand is not None:
        return
    from vya_backupdb.cli.restored import restored_document, restored_table
    from vya_backupdb.operations.request import RestoreRequest
    from vya_backupdb.operations.restore import restore

    if (latest, at is not None, file is not None).count(True) != 1:
        raise click.UsageError("say which backup: one of --latest, --datetime T, --file F")
    if users and not everything:
        raise click.UsageError("--users goes with --all; users alone: vya-backupdb users restore")
    if everything and (database or file or target_database or tables):
        raise click.UsageError("--all goes with --instance ID, without a database, table or file")
    if file is None and not (instance and (database or everything)):
        raise click.UsageError("--latest and --datetime go with --instance ID and --database NAME or --all")
    if file is not None and (instance or database or host):
        raise click.UsageError("--file stands alone; the target is --target-instance and --target-database")
    context = click_context.ensure_object(CliContext)
    request = RestoreRequest(
        selection=Selection(instance, database, at, file, host),
        target_instance=target_instance,
        target_database=target_database,
        tables=tables,
        drop=drop,
        no_owner=no_owner,
        allow_references=allow_references,
        stop_on_error=stop_on_error,
        dry_run=dry_run,
        jobs=jobs,
    )
    if everything:
        _restore_all(context, request, users=users, force=force, format=format)
        return
    with watched(quiet=context.quiet) as progress:
        outcome = restore(context.config(), context.vault(), request, confirmation(force=force), progress)
    emit(format, restored_document(outcome, dry_run=dry_run), restored_table(outcome, dry_run=dry_run))


def _restore_all(
    context: CliContext, request: RestoreRequest, *, users: bool, force: bool, format: str
) -> None:
    from vya_backupdb.cli.outcome import end_with
    from vya_backupdb.cli.restored import all_document, all_tables
    from vya_backupdb.operations.restore_all import restore_all

    with watched(quiet=context.quiet) as progress:
        result = restore_all(
            context.config(), context.vault(), request, confirmation(force=force), progress, users=users
        )
    dry_run = request.dry_run
    emit(format, all_document(result, dry_run=dry_run), *all_tables(result, dry_run=dry_run))
    if result.conflict is not None:
        raise result.conflict
    end_with(result.errors, mixed=21)


command.add_command(list_command)
