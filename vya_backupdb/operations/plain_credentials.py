"""Read credentials as people write them, before they are encrypted.

Nothing is guessed: what YAML would take for a number, a comment or an anchor is refused, because it would
become another password. No value is repeated in an error, and no error carries the text with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from vya_backupdb.config.document import Document, DocumentError, read_document
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.errors import CredentialsError

_FORM = 'write {"ID": {"username": "...", "password": "..."}}'
_KEYS = {"username", "password"}


def read_plain(raw: bytes, name: str) -> dict[str, Credential]:
    """Read plain credentials, JSON or YAML; `name` is what errors call them.

    Raises CredentialsError with all faults at once.
    """
    outcome = _read_plain(raw, name)
    del raw  # raised here, and not where the text is, so that no frame of the traceback holds it
    if isinstance(outcome, CredentialsError):
        raise outcome
    return outcome


def _read_plain(raw: bytes, name: str) -> dict[str, Credential] | CredentialsError:
    try:
        document = _parse(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return CredentialsError(f"{name}:{line}: not UTF-8 text", cure="save the file as UTF-8")
    if isinstance(document, int):
        what = f"{name}:{document}: neither JSON nor YAML"
        return CredentialsError(what, cure=f"{_FORM}, all text in double quotes")
    if not isinstance(document.value, dict) or not document.value:
        return CredentialsError(f"{name}: holds no credentials", cure=_FORM)
    entries: dict[str, Credential] = {}
    for instance, value in document.value.items():
        faults = list(_faults(document, instance, value))
        if not faults:
            try:
                entries[instance] = _credential(value)
            except CredentialsError as error:
                faults = [error.what]
        for fault in faults:
            document.fault((instance,), fault)
    return _all_faults(document, name) if document.faults else entries


def _all_faults(document: Document, name: str) -> CredentialsError:
    lines = [
        f"{name}:{fault.line if document.lines else ''}".rstrip(":")
        + f": {fault.path[0] if fault.path else 'document'}: {fault.what}"
        for fault in sorted(document.faults)
    ]
    return CredentialsError("\n".join(dict.fromkeys(lines)), cure="nothing was written")


def _parse(text: str) -> Document | int:
    """Read JSON or YAML, or give the line where it ends to be either."""
    as_json = _parse_json(text) if text.lstrip().startswith("{") else 0
    if isinstance(as_json, Document):
        return as_json
    try:
        return read_document(text, anchors=False)
    except DocumentError as error:
        return as_json or error.line


def _parse_json(text: str) -> Document | int:
    """Read JSON, or give the line where it ends to be JSON."""
    document = Document()

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            document.fault((), "a key is written twice")
        return dict(pairs)

    try:
        document.value = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        return error.lineno
    except (ValueError, RecursionError):  # a number of thousands of digits; thousands of brackets
        return 1
    return document


def _faults(document: Document, instance: str, value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "must hold a username and a password"
        return
    if not _KEYS.issuperset(value):
        yield "only username and password are known here"
    if value.get("username") is None:
        yield "the username is missing"
    for key in ("username", "password"):
        if (instance, key) in document.commented:
            yield f"the {key} has a # behind it: write it in quotes"
        elif not isinstance(value.get(key), str | None):
            yield f"the {key} is not text as it stands: write it in quotes"


def _credential(value: dict[str, Any]) -> Credential:
    password = value.get("password")
    return Credential(value["username"], None if password is None else SecretStr(password))
