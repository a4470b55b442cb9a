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
    ca: ConfigPath | None = None
    """None: the system's own certification authorities."""
    cert: ConfigPath | None = None
    key: Annotated[ConfigPath | None, Field(validate_default=True)] = None

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
    """Shell patterns of database names: those taken, and of these those left out."""

    include: TextList = ("*",)
    exclude: TextList = ()

    def take(self, name: str) -> bool:
        """Whether the include patterns take a name and the exclude patterns leave it in."""
        is_taken = any(fnmatchcase(name, pattern) for pattern in self.include)
        return is_taken and not any(fnmatchcase(name, pattern) for pattern in self.exclude)


class Tables(Model):
    """What of its tables a backup leaves out."""

    exclude: TablePatternList = ()
    """Tables and views that are left out altogether."""
    exclude_rows: TablePatternList = ()
    """Tables whose rows are left out; their definition stays."""


class Dump(Model):
    """How the dump tool is run and watched."""

    tool: ConfigPath | None = None
    """Another dump tool than the one found."""
    stall_timeout: Duration = timedelta(minutes=5)
    """The longest silence."""
    timeout: Duration | None = timedelta(hours=6)
    """The longest dump of one database; None: no limit."""
    extra_options: TextList = ()
    """Options beyond our own; the engine has a list of those it allows."""

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
    engine: Literal["mysql", "postgresql"]
    host: Host | None = None
    socket: Annotated[ConfigPath | None, Field(validate_default=True)] = None
    """MySQL, MariaDB: the socket; PostgreSQL: the folder that it lies in."""
    port: Port | None = None
    """None: the engine's own. PostgreSQL's sockets have it in their names."""
    tls: Tls | None = None
    """None: encrypted where the server offers it, nothing verified."""
    maintenance_database: Text = "postgres"
    """PostgreSQL only: where to connect for listing."""
    databases: Patterns = Patterns()
    tables: Tables = Tables()
    users: Users = Users()
    jobs: Jobs = 2
    """Connections that load rows at the same time."""
    broken_views: Literal["fail", "skip"] = "fail"
    """MySQL, MariaDB: what becomes of a backup with views that cannot be read any more."""
    allow_partial: bool = False
    """Missing privileges are warnings: what the account cannot see is not in the backup."""
    lock_wait: Duration = timedelta(seconds=60)
    """The longest wait for a lock on the server."""
    dump: Dump = Dump()
    checks: dict[Text, QueryList] = Field(default_factory=dict)
    """Of a database, by its name: queries that a drill asks, each of which must give one row that is true."""
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
    hostname: FolderName = Field(default_factory=sockets.gethostname)
    """The name of this machine's folder."""
    min_free: DataSize = Size(percent=10)
    """What is kept free: bytes, or a share of the file system."""

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
    level: Annotated[int | None, Field(strict=True)] = None
    """None: the codec's own."""

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
    """Where the key of the credentials file comes from; none of the three: from the host name."""

    file: ConfigPath | None = None
    env: Text | None = None
    systemd: Text | None = None

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
    key: Key = Key()


class Logging(Model):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json", "journald"] = "console"
    file: ConfigPath | None = None
    """Appended to, besides stderr."""


class Config(Model):
    """The whole configuration."""

    instances: tuple[Instance, ...]
    storage: Storage = Field(default_factory=Storage)
    compression: Compression = Compression()
    retention: Retention | None = None
    """None: nothing is ever deleted."""
    health: Health = Health()
    hooks: Hooks = Hooks()
    notify: Notify = Notify()
    credentials: Credentials = Field(default_factory=dict, validate_default=True)
    logging: Logging = Logging()

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
