"""The health of backups as metrics for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vya_backupdb.log import printable
from vya_backupdb.operations.health import Health, Level
from vya_backupdb.operations.status import DatabaseStatus


def metrics(found: Health) -> str:
    """Give the state in Prometheus' text format, version 0.0.4."""
    databases = found.databases
    counts = Counter(problem.level for problem in found.problems)
    families: list[tuple[str, str, Sequence[tuple[dict[str, str], float]]]] = [
        (
            "last_success_timestamp_seconds",
            "When the state that the last good backup holds was read.",
            [(_of(one), one.last.snapshot_at.timestamp()) for one in databases if one.last],
        ),
        (
            "last_size_bytes",
            "Size of the file of the last good backup.",
            [(_of(one), one.last.file.bytes) for one in databases if one.last],
        ),
        (
            "last_attempt_timestamp_seconds",
            "When a backup was tried last.",
            [(_of(one), one.attempt.at.timestamp()) for one in databases if one.attempt],
        ),
        (
            "last_attempt_success",
            "Whether that went well: 1, or 0.",
            [(_of(one), float(one.attempt.error is None)) for one in databases if one.attempt],
        ),
        (
            "last_verified_timestamp_seconds",
            "When a backup that is still there was found whole.",
            [(_of(one), one.last_proved.timestamp()) for one in databases if one.last_proved],
        ),
        ("backups", "Number of backups in the store.", [(_of(one), one.backups) for one in databases]),
        (
            "problems",
            "Number of problems that health finds.",
            [({"level": each.name.lower()}, counts[each]) for each in (Level.WARNING, Level.CRITICAL)],
        ),
        (
            "store_free_bytes",
            "Room on the file system of the store.",
            [({}, found.free_bytes)] if found.free_bytes is not None else [],
        ),
        ("health_timestamp_seconds", "When this was looked at.", [({}, found.now.timestamp())]),
    ]
    return "".join(
        f"# HELP vya_backupdb_{name} {text}\n# TYPE vya_backupdb_{name} gauge\n"
        + "".join(f"vya_backupdb_{name}{_labels(labels)} {value:.15g}\n" for labels, value in samples)
        for name, text, samples in families
        if samples
    )


def _of(one: DatabaseStatus) -> dict[str, str]:
    return {"instance": one.instance, "database": one.database}


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    escaped = {
        name: printable(value, keep="\n").encode("utf-8", "backslashreplace").decode()
        .replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }  # fmt: skip
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
