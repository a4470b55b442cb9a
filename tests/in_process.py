"""The command within the process of the tests: what starting it anew would cost is spared, nothing else."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from unittest import mock

from vya_backupdb.cli.main import main


def call(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Run the command without a terminal; give its exit status, stdout and stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape") for _ in range(2))
    with ExitStack() as stack:
        nothing = stack.enter_context(open("/dev/null", encoding="utf-8"))  # noqa: PTH123  # a device
        stack.enter_context(mock.patch.object(sys, "stdin", nothing))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        status = main(arguments)
    return status, _text(out), _text(err)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
