"""`vya-backupdb drill`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.outcome import end_with
from vya_backupdb.cli.progress import watched
from vya_backupdb.cli.render import Table, emit, format_option, note, printable
from vya_backupdb.cli.selection import named, newest_selection_options
from vya_backupdb.operations.choose import Selection
from vya_backupdb.operations.drill.batches import DrillRequest, EngineKind
from vya_backupdb.operations.drill.drill import Drilled, DrilledDatabase, drill
from vya_backupdb.operations.notices.tell import failures_told


@click.command("drill")
@click.option("--all", "everything", is_flag=True, help="The newest backup of every database.")
@newest_selection_options
@click.option(
    "--engine",
    type=click.Choice(["local", "docker"]),
    default="local",
    show_default=True,
    help="Where the server comes from: programs of this machine, or a Docker image.",
)
@click.option(
    "--image", callback=named, metavar="NAME", help="With docker: not the official image of the version."
)
@click.option("--users", is_flag=True, help="The users and roles of the instance first.")
@click.option("--keep", is_flag=True, help="Leave the server running, and say how to reach and to end it.")
@format_option
@pass_context
def command(
    context: CliContext,
    selection: Selection,
    everything: bool,
    engine: EngineKind,
    image: str | None,
    users: bool,
    keep: bool,
    format: str,
) -> None:
    """Prove that backups restore: into a throw-away server, which is asked what came back.

    \b
    vya-backupdb drill --instance prod-mysql-01 --database shop
    vya-backupdb drill --all --users
    vya-backupdb drill --instance prod-pg-01 --database shop --engine docker

    Counted are the rows of every table and the objects; the server checks what it has stored, and answers
    the queries of `checks` in the configuration. The exit status is 22 where a backup is not proved, 3 if
    some of several are not, 12 where there is no server of a fitting version.
    """
    if image and engine != "docker":
        raise click.UsageError("--image goes with --engine docker")
    request = DrillRequest(selection, everything, engine, image, users, keep)
    with failures_told(context.config(), "drill", wanted=everything) as errors:
        with watched(quiet=context.quiet) as progress:
            drilled = list(drill(context.config(), request, progress))
        errors += [error for each in drilled for error in each.errors]
    emit(format, _document(drilled), *_tables(drilled))
    for each in drilled:
        if each.kept is not None:
            note(f"{each.server} is left running\n  to reach it: {each.kept.connect}")
            note(f"to end it, and remove all of it: {each.kept.end}")
    end_with(errors, mixed=22)


def _document(drilled: Sequence[Drilled]) -> dict[str, Any]:
    return {
        "ok": not any(error for each in drilled for error in each.errors),
        "drills": [
            {
                "instance": each.instance,
                "server": each.server,
                "other_version": each.other_version,
                "users": _users(each),
                "stand_ins": each.stand_ins,
                "seconds": {
                    "start": round(each.start_seconds, 3),
                    "users": round(each.users_seconds, 3),
                    "restore": round(each.restore_seconds, 3),
                    "recovery": round(each.recovery_seconds, 3),
                    "proofs": round(each.proof_seconds, 3),
                },
                "kept": {"connect": each.kept.connect, "end": each.kept.end} if each.kept else None,
                "notices": each.notices,
                "databases": [_shown(one) for one in each.databases],
            }
            for each in drilled
        ],
    }


def _users(each: Drilled) -> dict[str, Any] | None:
    if each.users is None and each.users_error is None:
        return None
    accounts = each.users.accounts if each.users else ()
    return {
        "ok": each.users_error is None,
        "file": str(each.users.file) if each.users else None,
        "restored": sum(one.changed for one in accounts),
        "accounts": len(accounts),
        "error": each.users_error.what if each.users_error else None,
    }


def _shown(one: DrilledDatabase) -> dict[str, Any]:
    record, proof = one.record, one.proof
    return {
        "ok": one.error is None,
        "database": one.database,
        "file": str(one.path) if one.path else None,
        "backup": record.id if record else None,
        "snapshot_at": record.snapshot_at if record else None,
        "tables": proof.tables,
        "rows": proof.rows,
        "objects": dict(proof.objects),
        "checks": [{"query": each.query, "ok": each.ok, "said": each.said} for each in proof.checks],
        "seconds": {"restore": round(one.restore_seconds, 3), "proofs": round(one.proof_seconds, 3)},
        "failures": [what for what, _ in proof.faults] or ([one.error.what] if one.error else []),
        "notices": proof.notices,
    }


def _tables(drilled: Sequence[Drilled]) -> Iterator[Table]:
    table = Table(
        "Drilled",
        ("instance", "database", "taken (UTC)", "server", "result", "rows", "objects", "checks", "seconds"),
    )
    said = Table("What there is to say", ("instance", "database", "what"))
    parts = ("start", "users", "restore", "proofs")
    times = Table("Times of recovery, in seconds", ("instance", "server", *parts))
    for each in drilled:
        for one in each.databases:
            table.add(
                printable(each.instance),
                printable(one.database),
                f"{one.record.snapshot_at:%Y-%m-%d %H:%M:%S}" if one.record else None,
                each.server or "none",
                "FAILED" if one.error else "proved",
                one.proof.rows,
                sum(one.proof.objects.values()),
                f"{sum(check.ok for check in one.proof.checks)} of {len(one.proof.checks)}",
                round(one.restore_seconds + one.proof_seconds, 1),
            )
            failures = [what for what, _ in one.proof.faults] or ([one.error.what] if one.error else [])
            for what in (*failures, *one.proof.notices):
                said.add(printable(each.instance), printable(one.database), what)
        if each.server is not None:
            times.add(
                printable(each.instance),
                each.server,
                *(
                    round(seconds, 1)
                    for seconds in (
                        each.start_seconds,
                        each.users_seconds,
                        each.restore_seconds,
                        each.proof_seconds,
                    )
                ),
            )
        for what in _of_the_server(each):
            said.add(printable(each.instance), "", what)
    yield table
    if times.rows:
        yield times
    if said.rows:
        yield said


def _of_the_server(each: Drilled) -> Iterator[str]:
    if each.other_version:
        yield f"{each.server} was taken; {each.other_version}"
    if each.stand_ins:
        names = ", ".join(map(printable, each.stand_ins))
        yield f"made without rights of their own, for the server had them not: {names}"
    if each.users_error:
        yield each.users_error.what
    yield from each.notices
