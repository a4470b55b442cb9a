"""The key of the credentials file: where it comes from, and how it is derived."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretBytes

from vya_backupdb.credentials.files import read_private, write_private
from vya_backupdb.errors import CredentialsError

Kind = Literal["hostname", "file", "env", "systemd"]

HOSTNAME_WARNING = (
    "the key comes from the host name: it keeps a copied file unreadable at a glance, but does not stop who "
    "knows the name, and it is lost with the name (another machine, a container that is renamed); "
    "a key file is better: credentials keygen"
)

_COST = 1 << 16
"""scrypt's N; with r = 8 it takes 64 MiB and about 0.2 s."""


@dataclass(frozen=True)
class KeySource:
    """Where a key comes from: the host name, or a random key in a file, variable or systemd credential."""

    kind: Kind = "hostname"
    name: str = ""
    """The path, variable or credential; for `hostname` another host's name, or "" for this one's."""

    def __str__(self) -> str:
        match self.kind:
            case "hostname":
                return f"the host name {self.hostname()}"
            case "file":
                return f"the key file {self.name}"
            case "env":
                return f"the variable {self.name}"
            case "systemd":
                return f"the systemd credential {self.name}"

    def hostname(self) -> str:
        """Give the host name that a key is derived from."""
        return self.name or socket.gethostname()


@dataclass(frozen=True)
class Derivation:
    """How a Fernet key comes from what the source gives; stands in clear in the file.

    A host name goes through scrypt (RFC 7914) with a random salt; a random key is taken as it is.
    """

    method: Literal["scrypt", "none"]
    salt: bytes = b""
    n: int = 0
    r: int = 0
    p: int = 0


def new_derivation(source: KeySource) -> Derivation:
    """Give the derivation that a new file of this source gets."""
    if source.kind == "hostname":
        return Derivation("scrypt", salt=secrets.token_bytes(16), n=_COST, r=8, p=1)
    return Derivation("none")


def derive(
    source: KeySource, derivation: Derivation, environment: Mapping[str, str] = os.environ
) -> SecretBytes:
    """Give the Fernet key (32 bytes, base64). Raises CredentialsError where the source has none."""
    if derivation.method == "scrypt":
        raw = hashlib.scrypt(
            source.hostname().encode("utf-8", "surrogateescape"),
            salt=derivation.salt,
            n=derivation.n,
            r=derivation.r,
            p=derivation.p,
            maxmem=130 * derivation.n * derivation.r + (1 << 20),
            dklen=32,
        )
        return SecretBytes(base64.urlsafe_b64encode(raw))
    return _random_key(source, environment)


def _random_key(source: KeySource, environment: Mapping[str, str]) -> SecretBytes:
    if source.kind == "file":
        found = SecretBytes(_read_key(Path(source.name), source, environment))
    elif source.kind == "systemd":
        folder = environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise CredentialsError(
                f"{source}: CREDENTIALS_DIRECTORY is not set, this is no service with credentials",
                cure=f"add LoadCredential={source.name}:FILE to the unit",
            )
        found = SecretBytes(_read_key(Path(folder) / source.name, source, environment))
    else:
        if not environment.get(source.name):
            raise CredentialsError(f"{source}: not set or empty", cure="put the key that keygen made into it")
        found = SecretBytes(environment[source.name].encode("utf-8", "surrogateescape").strip())
    if not _is_key(found):
        raise CredentialsError(
            f"{source}: holds no key", cure="make one with: vya-backupdb credentials keygen"
        )
    return found


def _read_key(path: Path, source: KeySource, environment: Mapping[str, str]) -> bytes:
    if not os.path.lexists(path):
        raise CredentialsError(
            f"{source}: no such file" if source.kind == "file" else f"{source}: {path}: no such file",
            cure="make one with: vya-backupdb credentials keygen",
        )
    return read_private(path, environment).strip()


def _is_key(key: SecretBytes) -> bool:
    try:
        return len(base64.b64decode(key.get_secret_value(), altchars=b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def generate_key() -> SecretBytes:
    """Make a new random key, as text (44 characters of URL-safe base64)."""
    return SecretBytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))


def write_key(path: Path, *, replace: bool = False) -> None:
    """Make a new key file, mode 0600. Raises CredentialsError where it is there, unless `replace`."""
    write_private(path, generate_key().get_secret_value() + b"\n", replace=replace)
