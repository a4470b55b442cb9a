"""What a statement about a role says, as pg_dumpall (13 to 18) and this program write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from vya_backupdb.engines.postgresql.script.parts import setting_of
from vya_backupdb.engines.postgresql.script.tokens import Cursor, decode, literal
from vya_backupdb.engines.postgresql.users.roles import FLAGS, Membership, ParameterGrant
from vya_backupdb.errors import VerificationError

PUBLIC: Final = ""
"""The grantee PUBLIC, and the ALL of ALTER ROLE ALL SET: no role can have an empty name."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """CREATE ROLE and ALTER ROLE: what they say; None: nothing."""

    creates: bool
    flags: tuple[tuple[str, bool], ...] = ()
    connection_limit: int | None = None
    valid_until: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """ALTER ROLE ... SET."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comment:
    """COMMENT ON ROLE."""

    text: str


@dataclass(frozen=True, slots=True)
class Label:
    """SECURITY LABEL ... ON ROLE."""

    provider: str
    text: str


@dataclass(frozen=True, slots=True)
class Acting:
    """SET SESSION AUTHORIZATION; `role` None: RESET of it."""

    role: str | None


@dataclass(frozen=True, slots=True)
class Revoked:
    """REVOKE ... ON PARAMETER: only of the superuser's own privileges, who has them nevertheless."""


What = Attributes | Setting | Comment | Label | Membership | ParameterGrant | Revoked


@dataclass(frozen=True, slots=True)
class Said:
    """One statement: which role it is about, and what it says of it."""

    role: str
    what: What


def read(text: bytes) -> Said | Acting | None:
    """Read a statement; None: a setting of the session. Raises VerificationError where it is none of these.

    The error does not quote the statement, for there may be a password in it.
    """
    cursor = Cursor(text.rstrip().removesuffix(b";"), short=True)
    verb = cursor.peek()
    said: Said | Acting | None = None
    if verb in (b"SET", b"RESET"):
        if setting := setting_of(text):
            if setting.parameter == "session_authorization":
                return _acting(cursor)
            _check_setting(setting.parameter, setting.value)
            return None
    elif cursor.take(b"CREATE", b"ROLE"):
        said = _attributes(cursor, creates=True)
    elif cursor.take(b"ALTER", b"ROLE"):
        said = _altered(cursor)
    elif cursor.take(b"COMMENT", b"ON", b"ROLE"):
        role = _role(cursor)
        if cursor.take(b"IS"):
            said = Said(role, Comment(_text(cursor)))
    elif cursor.take(b"SECURITY", b"LABEL", b"FOR"):
        said = _label(cursor)
    elif cursor.take(b"GRANT"):
        said = _granted(cursor)
    elif cursor.take(b"REVOKE"):
        said = Said(PUBLIC, Revoked()) if cursor.seek(b"ON", b"PARAMETER") and cursor.seek(b"FROM") else None
        while cursor.skip():
            pass
    if said is None or cursor.peek():
        word = decode(verb) if verb.isalpha() else "?"
        raise VerificationError(
            f"{word} ...: no statement about users and roles that pg_dumpall writes",
            cure="take a file of `users backup`, or of pg_dumpall --roles-only",
        )
    return said


_SESSION: Final = {
    "default_transaction_read_only": (b"off",),
    "client_encoding": (b"'UTF8'", b"'SQL_ASCII'"),
    "standard_conforming_strings": (b"on",),
    "escape_string_warning": (b"off",),
}
"""The settings of a session under which a script is read here as the server would read it."""


def _check_setting(name: str, value: bytes) -> None:
    if value.lower() not in {known.lower() for known in _SESSION.get(name, ())}:
        raise VerificationError(
            f"SET {name}: users and roles are not read under such a setting",
            cure="take a file of `users backup`, or of pg_dumpall --roles-only --encoding=UTF8",
        )


def _acting(cursor: Cursor) -> Acting:
    if cursor.take(b"RESET"):
        return Acting(None)
    cursor.take(b"SET")
    cursor.take_any(b"SESSION", b"LOCAL")
    cursor.skip()
    written = cursor.peek()
    if written[:1] in (b"'", b"E", b"e") and written[-1:] == b"'":
        return Acting(_text(cursor))
    return Acting(None) if cursor.take(b"DEFAULT") else Acting(_role(cursor))


def _role(cursor: Cursor) -> str:
    """Read the name of a role; no role has an empty one, which would be taken for PUBLIC here."""
    if not (name := cursor.identifier()):
        raise VerificationError("the name of a role was expected in a statement about one")
    return name


def _attributes(cursor: Cursor, *, creates: bool) -> Said | None:
    role = _role(cursor)
    cursor.take(b"WITH")
    flags: list[tuple[str, bool]] = []
    limit: int | None = None
    until = password = None
    while word := cursor.peek():
        if (flag := _flag(word)) is not None:
            cursor.skip()
            flags.append(flag)
        elif cursor.take(b"CONNECTION", b"LIMIT"):
            limit = _number(cursor)
        elif cursor.take(b"VALID", b"UNTIL"):
            until = instant(_text(cursor))
        elif cursor.take(b"PASSWORD"):
            password = "" if cursor.take(b"NULL") else _text(cursor)
        else:
            return None
    return Said(role, Attributes(creates, tuple(flags), limit, until, password))


