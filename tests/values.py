"""What is in the tables of a MySQL or MariaDB database, as exact numbers that the server computes.

A dump cannot be held against a dump where the tool itself loses something (FLOAT, characters of sjis ...):
here the stored bytes count, whatever they look like.
"""

from __future__ import annotations

from scripts.sample.clients import literal, quoted, run_sql
from vya_backupdb.scratch import ScratchServer

_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
_SHOWN = (
    *("tinyint", "smallint", "mediumint", "int", "bigint", "decimal"),
    *("date", "datetime", "timestamp", "time", "year"),
)
"""Types whose text is exact."""


def checksums(server: ScratchServer, database: str) -> dict[str, str]:
    """Give for each table its number of rows and a checksum over all values; of history too.

    The checksum is a sum over the rows, so their order does not count.
    """
    columns: dict[str, list[str]] = {}
    versioned = set()
    asked = (
        "SELECT HEX(c.table_name), HEX(c.column_name), c.data_type, t.table_type"
        " FROM information_schema.columns c JOIN information_schema.tables t"
        " USING (table_schema, table_name) WHERE c.table_schema = "
        f"{literal(database)} AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND t.engine <>"
        " 'MRG_MyISAM' ORDER BY c.table_name, c.ordinal_position"
    )
    for line in run_sql(server, asked).splitlines():
        table, column, kind, table_kind = line.split("\t")
        name = bytes.fromhex(table).decode()
        columns.setdefault(name, []).append(
            _value(server, quoted(server, bytes.fromhex(column).decode()), kind)
        )
        if table_kind == "SYSTEM VERSIONED":
            versioned.add(name)
    found = {}
    for name, values in columns.items():
        every = " FOR SYSTEM_TIME ALL" if name in versioned else ""
        row = f"CONCAT_WS(',', {', '.join(values)})"
        number = f"CAST(CONV(LEFT(SHA2({row}, 256), 15), 16, 10) AS DECIMAL(40))"
        table = quoted(server, name)
        found[name] = run_sql(
            server,
            f"SET SESSION time_zone = '+00:00', sql_mode = '';"
            f"SELECT COUNT(*), COALESCE(SUM({number}), 0) FROM {table}{every}",
            database,
        ).strip()
    return found


def _value(server: ScratchServer, column: str, kind: str) -> str:
    """Give an expression that differs wherever the stored values do."""
    if kind in _TEXTS:
        exact = f"CAST({column} AS BINARY)"
    elif kind == "enum":
        exact = f"CONCAT(CAST({column} AS BINARY), ' ', {column} + 0)"
    elif kind == "set":
        exact = f"CONCAT(CAST({column} AS BINARY), ' ', CAST({column} AS UNSIGNED))"
    elif kind in ("float", "double"):
        exact = f"CAST({column} * 1E0 AS CHAR)"  # all digits; FLOAT itself is shown with six
    elif kind == "json" and server.flavour == "mysql":
        # The size tells decimals from doubles, which are written alike.
        exact = f"CONCAT(CAST({column} AS CHAR), JSON_STORAGE_SIZE({column}))"
    elif kind in _SHOWN:
        exact = f"CAST({column} AS CHAR)"
    else:
        exact = column
    return f"COALESCE(SHA2({exact}, 256), 'NULL')"
