"""The one tree of errors. Each class carries the exit code that the command ends with.

An error says in one or two lines what failed and where, and then what to do (`cure`). Its text never
holds a secret. `cli` is the only place that turns an error into output and an exit status.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

Fault = tuple[str, str | None]
"""What is wrong, and what to do about it."""


class VyaBackupDBError(Exception):
    """Root of all errors that a user is told about; anything else is an unexpected fault (1)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, cure: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure
        self.head = ""
        self.faults: tuple[Fault, ...] = ()
        """Each of several; `what` and `cure` tell them in a line, and not all where they are many."""

    @classmethod
    def of_faults(cls, head: str, faults: Iterable[Fault], *, cure: str | None = None) -> Self:
        """Give the error of one or more faults found at once; `cure` is what to do about them together."""
        each = tuple(dict.fromkeys(faults))
        cures = few(own for _, own in each if own)
        error = cls(f"{head}: {few(what for what, _ in each)}", cure=cure or cures or None)
        error.head, error.faults = head, each
        return error

    def __str__(self) -> str:
        return f"{self.what}\n{self.cure}" if self.cure else self.what


def few(texts: Iterable[str], separator: str = "; ") -> str:
    """Join the first five texts, each once, and say how many more there are: an error stays readable."""
    named = list(dict.fromkeys(texts))
    more = f"{separator}and {len(named) - _MOST_NAMED:,} more" if len(named) > _MOST_NAMED else ""
    return separator.join(named[:_MOST_NAMED]) + more


_MOST_NAMED = 5


class ConfigurationError(VyaBackupDBError):
    """The configuration cannot be read or says something impossible."""

    exit_code = 10


class LockedError(VyaBackupDBError):
    """Another run works on the instance."""

    exit_code = 11


class ConnectionFailed(VyaBackupDBError):
    """The server refuses, cannot be reached, or cannot be logged in to."""

    exit_code = 12


class CredentialsError(VyaBackupDBError):
    """The credentials file, its permissions or its key are not as they must be."""

    exit_code = 13


class BackupError(VyaBackupDBError):
    """A database could not be backed up."""

    exit_code = 20


class PreflightFailed(BackupError):
    """Something was found before the dump that it would lose or choke on."""


class DumpToolMissing(BackupError):
    """No dump tool that fits the server."""


class DumpFailed(BackupError):
    """The dump tool ended badly, fell silent, or its output is not whole."""


class HookFailed(BackupError):
    """A command of `hooks` failed, took too long, or cannot be started."""


class RestoreError(VyaBackupDBError):
    """A restore failed after it had begun."""

    exit_code = 21


class StatementFailed(RestoreError):
    """The server refused one statement, or went away while it ran.

    `retryable`: it was ended for a deadlock, and nothing since the last commit of its session stays.
    `connection_lost`: the session is of no use any more.
    """

    def __init__(
        self,
        what: str,
        *,
        cure: str | None = None,
        retryable: bool = False,
        connection_lost: bool = False,
    ) -> None:
        super().__init__(what, cure=cure)
        self.retryable = retryable
        self.connection_lost = connection_lost


class MissingObject(StatementFailed):
    """What a statement grants on is not there."""


class VerificationError(VyaBackupDBError):
    """A file is damaged, or what was restored is not what was backed up."""

    exit_code = 22


class DamagedArchive(VerificationError):
    """An archive is truncated, altered, or not what its manifest says."""


class StorageError(VyaBackupDBError):
    """The store is out of space, not writable, or not there."""

    exit_code = 23


class ScratchError(VyaBackupDBError):
    """A throw-away server cannot be made, started or stopped."""

    exit_code = 12


class Refused(VyaBackupDBError):
    """What was asked for would harm something, or is ambiguous; nothing was changed."""

    exit_code = 24
