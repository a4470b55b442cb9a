"""Throw-away MySQL and MariaDB servers."""

from __future__ import annotations

import os
import signal
import socket as sockets
from pathlib import Path

from vya_backupdb.scratch.binaries import Binaries
from vya_backupdb.scratch.flavour import NotReadyError, Settings, Site
from vya_backupdb.scratch.process import Order, prepare

COMMON: dict[str, str | int] = {
    "bind-address": "127.0.0.1",
    "innodb-buffer-pool-size": "64M",
    "innodb-fast-shutdown": 2,
    "innodb-doublewrite": 0,
    "innodb-flush-log-at-trx-commit": 0,
    "sync-binlog": 0,
}
"""Quick, and no safer than a throw-away server needs; all else is as the server's makers ship it."""

OWN: dict[str, dict[str, str | int]] = {
    "mysql": {"mysqlx": "OFF", "innodb-redo-log-capacity": "64M", "log-error-verbosity": 2},
    "mariadb": {"innodb-log-file-size": "64M", "lc-messages": "en_US"},
}
_SHARES = ("share/mysql", "share/mariadb", "share")
_PLUGINS = (
    "lib/mysql/plugin",
    "lib64/mysql/plugin",
    "lib/mariadb/plugin",
    "lib64/mariadb/plugin",
    "lib/plugin",
)


class _MySQLFamily:
    superuser = "root"
    port_taken = "Bind on TCP/IP port"

    def order(self, site: Site, settings: Settings) -> Order:
        first = site.folder / "first.sql"
        first.write_text(first_statements(site.password))
        first.chmod(0o644)  # in a folder that nobody else may enter
        temporary = site.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        temporary.chmod(0o700)
        if site.account is not None:
            os.chown(temporary, site.account.uid, site.account.gid)
        options: dict[str, str | int] = {
            **COMMON,
            **OWN[site.binaries.flavour],
            **{name.replace("_", "-"): value for name, value in settings.items()},
            "datadir": str(site.data),
            "socket": str(self.socket(site)),
            "port": site.port,
            "pid-file": str(site.folder / "server.pid"),
            "tmpdir": str(temporary),
            "secure-file-priv": str(temporary),  # what SQL reads and writes of files stays in here
            "init-file": str(first),
        }
        argv = (
            str(site.binaries.server),
            "--no-defaults",
            *_places(site.binaries),
            *(f"--{name}={value}" for name, value in options.items()),
        )
        return Order(argv, stop_signal=signal.SIGTERM, death_signal=signal.SIGKILL)

    def socket(self, site: Site) -> Path:
        return site.folder / "mysqld.sock"

    def client(self, site: Site) -> tuple[str, ...]:
        options = site.folder / "client.cnf"
        write_login(options, site.password, str(self.socket(site)))
        return (str(site.binaries.client), f"--defaults-file={options}")

    def answer(self, site: Site) -> None:
        """Log in by the socket and by TCP; the password is set by then (`init-file`)."""
        answers(site.password, self.socket(site), ("127.0.0.1", site.port))
        (site.folder / "first.sql").unlink(missing_ok=True)


class MariaDB(_MySQLFamily):
    """MariaDB, initialised by its own script."""

    def initialise(self, site: Site, data: Path) -> None:
        """Make a data folder as `mariadb-install-db` does, with a root account that has no password yet."""
        prepare(
            (
                str(site.binaries.client_folder / "mariadb-install-db"),
                "--no-defaults",
                f"--basedir={site.binaries.server.parent.parent}",
                f"--datadir={data}",
                f"--tmpdir={site.folder}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                "--innodb-log-file-size=16M",
                "--innodb-flush-method=nosync",
            ),
            site.folder,
            site.account,
        )


class MySQL(_MySQLFamily):
    """MySQL, which initialises itself."""

    def initialise(self, site: Site, data: Path) -> None:
        """Make a data folder with `mysqld --initialize-insecure`; each copy gets a server UUID of its own."""
        prepare(
            (
                str(site.binaries.server),
                "--no-defaults",
                "--initialize-insecure",
                *_places(site.binaries),
                f"--datadir={data}",
                f"--tmpdir={site.folder}",
                "--innodb-redo-log-capacity=64M",
                "--innodb-doublewrite=0",
            ),
            site.folder,
            site.account,
        )
        (data / "auto.cnf").unlink(missing_ok=True)


def _places(binaries: Binaries) -> tuple[str, ...]:
    """Say where the server's own files are; needed where it was unpacked elsewhere than it was built for."""
    base = binaries.server.parent.parent
    options = [f"--basedir={base}"]
    for share in (base / name for name in _SHARES):
        if (share / "charsets" / "Index.xml").is_file():
            options += [f"--lc-messages-dir={share}", f"--character-sets-dir={share / 'charsets'}"]
            break
    for plugins in (base / name for name in _PLUGINS):
        if plugins.is_dir():
            options.append(f"--plugin-dir={plugins}")
            break
    return tuple(options)


# ---------------------------------------------------------------------------- also for servers in containers


def first_statements(password: str) -> str:
    """Give what a new server executes first: the superuser gets a password of letters and digits."""
    return f"SET SESSION sql_log_bin = 0;\nALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n"


def write_login(path: Path, password: str, socket: str) -> None:
    """Write an option file with which the flavour's client logs in."""
    path.touch(mode=0o600)
    path.write_text(f"[client]\nuser={_MySQLFamily.superuser}\npassword={password}\nsocket={socket}\n")


def answers(password: str, *addresses: Path | tuple[str, int]) -> None:
    """Log in as the superuser, by sockets and by TCP. Raises NotReadyError where that is not possible yet."""
    import pymysql

    try:
        for address in addresses:
            _log_in(password, address)
    except (OSError, pymysql.Error) as error:
        raise NotReadyError(str(error)) from error


def _log_in(password: str, address: Path | tuple[str, int]) -> None:
    import pymysql

    family = sockets.AF_UNIX if isinstance(address, Path) else sockets.AF_INET
    with sockets.socket(family) as link:  # PyMySQL would leave its own open when a connect fails
        link.settimeout(10)
        link.connect(str(address) if isinstance(address, Path) else address)
        connection = pymysql.connect(user=_MySQLFamily.superuser, password=password, defer_connect=True)
        connection.connect(link)
        connection.close()
