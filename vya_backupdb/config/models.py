"""The configuration as frozen models; `load` fills them.

A rule over several keys is a validator of the last of them and looks at those above it (`info.data`),
so that one run finds every fault.
"""

from __future__ import annotations

import re
import shutil
import socket as sockets
from collections.abc import Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from vya_backupdb.config.base import Model, refuse
from vya_backupdb.config.keeping import Health, Retention
from vya_backupdb.config.notices import Hooks, Notify
from vya_backupdb.config.quantities import Size
from vya_backupdb.config.tables import TablePatternList
from vya_backupdb.config.values import (
    ConfigPath,
    DataSize,
    Duration,
    FolderName,
    Host,
    Identifier,
    Jobs,
    Port,
    QueryList,
    Text,
    TextList,
)
from vya_backupdb.errors import ConfigurationError

LEVELS = {"zstd": (1, 19), "gzip": (1, 9)}
"""The lowest and the highest level of each codec, as streams.codec has them."""


# ---------------------------------------------------------------------------- instances


class Tls(Model):
    """How a TCP connection is protected."""

    mode: Literal["disable", "require", "verify-ca", "verify-full"] = "require"
    """What is asked of the server: nothing, encryption, a certificate, one for the name of `host`."""
    ca: ConfigPath | None = None
    """Who signed the server's certificate; null: the system's own certification authorities."""
    cert: ConfigPath | None = None
    """The client's certificate; needs `key`."""
    key: Annotated[ConfigPath | None, Field(validate_default=True)] = None
    """The key of the client's certificate; needs `cert`."""

    @field_validator("ca", "cert")
    @classmethod
    def _has_effect(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("mode") == "disable":
            raise refuse("without effect where `mode` is disable")
        return value

    @field_validator("key")
    @classmethod
    def _pair(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "cert" in info.data and (value is None) != (info.data["cert"] is None):
            raise refuse("`cert` and `key` need each other")
        return value


def is_pattern(name: str) -> bool:
    """Whether a name of the configuration may mean several."""
    return any(character in name for character in "*?[")


class Patterns(Model):
    """Which databases: shell patterns (`*`, `?`, `[abc]`) of names. The server's own are never among them."""

    include: TextList = ("*",)
    """Those taken."""
    exclude: TextList = ()
    """Of these, those left out."""

    def take(self, name: str) -> bool:
        """Whether the include patterns take a name and the exclude patterns leave it in."""
        is_taken = any(fnmatchcase(name, pattern) for pattern in self.include)
        return is_taken and not any(fnmatchcase(name, pattern) for pattern in self.exclude)


class Tables(Model):
    """What of its tables a backup leaves out, as shell patterns.

    PostgreSQL: `DATABASE.SCHEMA.TABLE`, too. A dot in a name is `[.]`.
    """

    exclude: TablePatternList = ()
    """Tables and views that are left out altogether."""
    exclude_rows: TablePatternList = ()
    """Tables whose rows are left out; their definition stays."""


class Dump(Model):
    """How the dump tool is run and watched."""

    tool: ConfigPath | None = None
    """Another mysqldump, mariadb-dump or pg_dump; null: one that fits is looked for."""
    stall_timeout: Duration = timedelta(minutes=5)
    """No output for so long: the tool is ended, and the backup has failed."""
    timeout: Duration | None = timedelta(hours=6)
    """The longest dump of one database; null: no limit."""
    extra_options: TextList = ()
    """Options beyond our own; few are allowed, as they can lose data."""

    @field_validator("extra_options")
    @classmethod
    def _are_options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not re.match(r"--[a-z]", text) for text in value):
            raise refuse("each option begins with two dashes: --name or --name=value")
        return value


class Users(Model):
    """Which users and roles are backed up: all but the server's own."""

    exclude: TextList = ()
    """Patterns of their names, as in `tmp_*`; MySQL, MariaDB: also with the host, as in `*@10.%`."""

    def take(self, *names: str) -> bool:
        """Whether no pattern leaves out an account that is known under these names."""
        return not any(fnmatchcase(name, pattern) for name in names for pattern in self.exclude)


class Instance(Model):
    """One server. Either `host` or `socket` is set."""

    id: Identifier
    """Its name on the command line and of its folder in the store; unique."""
    engine: Literal["mysql", "postgresql"]
    """`mariadb` means `mysql`: which of the two it is, is read from the server."""
    host: Host | None = None
    """Where it listens; this or `socket`."""
    socket: Annotated[ConfigPath | None, Field(validate_default=True)] = None
    """MySQL, MariaDB: the socket; PostgreSQL: the folder that it lies in."""
    port: Port | None = None
    """null: 3306 for MySQL and MariaDB, 5432 for PostgreSQL, whose sockets have it in their names."""
    tls: Tls | None = None
    """null: encrypted where the server offers it, nothing verified."""
    maintenance_database: Text = "postgres"
    """PostgreSQL only: where to connect to see what databases there are."""
    databases: Patterns = Patterns()
    """Which databases are backed up."""
    tables: Tables = Tables()
    """What of their tables is left out."""
    users: Users = Users()
    """Which users and roles are backed up."""
    jobs: Jobs = 2
    """Connections that load rows at the same time in a restore."""
    broken_views: Literal["fail", "skip"] = "fail"
    """MySQL, MariaDB only: views that cannot be read any more make the backup fail, or are left out, named,
    and their definitions kept in the metadata."""
    allow_partial: bool = False
    """Missing privileges are warnings: what the account cannot see is not in the backup."""
    lock_wait: Duration = timedelta(seconds=60)
    """The longest wait for a lock on the server."""
    dump: Dump = Dump()
    """How the dump tool is run and watched."""
    checks: dict[Text, QueryList] = Field(default_factory=dict)
    """What a drill asks of a database, by its name: queries that must each give one row, whose first column
    is true."""
    max_age: Duration = timedelta(hours=26)
    """Above that age of the last good backup of a database, `health` is critical."""

    @field_validator("engine", mode="before")
    @classmethod
    def _alias(cls, value: object) -> object:
        if isinstance(value, str) and value not in ("mysql", "mariadb", "postgresql"):
            raise refuse("must be mysql, mariadb or postgresql")
        return "mysql" if value == "mariadb" else value

    @field_validator("socket")
    @classmethod
    def _host_or_socket(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "host" in info.data and (value is None) == (info.data["host"] is None):
            raise refuse("either `host` or `socket` is needed" + (", not both" if value else ""))
        return value

    @field_validator("port")
    @classmethod
    def _port_has_effect(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("socket") and info.data.get("engine") == "mysql":
            raise refuse("without effect with a `socket`")
        return value

    @field_validator("tls")
    @classmethod
    def _tls_has_effect(cls, value: Tls | None, info: ValidationInfo) -> Tls | None:
        if value is not None and info.data.get("socket"):
            raise refuse("without effect with a `socket`")
        return value

    @field_validator("maintenance_database")
    @classmethod
    def _is_for_postgresql(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("engine") == "mysql":
            raise refuse("only for PostgreSQL")
        return value

    @field_validator("tables")
    @classmethod
    def _have_no_schemas(cls, value: Tables, info: ValidationInfo) -> Tables:
        schemas = [str(pattern) for pattern in (*value.exclude, *value.exclude_rows) if pattern.schema]
        if schemas and info.data.get("engine") == "mysql":
            raise refuse(f"{schemas[0]}: three parts are for PostgreSQL (a dot in a name is [.])")
        return value

    @field_validator("broken_views")
    @classmethod
    def _is_for_mysql(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("engine") == "postgresql":
            raise refuse("only for MySQL and MariaDB")
        return value

    @model_serializer(mode="wrap")
    def _own_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        shown: dict[str, Any] = handler(self)
        if self.engine == "mysql":
            shown.pop("maintenance_database", None)
        else:
            shown.pop("broken_views", None)
        return shown


# ---------------------------------------------------------------------------- the rest


class Storage(Model):
    """Where backups are kept."""

    path: ConfigPath = Path("/var/backups/vya-backupdb")
    """The folder; backups lie in `HOST/INSTANCE/DATABASE/DATE` below it."""
    hostname: FolderName = Field(default_factory=sockets.gethostname)
    """The name of this machine's folder; null, and by default: the machine's own name."""
    min_free: DataSize = Size(percent=10)
    """What is kept free of the file system: no backup begins or goes on below it."""

    @field_validator("hostname", mode="before")
    @classmethod
    def _own_name(cls, value: object) -> object:
        return sockets.gethostname() if value is None else value

    def reserve(self) -> int:
        """Give `min_free` in bytes, for the file system that `path` lies on or will lie on."""
        folder = next((f for f in (self.path, *self.path.absolute().parents) if f.exists()), Path("/"))
        return self.min_free.of(shutil.disk_usage(folder).total)


class Compression(Model):
    """How backups are compressed."""

    codec: Literal["zstd", "gzip", "none"] = "zstd"
    """How the files are compressed."""
    level: Annotated[int | None, Field(strict=True)] = None
    """zstd has 1 to 19, gzip 1 to 9; null: 3 for zstd, 2 for gzip."""

    @field_validator("level")
    @classmethod
    def _exists(cls, value: int | None, info: ValidationInfo) -> int | None:
        codec = info.data.get("codec")
        if value is None or codec is None:
            return value
        if codec not in LEVELS:
            raise refuse(f"without effect where `codec` is {codec}")
        lowest, highest = LEVELS[codec]
        if not lowest <= value <= highest:
            raise refuse(f"{codec} has the levels {lowest} to {highest}")
        return value


class Key(Model):
    """Where the key of the credentials file comes from: one of these, or `hostname` in place of the section.

    One that is made from the host name is useless on another machine, and no help against who knows it.
    """

    file: ConfigPath | None = None
    """A key file, as `vya-backupdb credentials keygen` makes it."""
    env: Text | None = None
    """The environment variable that holds the key."""
    systemd: Text | None = None
    """The credential of the systemd unit (`LoadCredential=`) that holds the key."""

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        if value == "hostname":
            return {}
        if not isinstance(value, dict) or sum(part is not None for part in value.values()) > 1:
            raise refuse("write hostname, {file: PATH}, {env: NAME} or {systemd: NAME}")
        return value

    @field_validator("systemd")
    @classmethod
    def _is_name(cls, value: str | None) -> str | None:
        if value is not None and (not re.fullmatch(r"[^/]{1,255}", value) or value in (".", "..")):
            raise refuse("the name of a credential is not a path")
        return value

    @model_serializer(mode="plain")
    def _as_written(self) -> str | dict[str, str]:
        given = {"file": self.file, "env": self.env, "systemd": self.systemd}
        return {name: str(value) for name, value in given.items() if value is not None} or "hostname"


class Credentials(Model):
    """Where the encrypted credentials are."""

    file: Annotated[ConfigPath, Field(validate_default=True)] = Path(".secrets/credentials.json")
    """The encrypted file, as `vya-backupdb credentials encrypt` or `set` makes it; mode 0600."""
    key: Key = Key()
    """Where its key comes from; by default from the host name."""


class Logging(Model):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged: this and what is graver; `--verbose` and `--quiet` change it."""
    format: Literal["console", "json", "journald"] = "console"
    """Lines to stderr, for people or as JSON, or entries of the system's journal with facts as fields."""
    file: ConfigPath | None = None
    """Appended to, besides stderr or the journal; null: none."""


class Config(Model):
    """The whole configuration."""

    instances: tuple[Instance, ...]
    """The servers; at least one."""
    storage: Storage = Field(default_factory=Storage)
    """Where backups are kept."""
    compression: Compression = Compression()
    """How they are compressed."""
    retention: Retention | None = None
    """Which of them stay; null: nothing is ever deleted."""
    health: Health = Health()
    """What `health` warns of."""
    hooks: Hooks = Hooks()
    """What is run around backups."""
    notify: Notify = Notify()
    """Who is told how it went."""
    credentials: Credentials = Field(default_factory=dict, validate_default=True)
    """Where the encrypted credentials are."""
    logging: Logging = Logging()
    """What is logged, and how."""

    @field_validator("instances")
    @classmethod
    def _are_unique(cls, value: tuple[Instance, ...]) -> tuple[Instance, ...]:
        if not value:
            raise refuse("at least one instance is needed")
        if again := repeated([instance.id for instance in value]):
            raise refuse(f"the id {value[again[0]].id} is used twice")
        return value

    def instance(self, name: str) -> Instance:
        """Give the instance of an id. Raises ConfigurationError."""
        for instance in self.instances:
            if instance.id == name:
                return instance
        ids = ", ".join(instance.id for instance in self.instances)
        raise ConfigurationError(f"{name}: no such instance", cure=f"configured are: {ids}")


def repeated(ids: Sequence[str]) -> list[int]:
    """Give the positions of ids that stand before already, upper and lower case being equal."""
    seen: set[str] = set()
    again = []
    for position, name in enumerate(ids):
        if name.casefold() in seen:
            again.append(position)
        seen.add(name.casefold())
    return again
