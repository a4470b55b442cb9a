"""Send a notice by what apprise knows: e-mail, chats, web hooks. Imported when there is something to send."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from pydantic import SecretStr

from vya_backupdb.log import MASK, printable
from vya_backupdb.operations.notices.send import NotSent
from vya_backupdb.operations.notices.text import Notice

if TYPE_CHECKING:
    import apprise

MISSING: Final = "apprise is not installed"
CURE: Final = "pip install 'vya-backupdb[notify]'"

_SHORTENED: Final = re.compile(r"\S\.\.\.\S")
"""How the library itself hides a secret: but for its first and last letter."""

_SHORTEST: Final = 4
"""Letters of a part of an address that is masked: shorter ones are in every word."""


def is_installed() -> bool:
    """Whether the library is there; it is not imported."""
    return find_spec("apprise") is not None


def check(address: SecretStr) -> None:
    """Raise NotSent where the library does not understand an address; nothing is sent."""
    _sender(address)


def send(address: SecretStr, notice: Notice) -> None:
    """Send a notice. Raises NotSent with what the library said, without any part of the address."""
    import apprise

    kind = apprise.NotifyType.FAILURE if notice.is_failure else apprise.NotifyType.WARNING
    body_format = apprise.NotifyFormat.TEXT
    sender = _sender(address)
    with _said(address) as said:
        if not sender.notify(notice.body, title=notice.subject, notify_type=kind, body_format=body_format):
            raise NotSent(said.last or "not accepted")


def _sender(address: SecretStr) -> apprise.Apprise:
    import apprise

    # all in this thread: those that the library would start are waited for at the end of the process
    sender = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, service_timeout=0))
    if not sender.add(address.get_secret_value()):
        raise NotSent("apprise does not understand the address (`apprise -vv` with it says why)")
    return sender


@contextmanager
def _said(address: SecretStr) -> Iterator[_Said]:
    """Listen to what the library says about an address."""
    listener = _Said(address.get_secret_value())
    logger = logging.getLogger("apprise")
    logger.addHandler(listener)
    try:
        yield listener
    finally:
        logger.removeHandler(listener)


class _Said(logging.Handler):
    """Keeps the last thing that the library says in this thread, without any part of an address."""

    def __init__(self, address: str) -> None:
        super().__init__(logging.WARNING)
        self._address = address
        self._thread = threading.get_ident()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.last = without(self._address, record.getMessage())


def without(address: str, text: str) -> str:
    """Mask every part of an address in a text: which of them are secret, each service says otherwise."""
    _, _, rest = address.partition("://")
    parts = {part for form in (rest, unquote(rest)) for part in re.split(r"[:/@?&=#,]+", form)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            text = re.sub(re.escape(part), MASK, text, flags=re.IGNORECASE)
    return printable(_SHORTENED.sub(MASK, text))
