"""Throw-away servers asked through their own clients and dump tools, never through the product."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from vya_backupdb.credentials.transport import secret_file
from vya_backupdb.scratch import ScratchServer

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}

_VOLATILE = re.compile(
    rb"^(?:\\(?:un)?restrict .*|-- (?:Dump completed|Host|Server version|MySQL dump|MariaDB dump).*"
    rb"|-- Dumped (?:from|by) .*|-- (?:Started|Completed) on .*)\n",
    re.MULTILINE,
)
_COPY = re.compile(rb"^(COPY [^\n]* FROM stdin;\n)(.*?)(^\\\.\n)", re.MULTILINE | re.DOTALL)
_ROLE_SETTINGS = re.compile(rb"(?:^ALTER ROLE [^\n]* IN DATABASE [^\n]*;\n)+", re.MULTILINE)


class ClientError(Exception):
    """A client ended with a status that is not 0."""


def run_sql(server: ScratchServer, sql: str | bytes, database: str | None = None) -> str:
    """Execute a script as the superuser, stop at the first error; give the rows, columns parted by tabs.

    Raises ClientError with the client's message.
    """
    script = sql.encode() if isinstance(sql, str) else sql
    if server.flavour == "postgresql":
        options = ("-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", "-")
        return _run(server, str(server.binaries.client), options, database or "postgres", script).decode()
    batch = ("--default-character-set=utf8mb4", "--batch", "--skip-column-names", "--raw", "--comments")
    return _run(server, str(server.binaries.client), batch, database, script).decode()


def plain_dump(server: ScratchServer, database: str, encoding: str = "UTF8") -> bytes:
    """Dump with the server's own tool, without what differs from one moment or server to the next.

    PostgreSQL's rows are sorted within each table, and the settings of roles in the database: COPY and
    pg_dump give them in physical order. `encoding` is PostgreSQL's.
    """
    if server.flavour == "postgresql":
        dumped = _run(server, str(server.binaries.dump), ("--create", f"--encoding={encoding}"), database)
        return _ROLE_SETTINGS.sub(_sorted_lines, _COPY.sub(_sorted, _VOLATILE.sub(b"", dumped)))
    options: tuple[str, ...] = (
        "--default-character-set=utf8mb4",
        "--single-transaction",
        "--hex-blob",
        "--routines",
        "--events",
        "--triggers",
        "--no-tablespaces",
        "--skip-dump-date",
        "--skip-extended-insert",
    )
    if server.flavour == "mysql":
        options += ("--set-gtid-purged=OFF",)
    elif server.binaries.version_number >= (10, 11):
        options += ("--dump-history",)
    return _VOLATILE.sub(b"", _run(server, str(server.binaries.dump), options, database))


def raw_dump(server: ScratchServer, database: str) -> bytes:
    """Dump as an administrator does who gives the tool no options."""
    return _run(server, str(server.binaries.dump), (), database)


def create_database(server: ScratchServer, database: str) -> None:
    """Create an empty database; UTF-8 on every flavour."""
    run_sql(server, f"CREATE DATABASE {quoted(server, database)}")


def drop_database(server: ScratchServer, database: str) -> None:
    """Drop a database if it is there, also with sessions in it, and a template."""
    if server.flavour != "postgresql":
        run_sql(server, f"DROP DATABASE IF EXISTS {quoted(server, database)}")
        return
    run_sql(server, f"UPDATE pg_database SET datistemplate = false WHERE datname = {literal(database)}")
    run_sql(server, f"DROP DATABASE IF EXISTS {quoted(server, database)} WITH (FORCE)")


def quoted(server: ScratchServer, name: str) -> str:
    """Quote an identifier."""
    mark = '"' if server.flavour == "postgresql" else "`"
    return mark + name.replace(mark, mark * 2) + mark


def literal(text: str) -> str:
    """Quote a string without backslashes; the same on every flavour."""
    return "'" + text.replace("'", "''") + "'"


def _run(
    server: ScratchServer, tool: str, options: tuple[str, ...], database: str | None, script: bytes = b""
) -> bytes:
    with _login(server) as (first, environment, descriptor):
        argv = [tool, *first, *options]
        if server.flavour == "postgresql":
            escaped = (database or "").replace("\\", "\\\\").replace("'", "\\'")
            argv += ["-d", f"dbname='{escaped}'"]
        elif database is not None:
            argv += ["--", database]
        done = subprocess.run(
            argv, input=script, capture_output=True, env=environment, pass_fds=(descriptor,), check=False
        )
    if done.returncode != 0:
        raise ClientError(
            f"{tool} ended with status {done.returncode}: {done.stderr.decode(errors='replace')}"
        )
    return done.stdout


@contextmanager
def _login(server: ScratchServer) -> Iterator[tuple[tuple[str, ...], dict[str, str], int]]:
    """Give the options that must come first, the environment, and a descriptor to pass on."""
    if server.flavour == "postgresql":
        content = f"*:*:*:*:{server.password}\n"
        with secret_file(content.encode()) as secret:
            yield (
                ("-h", server.host, "-p", str(server.port), "-U", server.superuser),
                {**_ENVIRONMENT, "PGPASSFILE": secret.path},
                secret.fd,
            )
        return
    content = (
        f'[client]\nuser={server.superuser}\npassword="{server.password}"\n'
        f"host={server.host}\nport={server.port}\nprotocol=tcp\n"
    )
    if server.flavour == "mariadb":
        content += "ssl-verify-server-cert=0\n"  # from 11.4 on a server without TLS is refused otherwise
    with secret_file(content.encode()) as secret:
        yield (f"--defaults-file={secret.path}",), _ENVIRONMENT, secret.fd


def _sorted_lines(block: re.Match[bytes]) -> bytes:
    return b"".join(sorted(block[0].splitlines(keepends=True)))


def _sorted(block: re.Match[bytes]) -> bytes:
    return block[1] + b"".join(sorted(block[2].splitlines(keepends=True))) + block[3]
