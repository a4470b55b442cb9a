from __future__ import annotations

import pytest

from vya_backupdb.engines.postgresql.stderr import Judge
from vya_backupdb.model import Verdict

BENIGN, WARNING, FATAL = Verdict.BENIGN, Verdict.WARNING, Verdict.FATAL


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ('pg_dump: error: query failed: ERROR:  permission denied for table "t"', FATAL),
        ("pg_dump: fatal: out of memory", FATAL),
        ("pg_dump: something it never said before", FATAL),
        ("pg_dump: warning: could not resolve dependency loop among these items:", WARNING),
        ("pg_dump: warning: subscriptions not dumped because current user is not a superuser", FATAL),
        ('pg_dump: warning: typtype of data type "x" appears to be invalid', FATAL),
        ("pg_dump: warning: bogus value in pg_cast.castmethod field", FATAL),
        ("pg_dump: warning: could not parse proconfig array", FATAL),
        ('WARNING:  database "x" has a collation version mismatch', WARNING),
        ("FATAL:  terminating connection due to administrator command", FATAL),
        ("NOTICE:  something", BENIGN),
        ("pg_dump: info: reading schemas", BENIGN),
        ("Segmentation fault", WARNING),
        ("mypg_dump: error: x", WARNING),
    ],
)
def test_a_line_is_judged_by_its_beginning(line: str, verdict: Verdict) -> None:
    assert Judge()(line) is verdict


@pytest.mark.parametrize(
    "line",
    [
        "pg_dump: detail: Query was: LOCK TABLE public.a IN ACCESS SHARE MODE",
        "pg_dump: hint: try again",
        "DETAIL:  The database was created using collation version 0.1",
        "HINT:  Rebuild all objects",
        "\\tIs the server running on that host?",
        "\tIs the server running on that host?",
        "    TABLE t",
    ],
)
@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        ("pg_dump: error: x", FATAL),
        ("pg_dump: warning: x", WARNING),
        ("NOTICE:  x", BENIGN),
    ],
)
def test_a_detail_is_as_grave_as_what_it_explains(head: str, verdict: Verdict, line: str) -> None:
    judge = Judge()
    judge(head)
    assert judge(line) is verdict


def test_what_the_preflight_has_named_is_a_warning_where_a_partial_dump_is_allowed() -> None:
    judge = Judge(allow_partial=True)
    assert judge("pg_dump: warning: subscriptions not dumped because ...") is WARNING
    assert judge("pg_dump: warning: bogus value in pg_cast.castmethod field") is FATAL
    assert judge("pg_dump: error: x") is FATAL


def test_a_tool_of_another_name_is_judged_the_same() -> None:
    judge = Judge("my pg_dump-15")
    assert judge("my pg_dump-15: error: x") is FATAL
    assert judge("my pg_dump-15: warning: x") is WARNING
    assert judge("my pg_dump-15: hint: x") is WARNING
