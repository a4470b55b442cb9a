"""`vya-backupdb backup`."""

from __future__ import annotations

from contextlib import nullcontext

import click

from vya_backupdb.cli.backed_up import BackedUp
from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.outcome import end_with
from vya_backupdb.cli.progress import watched
from vya_backupdb.cli.render import document_text, emit, format_option, told
from vya_backupdb.operations.backup import BackupOutcome, BackupRequest, backup, not_begun
from vya_backupdb.operations.notices.run import Surrounded, surrounded
from vya_backupdb.operations.prune import PruneOutcome, PruneRequest, prune
from vya_backupdb.streams.codec import Codec


@click.command("backup")
@click.option(
    "--instance", "instances", multiple=True, type=INSTANCE, help="Instance to back up; repeatable."
)
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

    With `prunes` the retention is applied to the instances of which no backup failed. But for a dry run,
    hooks run around it, and people are told.
    """
    done = BackedUp(request)
    around = Surrounded(
        context.config(), request.instances, done.report, document_text, pings=request.databases == ()
    )
    with nullcontext() if request.dry_run else surrounded(around):
        if around.refused is not None:
            done.outcomes += not_begun(context.config(), request, around.refused)
        else:
            with watched(quiet=context.quiet) as progress:
                for outcome in backup(context.config(), context.vault(), request, progress):
                    done.outcomes.append(outcome)  # one by one: hooks are told of those before a signal
            if prunes:
                done.pruned = _prune(context, request, done.outcomes)
    warnings = [told(found) for found in around.warnings]
    emit(format, done.document() | {"warnings": warnings}, *done.parts(around.warnings))
    end_with(done.errors(), mixed=20)


def _prune(context: CliContext, request: BackupRequest, outcomes: list[BackupOutcome]) -> PruneOutcome:
    failed = {outcome.instance for outcome in outcomes if outcome.error is not None}
    instances = tuple(name for name in request.instances if name not in failed)
    if not instances:
        return PruneOutcome()
    return prune(context.config(), PruneRequest(instances, dry_run=request.dry_run))
