from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vya_backupdb.config.quantities import Size, format_duration, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1.5h", 5400),
        ("1w", 604800),
        ("1 h 30 min", 5400),
        (" 10 seconds ", 10),
        ("0.5s", 0.5),
        ("365d", 365 * 86400),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "m",
        "-5m",
        "5 parsecs",
        "0s",
        "0m0s",
        "5m6",
        "1e3s",
        "٣s",
        "5m,6s",
        "366d",
        "9" * 400 + "d",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|year"):
        parse_duration(text)


@given(st.integers(min_value=1, max_value=365 * 86400))
def test_a_duration_that_is_written_reads_the_same(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


def test_a_duration_is_written_as_people_write_it() -> None:
    assert format_duration(timedelta(hours=1, minutes=30)) == "1h30m"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10%", Size(percent=10)),
        ("0.5 %", Size(percent=0.5)),
        ("0%", Size(percent=0)),
        ("2GiB", Size(2 << 30)),
        ("2G", Size(2 << 30)),
        ("500MB", Size(500_000_000)),
        ("500 mb", Size(500_000_000)),
        ("1.5KiB", Size(1536)),
        ("1024", Size(1024)),
        ("17 B", Size(17)),
        ("0", Size(0)),
        ("1PiB", Size(1 << 50)),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: Size) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "100%", "2XB", "2 Gi B", "1,5G", "1e3", "9" * 400])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|share"):
        parse_size(text)


def test_a_share_is_one_of_a_total() -> None:
    assert Size(percent=10).of(2000) == 200
    assert Size(500).of(2000) == 500
