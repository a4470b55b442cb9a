"""Scripts of a single shape that make careless readers slow: their time must grow as their length does.

`python -m scripts.fuzz.shapes` measures each shape at two sizes, and the memory that rows without end take.
Exit status: 1 where time grows faster than length, or memory grows with the rows.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator

from scripts.fuzz.checks import MYSQL, POSTGRESQL, Dialect, read

_SECTION = 16 << 20
_CHUNK = 1 << 20
_GROWTH = 4
_BAD = 2.0
"""How much more than the length the time may grow; less than that is noise."""
_NOTHING = 0.5
"""Seconds that are too few to be measured well."""
_MOST_MIB = 200
"""What a reader may hold: a section, a statement, and their copies."""

_UNITS: dict[str, tuple[bytes, bytes, bytes]] = {
    "unclosed string": (b"SELECT '", b"a", b""),
    "unclosed name": (b'SELECT "', b"a", b""),
    "unclosed backtick": (b"SELECT `", b"a", b""),
    "quotes": (b"", b"'", b""),
    "names": (b"", b'"', b""),
    "backticks": (b"", b"`", b""),
    "backslashes": (b"SELECT '", b"\\", b"';\n"),
    "backslashes in E": (b"SELECT E'", b"\\", b"';\n"),
    "escaped quotes": (b"SELECT E'", b"\\'", b"';\n"),
    "closing parentheses": (b"SELECT 1", b")", b";\n"),
    "opening parentheses": (b"SELECT 1", b"(", b";\n"),
    "comments opened": (b"", b"/*", b""),
    "conditional comments": (b"", b"/*!40101 SET @a=1 */;\n", b""),
    "line comments": (b"", b"-- x\n", b""),
    "one line comment": (b"-- ", b"x", b""),
    "hash comments": (b"", b"#\n", b""),
    "block comments": (b"", b"/* x */", b""),
    "blanks": (b"", b" \n", b""),
    "NUL": (b"", b"\0", b""),
    "invalid UTF-8": (b"SELECT '", b"\xff\xc3", b"';\n"),
    "empty statements": (b"", b"; ", b""),
    "one word": (b"", b"x", b""),
    "dollars": (b"", b"$", b""),
    "dollar tags": (b"SELECT ", b"$a$", b";\n"),
    "E and blanks": (b"SELECT E'a'", b" ", b";\n"),
    "E and comments": (b"SELECT E'a'", b"-- x\n", b";\n"),
    "rows without COPY": (b"", b"1\t\\N\tx\n", b""),
    "one INSERT": (b"INSERT INTO `t` VALUES (1)", b",(1)", b";\n"),
    "one INSERT of calls": (b"INSERT INTO `t` VALUES (f(1))", b",(f(1))", b";\n"),
    "INSERT without end": (b"INSERT INTO `t` VALUES ('", b"a;\n", b""),
    "INSERT of parentheses": (b"INSERT INTO `t` VALUES (", b"))))", b""),
    "columns without end": (b"INSERT INTO `t` (", b"`a`,", b""),
    "a name without end": (b"INSERT INTO `", b"``", b""),
    "INSERTs": (b"", b"INSERT INTO t VALUES (1,'a');\n", b""),
    "delimiters": (b"", b"DELIMITER ;;\nDELIMITER ;\n", b""),
    "hidden delimiters": (b"DELIMITER ;;\nSELECT ", b"-- ;;\n", b";;\nDELIMITER ;\n"),
    "settings": (b"", b"SET a=1;\n", b""),
    "saved settings": (b"CREATE TABLE t (a int);\nSET @saved_a=@@sql_mode;\n", b"SET a=1;\n", b""),
    "DROPs": (b"", b"DROP TABLE t;\n", b""),
    "wide characters": (b"SET NAMES gbk;\nINSERT INTO t VALUES ('", b"\x95\x5c", b"');\n"),
    "COPY": (b"COPY public.t (a) FROM stdin;\n", b"1\n", b"\\.\n"),
    "COPY of one row": (b"COPY public.t (a) FROM stdin;\n", b"1", b"\n\\.\n"),
    "COPY without end": (b"COPY public.t (a) FROM stdin;\n", b"\\.x\n", b""),
    "empty COPYs": (b"", b"COPY public.t (a) FROM stdin;\n\\.\n", b""),
    "bodies": (b"CREATE FUNCTION f() BEGIN ATOMIC ", b"SELECT CASE 1 END;", b"END;\n"),
    "bodies without end": (b"CREATE FUNCTION f() ", b"BEGIN ATOMIC ", b";\n"),
    "BEGINs": (b"", b"BEGIN;\n", b""),
    "object settings": (b"", b"SET default_tablespace = x;\nCREATE INDEX i ON t (a);\n", b""),
    "strings not standard": (b"SET standard_conforming_strings = off;\nSELECT ", b"'a\\\\',", b"1;\n"),
}


def shapes(size: int) -> dict[str, bytes]:
    """Give each shape by its name, about `size` bytes long."""
    return {name: head + unit * (size // len(unit)) + end for name, (head, unit, end) in _UNITS.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz.shapes", description=__doc__)
    parser.add_argument("--mib", type=float, default=2, help="length of the longer scripts (default: 2)")
    parser.add_argument("--gib", type=float, default=1, help="rows read for the memory (default: 1)")
    options = parser.parse_args()
    dialects = (MYSQL, POSTGRESQL)
    bad = [f"{each.name}: memory" for each in dialects if _memory(each, options.gib) > _MOST_MIB]
    for dialect in dialects:
        for shape in _UNITS:
            if not _grows_as_it_should(dialect, shape, int(options.mib * (1 << 20))):
                bad.append(f"{dialect.name}: {shape}")
    print("; ".join(bad) or "all as it should be")
    return 1 if bad else 0


def _grows_as_it_should(dialect: Dialect, shape: str, size: int) -> bool:
    taken = []
    for length in (size // _GROWTH, size):
        script = shapes(length)[shape]
        pieces = [script[at : at + _CHUNK // _GROWTH] for at in range(0, len(script), _CHUNK // _GROWTH)]
        started = time.process_time()
        for section in read(dialect, pieces, _SECTION).sections:
            for _ in dialect.statements(section):
                pass
        taken.append(time.process_time() - started)
    ratio = taken[1] / max(taken[0], 0.01) / _GROWTH
    print(f"{dialect.name:10} {shape:24} {taken[1]:8.2f} s, {ratio:4.1f} times as slow", flush=True)
    return ratio < _BAD or taken[1] < _NOTHING


def _memory(dialect: Dialect, gib: float) -> float:
    """Feed rows of one table, and tell how many MiB the process has taken at most."""
    reader = dialect.reader(_SECTION)
    rows = fed = 0
    for chunk in _rows(dialect, int(gib * (1 << 30))):
        fed += len(chunk)
        rows += sum(section.rows for section in reader.feed(chunk))
    rows += sum(section.rows for section in reader.finish())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{dialect.name:10} {fed >> 20:,} MiB, {rows:,} rows: at most {peak:.0f} MiB of memory", flush=True)
    return peak


def _rows(dialect: Dialect, size: int) -> Iterator[bytes]:
    if dialect is MYSQL:
        row = b"(1,'it\\'s a row; of some length',NULL,0x00FF)"
        statement = b"INSERT INTO `t` VALUES " + b",".join([row] * (_CHUNK // len(row))) + b";\n"
        for _ in range(size // len(statement)):
            yield statement
        return
    yield b"COPY public.t (a, b, c) FROM stdin;\n"
    rows = b"1\tit's a row; of some length\t\\N\n" * (_CHUNK // 32)
    for _ in range(size // len(rows)):
        yield rows
    yield b"\\.\n"


if __name__ == "__main__":
    sys.exit(main())
