"""What goes to stdout and stderr: results as tables or JSON, prompts, messages.

Names and messages of servers and files may hold anything: everything passes `printable` on its way out.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

import click

from vya_backupdb.errors import Refused, StorageError, VyaBackupDBError
from vya_backupdb.log import MASK, masked
from vya_backupdb.log import printable as escaped

if TYPE_CHECKING:  # a third of what `--version` takes
    from vya_backupdb.model import Finding, LeftOut

SCHEMA_VERSION = 1

_MOST_DRAWN = 500
"""Rows of a table that are drawn, and entries of a JSON list that are indented: beyond that it is slow."""

_MOST_FAULTS = 20
"""Faults of one error that are written out."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def format_option(function: _Function) -> _Function:
    """Add `--format table|json` to a command."""
    return click.option(
        "--format",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How the result is written.",
    )(function)


def force_option(function: _Function) -> _Function:
    """Add `--force` to a command that prompts."""
    return click.option("--force", is_flag=True, help="Answer every question with yes.")(function)


@dataclass
class Table:
    """A table for people: cells are text, numbers (to the right) or None (empty)."""

    title: str | None
    columns: Sequence[str]
    rows: list[tuple[object, ...]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Add a row."""
        self.rows.append(cells)


def emit(format: str, document: Mapping[str, object], *parts: Table | str) -> None:
    """Write a result to stdout: `document` as JSON, or the tables and lines for people."""
    if format == "json":
        write_output(document_text(document))
        return
    for part in parts:
        write_output(f"{printable(part)}\n" if isinstance(part, str) else _drawn(part))


def document_text(document: Mapping[str, object]) -> str:
    """Give a result as a JSON document."""
    shown = {"schema_version": SCHEMA_VERSION, **_plain_mapping(document)}
    # indenting takes seconds for thousands of entries, and nobody reads them with their eyes
    large = any(isinstance(part, list) and len(part) > _MOST_DRAWN for part in shown.values())
    return json.dumps(shown, indent=None if large else 2) + "\n"


def plain(value: object) -> object:
    """Give a value as JSON has it: UTC ISO 8601 times, seconds, bytes, text; secrets masked."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, VyaBackupDBError):
        return {"what": value.what, "cure": value.cure, "exit_code": value.exit_code}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(part) for part in value]
    if isinstance(value, Path | Enum):
        return str(value)
    return MASK if "Secret" in type(value).__name__ else str(value)


def _plain_mapping(values: Mapping[Any, object]) -> dict[str, object]:
    return {str(name): plain(value) for name, value in values.items()}


def _drawn(table: Table) -> str:
    """Draw a table; as wide as the terminal, and as wide as it gets where there is none."""
    if not is_terminal(sys.stdout) or len(table.rows) > _MOST_DRAWN:
        return _aligned(table)
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    drawn.title = Text(printable(table.title)) if table.title else None  # a str would be read as markup
    for name, right in zip(table.columns, _numeric(table), strict=True):
        drawn.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    text = io.StringIO()
    Console(file=text, force_terminal=True, highlight=False).print(drawn)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _numeric(table: Table) -> list[bool]:
    """Say for each column whether it holds numbers only."""
    return [
        all(isinstance(row[index], int | float | None) for row in table.rows)
        for index in range(len(table.columns))
    ]


def _aligned(table: Table) -> str:
    """Write a table in columns: what rich makes of one without a box, at a hundredth of its time."""
    cells = [[[str(name)] for name in table.columns]]
    cells += [[_cell(value).split("\n") for value in row] for row in table.rows]
    widths = [max(_width(line) for row in cells for line in row[i]) for i in range(len(table.columns))]
    numeric = _numeric(table)
    lines = [printable(table.title)] if table.title else []
    for row in cells:
        for number in range(max(map(len, row))):
            parts = []
            for cell, width, right in zip(row, widths, numeric, strict=True):
                text = cell[number] if number < len(cell) else ""
                room = " " * (width - _width(text))
                parts.append(room + text if right else text + room)
            lines.append("  ".join(parts).rstrip())
    return "\n".join(lines) + "\n"


