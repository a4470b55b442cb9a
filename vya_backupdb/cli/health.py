"""`vya-backupdb health`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click

from vya_backupdb.catalog.publish import replace_file
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.duration import duration
from vya_backupdb.cli.metrics import metrics
from vya_backupdb.cli.render import document_text, printable, write_output
from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.operations.health import Health, Level, Problem, health

_MODE = 0o644
"""Of the file for a collector, which runs as somebody else."""


@click.command("health")
@click.option(
    "--max-age", callback=duration, metavar="DURATION", help="Instead of the `max_age` of the instances."
)
@click.option(
    "--format",
    type=click.Choice(["text", "json", "prometheus"]),
    default="text",
    show_default=True,
    help="How the result is written.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="F",
    help="Write it into this file, at once and whole, instead of stdout: for a textfile collector.",
)
@pass_context
def command(context: CliContext, max_age: timedelta | None, format: str, output: Path | None) -> None:
    """Say what of the backups needs somebody. Needs no server.

    \b
    vya-backupdb health
    vya-backupdb health --format prometheus --output /var/lib/node_exporter/vya_backupdb.prom

    The exit status is that of a monitoring plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    """
    try:
        found = health(context.config(), context.vault, max_age=max_age)
        text = _written(found, format)
        if output is not None:
            replace_file(output, text.encode("utf-8", "backslashreplace"), _MODE)
    except VyaBackupDBError as error:
        write_output(f"UNKNOWN: {printable(error.what)}\n")
        raise click.exceptions.Exit(Level.UNKNOWN) from error
    if output is None:
        write_output(text)
    raise click.exceptions.Exit(found.level)


def _written(found: Health, format: str) -> str:
    if format == "prometheus":
        return metrics(found)
    if format == "json":
        return document_text(
            {
                "status": found.level.name,
                "checked_at": found.now,
                "databases": len(found.databases),
                "free_bytes": found.free_bytes,
                "problems": [
                    {
                        "level": each.level.name,
                        "instance": each.instance,
                        "database": each.database,
                        "what": each.what,
                        "cure": each.cure,
                    }
                    for each in found.problems
                ],
            }
        )
    return "".join(f"{line}\n" for line in _lines(found))


def _lines(found: Health) -> Iterator[str]:
    """Give one line that says all in short, then one for each problem."""
    if not found.problems:
        yield f"OK: {len(found.databases):,} databases, all with a good backup"
        return
    first, *others = found.problems
    more = f", and {len(others):,} more" if others else ""
    yield f"{found.level.name}: {_told(first)}{more}"
    for problem in found.problems:
        cure = f" ({printable(problem.cure)})" if problem.cure else ""
        yield f"{problem.level.name} {_told(problem)}{cure}"


def _told(problem: Problem) -> str:
    where = "/".join(each for each in (problem.instance, problem.database) if each)
    return printable(f"{where}: {problem.what}" if where else problem.what)
