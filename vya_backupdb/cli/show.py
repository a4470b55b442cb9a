"""`vya-backupdb show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from vya_backupdb.catalog.record import BackupRecord
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.render import Table, emit, format_option, human_size, printable
from vya_backupdb.cli.selection import find, selection_options
from vya_backupdb.model import Severity
from vya_backupdb.operations.choose import Selection
from vya_backupdb.operations.show import ShownBackup, show


@click.command("show")
@selection_options
@format_option
@pass_context
def command(context: CliContext, selection: Selection, format: str) -> None:
    """Show one backup: its tables, rows and sizes, options, positions, warnings. Needs no server.

    \b
    vya-backupdb show --instance prod-mysql-01 --database shop
    vya-backupdb show --file shop.sql.gz --format json
    """
    shown = show(find(context, selection))
    emit(format, _document(shown), _facts(shown), *_tables(shown))


def _document(shown: ShownBackup) -> dict[str, Any]:
    """Give the same keys whatever is known; what is not is null."""
    record = shown.chosen.record
    return {
        "file": str(shown.chosen.path),
        "kind": _kind(shown),
        "engine": shown.engine.name,
        "codec": shown.codec,
        "bytes": shown.bytes,
        "raw_bytes": shown.raw_bytes,
        "rows": shown.rows,
        "tables": shown.tables,
        "metadata": record is not None,
        **{name: getattr(record, name, None) for name in _RECORDED},
        "sha256": record.file.sha256 if record else None,
        "largest_statement": record.contents.largest_statement if record else None,
        "objects": record.contents.objects if record else None,
    }


_RECORDED = (
    *("id", "run_id", "made_by", "hostname", "instance", "database", "server", "tool", "options"),
    *("consistency", "started_at", "snapshot_at", "finished_at", "positions", "positions_after"),
    *("definition", "warnings", "left_out"),
)
"""What the document takes from the record as it is."""


def _kind(shown: ShownBackup) -> str:
    return "backup" if shown.is_archive else "plain dump"


def _facts(shown: ShownBackup) -> Table:
    table = Table(None, ("what", "value"))
    table.add("file", str(shown.chosen.path))
    table.add("kind", f"{_kind(shown)}, {shown.engine.name}, {shown.codec}")
    table.add("size", f"{human_size(shown.bytes)} ({human_size(shown.raw_bytes)} of script)")
    table.add("rows", f"{shown.rows:,} in {len(shown.tables):,} tables")
    if shown.chosen.record is None:
        table.add("metadata", "none: nothing more is known")
        return table
    for what, value in _recorded(shown.chosen.record):
        table.add(what, value)
    return table


def _recorded(record: BackupRecord) -> Iterator[tuple[str, str]]:
    yield "sha256", record.file.sha256
    yield "database", f"{record.instance}/{printable(record.database)} on {record.hostname}"
    yield "server", f"{record.server.flavour} {record.server.version}, as {record.server.account}"
    if record.tool is not None:
        yield "tool", f"{record.tool.path} {record.tool.version}"
    yield "options", " ".join(record.options)
    yield "started", f"{record.started_at:%Y-%m-%d %H:%M:%S} UTC"
    yield "taken", f"{record.snapshot_at:%Y-%m-%d %H:%M:%S} UTC, {record.consistency}"
    yield "finished", f"{record.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    for when, positions in (("before", record.positions), ("after", record.positions_after)):
        if positions:
            yield f"position {when}", ", ".join(f"{name} {value}" for name, value in positions.items())
    yield "objects", ", ".join(f"{count:,} {kind}" for kind, count in record.contents.objects.items())
    yield "largest statement", human_size(record.contents.largest_statement)
    yield "made by", record.made_by
    yield "id", record.id
    for name in record.left_out.tables:
        yield "left out", name
    for name in record.left_out.rows:
        yield "left out", f"rows of {name}"
    for warning in record.warnings:
        yield "note" if warning.severity is Severity.NOTE else "warning", warning.what


def _tables(shown: ShownBackup) -> Iterator[Table]:
    table = Table("Tables", ("table", "rows", "script", "in the file"))
    for each in shown.tables:
        in_file = None if each.bytes is None else human_size(each.bytes)
        table.add(printable(each.name), each.rows, human_size(each.raw_bytes), in_file)
    if table.rows:
        yield table
