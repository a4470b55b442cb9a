"""`vya-backupdb restore list`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from vya_backupdb.catalog.store import Store
from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.render import Table, emit, format_option, human_size, left_out, note, printable
from vya_backupdb.cli.selection import named
from vya_backupdb.model import Severity
from vya_backupdb.operations.listing import ListedBackup, list_backups


@click.command("list")
@click.option("--instance", type=INSTANCE, help="Only of this instance.")
@click.option("--database", callback=named, metavar="NAME", help="Only of this database.")
@click.option(
    "--date", "day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Only of this UTC date."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The newest N.")
@click.option("--host", callback=named, metavar="NAME", help="The machine that made the backups.")
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
    """List what can be restored, newest first. Needs no server.

    \b
    vya-backupdb restore list --limit 20
    vya-backupdb restore list --instance prod-mysql-01 --database shop --date 2026-11-23
    """
    config = context.config()
    found = list_backups(
        Store(config.storage.path, config.storage.hostname),
        hostname=host,
        instance=instance,
        database=database,
        day=day.date() if day else None,
        limit=limit,
    )
    if format == "json":
        backups = [_listed(entry) for entry in found]
        is_empty = not backups
        emit(format, {"backups": backups})
    else:
        table = _table(found)
        is_empty = not table.rows
        emit(format, {}, table)
    if is_empty:
        note(f"no backup that matches lies below {config.storage.path}")


def _listed(entry: ListedBackup) -> dict[str, Any]:
    record = entry.record
    if record is None:
        return {"host": entry.backup.hostname, "metadata": str(entry.backup.path), "error": entry.error}
    return {
        "host": record.hostname,
        "instance": record.instance,
        "database": record.database,
        "content": record.content,
        "snapshot_at": record.snapshot_at,
        "file": str(entry.backup.path.with_name(record.file.name)),
        "bytes": record.file.bytes,
        "raw_bytes": record.file.raw_bytes,
        "codec": record.file.codec,
        "server": f"{record.server.flavour} {record.server.version}",
        "tables": record.contents.tables,
        "rows": record.contents.rows,
        "warnings": sum(each.severity is not Severity.NOTE for each in record.warnings),
        "left_out": {"tables": len(record.left_out.tables), "rows": len(record.left_out.rows)},
        "id": record.id,
        "error": None,
    }


def _table(found: Iterable[ListedBackup]) -> Table:
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
