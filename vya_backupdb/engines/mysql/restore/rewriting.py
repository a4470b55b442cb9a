"""Statements that are executed in another form than they are written.

- The header's sql_mode lets a server take any date for a valid one that has 31 days at most.
- ARCHIVE takes no row whose number is not above the table's AUTO_INCREMENT (1022), which stands in its CREATE
  TABLE as it was after the last row (MySQL 9.7, MariaDB 10.11 and 11.8). Without it the rows count it up.
- Triggers and events stand in conditional comments (`/*!50003 CREATE*/ ... */`). Their bodies may hold
  comments, and may end in a line comment that hides the closing `*/`; without the wrapping they are exact.
- MariaDB keeps a trigger's text as it was typed: `CREATE TRIGGER db.name ... ON db.table`, which in a copy
  would be made on the original. A trigger lies in the database of its table, so neither name is needed.
- `ALTER DATABASE db CHARACTER SET ...`, which the tools write around objects that were created under another
  default, names the source's database. Without a name it alters the one that is restored.
- Events are created disabled and preserved, so that none fires during a restore or is not made. ALTER EVENT
  makes whoever executes it the definer, and the session's character set, collation and time zone and the
  database's default collation the event's (MySQL 9.7, MariaDB 10.11 and 11.8). So it names the definer, and
  is to run between the same settings as the CREATE.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from vya_backupdb.engines.mysql.script.modes import Modes
from vya_backupdb.engines.mysql.script.tokens import Piece, Token, tokens, unquoted
from vya_backupdb.model import Span

_ARCHIVE: Final = b"ENGINE=ARCHIVE"
"""How the servers write it."""

_HEAD: Final = 32
"""Pieces of a CREATE in which its definer stands: only OR REPLACE, ALGORITHM and the like come before."""

_TRIGGER_HEAD: Final = 32
"""Pieces of a trigger up to its table, marks of conditional comments included."""


def unwrapped(text: bytes, modes: Modes) -> bytes:
    """Give a CREATE TRIGGER or EVENT without conditional comments around its parts."""
    parts: list[bytes] = []
    begin, depth = 0, 0
    for piece in tokens(text, modes):
        token, start, end = piece
        if token in (Token.OPEN, Token.CLOSE):
            parts.append(text[begin:start])
            begin = end
            depth += 1 if token is Token.OPEN else -1
        elif _word(text, piece) in ("TRIGGER", "EVENT"):
            break
    rest = text[begin:].rstrip()
    if depth > 0:
        rest = rest.removesuffix(b"*/")
    return b" ".join(part.strip() for part in (*parts, rest) if part.strip())


def keeping_dates(text: bytes) -> bytes:
    """Give a header's SET so that dates like 2004-02-30 stay what they are, in rows and in defaults."""
    return text.replace(
        b"SQL_MODE='NO_AUTO_VALUE_ON_ZERO'", b"SQL_MODE='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"
    )


def counted_by_rows(text: bytes, modes: Modes) -> bytes:
    """Give CREATE TABLE so that the rows of an ARCHIVE table are taken: without its AUTO_INCREMENT."""
    if _ARCHIVE not in text:
        return text
    pieces = list(tokens(text, modes))
    words = [_word(text, piece) for piece in pieces]
    for first in range(len(pieces) - 5):
        if words[first] == "ENGINE" and words[first + 2 : first + 4] == ["ARCHIVE", "AUTO_INCREMENT"]:
            return text[: pieces[first + 2][2]] + text[pieces[first + 5][2] :]
    return text


def without_database(text: bytes, modes: Modes) -> bytes:
    """Give `ALTER DATABASE db options` without the name."""
    pieces = [piece for _, piece in zip(range(3), tokens(text, modes), strict=False)]
    if len(pieces) < 3 or _word(text, pieces[2]) in ("CHARACTER", "CHARSET", "COLLATE", "DEFAULT"):
        return text
    return text[: pieces[1][2]] + text[pieces[2][2] :]


def trigger_here(text: bytes, modes: Modes) -> bytes:
    """Give a CREATE or DROP TRIGGER without the databases of the trigger and of its table."""
    parts: list[bytes] = []
    begin = 0
    pieces = list(islice(tokens(text, modes), _TRIGGER_HEAD))
    words = [_word(text, piece) for piece in pieces]
    for keyword in ("TRIGGER", "ON"):
        if keyword not in words:
            break
        name = words.index(keyword) + 1
        while name < len(words) and words[name] in ("IF", "NOT", "EXISTS"):
            name += 1
        dot = pieces[name + 1 : name + 2]
        if dot and text[dot[0][1] : dot[0][2]] == b".":
            parts.append(text[begin : pieces[name][1]])
            begin = dot[0][2]
    return b"".join((*parts, text[begin:]))


