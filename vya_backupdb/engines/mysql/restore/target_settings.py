"""The settings of a server that stand in the way of a restore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from vya_backupdb.engines.mysql.facts import is_mariadb, number, on
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.privileges import Privileges
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.quoting import identifier, text
from vya_backupdb.engines.mysql.restore.needs import Needs
from vya_backupdb.engines.mysql.restore.session import HARMLESS_MODES
from vya_backupdb.model import Finding, MySQLDefinition, ServerFacts, Severity

_PACKET_OVERHEAD: Final = 1024
"""Bytes kept free below max_allowed_packet."""


def examine_settings(
    queries: Queries, facts: ServerFacts, privileges: Privileges, needs: Needs
) -> list[Finding]:
    """Give what the server's settings refuse of a script. Raises ConnectionFailed."""
    return [
        *_read_only(facts, privileges),
        *_packet(facts, needs.largest_statement),
        *_binlog(facts, privileges, needs),
        *_unknown_sets(queries, needs.charsets, needs.collations),
        *_other_collations(queries, needs),
        *_unknown_engines(queries, needs),
        *_unwanted_engines(facts, needs),
        *_unknown_modes(queries, needs),
        *_unknown_settings(queries, needs),
        *_keys(facts, privileges, needs),
        *_folded_names(facts, needs),
    ]


def examine_definition(
    queries: Queries, facts: ServerFacts, definition: MySQLDefinition | None
) -> list[Finding]:
    """Give what the server refuses of a database's definition. Raises ConnectionFailed."""
    if definition is None:
        return []
    owner = "the database itself"
    return [
        *_unknown_sets(queries, {definition.charset: owner}, {definition.collation: owner}),
        *_encryption(queries, facts, definition),
    ]


def _read_only(facts: ServerFacts, privileges: Privileges) -> Iterator[Finding]:
    setting = "super_read_only" if on(facts, "super_read_only") else "read_only"
    if facts.settings.get(setting, "OFF").upper() in ("OFF", "0"):
        return
    passing = {"CONNECTION_ADMIN", "SUPER"}
    if is_mariadb(facts):
        passing = {"READ_ONLY ADMIN"} if facts.version_number >= (10, 11) else {"READ_ONLY ADMIN", "SUPER"}
    if setting == "super_read_only" or not any(map(privileges.everywhere, passing)):
        yield Finding(
            Severity.FAULT,
            f"the server is read-only ({setting} is on)",
            cure=f"restore into another server, or SET GLOBAL {setting} = OFF",
        )


