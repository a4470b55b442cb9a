"""Files that only their owner may read: checked when they are read, written in one step."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import secrets
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vya_backupdb.errors import CredentialsError

_LARGEST = 4 << 20


def read_private(path: Path, environment: Mapping[str, str] = os.environ) -> bytes:
    """Read a file that is the running user's alone, or lies in the folder of systemd's credentials.

    Raises CredentialsError with the command that mends it.
    """
    try:
        # without O_NONBLOCK a named pipe that nobody writes to would hold us for ever
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
        descriptor = os.open(path, flags)
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        _check(path, os.fstat(descriptor), systemd=_is_systemd_credential(path, environment))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(raw) > _LARGEST:
        raise CredentialsError(f"{path}: larger than {_LARGEST >> 20} MiB", cure="name the right file")
    return raw


def _unreadable(path: Path, error: OSError) -> CredentialsError:
    if error.errno == errno.ELOOP:
        return CredentialsError(f"{path}: a symbolic link", cure="name the file itself")
    if error.errno == errno.EACCES:
        return CredentialsError(
            f"{path}: the user {_user(os.geteuid())} may not read it", cure=_command("chown", path)
        )
    return CredentialsError(f"{path}: {error.strerror or error}")


def _check(path: Path, status: os.stat_result, *, systemd: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CredentialsError(f"{path}: not an ordinary file", cure="name the file itself")
    mode = stat.S_IMODE(status.st_mode)
    if systemd:
        # systemd 254 and later lets the service's user in by an ACL, whose mask shows as the group's bits
        if mode & 0o007:
            raise CredentialsError(
                f"{path}: open to everyone (mode {mode:04o})", cure=_command("chmod", path)
            )
        return
    if status.st_uid != os.geteuid():
        owner, user = _user(status.st_uid), _user(os.geteuid())
        raise CredentialsError(f"{path}: belongs to {owner}, not to {user}", cure=_command("chown", path))
    if mode & 0o077:
        raise CredentialsError(f"{path}: open to others (mode {mode:04o})", cure=_command("chmod", path))


def _command(name: str, path: Path) -> str:
    argument = {"chmod": "600", "chown": _user(os.geteuid())}[name]
    return f"mend it with: {name} {argument} {shlex.quote(str(path))}"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_systemd_credential(path: Path, environment: Mapping[str, str]) -> bool:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.absolute().parent == Path(str(folder)).absolute()


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file of mode 0600 in one step: it is there whole, or as it was before.

    Its folder is made (0700) where absent. What root replaces stays its owner's. Raises CredentialsError,
    also where the file is there and `replace` is False.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not replace and os.path.lexists(path):
            raise CredentialsError(f"{path}: is there already")
        descriptor = os.open(partial, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                _give_to_owner_of(path, descriptor)
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be written: {error.strerror or error}") from None


def _give_to_owner_of(path: Path, descriptor: int) -> None:
    """As root, so that a service which reads the file as another user goes on doing so."""
    if os.geteuid() != 0 or not os.path.lexists(path):
        return
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Keep other runs from changing files of the same folder at the same time; they wait."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CredentialsError(f"{path.parent}: {error.strerror or error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
