"""The one tree of errors. Each class carries the exit code that the command ends with.

An error says in one or two lines what failed and where, and then what to do (`cure`). Its text never
holds a secret. `cli` is the only place that turns an error into output and an exit status.

docs/errors.md is made from the docstrings here: what the class means, `Causes:` and `Cure:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Self

Fault = tuple[str, str | None]
"""What is wrong, and what to do about it."""

OTHER_STATUSES: Mapping[int, str] = {
    0: "done; of `health`: OK",
    2: "usage: an option or argument that does not exist, is missing, or does not go with another",
    3: "several were asked for: some failed, the others are done",
    129: "ended by SIGHUP: its terminal was closed",
    130: "ended by SIGINT (Ctrl-C)",
    143: "ended by SIGTERM",
}
"""The exit statuses that no error gives. `health` has those of a monitoring plugin: 0 to 3."""


class VyaBackupDBError(Exception):
    """An unexpected fault.

    As a class: the root of all errors that a user is told about.

    Causes: a defect of this program, or of the system below it.

    Cure: run the command again with `--verbose --verbose` and report what it says, with the traceback.
    """

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
    """The configuration cannot be read or says something impossible.

    Causes: a key that does not exist, a value of another kind, two keys that exclude each other, no file
    in the places looked at, an instance that is not configured, a log file that cannot be opened.

    Cure: `vya-backupdb config validate` names each fault with its path and line; docs/configuration.md
    has every key.
    """

    exit_code = 10


class LockedError(VyaBackupDBError):
    """Another run works on the instance.

    Causes: a backup, restore or prune of the same instance that has not ended; the message names its
    process and since when.

    Cure: wait for it, or end it; nothing needs to be removed after a run that was killed, its lock went
    with it.
    """

    exit_code = 11


class ConnectionFailed(VyaBackupDBError):
    """The server refuses, cannot be reached, or cannot be logged in to.

    Causes: the server is down or full, a wrong host, port or socket, a wrong password, an account that
    may not come from this host, TLS that one side wants and the other has not, a connection that was
    lost on the way.

    Cure: `vya-backupdb config test-connections` tries each instance; then the server's log.
    """

    exit_code = 12


class NoAnswer(ConnectionFailed):
    """Nothing came back from the server, or whatever is in between, in time.

    Causes: a server that hangs, a network that is cut without a word, a firewall that forgets connections
    that are silent for long.

    Cure: look at the server and the way to it, then try again; what was half restored is named.
    """


class CredentialsError(VyaBackupDBError):
    """The credentials file, its permissions or its key are not as they must be.

    Causes: no credentials file or none for the instance, a file that others may read or that belongs to
    another user, another key than it was encrypted with, another host name where the key is made from
    it.

    Cure: what the message says: `chmod 600`, `chown`, `credentials set ID`, or `credentials rekey`;
    where the key is lost, `credentials encrypt` anew.
    """

    exit_code = 13


class BackupError(VyaBackupDBError):
    """A database could not be backed up.

    Causes: a database that does not exist or cannot be opened, accounts that cannot be read, or what the
    errors below say.

    Cure: what the message says; nothing was left in the store, and the backups of before are untouched.
    """

    exit_code = 20


class PreflightFailed(BackupError):
    """Something was found before the dump that it would lose or choke on.

    Causes: a missing privilege, a view that cannot be read any more, an object or value that the dump
    tool loses in silence (docs/limitations.md), no database that the configuration takes.

    Cure: grant what is named or mend the object; `allow_partial: true` and `broken_views: skip` of the
    instance make such backups with a warning. `backup --dry-run` looks again.
    """


class DumpToolMissing(BackupError):
    """No dump tool that fits the server.

    Causes: the client package of the server is not installed, is older than the server (PostgreSQL), or
    is the other flavour's (MySQL and MariaDB).

    Cure: install the package that is named, or name the tool in `dump.tool` of the instance.
    """


class DumpFailed(BackupError):
    """The dump tool ended badly, fell silent, or its output is not whole.

    Causes: the server or the connection went away, a table was locked, dropped or changed in the
    meantime, `stall_timeout` or `timeout` of `dump` was reached, a damaged table.

    Cure: read what the tool said (it is in the message) and the server's log, then back up again.
    Nothing was left in the store.
    """


class HookFailed(BackupError):
    """A command of `hooks` failed, took too long, or cannot be started.

    Causes: a program that is not there or not executable, a status other than 0, `hooks.timeout`, a
    program that needs more environment than it gets.

    Cure: read its last lines in the message and the log. Where a command of `before` fails, nothing is
    backed up.
    """


class RestoreError(VyaBackupDBError):
    """A restore failed after it had begun.

    Causes: statements that the server refused after the rows (an index, a trigger), no room on the
    target, a target that went away, a privilege that no check can see beforehand.

    Cure: the message says in which state the target is. Statements that were refused are in a file
    beside the backups: mend what they lack and run the same restore again, which tries only them; a
    target that is half loaded needs `--drop`.
    """

    exit_code = 21


class StatementFailed(RestoreError):
    """The server refused one statement, or went away while it ran.

    Causes: as above; the message has the server's words, and the statement's number, place and
    beginning.

    Cure: mend what the server names, and run the same restore again.
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
        """It was ended for a deadlock, and nothing since the last commit of its session stays."""
        self.connection_lost = connection_lost
        """The session is of no use any more."""


class MissingObject(StatementFailed):
    """What a statement grants on is not there.

    Causes: a database, table or routine that is restored after the users.

    Cure: none is needed where it is restored later: the grant waits for it, and `users restore` again
    makes what still waits.
    """


class VerificationError(VyaBackupDBError):
    """A file is damaged, or what was restored is not what was backed up.

    Causes: bytes that were changed or lost by a disk or a transfer, metadata beside another file than
    its own, a drill whose proofs failed, rows or objects that are missing after a restore.

    Cure: `vya-backupdb verify` says what of the backup is damaged and which tables are whole; `restore
    list` shows other backups. Make a new backup at once.
    """

    exit_code = 22


class DamagedArchive(VerificationError):
    """An archive is truncated, altered, or not what its manifest says.

    Causes: a copy that was cut short, a faulty disk or memory, a file that somebody edited.

    Cure: as above; what is whole can be taken with `restore --table` and `extract`.
    """


class StorageError(VyaBackupDBError):
    """The store is out of space, not writable, or not there.

    Causes: less room than `storage.min_free` and the expected size, a file system that is not mounted or
    read-only, a folder of another user, an output file that cannot be written.

    Cure: make room (`vya-backupdb prune`), mount it, or give the folder to the user that runs the
    command.
    """

    exit_code = 23


class ScratchError(VyaBackupDBError):
    """A throw-away server cannot be made, started or stopped.

    Causes: no server programs of a fitting version on this machine, root without a user that they can
    run as, no room or too long a path in `TMPDIR`.

    Cure: install the server's programs (no service is needed), or set `TMPDIR` to a folder with a short
    path and enough room.
    """

    exit_code = 12


class Refused(VyaBackupDBError):
    """What was asked for would harm something, or is ambiguous; nothing was changed.

    Causes: a target that is not empty, a file that exists, backups of several hosts that match, no
    backup that matches, owners that the target lacks, a question that nobody was there to answer or that
    was answered with no, users that differ on the target.

    Cure: the message names each fault and the option that allows it, as `--drop`, `--no-owner`,
    `--host`, `--force`, `--on-conflict`.
    """

    exit_code = 24
