"""What is run in a container of each flavour's official image, and how the server in it is reached.

The images' own entry points are passed over: they start the server twice and take passwords from the
environment. The programs are those of the image's PATH.
"""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Final, Protocol

from vya_backupdb.model import Flavour
from vya_backupdb.scratch import mysql, postgresql
from vya_backupdb.scratch.flavour import Settings

RUN: Final = "/run/vya-backupdb"
"""In the container: the folder that both sides see, for the socket, the log and what the server reads."""
DATA: Final = "/tmp/vya-backupdb"  # noqa: S108  # in the container: every image has it, open to every user
LOG: Final = "server.log"

_NAMES: Final[dict[Flavour, str]] = {"mysql": "mysql", "mariadb": "mariadb", "postgresql": "postgres"}

_SCRIPT: Final = f"""
exec 3<&0 >{RUN}/{LOG} 2>&1
mkdir -m 700 {DATA} || exit 1
{{initialise}} || exit 1
{{serve}} &
server=$!
trap 'kill -{{stop}} $server' TERM INT
(word=; read word <&3; [ "$word" = keep ] || kill -{{stop}} $server) &
while kill -0 $server 2>/dev/null; do wait $server; done
"""
"""A shell gives what it starts in the background no stdin, so that is kept as 3. Its end, or any word but
`keep`, ends the server."""


def image_of(flavour: Flavour, version: tuple[int, ...]) -> str:
    """Give the official image of a version's series: `mariadb:11.8`, `postgres:17`."""
    parts = version[:1] if flavour == "postgresql" else version[:2]
    return f"{_NAMES[flavour]}:{'.'.join(map(str, parts))}"


class Recipe(Protocol):
    """How a server of one flavour is made and reached in a container; `run` is RUN as we see it."""

    user: str
    """Of the image."""
    superuser: str
    port: int
    """As PostgreSQL's socket is named by."""

    def script(self, run: Path, password: str, settings: Settings) -> str:
        """Give the shell script that makes and runs the server, with what it reads written into `run`."""
        ...

    def socket(self, run: Path) -> Path:
        """Give the path by which clients reach the socket."""
        ...

    def client(self, run: Path, password: str) -> tuple[str, ...]:
        """Give the command that logs in from within the container."""
        ...

    def answer(self, run: Path, password: str) -> None:
        """Log in as the superuser. Raises NotReadyError while the server does not answer."""
        ...


class _MySQLFamily:
    user = "mysql"
    superuser = "root"
    port = 0
    _flavour: Flavour

    def __init__(self, flavour: Flavour, initialise: tuple[str, ...], server: str, client: str) -> None:
        self._flavour = flavour
        self._initialise = initialise
        self._server = server
        self._client = client

    def script(self, run: Path, password: str, settings: Settings) -> str:
        (run / "first.sql").write_text(mysql.first_statements(password))
        options = {
            **mysql.COMMON,
            **mysql.OWN[self._flavour],
            **settings,
            "datadir": DATA,
            "socket": f"{RUN}/mysqld.sock",
            "secure-file-priv": "/tmp",  # noqa: S108  # its own
            "init-file": f"{RUN}/first.sql",
            "skip-networking": "ON",
        }
        return _SCRIPT.format(
            initialise=shlex.join((*self._initialise, f"--datadir={DATA}")),
            serve=shlex.join(
                (self._server, "--no-defaults", *(f"--{name}={value}" for name, value in options.items()))
            ),
            stop="TERM",
        )

    def socket(self, run: Path) -> Path:
        return run / "mysqld.sock"

    def client(self, run: Path, password: str) -> tuple[str, ...]:
        mysql.write_login(run / "client.cnf", password, f"{RUN}/mysqld.sock")
        (run / "client.cnf").chmod(0o644)  # for the image's user; the folder above is ours alone
        return (self._client, f"--defaults-file={RUN}/client.cnf")

    def answer(self, run: Path, password: str) -> None:
        mysql.answers(password, self.socket(run))
        (run / "first.sql").unlink(missing_ok=True)


class _PostgreSQL:
    user = "postgres"
    superuser = "postgres"
    port = 5432

    def script(self, run: Path, password: str, settings: Settings) -> str:
        options = {
            **postgresql.OWN,
            **settings,
            "listen_addresses": "",
            "unix_socket_directories": RUN,
            "port": self.port,
        }
        parts = (part for name, value in options.items() for part in ("-c", f"{name}={value}"))
        return _SCRIPT.format(
            initialise=shlex.join(("initdb", *postgresql.initialising(DATA))),
            serve=shlex.join(("postgres", "-D", DATA, *parts)),
            stop=signal.SIGINT.name.removeprefix("SIG"),
        )

    def socket(self, run: Path) -> Path:
        return run

    def client(self, run: Path, password: str) -> tuple[str, ...]:
        return ("psql", f"--host={RUN}", f"--port={self.port}", f"--username={self.superuser}", "postgres")

    def answer(self, run: Path, password: str) -> None:
        postgresql.set_password(run, self.port, password)


RECIPES: Final[dict[Flavour, Recipe]] = {
    "mysql": _MySQLFamily("mysql", ("mysqld", "--no-defaults", "--initialize-insecure"), "mysqld", "mysql"),
    "mariadb": _MySQLFamily(
        "mariadb",
        (
            "mariadb-install-db",
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--force",  # without a network no name is found
        ),
        "mariadbd",
        "mariadb",
    ),
    "postgresql": _PostgreSQL(),
}
