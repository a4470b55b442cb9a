"""`vya-backupdb verify`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from vya_backupdb.catalog.store import Store
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.duration import duration
from vya_backupdb.cli.outcome import end_with
from vya_backupdb.cli.progress import watched
from vya_backupdb.cli.render import Table, emit, format_option, human_size, note, printable
from vya_backupdb.cli.selection import find, selection_options
from vya_backupdb.operations.choose import Selection
from vya_backupdb.operations.notices.tell import failures_told
from vya_backupdb.operations.verify import Verified
from vya_backupdb.operations.verify_all import Outcome, instance_folder, verify_all, verify_one


@click.command("verify")
@click.option("--all", "everything", is_flag=True, help="Every backup: of an instance, or of the store.")
@click.option(
    "--for",
    "budget",
    callback=duration,
    metavar="DURATION",
    help="With --all: begin no other after so long (30m); first come those that wait longest.",
)
@selection_options
@format_option
@pass_context
def command(
    context: CliContext, selection: Selection, everything: bool, budget: timedelta | None, format: str
) -> None:
    """Read backups from their beginning to their end and prove that they are whole. Needs no server.

    \b
    vya-backupdb verify --instance prod-mysql-01 --database shop
    vya-backupdb verify --all --for 30m
    vya-backupdb verify --file shop_20261123T040000Z.sql.zst

    Compared are the checksum, every frame, the SQL, and the rows of each table. The exit status is 22 for a
    damaged backup, 3 if some of several are.
    """
    if budget is not None and not everything:
        raise click.UsageError("--for goes with --all")
    with watched(quiet=context.quiet) as progress:
        if everything:
            storage = context.config().storage
            with failures_told(context.config(), "verify") as errors:
                outcome = verify_all(
                    Store(storage.path, storage.hostname),
                    progress,
                    hostname=selection.host,
                    instance=selection.instance,
                    budget=budget,
                )
                errors += outcome.errors
        else:
            chosen = find(context, selection)
            folder = None if selection.file else instance_folder(chosen.path)
            outcome = Outcome([verify_one(chosen, folder, progress)])
    emit(format, _document(outcome), *_tables(outcome))
    if outcome.not_reached:
        note(f"{outcome.not_reached:,} more were not reached in the time; the next run begins with them")
    end_with(outcome.errors, mixed=22)


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "ok": not any(outcome.errors),
        "verified": [_shown(each) for each in outcome.verified],
        "unread": [{"metadata": str(path), "error": error.what} for path, error in outcome.unread.items()],
        "not_reached": outcome.not_reached,
    }


def _shown(each: Verified) -> dict[str, Any]:
    record = each.record
    return {
        "ok": not each.damages,
        "file": str(each.path),
        "backup": record.id if record else None,
        "instance": record.instance if record else None,
        "database": record.database if record else None,
        "snapshot_at": record.snapshot_at if record else None,
        "rows": each.rows,
        "seconds": round(each.seconds, 3),
        "damages": [
            {"what": one.what, "frame": one.frame, "table": one.table, "offset": one.offset}
            for one in each.damages
        ],
        "whole_tables": list(each.whole_tables),
    }


def _tables(outcome: Outcome) -> Iterator[Table]:
    table = Table(
        "Verified", ("instance", "database", "taken (UTC)", "result", "size", "rows", "seconds", "file")
    )
    damages = Table("Damages", ("file", "what"))
    for each in outcome.verified:
        record = each.record
        table.add(
            printable(record.instance) if record else "?",
            printable(record.database) if record else "?",
            f"{record.snapshot_at:%Y-%m-%d %H:%M:%S}" if record else None,
            "DAMAGED" if each.damages else "ok",
            human_size(record.file.bytes) if record else None,
            each.rows,
            round(each.seconds, 1),
            str(each.path),
        )
        for one in each.damages:
            damages.add(each.path.name, one.what)
        if each.whole_tables:
            damages.add(each.path.name, f"can still be restored with --table: {_named(each.whole_tables)}")
    for path, error in outcome.unread.items():
        table.add("?", "?", None, "NOT READ", None, None, None, str(path))
        damages.add(Path(path).name, error.what)
    yield table
    if damages.rows:
        yield damages


def _named(tables: tuple[str, ...]) -> str:
    return ", ".join(map(printable, tables))
