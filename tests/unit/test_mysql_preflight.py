from __future__ import annotations

from typing import cast

import pytest

from vya_backupdb.engines.mysql.positions import positions
from vya_backupdb.engines.mysql.preflight.plan import examine_instance
from vya_backupdb.engines.mysql.privileges import Privileges, parse_grants
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.model import Flavour, ServerFacts


def facts(flavour: Flavour, version: str, **settings: str) -> ServerFacts:
    return ServerFacts("mysql", flavour, version, tuple(map(int, version.split("."))), "b@%", settings)


def privileges(*grants: str) -> Privileges:
    return Privileges("`b`@`%`", parse_grants(f"GRANT {grant} TO `b`@`%`" for grant in grants))


@pytest.mark.parametrize(
    ("flavour", "version", "grants", "cure"),
    [
        ("mysql", "5.7.44", ("SHOW DATABASES ON *.*",), "GRANT SELECT ON `mysql`.`proc` TO `b`@`%`"),
        ("mysql", "5.7.44", ("SHOW DATABASES ON *.*", "SELECT ON `mysql`.*"), None),
        ("mysql", "8.0.19", ("SHOW DATABASES ON *.*",), "GRANT SELECT ON *.* TO `b`@`%`"),
        ("mysql", "8.0.20", ("SHOW DATABASES ON *.*",), "GRANT SHOW_ROUTINE ON *.* TO `b`@`%`"),
        (
            "mysql",
            "9.7.0",
            ("SHOW DATABASES ON *.*", "SELECT ON `mysql`.*"),
            "GRANT SHOW_ROUTINE ON *.* TO `b`@`%`",
        ),
        ("mysql", "9.7.0", ("SHOW DATABASES, SELECT ON *.*",), None),
        ("mysql", "9.7.0", ("SHOW DATABASES ON *.*", "SHOW_ROUTINE ON *.*"), None),
        ("mariadb", "10.6.1", ("SHOW DATABASES ON *.*",), "GRANT SELECT ON `mysql`.`proc` TO `b`@`%`"),
        ("mariadb", "10.6.1", ("SHOW DATABASES ON *.*", "SELECT ON `mysql`.`proc`"), None),
        ("mariadb", "11.3.1", ("SHOW DATABASES, SHOW CREATE ROUTINE ON *.*",), None),
        (
            "mariadb",
            "10.11.1",
            ("SHOW DATABASES, SHOW CREATE ROUTINE ON *.*",),
            "GRANT SELECT ON `mysql`.`proc` TO `b`@`%`",
        ),
    ],
)
def test_who_sees_routines_depends_on_flavour_and_version(
    flavour: Flavour, version: str, grants: tuple[str, ...], cure: str | None
) -> None:
    findings = examine_instance(facts(flavour, version), privileges(*grants))
    assert [finding.cure for finding in findings] == ([cure] if cure else [])


@pytest.mark.parametrize(
    ("flavour", "version", "named"),
    [
        ("mysql", "9.7.0", "REPLICATION CLIENT"),
        ("mariadb", "10.6.1", "BINLOG MONITOR"),
        ("mariadb", "10.4.1", "REPLICATION CLIENT"),
    ],
)
def test_the_privilege_for_positions_depends_on_flavour_and_version(
    flavour: Flavour, version: str, named: str
) -> None:
    server = facts(flavour, version, log_bin="ON")
    (finding,) = examine_instance(server, privileges("SELECT ON *.*"))
    assert finding.cure == f"GRANT {named} ON *.* TO `b`@`%`"
    assert examine_instance(server, privileges(f"SELECT, {named} ON *.*")) == []


@pytest.mark.parametrize(("version", "named"), [("10.11.1", "SLAVE MONITOR"), ("10.5.8", None)])
def test_a_replica_of_mariadb_needs_one_more(version: str, named: str | None) -> None:
    server = facts("mariadb", version, log_bin="ON")
    findings = examine_instance(server, privileges("SELECT, BINLOG MONITOR ON *.*"), replica=True)
    assert [one.cure for one in findings] == ([f"GRANT {named} ON *.* TO `b`@`%`"] if named else [])


class Asked:
    """Notes what is asked, and answers as an account without privileges would be."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def named_rows(self, statement: str) -> list[dict[str, str]]:
        self.statements.append(statement)
        raise QueryError("denied", 1227)

    def rows(self, statement: str, *values: str) -> list[tuple[str, str]]:
        return []


@pytest.mark.parametrize(
    ("flavour", "version", "statements"),
    [
        ("mysql", "5.7.44", ["SHOW MASTER STATUS", "SHOW SLAVE STATUS"]),
        ("mysql", "8.0.36", ["SHOW MASTER STATUS", "SHOW REPLICA STATUS"]),
        ("mysql", "8.4.0", ["SHOW BINARY LOG STATUS", "SHOW REPLICA STATUS"]),
        ("mariadb", "10.11.14", ["SHOW MASTER STATUS", "SHOW ALL SLAVES STATUS"]),
    ],
)
def test_positions_are_asked_for_in_the_servers_own_words(
    flavour: Flavour, version: str, statements: list[str]
) -> None:
    asked = Asked()
    assert positions(cast("Queries", asked), facts(flavour, version, log_bin="ON")) == {}
    assert asked.statements == statements
