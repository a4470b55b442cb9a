"""Make, change and read the credentials file that the configuration names."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vya_backupdb.config.models import Config, Key
from vya_backupdb.credentials.files import changing
from vya_backupdb.credentials.keys import HOSTNAME_WARNING, KeySource
from vya_backupdb.credentials.vault import Credential, Vault, load_vault, read_ids, save_vault
from vya_backupdb.errors import CredentialsError


@dataclass(frozen=True)
class CredentialsWritten:
    """A credentials file that was written."""

    path: Path
    source: KeySource
    ids: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What is worth knowing: the host-name key, ids that fit no instance."""


def key_source(key: Key) -> KeySource:
    """Give the source that the configuration names."""
    if key.file is not None:
        return KeySource("file", str(key.file))
    if key.env is not None:
        return KeySource("env", key.env)
    if key.systemd is not None:
        return KeySource("systemd", key.systemd)
    return KeySource("hostname")


def open_vault(config: Config) -> Vault:
    """Read and decrypt the credentials file of the configuration. Raises CredentialsError."""
    return load_vault(config.credentials.file, key_source(config.credentials.key))


def examine_ids(config: Config) -> list[str]:
    """Say which instances have no credentials and which credentials no instance; needs no key.

    Raises CredentialsError where the file cannot be read.
    """
    return compare_ids(config, read_ids(config.credentials.file))


def compare_ids(config: Config, ids: Iterable[str]) -> list[str]:
    """Say which instances are not among the ids, and which ids are no instance."""
    present = set(ids)
    instances = [instance.id for instance in config.instances]
    missing = [f"{name}: no credentials for this instance" for name in instances if name not in present]
    return missing + [
        f"{name}: credentials without an instance{_meant(name, instances)}"
        for name in sorted(present.difference(instances))
    ]


def _meant(name: str, instances: list[str]) -> str:
    near = difflib.get_close_matches(name, instances, n=1)
    return f", is {near[0]} meant?" if near else ""


# ---------------------------------------------------------------------------- changing the file


def encrypt(
    config: Config, plain: Mapping[str, Credential], output: Path, *, replace: bool
) -> CredentialsWritten:
    """Encrypt credentials into a new file. Raises CredentialsError, also where `output` is there."""
    source = key_source(config.credentials.key)
    with changing(output):
        save_vault(output, plain, source, replace=replace)
    return CredentialsWritten(output, source, tuple(plain), (*_warn(source), *compare_ids(config, plain)))


def holds(config: Config, plain: Mapping[str, Credential], output: Path) -> bool:
    """Whether a file is there that the configuration's key opens, with just these credentials in it."""
    try:
        vault = load_vault(output, key_source(config.credentials.key))
    except CredentialsError:
        return False
    return not vault.damaged and dict(vault.entries) == dict(plain)


def current(config: Config) -> Vault:
    """Give what the credentials file holds, nothing where it is not there yet. Raises CredentialsError."""
    return open_vault(config) if os.path.lexists(config.credentials.file) else Vault()


def set_credential(config: Config, instance: str, credential: Credential) -> CredentialsWritten:
    """Add or replace the credential of one id, leaving the others. Raises CredentialsError."""
    path, source = config.credentials.file, key_source(config.credentials.key)
    with changing(path):
        new_file = not os.path.lexists(path)
        vault = current(config)
        entries = {**vault.entries, instance: credential}
        save_vault(path, entries, source, replace=True)
    lost = [f"{name}: was damaged, give it again" for name in vault.damaged if name != instance]
    known = [one.id for one in config.instances]
    stranger = [] if instance in known else [f"{instance}: no such instance{_meant(instance, known)}"]
    warning = _warn(source) if new_file else []
    return CredentialsWritten(path, source, tuple(entries), (*warning, *stranger, *lost))


def rekey(path: Path, old: KeySource, new: KeySource) -> CredentialsWritten:
    """Encrypt a credentials file with another key. Raises CredentialsError, also for a damaged token."""
    with changing(path):
        vault = load_vault(path, old)
        for damaged in vault.damaged:
            vault.credential(damaged)
        save_vault(path, vault.entries, new, replace=True)
    return CredentialsWritten(path, new, tuple(vault.entries), tuple(_warn(new)))


def _warn(source: KeySource) -> list[str]:
    return [HOSTNAME_WARNING] if source.kind == "hostname" else []
