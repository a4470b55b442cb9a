"""`vya-backupdb credentials`: encrypt, keygen, set, rekey."""

from __future__ import annotations

import os
import sys
from collections.abc import Sized
from pathlib import Path
from typing import cast

import click
from pydantic import SecretStr

from vya_backupdb.cli.completion import INSTANCE
from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.render import confirmation, force_option, is_terminal, note, printable, write_output
from vya_backupdb.credentials.files import changing
from vya_backupdb.credentials.keys import KeySource, Kind, generate_key, write_key
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.errors import CredentialsError
from vya_backupdb.operations.credentials import (
    CredentialsWritten,
    current,
    encrypt,
    holds,
    key_source,
    rekey,
    set_credential,
)
from vya_backupdb.operations.plain_credentials import read_plain

_LARGEST = 4 << 20


def _key_source(_: click.Context, __: click.Parameter, value: str | None) -> KeySource | None:
    """Read `hostname[:NAME]`, `file:PATH`, `env:NAME`, `systemd:NAME`."""
    if value is None:
        return None
    kind, colon, name = value.partition(":")
    if kind not in ("hostname", "file", "env", "systemd") or not (name or (kind == "hostname" and not colon)):
        raise click.BadParameter("take hostname, hostname:NAME, file:PATH, env:NAME or systemd:NAME")
    return KeySource(cast("Kind", kind), str(Path(name).absolute()) if kind == "file" else name)


_KEY = "hostname|file:PATH|env:NAME|systemd:NAME"


@click.group("credentials")
def command() -> None:
    """Encrypt credentials, manage their key."""


@command.command("encrypt")
@click.option(
    "--input",
    "plain_file",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    metavar="F",
    help='Plain JSON or YAML: {"ID": {"username": "...", "password": "..."}}; - reads stdin.',
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="F",
    help="Encrypted file; else `credentials.file` of the configuration.",
)
@click.option("--dry-run", is_flag=True, help="Say whether the file would change; write nothing.")
@force_option
@pass_context
def encrypt_command(
    context: CliContext, plain_file: Path, output: Path | None, dry_run: bool, force: bool
) -> None:
    """Encrypt credentials with the configuration's key, into a file of mode 0600.

    \b
    vya-backupdb credentials encrypt --input plain.json

    A file that holds just these already stays as it is, and `unchanged` is said.
    """
    config = context.config()
    plain = read_plain(_read_plain(plain_file), str(plain_file))
    target = output or config.credentials.file
    if holds(config, plain, target):
        write_output(printable(f"{target}: {_count(plain)}, unchanged") + "\n")
    elif dry_run:
        write_output(printable(f"{target}: {_count(plain)}, would be written") + "\n")
    else:
        exists = os.path.lexists(target)
        if exists:
            confirmation(force=force)(f"Replace {target}?")
        _report(encrypt(config, plain, target, replace=exists))
    if str(plain_file) != "-" and not _same_file(plain_file, target):
        note(f"{plain_file} still holds the passwords in clear: remove it")
    if target.absolute() != config.credentials.file.absolute():
        note(f"the configuration names another file: {config.credentials.file}")


def _same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _read_plain(path: Path) -> bytes:
    if str(path) == "-":
        return _read_stdin()
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise CredentialsError(
            f"{path}: {error.strerror or error}", cure="name a file with --input"
        ) from None
    if len(raw) > _LARGEST:
        raise CredentialsError(f"{path}: larger than {_LARGEST >> 20} MiB", cure="name the right file")
    return raw


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise CredentialsError("standard input: closed", cure="send the credentials to it")
    return sys.stdin.buffer.read(_LARGEST)


