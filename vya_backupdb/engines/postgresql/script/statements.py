"""What a restore does with each statement of a section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from vya_backupdb.engines.postgresql.script.copy_block import CLOSE, find_end
from vya_backupdb.engines.postgresql.script.lexer import End, Inside, StatementLexer
from vya_backupdb.engines.postgresql.script.parts import Part, copy_target, insert_target, part_of, setting_of
from vya_backupdb.engines.postgresql.script.tokens import Cursor, decode
from vya_backupdb.errors import DumpFailed
from vya_backupdb.model import Action, Section, SectionKind, Span, Statement

_DROPS_PUBLIC: Final = re.compile(rb"DROP SCHEMA (?:IF EXISTS )?public\s*;")
_UNLINKS: Final = re.compile(
    rb"SELECT pg_catalog\.lo_unlink\(oid\) FROM pg_catalog\.pg_largeobject_metadata WHERE oid = '[0-9]+'"
)
"""What --clean --if-exists writes."""
_COLUMN_OPTIONS: Final = re.compile(
    rb"(ALTER (?:FOREIGN )?TABLE ONLY .+ ALTER COLUMN .+ SET \()([^()']+)\)", re.DOTALL
)
_COLUMN_VERSION: Final = b"pg_attver="
"""What a server (seen with 17.12) keeps for itself beside a column's options. Its own pg_dump leaves it out;
older ones, and those of other versions, write it, and other servers do not know it."""
CLASSIFIED: Final = 1 << 20
"""Bytes of a statement that are read to tell what it is: more than a COPY of 1600 columns has."""


def parameter_of(statement: Statement) -> str | None:
    """Give the parameter where the statement is a plain SET of one (`transaction_timeout`); else None."""
    setting = setting_of(statement.text[:CLASSIFIED])
    return setting.parameter if setting and not setting.reset else None


def statements(section: Section) -> Iterator[Statement]:
    """Every statement of a section in order; see `spans`."""
    return (statement for _, statement in spans(section))


def spans(section: Section) -> Iterator[tuple[Span, Statement]]:
    """Every statement of a section in order, and what of the body is its, with what stands before it.

    What --clean writes at the head of the schema to drop what may be there is skipped: a restore goes into
    an empty database, where most of it would fail (also with --if-exists). `DROP SCHEMA public` is not: where
    it stands (up to 14), `CREATE SCHEMA public` follows.

    A statement of the rows may be `SELECT pg_catalog.setval(...)` or a large object's: the rows a server
    reports for it are not a table's. Raises DumpFailed where the section does not hold whole statements.
    """
    body = section.body
    lexer = StatementLexer()
    altered: set[str] = set()
    may_drop = section.kind is SectionKind.SCHEMA
    begin = 0
    while (end := lexer.scan(body, final=True)) is not None:
        start = lexer.start if lexer.start is not None else lexer.position
        text = body[start : lexer.position]
        position = lexer.position
        if end is End.META_COMMAND:
            yield (begin, position), _meta_command(text, start, lexer.meta_command - start)
            begin = position
            lexer.begin(position)
            continue
        part = Part.INSERT if lexer.rows is not None else part_of(text[:CLASSIFIED])
        if part is Part.COPY:
            data = body.find(b"\n", position) + 1
            data_end = find_end(body, data, data) if data else None
            if data_end is None:
                raise DumpFailed(f"the rows of {copy_target(text)} have no end in their section")
            lines = memoryview(body)[data:data_end]
            position = data_end + len(CLOSE)
            reason = _into_catalog(copy_target(text) or "")
            action = Action.REFUSE if reason else Action.COPY
            yield (begin, position), Statement(text[:-1].rstrip(), start, action, reason, copy_data=lines)
            begin = position
        elif part is not Part.EMPTY:
            if part is Part.SETTING:
                _follow(altered, text)
            may_drop = may_drop and part in (Part.DROP, Part.SETTING)
            whole = text[:-1].rstrip()
            own = _without_version(whole)
            statement = _statement(section, part, own or whole, start, bool(altered), lexer.target)
            is_idle = not own or (may_drop and part is Part.DROP and not _DROPS_PUBLIC.match(text))
            if is_idle and statement.action is Action.EXECUTE:
                statement = Statement(statement.text, start, Action.SKIP)
            line_end = position + (body[position : position + 1] == b"\n")
            yield (begin, line_end), statement
            begin = line_end
        lexer.begin(position)
    if lexer.start is not None or lexer.inside is not Inside.STATEMENT:
        raise DumpFailed(f"a section of the script ends inside {lexer.inside}")


def _without_version(text: bytes) -> bytes:
    """Take the server's version of a column out of its options; empty where nothing is left to set."""
    may_have = text.startswith(b"ALTER ") and _COLUMN_VERSION in text
    if not may_have or (match := _COLUMN_OPTIONS.fullmatch(text)) is None:
        return text
    options = [one for one in match[2].split(b", ") if not one.startswith(_COLUMN_VERSION)]
    return match[1] + b", ".join(options) + b")" if options else b""


