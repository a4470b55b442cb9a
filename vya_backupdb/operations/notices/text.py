"""The words of a notice: a subject, and lines that name the database, the figure and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vya_backupdb.errors import few
from vya_backupdb.log import masked, printable
from vya_backupdb.operations.notices.report import Report, Told

_MOST: Final = 30
"""Failures, and warnings, that are written out."""


@dataclass(frozen=True)
class Notice:
    """What is sent."""

    subject: str
    body: str
    is_failure: bool


def notice(hostname: str, run: str, report: Report, ended_by: Told | None = None) -> Notice | None:
    """Give what there is to tell of a run (`backup of prod-mysql-01`), None where all is as it should be.

    `ended_by` says why it did not come to its end.
    """
    failed, warned = len(report.failures), len(report.warnings)
    if ended_by is not None:
        outcome = f"FAILED: {ended_by.what}"
    elif failed:
        outcome = f"FAILED: {failed:,} of {failed + report.done:,}"
        if failed == 1 and report.failures[0].where:
            outcome += f" ({report.failures[0].where})"
    elif warned:
        outcome = f"done, with {warned:,} warning{'s' if warned > 1 else ''}"
    else:
        return None
    lines = [
        *_lines("FAILED", [*([ended_by] if ended_by else []), *report.failures]),
        *_lines("warning", report.warnings),
        f"{report.done:,} done without a failure.",
        f"On {hostname}, `vya-backupdb status` shows how all backups stand; the log tells the rest.",
    ]
    subject = _clean(f"{hostname}: {run} {outcome}")
    return Notice(subject, "\n".join(map(_clean, lines)), ended_by is not None or failed > 0)


def named(instances: Sequence[str]) -> str:
    """Name instances in a subject, and not all of very many."""
    return few(instances, ", ")


def _lines(word: str, told: Sequence[Told]) -> Iterator[str]:
    for each in told[:_MOST]:
        # many errors begin with the name of their instance or database themselves
        what = each.what.removeprefix(f"{each.where.rpartition('/')[2]}: ")
        yield f"{word}: {each.where}: {what}" if each.where else f"{word}: {what}"
        if each.cure:
            yield f"    {each.cure}"
    if len(told) > _MOST:
        yield f"{word}: and {len(told) - _MOST:,} more"


def _clean(line: str) -> str:
    return printable(masked(line))