def _flag(word: bytes) -> tuple[str, bool] | None:
    name = decode(word)
    if name in FLAGS:
        return name, True
    return (name[2:], False) if name[:2] == "NO" and name[2:] in FLAGS else None


def _number(cursor: Cursor) -> int:
    negative = cursor.take(b"-")
    digits = cursor.skip()
    if not digits.isdigit():
        raise VerificationError("CONNECTION LIMIT is no number")
    return -int(digits) if negative else int(digits)


def _altered(cursor: Cursor) -> Said | None:
    if cursor.peek(1) != b"SET":
        return _attributes(cursor, creates=False)
    role = PUBLIC if cursor.take(b"ALL") else _role(cursor)
    cursor.take(b"SET")
    name = _parameter(cursor)
    if not cursor.take_any(b"TO", b"="):
        return None
    values = [_text(cursor)]
    while cursor.take(b","):
        values.append(_text(cursor))
    return Said(role, Setting(name, tuple(values)))


def _parameter(cursor: Cursor) -> str:
    """Read a parameter's name: pg_dumpall writes `"app.x"`, this program and GRANT `"app"."x"` or app.x."""
    parts = [cursor.identifier()]
    while cursor.take(b"."):
        parts.append(cursor.identifier())
    return ".".join(parts)


_STRING: Final = re.compile(rb"[eE]?'")


def _text(cursor: Cursor) -> str:
    written = cursor.skip()
    if not _STRING.match(written):
        raise VerificationError("a text in quotes was expected in a statement about a role")
    if written[:1] in b"eE" and b"\\" in written.replace(b"\\\\", b""):
        raise VerificationError("there is an escape in a text that pg_dumpall does not write")
    return literal(written)


def instant(text: str) -> str:
    """Give a time in UTC, as DateStyle ISO writes it; what is no such time stays as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    if when.tzinfo is None:
        return text
    try:
        when = when.astimezone(UTC)
    except OverflowError:  # in UTC it is in the year 0 or 10000
        return text
    fraction = f".{when.microsecond:06}".rstrip("0").rstrip(".")
    return f"{when.year:04}" + when.strftime("-%m-%d %H:%M:%S") + fraction + "+00"


def _label(cursor: Cursor) -> Said | None:
    provider = _text(cursor) if _STRING.match(cursor.peek()) else cursor.identifier()
    if not cursor.take(b"ON", b"ROLE"):
        return None
    role = _role(cursor)
    return Said(role, Label(provider, _text(cursor))) if cursor.take(b"IS") else None


def _granted(cursor: Cursor) -> Said | None:
    privileges = _privileges(cursor)
    if privileges:
        name = _parameter(cursor)
        if not cursor.take(b"TO"):
            return None
        grantee = PUBLIC if cursor.take(b"PUBLIC") else _role(cursor)
        grantable = cursor.take(b"WITH", b"GRANT", b"OPTION")
        return Said(grantee, ParameterGrant(name, privileges, grantable))
    role = cursor.identifier()
    if not cursor.take(b"TO"):
        return None
    member = cursor.identifier()
    options: dict[bytes, bool] = {}
    if cursor.take(b"WITH"):
        options = dict(_options(cursor))
    grantor = _role(cursor) if cursor.take(b"GRANTED", b"BY") else None
    membership = Membership(
        role, options.get(b"ADMIN", False), options.get(b"INHERIT"), options.get(b"SET", True), grantor
    )
    return Said(member, membership) if role and member else None


def _options(cursor: Cursor) -> Iterator[tuple[bytes, bool]]:
    while option := cursor.take_any(b"ADMIN", b"INHERIT", b"SET"):
        value = cursor.take_any(b"OPTION", b"TRUE", b"FALSE")
        yield option, value != b"FALSE"
        if not cursor.take(b","):
            return


_PRIVILEGES: Final = {
    (b"SET",): ("SET",),
    (b"ALTER", b"SYSTEM"): ("ALTER SYSTEM",),
    (b"ALL",): ("SET", "ALTER SYSTEM"),
    (b"ALL", b"PRIVILEGES"): ("SET", "ALTER SYSTEM"),
}


def _privileges(cursor: Cursor) -> tuple[str, ...]:
    """Step over `SET, ALTER SYSTEM ON PARAMETER`; () and no step where the words are a role's name."""
    words: list[bytes] = []
    while cursor.peek(len(words)) in (b"SET", b"ALTER", b"SYSTEM", b"ALL", b"PRIVILEGES", b","):
        words.append(cursor.peek(len(words)))
    if not words or not cursor.take(*words, b"ON", b"PARAMETER"):
        return ()
    found: set[str] = set()
    for part in b" ".join(words).split(b" , "):
        found.update(_PRIVILEGES.get(tuple(part.split()), ()))
    return tuple(sorted(found))
