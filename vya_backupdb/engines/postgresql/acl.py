"""Privileges of a database from their text (`aclitem`) to the GRANTs that make them again.

The text is `grantee=privileges/grantor`; names that are not plain words are in double quotes, an empty
grantee is PUBLIC, and `*` after a letter is WITH GRANT OPTION (PostgreSQL manual, "Privileges"). The
server's own `aclexplode` cannot be used: it takes the text only where all the roles exist.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from vya_backupdb.errors import VerificationError

PRIVILEGES: Final = {"C": "CREATE", "c": "CONNECT", "T": "TEMPORARY"}
"""The privileges of a database and their letters; none has been added since 8.2."""

_NAME = r'((?:[^"=/]|"(?:[^"]|"")*")*)'
_ITEM: Final = re.compile(rf"{_NAME}=((?:[A-Za-z]\*?)*)/{_NAME}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AclItem:
    """What one role was granted by another."""

    grantee: str | None
    """None: PUBLIC."""
    grantor: str
    plain: str
    """Letters of the privileges without grant option."""
    grantable: str
    """Letters of the privileges with grant option."""


def parse(item: str) -> AclItem:
    """Take the text of an aclitem of a database apart. Raises VerificationError where it is none."""
    match = _ITEM.fullmatch(item)
    if match is None or not set(match[2]) <= {*PRIVILEGES, "*"}:
        raise VerificationError(
            f"{item!r} is no privilege of a PostgreSQL database that is known here",
            cure="the metadata has been altered, or is of a newer PostgreSQL",
        )
    grantee, letters, grantor = match.groups()
    return AclItem(
        grantee=_unquoted(grantee) or None,
        grantor=_unquoted(grantor),
        plain="".join(re.findall(r"[A-Za-z](?!\*)", letters)),
        grantable="".join(re.findall(r"[A-Za-z](?=\*)", letters)),
    )


def _unquoted(name: str) -> str:
    return re.sub(r'"((?:[^"]|"")*)"', lambda match: match[1].replace('""', '"'), name)


def roles(items: Iterable[str]) -> set[str]:
    """Give the roles that privileges name."""
    named = set()
    for item in map(parse, items):
        named.add(item.grantor)
        if item.grantee is not None:
            named.add(item.grantee)
    return named


def owned(items: Iterable[str], owner: str, account: str, absent: Collection[str]) -> Iterator[str]:
    """Give the privileges of a database whose owner is another one; nothing for roles that are absent."""
    for item in map(parse, items):
        grantee = account if item.grantee == owner else item.grantee
        grantor = account if item.grantor == owner else item.grantor
        if grantee not in absent and grantor not in absent:
            letters = item.plain + "".join(f"{letter}*" for letter in item.grantable)
            yield f"{_quoted(grantee or '')}={letters}/{_quoted(grantor)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if name else ""


def statements(
    database: str, owner: str, wanted: Sequence[str], present: Sequence[str]
) -> Iterator[tuple[str | None, sql.Composed]]:
    """Give what turns the present privileges of a database into the wanted ones, in order.

    Each is (role to act as, statement); None: as the one who is logged in, which the server takes for
    the owner where that is a superuser or a member. A grant is made by the role that made it at the
    source, and after the grant that allows it, as `pg_dump --create` does.
    """
    wanted_items, present_items = [parse(item) for item in wanted], [parse(item) for item in present]
    if set(wanted_items) == set(present_items):
        return
    for grantee in dict.fromkeys([None, owner, *(item.grantee for item in present_items)]):
        yield None, _statement("REVOKE ALL ON DATABASE {} FROM {} CASCADE", database, grantee)
    for item in _in_order(wanted_items, owner):
        actor = None if item.grantor == owner else item.grantor
        for letters, option in ((item.plain, ""), (item.grantable, " WITH GRANT OPTION")):
            if letters:
                names = ", ".join(PRIVILEGES[letter] for letter in letters)
                yield (
                    actor,
                    _statement(f"GRANT {names} ON DATABASE {{}} TO {{}}{option}", database, item.grantee),
                )


def _statement(text: str, database: str, grantee: str | None) -> sql.Composed:
    to = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
    return sql.SQL(text).format(sql.Identifier(database), to)


def _in_order(items: Sequence[AclItem], owner: str) -> Iterator[AclItem]:
    """Give the grants so that no role grants before it may; what hangs in the air comes last."""
    able = {owner}
    waiting = list(items)
    while waiting:
        ready = [item for item in waiting if item.grantor in able] or waiting
        for item in ready:
            yield item
            waiting.remove(item)
            if item.grantable and item.grantee is not None:
                able.add(item.grantee)