def _width(text: str) -> int:
    """Give the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return printable(str(value), indent=0)


# ---------------------------------------------------------------------------- text


def printable(text: str, *, indent: int | None = None) -> str:
    """Give text that no terminal takes for a command: what does not print is escaped.

    Line ends too, unless `indent` says by how many spaces further lines are indented.
    """
    if indent is None:
        return escaped(text)
    return escaped(text, keep="\n").replace("\n", "\n" + " " * indent)


def told(finding: Finding) -> str:
    """Write what was found, and what to do about it."""
    return f"{finding.what}; {finding.cure}" if finding.cure else finding.what


def human_size(count: int) -> str:
    """Write a number of bytes as people read it: `1.2 GiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def message(error: VyaBackupDBError) -> str:
    """Write an error in a line and its cure in another; several faults each in lines of its own."""
    if len(error.faults) < 2:
        return error.what + (f"\n  {error.cure}" if error.cure else "")
    lines = [f"{error.head}:"]
    for what, cure in error.faults[:_MOST_FAULTS]:
        lines.append("  " + what)
        lines += [f"    {cure}"] if cure else []
    if len(error.faults) > _MOST_FAULTS:
        lines.append(f"  and {len(error.faults) - _MOST_FAULTS:,} more")
    if error.cure and not any(cure for _, cure in error.faults):
        lines.append("  " + error.cure)
    return "\n".join(lines)


def left_out(what: LeftOut) -> str:
    """Say how much a backup does without: `2 tables, rows of 1`; nothing where it is whole."""
    parts = []
    if count := len(what.tables):
        parts.append(f"{count:,} table{'s' if count > 1 else ''}")
    if count := len(what.rows):
        parts.append(f"rows of {count:,}")
    return ", ".join(parts)


# ---------------------------------------------------------------------------- streams


def is_terminal(stream: Any) -> bool:
    """Whether somebody sits at the stream."""
    try:
        return stream is not None and bool(stream.isatty())
    except ValueError:  # closed
        return False


class _Output:
    """Stdout where a reader who has gone (`| head`) is no fault, and any other fault a StorageError."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_read = True
        """False as soon as the reader is known to have gone."""

    def write(self, text: str) -> int:
        # click writes nothing, to see what the stream takes; an unbuffered one fails even then
        return self._try(lambda: self._stream.write(text)) if text != "" else 0

    def write_bytes(self, data: bytes) -> None:
        self._try(lambda: self._stream.flush() or self._stream.buffer.write(data))

    def flush(self) -> None:
        self._try(lambda: self._stream.flush() or 0)

    def _try(self, work: Callable[[], int]) -> int:
        try:
            return work()
        except OSError as error:
            # Python flushes once more when it ends, and would complain then
            null = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError, ValueError):
                os.dup2(null, self._stream.fileno())
            os.close(null)
            if isinstance(error, BrokenPipeError):
                self.is_read = False
                return 0
            raise StorageError(f"standard output: {error.strerror or error}") from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Let everything that is written to stdout, also by click, be written as `_Output` does."""
    stream = sys.stdout
    if stream is None:  # closed by the caller (`>&-`)
        yield
        return
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    sys.stdout = cast("TextIO", _Output(stream))
    try:
        yield
    finally:
        sys.stdout = stream


def write_output(text: str) -> None:
    """Write to stdout, at once. Raises StorageError."""
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()


def stream_output(pieces: Iterable[bytes]) -> None:
    """Write exactly these bytes to stdout, as long as somebody reads them. Raises StorageError."""
    output = sys.stdout
    if not isinstance(output, _Output):
        raise StorageError("standard output is closed", cure="name a file: --output F")
    for piece in pieces:
        output.write_bytes(piece)
        output.flush()
        if not output.is_read:
            return


def to_stderr(text: str) -> None:
    """Write a message, secrets masked; nobody may be there to read it."""
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        sys.stderr.write(printable(masked(text.rstrip("\n")), indent=0) + "\n")
        sys.stderr.flush()


def note(text: str) -> None:
    """Tell a person something beside the result, on stderr."""
    to_stderr(f"note: {text}")


def confirmation(*, force: bool) -> Callable[[str], None]:
    """Give what asks a question before something that harms; `force` answers with yes.

    It raises Refused for a no, and where nobody is there to be asked.
    """

    def confirm(question: str) -> None:
        if not agreed(question, force=force):
            raise Refused(f"not confirmed: {question}", cure="nothing was changed")

    return confirm


def agreed(question: str, *, force: bool, default: bool = False) -> bool:
    """Ask; `force` answers with yes. Raises Refused where nobody is there to be asked."""
    if force:
        return True
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise Refused(f"not confirmed: {question}", cure="nobody is here to be asked; --force answers yes")
    try:
        return click.confirm(printable(question), default=default, err=True)
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):
            raise
        return False
