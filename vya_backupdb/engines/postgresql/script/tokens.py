"""The tokens of one whole statement, for telling what it does and what it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import regex as re

_LETTER = rb"A-Za-z_\x80-\xff"
_TOKEN: Final = re.compile(
    rb"(?P<blank>[\s\v]++|--[^\n\r]*+)"
    rb"|(?P<comment>/\*)"
    rb"|(?P<tag>\$(?:[" + _LETTER + rb"][" + _LETTER + rb"0-9]*+)?\$)"
    rb"|(?P<text>"
    rb"[eE]'(?:[^'\\]|\\[\s\S]|'')*+'"
    rb"|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*+'"
    rb'|(?:[uU]&)?"(?:[^"]|"")*+")'
    rb"|(?P<word>[" + _LETTER + rb"][" + _LETTER + rb"0-9$]*+)"
    rb"|(?P<other>[0-9]++|[\s\S])"
)
_NAME_OR_TEXT = (
    rb"(?:'(?:[^'\\]|'')*+'|\"(?:[^\"]|\"\")*+\""
    rb"|[" + _LETTER + rb"][" + _LETTER + rb"0-9]*+|[0-9]++|[,.;=()]|-(?!-))"
)
_PLAIN: Final = re.compile(rb"\s*+(?:" + _NAME_OR_TEXT + rb"(?:\s++|(?=[,.;=()])|(?<=[,.=()-])|\Z))*+")
_NAMES_AND_TEXTS: Final = re.compile(_NAME_OR_TEXT)
"""The same tokens in one go, where there are no others; a prefix would make another one of a string."""

_COMMENT_MARK: Final = re.compile(rb"/\*|\*/")


def _tokens(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give each token but blanks and comments as (key, written): the key of a word is in upper case.

    A string, a dollar quote and a quoted name is one token each.
    """
    position = 0
    while (token := _TOKEN.match(text, position)) is not None:
        position = token.end()
        written = token.group()
        match token.lastgroup:
            case "word":
                yield written.upper(), written
            case "text" | "other":
                yield written, written
            case "tag":
                end = text.find(written, position)
                position = len(text) if end < 0 else end + len(written)
                written = text[token.start() : position]
                yield written, written
            case "comment":
                position = _behind_comment(text, position)
            case _:
                pass


def _plain_tokens(text: bytes) -> list[tuple[bytes, bytes]] | None:
    """Give all tokens as `_tokens` does; None where some are more than words, numbers, names and strings."""
    if _PLAIN.fullmatch(text) is None:
        return None
    return [
        (written, written) if written[0] in b"'\"" else (written.upper(), written)
        for written in _NAMES_AND_TEXTS.findall(text)
    ]


def _behind_comment(text: bytes, position: int) -> int:
    depth = 1
    while depth:
        mark = _COMMENT_MARK.search(text, position)
        if mark is None:
            return len(text)
        depth += 1 if mark.group() == b"/*" else -1
        position = mark.end()
    return position


def decode(name: bytes) -> str:
    """Bytes that are not UTF-8 are kept as surrogate escapes."""
    return name.decode("utf-8", "surrogateescape")


def literal(token: bytes) -> str:
    """Decode a string as pg_dump writes it: quotes are doubled, in E'...' backslashes too."""
    if token[:1] in b"eE":
        return decode(token[2:-1].replace(b"''", b"'").replace(b"\\\\", b"\\"))
    return decode(token[1:-1].replace(b"''", b"'"))


class Cursor:
    """Steps through a statement's tokens; reads no further than it is asked to.

    Key words are given in upper case and match unquoted words in any case.
    """

    def __init__(self, text: bytes, *, short: bool = False) -> None:
        """Begin at the first token; all of a `short` statement are found at once."""
        plain = _plain_tokens(text) if short else None
        self._tokens = _tokens(text) if plain is None else iter(())
        self._ahead: list[tuple[bytes, bytes]] = plain or []

    def peek(self, offset: int = 0) -> bytes:
        """Give the token `offset` tokens on, unquoted words in upper case; b'' behind the end."""
        ahead = self._ahead
        return (ahead[offset] if len(ahead) > offset else self._pair(offset))[0]

    def take(self, *words: bytes) -> bool:
        """Step over these tokens if they are the next ones."""
        for offset, word in enumerate(words):
            if self.peek(offset) != word:
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
        while self._is_name():
            parts.append(self._next())
            if self.peek() != b".":
                break
            parts.append(self._next())
        return b"".join(parts)

    def identifier(self) -> str:
        """Step over one unqualified name and give what it means; '' where there is none."""
        if not self._is_name():
            return ""
        written = self._next()
        return decode(written[1:-1].replace(b'""', b'"') if written[:1] == b'"' else written.lower())

    def _pair(self, offset: int = 0) -> tuple[bytes, bytes]:
        while len(self._ahead) <= offset:
            pair = next(self._tokens, None)
            if pair is None:
                return b"", b""
            self._ahead.append(pair)
        return self._ahead[offset]

    def _next(self) -> bytes:
        written = self._pair()[1]
        del self._ahead[:1]
        return written

    def _is_name(self) -> bool:
        token = self.peek()
        first, last = token[:1], token[-1:]
        if first == b'"':
            return True
        return (first.isalpha() or first == b"_" or first >= b"\x80") and last not in (b"'", b'"')
