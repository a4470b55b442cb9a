from __future__ import annotations

import pytest

from vya_backupdb.engines.mysql.dump.options import extra_options, tool_options
from vya_backupdb.errors import ConfigurationError
from vya_backupdb.model import DumpTool, Flavour


def dump_tool(flavour: Flavour, *version: int) -> DumpTool:
    return DumpTool("/usr/bin/mysqldump", flavour, ".".join(map(str, version)), version)


NO_TIME_LIMIT = (
    "--loose-init-command=SET SESSION max_execution_time = 0"
    " /*!80030 , SESSION show_gipk_in_create_table_and_information_schema = ON */"
)
ALWAYS = {
    "--quick",
    "--hex-blob",
    "--routines",
    "--events",
    "--triggers",
    "--no-tablespaces",
    "--skip-add-locks",
    "--skip-disable-keys",
    "--max-allowed-packet=1G",
    "--default-character-set=utf8mb4",
    "--tz-utc",
}


@pytest.mark.parametrize(
    "tool", [dump_tool("mysql", 5, 7, 44), dump_tool("mysql", 9, 7, 4), dump_tool("mariadb", 10, 6, 1)]
)
def test_what_makes_a_dump_whole_is_always_asked_for(tool: DumpTool) -> None:
    assert set(tool_options(tool, "snapshot")) >= {*ALWAYS, "--single-transaction"}
    assert "--lock-tables" not in tool_options(tool, "snapshot")


def test_tables_that_know_no_transactions_are_locked() -> None:
    options = tool_options(dump_tool("mariadb", 10, 11), "locked")
    assert {"--lock-tables", "--skip-single-transaction"} <= set(options)
    assert "--single-transaction" not in options


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        (dump_tool("mysql", 5, 7, 44), {"--set-gtid-purged=OFF"}),
        (
            dump_tool("mysql", 8, 0, 36),
            {"--set-gtid-purged=OFF", "--column-statistics=0", NO_TIME_LIMIT},
        ),
        (
            dump_tool("mysql", 9, 7, 4),
            {
                "--set-gtid-purged=OFF",
                "--column-statistics=0",
                "--loose-skip-masking-policies",
                NO_TIME_LIMIT,
            },
        ),
        (dump_tool("mariadb", 10, 6, 12), {"--skip-no-autocommit"}),
        (dump_tool("mariadb", 11, 8, 2), {"--skip-no-autocommit", "--dump-history"}),
    ],
)
def test_options_go_only_to_the_tools_that_know_them(tool: DumpTool, given: set[str]) -> None:
    assert set(tool_options(tool, "snapshot")) - ALWAYS - {"--single-transaction"} == given


def test_allowed_extra_options_are_passed_on() -> None:
    options = ("--net-buffer-length=16384", "--order_by_primary")
    assert extra_options("db", options, dump_tool("mysql", 9)) == options


@pytest.mark.parametrize(
    "option",
    ["--no-data", "--where=1=0", "--force", "--result-file=/etc/passwd", "--flush-logs", "--databases", "-d"],
)
def test_other_extra_options_are_refused(option: str) -> None:
    with pytest.raises(ConfigurationError, match="is not allowed"):
        extra_options("db", (option,), dump_tool("mysql", 9))


def test_an_extra_option_of_the_other_flavour_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="does not know --order-by-size"):
        extra_options("db", ("--order-by-size",), dump_tool("mysql", 9))
