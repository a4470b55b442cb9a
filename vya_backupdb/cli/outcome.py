"""The exit status of a command that was asked for several things."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vya_backupdb.cli.render import message, to_stderr
from vya_backupdb.errors import VyaBackupDBError

SOME_FAILED = 3


def end_with(errors: Sequence[VyaBackupDBError | None], *, mixed: int) -> None:
    """Exit with the status for these outcomes (None: done), after naming each failure on stderr.

    0 where all are done, 3 where some are; where none is, their common code, or `mixed` for several.
    """
    failed = [error for error in errors if error is not None]
    for error in dict.fromkeys(failed):  # what several failed for is one and the same
        to_stderr(f"vya-backupdb: {message(error)}")
    if not failed:
        return
    if len(failed) < len(errors):
        sys.exit(SOME_FAILED)
    codes = {error.exit_code for error in failed}
    sys.exit(codes.pop() if len(codes) == 1 else mixed)
