"""What can be said of hooks and notices without running or sending anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from vya_backupdb.config.models import Config
from vya_backupdb.operations.notices import channels
from vya_backupdb.operations.notices.send import NotSent


def examine(config: Config, file: Path) -> Iterator[str]:
    """Name hooks that cannot be started, addresses of no use, and a file that shows them to others."""
    for event in ("before", "after", "on_failure"):
        for index, (program, *_) in enumerate(getattr(config.hooks, event)):
            if shutil.which(program) is None:
                yield f"hooks.{event}[{index}]: {program}: not there, or not executable"
    urls = config.notify.urls
    if urls and not channels.is_installed():
        yield f"notify.urls: {channels.MISSING}: {channels.CURE}"
        urls = ()
    for index, url in enumerate(urls):
        try:
            channels.check(url)
        except NotSent as error:
            yield f"notify.urls[{index}]: {error}"
    hooks = config.hooks.before or config.hooks.after or config.hooks.on_failure
    if hooks and file.stat().st_mode & 0o022:
        yield f"{file}: `hooks` names what is run, and others may change it: chmod 600 {file}"
    if (config.notify.urls or config.notify.ping) and file.stat().st_mode & 0o077:
        yield f"{file}: `notify` holds secrets, and others may read it: chmod 600 {file}"
