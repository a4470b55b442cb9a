"""Statements that are executed in another form than they are written.

- Triggers and events stand in conditional comments (`/*!50003 CREATE*/ ... */`). Their bodies may hold
  comments, and may end in a line comment that hides the closing `*/`; without the wrapping they are exact.
- `ALTER DATABASE db CHARACTER SET ...`, which the tools write around objects that were created under another
  default, names the source's database. Without a name it alters the one that is restored.
- Events are created disabled, so that none fires during a restore. ALTER EVENT makes whoever executes it
  the definer, and the session's character set, collation and the database's default collation the event's
  (MySQL 9.7, MariaDB 10.11 and 11.8). So it names the definer, and is to run between the same settings as
  the CREATE.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from vya_backupdb.engines.mysql.modes import Modes
from vya_backupdb.engines.mysql.tokens import Piece, Token, tokens, unquoted
from vya_backupdb.model import Span

_HEAD: Final = 32
"""Pieces of a CREATE in which its definer stands: only OR REPLACE, ALGORITHM and the like come before."""


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


def without_database(text: bytes, modes: Modes) -> bytes:
    """Give `ALTER DATABASE db options` without the name."""
    pieces = [piece for _, piece in zip(range(3), tokens(text, modes), strict=False)]
    if len(pieces) < 3 or _word(text, pieces[2]) in ("CHARACTER", "CHARSET", "COLLATE", "DEFAULT"):
        return text
    return text[: pieces[1][2]] + text[pieces[2][2] :]


def disabled_event(text: bytes, modes: Modes) -> tuple[bytes, bytes | None]:
    """Give a CREATE EVENT (unwrapped) that creates it disabled, and the statement that enables it.

    None in its place: the event is disabled, here or on replicas, and stays so.
    """
    header = _event_header(text, modes)
    words = [_word(text, piece) for piece in header]
    schedule = words.index("SCHEDULE") if "SCHEDULE" in words else len(words)
    for word, (_, start, end) in zip(words[schedule:], header[schedule:], strict=True):
        if word == "DISABLE":
            return text, None
        if word == "ENABLE":
            return text[:start] + b"DISABLE" + text[end:], _enabling(text, header)
        if word in ("COMMENT", "DO"):
            return text[:start] + b"DISABLE " + text[start:], _enabling(text, header)
    return text, None


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


def _enabling(text: bytes, header: Sequence[Piece]) -> bytes:
    """Give ALTER EVENT ... ENABLE; it runs under the script's own sql_mode, so names get backticks."""
    words = [_word(text, piece) for piece in header]
    event = words.index("EVENT")
    name = header[event + (4 if words[event + 1 : event + 4] == ["IF", "NOT", "EXISTS"] else 1)]
    first = words.index("DEFINER") if "DEFINER" in words[:event] else event
    definer = b"".join(_backticked(text, piece) for piece in header[first:event])
    parts = (b"ALTER", definer, b"EVENT", _backticked(text, name), b"ENABLE")
    return b" ".join(part for part in parts if part)


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