def _follow(altered: set[str], text: bytes) -> None:
    """Keep account of the settings under which an index would be made otherwise than in a fresh session."""
    setting = setting_of(text)
    if setting is None or setting.parameter == "default_table_access_method":
        return
    if setting.changes_nothing or (setting.reset and setting.parameter != "default_tablespace"):
        altered.discard(setting.parameter)
    else:
        altered.add(setting.parameter)


def _statement(
    section: Section, part: Part, text: bytes, start: int, altered: bool, target: bytes | None
) -> Statement:
    reason = _refusal(section, part, text, target)
    if reason is not None:
        return Statement(text, start, Action.REFUSE, reason=reason)
    in_post = section.kind is SectionKind.POST
    return Statement(
        text,
        start,
        parallel=parallel_group(text) if in_post and not altered else None,
        last=in_post and _is_about_event_trigger(text),
    )


_RESTRICTION: Final = re.compile(rb"\\(?:un)?restrict[ \t]+[A-Za-z0-9]+[ \t\r]*\n?\Z")


def _meta_command(text: bytes, start: int, backslash: int) -> Statement:
    if _RESTRICTION.match(text):
        return Statement(text.rstrip(), start, Action.SKIP)
    command = decode(text[backslash:].split(None, 1)[0])
    if command in ("\\c", "\\connect"):
        reason = f"{command} leaves the database"
    else:
        reason = f"{command} is a command of psql's own, and those are never executed"
    return Statement(text.rstrip(b"\n"), start + backslash, Action.REFUSE, reason=reason)


_DATABASE: Final = frozenset((b"DATABASE",))
_SERVER_WIDE: Final = frozenset(
    (b"ROLE", b"USER", b"GROUP", b"TABLESPACE", b"SYSTEM", b"PARAMETER", b"OWNED")
)
_TRANSACTION: Final = frozenset(
    (b"BEGIN", b"START", b"COMMIT", b"END", b"ROLLBACK", b"ABORT", b"SAVEPOINT", b"RELEASE", b"PREPARE")
)


_TABLES: Final = frozenset((b"TABLE", b"UNLOGGED", b"TEMP", b"TEMPORARY", b"LOCAL", b"GLOBAL"))

_VERBS: Final = frozenset(
    (b"CREATE", b"ALTER", b"DROP", b"COMMENT", b"SECURITY", b"GRANT", b"REVOKE", b"SET", b"RESET", b"REFRESH")
)
"""What pg_dump writes beside rows, its own functions, and the transactions of large objects."""


def _refusal(section: Section, part: Part, text: bytes, target: bytes | None) -> str | None:
    """Why the statement must not be executed in the target database; None: it may.

    `target` is the table of an INSERT where it was told already; what a section says of itself is not asked:
    it stands in the file.
    """
    if b"\0" in text:
        return "a NUL byte would end the statement early"
    if part is Part.INSERT:
        return _into_catalog(insert_target(text, target))
    setting = setting_of(text) if part is Part.SETTING else None
    if setting is not None and setting.parameter.strip('"') == "allow_system_table_mods":
        return "it opens the server's own tables"
    cursor = Cursor(text)
    verb = cursor.skip()
    if verb in _TRANSACTION and not _is_large_object_transaction(section, part):
        return f"{decode(verb)}: transactions are the restore's own affair"
    if verb == b"COPY":
        return "COPY reads or writes something else than this script"
    kind = _acted_upon(verb, cursor)
    if kind in _DATABASE:
        return f"{decode(verb)} ... DATABASE names a database, and it need not be the one restored into"
    if kind in _SERVER_WIDE:
        return f"{decode(verb)} ... {decode(kind)} changes the whole server, not only this database"
    if kind == b"SUBSCRIPTION" and _connects(verb, cursor):
        return f"{decode(verb)} SUBSCRIPTION would connect to another server"
    is_table = kind in _TABLES and not (kind == b"UNLOGGED" and cursor.peek() == b"SEQUENCE")
    fills_a_table = verb == b"CREATE" and is_table and cursor.seek(b"AS")
    if fills_a_table or (
        verb not in _VERBS
        and not _is_large_object_transaction(section, part)
        and not _is_own_call(part, text)
    ):
        shown = decode(b" ".join(text.split(None, 3)[:3])[:60])
        return f"`{shown}` is no statement of a dump of pg_dump"
    return None


