"""The options that the dump tools are called with, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from vya_backupdb.engines.mysql.queries import SHOW_GENERATED_KEYS
from vya_backupdb.errors import ConfigurationError
from vya_backupdb.model import DumpTool, Flavour

Version = tuple[int, ...]
Consistency = Literal["snapshot", "locked"]


@dataclass(frozen=True)
class Option:
    """One option, and for which tools it is."""

    text: str
    why: str
    tool: Flavour | None = None
    """None: both flavours."""
    since: Version = ()
    """The first version of the tool that is given it."""
    consistency: Consistency | None = None
    """None: always."""

    def fits(self, tool: DumpTool, consistency: Consistency) -> bool:
        """Whether a tool gets it."""
        return (
            self.tool in (None, tool.flavour)
            and tool.version_number >= self.since
            and self.consistency in (None, consistency)
        )


OPTIONS: Final = (
    Option("--single-transaction", "one point in time without locks", consistency="snapshot"),
    Option("--skip-single-transaction", "locks instead: --lock-tables is off with it", consistency="locked"),
    Option("--lock-tables", "one point in time for tables that know no transactions", consistency="locked"),
    Option("--quick", "rows are streamed, not collected in memory"),
    Option("--hex-blob", "binary values survive every character set"),
    Option("--routines", "off by default"),
    Option("--events", "off by default"),
    Option("--triggers", "on by default; stated so that nothing switches it off"),
    Option("--tz-utc", "timestamps mean the same on a server in another time zone"),
    Option("--no-tablespaces", "would need PROCESS, and tablespaces are the server's, not the database's"),
    Option("--skip-add-locks", "LOCK TABLES stands in the way of parallel loading"),
    Option("--skip-disable-keys", "ALTER TABLE ends transactions, and InnoDB ignores it"),
    Option("--max-allowed-packet=1G", "a row may be as large as any server allows"),
    Option("--default-character-set=utf8mb4", "the only set that holds all characters"),
    Option("--skip-no-autocommit", "11.8 writes AUTOCOMMIT=0 around each table", tool="mariadb"),
    Option("--dump-history", "system-versioned tables keep their history", tool="mariadb", since=(10, 11)),
    Option(
        "--set-gtid-purged=OFF",
        "a database is restored into a server with a history of its own",
        tool="mysql",
    ),
    Option("--column-statistics=0", "fails with servers older than 8", tool="mysql", since=(8,)),
    Option(
        f"--loose-init-command=SET SESSION max_execution_time = 0 {SHOW_GENERATED_KEYS}",
        "a limit that the server sets for SELECTs would kill the dump (3024), and primary keys that it "
        "generated and hides would be left out; versions of 8 before it ignore it thanks to `loose`",
        tool="mysql",
        since=(8,),
    ),
    Option(
        "--loose-skip-masking-policies",
        "the server's, not the database's; without rights on them an error is printed",
        tool="mysql",
        since=(9,),
    ),
)

NO_LOGIN_PATHS_SINCE: Final = (8, 4)
"""Oracle's tools know `--no-login-paths` from here on (manual of 8.4); without HOME none finds the file."""

_ALLOWED: Final = {
    "--bind-address": None,
    "--complete-insert": None,
    "--compress": None,
    "--compression-algorithms": "mysql",
    "--net-buffer-length": None,
    "--order-by-primary": None,
    "--order-by-size": "mariadb",
    "--server-public-key-path": "mysql",
    "--skip-dump-date": None,
    "--skip-extended-insert": None,
    "--ssl-cipher": None,
    "--tls-version": None,
    "--zstd-compression-level": "mysql",
}
"""What `dump.extra_options` may hold, and for which tool: nothing that leaves out or changes data."""


def tool_options(tool: DumpTool, consistency: Consistency) -> tuple[str, ...]:
    """Give the options for a tool, in the order of the table."""
    return tuple(option.text for option in OPTIONS if option.fits(tool, consistency))


def extra_options(instance_id: str, options: Iterable[str], tool: DumpTool) -> tuple[str, ...]:
    """Check what the configuration adds. Raises ConfigurationError for an option that is not allowed."""
    checked = tuple(options)
    for option in checked:
        name = option.partition("=")[0].replace("_", "-")
        if name not in _ALLOWED:
            raise ConfigurationError(
                f"{instance_id}: dump.extra_options: {option} is not allowed: it could change the backup",
                cure="allowed are: " + ", ".join(sorted(_ALLOWED)),
            )
        flavour = _ALLOWED[name]
        if flavour not in (None, tool.flavour):
            raise ConfigurationError(f"{instance_id}: dump.extra_options: {tool.path} does not know {name}")
    return checked
