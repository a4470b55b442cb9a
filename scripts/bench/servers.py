"""The servers under measurement, and the commands that are compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.bench.data import INDEXES, SHARES, TABLES, rows
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import ScratchServer

DATABASE = "bench"


class Bench:
    """One engine under measurement: two servers, their own tools, and this program's configuration."""

    def __init__(self, server: ScratchServer, target: ScratchServer, folder: Path) -> None:
        self.server, self.target, self.folder = server, target, folder
        self.tools = server.binaries
        self.mysql = server.flavour != "postgresql"

    # -------------------------------------------------------------- the tools of the servers

    def _login(self, server: ScratchServer) -> list[str]:
        if self.mysql:
            name = self.folder / f"{server.port}.cnf"
            name.write_text(
                f'[client]\nuser={server.superuser}\npassword="{server.password}"\nsocket={server.socket}\n'
            )
            name.chmod(0o600)
            return [f"--defaults-file={name}"]
        return [
            f"--dbname=host={server.host} port={server.port} user={server.superuser} "
            f"password={server.password} dbname=%s"
        ]

    def dump_command(self, database: str = DATABASE) -> list[str]:
        if not self.mysql:
            return [str(self.tools.dump), self._login(self.server)[0] % database]
        gtid = [] if self.server.flavour == "mariadb" else ["--set-gtid-purged=OFF"]
        options = "--single-transaction --quick --hex-blob --routines --events --triggers --no-tablespaces"
        return [
            *(str(self.tools.dump), *self._login(self.server), *options.split()),
            *("--max-allowed-packet=1G", *gtid, database),
        ]

    def client_command(self, server: ScratchServer, database: str | None) -> list[str]:
        if not self.mysql:
            return [
                str(self.tools.client), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1",
                self._login(server)[0] % (database or "postgres"),
            ]  # fmt: skip
        return [
            str(self.tools.client),
            *self._login(server),
            "--local-infile=1",
            *([database] if database else []),
        ]

    def sql(self, server: ScratchServer, text: str, database: str | None = DATABASE) -> None:
        subprocess.run(
            self.client_command(server, database), input=text.encode(), check=True, capture_output=True
        )

    # -------------------------------------------------------------- data

    def load(self, size: int, database: str = DATABASE) -> None:
        """Fill a database of the source with about `size` bytes of values."""
        self.sql(self.server, f"create database {database}", None)
        binary = "mediumblob" if self.mysql else "bytea"
        for name, columns in TABLES.items():
            self.sql(self.server, f"create table {name} ({columns.format(binary=binary)})", database)
            share, width = SHARES[name]
            self._load_table(database, name, rows(name, int(size * share / width)))
        for index in INDEXES:
            self.sql(self.server, index, database)

    def _load_table(self, database: str, name: str, lines: Iterator[str]) -> None:
        """Load through a file: what this process held would count as the memory of those that it starts."""
        data = self.folder / f"{name}.tsv"
        with data.open("w") as file:
            if self.mysql:
                file.writelines(lines)
            else:
                file.write(f"copy {name} from stdin;\n")
                file.writelines(
                    lines if name != "files" else (line.replace("\t", "\t\\\\x") for line in lines)
                )
                file.write("\\.\n")
        if self.mysql:
            into = "(id, @hex) set content = unhex(@hex)" if name == "files" else ""
            self.sql(
                self.server,
                f"load data local infile '{data}' into table {name} character set utf8mb4 {into}",
                database,
            )
        else:
            with data.open("rb") as file:
                subprocess.run(self.client_command(self.server, database), stdin=file, check=True)
        data.unlink()

    # -------------------------------------------------------------- our program

    def _place(self, server: ScratchServer) -> dict[str, object]:
        """Give where the bare tools connect to, too: TLS, which MySQL's use by themselves over TCP, costs."""
        if self.mysql:
            return {"socket": str(server.socket)}
        return {"host": server.host, "port": server.port}

    def write_config(self) -> Path:
        engine = "mysql" if self.mysql else "postgresql"
        instances = [
            {"id": name, "engine": engine, "dump": {"tool": str(self.tools.dump)}} | self._place(server)
            for name, server in (("source", self.server), ("target", self.target))
        ]
        config = self.folder / "config.yaml"
        key = self.folder / "key"
        config.write_text(
            json.dumps(
                {
                    "instances": instances,
                    "storage": {"path": str(self.folder / "store"), "min_free": "1%"},
                    "credentials": {"file": str(self.folder / "credentials.json"), "key": {"file": str(key)}},
                    "logging": {"level": "warning"},
                }
            )
        )
        plain = self.folder / "plain.json"
        plain.write_text(
            json.dumps(
                {
                    name: {"username": server.superuser, "password": server.password}
                    for name, server in (("source", self.server), ("target", self.target))
                }
            )
        )
        self._ours(config, "credentials", "keygen")
        encrypted = str(self.folder / "credentials.json")
        self._ours(config, "credentials", "encrypt", "--input", str(plain), "--output", encrypted, "--force")
        return config

    def ours(self, config: Path, *words: str) -> list[str]:
        return [sys.executable, "-m", "vya_backupdb", "--quiet", "--config", str(config), *words]

    def backup(self, config: Path, database: str = DATABASE, codec: str = "zstd") -> list[str]:
        named = ("--instance", "source", "--database", database)
        return self.ours(config, "backup", *named, "--compression", codec)

    def restore(self, config: Path, file: Path, jobs: int) -> list[str]:
        onto = ("--target-instance", "target", "--target-database", DATABASE)
        return self.ours(config, "restore", "--file", str(file), *onto, "--jobs", str(jobs), "--force")

    def newest_file(self) -> Path:
        """Give the backup that was made last."""
        return max((self.folder / "store").rglob("*.sql.zst"), key=lambda path: path.stat().st_mtime)

    def clean_target(self) -> None:
        self.sql(self.target, f"drop database if exists {DATABASE}", None)

    def _ours(self, config: Path, *words: str) -> None:
        subprocess.run(self.ours(config, *words), check=True, capture_output=True)


def settings(flavour: Flavour) -> dict[str, str]:
    if flavour == "postgresql":
        return {"shared_buffers": "512MB", "max_wal_size": "4GB"}
    return {"innodb_buffer_pool_size": "1G", "local_infile": "1", "max_allowed_packet": "256M"}
