"""What the demonstration shows."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from scripts.demo.comparison import Comparison
from scripts.demo.site import Pair, Site

console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)

_picture = Console(highlight=False, width=118, file=io.StringIO(), record=True)
_FONTS = re.compile(r"@font-face \{[^}]*\}\s*")
"""They would be fetched from elsewhere by whoever looks at the picture."""


def save_picture(path: Path) -> None:
    """Write what was shown as an SVG: all but single tables and commands."""
    svg = _picture.export_svg(title="make demo", unique_id="demo")
    path.write_text(_FONTS.sub("", svg))


def show(what: RenderableType, *, style: str | None = None) -> None:
    """Print it, and keep it for the picture."""
    console.print(what, style=style)
    _picture.print(what, style=style)


def heading(text: str) -> None:
    """Say what comes next."""
    show(Text(text, style="bold"))


def servers(pairs: list[Pair]) -> None:
    """Show the servers."""
    table = _table("Throw-away servers", "flavour", "version", "source port", "target port", "program")
    for pair in pairs:
        version, program = pair.source.version, str(pair.source.binaries.server)
        table.add_row(pair.flavour, version, str(pair.source.port), str(pair.target.port), program)
    show(table)


def backups(entries: list[dict[str, Any]]) -> None:
    """Show the backups."""
    table = _table(
        "Backups", "instance", "database", ">rows", ">SQL", ">file", ">ratio", ">seconds", "warnings"
    )
    for entry in entries:
        table.add_row(
            entry["instance"],
            entry["database"],
            f"{entry['rows']:,}",
            _size(entry["raw_bytes"]),
            _size(entry["bytes"]),
            f"{entry['raw_bytes'] / entry['bytes']:.1f}",
            f"{entry['seconds']:.2f}",
            "\n".join(entry["warnings"]),
        )
    show(table)


def comparisons(results: list[tuple[Pair, Comparison, dict[str, Any]]]) -> None:
    """Show what was compared after the restores."""
    table = _table(
        "Source and target compared",
        "flavour", "database", ">tables", ">rows", ">objects", ">plain dump", ">restored in", "result",
    )  # fmt: skip
    for pair, result, restored in results:
        same = not result.differences
        table.add_row(
            pair.flavour,
            result.database,
            f"{len(result.tables):,}",
            f"{result.rows:,}",
            f"{sum(before for before, _ in result.objects.values()):,}",
            _size(result.dump_bytes),
            f"{restored['seconds']:.2f} s",
            Text(
                "identical" if same else f"{len(result.differences)} differences", "green" if same else "red"
            ),
        )
    show(table)
    for pair, result, _ in results:
        for difference in result.differences:
            console.print(Text(f"{pair.flavour} {result.database}: {difference}", style="red"))


def tables(results: list[tuple[Pair, Comparison, dict[str, Any]]]) -> None:
    """Show every table."""
    table = _table("Table by table", "flavour", "database", "table", ">rows", "checksum", "result")
    for pair, result, _ in results:
        for name, (source, target) in result.tables.items():
            table.add_row(
                pair.flavour,
                result.database,
                name,
                f"{source.rows:,}" if source else "-",
                source.checksum if source else "-",
                Text("same", "green") if source == target else Text("DIFFERS", "red"),
            )
    console.print(table)


def steps(site: Site) -> None:
    """Show the commands that were run."""
    table = _table("Commands", "command", ">seconds")
    for step in site.steps:
        table.add_row(step.command, f"{step.seconds:.2f}")
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    """Make a table; a column that begins with `>` is set to the right."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column[0] == ">" else "left", overflow="fold")
    return table


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
