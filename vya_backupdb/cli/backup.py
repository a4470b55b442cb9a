"""`vya-backupdb backup`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.outcome import end_with
from vya_backupdb.cli.progress import watched
from vya_backupdb.cli.prune import pruned_document, pruned_tables
from vya_backupdb.cli.render import Table, emit, format_option, human_size, printable, told
from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.model import Finding, Severity
from vya_backupdb.operations.backup import BackupOutcome, BackupRequest, backup
from vya_backupdb.operations.prune import PruneOutcome, PruneRequest, prune
from vya_backupdb.operations.users.backup import PlannedUsers
from vya_backupdb.streams.codec import Codec


@click.command("backup")
@click.option("--instance", "instances", multiple=True, metavar="ID", help="Instance to back up; repeatable.")
@click.option(
    "--database", "databases", multiple=True, metavar="NAME", help="Only this database; repeatable."
)
@click.option("--all", "everything", is_flag=True, help="All instances, or all databases of those named.")
@click.option("--users/--no-users", default=None, help="Users and roles, too; with --all by default.")
@click.option("--include-system", is_flag=True, help="The server's own accounts, too (root, postgres ...).")
@click.option("--compression", metavar="CODEC[:LEVEL]", help="zstd, gzip or none, as in zstd:9.")
@click.option("--prune", "prunes", is_flag=True, help="Then delete what the retention does not keep.")
@click.option("--dry-run", is_flag=True, help="Say what would be dumped, how and where to; run nothing.")
@format_option
@pass_context
def command(
    context: CliContext,
    instances: tuple[str, ...],
    databases: tuple[str, ...],
    everything: bool,
    users: bool | None,
    include_system: bool,
    compression: str | None,
    prunes: bool,
    dry_run: bool,
    format: str,
) -> None:
    """Back up databases, each into a file of its own.

    \b
    vya-backupdb backup --all
    vya-backupdb backup --instance prod-mysql-01 --database shop
    """
    if everything and databases:
        raise click.UsageError("--all and --database exclude each other")
    if not (everything or databases or users):
        raise click.UsageError("say what to back up: --all, or --instance ID --database NAME")
    if databases and len(instances) != 1:
        raise click.UsageError("--database goes with exactly one --instance")
    with_users = everything if users is None else users
    if include_system and not with_users:
        raise click.UsageError("--include-system goes with --users")
    request = BackupRequest(
        instances=context.instances(instances),
        databases=databases if everything or databases else None,
        users=with_users,
        include_system=include_system,
        codec=Codec.parse(compression) if compression else None,
        dry_run=dry_run,
    )
    if prunes and context.config().retention is None:
        raise click.UsageError("--prune: the configuration has no `retention`")
    run(context, request, format, prunes=prunes)


def run(context: CliContext, request: BackupRequest, format: str, *, prunes: bool = False) -> None:
    """Make the backups, show how each went, and end with the status for them.

    With `prunes` the retention is applied to the instances of which no backup failed.
    """
    with watched(quiet=context.quiet) as progress:
        outcomes = list(backup(context.config(), context.vault(), request, progress))
    parts = list(_plans(outcomes) if request.dry_run else _tables(outcomes))
    document = _document(outcomes, dry_run=request.dry_run)
    errors: list[VyaBackupDBError | None] = [outcome.error for outcome in outcomes]
    if prunes:
        pruned = _prune(context, request, outcomes)
        parts += pruned_tables(pruned, dry_run=request.dry_run)
        document |= {"pruned": pruned_document(pruned, dry_run=request.dry_run)}
        errors += pruned.errors
    emit(format, document, *parts)
    end_with(errors, mixed=20)


def _prune(context: CliContext, request: BackupRequest, outcomes: list[BackupOutcome]) -> PruneOutcome:
    failed = {outcome.instance for outcome in outcomes if outcome.error is not None}
    instances = tuple(name for name in request.instances if name not in failed)
    if not instances:
        return PruneOutcome()
    return prune(context.config(), PruneRequest(instances, dry_run=request.dry_run))


def _document(outcomes: list[BackupOutcome], *, dry_run: bool) -> dict[str, Any]:
    return {"dry_run": dry_run, "backups": [_as_json(outcome) for outcome in outcomes]}


def _as_json(outcome: BackupOutcome) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "instance": outcome.instance,
        "database": outcome.database,
        "ok": outcome.error is None,
        "error": str(outcome.error) if outcome.error else None,
        "seconds": round(outcome.seconds, 3),
        "skipped": outcome.skipped,
    }
    if outcome.record is not None and outcome.path is not None:
        record = outcome.record
        shown |= {
            "id": record.id,
            "file": str(outcome.path.with_name(record.file.name)),
            "bytes": record.file.bytes,
            "raw_bytes": record.file.raw_bytes,
            "sha256": record.file.sha256,
            "tables": record.contents.tables,
            "rows": record.contents.rows,
            "objects": record.contents.objects,
            "snapshot_at": record.snapshot_at,
            "consistency": record.consistency,
            **_found(record.warnings),
        }
    planned = outcome.planned
    if isinstance(planned, PlannedUsers):
        shown |= {"file": str(planned.path), "include_system": planned.system}
    elif planned is not None:
        shown |= {
            "file": str(planned.path),
            "tool": planned.tool.path,
            "tool_version": planned.tool.version,
            "options": list(planned.options),
            "estimated_bytes": planned.estimated_bytes,
            "consistency": planned.plan.consistency,
            **_found(planned.plan.findings),
        }
    return shown


def _found(findings: Sequence[Finding]) -> dict[str, list[str]]:
    warnings, notes = _parted(findings)
    return {"warnings": [each.what for each in warnings], "notes": [each.what for each in notes]}


def _parted(findings: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Give what someone should mend, and what is for whoever restores."""
    notes = [finding for finding in findings if finding.severity is Severity.NOTE]
    return [finding for finding in findings if finding not in notes], notes


