"""To which part of a pg_dump script a statement belongs, told by its first words.

pg_dump (13 to 18, pg_backup_archiver.c and pg_dump_sort.c) writes in this order: session settings, what
precedes the data, the data (tables, sequences, large objects), what follows it, then all GRANTs and
REVOKEs, then event triggers and the REFRESH of materialized views. Only what follows the data may begin
with the words of Part.POST, so these show where that part begins in a script without any data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from vya_backupdb.engines.postgresql.script.tokens import Cursor, decode
from vya_backupdb.errors import DumpFailed


class Part(Enum):
    """What the place of a statement depends on."""

    SETTING = "setting"
    """SET and RESET of one parameter: belongs to what follows it, at the script's head to the header."""
    SEARCH_PATH = "search path"
    """`SELECT pg_catalog.set_config('search_path', '', false)`: header."""
    RESTRICT = "restrict"
    UNRESTRICT = "unrestrict"
    EMPTY = "empty"
    BEGIN = "begin"
    COMMIT = "commit"
    COPY = "copy"
    INSERT = "insert"
    SEQUENCE = "sequence"
    LARGE_OBJECT = "large object"
    """Content: lo_open, lowrite, lo_close."""
    LARGE_OBJECT_DEFINITION = "large object definition"
    """lo_create, owner, comment, label: before the data up to 16, among it from 17."""
    TRIGGERS = "triggers"
    """`ALTER TABLE t {DISABLE | ENABLE} TRIGGER ALL` (--data-only --disable-triggers)."""
    DROP = "drop"
    """What --clean writes at the head of the schema to drop what may be there."""
    POST = "post"
    """What pg_dump writes only after the data."""
    OTHER = "other"


DATA: Final = frozenset((Part.COPY, Part.INSERT, Part.SEQUENCE, Part.LARGE_OBJECT, Part.TRIGGERS))

OBJECT_SETTINGS: Final = {
    "default_tablespace": b"''",
    "default_table_access_method": b"heap",
    "default_with_oids": b"false",
    "session_authorization": b"DEFAULT",
    "role": b"NONE",
}
"""The settings that pg_dump changes from object to object, with the value that changes nothing."""

_UNSAFE_ENCODINGS: Final = frozenset(
    (
        *("BIG5", "WIN950", "WINDOWS950", "GBK", "WIN936", "WINDOWS936", "GB18030", "JOHAB", "UHC", "WIN949"),
        *("WINDOWS949", "SJIS", "MSKANJI", "SHIFTJIS", "WIN932", "WINDOWS932", "SHIFTJIS2004"),
    )
)
"""Client-only encodings, whose characters may hold a byte that reads as a backslash
(src/include/mb/pg_wchar.h, src/common/encnames.c)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`SET parameter = value`, or RESET, whose value is DEFAULT."""

    parameter: str
    value: bytes
    reset: bool = False

    @property
    def changes_nothing(self) -> bool:
        """Whether objects are made as they are in a fresh session of a server without own defaults."""
        return self.value.lower() == OBJECT_SETTINGS.get(self.parameter, b"default").lower()


_SPELLED_OUT: Final = (
    ((b"SESSION", b"AUTHORIZATION"), "session_authorization"),
    ((b"TIME", b"ZONE"), "timezone"),
    ((b"XML", b"OPTION"), "xmloption"),
    ((b"ROLE",), "role"),
    ((b"NAMES",), "client_encoding"),
)


def setting_of(text: bytes) -> Setting | None:
    """Give the one parameter that a SET or RESET is about; None for any other statement."""
    cursor = Cursor(text)
    verb = cursor.take_any(b"SET", b"RESET")
    if not verb or (verb == b"RESET" and cursor.peek() == b"ALL"):
        return None
    reset = verb == b"RESET"
    if cursor.peek(1) != b"AUTHORIZATION":
        cursor.take_any(b"SESSION", b"LOCAL")
    for words, parameter in _SPELLED_OUT:
        if cursor.take(*words):
            return Setting(parameter, b"DEFAULT" if reset else _rest(cursor), reset)
    name = decode(cursor.name().lower())
    if reset:
        return Setting(name, b"DEFAULT", reset)
    if not name or not cursor.take_any(b"=", b"TO"):
        return None  # SET TRANSACTION, SET CONSTRAINTS ...
    return Setting(name, _rest(cursor))


def _rest(cursor: Cursor) -> bytes:
    words = []
    while (word := cursor.skip()) and word != b";":
        words.append(word)
    return b" ".join(words)


def check_encoding(setting: Setting) -> None:
    """Raise DumpFailed where the script is in an encoding whose characters may hide a backslash."""
    if setting.parameter != "client_encoding":
        return
    name = "".join(c for c in decode(setting.value).upper() if c.isalnum())
    if name in _UNSAFE_ENCODINGS:
        raise DumpFailed(
            f"the script is in the encoding {decode(setting.value)}, in which statements can not be split",
            cure="dump the database again in its own encoding (pg_dump without --encoding)",
        )


