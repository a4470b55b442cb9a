"""`vya-backupdb notify`."""

from __future__ import annotations

import os
import sys

import click

from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.errors import ConfigurationError, ConnectionFailed
from vya_backupdb.log import printable
from vya_backupdb.operations.notices.tell import pass_on
from vya_backupdb.operations.notices.text import Notice
from vya_backupdb.operations.notices.units import of_unit

_INVOCATION = "MONITOR_INVOCATION_ID"
"""The run that failed, told by systemd 251 and newer to a unit of its `OnFailure` (systemd.exec(5))."""

_LONGEST = 64 << 10
"""Bytes of stdin: a notice is no log file."""


@click.command("notify")
@click.argument("subject", required=False)
@click.option("--unit", metavar="NAME", help="A unit of systemd that failed: its last lines are sent.")
@pass_context
def command(context: CliContext, subject: str | None, unit: str | None) -> None:
    """Send a notice to the addresses of `notify.urls`, to try them or for a script or unit that failed.

    \b
    vya-backupdb notify 'a test of the notices'
    vya-backupdb notify --unit vya-backupdb-verify.service

    Its text is what stands on stdin (df -h | ...), unless that is a terminal.
    """
    if (subject is None) == (unit is None):
        raise click.UsageError("give either a SUBJECT or --unit")
    config = context.config()
    if not config.notify.urls:
        raise ConfigurationError("notify.urls: is not set, so there is nobody to tell")
    hostname = config.storage.hostname
    if unit is not None:
        notice = of_unit(hostname, unit, invocation=os.environ.get(_INVOCATION))
    else:
        notice = Notice(f"{hostname}: {printable(subject or '')}", _text(), is_failure=False)
    if failed := pass_on(config, notice):
        raise ConnectionFailed("; ".join(each.what for each in failed), cure=failed[0].cure)


def _text() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    text = sys.stdin.buffer.read(_LONGEST).decode("utf-8", "backslashreplace")
    return printable(text, keep="\n\t")
