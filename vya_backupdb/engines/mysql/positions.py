"""Where a server stands in its binary log, so that a restored backup can be rolled forward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb, on
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.model import ServerFacts

_DENIED: Final = (1227, 1142)
"""Codes for a missing privilege: what cannot be read is left out; the preflight of the instance says why."""

_REPLICA_FIELDS: Final = {
    "source_host": ("source_host", "master_host"),
    "source_port": ("source_port", "master_port"),
    "source_binlog_file": ("relay_source_log_file", "relay_master_log_file"),
    "source_binlog_position": ("exec_source_log_pos", "exec_master_log_pos"),
    "source_gtid_executed": ("executed_gtid_set", "gtid_slave_pos"),
}
"""Our name, and the columns of SHOW REPLICA STATUS (new and old) that tell what the replica has executed."""


def positions(queries: Queries, facts: ServerFacts) -> dict[str, str]:
    """Give binlog file, position and GTID set, on a replica also the source's. {} where there is none.

    Raises ConnectionFailed.
    """
    found: dict[str, str] = {}
    if on(facts, "log_bin"):
        for row in _shown(queries, _binlog_statement(facts)):
            found["binlog_file"] = row["file"]
            found["binlog_position"] = row["position"]
    if is_mariadb(facts):
        found["gtid_binlog_pos"] = _variable(queries, "gtid_binlog_pos")
        found["gtid_slave_pos"] = _variable(queries, "gtid_slave_pos")
    else:
        found["gtid_executed"] = _variable(queries, "gtid_executed")
    for number, row in enumerate(_shown(queries, _replica_statement(facts))):
        channel = row.get("channel_name") or row.get("connection_name") or ""
        prefix = f"{channel}." if channel else (f"{number}." if number else "")
        for name, value in _source(row):
            found[prefix + name] = value
    return {name: value for name, value in found.items() if value}


def is_replica(queries: Queries, facts: ServerFacts) -> bool:
    """Whether MariaDB applies what a source sends, which everybody may see; MySQL tells that to nobody."""
    if not is_mariadb(facts):
        return False
    rows = queries.rows("SHOW GLOBAL STATUS LIKE 'Slaves_running'")
    return any(int(number) > 0 for _, number in rows)


def _source(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, columns in _REPLICA_FIELDS.items():
        yield name, next((row[column] for column in columns if column in row), "")


def _binlog_statement(facts: ServerFacts) -> str:
    """SHOW MASTER STATUS is gone with MySQL 8.4, its successor came with 8.2."""
    if not is_mariadb(facts) and facts.version_number >= (8, 2):
        return "SHOW BINARY LOG STATUS"
    return "SHOW MASTER STATUS"


def _replica_statement(facts: ServerFacts) -> str:
    if is_mariadb(facts):
        return "SHOW ALL SLAVES STATUS"
    return "SHOW REPLICA STATUS" if facts.version_number >= (8, 0, 22) else "SHOW SLAVE STATUS"


def _shown(queries: Queries, statement: str) -> list[dict[str, str]]:
    try:
        return queries.named_rows(statement)
    except QueryError as error:
        if error.code in _DENIED:
            return []
        raise


def _variable(queries: Queries, name: str) -> str:
    rows = queries.rows("SHOW GLOBAL VARIABLES WHERE Variable_name = %s", name)
    return str(rows[0][1]).replace("\n", "") if rows else ""
