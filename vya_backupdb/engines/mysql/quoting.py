"""The one place where identifiers and strings become SQL text for MySQL and MariaDB."""

from __future__ import annotations


def identifier(name: str) -> str:
    """Give a name as a quoted identifier: between backticks, a backtick doubled.

    Raises ValueError for a NUL, which no identifier may hold.
    """
    if "\0" in name:
        raise ValueError("an identifier cannot hold a NUL")
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    r"""Give a string as a literal for a session without NO_BACKSLASH_ESCAPES, which all of ours are."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"


def granted_database(name: str, *, patterns: bool) -> str:
    r"""Give a database's name as GRANT needs it.

    `patterns`: the server takes `_` and `%` of a granted name as wildcards (all but MySQL with
    partial_revokes); then they are escaped with a backslash.
    """
    if patterns:
        name = name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    return identifier(name)
