"""What a statement of a dump is: where in a restore it belongs, whether it is executed, what it creates.

Statements are known by name; what no dump tool writes into a dump of databases is refused, because a
restore executes a script out of its order and in several sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from vya_backupdb.engines.mysql.script.definitions import Definition, Head, definition_in
from vya_backupdb.engines.mysql.script.lexer import COMMANDS
from vya_backupdb.engines.mysql.script.modes import Modes
from vya_backupdb.engines.mysql.script.readings import is_for_all, readings
from vya_backupdb.engines.mysql.script.settings import IS_SET, Assignment, Scope, assignments, changes_reading
from vya_backupdb.engines.mysql.script.tokens import Token, tokens
from vya_backupdb.model import Action


class Place(Enum):
    """Where a statement belongs."""

    HEADER = auto()
    """Saves what the script's end restores."""
    NEXT = auto()
    """To the statement that follows: settings, savings, LOCK TABLES."""
    PREVIOUS = auto()
    """To the statement before: restored settings, UNLOCK TABLES."""
    DROP = auto()
    """To the CREATE that follows, if that creates the same, else to the schema."""
    SCHEMA = auto()
    ROWS = auto()
    ALTER = auto()
    """To the schema; behind rows, to what must follow them (foreign tools add keys there)."""
    POST = auto()
    FOOTER = auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a statement means for a restore."""

    place: Place
    action: Action = Action.EXECUTE
    reason: str | None = None
    table: bytes | None = None
    """Rows only."""
    definition: Definition | None = None
    assignments: tuple[Assignment, ...] = ()
    saves: tuple[str, ...] = ()
    """The user variables in which a SET keeps settings for later in the same part of the script."""
    restores: tuple[str, ...] = ()
    """The user variables from which a SET restores such settings."""


_SCHEMA_KINDS: Final = frozenset({"table", "sequence"})
_POST_KINDS: Final = frozenset(
    {"view", "trigger", "procedure", "function", "event", "package", "package body", "library"}
)
_DATABASE_KINDS: Final = frozenset({"database", "schema"})
_MAY_NAME_DATABASE: Final = frozenset({"trigger", "database", "schema"})
"""All others are always written without a database's name; MariaDB keeps a trigger's text as it was typed."""

_REPLICATION: Final = "it would set this server's replication"
_LEAVES: Final = "it leaves the database that is restored"


def understand(text: bytes, modes: Modes) -> Meaning:
    """Tell what a statement means; `text` begins with its first word or a conditional comment.

    It is refused where servers pass over some of its conditional comments and read another statement in the
    rest.
    """
    meaning = _understood(text, modes)
    if meaning.action is Action.REFUSE:
        return meaning
    others = readings(text, modes)
    if others is None or any(_is_another(meaning, other, modes) for other in others):
        return _refused(f"{Head(text, modes).excerpt()} means something else to servers of other versions")
    return meaning


def _is_another(meaning: Meaning, text: bytes, modes: Modes) -> bool:
    if not Head(text, modes).pieces:
        return False  # a server that passes over all of it
    return _essence(_understood(text.lstrip(), modes)) != _essence(meaning)


def _essence(meaning: Meaning) -> tuple[object, ...]:
    """Give what makes a statement another one; who its definer is does not."""
    made = meaning.definition and replace(meaning.definition, definer=None)
    return meaning.place, meaning.action, meaning.table, made, meaning.assignments


def _understood(text: bytes, modes: Modes) -> Meaning:
    if IS_SET.match(text):
        return _set(text, modes)
    head = Head(text, modes)
    verb = head.word(0)
    handler = _HANDLERS.get(verb)
    meaning = handler(head) if handler is not None else None
    if meaning is not None:
        return meaning
    if verb.lower().encode() in COMMANDS:
        return _refused(f"`{verb.lower()}` is a command of the mysql client, not SQL")
    return _refused(f"{head.excerpt()} is no statement of a dump of a database")


def _refused(reason: str, place: Place = Place.SCHEMA) -> Meaning:
    return Meaning(place, Action.REFUSE, reason)


def _skipped(place: Place, reason: str | None = None) -> Meaning:
    return Meaning(place, Action.SKIP, reason)


# ---------------------------------------------------------------------------- SET


@lru_cache(maxsize=1024)
def _set(text: bytes, modes: Modes) -> Meaning:
    made = assignments(text, modes)
    if made is None:
        shown = text[:60].decode("utf-8", "replace")
        return _refused(f"`{shown}` sets something else than the session's variables", Place.NEXT)
    names = {a.name for a in made if a.scope is not Scope.USER}
    if any(a.scope is Scope.GLOBAL for a in made):
        return _set_global(names)
    place, saves, restores = _set_place(made)
    is_skipped = "sql_log_bin" in names or names == {"autocommit"}
    if (is_skipped or not is_for_all(text)) and changes_reading(made):
        return _refused("it sets, for some servers only, how the rest of the script is to be read", place)
    if "sql_log_bin" in names:
        said = (
            None if restores or place is Place.FOOTER else "the restore is written to the binary log as usual"
        )
        return Meaning(place, Action.SKIP, said and f"SQL_LOG_BIN: {said}", assignments=made)
    action = Action.SKIP if is_skipped else Action.EXECUTE
    return Meaning(place, action, assignments=made, saves=saves, restores=restores)


def _set_global(names: set[str]) -> Meaning:
    if "gtid_purged" in names:
        return _skipped(Place.NEXT, "GTID_PURGED: the restore gets GTIDs of this server")
    if names & {"gtid_slave_pos", "gtid_binlog_state"}:
        return _skipped(Place.NEXT, f"{min(names)}: {_REPLICATION}")
    return _refused(f"it sets a global variable of the server ({', '.join(sorted(names))})", Place.NEXT)


def _set_place(made: Sequence[Assignment]) -> tuple[Place, tuple[str, ...], tuple[str, ...]]:
    saved = tuple(a.name for a in made if a.scope is Scope.USER and a.reads is not None)
    read = tuple(dict.fromkeys(name for a in made if a.scope is Scope.SESSION for name in a.references))
    if saved:
        whole = all(_lasts(name) for name in saved)
        return (Place.HEADER, (), ()) if whole else (Place.NEXT, saved, ())
    if read:
        whole = all(_lasts(name) for name in read)
        return (Place.FOOTER, (), ()) if whole else (Place.PREVIOUS, (), read)
    return Place.NEXT, (), ()


def _lasts(user_variable: str) -> bool:
    """Tell whether a user variable keeps a setting for the whole script, as the tools name them.

    The exceptions: MariaDB's @OLD_AUTOCOMMIT and @old_system_versioning_insert_history are for one table.
    """
    name = user_variable
    return (
        name.startswith(("OLD_", "PREVIOUS_")) and name != "OLD_AUTOCOMMIT"
    ) or name == "MYSQLDUMP_TEMP_LOG_BIN"


# ---------------------------------------------------------------------------- CREATE, DROP, ALTER


def _create(head: Head) -> Meaning | None:
    made = definition_in(head)
    if made is None:
        return None
    if made.kind in _DATABASE_KINDS:
        return _refused(f"CREATE DATABASE: {_LEAVES}")
    if made.kind == "function" and any(head.word(i) == "SONAME" for i in range(len(head.pieces))):
        return _refused("it loads a function from a shared library into the server")
    if made.database is not None and made.kind not in _MAY_NAME_DATABASE:
        return _refused(f"{head.excerpt()} names a database: {_LEAVES}")
    if made.kind == "table" and _copies(head):
        return _refused(f"{head.excerpt()} makes a table of another one, which no dump tool writes")
    if made.kind in _SCHEMA_KINDS or (made.kind == "view" and _is_placeholder(head)):
        return Meaning(Place.SCHEMA, definition=made)
    if made.kind in _POST_KINDS:
        return Meaning(Place.POST, definition=made)
    if made.kind != "index":
        return None
    on = next((i for i in range(len(head.pieces)) if head.word(i) == "ON"), 0)
    if head.name(on + 1)[0] is not None:
        return _refused(f"{head.excerpt()} names a database: {_LEAVES}")
    return Meaning(Place.ALTER, definition=made)


def _copies(head: Head) -> bool:
    """Tell CREATE TABLE ... LIKE, SELECT or TABLE, by words that stand outside of its parentheses."""
    depth, found = 0, 0
    for token, start, end in tokens(head.text, head.modes):
        piece = head.text[start:end]
        if token is Token.OTHER:
            depth += (piece == b"(") - (piece == b")")
        elif token is Token.WORD and (word := piece.upper()) in (b"SELECT", b"LIKE", b"TABLE"):
            found += word == b"TABLE"
            if word == b"SELECT" or (depth == 0 and (word == b"LIKE" or found > 1)):
                return True
    return False


def _is_placeholder(head: Head) -> bool:
    """Tell a view's stand-in (`CREATE VIEW v AS SELECT 1 AS a, 1 AS b`) from the view.

    The tools write ALGORITHM and DEFINER for the view itself, so a view `AS SELECT 1 AS a` is told apart.
    """
    if not head.words(0, "CREATE", "VIEW"):
        return False
    _, _, index = head.name(2)
    if not head.words(index, "AS", "SELECT"):
        return False
    rest = range(index + 2, len(head.pieces) - 2, 4)
    return head.word(index + 2) in ("1", "NULL") and all(
        head.word(i) in ("1", "NULL") and head.word(i + 1) == "AS" and head.raw(i + 3) in (b",", b"")
        for i in rest
    )


def _drop(head: Head) -> Meaning | None:
    made = definition_in(head)
    if made is None:
        return None
    if made.kind in _DATABASE_KINDS:
        return _refused(f"DROP DATABASE: {_LEAVES}")
    if made.database is not None and made.kind not in _MAY_NAME_DATABASE:
        return _refused(f"{head.excerpt()} names a database: {_LEAVES}")
    if any(head.raw(i) == b"," for i in range(len(head.pieces))):
        return _refused(f"{head.excerpt()} drops several at once, which no dump tool writes")
    if made.kind in ("table", "view", "sequence"):
        return Meaning(Place.DROP, definition=made)
    if made.kind in _POST_KINDS:
        return Meaning(Place.POST, definition=made)
    return None


def _alter(head: Head) -> Meaning | None:
    made = definition_in(head)
    if made is None:
        return None
    if made.kind in _DATABASE_KINDS:
        return Meaning(Place.POST, definition=made)
    if made.database is not None and made.kind not in _MAY_NAME_DATABASE:
        return _refused(f"{head.excerpt()} names a database: {_LEAVES}")
    if made.kind in ("table", "event") and _moves(head):
        return _refused(f"{head.excerpt()} would move it, maybe out of the database that is restored")
    if made.kind == "table":
        _, table, index = head.name(2)
        if head.words(index, "DISABLE", "KEYS"):
            return Meaning(Place.ROWS, Action.SKIP, table=table)
        if head.words(index, "ENABLE", "KEYS"):
            return _skipped(Place.PREVIOUS)
        return Meaning(Place.ALTER, definition=made)
    if made.kind == "sequence":
        return Meaning(Place.SCHEMA, definition=made)
    return Meaning(Place.POST, definition=made) if made.kind in _POST_KINDS else None


def _moves(head: Head) -> bool:
    return any(
        token is Token.WORD and head.text[start:end].upper() in (b"RENAME", b"EXCHANGE")
        for token, start, end in tokens(head.text, head.modes)
    )


# ---------------------------------------------------------------------------- rows and the rest


def _insert(head: Head) -> Meaning | None:
    index = 1
    while head.word(index) in ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"):
        index += 1
    database, table, _ = head.name(index)
    if database is not None:
        return _refused(f"{head.excerpt()} names a database: {_LEAVES}")
    return Meaning(Place.ROWS, table=table)


def _lock(head: Head) -> Meaning | None:
    if head.word(1) not in ("TABLE", "TABLES"):
        return None
    _, table, _ = head.name(2)
    return Meaning(Place.ROWS, Action.SKIP, table=table)


def _unlock(head: Head) -> Meaning | None:
    return _skipped(Place.PREVIOUS) if head.word(1) in ("TABLE", "TABLES") else None


def _commit(head: Head) -> Meaning | None:
    return _skipped(Place.PREVIOUS) if len(head.pieces) == 1 or head.word(1) == "WORK" else None


def _begin(head: Head) -> Meaning | None:
    return _skipped(Place.NEXT) if len(head.pieces) == 1 or head.word(1) == "WORK" else None


def _start(head: Head) -> Meaning | None:
    return _skipped(Place.NEXT) if head.word(1) == "TRANSACTION" else _replication(head)


def _setval(head: Head) -> Meaning | None:
    """Sequences: MariaDB's tool writes `DO SETVAL(...)`, older ones `SELECT SETVAL(...)`, no more."""
    is_setval = head.word(1) == "SETVAL" and head.raw(2) == b"("
    closed = [i for i in range(len(head.pieces)) if head.raw(i) == b")"]
    is_here = head.name(3)[0] is None
    return Meaning(Place.SCHEMA) if is_setval and is_here and closed == [len(head.pieces) - 1] else None


