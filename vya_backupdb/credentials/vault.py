"""The encrypted credentials file.

```json
{
  "format": "vya-backupdb credentials 1",
  "key": {"source": "hostname", "method": "scrypt", "salt": "...", "n": 65536, "r": 8, "p": 1, "digest": ...},
  "check": "gAAAA...",
  "credentials": {"prod-mysql-01": "gAAAA..."}
}
```

Each value is a Fernet token (AES-128-CBC and HMAC-SHA256) over the JSON of id, user name and password: a
token that is moved to another id is found out. `check` is a token over a constant and tells a wrong key
from a damaged file; `digest` does the same for what the key is derived from.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from vya_backupdb.credentials.files import read_private, write_private
from vya_backupdb.credentials.keys import Derivation, KeySource, derive, new_derivation
from vya_backupdb.errors import CredentialsError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_FORMAT = "vya-backupdb credentials 1"
_CHECK = b"vya-backupdb"
_RESTORE = "bring back a copy of the file, or encrypt the credentials again"


@dataclass(frozen=True)
class Credential:
    """Who logs in, and with what; no password for peer, unix_socket or certificate logins.

    Raises CredentialsError for what no option file or password file can carry: an empty user name, a
    line end or NUL, text that is not Unicode.
    """

    username: str
    password: SecretStr | None = None

    def __post_init__(self) -> None:
        _check_text("user name", self.username)
        if not self.username:
            raise CredentialsError("the user name is empty")
        if self.password is not None:
            _check_text("password", self.password.get_secret_value())


def _check_text(what: str, text: str) -> None:
    if any(character in text for character in "\n\r\0"):
        fault = "holds a line end or a NUL character, which no option file can carry"
    elif any("\ud800" <= character <= "\udfff" for character in text):
        fault = "is not valid Unicode text"
    else:
        return
    text = ""  # a traceback that shows local variables must not show it
    raise CredentialsError(f"the {what} {fault}")


@dataclass(frozen=True)
class Vault:
    """The credentials of all instances, decrypted. `damaged` are the ids whose token is not whole."""

    entries: Mapping[str, Credential] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    """Id to what is wrong with it."""
    path: Path | None = None

    def credential(self, instance: str) -> Credential:
        """Give the credential of an instance. Raises CredentialsError where there is none."""
        if instance in self.damaged:
            raise CredentialsError(
                f"{instance}: {self.damaged[instance]}", cure=f"give it again: {_set(instance)}"
            )
        if instance not in self.entries:
            where = f" in {self.path}" if self.path else ""
            raise CredentialsError(f"{instance}: no credentials{where}", cure=f"add them: {_set(instance)}")
        return self.entries[instance]


def _set(instance: str) -> str:
    return f"vya-backupdb credentials set {instance}"


# ---------------------------------------------------------------------------- reading


def load_vault(path: Path, source: KeySource, environment: Mapping[str, str] = os.environ) -> Vault:
    """Read and decrypt a credentials file.

    A single damaged token leaves the others usable. Raises CredentialsError where the file cannot be
    read, is open to others, is damaged as a whole, or is encrypted with another key.
    """
    stored = _read(path, environment)
    fernet = _fernet(path, stored.derivation, source, environment)
    key_fits = _decrypt(fernet, stored.check) == _CHECK
    entries: dict[str, Credential] = {}
    damaged: dict[str, str] = {}
    for instance, token in stored.tokens.items():
        credential = _credential(instance, _decrypt(fernet, token))
        if isinstance(credential, Credential):
            entries[instance] = credential
        else:
            damaged[instance] = f"{credential} in {path}"
    if not key_fits and not entries:
        raise _wrong_key(path, source)
    return Vault(entries, damaged, path)


def read_ids(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Give the ids of a credentials file, without its key. Raises CredentialsError."""
    return tuple(_read(path, environment).tokens)


@dataclass(frozen=True)
class _Stored:
    """The file as it is, nothing decrypted."""

    derivation: Derivation
    check: str
    tokens: Mapping[str, str]


def _read(path: Path, environment: Mapping[str, str]) -> _Stored:
    if not os.path.lexists(path):
        raise CredentialsError(
            f"{path}: no credentials file", cure="make it with: vya-backupdb credentials encrypt --input FILE"
        )
    document = _parse(read_private(path, environment))
    if document is None:
        raise CredentialsError(f"{path}: not an encrypted credentials file, or damaged", cure=_RESTORE)
    if "format" not in document:
        raise CredentialsError(
            f"{path}: not an encrypted credentials file",
            cure=f"if it is a plain one: vya-backupdb credentials encrypt --input {path} --output {path}",
        )
    if document["format"] != _FORMAT:
        raise CredentialsError(f"{path}: written by another version of this program", cure="use that version")
    try:
        tokens = {str(name): _text(token) for name, token in document["credentials"].items()}
        return _Stored(_derivation(document["key"]), _text(document["check"]), tokens)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CredentialsError(f"{path}: damaged", cure=_RESTORE) from None


