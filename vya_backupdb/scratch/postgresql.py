"""Throw-away PostgreSQL servers."""

from __future__ import annotations

import signal
from pathlib import Path

from vya_backupdb.scratch.flavour import NotReadyError, Settings, Site
from vya_backupdb.scratch.process import Order, prepare

OWN: dict[str, str | int] = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Quick, and no safer than a throw-away server needs; all else is as initdb leaves it."""


class PostgreSQL:
    """PostgreSQL with locale C.UTF-8; scram by TCP, trust by the socket in the private folder."""

    superuser = "postgres"
    port_taken = "could not create any TCP/IP sockets"

    def initialise(self, site: Site, data: Path) -> None:
        """Make a cluster with initdb; by TCP nobody gets in until `answer` has set the password."""
        prepare(
            (str(site.binaries.server.parent / "initdb"), *initialising(str(data))),
            site.folder,
            site.account,
        )

    def order(self, site: Site, settings: Settings) -> Order:
        """Run `postgres` itself, not pg_ctl: the supervisor must be its parent."""
        options = {**OWN, **settings, "port": site.port, "unix_socket_directories": str(site.folder)}
        argv = (
            str(site.binaries.server),
            "-D",
            str(site.data),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        )
        return Order(argv, stop_signal=signal.SIGINT, death_signal=signal.SIGQUIT)

    def socket(self, site: Site) -> Path:
        """Give the folder of the socket, which is what libpq takes as host."""
        return site.folder

    def client(self, site: Site) -> tuple[str, ...]:
        """Give psql by the socket, which asks for no password."""
        place = (f"--host={site.folder}", f"--port={site.port}", f"--username={self.superuser}")
        return (str(site.binaries.client), *place, "postgres")

    def answer(self, site: Site) -> None:
        """Set the superuser's password through the socket, then log in with it by TCP."""
        import psycopg

        set_password(site.folder, site.port, site.password)
        login = f"user={self.superuser} dbname=postgres port={site.port} connect_timeout=5"
        try:
            psycopg.connect(login, host="127.0.0.1", password=site.password).close()
        except psycopg.Error as error:
            raise NotReadyError(str(error)) from error


# ---------------------------------------------------------------------------- also for servers in containers


def initialising(data: str) -> tuple[str, ...]:
    """Give the options of initdb; by TCP nobody gets in before there is a password."""
    return (
        f"--pgdata={data}",
        f"--username={PostgreSQL.superuser}",
        "--locale=C.UTF-8",
        "--encoding=UTF8",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--no-sync",
        "--no-instructions",
    )


def set_password(folder: Path, port: int, password: str) -> None:
    """Give the superuser a password, by the socket. Raises NotReadyError while nobody answers there."""
    import psycopg
    from psycopg import sql

    login = f"user={PostgreSQL.superuser} dbname=postgres port={port} connect_timeout=5"
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
        sql.Identifier(PostgreSQL.superuser), sql.Literal(password)
    )
    try:
        with psycopg.connect(login, host=str(folder), autocommit=True) as connection:
            connection.execute(statement)
    except psycopg.Error as error:
        raise NotReadyError(str(error)) from error
