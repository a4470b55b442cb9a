"""`vya-backupdb restore`. What only the restore itself needs is imported when it runs: lists are quick."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vya_backupdb.cli.context import CliContext
from vya_backupdb.cli.listing import list_command
from vya_backupdb.cli.progress import watched
from vya_backupdb.cli.render import Table, confirmation, emit, format_option, left_out, told
from vya_backupdb.cli.selection import all_named, moment, named
from vya_backupdb.operations.choose import Selection

if TYPE_CHECKING:
    from vya_backupdb.operations.restore import RestoreOutcome


@click.group("restore", invoke_without_command=True)
@click.option("--instance", callback=named, metavar="ID", help="Instance that was backed up.")
@click.option("--database", callback=named, metavar="NAME", help="Database that was backed up.")
@click.option("--latest", is_flag=True, help="Its newest backup.")
@click.option("--datetime", "at", callback=moment, metavar="T", help="Its newest backup at or before a time.")
@click.option("--file", type=click.Path(path_type=Path), metavar="F", help="A backup file, or a plain dump.")
@click.option(
    "--host", callback=named, metavar="NAME", help="The machine that made the backup, as its folder is named."
)
@click.option(
    "--target-instance", callback=named, metavar="ID", help="Onto this instance instead of the recorded one."
)
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
    """Restore a database or some of its tables, and check that every row came back.

    \b
    vya-backupdb restore --instance prod-mysql-01 --database shop --latest --target-instance new-server
    vya-backupdb restore --file shop.sql.gz --target-instance new-server --target-database shop
    vya-backupdb restore --instance prod-mysql-01 --database shop --latest --table orders --drop
    vya-backupdb restore --instance prod-pg-01 --database shop --latest --target-instance dev --no-owner

    What the server refuses after the rows (a trigger, an index ...) is written to a file, the rest is
    executed, and the exit status is 21.
    """
    if click_context.invoked_subcommand is not None:
        return
    from vya_backupdb.operations.request import RestoreRequest
    from vya_backupdb.operations.restore import restore

    if (latest, at is not None, file is not None).count(True) != 1:
        raise click.UsageError("say which backup: one of --latest, --datetime T, --file F")
    if file is None and not (instance and database):
        raise click.UsageError("--latest and --datetime go with --instance ID and --database NAME")
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
    with watched(quiet=context.quiet) as progress:
        outcome = restore(context.config(), context.vault(), request, confirmation(force=force), progress)
    emit(format, _document(outcome, dry_run=dry_run), _table(outcome, dry_run=dry_run))


def _document(outcome: RestoreOutcome, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "changed": outcome.changed,
        "instance": outcome.instance,
        "database": outcome.database,
        "file": str(outcome.file),
        "backup": outcome.record.id if outcome.record else None,
        "only_tables": list(outcome.tables),
        "tables": len(outcome.rows),
        "rows": sum(outcome.rows.values()),
        "rows_verified": outcome.rows_verified,
        "objects": outcome.objects,
        "warnings": [finding.what for finding in outcome.findings],
        "notices": list(outcome.notices),
        "seconds": round(outcome.seconds, 3),
    }


def _table(outcome: RestoreOutcome, *, dry_run: bool) -> Table:
    if dry_run:
        result = "would be restored"
    elif outcome.changed:
        result = "restored"
    else:
        result = "restored already, nothing done"
    table = Table(f"{outcome.instance}/{outcome.database}: {result}", ("what", "value"))
    table.add("from", str(outcome.file))
    if outcome.record is not None and (without := left_out(outcome.record.left_out)):
        table.add("not in the backup", without)
    if outcome.tables:
        table.add("only the tables", ", ".join(outcome.tables))
    if outcome.changed:
        checked = "all checked" if outcome.rows_verified else "not checked: a plain dump has no row counts"
        table.add("rows", f"{sum(outcome.rows.values()):,} in {len(outcome.rows):,} tables, {checked}")
        table.add(
            "objects", ", ".join(f"{count:,} {kind}" for kind, count in outcome.objects.items() if count)
        )
        table.add("seconds", f"{outcome.seconds:.1f}")
    for finding in outcome.findings:
        table.add("warning", told(finding))
    for notice in outcome.notices:
        table.add("notice", notice)
    return table


command.add_command(list_command)
