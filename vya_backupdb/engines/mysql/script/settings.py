"""SET statements: what a script's session is set to, saved from and restored to.

The tools save a setting in a user variable, change it, and restore it afterwards: around the whole script
(`@OLD_SQL_MODE`) and around each object (`@saved_sql_mode`). What is in force decides how the script is to be
read, and whether a part of it can be executed by a session that has seen only the header.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import regex as re

from vya_backupdb.engines.mysql.script.modes import PLAIN, Modes
from vya_backupdb.engines.mysql.script.tokens import Piece, Token, tokens, unquoted


class Scope(Enum):
    """Whose variable is set."""

    USER = auto()
    SESSION = auto()
    GLOBAL = auto()


@dataclass(frozen=True, slots=True)
class Assignment:
    """One `variable = value` of a SET statement."""

    scope: Scope
    name: str
    """In lower case, but of a user variable: as it is written, without `@`."""
    value: str
    """As it is written but for comments; a single string or name without its quotes."""
    references: tuple[str, ...] = ()
    """The user variables in the value, without `@`."""

    @property
    def reads(self) -> str | None:
        """The session variable that the value is, if it is one: `@@sql_mode`."""
        if not self.value.startswith("@@"):
            return None
        scope, dot, name = self.value[2:].lower().partition(".")
        return name if dot and scope in ("session", "local") else scope if not dot else None


_SCOPES: Final = {
    "SESSION": Scope.SESSION,
    "LOCAL": Scope.SESSION,
    "GLOBAL": Scope.GLOBAL,
    "PERSIST": Scope.GLOBAL,
    "PERSIST_ONLY": Scope.GLOBAL,
}
_NAMES_SETS = ("character_set_client", "character_set_results", "collation_connection")
_OTHER_SET_STATEMENTS: Final = {"ROLE", "DEFAULT", "TRANSACTION", "STATEMENT", "RESOURCE"}

_VALUE: Final = re.compile(
    rb"-?(?:[0-9]++(?:\.[0-9]++)?+|[A-Za-z_][A-Za-z0-9_]*+)"
    rb"|'[^'\\\x80-\xff]*+'|\"[^\"\\\x80-\xff]*+\"|`[^`\x80-\xff]++`"
)
_VARIABLE: Final = re.compile(
    rb"@@?[A-Za-z0-9_.$]++|@(?:`[^`\x80-\xff]++`|'[^'\\\x80-\xff]++'|\"[^\"\\\x80-\xff]++\")"
)

HARMLESS: Final = frozenset(
    {
        "autocommit",
        "character_set_results",
        "foreign_key_checks",
        "note_verbosity",
        "sql_log_bin",
        "sql_notes",
        "sql_quote_show_create",
        "unique_checks",
    }
)
"""Settings that do not change what a statement of a dump means; without them it works, or fails loudly."""


def assignments(text: bytes, modes: Modes) -> tuple[Assignment, ...] | None:
    """Take a SET statement apart; None for one that sets no variables, or is not understood.

    Values are what the tools write: a number, word or string, a variable, or `IFNULL(@x, ...)`. What another
    expression makes of the sql_mode is the server's knowledge alone, and the script would be read wrongly.
    """
    pieces = [piece for piece in tokens(text, modes) if piece[0] not in (Token.OPEN, Token.CLOSE)]
    if not pieces or _word(text, pieces[0]) != "SET" or len(pieces) == 1:
        return None
    first = _word(text, pieces[1])
    second = _word(text, pieces[2]) if len(pieces) > 2 else ""
    if first == "NAMES":
        return _names(text, pieces[2:])
    if first in ("CHARSET", "CHARACTER") and second != "=":
        return _names(text, pieces[2 if first == "CHARSET" else 3 :])
    if first == "PASSWORD" or (first in _OTHER_SET_STATEMENTS and second not in ("=", ":")):
        return None
    found = []
    for group in _by_comma(text, pieces[1:]):
        assignment = _assignment(text, group)
        if assignment is None:
            return None
        found.append(assignment)
    return tuple(found)


def _word(text: bytes, piece: Piece) -> str:
    return text[piece[1] : piece[2]].decode("latin-1").upper()


def _by_comma(text: bytes, pieces: Iterable[Piece]) -> list[list[Piece]]:
    groups: list[list[Piece]] = [[]]
    depth = 0
    for piece in pieces:
        char = text[piece[1] : piece[2]] if piece[0] is Token.OTHER else b""
        depth += (char == b"(") - (char == b")")
        if char == b"," and depth == 0:
            groups.append([])
        else:
            groups[-1].append(piece)
    return groups


def _names(text: bytes, pieces: Sequence[Piece]) -> tuple[Assignment, ...] | None:
    if len(pieces) not in (1, 3) or (len(pieces) == 3 and _word(text, pieces[1]) != "COLLATE"):
        return None
    if not all(_VALUE.fullmatch(text, piece[1], piece[2]) for piece in pieces[::2]):
        return None
    value = _value(text, pieces[:1]).lower()
    collation = _value(text, pieces[2:]).lower() if len(pieces) == 3 else value
    values = (value, value, collation)
    return tuple(
        Assignment(Scope.SESSION, name, given) for name, given in zip(_NAMES_SETS, values, strict=True)
    )


def _assignment(text: bytes, pieces: Sequence[Piece]) -> Assignment | None:
    equals = next((i for i, piece in enumerate(pieces) if text[piece[1] : piece[2]] == b"="), None)
    if equals is None:
        return None
    target = list(pieces[:equals])
    if target and text[target[-1][1] : target[-1][2]] == b":":
        target.pop()
    scope = Scope.SESSION
    if len(target) == 2 and _word(text, target[0]) in _SCOPES:
        scope = _SCOPES[_word(text, target.pop(0))]
    if len(target) != 1 or target[0][0] not in (Token.WORD, Token.NAME, Token.VARIABLE):
        return None
    if target[0][0] is Token.VARIABLE and not _VARIABLE.fullmatch(text, target[0][1], target[0][2]):
        return None
    name = text[target[0][1] : target[0][2]].decode("utf-8", "surrogateescape")
    if name.startswith("@@"):
        prefix, dot, rest = name[2:].partition(".")
        if dot:
            scope = _SCOPES.get(prefix.upper(), Scope.GLOBAL)
        name = rest or prefix
    elif name.startswith("@"):
        scope, name = Scope.USER, _user_variable(name)
    else:
        name = unquoted(name.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    right = pieces[equals + 1 :]
    if scope is not Scope.GLOBAL and not _is_told(text, right):
        return None
    if scope is Scope.SESSION and name.lower() == "character_set_client" and _value(text, right).isdecimal():
        return None  # the number of a collation
    references = tuple(
        _user_variable(text[start:end].decode("utf-8", "surrogateescape"))
        for token, start, end in right
        if token is Token.VARIABLE and not text.startswith(b"@@", start)
    )
    return Assignment(scope, name if scope is Scope.USER else name.lower(), _value(text, right), references)


def _is_told(text: bytes, pieces: Sequence[Piece]) -> bool:
    """Tell whether a value is known from what is written."""
    if len(pieces) == 6 and _word(text, pieces[0]) == "IFNULL":  # IFNULL ( @x , value )
        signs = [text[start:end] for _, start, end in (pieces[1], pieces[3], pieces[5])]
        known = _VARIABLE.fullmatch(text, pieces[2][1], pieces[2][2])
        return signs == [b"(", b",", b")"] and known is not None and _is_told(text, pieces[4:5])
    if not pieces:
        return False
    start, end = pieces[0][1], pieces[-1][2]
    return _VALUE.fullmatch(text, start, end) is not None or _VARIABLE.fullmatch(text, start, end) is not None


def _user_variable(written: str) -> str:
    return written[1:].strip("`'\"")


def _value(text: bytes, pieces: Sequence[Piece]) -> str:
    if not pieces:
        return ""
    if len(pieces) == 1 and pieces[0][0] in (Token.STRING, Token.NAME):
        return text[pieces[0][1] + 1 : pieces[0][2] - 1].decode("utf-8", "surrogateescape")
    return b" ".join(text[start:end] for _, start, end in pieces).decode("utf-8", "surrogateescape")


_DECISIVE: Final = ("sql_mode", "character_set_client")


def changes_reading(made: Iterable[Assignment]) -> bool:
    """Tell whether a SET changes how the script is to be read, at once or through a user variable later.

    If a server passes over such a one, what follows is read otherwise than it is executed.
    """
    return any(
        assignment.name in _DECISIVE
        if assignment.scope is Scope.SESSION
        else assignment.scope is Scope.USER and assignment.reads in (None, *_DECISIVE)
        for assignment in made
    )


class Session:
    """The settings in force at a place of a script, as far as the script has set them."""

    def __init__(self, modes: Modes = PLAIN) -> None:
        self._began = modes
        self._values: dict[str, str | None] = {}
        self._saved: dict[str, str | None] = {}
        self.modes = modes
        """How statements are to be read now."""
        self.values: Mapping[str, str] = {}
        """What is set to something else than at the beginning, and matters (see HARMLESS); never altered."""

    def apply(self, made: Iterable[Assignment]) -> None:
        """Take account of a SET statement."""
        for assignment in made:
            if assignment.scope is Scope.GLOBAL:
                continue
            value = self._evaluate(assignment)
            if assignment.scope is Scope.USER:
                self._saved[assignment.name.lower()] = value
            else:
                self._values[assignment.name] = value
        self.modes = modes_of(self._values, self._began)
        self.values = {
            name: value for name, value in self._values.items() if value is not None and name not in HARMLESS
        }

    def _evaluate(self, assignment: Assignment) -> str | None:
        if assignment.references:
            return self._saved.get(assignment.references[0].lower())
        if assignment.reads is not None:
            return self._values.get(assignment.reads)
        return None if assignment.value.upper() == "DEFAULT" else assignment.value.lower()


def modes_of(values: Mapping[str, str | None], otherwise: Modes = PLAIN) -> Modes:
    """Give how statements are to be read under these settings; `otherwise` where they do not say it."""
    mode = values.get("sql_mode")
    charset = values.get("character_set_client")
    if mode is not None and mode.isdecimal():
        mode = _numeric_mode(int(mode))
    given = Modes.of(mode or "", charset or "")
    return Modes(
        otherwise.ansi_quotes if mode is None else given.ansi_quotes,
        otherwise.no_backslash_escapes if mode is None else given.no_backslash_escapes,
        otherwise.charset if charset is None else given.charset,
    )


def _numeric_mode(mode: int) -> str:
    """Give the names of those bits of a numeric sql_mode that matter here (MODE_... in sql/sql_const.h)."""
    bits = {4: "ANSI_QUOTES", 1 << 20: "NO_BACKSLASH_ESCAPES"}
    return ",".join(name for bit, name in bits.items() if mode & bit)


IS_SET: Final = re.compile(rb"(?:/\*M?!\d*+\s*+)?SET\b", re.IGNORECASE)
