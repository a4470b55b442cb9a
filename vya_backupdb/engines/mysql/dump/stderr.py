"""What the lines mean that a dump tool writes to its stderr.

The tools print some errors and still end with status 0, so every line is judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vya_backupdb.model import Verdict

_TABLE: Final = (
    # mariadb-dump 11 and later, called by its old name.
    (re.compile(r".*: Deprecated program name\. It will be removed in a future release"), Verdict.BENIGN),
    # Options given with `loose`, for they came in the middle of a major version.
    (re.compile(r".*: \[Warning\] unknown (?:option|variable) '(?:--)?loose[-_]"), Verdict.BENIGN),
    (re.compile(r"\s*$"), Verdict.BENIGN),
    (re.compile(r"(?:.*: )?\[Warning\] "), Verdict.WARNING),
    (re.compile(r"(?:-- )?Warning: "), Verdict.WARNING),
    (re.compile(r"(?:.*: )?\[ERROR\] "), Verdict.FATAL),
    (re.compile(r"(?:-- )?Error\b|ERROR\b"), Verdict.FATAL),
)
CURES: Final = (
    (
        r"\(1213\)|Error 1412\b",
        "a change of the table (ALTER, TRUNCATE ...) came in between: try again when none runs or waits",
    ),
    (r"Error 1814\b", "drop that table, or import its tablespace"),
)
"""What the server says through the tool when a dump fails, and what to do."""

_PREFIXES: Final = ("mysqldump", "mariadb-dump")


def judge_for(path: str) -> Callable[[str], Verdict]:
    """Give the judge of the lines of the tool at a path.

    A line that begins with the tool's name, however it is called, is an error unless the table knows it;
    any other unknown line is a warning.
    """
    names = "|".join(re.escape(name) for name in (*_PREFIXES, Path(path).name, path))
    prefix = re.compile(rf"(?:\S*/)?(?:{names}): ")

    def judge(line: str) -> Verdict:
        for pattern, verdict in _TABLE:
            if pattern.match(line):
                return verdict
        return Verdict.FATAL if prefix.match(line) else Verdict.WARNING

    return judge
