"""Structured log: constant events with facts as fields, to stderr and, where configured, to a file.

Results never go through here, they go to stdout. structlog is imported when a logger is first asked for:
it would cost a cheap command a third of its time.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from vya_backupdb.errors import ConfigurationError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json", "journald"]

_NUMBERS: Mapping[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_LEADING = ("timestamp", "level", "event", "module")

MASK = "**********"
_SECRET_KEY = re.compile(
    r"passw(or)?d|passphrase|passcode|secret|token|private.?key|mysql_pwd|authorization", re.IGNORECASE
)
_QUOTED = r"'(?:[^'\\]|\\.|'')*'?|\"(?:[^\"\\]|\\.|\"\")*\"?"
_SECRET_TEXT = (
    # SQL: IDENTIFIED [WITH plugin] BY|AS|USING 'x', PASSWORD 'x', PASSWORD('x')
    re.compile(
        rf"\b((?:identified\s+(?:(?:with|via)\s+\S+\s+)?(?:by|as|using)|password)[\s(=:]+)({_QUOTED})",
        re.IGNORECASE,
    ),
    # options, conninfo, reprs: --password=x, password = x, 'password': 'x' (but not "password: is missing")
    re.compile(
        rf"((?:passw(?:or)?d|passphrase|mysql_pwd|secret|token)(?:['\"]?\s*[=:]\s*(?=['\"])|\s*=\s*|:))"
        rf"({_QUOTED}|[^\s,;&)]+)",
        re.IGNORECASE,
    ),
    # scheme://user:x@host
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)([^\s/@]+)(?=@)", re.IGNORECASE),
)


def get_logger(name: str) -> FilteringBoundLogger:
    """Give the logger of a module; what becomes of its events is settled by `configure`, even later."""
    import structlog

    if not structlog.is_configured():
        configure()
    return cast("FilteringBoundLogger", structlog.get_logger(module=name.removeprefix("vya_backupdb.")))


def configure(*, level: Level = "info", style: Format = "console", file: Path | None = None) -> None:
    """Send events of the level and above to stderr and, appended, to the file.

    With `journald` they go to the system's journal instead of stderr, each fact as a field of its own, and
    as lines of the console to the file.

    Raises ConfigurationError where the file cannot be opened.
    """
    import structlog

    sink = _Sink(file)
    renders: Mapping[Format, Processor] = {
        "console": _console_line,
        "json": _json_line,
        "journald": _line_and_entry,
    }
    structlog.configure(
        processors=[structlog.processors.add_log_level, _stamp, redact, renders[style]],
        wrapper_class=structlog.make_filtering_bound_logger(_NUMBERS[level]),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )


def printable(text: str, *, keep: str = "") -> str:
    r"""Give text that no terminal takes for a command: what does not print is escaped (`\x1b`).

    Names and messages from servers and files hold anything; `keep` names characters to leave (`"\n"`).
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else _escaped(character)
        for character in text
    )


def masked(text: str) -> str:
    """Mask what looks like a secret in a text: SQL, options, addresses."""
    for pattern in _SECRET_TEXT:
        text = pattern.sub(rf"\1{MASK}", text)
    return text


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


# ---------------------------------------------------------------------------- processors


def _stamp(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what is or looks like a secret: the second line of defence, events should hold none."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: object) -> object:
    if _SECRET_KEY.search(key) and value is not None and not isinstance(value, bool):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", part) for part in value]
    return _redacted("", str(value))


def _console_line(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    return f"{event['timestamp']} {event['level']:<7} {_said(event)}"


def _said(event: Mapping[str, Any]) -> str:
    facts = [f"{key}={_fact(value)}" for key, value in event.items() if key not in _LEADING]
    return "  ".join([printable(str(event["event"])), " ".join(facts)]).rstrip()


def _fact(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    plain = text and text.isprintable() and not any(character in text for character in " \"'=")
    return (
        text if plain else '"' + printable(text.replace('"', '\\"')) + '"' if isinstance(value, str) else text
    )


def _json_line(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    leading = {key: event[key] for key in _LEADING if key in event}
    return json.dumps({**leading, **event})


# ---------------------------------------------------------------------------- the system's journal

JOURNALD = "/run/systemd/journal/socket"
_PRIORITIES: Mapping[Level, int] = {"debug": 7, "info": 6, "warning": 4, "error": 3}
"""Of syslog."""
_LONGEST_FIELD = 16 << 10
"""Bytes: a datagram takes about 200 KiB."""


def _line_and_entry(
    logger: object, name: str, event: MutableMapping[str, Any]
) -> tuple[tuple[str, bytes], dict[str, Any]]:
    return (_console_line(logger, name, event), _entry(event)), {}


def _entry(event: Mapping[str, Any]) -> bytes:
    """Give an event in journald's own protocol ("Native Journal Protocol"), a field for each fact."""
    fields = {
        "MESSAGE": _said(event),
        "PRIORITY": str(_PRIORITIES[event["level"]]),
        "SYSLOG_IDENTIFIER": "vya-backupdb",
    }
    for key, value in event.items():
        if key not in ("timestamp", "level"):
            text = value if isinstance(value, str) else json.dumps(value)
            fields[f"VYA_{re.sub('[^A-Z0-9_]', '_', key.upper())}"] = text
    entry = bytearray()
    for key, text in fields.items():
        value = text.encode("utf-8", "backslashreplace")[:_LONGEST_FIELD]
        entry += key.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return bytes(entry)


# ---------------------------------------------------------------------------- where lines go


_PATIENCE = 5.0
"""Seconds for a journal that is busy: a backup is worth more than a line about it."""


class _Sink:
    """Takes finished lines. A log that cannot be written stops no backup, but it is said once."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._descriptor = _open_log(file) if file is not None else None
        self._lock = threading.RLock()

    def msg(self, line: str, entry: bytes | None = None) -> None:
        with self._lock:
            if entry is None or not self._to_journald(entry):
                self._to_stderr(line)
            if self._descriptor is not None:
                try:
                    os.write(self._descriptor, (line + "\n").encode("utf-8", "backslashreplace"))
                except OSError as error:
                    self._descriptor = None
                    self._to_stderr(f"{self._file}: no longer logged to: {error.strerror}")

    debug = info = warning = error = critical = exception = msg

    def _to_journald(self, entry: bytes) -> bool:
        import socket  # here alone: every command starts with this module

        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as journal:
                journal.settimeout(_PATIENCE)
                journal.sendto(entry, JOURNALD)
        except OSError:  # none runs here, or it takes nothing: under systemd, stderr is the journal's too
            return False
        return True

    def _to_stderr(self, line: str) -> None:
        # looked up each time: a progress bar puts itself in the way to keep lines apart;
        # and nobody may be left to read (OSError), or it is closed (ValueError)
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(line + "\n")
                sys.stderr.flush()


def _open_log(file: Path) -> int:
    try:
        # without O_NONBLOCK a named pipe that nobody reads would hold us for ever
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        return os.open(file, flags, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot log there: {error.strerror}", cure="name another `logging.file`"
        ) from None
