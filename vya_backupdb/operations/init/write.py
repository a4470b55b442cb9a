"""Writing the first configuration, and what is to be done then."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vya_backupdb.catalog.publish import make_folder, replace_file
from vya_backupdb.config.load import config_of, find_config
from vya_backupdb.engines.account import BackupAccount
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import ConfigurationError, StorageError
from vya_backupdb.operations.init.document import Chosen, document
from vya_backupdb.operations.init.home import SERVICE_KEY, Home


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and what it is for."""

    command: str
    why: str


def write_config(path: Path, chosen: Sequence[Chosen], home: Home) -> None:
    """Write the configuration; whatever is there is replaced. Raises StorageError.

    It is 0600, or 0640 where services of another user read it.
    """
    text = document(chosen, home)
    config_of(text, path)  # raises where we are wrong, before anything is written
    folder = path.absolute().parent
    is_new = not folder.exists()
    make_folder(folder)
    replace_file(path, text.encode(), 0o600)
    if home.group is not None:
        if is_new:
            _let_read(folder, home.group, 0o750)
        _let_read(path, home.group, 0o640)


def _let_read(path: Path, group: int, mode: int) -> None:
    try:
        os.chown(path, -1, group)
        path.chmod(mode)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from None


def accounts(chosen: Chosen, name: str, home: Home) -> tuple[BackupAccount, ...]:
    """Give the SQL of the accounts that it can be backed up with, the best first."""
    server, engine = chosen.server, engine_named(chosen.server.place.engine)
    with_password = engine.backup_account(
        server.greeting,
        name,
        login="password",
        client="localhost" if server.place.socket is not None else server.client,
    )
    if server.place.socket is None or name != home.user:
        return (with_password,)
    by_socket = engine.backup_account(server.greeting, name, login="socket", client="localhost")
    return by_socket, with_password


def next_steps(path: Path, chosen: Sequence[Chosen], name: str, home: Home) -> Iterator[Step]:
    """Give what is to be done, in order, after the accounts were made."""
    program = "vya-backupdb"
    if not _is_found(path):
        program += f" --config {_quoted(path)}"
    folder = path.absolute().parent
    if home.service:
        yield Step(f"export CREDENTIALS_DIRECTORY={_quoted(folder)}", "as systemd does for the services")
        key = _quoted(folder / SERVICE_KEY)
        yield Step(f"{program} credentials keygen --output {key}", "keep a copy elsewhere")
    else:
        yield Step(f"{program} credentials keygen", "keep a copy elsewhere")
    for one in chosen:
        command = f"{program} credentials set {one.id} --username {shlex.quote(name)}"
        if accounts(one, name, home)[0].login == "socket":
            yield Step(f"{command} --no-password", "without that, if it has a password")
        else:
            yield Step(command, "asks for the password")
    if home.service:
        yield Step(f"chown {home.user}: {_quoted(folder / 'credentials.json')}", "the services read it")
        for one in chosen:
            yield Step(f"systemctl start vya-backupdb-backup@{one.id}.service", "makes a backup")
        yield Step("systemctl enable --now vya-backupdb-backup@ID.timer", "every night; docs/deployment.md")
        return
    yield Step(f"{program} config test-connections", "shows which privileges are missing")
    yield Step(f"{program} backup --all --dry-run", "shows what would be done")
    yield Step(f"{program} backup --all", "every night: by a timer, docs/deployment.md")


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _is_found(path: Path) -> bool:
    """Whether commands find it without being told."""
    with suppress(ConfigurationError, OSError):
        return find_config().absolute() == path.absolute()
    return False
