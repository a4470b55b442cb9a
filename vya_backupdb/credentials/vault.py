"""The encrypted credentials file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from vya_backupdb.errors import CredentialsError


@dataclass(frozen=True)
class Credential:
    """Who logs in, and with what; no password for peer, unix_socket or certificate logins."""

    username: str
    password: SecretStr | None = None


@dataclass(frozen=True)
class Vault:
    """The credentials of all instances, decrypted."""

    entries: Mapping[str, Credential]

    def credential(self, instance: str) -> Credential:
        """Give the credential of an instance. Raises CredentialsError where there is none."""
        try:
            return self.entries[instance]
        except KeyError:
            raise CredentialsError(
                f"{instance}: no credentials", cure=f"add them: vya-backupdb credentials set {instance}"
            ) from None
