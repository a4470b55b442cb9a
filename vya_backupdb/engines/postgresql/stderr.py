"""What pg_dump says on stderr, and what it means (src/bin/pg_dump 13 to 18, src/common/logging.c).

Messages are `pg_dump: error: ...`, `pg_dump: warning: ...`, then `pg_dump: detail: ...` and `hint`; libpq
adds notices of the server (`WARNING:  ...`, `DETAIL:  ...`), and lines of its own that are indented.
"""

from __future__ import annotations

import re
from typing import Final

from vya_backupdb.model import Verdict

_TABLE: Final = tuple(
    (re.compile(pattern), verdict)
    for pattern, verdict in (
        # pg_dump goes on without what these name, and ends with status 0
        (r"TOOL: warning: subscriptions not dumped", Verdict.FATAL),
        (
            r"TOOL: warning: .*(appears to be invalid|could not parse|bogus|unexpected|unrecognized|unsupp)",
            Verdict.FATAL,
        ),
        (r"TOOL: warning: ", Verdict.WARNING),
        (r"TOOL: (info|debug): ", Verdict.BENIGN),
        (r"TOOL(\[\d+\])?:", Verdict.FATAL),
        (r"(ERROR|FATAL|PANIC):", Verdict.FATAL),
        (r"WARNING:", Verdict.WARNING),
        (r"(NOTICE|INFO|LOG|DEBUG):", Verdict.BENIGN),
    )
)
"""Beginnings of lines and what they mean; the first that fits counts. TOOL stands for the tool's name."""

CURES: Final = (
    (
        r"invalid memory alloc request size|Cannot enlarge string buffer",
        "a row of that table is more than 1 GiB as text (bytea: 512 MiB), and no dump can hold it: "
        "keep it in several rows, or as large objects",
    ),
    (
        r"conflict with recovery",
        "raise max_standby_streaming_delay, set hot_standby_feedback, or back up the primary",
    ),
    (
        r"statement timeout",
        "look on the server for what locks the table (pg_locks), or raise the instance's `lock_wait`",
    ),
)
"""What the server says through pg_dump when a dump fails, and what to do."""

_FOLLOWS: Final = re.compile(
    r"\s|\\t|(DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION):|LINE \d+:|TOOL: (detail|hint): "
)
"""A line that belongs to the one before it."""


class Judge:
    """Judges the lines of one pg_dump, in order: a detail is as grave as what it explains.

    `tool` is the name that the tool was called by. With `allow_partial`, what the preflight has named
    already is a warning.
    """

    def __init__(self, tool: str = "pg_dump", *, allow_partial: bool = False) -> None:
        self._prefix = f"{tool}:"
        self._allow_partial = allow_partial
        self._last = Verdict.WARNING

    def __call__(self, line: str) -> Verdict:
        """Judge the next line."""
        if line.startswith(self._prefix):
            line = f"TOOL:{line.removeprefix(self._prefix)}"
        if not _FOLLOWS.match(line):
            self._last = self._judge(line)
        return self._last

    def _judge(self, line: str) -> Verdict:
        verdict = next((verdict for pattern, verdict in _TABLE if pattern.match(line)), Verdict.WARNING)
        if verdict is Verdict.FATAL and self._allow_partial and "subscriptions not dumped" in line:
            return Verdict.WARNING
        return verdict