def _tables(outcomes: list[BackupOutcome]) -> Iterator[Table]:
    yield _table(outcomes)
    columns = ("instance", "database", "what, and what to do")
    warnings, notes = Table("Warnings", columns), Table("Notes, for whoever restores", columns)
    for outcome in outcomes:
        found = _parted(outcome.record.warnings if outcome.record is not None else ())
        for table, findings in zip((warnings, notes), found, strict=True):
            for finding in findings:
                table.add(outcome.instance, _database(outcome), told(finding))
    yield from (table for table in (warnings, notes) if table.rows)


def _table(outcomes: list[BackupOutcome]) -> Table:
    table = Table("Backups", ("instance", "database", "result", "size", "rows", "seconds", "file or reason"))
    for outcome in outcomes:
        size: str | None = None
        rows: int | None = None
        where, result = "", "ok"
        if outcome.error is not None:
            result, where = "FAILED", outcome.error.what
        elif outcome.skipped is not None:
            result, where = "skipped", outcome.skipped
        elif outcome.record is not None and outcome.path is not None:
            size = human_size(outcome.record.file.bytes)
            rows = outcome.record.contents.rows
            where = str(outcome.path.with_name(outcome.record.file.name))
            if count := len(_parted(outcome.record.warnings)[0]):
                result = f"ok, {count} warning{'s' if count > 1 else ''}"
        table.add(outcome.instance, _database(outcome), result, size, rows, round(outcome.seconds, 1), where)
    return table


def _plans(outcomes: list[BackupOutcome]) -> Iterator[Table]:
    """Give a table for each database: what would be dumped, how, and where to."""
    for outcome in outcomes:
        table = Table(f"{outcome.instance}/{_database(outcome)}", ("what", "value"))
        if outcome.error is not None:
            table.add("FAILED", outcome.error.what)
        if outcome.skipped is not None:
            table.add("skipped", outcome.skipped)
        planned = outcome.planned
        if planned is not None:
            table.add("into", str(planned.path))
        if isinstance(planned, PlannedUsers):
            own = "with" if planned.system else "without"
            table.add("what", f"all users and roles, {own} those of the server itself")
        elif planned is not None:
            table.add("about", f"{human_size(planned.estimated_bytes)} before compression")
            table.add("tool", f"{planned.tool.path} {planned.tool.version}")
            table.add("options", " ".join(planned.options))
            for finding in planned.plan.findings:
                table.add("warning", told(finding))
        yield table


def _database(outcome: BackupOutcome) -> str:
    return printable(outcome.database) if outcome.database is not None else "(all)"
