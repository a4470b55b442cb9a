"""The option file that tells a dump tool where and as whom to log in."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Final

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.failures import DEFAULT_HOST, DEFAULT_PORT
from vya_backupdb.errors import ConfigurationError, CredentialsError
from vya_backupdb.model import DumpTool, ServerFacts

_LONGEST_LINE: Final = 4000
"""Bytes; the tools read option files through a buffer of 4096 (my_default.c) and would cut the rest off."""


_BUILT_IN: Final = "mysql_native_password"
_NOWHERE: Final = "/dev/null"
"""No folder, so no plugin is found there."""


def option_file(instance: Instance, credential: Credential, facts: ServerFacts, tool: DumpTool) -> bytes:
    """Give the content of the file for `--defaults-file`.

    Raises CredentialsError where user name or password hold what no option file can.
    """
    lines = ["[client]"]
    for name, value in _options(instance, credential, facts, tool):
        line = f"{name}={quoted(value)}"
        if len(line.encode()) > _LONGEST_LINE:
            raise CredentialsError(f"{instance.id}: the {name} is too long for the dump tool's option file")
        lines.append(line)
    return ("\n".join(lines) + "\n").encode()


def quoted(value: str) -> str:
    r"""Give a value as the tools read it back: between double quotes, `"` and `\` behind a backslash.

    Outside quotes `#` would begin a comment and blanks at the ends would go. Raises CredentialsError for a
    line end or NUL: they are the reader's own.
    """
    if any(character in value for character in "\n\r\0"):
        raise CredentialsError(
            "a user name or password holds a line end or NUL, which cannot be given to the dump tool",
            cure="change it on the server and in the credentials",
        )
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _options(
    instance: Instance, credential: Credential, facts: ServerFacts, tool: DumpTool
) -> Iterator[tuple[str, str]]:
    yield "user", credential.username
    if credential.password is not None and credential.password.get_secret_value():
        yield "password", credential.password.get_secret_value()
    if instance.socket is not None:
        yield "protocol", "socket"
        yield "socket", str(instance.socket)
    else:
        # Without the protocol, `localhost` would mean the socket, and maybe another account.
        yield "protocol", "tcp"
        yield "host", instance.host or DEFAULT_HOST
        yield "port", str(instance.port or DEFAULT_PORT)
    if tool.flavour == "mariadb":
        if instance.socket is None and facts.settings.get("login_plugin") == _BUILT_IN:
            # MariaDB's tools load what a server asks for, and some plugins send the password readable.
            yield "plugin-dir", _NOWHERE
        yield from _mariadb_tls(instance, facts)
    else:
        yield from _mysql_tls(instance, facts, tool)


def _mysql_tls(instance: Instance, facts: ServerFacts, tool: DumpTool) -> Iterator[tuple[str, str]]:
    modes = {
        "disable": "DISABLED",
        "require": "REQUIRED",
        "verify-ca": "VERIFY_CA",
        "verify-full": "VERIFY_IDENTITY",
    }
    mode = "PREFERRED" if instance.tls is None else modes[instance.tls.mode]
    yield "ssl-mode", mode
    if mode.startswith("VERIFY"):
        yield from _authorities(instance)
    yield from _client_certificate(instance)
    plain = mode == "DISABLED" or (mode == "PREFERRED" and facts.settings.get("tls") == "absent")
    if plain and instance.socket is None and tool.version_number >= (8,):
        # caching_sha2_password sends the password encrypted with this key where there is no TLS.
        yield "get-server-public-key", "1"


def _mariadb_tls(instance: Instance, facts: ServerFacts) -> Iterator[tuple[str, str]]:
    if instance.tls is None:
        # As our own connection: TLS where it is offered, unchecked; from 11.4 the tools check by default.
        wanted = instance.socket is None and facts.settings.get("tls") == "offered"
    else:
        wanted = instance.tls.mode != "disable"
    yield "ssl", "1" if wanted else "0"
    verify = instance.tls is not None and instance.tls.mode in ("verify-ca", "verify-full")
    # MariaDB's tools know no checking without the name: for verify-ca they are stricter than asked.
    yield "ssl-verify-server-cert", "1" if verify else "0"
    if verify:
        yield from _authorities(instance)
    if wanted:
        yield from _client_certificate(instance)


def _authorities(instance: Instance) -> Iterator[tuple[str, str]]:
    if instance.tls is not None and instance.tls.ca is not None:
        yield "ssl-ca", str(instance.tls.ca)
        return
    system = ssl.get_default_verify_paths()
    if system.cafile is not None:
        yield "ssl-ca", system.cafile
    elif system.capath is not None:
        yield "ssl-capath", system.capath
    else:
        raise ConfigurationError(
            f"{instance.id}: tls: this machine has no certificates of authorities",
            cure="give the file in tls.ca",
        )


def _client_certificate(instance: Instance) -> Iterator[tuple[str, str]]:
    if instance.tls is not None and instance.tls.cert is not None:
        yield "ssl-cert", str(instance.tls.cert)
        if instance.tls.key is not None:
            yield "ssl-key", str(instance.tls.key)
