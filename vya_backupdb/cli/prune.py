"""`vya-backupdb prune`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.outcome import end_with
from vya_backupdb.cli.render import Table, emit, format_option, human_size, printable
from vya_backupdb.cli.selection import named
from vya_backupdb.operations.notices.tell import failures_told
from vya_backupdb.operations.prune import Fate, PruneOutcome, PruneRequest, prune


@click.command("prune")
@click.option("--instance", type=INSTANCE, help="Only of this instance.")
@click.option("--database", callback=named, metavar="NAME", help="Only of this database.")
@click.option("--host", callback=named, metavar="NAME", help="Of another machine, as its folder is named.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted; delete nothing.")
@format_option
@pass_context
def command(
    context: CliContext,
    instance: str | None,
    database: str | None,
    host: str | None,
    dry_run: bool,
    format: str,
) -> None:
    """Delete backups that the `retention` of the configuration does not keep. Needs no server.

    \b
    vya-backupdb prune --dry-run
    vya-backupdb prune --instance prod-mysql-01

    Never deleted: the last good backup of a database and the last one that was verified, and nothing of a
    database whose newest backup failed, or that is not in the configuration any more, unless it is named.
    """
    if database and not instance:
        raise click.UsageError("--database goes with --instance ID")
    request = PruneRequest((instance,) if instance else (), database, host, dry_run)
    with failures_told(context.config(), "prune", wanted=not dry_run) as errors:
        outcome = prune(context.config(), request)
        errors += outcome.errors
        errors += [None for one in outcome.databases for each in one.judged if each.fate is not Fate.LEFT]
    emit(format, pruned_document(outcome, dry_run=dry_run), *pruned_tables(outcome, dry_run=dry_run))
    end_with(errors, mixed=23)


def pruned_document(outcome: PruneOutcome, *, dry_run: bool) -> dict[str, Any]:
    """Give what JSON says."""
    return {
        "dry_run": dry_run,
        "databases": [
            {
                "instance": one.instance,
                "database": one.database,
                "protected": one.protected,
                "backups": [
                    {
                        "metadata": str(each.path),
                        "id": each.record.id if each.record else None,
                        "snapshot_at": each.record.snapshot_at if each.record else None,
                        "bytes": each.record.file.bytes if each.record else None,
                        "fate": each.fate,
                        "reasons": list(each.reasons),
                    }
                    for each in one.judged
                ],
            }
            for one in outcome.databases
        ],
        "leftovers": [str(path) for path in outcome.leftovers],
        "errors": [str(error) for error in outcome.errors],
    }


def pruned_tables(outcome: PruneOutcome, *, dry_run: bool) -> Iterator[Table]:
    """Give what a person is told."""
    table = Table("Backups", ("instance", "database", "taken (UTC)", "size", "fate", "why"))
    for one in outcome.databases:
        for each in one.judged:
            record = each.record
            would = "would be " if dry_run and each.fate is Fate.DELETED else ""
            table.add(
                printable(one.instance),
                printable(one.database),
                f"{record.snapshot_at:%Y-%m-%d %H:%M:%S}" if record else None,
                human_size(record.file.bytes) if record else None,
                f"{would}{each.fate}",
                ", ".join(each.reasons) or one.protected or "",
            )
    yield table
    if outcome.leftovers:
        left = Table("Leftovers of runs that were cut off", ("fate", "file"))
        for path in outcome.leftovers:
            left.add("would be deleted" if dry_run else "deleted", str(path))
        yield left
