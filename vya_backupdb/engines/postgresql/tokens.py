"""The tokens of one whole statement, for telling what it does and what it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_LETTER = rb"A-Za-z_\x80-\xff"
_TOKEN: Final = re.compile(
    rb"(?P<blank>[\s\v]++|--[^\n\r]*+)"
    rb"|(?P<comment>/\*)"
    rb"|(?P<tag>\$(?:[" + _LETTER + rb"][" + _LETTER + rb"0-9]*+)?\$)"
    rb"|(?P<text>"
    rb"[eE]'(?:[^'\\]|\\[\s\S]|'')*+'"
    rb"|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*+'"
    rb'|(?:[uU]&)?"(?:[^"]|"")*+"'
    rb"|[" + _LETTER + rb"][" + _LETTER + rb"0-9$]*+"
    rb"|[0-9]++"
    rb"|[\s\S])"
)
_COMMENT_MARK: Final = re.compile(rb"/\*|\*/")


def tokens(text: bytes) -> Iterator[bytes]:
    """The tokens as written, without blanks and comments; a string, dollar quote or quoted name is one."""
    position = 0
    while (token := _TOKEN.match(text, position)) is not None:
        position = token.end()
        if token.lastgroup == "text":
            yield token.group()
        elif token.lastgroup == "tag":
            end = text.find(token.group(), position)
            position = len(text) if end < 0 else end + len(token.group())
            yield text[token.start() : position]
        elif token.lastgroup == "comment":
            depth = 1
            while depth and (mark := _COMMENT_MARK.search(text, position)) is not None:
                depth += 1 if mark.group() == b"/*" else -1
                position = mark.end()
            if depth:
                return


def decode(name: bytes) -> str:
    """Bytes that are not UTF-8 are kept as surrogate escapes."""
    return name.decode("utf-8", "surrogateescape")


def literal(token: bytes) -> str:
    """What a string as pg_dump writes it means: quotes doubled, in E'...' backslashes too."""
    if token[:1] in b"eE":
        return decode(token[2:-1].replace(b"''", b"'").replace(b"\\\\", b"\\"))
    return decode(token[1:-1].replace(b"''", b"'"))


class Cursor:
    """Steps through a statement's tokens; reads no further than it is asked to.

    Key words are given in upper case and match unquoted words in any case.
    """

    def __init__(self, text: bytes) -> None:
        self._tokens = tokens(text)
        self._ahead: list[bytes] = []

    def peek(self, offset: int = 0) -> bytes:
        """The token `offset` tokens on, unquoted words in upper case; b'' behind the end."""
        return self._raw(offset).upper() if self._is_word(offset) else self._raw(offset)

    def take(self, *words: bytes) -> bool:
        """Step over these tokens if they are the next ones."""
        if any(self.peek(offset) != word for offset, word in enumerate(words)):
            return False
        del self._ahead[: len(words)]
        return True

    def take_any(self, *words: bytes) -> bytes:
        """Step over the next token if it is one of these, and give it; else b''."""
        token = self.peek()
        if token not in words:
            return b""
        del self._ahead[:1]
        return token

    def skip(self) -> bytes:
        """Step over the next token and give it as `peek` does."""
        token = self.peek()
        del self._ahead[:1]
        return token

    def seek(self, *words: bytes) -> bool:
        """Step to behind the first place outside of parentheses where these tokens stand."""
        depth = 0
        while token := self.peek():
            if not depth and self.take(*words):
                return True
            depth += {b"(": 1, b")": -1}.get(token, 0)
            del self._ahead[:1]
        return False

    def seek_any(self, *words: bytes) -> bytes:
        """Step to behind the first of these tokens outside of parentheses, and give it; else b''."""
        depth = 0
        while token := self.skip():
            if not depth and token in words:
                return token
            depth += {b"(": 1, b")": -1}.get(token, 0)
        return b""

    def name(self) -> bytes:
        """Step over a name, qualified or not, and give it as written; b'' where there is none."""
        parts = []
        while self._is_word() or self._is_quoted():
            parts.append(self._next())
            if self.peek() != b".":
                break
            parts.append(self._next())
        return b"".join(parts)

    def identifier(self) -> str:
        """Step over one unqualified name and give what it means; '' where there is none."""
        if self._is_quoted():
            return decode(self._next()[1:-1].replace(b'""', b'"'))
        return decode(self._next().lower()) if self._is_word() else ""

    def _raw(self, offset: int = 0) -> bytes:
        while len(self._ahead) <= offset:
            token = next(self._tokens, b"")
            if not token:
                return b""
            self._ahead.append(token)
        return self._ahead[offset]

    def _next(self) -> bytes:
        token = self._raw()
        del self._ahead[:1]
        return token

    def _is_word(self, offset: int = 0) -> bool:
        first = self._raw(offset)[:1]
        return (first.isalpha() or first == b"_" or first >= b"\x80") and self._raw(offset)[-1:] not in b"'\""

    def _is_quoted(self, offset: int = 0) -> bool:
        return self._raw(offset)[:1] == b'"'
