"""Where a statement of a psql script ends, found in bytes that come in pieces of any size.

The rules are psql's own (src/fe_utils/psqlscan.l, 13 to 18): a statement ends at a `;` that is outside of
strings, quoted identifiers, dollar quotes, comments (`/* */` nest), parentheses (rules with several
actions) and the `BEGIN ATOMIC ... END` body of a statement whose first words are
`CREATE [OR REPLACE] {FUNCTION|PROCEDURE}`, where each CASE has an END of its own. A backslash outside of
quotes begins a meta-command that takes the rest of its line.

One rule is sharper than psql's, which takes any word `begin` in such a statement for the beginning of a
body and so runs past the end of `CREATE FUNCTION public.begin()`: here ATOMIC must follow it.

Bytes over 0x7f are letters, as in psql. That holds for every encoding a server can have; the encodings
that only clients can have may hide a backslash in a character, and are refused by the reader of scripts.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final

import regex as re

from vya_backupdb.errors import DumpFailed

TRAILER: Final = b"-- PostgreSQL database dump complete"
"""The comment line that pg_dump (13 to 18) ends a whole script with."""

Buffer = bytes | bytearray


class End(Enum):
    """How a statement ended."""

    SEMICOLON = "semicolon"
    META_COMMAND = "meta-command"
    """A backslash, at its beginning or in the midst of it; it takes the line with it."""


class Inside(StrEnum):
    """What the lexer stands in, as an error names it."""

    STATEMENT = "a statement"
    STRING = "a quoted string"
    ESCAPE_STRING = "an escape string"
    AFTER_ESCAPE_STRING = "a statement, behind an escape string"
    IDENTIFIER = "a quoted identifier"
    DOLLAR_QUOTE = "a dollar-quoted string"
    LINE_COMMENT = "a comment"
    BLOCK_COMMENT = "a block comment"
    META_COMMAND = "a meta-command"


_LETTER = rb"A-Za-z_\x80-\xff"
_WORD = rb"[" + _LETTER + rb"][" + _LETTER + rb"0-9$]*+"
_OTHER = rb"[^'\"$;()\\/\-" + _LETTER + rb"]++"

_TOKEN: Final = re.compile(
    b"|".join(
        rb"(?P<%b>%b)" % pair
        for pair in (
            (b"other", _OTHER),
            (b"escape", rb"[eE]'"),
            (b"word", _WORD),
            (b"string", rb"'"),
            (b"open", rb"\("),
            (b"close", rb"\)"),
            (b"semicolon", rb";"),
            (b"line", rb"--"),
            (b"block", rb"/\*"),
            (b"identifier", rb'"'),
            (b"dollar", rb"\$(?:[" + _LETTER + rb"][" + _LETTER + rb"0-9]*+)?\$"),
            (b"meta", rb"\\"),
            (b"lone", rb"[$/-]"),
        )
    )
)
_OPEN_ENDED: Final = frozenset(("word", "lone"))
"""Tokens that the next byte may make longer or turn into others."""

# Everything that decides nothing, in one go. A token at the very end of the buffer is left to _TOKEN.
_DULL = (
    rb"|(?![eE]')" + _WORD + rb"(?=[\s\S])"
    rb"|'[^']*+'|\"[^\"]*+\"|-(?=[^-])|/(?=[^*]))*+"
)  # fmt: skip
_DULL_OUTSIDE: Final = re.compile(rb"(?:" + _OTHER + _DULL)
_DULL_IN_PARENTHESES: Final = re.compile(rb"(?:;|" + _OTHER + _DULL)

# A whole INSERT as pg_dump writes it, where it is all in the buffer.
_NAME = rb'(?:"(?:[^"]|"")*+"|[A-Za-z_][A-Za-z0-9_]*+)'
_INSERT: Final = re.compile(
    rb"INSERT INTO (" + _NAME + rb"(?:\." + _NAME + rb")*+) "
    rb"(?:\((?:" + _NAME + rb"(?:, )?)*+\) )?(?:OVERRIDING SYSTEM VALUE )?VALUES\s++"
)
_ROW: Final = re.compile(rb"\((?:;|" + _OTHER + _DULL + rb"\)(?:,\s*+|(?: ON CONFLICT DO NOTHING)?(;))")

_BLANK: Final = re.compile(rb"(?:[ \t\n\r\f\v]|\xef\xbb\xbf)*+")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"[\n\r]")
_ESCAPE_STRING_MARK: Final = re.compile(rb"[\\']")
_COMMENT_MARK: Final = re.compile(rb"/\*|\*/")
_BETWEEN_STRINGS: Final = re.compile(rb"(?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+")
_UNFINISHED_TAG: Final = re.compile(rb"\$(?:[" + _LETTER + rb"][" + _LETTER + rb"0-9]*+)?\Z")


class StatementLexer:
    """Finds the end of one statement after the other in a buffer that grows at its end.

    `scan` goes on where it stopped, so no byte is looked at twice however small the pieces are.
    """

    def __init__(self) -> None:
        self.standard_strings = True
        """standard_conforming_strings: whether a backslash in '...' is an ordinary character."""
        self.begin(0)

    def begin(self, position: int) -> None:
        """Start with the next statement, whose leading blanks and comments begin at `position`."""
        self.position = position
        self.start: int | None = None
        """Where the statement's first token is; None while there were only blanks and comments."""
        self.meta_command = position
        """Where its backslash is, for a statement that ended with a meta-command."""
        self.trailer = False
        """Whether one of the comments before the statement is pg_dump's trailer."""
        self.rows: int | None = None
        """The rows that an `INSERT ... VALUES` adds; None for any other statement."""
        self.target: bytes | None = None
        """The table of such an INSERT as written, where it was easily told."""
        self.inside = Inside.STATEMENT
        self._parentheses = 0
        self._comments = 0
        self._bodies = 0
        self._tag = b""
        self._comment = 0
        self._refuse_escaped_quote = False
        self._on_another_line = False
        self._enough = 0
        """With fewer bytes than that from `position`, a long word without end need not be read again."""
        self._words: list[bytes] = []
        self._is_function = False
        self._is_insert = False
        self._counts_rows = False
        self._after_begin = False
        self._last_word = b""

    def shift(self, count: int) -> None:
        """Follow the buffer after its first `count` bytes were taken away."""
        self.position -= count
        self.meta_command -= count
        self._comment -= count
        if self.start is not None:
            self.start -= count

    def scan(self, buffer: Buffer, final: bool = False) -> End | None:
        """Read to the end of the statement; `position` is then behind it. None: it goes on.

        `final` says that nothing will follow the buffer.
        """
        while True:
            if self.inside is Inside.STATEMENT:
                end = self._scan_tokens(buffer, final)
                if end is not None or self.inside is Inside.STATEMENT:
                    return end
            elif self.inside is Inside.META_COMMAND:
                return self._scan_meta_command(buffer, final)
            elif not self._scan_enclosed(buffer, final):
                return None

    def _scan_tokens(self, buffer: Buffer, final: bool) -> End | None:
        """Read tokens until the statement ends, the buffer ends, or something encloses what follows."""
        if self.start is None and not self._find_start(buffer, final):
            return None
        if self.position == self.start and self._scan_insert(buffer):
            return End.SEMICOLON
        size = len(buffer)
        if size - self.position < self._enough and not final:
            return None
        while self.position < size:
            if self.standard_strings and (self._parentheses or not self._words_matter()):
                dull = _DULL_IN_PARENTHESES if self._parentheses else _DULL_OUTSIDE
                found = dull.match(buffer, self.position)
                if found is not None and found.end() > self.position:
                    self.position = found.end()
                    continue
            token = _TOKEN.match(buffer, self.position)
            kind = token.lastgroup if token is not None else None
            if token is None or kind is None:  # every byte begins some token
                raise AssertionError(buffer[self.position : self.position + 1])
            if not final and token.end() == size and kind in _OPEN_ENDED:
                self._enough = 2 * (size - self.position - 4096)
                return None
            if kind == "lone" and not final and _UNFINISHED_TAG.match(buffer, self.position):
                return None
            self.position = token.end()
            self._enough = 0
            if kind == "word":
                self._take_word(token.group().lower())
            elif kind == "other":
                self._after_begin = self._after_begin and not token.group().strip()
            elif kind == "semicolon" and not self._parentheses and not self._bodies:
                return End.SEMICOLON
            else:
                self._take_mark(kind, token)
                if self.inside is not Inside.STATEMENT:
                    return None
        return None

    def _take_mark(self, kind: str, token: re.Match[bytes]) -> None:
        if kind == "line":
            self.inside = Inside.LINE_COMMENT
            return
        if kind == "block":
            self._enter_comment()
            return
        self._after_begin = False
        match kind:
            case "open":
                if self._counts_rows and not self._parentheses:
                    self.rows = (self.rows or 0) + 1
                self._parentheses += 1
            case "close":
                self._parentheses = max(0, self._parentheses - 1)
            case "string":
                self.inside = Inside.STRING if self.standard_strings else Inside.ESCAPE_STRING
                self._refuse_escaped_quote = not self.standard_strings
            case "escape":
                self.inside = Inside.ESCAPE_STRING
                self._refuse_escaped_quote = False
            case "identifier":
                self.inside = Inside.IDENTIFIER
            case "dollar":
                self._tag = token.group()
                self.inside = Inside.DOLLAR_QUOTE
            case "meta":
                self.meta_command = token.start()
                self.inside = Inside.META_COMMAND
            case _:
                pass

    def _find_start(self, buffer: Buffer, final: bool) -> bool:
        blank = _BLANK.match(buffer, self.position)
        if blank is not None:
            self.position = blank.end()
        head = bytes(buffer[self.position : self.position + 3])
        if head.startswith(b"--"):
            self._comment = self.position
            self.position += 2
            self.inside = Inside.LINE_COMMENT
            return False
        if head.startswith(b"/*"):
            self.position += 2
            self._enter_comment()
            return False
        if not head or (not final and (head in (b"-", b"/") or _BYTE_ORDER_MARK.startswith(head))):
            return False
        self.start = self.position
        return True

    def _scan_insert(self, buffer: Buffer) -> bool:
        """Read a plain INSERT that is all in the buffer; where it is not, it is read as any statement."""
        head = _INSERT.match(buffer, self.position) if self.standard_strings else None
        if head is None:
            return False
        rows = 0
        row = _ROW.match(buffer, head.end())
        while row is not None:
            rows += 1
            if row.group(1):
                self.rows, self.target, self.position = rows, head.group(1), row.end()
                return True
            row = _ROW.match(buffer, row.end())
        return False

    def _enter_comment(self) -> None:
        self.inside = Inside.BLOCK_COMMENT
        self._comments = 1

    def _words_matter(self) -> bool:
        return self._is_function or self._is_insert or len(self._words) < 4

    def _take_word(self, word: bytes) -> None:
        if len(self._words) < 4:
            self._words.append(word)
            kind = self._words[3:] if self._words[1:3] == [b"or", b"replace"] else self._words[1:2]
            self._is_function = self._words[0] == b"create" and kind in ([b"function"], [b"procedure"])
            self._is_insert = self._words[0] == b"insert"
        if self._parentheses:
            return
        if self._is_function:
            if word == b"atomic" and self._after_begin:
                self._bodies += 1
            elif self._bodies:
                self._bodies += {b"case": 1, b"end": -1}.get(word, 0)
            self._after_begin = word == b"begin"
        elif self._is_insert:
            if word == b"values" and self.rows is None:
                self.rows = 1 if self._last_word == b"default" else 0
                self._counts_rows = not self.rows
            elif word in (b"on", b"returning"):
                self._counts_rows = False
            self._last_word = word

    def _scan_meta_command(self, buffer: Buffer, final: bool) -> End | None:
        newline = buffer.find(b"\n", self.position)
        if newline < 0:
            self.position = len(buffer)
            return End.META_COMMAND if final else None
        self.position = newline + 1
        return End.META_COMMAND

    def _scan_enclosed(self, buffer: Buffer, final: bool) -> bool:
        """Read to the end of a string, identifier or comment; False where the buffer ends first."""
        match self.inside:
            case Inside.STRING:
                return self._scan_to(buffer, b"'")
            case Inside.IDENTIFIER:
                return self._scan_to(buffer, b'"')
            case Inside.DOLLAR_QUOTE:
                return self._scan_to(buffer, self._tag)
            case Inside.LINE_COMMENT:
                return self._scan_line_comment(buffer, final)
            case Inside.BLOCK_COMMENT:
                return self._scan_block_comment(buffer)
            case Inside.ESCAPE_STRING:
                return self._scan_escape_string(buffer, final)
            case _:
                return self._scan_after_escape_string(buffer, final)

    def _scan_to(self, buffer: Buffer, mark: bytes) -> bool:
        """Read to behind the mark. A doubled quote ends one string and begins another, to the same effect."""
        found = buffer.find(mark, self.position)
        if found < 0:
            self.position = max(self.position, len(buffer) - len(mark) + 1)
            return False
        self.position = found + len(mark)
        self.inside = Inside.STATEMENT
        return True

    def _scan_line_comment(self, buffer: Buffer, final: bool) -> bool:
        found = _LINE_END.search(buffer, self.position)
        if found is None:
            self.position = len(buffer)
            if final:
                self.inside = Inside.STATEMENT
            return final
        if self.start is None and buffer[self._comment : found.start()] == TRAILER:
            self.trailer = True
        self.position = found.end()
        self.inside = Inside.STATEMENT
        return True

    def _scan_block_comment(self, buffer: Buffer) -> bool:
        while self._comments:
            found = _COMMENT_MARK.search(buffer, self.position)
            if found is None:
                self.position = max(self.position, len(buffer) - 1)
                return False
            self.position = found.end()
            self._comments += 1 if found.group() == b"/*" else -1
        self.inside = Inside.STATEMENT
        return True

    def _scan_escape_string(self, buffer: Buffer, final: bool) -> bool:
        while True:
            found = _ESCAPE_STRING_MARK.search(buffer, self.position)
            if found is None:
                self.position = len(buffer)
                return False
            self.position = found.start()
            pair = bytes(buffer[self.position : self.position + 2])
            if len(pair) < 2 and not (final and pair == b"'"):
                return False
            if pair == b"\\'" and self._refuse_escaped_quote:
                raise DumpFailed(
                    "the script turns standard_conforming_strings off and escapes a quote by a backslash",
                    cure="pg_dump never writes that: dump the database again with pg_dump",
                )
            if pair[:1] == b"\\" or pair == b"''":
                self.position += 2
                continue
            self.position += 1
            self.inside = Inside.AFTER_ESCAPE_STRING
            self._on_another_line = False
            return True

    def _scan_after_escape_string(self, buffer: Buffer, final: bool) -> bool:
        """See whether a string follows on another line: it continues the escape string, with escapes."""
        between = _BETWEEN_STRINGS.match(buffer, self.position)
        end = between.end() if between is not None else self.position
        self._on_another_line |= _LINE_END.search(buffer, self.position, end) is not None
        self.position = end
        following = bytes(buffer[end : end + 2])
        if not final and following in (b"", b"-", b"--"):
            return False
        if following[:1] == b"'" and self._on_another_line:
            self.position += 1
            self.inside = Inside.ESCAPE_STRING
        else:
            self.inside = Inside.STATEMENT
        return True
