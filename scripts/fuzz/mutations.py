"""Changes at random, of the kinds that disks, networks, editors and other tools make, and worse ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

TOKENS = [
    *(b"'", b'"', b"`", b"''", b"\\", b"\\'", b"\\\\", b";", b";\n", b";;", b";\r\n", b"\n", b"\r\n", b"\r"),
    *(b"\0", b"\xff", b"\xc3", b"\xe2\x82", b"\x95\x5c", b"\xef\xbb\xbf", b"\x1a", b"\t", b" "),
    *(
        b"(",
        b")",
        b"),(",
        b",",
        b"--",
        b"-- ",
        b"#",
        b"/*",
        b"*/",
        b"/*!",
        b"/*!50003 ",
        b"/*M!",
        b"/*M!999999\\-",
    ),
    *(
        b"DELIMITER ;;\n",
        b"DELIMITER ;\n",
        b"\nDELIMITER //\n",
        b"DELIMITER",
        b"use x\n",
        b"system ls\n",
        b"\\! ls\n",
    ),
    *(
        b"$$",
        b"$a$",
        b"$",
        b"E'",
        b"U&'",
        b'U&"',
        b"N'",
        b"X'",
        b"\\.",
        b"\n\\.\n",
        b"\\N",
        b"\\r\n",
        b"\\restrict x\n",
    ),
    *(b"BEGIN ATOMIC ", b"CASE ", b"END", b"END;", b"BEGIN;", b"COMMIT;\n", b"CREATE FUNCTION f() "),
    *(
        b"COPY public.t (a) FROM stdin;\n",
        b"INSERT INTO `t` VALUES (",
        b"INSERT INTO public.t VALUES (1)",
        b" VALUES ",
    ),
    *(b"SET sql_mode = 'ANSI_QUOTES';\n", b"SET sql_mode = 'NO_BACKSLASH_ESCAPES';\n", b"SET NAMES gbk;\n"),
    *(b"SET NAMES utf8mb4;\n", b"SET @saved_a = @@sql_mode;\n", b"SET sql_mode = @saved_a;\n"),
    *(
        b"SET standard_conforming_strings = off;\n",
        b"SET default_tablespace = x;\n",
        b"SET client_encoding = 'SJIS';\n",
    ),
    *(
        b"-- Dump completed",
        b"-- PostgreSQL database dump complete\n",
        b"UNLOCK TABLES;\n",
        b"DROP TABLE `t`;\n",
    ),
    *(
        b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO ",
        b"ON DUPLICATE KEY UPDATE a=(1)",
        b"SELECT ",
        b"AS n",
        b"RETURNING ",
    ),
]
Mutation = Callable[[random.Random, bytearray], None]


def mutated(dice: random.Random, scripts: Sequence[bytes], *, most: int = 30_000) -> bytes:
    """Change one of the scripts, or a part of it, in one to eight places."""
    script = bytearray(_excerpt(dice, dice.choice(scripts), most))
    for _ in range(min(8, 1 + int(dice.expovariate(0.5)))):
        if dice.random() < 0.1:
            where = dice.randrange(len(script) + 1)
            script[where:where] = _excerpt(dice, dice.choice(scripts), 3_000)
        else:
            dice.choice(_MUTATIONS)(dice, script)
    return bytes(script)


def _excerpt(dice: random.Random, script: bytes, most: int) -> bytes:
    """Give a script, or where it is large a part; one that begins at a line more often than not."""
    if len(script) <= most:
        return script
    start = dice.randrange(len(script))
    if dice.random() < 0.8:
        start = script.rfind(b"\n", 0, start) + 1
    return script[start : start + dice.randint(1, most)]


def _span(dice: random.Random, script: bytearray) -> tuple[int, int]:
    start = dice.randrange(len(script) + 1)
    length = int(dice.expovariate(1 / dice.choice((2, 20, 400))))
    return start, min(len(script), start + length)


def _flip(dice: random.Random, script: bytearray) -> None:
    if script:
        script[dice.randrange(len(script))] ^= 1 << dice.randrange(8)


def _cut(dice: random.Random, script: bytearray) -> None:
    start, end = _span(dice, script)
    del script[start:end]


def _end(dice: random.Random, script: bytearray) -> None:
    del script[dice.randrange(len(script) + 1) :]


def _double(dice: random.Random, script: bytearray) -> None:
    start, end = _span(dice, script)
    script[end:end] = script[start:end]


def _move(dice: random.Random, script: bytearray) -> None:
    start, end = _span(dice, script)
    piece = script[start:end]
    del script[start:end]
    where = dice.randrange(len(script) + 1)
    script[where:where] = piece


def _insert(dice: random.Random, script: bytearray) -> None:
    where = dice.randrange(len(script) + 1)
    if dice.random() < 0.3:
        where = script.rfind(b"\n", 0, where) + 1
    token = dice.choice(TOKENS)
    script[where:where] = token * (1 if dice.random() < 0.9 else dice.randint(2, 300))


def _replace(dice: random.Random, script: bytearray) -> None:
    """Put one token in the place of another, somewhere or everywhere."""
    old, new = dice.choice(TOKENS), dice.choice(TOKENS)
    places = script.count(old)
    if places and len(new) * places < 10_000 + len(script):
        script[:] = script.replace(old, new, dice.choice((1, places)))


def _line_ends(dice: random.Random, script: bytearray) -> None:
    script[:] = script.replace(b"\n", dice.choice((b"\r\n", b"\r", b"\n\n", b"")))


_MUTATIONS: list[Mutation] = [
    *(_flip, _cut, _double, _move, _insert, _insert, _insert, _replace) * 4,
    *(_end, _end, _line_ends),
]
