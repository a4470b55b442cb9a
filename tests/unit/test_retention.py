"""Which backups a policy keeps: against a model that is slow and obviously right, over simulated years."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vya_backupdb.catalog.retention import Policy, kept

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
FORMATS = {"daily": "%Y-%m-%d", "weekly": "%G-W%V", "monthly": "%Y-%m", "yearly": "%Y"}


def model(moments: Sequence[datetime], policy: Policy, now: datetime) -> set[int]:
    """Say the same in other words: of each part of the calendar its newest, of those the newest so many."""
    newest_first = sorted(range(len(moments)), key=lambda i: (-moments[i].timestamp(), i))
    keep = set(newest_first[: policy.keep_last])
    keep |= {i for i in newest_first if policy.within is not None and moments[i] >= now - policy.within}
    for rule, form in FORMATS.items():
        of: dict[str, int] = {}
        for i in reversed(newest_first):
            of[moments[i].astimezone(policy.timezone).strftime(form)] = i  # the newest stays
        keep |= {of[name] for name in sorted(of, reverse=True)[: getattr(policy, rule)]}
    return keep


POLICIES = st.builds(
    Policy,
    keep_last=st.integers(0, 4),
    within=st.none() | st.timedeltas(timedelta(0), timedelta(days=40)),
    daily=st.integers(0, 9),
    weekly=st.integers(0, 6),
    monthly=st.integers(0, 14),
    yearly=st.integers(0, 4),
    timezone=st.sampled_from([UTC, STOCKHOLM, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")]),
)
MOMENTS = st.lists(
    st.integers(-5 * 365 * 24 * 4, 24 * 8).map(lambda quarters: NOW + timedelta(minutes=15 * quarters)),
    max_size=60,
)


@given(MOMENTS, POLICIES)
@settings(max_examples=400, deadline=None)
def test_the_policy_keeps_what_the_model_keeps(moments: list[datetime], policy: Policy) -> None:
    assert set(kept(moments, policy, NOW)) == model(moments, policy, NOW)


@given(MOMENTS, POLICIES)
@settings(deadline=None)
def test_what_is_kept_is_kept_again_when_the_rest_is_gone(moments: list[datetime], policy: Policy) -> None:
    left = [moments[index] for index in kept(moments, policy, NOW)]
    assert len(kept(left, policy, NOW)) == len(left)


def simulated(days: int, dice: random.Random) -> list[datetime]:
    """Give nights of backups: at 02:30 of Stockholm, sometimes twice, with gaps, and a clock that jumps."""
    moments: list[datetime] = []
    night = datetime(2023, 1, 1, 2, 30, tzinfo=STOCKHOLM)
    for day in range(days):
        moment = (night + timedelta(days=day)).astimezone(UTC)
        if dice.random() < 0.05:
            continue
        if dice.random() < 0.02:
            moment += timedelta(hours=dice.randint(-40, 40))
        moments += [moment] if dice.random() < 0.9 else [moment, moment + timedelta(hours=3)]
    return moments


@pytest.mark.parametrize("seed", range(3))
def test_years_of_nights_leave_what_the_policy_promises(seed: int) -> None:
    policy = Policy(keep_last=3, daily=7, weekly=4, monthly=12, yearly=2, timezone=STOCKHOLM)
    made = simulated(1_100, random.Random(seed))
    left: list[datetime] = []
    for moment in made:
        left.append(moment)
        left = [left[index] for index in kept(left, policy, moment)]
        assert max(made[: made.index(moment) + 1]) in left
    local = [moment.astimezone(STOCKHOLM) for moment in left]
    assert len({f"{one:%Y-%m}" for one in local}) >= 12
    assert len({one.date() for one in local}) >= 7
    assert len(left) <= 3 + 7 + 4 + 12 + 2


def test_the_night_that_has_two_half_past_twos_is_one_day() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    again = first + timedelta(hours=1)
    assert {moment.astimezone(STOCKHOLM).hour for moment in (first, again)} == {2}
    assert kept([first, again], Policy(daily=2, timezone=STOCKHOLM), again) == {1: ["daily 2026-10-25"]}


def test_a_day_begins_where_the_policy_says() -> None:
    late, early = datetime(2026, 11, 27, 22, 30, tzinfo=UTC), datetime(2026, 11, 27, 23, 30, tzinfo=UTC)
    assert len(kept([late, early], Policy(daily=5), NOW)) == 1
    assert len(kept([late, early], Policy(daily=5, timezone=STOCKHOLM), NOW)) == 2


def test_each_is_kept_with_all_its_reasons() -> None:
    moments = [NOW - timedelta(days=days) for days in (0, 1, 40)]
    policy = Policy(keep_last=1, within=timedelta(days=2), daily=1, weekly=1, monthly=2, yearly=1)
    assert kept(moments, policy, NOW) == {
        0: ["last 1 of 1", "within", "daily 2026-11-28", "weekly 2026-W48", "monthly 2026-11", "yearly 2026"],
        1: ["within"],
        2: ["monthly 2026-10"],
    }


def test_where_no_new_ones_come_nothing_goes() -> None:
    moments = [NOW - timedelta(days=days) for days in range(30)]
    policy = Policy(keep_last=2, daily=7, weekly=2)
    later = NOW + timedelta(days=1_000)
    assert set(kept(moments, policy, later)) == set(kept(moments, policy, NOW))


def test_of_two_at_one_moment_the_first_is_the_newer() -> None:
    assert set(kept([NOW, NOW], Policy(keep_last=1), NOW)) == {0}
    assert set(kept([NOW, NOW], Policy(daily=1), NOW)) == {0}