def _is_own_call(part: Part, text: bytes) -> bool:
    """Tell a SELECT of one of the functions that pg_dump calls, and of nothing else."""
    if part is Part.OTHER:
        return False
    if _UNLINKS.fullmatch(text):
        return True
    cursor = Cursor(text)
    verb, last, closed = cursor.skip(), b"", 0
    while token := cursor.skip():
        last, closed = token, closed + (token == b")")
    return verb == b"SELECT" and last == b")" and closed == 1


@lru_cache(maxsize=1024)
def _into_catalog(table: str) -> str | None:
    cursor = Cursor(table.encode("utf-8", "surrogateescape"))
    names = [cursor.identifier()]
    while cursor.take(b"."):
        names.append(cursor.identifier())
    if not all(names):
        return "rows of a table whose name cannot be told may be the server's own"
    if "pg_catalog" in names[:-1] or (len(names) == 1 and names[0].startswith("pg_")):
        return f"rows of {table} are the server's own"
    return None


def _connects(verb: bytes, cursor: Cursor) -> bool:
    """Tell whether a statement about a subscription would use its connection; those of pg_dump never do."""
    if verb == b"ALTER":
        cursor.name()
        return not cursor.take(b"OWNER", b"TO")
    if verb != b"CREATE":
        return False
    if cursor.seek(b"WITH"):
        while cursor.peek():
            if cursor.take(b"CONNECT", b"=", b"FALSE"):
                return False
            cursor.skip()
    return True


def _is_large_object_transaction(section: Section, part: Part) -> bool:
    return section.kind is SectionKind.ROWS and section.sequential and part in (Part.BEGIN, Part.COMMIT)


def _acted_upon(verb: bytes, cursor: Cursor) -> bytes:
    """Give the kind of object a statement is about, where that may be outside of the database; else b''."""
    match verb:
        case b"CREATE" | b"ALTER" | b"DROP":
            kind = cursor.skip()
            # a role may be called "mapping"
            is_mapping = kind == b"USER" and cursor.peek() == b"MAPPING" and cursor.peek(1) in (b"FOR", b"IF")
            return b"" if is_mapping else kind
        case b"COMMENT" | b"SECURITY":
            return cursor.peek() if cursor.seek(b"ON") else b""
        case b"GRANT" | b"REVOKE":
            if not cursor.seek(b"ON"):
                return b"ROLE"
            return b"" if cursor.peek(1) in (b"TO", b"FROM", b",", b".") else cursor.peek()
        case _:
            return b""


def parallel_group(text: bytes) -> str | None:
    """Which neighbours a statement may run beside, in any order, to the same effect; None: none.

    Not `ALTER TABLE` without ONLY (a partitioned table: a foreign key made there takes over an equal one
    of a partition only if that is there before), not `USING INDEX` (the index must be there before).
    Everything else (ATTACH PARTITION, CLUSTER ON, REPLICA IDENTITY, COMMENT ...) is a barrier by itself.
    """
    cursor = Cursor(text)
    if cursor.take(b"CREATE"):
        cursor.take_any(b"UNIQUE")
        in_line = cursor.take(b"INDEX") and cursor.peek() not in (b"CONCURRENTLY", b"IF")
        return "index" if in_line else None
    if not cursor.take(b"ALTER", b"TABLE", b"ONLY"):
        return None
    if not cursor.name() or not cursor.take(b"ADD", b"CONSTRAINT") or not cursor.name():
        return None
    if cursor.take(b"FOREIGN", b"KEY"):
        group = "foreign key"
    elif cursor.take(b"PRIMARY", b"KEY") or cursor.take_any(b"UNIQUE", b"EXCLUDE"):
        if cursor.take(b"USING", b"INDEX"):
            return None
        group = "index"
    else:
        return None
    return None if cursor.seek(b",") else group


def _is_about_event_trigger(text: bytes) -> bool:
    cursor = Cursor(text)
    if cursor.take_any(b"COMMENT", b"SECURITY"):
        return cursor.seek(b"ON") and cursor.take(b"EVENT", b"TRIGGER")
    return bool(cursor.take_any(b"CREATE", b"ALTER")) and cursor.take(b"EVENT", b"TRIGGER")