def _packet(facts: ServerFacts, largest: int) -> Iterator[Finding]:
    allowed = number(facts, "max_allowed_packet")
    if largest + _PACKET_OVERHEAD > allowed:
        wanted = -(-(largest + _PACKET_OVERHEAD) // (1 << 20)) << 20
        yield Finding(
            Severity.FAULT,
            f"the largest statement has {largest:,} bytes, and max_allowed_packet is {allowed:,}",
            cure=f"SET GLOBAL max_allowed_packet = {wanted}",
        )


def _binlog(facts: ServerFacts, privileges: Privileges, needs: Needs) -> Iterator[Finding]:
    if not on(facts, "log_bin") or on(facts, "log_bin_trust_function_creators"):
        return
    cure = "SET GLOBAL log_bin_trust_function_creators = ON"
    if needs.unsafe_functions:
        yield Finding(
            Severity.FAULT,
            "with the binary log on, the server refuses functions that are not declared DETERMINISTIC, "
            f"NO SQL or READS SQL DATA (1418): {few(needs.unsafe_functions)}",
            cure=cure,
        )
    if needs.kinds & {"trigger", "function"} and not privileges.everywhere("SUPER"):
        yield Finding(
            Severity.PRIVILEGE,
            "with the binary log on, triggers and functions need SUPER (1419)",
            cure=f"{privileges.mend(['SUPER'], None)}; or {cure}",
        )


def _unknown_sets(
    queries: Queries, charsets: Mapping[str, str], collations: Mapping[str, str]
) -> Iterator[Finding]:
    for charset, named in charsets.items():
        if not _is_known(queries, f"SELECT CONVERT('' USING {identifier(charset)})"):
            yield _unknown("character set", charset, named)
    for collation, named in collations.items():
        charset = collation.partition("_")[0]
        if charset == "uca1400":
            charset = "utf8mb4"
        if not _is_known(
            queries, f"SELECT CONVERT('' USING {identifier(charset)}) COLLATE {identifier(collation)}"
        ):
            yield _unknown("collation", collation, named)


def _other_collations(queries: Queries, needs: Needs) -> Iterator[Finding]:
    """Name what MySQL before 8 and older MariaDBs leave unsaid, for it was their default."""
    for charset, table in needs.without_collation.items():
        query = f"SELECT COLLATION(CONVERT('' USING {identifier(charset)}))"
        if not _is_known(queries, query):
            continue
        here = str(queries.value(query))
        if not here.endswith("_general_ci"):
            yield Finding(
                Severity.WARNING,
                f"tables name {charset} without a collation (the first is {table}): at home it is "
                f"{charset}_general_ci, here it becomes {here}",
                object=table,
                cure="make the old one the server's default while restoring (default_collation_for_utf8mb4, "
                "MariaDB: character_set_collations), or convert the tables afterwards",
            )


def _is_known(queries: Queries, query: str) -> bool:
    """Ask the parser: names may be aliases (`utf8_general_ci`) that no list of the server holds."""
    try:
        queries.rows(query)
    except QueryError as error:
        if error.code in (1115, 1273, 1253):
            return False
        raise
    return True


def _unknown(what: str, value: str, named: str) -> Finding:
    return Finding(
        Severity.FAULT,
        f"the server does not know the {what} {value} ({named})",
        object=named,
        cure="restore into a server that knows it: the flavour, and at least the version, of the source",
    )


def _unknown_engines(queries: Queries, needs: Needs) -> Iterator[Finding]:
    rows = queries.rows("SELECT engine FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')")
    present = {str(engine).lower() for (engine,) in rows}
    for engine, named in needs.engines.items():
        if engine.lower() not in present:
            yield Finding(
                Severity.FAULT,
                f"the server has no storage engine {engine} ({named}), and would use another in silence",
                object=named,
                cure=f"enable {engine} on the server",
            )


def _unknown_modes(queries: Queries, needs: Needs) -> Iterator[Finding]:
    for mode in needs.modes:
        if _mode_is_known(queries, mode):
            continue
        if mode in HARMLESS_MODES:
            yield Finding(Severity.WARNING, f"the server does not know the sql_mode {mode}; it is left out")
        else:
            yield Finding(
                Severity.FAULT,
                f"the server does not know the sql_mode {mode} that the script sets",
                cure="restore into a server of the flavour that the backup was made on",
            )


def _mode_is_known(queries: Queries, mode: str) -> bool:
    try:
        queries.execute(f"SET SESSION sql_mode = {text(mode)}")
    except QueryError as error:
        if error.code == 1231:
            return False
        raise
    queries.execute("SET SESSION sql_mode = ''")
    return True


def _unknown_settings(queries: Queries, needs: Needs) -> Iterator[Finding]:
    present = {str(row[0]).lower() for row in queries.rows("SHOW VARIABLES")}
    for setting in sorted(needs.settings - present - {"names"}):
        yield Finding(
            Severity.WARNING,
            f"the server does not know the setting {setting} of the script's header; it is skipped",
        )


def _unwanted_engines(facts: ServerFacts, needs: Needs) -> Iterator[Finding]:
    """Find what MySQL's disabled_storage_engines refuses (3161), and what MariaDB would do without a word."""
    disabled = facts.settings.get("disabled_storage_engines", "").lower().replace(" ", "").split(",")
    enforced = facts.settings.get("enforce_storage_engine", "")
    for engine, named in needs.engines.items():
        if engine.lower() in disabled:
            what, setting = f"refuses the storage engine {engine} ({named})", "disabled_storage_engines"
        elif enforced and engine.lower() != enforced.lower():
            what, setting = f"would use {enforced} in place of {engine} ({named})", "enforce_storage_engine"
        else:
            continue
        yield Finding(
            Severity.FAULT,
            f"the server {what}: {setting}",
            object=named,
            cure=f"change {setting} while restoring",
        )


def _keys(facts: ServerFacts, privileges: Privileges, needs: Needs) -> Iterator[Finding]:
    required = on(facts, "sql_require_primary_key")
    generated = on(facts, "sql_generate_invisible_primary_key")
    may_set = any(map(privileges.everywhere, ("SESSION_VARIABLES_ADMIN", "SYSTEM_VARIABLES_ADMIN", "SUPER")))
    if generated and needs.without_key and (required or not may_set):
        yield Finding(
            Severity.WARNING,
            "the server adds an invisible primary key to tables without one"
            f" (sql_generate_invisible_primary_key): {few(needs.without_key)}",
            cure="SET GLOBAL sql_generate_invisible_primary_key = OFF while restoring"
            if required
            else privileges.mend(["SESSION_VARIABLES_ADMIN"], None),
        )
    elif required and needs.without_key and not generated:
        yield Finding(
            Severity.FAULT,
            "the server refuses tables without a primary key (sql_require_primary_key): "
            + few(needs.without_key),
            cure="SET GLOBAL sql_require_primary_key = OFF while restoring",
        )


def _folded_names(facts: ServerFacts, needs: Needs) -> Iterator[Finding]:
    if facts.settings.get("lower_case_table_names", "0") == "0":
        return
    seen: dict[str, str] = {}
    for name in needs.tables:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            yield Finding(
                Severity.FAULT,
                f"the tables {other} and {name} are one table on this server (lower_case_table_names)",
                object=name,
                cure="rename one of them, or restore into a server with lower_case_table_names = 0",
            )


def _encryption(
    queries: Queries, facts: ServerFacts, definition: MySQLDefinition | None
) -> Iterator[Finding]:
    if definition is None:
        return
    if definition.encryption and is_mariadb(facts):
        yield Finding(
            Severity.WARNING, "the database was encrypted by default, which MariaDB has no such setting for"
        )
    if definition.comment and not (is_mariadb(facts) and facts.version_number >= (10, 5)):
        yield Finding(Severity.WARNING, "the database's comment is lost: this server has none for databases")
    if definition.encryption and not is_mariadb(facts) and not has_keyring(queries):
        yield Finding(
            Severity.FAULT,
            "the database is encrypted, and the server has no keyring",
            cure="configure a keyring component on the server",
        )


def has_keyring(queries: Queries) -> bool:
    """Whether MySQL can encrypt tables."""
    if queries.rows(
        "SELECT 1 FROM information_schema.plugins"
        " WHERE plugin_name LIKE 'keyring%' AND plugin_status = 'ACTIVE'"
    ):
        return True
    try:
        return bool(
            queries.rows(
                "SELECT 1 FROM performance_schema.keyring_component_status"
                " WHERE status_key = 'Component_status' AND status_value = 'Active'"
            )
        )
    except QueryError:
        # Not readable for the account, or not there: then the restore itself shows it.
        return True