@command.command("keygen")
@click.option(
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="F",
    help="Key file; else the configuration's; - writes the key to stdout.",
)
@force_option
@pass_context
def keygen_command(context: CliContext, output: Path | None, force: bool) -> None:
    """Make a random key, into a file of mode 0600.

    \b
    vya-backupdb credentials keygen
    vya-backupdb credentials keygen --output /etc/vya-backupdb/key
    """
    if output is not None and str(output) == "-":
        write_output(generate_key().get_secret_value().decode() + "\n")
        return
    target = output or context.config().credentials.key.file
    if target is None:
        raise click.UsageError("the configuration names no key file (credentials.key): say --output FILE")
    exists = os.path.lexists(target)
    if exists:
        confirmation(force=force)(f"Replace {target}? What is encrypted with it cannot be read any more.")
    with changing(target):
        write_key(target, replace=exists)
    write_output(printable(f"{target}: new key") + "\n")
    if output is not None:
        note(f"name it in the configuration: credentials: {{key: {{file: {target.absolute()}}}}}")
    note("keep a copy of it in a safe place, away from the backups: without it the credentials are lost")


@command.command("set")
@click.argument("instance", type=INSTANCE, metavar="ID")
@click.option("--username", metavar="NAME", help="User name; else asked for, or as it is.")
@click.option("--no-password", is_flag=True, help="For peer, unix_socket and certificate logins.")
@pass_context
def set_command(context: CliContext, instance: str, username: str | None, no_password: bool) -> None:
    """Set the credential of one instance.

    \b
    vya-backupdb credentials set prod-mysql-01 --username backup

    The password is asked for, or read from stdin (one line) where that is no terminal.
    """
    config = context.config()
    known = current(config).entries.get(instance)
    name = _username(username, known.username if known else None)
    password = None if no_password else _password()
    _report(set_credential(config, instance, Credential(name, password)))


def _username(given: str | None, known: str | None) -> str:
    if given is not None:
        return given
    if is_terminal(sys.stdin):
        return str(click.prompt("User name", default=known, err=True))
    if known is None:
        raise click.UsageError("say --username NAME: nobody is here to be asked")
    return known


def _password() -> SecretStr:
    if is_terminal(sys.stdin):
        return SecretStr(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    password = _text(_read_stdin().removesuffix(b"\n").removesuffix(b"\r"))
    if password is None:
        raise CredentialsError("standard input: not UTF-8 text", cure="send the password as UTF-8")
    if not password:
        raise CredentialsError("standard input: no password", cure="send one line, or say --no-password")
    return password


def _text(raw: bytes) -> SecretStr | None:
    """Decode; the caller raises, because the error would carry the text with it."""
    try:
        return SecretStr(raw.decode())
    except UnicodeDecodeError:
        return None


@command.command("rekey")
@click.option("--key", "new", callback=_key_source, metavar=_KEY, help="New key; else the configuration's.")
@click.option(
    "--old-key", "old", callback=_key_source, metavar=_KEY, help="Old key; else the configuration's."
)
@pass_context
def rekey_command(context: CliContext, new: KeySource | None, old: KeySource | None) -> None:
    """Change the key of the credentials file.

    \b
    vya-backupdb credentials rekey --key file:/etc/vya-backupdb/key

    Before `credentials.key` is changed in the configuration: --key. After it: --old-key, also for a file
    that was encrypted under another host name (--old-key hostname:NAME).
    """
    if new is None and old is None:
        raise click.UsageError("say --key for the new key, or --old-key for the old one")
    config = context.config()
    configured = key_source(config.credentials.key)
    _report(rekey(config.credentials.file, old or configured, new or configured))
    if new is not None and new.kind == "hostname" and new.name:
        note(f"only a machine with the host name {new.name} can read it now")
    elif new is not None and new != configured:
        setting = "hostname" if new.kind == "hostname" else f"{{{new.kind}: {new.name}}}"
        note(f"now set in the configuration: credentials: {{key: {setting}}}")


def _count(credentials: Sized) -> str:
    count = len(credentials)
    return f"{count} credential{'s' if count != 1 else ''}"


def _report(written: CredentialsWritten) -> None:
    text = f"{written.path}: {_count(written.ids)}, encrypted with {written.source}"
    write_output(printable(text) + "\n")
    for text in written.notes:
        note(text)
