"""What is told of a run of backups: to people, to programs, to hooks and in notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vya_backupdb.cli.prune import pruned_document, pruned_tables
from vya_backupdb.cli.render import Table, human_size, printable, told
from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.model import Finding, Severity
from vya_backupdb.operations.backup import BackupOutcome, BackupRequest
from vya_backupdb.operations.notices.report import Report, Told
from vya_backupdb.operations.prune import PruneOutcome
from vya_backupdb.operations.users.backup import PlannedUsers


@dataclass
class BackedUp:
    """What a request has come to so far, for all who are told."""

    request: BackupRequest
    outcomes: list[BackupOutcome] = field(default_factory=list)
    pruned: PruneOutcome | None = None

    def errors(self) -> list[VyaBackupDBError | None]:
        """Give for each thing that was asked for why it failed; None: it is done."""
        errors: list[VyaBackupDBError | None] = [outcome.error for outcome in self.outcomes]
        return errors + (list(self.pruned.errors) if self.pruned else [])

    def document(self) -> dict[str, Any]:
        """Give what JSON says."""
        dry_run = self.request.dry_run
        document: dict[str, Any] = {
            "dry_run": dry_run,
            "backups": [_as_json(outcome) for outcome in self.outcomes],
        }
        if self.pruned is not None:
            document |= {"pruned": pruned_document(self.pruned, dry_run=dry_run)}
        return document

    def parts(self, warnings: Sequence[Finding]) -> Iterator[Table]:
        """Give what a person is told; the warnings are those of the run as a whole."""
        yield from _plans(self.outcomes) if self.request.dry_run else _tables(self.outcomes, warnings)
        if self.pruned is not None:
            yield from pruned_tables(self.pruned, dry_run=self.request.dry_run)

    def report(self) -> Report:
        """Give what hooks and notices need."""
        failures = [Told.of(_where(each), each.error) for each in self.outcomes if each.error is not None]
        if self.pruned is not None:
            failures += [Told.of("prune", error) for error in self.pruned.errors]
        warnings = [
            Told.of(_where(each), found)
            for each in self.outcomes
            if each.record is not None
            for found in _parted(each.record.warnings)[0]
        ]
        done = sum(outcome.error is None for outcome in self.outcomes)
        return Report(self.document(), failures, warnings, done)


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


def _tables(outcomes: list[BackupOutcome], of_run: Sequence[Finding]) -> Iterator[Table]:
    yield _table(outcomes)
    columns = ("instance", "database", "what, and what to do")
    warnings, notes = Table("Warnings", columns), Table("Notes, for whoever restores", columns)
    for outcome in outcomes:
        found = _parted(outcome.record.warnings if outcome.record is not None else ())
        for table, findings in zip((warnings, notes), found, strict=True):
            for finding in findings:
                table.add(outcome.instance, _database(outcome), told(finding))
    for finding in of_run:
        warnings.add("(run)", "", told(finding))
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


def _where(outcome: BackupOutcome) -> str:
    return f"{outcome.instance}/{outcome.database}" if outcome.database is not None else outcome.instance


def _database(outcome: BackupOutcome) -> str:
    return printable(outcome.database) if outcome.database is not None else "(all)"
