"""Scripts of accounts, read from a file alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vya_backupdb.engines.postgresql.users.dump import WITHOUT_PASSWORDS
from vya_backupdb.engines.postgresql.users.gathering import gather, split
from vya_backupdb.engines.postgresql.users.writing import accounts_of
from vya_backupdb.errors import DumpFailed, VerificationError
from vya_backupdb.model import Account, Section, SectionKind


def accounts(script: Iterable[Section]) -> list[Account]:
    """Read a script of roles, from whichever version. Raises VerificationError for what is none."""
    sections = list(script)
    passwords = not any(
        section.kind is SectionKind.HEADER and WITHOUT_PASSWORDS in section.body.splitlines()
        for section in sections
    )
    try:
        return accounts_of(gather(_texts(sections), passwords=passwords))
    except DumpFailed as error:  # of the lexer
        raise VerificationError(error.what, cure=error.cure) from error


def _texts(sections: Iterable[Section]) -> Iterator[bytes]:
    for section in sections:
        if section.kind is SectionKind.ROWS:
            raise VerificationError("there are rows of tables in it: no script of users and roles")
        yield from split(section.body)
