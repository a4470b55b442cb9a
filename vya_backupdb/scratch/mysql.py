"""Throw-away MySQL and MariaDB servers."""

from __future__ import annotations

import os
import signal
import socket as sockets
from pathlib import Path

from vya_backupdb.scratch.binaries import Binaries
from vya_backupdb.scratch.flavour import NotReadyError, Settings, Site
from vya_backupdb.scratch.process import Order, prepare

_COMMON: dict[str, str | int] = {
    "bind-address": "127.0.0.1",
    "innodb-buffer-pool-size": "64M",
    "innodb-fast-shutdown": 2,
    "innodb-doublewrite": 0,
    "innodb-flush-log-at-trx-commit": 0,
    "sync-binlog": 0,
}
"""Quick, and no safer than a throw-away server needs; all else is as the server's makers ship it."""

_OWN: dict[str, dict[str, str | int]] = {
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
        first.write_text(
            "SET SESSION sql_log_bin = 0;\n"
            f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{site.password}';\n"  # letters and digits only
        )
        first.chmod(0o644)  # in a folder that nobody else may enter
        temporary = site.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        temporary.chmod(0o700)
        if site.account is not None:
            os.chown(temporary, site.account.uid, site.account.gid)
        options: dict[str, str | int] = {
            **_COMMON,
            **_OWN[site.binaries.flavour],
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
        options.touch(mode=0o600)
        options.write_text(
            f"[client]\nuser={self.superuser}\npassword={site.password}\nsocket={self.socket(site)}\n"
        )
        return (str(site.binaries.client), f"--defaults-file={options}")

    def answer(self, site: Site) -> None:
        """Log in by the socket and by TCP; the password is set by then (`init-file`)."""
        import pymysql

        try:
            self._log_in(site, sockets.AF_UNIX, str(self.socket(site)))
            self._log_in(site, sockets.AF_INET, ("127.0.0.1", site.port))
        except (OSError, pymysql.Error) as error:
            raise NotReadyError(str(error)) from error
        (site.folder / "first.sql").unlink(missing_ok=True)

    def _log_in(self, site: Site, family: int, address: str | tuple[str, int]) -> None:
        import pymysql

        with sockets.socket(family) as link:  # PyMySQL would leave its own open when a connect fails
            link.settimeout(10)
            link.connect(address)
            connection = pymysql.connect(user=self.superuser, password=site.password, defer_connect=True)
            connection.connect(link)
            connection.close()


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
