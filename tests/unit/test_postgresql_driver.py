from __future__ import annotations

import os
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql import connection
from vya_backupdb.engines.postgresql.dump.driver import ALLOWED, dump_command
from vya_backupdb.engines.postgresql.privileges import exact_pattern
from vya_backupdb.errors import ConfigurationError
from vya_backupdb.model import DumpPlan, DumpTool, PostgreSQLDefinition, Verdict
from vya_backupdb.streams.process import Command

TOOL = DumpTool("/usr/lib/postgresql/15/bin/pg_dump", "postgresql", "15.18", (15, 18))
PLAN = DumpPlan("d", PostgreSQLDefinition("me", "LATIN1", "libc", "C", "C"))


def instance(**more: object) -> Instance:
    place = {} if "socket" in more else {"host": "db.example.net"}
    return Instance.model_validate({"id": "pg", "engine": "postgresql", **place, **more})


def command(
    plan: DumpPlan = PLAN, password: str | None = "pw", **more: object
) -> tuple[Command, bytes, dict[str, object]]:
    secret = None if password is None else SecretStr(password)
    with dump_command(plan, TOOL, instance(**more), Credential("me", secret)) as made:
        content = os.pread(made.pass_fds[0], 1000, 0)
    return made, content, dict(conninfo_to_dict(made.argv[-1].removeprefix("--dbname=")))


def test_the_options_of_every_dump() -> None:
    made, _, _ = command(lock_wait="90s")
    assert made.argv[:-1] == (
        "/usr/lib/postgresql/15/bin/pg_dump",
        "--format=plain",
        "--no-password",
        "--encoding=LATIN1",
        "--lock-wait-timeout=90000",
    )


def test_a_lock_is_never_waited_for_for_ever() -> None:
    assert "--lock-wait-timeout=1" in command(lock_wait="0.0001s")[0].argv
    assert "--lock-wait-timeout=2147483647" in command(lock_wait="365d")[0].argv


def test_options_of_the_plan_and_of_the_configuration_are_passed_on() -> None:
    plan = DumpPlan("d", PLAN.definition, tool_options=('--exclude-table="a"."b"',))
    made, _, _ = command(plan, dump={"extra_options": ["--no-comments"]})
    assert made.argv[5:-1] == ("--no-comments", '--exclude-table="a"."b"')


@pytest.mark.parametrize(
    "option", ["--clean", "--file=/tmp/x", "--enable-row-security", "--schema-only", "--jobs=2"]
)
def test_an_option_that_is_not_on_the_list_is_refused(option: str) -> None:
    with pytest.raises(ConfigurationError, match="is not allowed") as caught:
        command(dump={"extra_options": [option]})
    assert all(allowed in str(caught.value.cure) for allowed in ALLOWED)


@pytest.mark.parametrize(
    "name", ["d", "-d", "a b", "a=b", "it's", 'a"b', "back\\slash", "postgresql://x/y", ""]
)
def test_any_database_name_is_one_value_of_the_connection_string(name: str) -> None:
    _, _, parameters = command(DumpPlan(name, PLAN.definition))
    assert parameters["dbname"] == name
    assert parameters["host"] == "db.example.net"


def test_the_environment_is_made_from_nothing() -> None:
    assert dict(command()[0].environment) == {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": connection.NOWHERE,
    }


@pytest.mark.parametrize(
    ("password", "line"),
    [("pw", b"*:*:*:*:pw\n"), ("a:b\\c", b"*:*:*:*:a\\:b\\\\c\n"), ("åä #", "*:*:*:*:åä #\n".encode())],
)
def test_the_password_goes_through_a_file_in_memory_only(password: str, line: bytes) -> None:
    made, content, parameters = command(password=password)
    assert content == line
    assert parameters["passfile"] == f"/dev/fd/{made.pass_fds[0]}"
    assert "password" not in parameters
    assert not any(password in word for word in made.argv[1:5])


def test_without_a_password_no_file_is_read() -> None:
    _, content, parameters = command(password=None)
    assert content == b""
    assert parameters["passfile"] == connection.NOWHERE


def test_the_tools_own_name_is_what_its_errors_begin_with() -> None:
    assert command()[0].judge("pg_dump: error: x") is Verdict.FATAL


def test_files_of_the_home_folder_are_kept_out_by_naming_others() -> None:
    _, _, parameters = command()
    assert {parameters[name] for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl")} == {
        connection.NOWHERE
    }
    assert parameters["sslmode"] == "prefer"
    assert not Path(connection.NOWHERE).exists()


def test_tls_parameters_are_passed_on() -> None:
    tls = {"mode": "verify-ca", "ca": "/etc/ca.pem", "cert": "/etc/c.pem", "key": "/etc/k.pem"}
    _, _, parameters = command(tls=tls)
    assert [parameters[name] for name in ("sslmode", "sslrootcert", "sslcert", "sslkey")] == [
        "verify-ca",
        "/etc/ca.pem",
        "/etc/c.pem",
        "/etc/k.pem",
    ]


@pytest.mark.parametrize(
    ("keys", "host", "port", "where"),
    [
        ({"host": "h"}, "h", 5432, "h:5432"),
        ({"host": "::1", "port": 5433}, "::1", 5433, "[::1]:5433"),
        ({"socket": "/run/postgresql"}, "/run/postgresql", 5432, "/run/postgresql/.s.PGSQL.5432"),
        ({"socket": "/run/pg", "port": 5433}, "/run/pg", 5433, "/run/pg/.s.PGSQL.5433"),
        ({"socket": "/run/pg/.s.PGSQL.5434"}, "/run/pg", 5434, "/run/pg/.s.PGSQL.5434"),
    ],
)
def test_an_address_is_understood_and_shown(
    keys: dict[str, object], host: str, port: int, where: str
) -> None:
    assert connection.address(instance(**keys)) == (host, port)
    assert connection.where(instance(**keys)) == where


def test_a_pattern_of_the_tool_matches_one_name() -> None:
    assert exact_pattern('a"b.*$') == '"a""b.*$"'
