"""What a long operation tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Watches one operation; called from one thread, often, so it must be cheap."""

    def begin(self, subject: str, expected_bytes: int | None) -> None:
        """Work on a subject (`shop`) begins; `expected_bytes` of script, where there is an estimate."""
        ...

    def advance(self, raw_bytes: int, detail: str | None) -> None:
        """So many bytes of script are done since `begin`; `detail` is the table in work."""
        ...

    def end(self) -> None:
        """Finish with the subject, whether it went well or not."""
        ...


class NoProgress:
    """Nobody watches."""

    def begin(self, subject: str, expected_bytes: int | None) -> None:
        """Nothing to do."""

    def advance(self, raw_bytes: int, detail: str | None) -> None:
        """Nothing to do."""

    def end(self) -> None:
        """Nothing to do."""