def _parse(raw: bytes) -> dict[str, Any] | None:
    """Read JSON; None where it is none. The caller raises: the error would carry the text with it."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _fernet(path: Path, derivation: Derivation, source: KeySource, environment: Mapping[str, str]) -> Fernet:
    from cryptography.fernet import Fernet

    if (derivation.method == "scrypt") != (source.kind == "hostname"):
        used = "the host name" if derivation.method == "scrypt" else "a random key"
        raise CredentialsError(
            f"{path}: encrypted with {used}, but the key is to come from {source}",
            cure="set `credentials.key` as it was, or change the key with: vya-backupdb credentials rekey",
        )
    return Fernet(derive(source, derivation, environment).get_secret_value())


def _decrypt(fernet: Fernet, token: str) -> bytes | None:
    from cryptography.fernet import InvalidToken

    try:
        return fernet.decrypt(token)
    except (InvalidToken, ValueError):  # ValueError: the token is not ASCII
        return None


def _credential(instance: str, clear: bytes | None) -> Credential | str:
    """Give what a token held, or what is wrong with it."""
    if clear is None:
        return "the token is damaged"
    content = _parse(clear)
    if content is None or not isinstance(content.get("username"), str):
        return "the token is damaged"
    if content.get("id") != instance:
        return f"the token belongs to {content.get('id')}"
    password = content.get("password")
    try:
        return Credential(content["username"], None if password is None else SecretStr(str(password)))
    except CredentialsError as error:
        return error.what


def _wrong_key(path: Path, source: KeySource) -> CredentialsError:
    if source.kind == "hostname":
        return CredentialsError(
            f"{path}: encrypted under another host name than {source.hostname()}",
            cure="change the key with: vya-backupdb credentials rekey --old-key hostname:NAME",
        )
    return CredentialsError(
        f"{path}: encrypted with another key than {source}", cure="name the key it was encrypted with"
    )


# ---------------------------------------------------------------------------- writing


def save_vault(
    path: Path,
    entries: Mapping[str, Credential],
    source: KeySource,
    *,
    replace: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Encrypt credentials into a file of mode 0600, in one step.

    Raises CredentialsError where the key or the file cannot be had, or the file is there and `replace`
    is False.
    """
    derivation = new_derivation(source)
    fernet = _fernet(path, derivation, source, environment)
    document = {
        "format": _FORMAT,
        "key": {"source": source.kind, **_derivation_record(derivation)},
        "check": fernet.encrypt(_CHECK).decode(),
        "credentials": {name: _token(fernet, name, credential) for name, credential in entries.items()},
    }
    write_private(path, json.dumps(document, indent=2).encode() + b"\n", replace=replace)


def _token(fernet: Fernet, instance: str, credential: Credential) -> str:
    password = credential.password
    content = {
        "id": instance,
        "username": credential.username,
        "password": None if password is None else password.get_secret_value(),
    }
    return fernet.encrypt(json.dumps(content).encode()).decode()


# ---------------------------------------------------------------------------- the key's derivation


def _derivation_record(derivation: Derivation) -> dict[str, str | int]:
    record: dict[str, str | int] = {"method": derivation.method}
    if derivation.method == "scrypt":
        salt = base64.b64encode(derivation.salt).decode()
        record |= {"salt": salt, "n": derivation.n, "r": derivation.r, "p": derivation.p}
    return record | {"digest": _digest(record)}


def _digest(record: Mapping[str, str | int]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _derivation(record: Mapping[str, Any]) -> Derivation:
    """Read a derivation. Raises ValueError, KeyError or TypeError where it is damaged or out of bounds."""
    if record["method"] == "none":
        return Derivation("none")
    parts = {name: record[name] for name in ("method", "salt", "n", "r", "p")}
    if _digest(parts) != record["digest"] or parts["method"] != "scrypt":
        raise ValueError
    try:
        salt = base64.b64decode(parts["salt"], validate=True)
    except binascii.Error:
        raise ValueError from None
    n, r, p = parts["n"], parts["r"], parts["p"]
    # who writes the file must not make us take all memory or run for ever
    if not (
        1 << 14 <= n <= 1 << 20 and n & (n - 1) == 0 and 1 <= r <= 16 and 1 <= p <= 4 and len(salt) >= 16
    ):
        raise ValueError
    return Derivation("scrypt", salt, n, r, p)
