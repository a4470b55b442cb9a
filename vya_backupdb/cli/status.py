"""`vya-backupdb status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import click

from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.render import Table, emit, format_option, human_size, note, printable
from vya_backupdb.config.models import Config
from vya_backupdb.operations.health import problems_of
from vya_backupdb.operations.status import DatabaseStatus, status


@click.command("status")
@click.option("--instance", type=INSTANCE, help="Only of this instance.")
@click.option("--last-backup", is_flag=True, help="Only when each database was backed up last, and the file.")
@click.option("--summary", is_flag=True, help="A line for each instance.")
@format_option
@pass_context
def command(context: CliContext, instance: str | None, last_backup: bool, summary: bool, format: str) -> None:
    """Show how the backups of every database stand. Needs no server.

    \b
    vya-backupdb status
    vya-backupdb status --summary
    vya-backupdb status --last-backup --instance prod-mysql-01 --format json
    """
    if last_backup and summary:
        raise click.UsageError("--last-backup and --summary exclude each other")
    found = status(context.config(), instance=instance)
    if summary:
        emit(format, {"instances": list(_summaries(found))}, _summary(found))
    else:
        config = context.config()
        tables = [_last(found)] if last_backup else [*_all(config, found)]
        emit(format, {"databases": [_shown(config, one) for one in found]}, *tables)
    if not any(one.last for one in found):
        where = context.config().storage.path
        note(f"no good backup lies below {where}: vya-backupdb backup --all makes some")


def _shown(config: Config, one: DatabaseStatus) -> dict[str, Any]:
    last, attempt, drill = one.last, one.attempt, one.drill
    return {
        "instance": one.instance,
        "database": one.database,
        "last_good": None
        if last is None or one.path is None
        else {
            "id": last.id,
            "snapshot_at": last.snapshot_at,
            "file": str(one.path.with_name(last.file.name)),
            "bytes": last.file.bytes,
            "rows": last.contents.rows,
            "verified_at": one.proof.at if one.proof else None,
        },
        "age_seconds": round(one.age.total_seconds()) if one.age is not None else None,
        "trend": round(one.trend, 3) if one.trend is not None else None,
        "last_attempt": {"at": attempt.at, "ok": attempt.error is None, "error": attempt.error}
        if attempt
        else None,
        "last_verified_at": one.last_proved,
        "last_drill": {"at": drill.at, "ok": drill.error is None, "error": drill.error, "file": drill.file}
        if drill
        else None,
        "usual_interval_seconds": round(one.usual_interval.total_seconds()) if one.usual_interval else None,
        "expected_at": one.expected_at,
        "overdue_from": one.overdue_from,
        "backups": one.backups,
        "damaged": list(one.damaged),
        "problems": [
            {"level": each.level.name, "what": each.what, "cure": each.cure}
            for each in problems_of(config, one)
        ],
    }


def _all(config: Config, found: Sequence[DatabaseStatus]) -> Iterator[Table]:
    columns = ("instance", "database", "last good (UTC)", "age", "size", "trend", "last attempt")
    table = Table("Backups", (*columns, "verified", "drilled"))
    coming = Table(
        "What comes next (UTC)", ("instance", "database", "usually every", "next expected", "overdue from")
    )
    troubles = Table("What is wrong", ("instance", "database", "what, and what to do"))
    for one in found:
        table.add(
            printable(one.instance),
            printable(one.database),
            _moment(one.last.snapshot_at) if one.last else "never",
            _age(one.age),
            human_size(one.last.file.bytes) if one.last else None,
            None if one.trend is None else f"{one.trend - 1:+.0%}",
            _attempt(one),
            _day(one.last_proved),
            _drill(one),
        )
        if one.expected_at or one.overdue_from:
            coming.add(
                printable(one.instance),
                printable(one.database),
                _age(one.usual_interval),
                _minute(one.expected_at),
                _minute(one.overdue_from),
            )
        for each in problems_of(config, one):
            told = f"{each.what}; {each.cure}" if each.cure else each.what
            troubles.add(printable(one.instance), printable(one.database), told)
    yield table
    if coming.rows:
        yield coming
    if troubles.rows:
        yield troubles


def _last(found: Sequence[DatabaseStatus]) -> Table:
    table = Table("Last good backups", ("instance", "database", "taken (UTC)", "age", "file"))
    for one in found:
        file = str(one.path.with_name(one.last.file.name)) if one.last and one.path else ""
        taken = _moment(one.last.snapshot_at) if one.last else "never"
        table.add(printable(one.instance), printable(one.database), taken, _age(one.age), file)
    return table


def _summaries(found: Sequence[DatabaseStatus]) -> Iterator[dict[str, Any]]:
    for instance, group in groupby(found, key=lambda one: one.instance):
        of_it = list(group)
        ages = [one.age for one in of_it if one.age is not None]
        yield {
            "instance": instance,
            "databases": len(of_it),
            "without_good_backup": sum(one.last is None for one in of_it),
            "last_attempt_failed": sum(one.failed is not None for one in of_it),
            "damaged": sum(bool(one.damaged) for one in of_it),
            "oldest_age_seconds": round(max(ages).total_seconds()) if ages else None,
            "bytes_of_last": sum(one.last.file.bytes for one in of_it if one.last),
        }


def _summary(found: Sequence[DatabaseStatus]) -> Table:
    table = Table(
        "Instances", ("instance", "databases", "without", "failed", "damaged", "oldest", "size of the last")
    )
    for each in _summaries(found):
        oldest = each["oldest_age_seconds"]
        table.add(
            printable(each["instance"]),
            each["databases"],
            each["without_good_backup"],
            each["last_attempt_failed"],
            each["damaged"],
            _age(timedelta(seconds=oldest) if oldest is not None else None),
            human_size(each["bytes_of_last"]),
        )
    return table


def _attempt(one: DatabaseStatus) -> str:
    if one.attempt is None:
        return ""
    return f"{'FAILED' if one.attempt.error else 'ok'} {_moment(one.attempt.at)}"


def _drill(one: DatabaseStatus) -> str:
    if one.drill is None:
        return "never"
    return f"{'FAILED ' if one.drill.error else ''}{_day(one.drill.at)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "never"


def _age(age: timedelta | None) -> str:
    """Give an age in two units at most."""
    if age is None:
        return ""
    minutes = int(age.total_seconds()) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
