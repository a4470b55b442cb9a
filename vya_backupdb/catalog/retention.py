"""Which backups of one database a retention policy keeps, and why; it knows moments only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_Bucket = Callable[[datetime], tuple[int, ...]]

_BUCKETS: Final[dict[str, _Bucket]] = {
    "daily": lambda local: (local.year, local.month, local.day),
    "weekly": lambda local: tuple(local.isocalendar())[:2],
    "monthly": lambda local: (local.year, local.month),
    "yearly": lambda local: (local.year,),
}
"""The part of the calendar that a moment lies in; weeks are those of ISO 8601, and begin on Monday."""


@dataclass(frozen=True)
class Policy:
    """How many backups stay. Each rule is for itself: what any of them keeps is kept."""

    keep_last: int = 0
    within: timedelta | None = None
    """All that are not older than this."""
    daily: int = 0
    """The newest of each of so many days that have backups; so weekly, monthly and yearly."""
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    timezone: tzinfo = UTC
    """Whose calendar says where a day begins."""


def kept(moments: Sequence[datetime], policy: Policy, now: datetime) -> dict[int, list[str]]:
    """Give the indexes of the backups that are kept, each with its reasons (`daily 2026-11-28`).

    `moments` are the times of good backups, in any order, with an offset; of two at one moment the one that
    stands first is the newer. Only backups push others out: where no new ones come, what was kept is kept,
    but for `within`.
    """
    newest_first = sorted(range(len(moments)), key=lambda index: (moments[index], -index), reverse=True)
    reasons: dict[int, list[str]] = {}
    for rank, index in enumerate(newest_first):
        if rank < policy.keep_last:
            reasons.setdefault(index, []).append(f"last {rank + 1} of {policy.keep_last}")
        if policy.within is not None and now - moments[index] <= policy.within:
            reasons.setdefault(index, []).append("within")
    for rule, bucket_of in _BUCKETS.items():
        seen: set[tuple[int, ...]] = set()
        for index in newest_first:
            bucket = bucket_of(moments[index].astimezone(policy.timezone))
            if bucket in seen:
                continue
            if len(seen) == getattr(policy, rule):
                break
            seen.add(bucket)
            reasons.setdefault(index, []).append(f"{rule} {_named(rule, bucket)}")
    return {index: reasons[index] for index in newest_first if index in reasons}


def _named(rule: str, bucket: tuple[int, ...]) -> str:
    if rule == "weekly":
        return f"{bucket[0]}-W{bucket[1]:02}"
    return "-".join(f"{part:02}" for part in bucket)
