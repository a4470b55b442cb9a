"""`vya-backupdb extract`."""

from __future__ import annotations

from pathlib import Path

import click

from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.render import note, stream_output
from vya_backupdb.cli.selection import all_named, find, selection_options
from vya_backupdb.operations.choose import Selection
from vya_backupdb.operations.extract import Extract, ExtractRequest
from vya_backupdb.operations.show import opened


@click.command("extract")
@selection_options
@click.option(
    "--table",
    "tables",
    multiple=True,
    callback=all_named,
    metavar="T",
    help="This table with all that is its own; may be given several times. PostgreSQL: T or SCHEMA.T.",
)
@click.option("--schema-only", is_flag=True, help="No rows.")
@click.option("--rows-only", is_flag=True, help="Rows, and the settings that they need.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="F", help="Into a new file instead of stdout."
)
@pass_context
def command(
    context: CliContext,
    selection: Selection,
    tables: tuple[str, ...],
    schema_only: bool,
    rows_only: bool,
    output: Path | None,
) -> None:
    """Write the SQL of single tables, or of a part, for the server's own client. Needs no server.

    What a table merely uses (types, functions of its triggers, tables that it refers to) is not its own and
    must be there. As in the dump, MySQL's and MariaDB's script drops a table of that name first.

    \b
    vya-backupdb extract --instance prod-mysql-01 --database shop --table orders | mysql shop_copy
    vya-backupdb extract --file shop.sql.zst --schema-only --output schema.sql
    """
    if schema_only and rows_only:
        raise click.UsageError("--schema-only and --rows-only exclude each other")
    if not (tables or schema_only or rows_only):
        raise click.UsageError("say what: --table T, --schema-only, --rows-only")
    request = ExtractRequest(tables, schema=not rows_only, rows=not schema_only)
    with opened(find(context, selection)) as (engine, source):
        extract = Extract(engine, source, request)
        if not context.quiet:
            for text in extract.notes:
                note(text)
        if output is not None:
            extract.write(output)
        else:
            stream_output(extract.pieces())
