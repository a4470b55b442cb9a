from __future__ import annotations

import pytest

from vya_backupdb.engines.mysql.facts import number, on, parse_version
from vya_backupdb.model import ServerFacts


@pytest.mark.parametrize(
    ("said", "flavour", "version"),
    [
        ("10.11.14-MariaDB-0+deb12u1-log", "mariadb", "10.11.14"),
        ("5.5.5-10.6.12-MariaDB", "mariadb", "10.6.12"),
        ("9.7.4-2", "mysql", "9.7.4"),
        ("8.0.36-0ubuntu0.22.04.1", "mysql", "8.0.36"),
        ("5.7.44-log", "mysql", "5.7.44"),
        ("8.0.35-27", "mysql", "8.0.35"),
    ],
)
def test_flavour_and_version_are_read_from_what_the_server_says(
    said: str, flavour: str, version: str
) -> None:
    found = parse_version(said)
    assert found[:2] == (flavour, version)
    assert found[2] == tuple(map(int, version.split(".")))


def test_settings_that_the_server_lacks_are_off_and_zero() -> None:
    facts = ServerFacts(
        "mysql", "mysql", "9.7.4", (9, 7, 4), "x@y", {"log_bin": "ON", "max_allowed_packet": "1024"}
    )
    assert on(facts, "log_bin")
    assert not on(facts, "gtid_mode")
    assert number(facts, "max_allowed_packet") == 1024
    assert number(facts, "max_execution_time") == 0
