"""What of a pg_dump script makes roles the owners of things, and what it grants to roles that are missing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from vya_backupdb.engines.postgresql.restore.requirements import roles_of
from vya_backupdb.engines.postgresql.script.parts import setting_of
from vya_backupdb.engines.postgresql.script.statements import CLASSIFIED, spans
from vya_backupdb.engines.postgresql.script.tokens import Cursor, decode, literal
from vya_backupdb.model import Ownership, Section, SectionKind, Span


def ownerships(section: Section, absent: Collection[str] = ()) -> Iterator[Ownership]:
    """Give what `pg_dump --no-owner` leaves out, and the functions that act with their owner's rights.

    Also the grants to roles of `absent`, which the server would refuse.
    """
    if section.kind is SectionKind.ROWS and section.object is not None:
        return
    for span, statement in spans(section):
        text = statement.text[:CLASSIFIED]
        cursor = Cursor(text)
        match cursor.skip():
            case b"ALTER" if cursor.take(b"DEFAULT", b"PRIVILEGES"):
                yield from _grants(text, absent, span)
            case b"ALTER" if cursor.seek(b"OWNER", b"TO"):
                yield Ownership("owner", cursor.identifier(), _shown(text.rpartition(b" OWNER TO ")[0]), span)
            case b"SET":
                setting = setting_of(text)
                if setting is not None and setting.parameter in ("session_authorization", "role"):
                    yield Ownership("owner", _role(setting.value), "", span)
            case b"GRANT" | b"REVOKE":
                yield from _grants(text, absent, span)
            case b"CREATE" if cursor.seek(b"SECURITY", b"DEFINER"):
                yield Ownership("actor", "", _shown(text.partition(b"(")[0]))
            case _:
                pass


def _grants(text: bytes, absent: Collection[str], span: Span) -> Iterator[Ownership]:
    refused = roles_of(text) & set(absent)
    if refused:
        yield Ownership("grant", min(refused), decode(b" ".join(text.split())), span)


def _role(value: bytes) -> str:
    return Cursor(value).identifier() or literal(value)


def _shown(text: bytes) -> str:
    """Give `table app.t` of what stands between the verb and the first thing that is said of the object."""
    kind, _, name = decode(b" ".join(text.split()[1:])).partition(" ")
    return f"{kind.lower()} {name}"
