"""What a MySQL or MariaDB server says of itself."""

from __future__ import annotations

import re
from typing import Final

from vya_backupdb.engines.mysql.queries import Queries
from vya_backupdb.model import Flavour, ServerFacts

SETTINGS: Final = (
    "character_set_server",
    "collation_server",
    "default_storage_engine",
    "disabled_storage_engines",
    "enforce_storage_engine",
    "enforce_gtid_consistency",
    "event_scheduler",
    "explicit_defaults_for_timestamp",
    "gtid_mode",
    "innodb_page_size",
    "innodb_strict_mode",
    "log_bin",
    "log_bin_trust_function_creators",
    "lower_case_table_names",
    "max_allowed_packet",
    "max_execution_time",
    "max_statement_time",
    "net_write_timeout",
    "partial_revokes",
    "read_only",
    "restrict_fk_on_non_standard_key",
    "sql_generate_invisible_primary_key",
    "sql_mode",
    "sql_require_primary_key",
    "super_read_only",
    "system_time_zone",
    "time_zone",
    "version_comment",
)
"""The global variables that decide about a dump or restore, or tell later how a backup was made."""


def is_mariadb(facts: ServerFacts) -> bool:
    """Whether the flavour is MariaDB."""
    return facts.flavour == "mariadb"


def titled(facts: ServerFacts) -> str:
    """Give flavour and version as people say them."""
    return f"{'MariaDB' if is_mariadb(facts) else 'MySQL'} {facts.version}"


def on(facts: ServerFacts, setting: str) -> bool:
    """Whether a setting is switched on; one that the server does not have is off."""
    return facts.settings.get(setting, "OFF").upper() in ("ON", "1", "YES")


def number(facts: ServerFacts, setting: str) -> int:
    """Give a setting that is a whole number; 0 where the server does not have it."""
    digits = facts.settings.get(setting, "0")
    return int(digits) if digits.isdecimal() else 0


def parse_version(said: str) -> tuple[Flavour, str, tuple[int, ...]]:
    """Read VERSION(): `10.11.14-MariaDB-log`, `5.5.5-10.6.1-MariaDB`, `9.7.0`, `8.0.36-0ubuntu1`.

    `5.5.5-` before it is how MariaDB once introduced itself to replicas.
    """
    flavour: Flavour = "mariadb" if "mariadb" in said.lower() else "mysql"
    if flavour == "mariadb":
        said = said.removeprefix("5.5.5-")
    found = re.match(r"\d+(?:\.\d+)*", said)
    version = found.group() if found else "0"
    return flavour, version, tuple(int(part) for part in version.split("."))


def server_facts(queries: Queries) -> ServerFacts:
    """Ask the server. Leaves the session prepared for the other queries.

    Raises ConnectionFailed.
    """
    said, comment, account = queries.rows("SELECT VERSION(), @@version_comment, CURRENT_USER()")[0]
    flavour, version, version_number = parse_version(
        f"{said} {comment}" if "mariadb" in comment.lower() else said
    )
    queries.prepare(mariadb=flavour == "mariadb")
    names = ", ".join(["%s"] * len(SETTINGS))
    settings = dict(queries.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})", *SETTINGS))
    settings["tls"] = "offered" if queries.offers_tls else "absent"
    settings["login_plugin"] = queries.login_plugin
    return ServerFacts(
        engine="mysql",
        flavour=flavour,
        version=version,
        version_number=version_number,
        account=account,
        settings=settings,
    )