def _analyze(head: Head) -> Meaning | None:
    """Histograms, which mysqldump --column-statistics makes again."""
    database, _, index = head.name(2)
    is_one = head.word(1) == "TABLE" and database is None and head.raw(index) != b","
    return Meaning(Place.POST) if is_one else None


def _replication(head: Head) -> Meaning | None:
    if head.word(1) in ("MASTER", "REPLICATION", "SLAVE", "REPLICA", "ALL", "GROUP_REPLICATION"):
        return _skipped(Place.NEXT, f"{head.word(0)} {head.word(1)}: {_REPLICATION}")
    return None


def _flush(head: Head) -> Meaning:
    return _skipped(Place.NEXT, f"FLUSH {head.word(1)}: not needed")


def _use(_: Head) -> Meaning:
    return _refused(f"USE: {_LEAVES}")


_HANDLERS: Final = {
    "ALTER": _alter,
    "ANALYZE": _analyze,
    "BEGIN": _begin,
    "CHANGE": _replication,
    "COMMIT": _commit,
    "CREATE": _create,
    "DO": _setval,
    "DROP": _drop,
    "FLUSH": _flush,
    "INSERT": _insert,
    "LOCK": _lock,
    "REPLACE": _insert,
    "SELECT": _setval,
    "START": _start,
    "STOP": _replication,
    "UNLOCK": _unlock,
    "USE": _use,
}
