"""What a bad disk, an editor or a careless script makes of a text file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]


def flipped(text: bytes, dice: random.Random) -> bytes:
    """One to four bits are other ones."""
    damaged = bytearray(text)
    for _ in range(dice.randint(1, 4)):
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def truncated(text: bytes, dice: random.Random) -> bytes:
    return text[: dice.randrange(len(text))]


def without_a_part(text: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(text))
    return text[:start] + text[start + dice.randint(1, 40) :]


def with_bytes_that_are_no_utf8(text: bytes, dice: random.Random) -> bytes:
    return _inserted(text, dice, dice.choice((b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\xf4\x90")))


def with_much_of_one_kind(text: bytes, dice: random.Random) -> bytes:
    piece = dice.choice((b"[", b"{", b'{"a":', b"- ", b"a: ", b" ", b"9", b"\n", b"\\", b'"', b"&a *a "))
    return _inserted(text, dice, piece * dice.choice((3, 300, 30_000)))


def zeroed(text: bytes, dice: random.Random) -> bytes:
    """A block that was never written."""
    start = dice.randrange(len(text))
    size = min(dice.choice((1, 16, 512)), len(text) - start)
    return text[:start] + b"\0" * size + text[start + size :]


def with_other_lines(text: bytes, dice: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    at = dice.randrange(len(lines))
    what = dice.choice(("deleted", "doubled", "exchanged", "indented"))
    if what == "deleted":
        del lines[at]
    elif what == "doubled":
        lines.insert(dice.randrange(len(lines) + 1), lines[at])
    elif what == "exchanged":
        other = dice.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines[at] = b" " * dice.randint(1, 4) + lines[at]
    return b"".join(lines)


BYTES: tuple[Mutation, ...] = (
    *(flipped, truncated, without_a_part, with_bytes_that_are_no_utf8),
    *(with_much_of_one_kind, zeroed, with_other_lines),
)


def _inserted(text: bytes, dice: random.Random, piece: bytes) -> bytes:
    at = dice.randrange(len(text) + 1)
    return text[:at] + piece + text[at:]


# ---------------------------------------------------------------------------- values of a document


def other_value(document: Any, dice: random.Random) -> Any:
    """Give a document in which one value is another, of another type, or not there."""
    changed = json.loads(json.dumps(document))
    places: list[tuple[Any, Any]] = []
    _collect(changed, places)
    if not places:
        return _instead(None, dice)
    holder, key = dice.choice(places)
    what = dice.choice(("instead", "instead", "instead", "deleted", "more"))
    if what == "deleted":
        del holder[key]
    elif what == "more" and isinstance(holder, dict):
        holder[dice.choice(("", "x", key + "_", "__class__", "a" * 9000))] = _instead(holder[key], dice)
    else:
        holder[key] = _instead(holder[key], dice)
    return changed


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            _collect(value[key], places)


def _instead(value: Any, dice: random.Random) -> Any:
    alike: tuple[Any, ...] = ()
    if isinstance(value, str):
        alike = (value + "x", value[1:], value.upper(), value.replace("2", "3"), [value], value * 30)
    elif isinstance(value, int):
        alike = (value + 1, -value, str(value), value + 0.5, value * 10**30, not value)
    nested: Any = value
    for _ in range(dice.choice((1, 90, 900))):
        nested = [nested] if dice.random() < 0.5 else {"a": nested}
    return dice.choice(
        (
            *(*alike, *alike),
            *(None, True, 0, -1, 10**400, 1e308, float("nan"), "", "\0", "\udc80", "../../x", ".", "/"),
            *([], {}, [None], {"": None}, "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00", nested),
        )
    )
