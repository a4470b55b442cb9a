"""What a restore did, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vya_backupdb.cli.render import Table, left_out, printable, told
from vya_backupdb.cli.users import users_document, users_tables
from vya_backupdb.operations.restore_all import AllOutcome, DatabaseOutcome, outdated
from vya_backupdb.operations.restoring import RestoreOutcome


def restored_document(outcome: RestoreOutcome, *, dry_run: bool) -> dict[str, Any]:
    """Give what JSON says of one restored database."""
    return {
        "dry_run": dry_run,
        "changed": outcome.changed,
        "instance": outcome.instance,
        "database": outcome.database,
        "file": str(outcome.file),
        "backup": outcome.record.id if outcome.record else None,
        "only_tables": list(outcome.tables),
        "tables": len(outcome.rows),
        "rows": sum(outcome.rows.values()),
        "rows_verified": outcome.rows_verified,
        "objects": outcome.objects,
        "restored_before": outcome.restored_before,
        "loaded_before": outcome.loaded_before,
        "events_wait": outcome.events_wait,
        "warnings": [finding.what for finding in outcome.findings],
        "notices": list(outcome.notices),
        "seconds": round(outcome.seconds, 3),
    }


def restored_table(outcome: RestoreOutcome, *, dry_run: bool) -> Table:
    """Give what a person is told of one restored database."""
    if outcome.restored_before:
        result = "restored already, nothing done"
    else:
        result = "would be restored" if dry_run else "restored"
    shown = Table(f"{outcome.instance}/{outcome.database}: {result}", ("what", "value"))
    shown.add("from", str(outcome.file))
    if outcome.record is not None and (without := left_out(outcome.record.left_out)):
        shown.add("not in the backup", without)
    if outcome.tables:
        shown.add("only the tables", ", ".join(outcome.tables))
    if outcome.loaded_before:
        shown.add("rows", "loaded by an earlier run; this one does what was left")
    elif outcome.changed:
        checked = "all checked" if outcome.rows_verified else "not checked: a plain dump has no row counts"
        shown.add("rows", f"{sum(outcome.rows.values()):,} in {len(outcome.rows):,} tables, {checked}")
    if outcome.changed:
        shown.add(
            "objects", ", ".join(f"{count:,} {kind}" for kind, count in outcome.objects.items() if count)
        )
        shown.add("seconds", f"{outcome.seconds:.1f}")
    for finding in outcome.findings:
        shown.add("warning", told(finding))
    for notice in outcome.notices:
        shown.add("notice", notice)
    return shown


def all_document(result: AllOutcome, *, dry_run: bool) -> dict[str, Any]:
    """Give what JSON says of a restored instance."""
    old = outdated(result.databases)
    return {
        "dry_run": dry_run,
        "changed": result.changed,
        "instance": result.instance,
        "users": users_document(result.users, dry_run=dry_run)["users"] if result.users else None,
        "databases": [
            {
                "database": one.database,
                "ok": one.error is None,
                "error": str(one.error) if one.error else None,
                "outdated": old.get(one.database),
                "restore": restored_document(one.outcome, dry_run=dry_run) if one.outcome else None,
            }
            for one in result.databases
        ],
        "without_backup_then": list(result.too_new),
    }


def all_tables(result: AllOutcome, *, dry_run: bool) -> Iterator[Table]:
    """Give what a person is told of a restored instance."""
    if result.users is not None:
        yield from users_tables(result.users, dry_run=dry_run)
    if result.conflict is not None:
        return
    databases = Table(
        f"{result.instance}: databases",
        ("database", "result", "backup of (UTC)", "rows", "seconds", "reason"),
    )
    remarks = Table("Warnings and notices", ("database", "what, and what to do"))
    for name, remark in outdated(result.databases).items():
        remarks.add(printable(name), remark)
    for name in result.too_new:
        remarks.add(printable(name), "not restored: it had no backup yet at that time")
    for one in result.databases:
        outcome = one.outcome
        taken, rows, seconds = None, None, None
        if outcome is not None:
            taken = f"{outcome.record.snapshot_at:%Y-%m-%d %H:%M:%S}" if outcome.record else None
            if outcome.changed:
                rows = None if outcome.loaded_before else sum(outcome.rows.values())
                seconds = round(outcome.seconds, 1)
            if outcome.loaded_before:
                remarks.add(printable(one.database), "loaded by an earlier run; this one does what was left")
            for text in (*map(told, outcome.findings), *outcome.notices):
                remarks.add(printable(one.database), text)
        reason = one.error.what if one.error else ""
        databases.add(printable(one.database), _result(one, dry_run=dry_run), taken, rows, seconds, reason)
    yield databases
    if remarks.rows:
        yield remarks


def _result(one: DatabaseOutcome, *, dry_run: bool) -> str:
    if one.error is not None:
        return "FAILED"
    if one.outcome and one.outcome.restored_before:
        return "restored already"
    if dry_run:
        return "would be restored"
    return "restored, its events wait" if one.outcome and one.outcome.events_wait else "restored"