def kept_disabled(text: bytes, modes: Modes) -> tuple[bytes, tuple[bytes, ...]]:
    """Give a CREATE EVENT (unwrapped) that creates it disabled, and the statements that make it as it was.

    An event whose time is over would not be created unless it is to be preserved, so at first it is. Enabled,
    it would be executed at once; told its schedule again, the server leaves it disabled (note 1544).
    """
    header = _event_header(text, modes)
    words = [_word(text, piece) for piece in header]
    if "SCHEDULE" not in words or words[-1] != "DO":
        return text, ()
    first = words.index("SCHEDULE") + 1
    last = next(i for i in range(first, len(words)) if words[i] in ("COMMENT", "DO"))
    options = next(i for i in range(first, last + 1) if i == last or words[i] in ("ON", "ENABLE", "DISABLE"))
    schedule = text[header[first][1] : header[options][1]].strip()
    chosen = words[options:last]
    is_dropped = "COMPLETION" not in chosen or "NOT" in chosen
    state = " ".join(chosen[chosen.index("DISABLE") :]) if "DISABLE" in chosen else None
    made = b" ON COMPLETION PRESERVE " + (state or "DISABLE").encode() + b" "
    text_disabled = text[: header[options][1]].rstrip() + made + text[header[last][1] :]
    altering = _altering(text, header)
    later = []
    if state is None:
        later.append(altering + b" ON SCHEDULE " + schedule + b" ON COMPLETION PRESERVE ENABLE")
    if is_dropped:
        later.append(altering + b" ON COMPLETION NOT PRESERVE")
    return text_disabled, tuple(later)


def _event_header(text: bytes, modes: Modes) -> list[Piece]:
    """Give the pieces of a CREATE EVENT up to its DO, those in parentheses left out."""
    header: list[Piece] = []
    depth = 0
    for piece in tokens(text, modes):
        char = text[piece[1] : piece[2]] if piece[0] is Token.OTHER else b""
        depth += (char == b"(") - (char == b")")
        if depth == 0:
            header.append(piece)
            if _word(text, piece) == "DO":
                break
    return header


def _altering(text: bytes, header: Sequence[Piece]) -> bytes:
    """Give ALTER EVENT with the definer; it runs under the script's own sql_mode, so names get backticks."""
    words = [_word(text, piece) for piece in header]
    event = words.index("EVENT")
    name = header[event + (4 if words[event + 1 : event + 4] == ["IF", "NOT", "EXISTS"] else 1)]
    first = words.index("DEFINER") if "DEFINER" in words[:event] else event
    definer = b"".join(_backticked(text, piece) for piece in header[first:event])
    return b" ".join(part for part in (b"ALTER", definer, b"EVENT", _backticked(text, name)) if part)


def _backticked(text: bytes, piece: Piece) -> bytes:
    token, start, end = piece
    if token is not Token.NAME:
        return text[start:end]
    return b"`" + unquoted(text[start:end]).replace(b"`", b"``") + b"`"


def _word(text: bytes, piece: Piece) -> str:
    token, start, end = piece
    return text[start:end].decode("latin-1").upper() if token is Token.WORD else ""


# ---------------------------------------------------------------------------- definers


def definer_clause(text: bytes, modes: Modes) -> Span | None:
    """Tell where `DEFINER=account` stands in a CREATE; None: nowhere among its first words."""
    pieces = list(islice(tokens(text, modes), _HEAD))
    words = [_word(text, piece) for piece in pieces]
    if "DEFINER" not in words:
        return None
    first = words.index("DEFINER")
    last = first + 2  # behind the equals sign
    if last >= len(pieces):
        return None
    behind = [text[start:end] for _, start, end in pieces[last + 1 : last + 3]]
    if behind[:1] == [b"@"] or (behind[:1] == [b"("] and words[last] == "CURRENT_USER"):
        last += 2
    elif behind and behind[0].startswith(b"@"):
        last += 1
    return pieces[first][1], pieces[last][2]


def acts_as_definer(text: bytes, modes: Modes) -> bool:
    """Tell whether what a CREATE makes acts with its definer's rights: it does unless it says otherwise."""
    words = ("SQL", "SECURITY", "INVOKER")
    last = ("", "", "")
    for piece in tokens(text, modes):
        last = (*last[1:], _word(text, piece))
        if last == words:
            return False
        if last[2] == "BEGIN":
            break
    return True
