"""Statements about roles gathered into roles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import regex as re

from vya_backupdb.engines.postgresql.script.lexer import End, Inside, StatementLexer
from vya_backupdb.engines.postgresql.users.reading import (
    PUBLIC,
    Acting,
    Attributes,
    Comment,
    Label,
    Revoked,
    Said,
    Setting,
    read,
)
from vya_backupdb.engines.postgresql.users.roles import ON_BY_DEFAULT, Membership, ParameterGrant, Role
from vya_backupdb.errors import VerificationError

RESTRICTIONS: Final = (b"\\restrict", b"\\unrestrict")
"""The commands of psql that pg_dumpall writes; they keep it from executing any other."""


EASY: Final = re.compile(
    rb"\s*+((?:CREATE ROLE|ALTER ROLE|COMMENT ON ROLE|GRANT) "
    rb"(?:[^'\"$;()\\/-]++|'[^'\\]*+'|\"[^\"]*+\"|-(?=[^-]))++;)",
    re.DOTALL,
)
"""A statement as nearly all are: what could be more than names, numbers and strings is the lexer's."""


@dataclass
class _Draft:
    """A role that is being gathered."""

    role: Role
    memberships: list[Membership] = field(default_factory=list)
    parameters: list[ParameterGrant] = field(default_factory=list)
    settings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: list[tuple[str, str]] = field(default_factory=list)

    def finished(self) -> Role:
        return replace(
            self.role,
            labels=tuple(self.labels),
            settings=tuple(self.settings.items()),
            memberships=tuple(self.memberships),
            parameters=tuple(self.parameters),
        )


def gather(texts: Iterable[bytes], *, passwords: bool = True) -> list[Role]:
    """Give the roles that statements are about, in the order in which they are named first.

    Without `passwords`, that a role has none says nothing. Raises VerificationError, which says the how
    manieth statement cannot be read, but does not quote it.
    """
    gathering = _Gathering("" if passwords else None)
    number = 1
    try:
        for text in texts:
            gathering.take(read(text))
            number += 1
    except VerificationError as error:
        raise VerificationError(f"statement {number:,}: {error.what}", cure=error.cure) from error
    return gathering.roles()


class _Gathering:
    """What the statements up to here say."""

    def __init__(self, no_password: str | None) -> None:
        self._no_password = no_password
        self._drafts: dict[str, _Draft] = {}
        self._acting: str | None = None

    def roles(self) -> list[Role]:
        return [draft.finished() for draft in self._drafts.values()]

    def take(self, said: Said | Acting | None) -> None:
        if isinstance(said, Acting):
            self._acting = said.role
        elif said is not None and said.role != PUBLIC and not isinstance(said.what, Revoked):
            self._take(said)

    def _take(self, said: Said) -> None:
        if said.role not in self._drafts:
            self._drafts[said.role] = _Draft(Role(said.role, made=False))
        draft = self._drafts[said.role]
        match said.what:
            case Membership() as membership:
                draft.memberships.append(membership)
                return
            case ParameterGrant() as grant:
                draft.parameters.append(replace(grant, grantor=self._acting))
                return
            case Attributes(creates=True):
                if draft.role.made:
                    raise VerificationError("a role is created twice in the script")
            case _:
                if not draft.role.made:
                    raise VerificationError("it changes a role that the script does not create")
        match said.what:
            case Attributes() as what:
                draft.role = _with(draft.role, what, self._no_password)
            case Setting(name, values):
                draft.settings[name] = values
            case Comment(comment):
                draft.role = replace(draft.role, comment=comment or None)
            case Label(provider, label):
                draft.labels.append((provider, label))


def _with(role: Role, what: Attributes, no_password: str | None) -> Role:
    if what.creates:
        role = replace(role, made=True, flags=ON_BY_DEFAULT, password=no_password)
    flags = set(role.flags)
    for name, on in what.flags:
        (flags.add if on else flags.discard)(name)
    return replace(
        role,
        flags=frozenset(flags),
        connection_limit=role.connection_limit if what.connection_limit is None else what.connection_limit,
        valid_until=role.valid_until if what.valid_until is None else what.valid_until,
        password=role.password if what.password is None else what.password,
    )


def split(script: bytes) -> Iterator[bytes]:
    """Give the statements of a script of roles. Raises VerificationError where there is more in it."""
    lexer = StatementLexer()
    while True:
        if (easy := EASY.match(script, lexer.position)) is not None:
            yield easy[1]
            lexer.begin(easy.end())
            continue
        if (end := lexer.scan(script, final=True)) is None:
            break
        start = lexer.start if lexer.start is not None else lexer.position
        text = script[start : lexer.position]
        if end is End.META_COMMAND:
            refuse_command(text)
        elif text != b";":
            yield text
        lexer.begin(lexer.position)
    if lexer.start is not None or lexer.inside is not Inside.STATEMENT:
        raise VerificationError(f"a script of users and roles ends inside {lexer.inside}")


def refuse_command(text: bytes) -> None:
    """Raise VerificationError for a command of psql's own that pg_dumpall does not write."""
    if not text.startswith(RESTRICTIONS) or len(text.split()) != 2:
        raise VerificationError(
            "there is a command of psql's own in a script of users and roles; none is ever executed",
            cure="take a file of `users backup`, or of pg_dumpall --roles-only",
        )
