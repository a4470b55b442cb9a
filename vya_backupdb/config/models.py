"""The configuration as frozen models; `load` fills them.

Validators that belong to one field look at the fields above it, so that one run finds every fault.
Paths are made absolute against the folder in the validation context (`{"folder": Path}`).
"""

from __future__ import annotations

import re
import shutil
import socket as sockets
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from vya_backupdb.config.quantities import Size, format_duration, parse_duration, parse_size


class Model(BaseModel):
    """Frozen, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


# ---------------------------------------------------------------------------- kinds of values


def _path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str | Path):
        return value
    text = str(value)
    if not text.strip() or "\0" in text:
        raise ValueError("not a path")
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ValueError("the home folder that ~ stands for is not known") from None
    return (info.context or {}).get("folder", Path()) / path


def _duration(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError("not a duration: write a number with a unit, as 30s, 5m, 1h30m or 2d")


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Size(value)
    if isinstance(value, str):
        return parse_size(value)
    if isinstance(value, Size):
        return value
    raise ValueError("not a size: write bytes, a number with a unit (500MB, 2GiB), or a share (10%)")


def _text_list(value: object) -> object:
    if isinstance(value, str):
        raise ValueError('a list is needed here: write ["..."]')
    return value


ConfigPath = Annotated[Path, BeforeValidator(_path), PlainSerializer(str, return_type=str)]
Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(format_duration, return_type=str)]
DataSize = Annotated[Size, BeforeValidator(_size), PlainSerializer(str, return_type=str)]
Text = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")]
TextList = Annotated[tuple[Text, ...], BeforeValidator(_text_list)]


# ---------------------------------------------------------------------------- instances


class Tls(Model):
    """How a TCP connection is protected."""

    mode: Literal["disable", "require", "verify-ca", "verify-full"] = "require"
    ca: ConfigPath | None = None
    cert: ConfigPath | None = None
    key: ConfigPath | None = None

    @field_validator("ca", "cert", "key")
    @classmethod
    def _needs_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("mode") == "disable":
            raise ValueError("without effect where `mode` is disable")
        return value

    @field_validator("key")
    @classmethod
    def _key_needs_cert(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("cert", value) is None:
            raise ValueError("without effect as long as there is no `cert`")
        return value

    @model_validator(mode="after")
    def _cert_needs_key(self) -> Tls:
        if self.cert is not None and self.key is None:
            raise ValueError("`cert` needs its `key`")
        return self


class Patterns(Model):
    """Shell patterns of database names."""

    include: TextList = ("*",)
    exclude: TextList = ()


class Dump(Model):
    """How the dump tool is run and watched."""

    tool: ConfigPath | None = None
    """Another dump tool than the one found; None: found."""
    stall_timeout: Duration = timedelta(minutes=5)
    timeout: Duration | None = timedelta(hours=6)
    """None: none."""
    extra_options: TextList = ()
    """Options of the dump tool beyond our own; the engine allows some."""

    @field_validator("extra_options")
    @classmethod
    def _are_options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if bad := [text for text in value if not re.match(r"--[a-z]", text)]:
            raise ValueError(f"{bad[0]!r} is not an option: each begins with -- (--name or --name=value)")
        return value


class Instance(Model):
    """One server. `host` or `socket` is set, never both."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    engine: Literal["mysql", "postgresql"]
    host: str | None = None
    socket: Annotated[ConfigPath | None, Field(validate_default=True)] = None
    """MySQL and MariaDB: the socket; PostgreSQL: the folder that it lies in."""
    port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """None: the engine's own (3306, 5432)."""
    tls: Tls | None = None
    """None: the engine's own preference (encrypted where the server offers it, nothing verified)."""
    maintenance_database: Text = "postgres"
    """PostgreSQL only: where to connect for listing."""
    databases: Patterns = Patterns()
    jobs: Annotated[int, Field(ge=1, le=64)] = 2
    allow_partial: bool = False
    lock_wait: Duration = timedelta(seconds=60)
    dump: Dump = Dump()

    @field_validator("engine", mode="before")
    @classmethod
    def _alias(cls, value: object) -> object:
        return "mysql" if value == "mariadb" else value

    @field_validator("host")
    @classmethod
    def _is_host(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if "/" in value:
            raise ValueError("a path: name a socket with `socket`")
        if re.fullmatch(r"[^:]+:[0-9]+", value):
            raise ValueError("name the port with `port`")
        if not re.fullmatch(r"[^\W_][\w.-]*|[0-9A-Fa-f:.]+(%[\w.-]+)?", value) or len(value) > 253:
            raise ValueError("not a host name or address")
        return value

    @field_validator("socket")
    @classmethod
    def _host_or_socket(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "host" not in info.data:  # it has a fault of its own
            return value
        if value is None and info.data["host"] is None:
            raise ValueError("one of `host` and `socket` is needed")
        if value is not None and info.data["host"] is not None:
            raise ValueError("either `host` or `socket`, not both")
        return value

    @field_validator("port")
    @classmethod
    def _port_has_effect(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("socket") and info.data.get("engine") == "mysql":
            raise ValueError("without effect with a `socket`")
        return value

    @field_validator("tls")
    @classmethod
    def _tls_has_effect(cls, value: Tls | None, info: ValidationInfo) -> Tls | None:
        if value is not None and value.mode != "disable" and info.data.get("socket"):
            raise ValueError("without effect with a `socket`")
        return value

    @field_validator("maintenance_database")
    @classmethod
    def _maintenance_database_has_effect(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("engine") == "mysql":
            raise ValueError("only PostgreSQL has one")
        return value

    @model_serializer(mode="wrap")
    def _without_foreign_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        shown: dict[str, Any] = handler(self)
        if self.engine == "mysql":
            shown.pop("maintenance_database", None)
        return shown


# ---------------------------------------------------------------------------- the rest


class Storage(Model):
    """Where backups are kept."""

    path: ConfigPath = Path("/var/backups/vya-backupdb")
    hostname: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x20/\x7f]{1,253}$")] = Field(
        default_factory=sockets.gethostname
    )
    """The name of this machine's folder."""
    min_free: DataSize = Size(percent=10)
    """What is kept free: bytes, or a share of the file system."""

    @field_validator("hostname", mode="before")
    @classmethod
    def _own_name(cls, value: object) -> object:
        return sockets.gethostname() if value is None else value

    def reserve(self) -> int:
        """Give `min_free` in bytes for the file system that `path` lies on or will lie on."""
        folder = next((f for f in (self.path, *self.path.absolute().parents) if f.exists()), Path("/"))
        return self.min_free.of(shutil.disk_usage(folder).total)


class Compression(Model):
    """How backups are compressed."""

    codec: Literal["zstd", "gzip", "none"] = "zstd"
    level: int | None = None
    """None: the codec's own."""


class KeySource(Model):
    """Where the key of the credentials file comes from; none of the three: the host name."""

    file: ConfigPath | None = None
    env: Text | None = None
    systemd: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        if value == "hostname":
            return {}
        if isinstance(value, dict) and sum(part is not None for part in value.values()) != 1:
            raise ValueError("write hostname, or one of {file: PATH}, {env: NAME}, {systemd: NAME}")
        if isinstance(value, str):
            raise ValueError("write hostname, {file: PATH}, {env: NAME} or {systemd: NAME}")
        return value

    @model_serializer(mode="plain")
    def _as_written(self) -> str | dict[str, str]:
        given = {"file": self.file, "env": self.env, "systemd": self.systemd}
        return {name: str(value) for name, value in given.items() if value is not None} or "hostname"


class Credentials(Model):
    """Where the encrypted credentials are."""

    file: Annotated[ConfigPath, Field(validate_default=True)] = Path(".secrets/credentials.json")
    key: KeySource = KeySource()


class Logging(Model):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    file: ConfigPath | None = None
    """A file that is appended to, besides stderr."""


class Config(Model):
    """The whole configuration."""

    instances: Annotated[tuple[Instance, ...], Field(min_length=1)]
    storage: Storage = Field(default_factory=Storage)
    compression: Compression = Compression()
    credentials: Annotated[Credentials, Field(validate_default=True)] = Field(
        default_factory=lambda: Credentials()
    )
    logging: Logging = Logging()

    @field_validator("instances")
    @classmethod
    def _unique(cls, value: tuple[Instance, ...]) -> tuple[Instance, ...]:
        if again := repeated([instance.id for instance in value]):
            raise ValueError(f"the id {value[again[0]].id!r} is used twice")
        return value

    def instance(self, name: str) -> Instance:
        """Give the instance of an id. Raises KeyError."""
        return {instance.id: instance for instance in self.instances}[name]


def repeated(ids: Sequence[str]) -> list[int]:
    """Give the positions of ids that stand before already, in upper or lower case."""
    seen: set[str] = set()
    again = []
    for position, name in enumerate(ids):
        if name.casefold() in seen:
            again.append(position)
        seen.add(name.casefold())
    return again
