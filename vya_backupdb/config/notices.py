"""What is run around a backup, and who is told how it went."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo
from typing_extensions import Doc

from vya_backupdb.config.base import Model, refuse
from vya_backupdb.config.values import Duration, as_list, as_path

_OF_A_SHELL: Final = re.compile(r"[|&;<>]+|\d?>&?\d?")
"""Words that only a shell understands."""


def _words(value: object) -> object:
    """Cut a command that is written as one text into its words; nothing but quotes is special in it."""
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        raise refuse("a quote is not closed") from None
    if any(_OF_A_SHELL.fullmatch(word) for word in words):
        raise refuse('no shell reads it: name a script, or write ["/bin/sh", "-c", "..."]')
    return words


def _program(words: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    if not words or not words[0]:
        raise refuse("names no program")
    if any("\0" in word for word in words):
        raise refuse("a character that no program can be given")
    program, *rest = words
    if program.startswith("-"):
        raise refuse('an option is no program: a command is one text, or a list of its own: [["...", "-x"]]')
    if "/" in program:
        program = str(as_path(program, info))
    return (program, *rest)


Argv = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_program)]
Commands = Annotated[
    tuple[Argv, ...], Doc("list of commands, each a text or a list of words"), BeforeValidator(as_list)
]


class Hooks(Model):
    """Commands around each run of `backup` and `users backup`.

    A command is a list of words, or a text that is cut into words; no shell reads it.
    """

    before: Commands = ()
    """In order; the first that fails ends the run before anything is dumped."""
    after: Commands = ()
    """At the end of every run, whatever came of it."""
    on_failure: Commands = ()
    """After these, where anything failed."""
    timeout: Duration = timedelta(minutes=5)
    """The longest time of one command; it is ended then."""


def _is_address(value: SecretStr) -> SecretStr:
    if not re.match(r"[a-z][a-z0-9+.-]*://\S", value.get_secret_value(), re.IGNORECASE):
        raise refuse("must be an address as apprise has them: SCHEME://...")
    return value


def _is_web_address(value: SecretStr) -> SecretStr:
    address = value.get_secret_value()
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or re.search(r"[^\x21-\x7e]", address):
        raise refuse("must be an address that begins with https:// or http://")
    if parts.username is not None or parts.fragment:
        raise refuse("a user name, a password or #... in the address is not understood")
    return value


Address = Annotated[SecretStr, AfterValidator(_is_address)]
WebAddress = Annotated[SecretStr, Doc("address, http:// or https://"), AfterValidator(_is_web_address)]


class Notify(Model):
    """Who is told. The addresses hold what lets anybody send there: they are never shown."""

    urls: Annotated[tuple[Address, ...], Doc("list of addresses"), BeforeValidator(as_list)] = ()
    """Told of failures and warnings: addresses of https://appriseit.com; needs `vya-backupdb[notify]`."""
    ping: WebAddress | None = None
    """A monitor that raises the alarm when it hears nothing, in the manner of healthchecks.io: `/start` is
    added when `backup --all` begins, nothing after a success, `/fail` after a failure."""