def copy_target(text: bytes) -> str | None:
    """Give the table of a `COPY ... FROM stdin` as written; None for any other statement.

    Raises DumpFailed for options, which change what the lines mean; pg_dump gives none.
    """
    cursor = Cursor(text)
    if not cursor.take(b"COPY"):
        return None
    name = cursor.name()
    if cursor.take(b"("):
        while (token := cursor.skip()) and token != b")":
            pass
    if not name or not cursor.take(b"FROM", b"STDIN"):
        return None
    if cursor.peek() not in (b"", b";"):
        raise DumpFailed(
            f"COPY {decode(name)} FROM stdin has options",
            cure="pg_dump never writes any: dump the database again with pg_dump",
        )
    return decode(name)


def insert_target(text: bytes, target: bytes | None) -> str:
    """Give the table of an INSERT as written; `target` where it was told already."""
    if target is not None:
        return decode(target)
    cursor = Cursor(text)
    cursor.take(b"INSERT", b"INTO")
    return decode(cursor.name())


def part_of(text: bytes) -> Part:
    """Classify a statement; `text` may be cut off after its first words."""
    cursor = Cursor(text)
    match cursor.skip():
        case b"" | b";":
            return Part.EMPTY
        case b"\\":
            return {b"RESTRICT": Part.RESTRICT, b"UNRESTRICT": Part.UNRESTRICT}.get(cursor.peek(), Part.OTHER)
        case b"SET" | b"RESET":
            return Part.SETTING if setting_of(text) else Part.OTHER
        case b"SELECT":
            return _part_of_select(cursor)
        case b"COPY":
            return Part.COPY if copy_target(text) else Part.OTHER
        case b"BEGIN":
            return Part.BEGIN
        case b"COMMIT":
            return Part.COMMIT
        case b"ALTER":
            return _part_of_alter(cursor)
        case b"COMMENT" | b"SECURITY":
            about_large_object = cursor.seek(b"ON", b"LARGE", b"OBJECT")
            return Part.LARGE_OBJECT_DEFINITION if about_large_object else Part.OTHER
        case b"GRANT" | b"REVOKE" | b"REFRESH":
            return Part.POST
        case b"CREATE":
            return _part_of_create(cursor)
        case b"DROP":
            return Part.DROP
        case _:
            return Part.OTHER


_FUNCTIONS: Final = {
    b"SETVAL": Part.SEQUENCE,
    b"LO_OPEN": Part.LARGE_OBJECT,
    b"LOWRITE": Part.LARGE_OBJECT,
    b"LO_CLOSE": Part.LARGE_OBJECT,
    b"LO_CREATE": Part.LARGE_OBJECT_DEFINITION,
    b"LO_UNLINK": Part.DROP,
}


def _part_of_select(cursor: Cursor) -> Part:
    if cursor.take(b"*", b"FROM"):
        function = cursor.name().upper()
        return Part.POST if function.startswith(b"PG_CATALOG.PG_RESTORE_") else Part.OTHER
    function = cursor.name().upper().removeprefix(b"PG_CATALOG.")
    if function == b"SET_CONFIG" and cursor.take(b"(", b"'search_path'"):
        return Part.SEARCH_PATH
    return _FUNCTIONS.get(function, Part.OTHER) if cursor.peek() == b"(" else Part.OTHER


def _part_of_alter(cursor: Cursor) -> Part:
    if cursor.take(b"LARGE", b"OBJECT"):
        return Part.LARGE_OBJECT_DEFINITION
    if cursor.take(b"DEFAULT", b"PRIVILEGES"):
        return Part.POST
    cursor.take_any(b"FOREIGN")
    kind = cursor.take_any(b"TABLE", b"DOMAIN", b"PUBLICATION")
    cursor.take(b"IF", b"EXISTS")
    cursor.take(b"ONLY")
    cursor.name()
    if kind and cursor.peek() == b"DROP":
        return Part.DROP
    if kind != b"TABLE":
        return Part.OTHER
    if cursor.take(b"DETACH", b"PARTITION"):
        return Part.DROP
    if cursor.take(b"ALTER", b"COLUMN"):
        cursor.name()
        return Part.DROP if cursor.peek() == b"DROP" else Part.OTHER
    if cursor.take(b"ENABLE", b"ROW", b"LEVEL", b"SECURITY"):
        return Part.POST
    if cursor.take_any(b"DISABLE", b"ENABLE"):
        return Part.TRIGGERS if cursor.take(b"TRIGGER", b"ALL") else Part.OTHER
    if cursor.take(b"ADD", b"CONSTRAINT"):
        cursor.name()
        return Part.OTHER if cursor.peek() == b"NOT" else Part.POST
    return Part.OTHER


_POST: Final = frozenset(
    (b"INDEX", b"RULE", b"TRIGGER", b"POLICY", b"PUBLICATION", b"SUBSCRIPTION", b"STATISTICS")
)


def _part_of_create(cursor: Cursor) -> Part:
    if cursor.take(b"OR", b"REPLACE") and cursor.peek() == b"VIEW" and cursor.seek(b"AS", b"SELECT", b"NULL"):
        return Part.DROP  # a view that other things to be dropped need is emptied first
    cursor.take_any(b"UNIQUE", b"CONSTRAINT", b"EVENT")
    return Part.POST if cursor.peek() in _POST else Part.OTHER
