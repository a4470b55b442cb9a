"""How a dump tool of PostgreSQL is started: connection string, password file, environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import make_conninfo

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.transport import secret_file
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.connection import NOWHERE, connection_string, password_file
from vya_backupdb.engines.postgresql.stderr import CURES
from vya_backupdb.model import DumpTool, Verdict
from vya_backupdb.streams.process import Command


@contextmanager
def command(
    tool: DumpTool,
    options: Sequence[str],
    instance: Instance,
    credential: Credential,
    database: str,
    *,
    judge: Callable[[str], Verdict],
    settings: str | None = None,
) -> Iterator[Command]:
    """Give the command of a tool that connects to a database; its password lives as long as the context.

    `settings` are for the session, as libpq's `options` takes them: a role's or database's own do not
    override them.
    """
    with secret_file(password_file(credential)) as secret:
        place = connection_string(
            instance,
            credential.username,
            database,
            passfile=secret.path if credential.password is not None else NOWHERE,
            application=f"vya-backupdb {Path(tool.path).name}",
            libpq=tool.version_number[0],
        )
        yield Command(
            argv=(tool.path, *options, f"--dbname={make_conninfo(place, options=settings)}"),
            # HOME: libpq 13 and 14 take the password database's, so every file in it is named as well
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": NOWHERE},
            judge=judge,
            pass_fds=(secret.fd,),
            cures=CURES,
        )
