"""Tell whoever the configuration names how a run went; who cannot be told is a warning, never a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

from vya_backupdb.config.models import Config
from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.log import get_logger
from vya_backupdb.model import Finding, Severity
from vya_backupdb.operations.notices import channels
from vya_backupdb.operations.notices.ping import Signal, ping
from vya_backupdb.operations.notices.report import Report, Told
from vya_backupdb.operations.notices.send import send_all
from vya_backupdb.operations.notices.text import Notice, notice

log = get_logger(__name__)

_LONGEST: Final = 20.0
"""Seconds until somebody who cannot be told is given up; the services' own timeouts are of few seconds."""

_Works = dict[str, Callable[[], None]]


def tell(
    config: Config, run: str, report: Report, ended_by: Told | None = None, signal: Signal | None = None
) -> list[Finding]:
    """Send what there is to tell of a run to `notify.urls`, and the signal to the monitor.

    Gives a warning for each that could not be told, and where the library is missing.
    """
    made = notice(config.storage.hostname, run, report, ended_by)
    return _told(config, made, _monitor(config, signal))


def pass_on(config: Config, made: Notice) -> list[Finding]:
    """Send a notice to `notify.urls`; gives what `tell` gives."""
    return _told(config, made, {})


def _told(config: Config, made: Notice | None, works: _Works) -> list[Finding]:
    missing = bool(config.notify.urls) and not channels.is_installed()
    if made is not None and not missing:
        for index, url in enumerate(config.notify.urls):
            works[f"notify.urls[{index}]"] = partial(channels.send, url, made)
    own = [_warned("notify.urls", channels.MISSING, channels.CURE)] if missing else []
    return own + _sent(works)


def tell_monitor(config: Config, signal: Signal) -> list[Finding]:
    """Send a signal to the monitor; gives a warning where it could not be told."""
    return _sent(_monitor(config, signal))


@contextmanager
def failures_told(
    config: Config, run: str, *, wanted: bool = True
) -> Iterator[list[VyaBackupDBError | None]]:
    """Give a list for what fails in a block (None: done) and tell of it, if that is wanted.

    Told is also an error that ends the block, but no signal: who sent it knows.
    """
    errors: list[VyaBackupDBError | None] = []
    ended_by: Told | None = None
    try:
        yield errors
    except Exception as error:
        ended_by = why(error)
        raise
    finally:
        if wanted:
            failures = [Told.of("", error) for error in errors if error is not None]
            tell(config, run, Report({}, failures, done=len(errors) - len(failures)), ended_by)


def why(error: BaseException) -> Told:
    """Say what ended a run before its time."""
    if isinstance(error, VyaBackupDBError):
        return Told.of("", error)
    if isinstance(error, Exception):
        return Told("", f"unexpected fault: {type(error).__name__}: {error}")
    return Told("", "interrupted by a signal")


def _monitor(config: Config, signal: Signal | None) -> _Works:
    address = config.notify.ping
    return {"notify.ping": partial(ping, address, signal)} if address and signal else {}


def _sent(works: Mapping[str, Callable[[], None]]) -> list[Finding]:
    return [
        _warned(name, f"not sent: {reason}", "look at the address and the network")
        for name, reason in send_all(works, _LONGEST).items()
    ]


def _warned(name: str, what: str, cure: str) -> Finding:
    log.warning("notice not sent", to=name, reason=what)
    return Finding(Severity.WARNING, f"{name}: {what}", cure=cure)
