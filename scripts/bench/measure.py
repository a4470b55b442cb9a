"""Runs in turn, and what they took."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Samples:
    """What several runs of one program took."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    bytes: int = 0


def measure(samples: Samples, command: list[str] | str) -> None:
    """Run once to the end and note wall time, processor time and the peak memory of the largest process."""
    before = os.times()
    began = time.perf_counter()
    argv = ["/bin/bash", "-c", "set -o pipefail; " + command] if isinstance(command, str) else command
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"exit status {child.returncode}: {command}")
    after = os.times()
    samples.seconds.append(time.perf_counter() - began)
    samples.cpu.append(
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    samples.peak_mib.append(usage.ru_maxrss / 1024)


Program = tuple[Callable[[], list[str] | str], Callable[[], int]]
"""Gives its command, and afterwards the bytes that it wrote."""


def alternate(runs: int, programs: dict[str, Program]) -> dict[str, Samples]:
    """Run the programs in turn."""
    samples = {name: Samples() for name in programs}
    for _ in range(runs):
        for name, (command, written) in programs.items():
            measure(samples[name], command())
            samples[name].bytes = written()
    return samples


def row(name: str, against: str, ours: Samples, bare: Samples) -> list[str]:
    """Give one line of the report: medians, and ratios of ours to the bare pipeline."""
    time_ratio = statistics.median(a / b for a, b in zip(ours.seconds, bare.seconds, strict=True))
    size = f"{ours.bytes / bare.bytes:.3f}" if bare.bytes else ""
    return [
        name,
        f"`{against}`".replace("|", "\\|"),  # a cell of Markdown ends at a bare one
        f"{time_ratio:.2f}",
        f"{min(a / b for a, b in zip(ours.seconds, bare.seconds, strict=True)):.2f} to "
        f"{max(a / b for a, b in zip(ours.seconds, bare.seconds, strict=True)):.2f}",
        size,
        f"{statistics.median(ours.seconds):.1f} / {statistics.median(bare.seconds):.1f}",
        f"{statistics.median(ours.cpu):.1f} / {statistics.median(bare.cpu):.1f}",
        f"{max(ours.peak_mib):.0f}",
    ]


HEAD = [
    "what", "against", "time, ratio", "lowest to highest", "size, ratio",
    "seconds, ours / bare", "client CPU seconds, ours / bare", "our peak MiB",
]  # fmt: skip


def as_markdown(head: list[str], table: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *table]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
