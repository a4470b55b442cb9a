"""What tables name that is the server's, not the database's: no dump of a database makes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.queries import DENIED, Queries, QueryError
from vya_backupdb.engines.mysql.restore.needs import Needs
from vya_backupdb.engines.mysql.restore.target_settings import has_keyring
from vya_backupdb.model import Finding, ServerFacts, Severity

_PRESENT: Final = {
    "tablespace": "SELECT 1 FROM information_schema.tablespaces_extensions WHERE tablespace_name = %s",
    "spatial reference system": (
        "SELECT 1 FROM information_schema.st_spatial_reference_systems WHERE srs_id = %s"
    ),
    "full-text parser": (
        "SELECT 1 FROM information_schema.plugins WHERE plugin_type = 'FTPARSER'"
        " AND plugin_status = 'ACTIVE' AND plugin_name = %s"
    ),
    "foreign server": "SELECT 1 FROM mysql.servers WHERE server_name = %s",
}
_PER_TABLE: Final = "innodb_file_per_table"
"""Names no tablespace, but that the table has one of its own."""
_NOT_THERE: Final = 1109
"""ER_UNKNOWN_TABLE: the server does not list such things (tablespaces before 8.0.21)."""


def examine_outside(queries: Queries, facts: ServerFacts, needs: Needs) -> Iterator[Finding]:
    """Find what the server has not. Raises ConnectionFailed."""
    folders = []
    for (kind, name), table in needs.outside.items():
        if kind == "folder":
            folders.append(f"{name} ({table})")
        elif kind == "encryption":
            if not is_mariadb(facts) and not has_keyring(queries):
                yield Finding(
                    Severity.FAULT,
                    f"the server has no keyring for encrypted tables ({table})",
                    object=table,
                    cure="configure a keyring component on the server",
                )
        elif name != _PER_TABLE and not _is_present(queries, facts, kind, name):
            yield Finding(
                Severity.FAULT,
                f"the server has no {kind} {name} ({table})",
                object=table,
                cure=f"make the {kind} on the server first",
            )
    if folders:
        yield Finding(
            Severity.WARNING,
            f"tables with folders of their own: {few(folders)}: where the server does not know the folder, "
            "they cannot be made",
            cure="make the folders on the server's machine; MySQL knows those of innodb_directories",
        )


def _is_present(queries: Queries, facts: ServerFacts, kind: str, name: str) -> bool:
    if is_mariadb(facts) and kind in ("tablespace", "spatial reference system"):
        return True  # it passes over them
    try:
        return bool(queries.rows(_PRESENT[kind], name))
    except QueryError as error:
        if error.code in (_NOT_THERE, *DENIED):
            return True
        raise
