"""`vya-backupdb restore` and `restore list`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from vya_backupdb.catalog.store import Store
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.progress import watched
from vya_backupdb.cli.render import (
    Table,
    confirmation,
    emit,
    format_option,
    human_size,
    left_out,
    note,
    printable,
)
from vya_backupdb.operations.choose import Selection, parse_moment
from vya_backupdb.operations.listing import ListedBackup, list_backups
from vya_backupdb.operations.restore import RestoreOutcome, RestoreRequest, restore


def _moment(context: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    try:
        return parse_moment(value) if value else None
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a time: write it as '2026-11-23 05:00'", ctx=context, param=option
        ) from None


def _name(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty name: an unset variable of a script must not mean the recorded database."""
    if value == "":
        raise click.BadParameter("the name is empty", ctx=context, param=option)
    return value


@click.group("restore", invoke_without_command=True)
@click.option("--instance", callback=_name, metavar="ID", help="Instance that was backed up.")
@click.option("--database", callback=_name, metavar="NAME", help="Database that was backed up.")
@click.option("--latest", is_flag=True, help="Its newest backup.")
@click.option(
    "--datetime", "at", callback=_moment, metavar="T", help="Its newest backup at or before a time."
)
@click.option("--file", type=click.Path(path_type=Path), metavar="F", help="A backup file, or a plain dump.")
@click.option(
    "--host", callback=_name, metavar="NAME", help="The machine that made the backup, as its folder is named."
)
@click.option(
    "--target-instance", callback=_name, metavar="ID", help="Onto this instance instead of the recorded one."
)
@click.option(
    "--target-database", callback=_name, metavar="NAME", help="Under this name instead of the recorded one."
)
@click.option("--drop", is_flag=True, help="Drop the target database first, if it is not empty (asks).")
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
    drop: bool,
    jobs: int | None,
    dry_run: bool,
    force: bool,
    format: str,
) -> None:
    """Restore a database, and check that every row came back.

    \b
    vya-backupdb restore --instance prod-mysql-01 --database shop --latest --target-instance new-server
    vya-backupdb restore --file shop.sql.gz --target-instance new-server --target-database shop
    """
    if click_context.invoked_subcommand is not None:
        return
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
        drop=drop,
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
    if outcome.changed:
        checked = "all checked" if outcome.rows_verified else "not checked: a plain dump has no row counts"
        table.add("rows", f"{sum(outcome.rows.values()):,} in {len(outcome.rows):,} tables, {checked}")
        table.add(
            "objects", ", ".join(f"{count:,} {kind}" for kind, count in outcome.objects.items() if count)
        )
        table.add("seconds", f"{outcome.seconds:.1f}")
    for finding in outcome.findings:
        table.add("warning", finding.what)
    for notice in outcome.notices:
        table.add("notice", notice)
    return table


@command.command("list")
@click.option("--instance", callback=_name, metavar="ID", help="Only of this instance.")
@click.option("--database", callback=_name, metavar="NAME", help="Only of this database.")
@click.option(
    "--date", "day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Only of this UTC date."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The newest N.")
@click.option("--host", callback=_name, metavar="NAME", help="The machine that made the backups.")
@format_option
@pass_context
def list_command(
    context: CliContext,
    instance: str | None,
    database: str | None,
    day: datetime | None,
    limit: int | None,
    host: str | None,
    format: str,
) -> None:
    """List what can be restored, newest first."""
    config = context.config()
    found = list_backups(
        Store(config.storage.path, config.storage.hostname),
        hostname=host,
        instance=instance,
        database=database,
        day=day.date() if day else None,
        limit=limit,
    )
    if not found:
        note(f"no backup that matches lies below {config.storage.path}")
    emit(format, {"backups": [_listed(entry) for entry in found]}, _list_table(found))


def _listed(entry: ListedBackup) -> dict[str, Any]:
    record = entry.record
    if record is None:
        return {"host": entry.backup.hostname, "metadata": str(entry.backup.path), "error": entry.error}
    return {
        "host": record.hostname,
        "instance": record.instance,
        "database": record.database,
        "snapshot_at": record.snapshot_at,
        "file": str(entry.backup.path.with_name(record.file.name)),
        "bytes": record.file.bytes,
        "raw_bytes": record.file.raw_bytes,
        "codec": record.file.codec,
        "server": f"{record.server.flavour} {record.server.version}",
        "tables": record.contents.tables,
        "rows": record.contents.rows,
        "warnings": len(record.warnings),
        "left_out": {"tables": len(record.left_out.tables), "rows": len(record.left_out.rows)},
        "id": record.id,
        "error": None,
    }


def _list_table(found: list[ListedBackup]) -> Table:
    table = Table(
        "Backups", ("instance", "database", "taken (UTC)", "size", "rows", "left out", "server", "file")
    )
    for entry in found:
        record = entry.record
        if record is None:
            table.add("?", "?", None, None, None, None, None, entry.error)
            continue
        table.add(
            printable(record.instance),
            printable(record.database),
            f"{record.snapshot_at:%Y-%m-%d %H:%M:%S}",
            human_size(record.file.bytes),
            record.contents.rows,
            left_out(record.left_out),
            f"{record.server.flavour} {record.server.version}",
            str(entry.backup.path.with_name(record.file.name)),
        )
    return table
