"""Accounts go between versions and flavours: what the other server cannot have is said of each account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from scripts.sample.clients import ClientError, run_sql
from tests.conftest import choose, plugins
from tests.integration import mysql_users_support as support
from tests.integration.mysql_support import connected
from tests.integration.mysql_users_support import accounts_of, told
from vya_backupdb.model import Account, Fitted, Severity
from vya_backupdb.scratch import Binaries, ScratchServer, find_binaries, start

pytestmark = [pytest.mark.mysql, pytest.mark.mariadb]


@dataclass(frozen=True)
class Servers:
    """One MariaDB of before 11.0, one of after, and a MySQL."""

    old: ScratchServer
    new: ScratchServer
    mysql: ScratchServer


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    found = find_binaries("mariadb")
    if not found or min(b.version_number for b in found) >= (11,) or max(found, key=_version).version < "11":
        pytest.skip("a MariaDB of before 11.0 and one of after are needed")
    chosen = (min(found, key=_version), max(found, key=_version), choose("mysql"))
    with ExitStack() as stack:
        yield Servers(*(stack.enter_context(start(one, settings=plugins(one))) for one in chosen))


def _version(binaries: Binaries) -> tuple[int, ...]:
    return binaries.version_number


@pytest.fixture
def empty(servers: Servers) -> Iterator[Servers]:
    """The servers with the objects and without accounts."""
    with ExitStack() as stack:
        for server in (servers.old, servers.new, servers.mysql):
            stack.enter_context(support.prepared(server, accounts=False))
        run_sql(servers.mysql, "SET GLOBAL partial_revokes = OFF")
        yield servers


@dataclass(frozen=True)
class Moved:
    """What became of one account."""

    before: Account
    fitted: Fitted
    after: Account | None

    @property
    def said(self) -> str:
        return "; ".join(finding.what for finding in self.fitted.findings)

    @property
    def possible(self) -> bool:
        return not any(finding.severity is Severity.FAULT for finding in self.fitted.findings)


def moved(source: ScratchServer, target: ScratchServer, sql: str = "") -> dict[str, Moved]:
    """Back up the accounts of one server and restore them onto another; by the label of before."""
    if sql:
        run_sql(source, sql)
    wanted = accounts_of(source)
    with connected(target) as connector:
        accounts = connector.accounts()
        fitted = accounts.fit(wanted)
        support.restore_over(accounts, wanted)
        present = {account.label: account for account in accounts.present()}
        for one in fitted:
            there = present.get(one.account.label)
            if there is not None:  # a second restore would have nothing to do
                assert accounts.alter(one.account, there) == [], one.account.label
                assert (one.account.properties, one.account.secrets) == (there.properties, there.secrets)
    return {
        before.label: Moved(before, one, present.get(one.account.label))
        for before, one in zip(wanted, fitted, strict=True)
    }


def in_silence(accounts: dict[str, Moved]) -> list[str]:
    """Give the accounts that are not what they were, though nothing was said of them."""
    lost = []
    for label, one in accounts.items():
        same = one.after is not None and (
            (one.before.properties, one.before.secrets, _granted(one.before))
            == (one.after.properties, one.after.secrets, _granted(one.after))
        )
        if not same and not one.said:
            lost.append(label)
    return lost


def _granted(account: Account) -> set[str]:
    """Give its grants, whether roles have hosts or not, and whatever MySQL 9.7 calls ALL on everything."""
    return {
        grant.what.replace("@`%`", "") if grant.what.startswith(("ROLE", "DEFAULT")) else grant.what
        for grant in account.grants
    }


WAYS = [
    ("old", "new"),
    ("new", "old"),
    ("mysql", "old"),
    ("mysql", "new"),
    ("old", "mysql"),
    ("new", "mysql"),
]


@pytest.mark.parametrize(("source", "target"), WAYS)
@pytest.mark.limitation("mysql-users-other-servers")
def test_nothing_is_lost_in_silence(empty: Servers, source: str, target: str) -> None:
    one, other = getattr(empty, source), getattr(empty, target)
    if source == "mysql":
        run_sql(one, "SET GLOBAL partial_revokes = ON")
    accounts = moved(one, other, support.script(one))
    assert len(accounts) >= 40
    assert in_silence(accounts) == []
    possible = [label for label, moved in accounts.items() if moved.possible]
    assert len(possible) >= (40 if "mysql" not in (source, target) else 5), possible
    for label in possible:
        assert accounts[label].after is not None, label


def test_versions_of_mariadb_have_equal_accounts_but_for_what_is_said(empty: Servers) -> None:
    """The servers themselves say the same of each account."""
    accounts = moved(empty.old, empty.new, support.script(empty.old))
    same = [one.before for one in accounts.values() if not one.said]
    assert len(same) >= 45
    there, here = told(empty.old, same), told(empty.new, same)
    different = {label: (there[label], here[label]) for label in there if there[label] != here[label]}
    assert different == {}


# ---------------------------------------------------------------------------- SUPER

MAY = {
    "connections": "SET GLOBAL max_connections = 151",
    "definer": "CREATE DEFINER = root@localhost VIEW u_shop.v AS SELECT 1; DROP VIEW u_shop.v",
    "replica": "SHOW SLAVE STATUS",
    "binlog": "PURGE BINARY LOGS BEFORE '2001-01-01'",
}
SUPER = "CREATE USER s IDENTIFIED BY 'pw s'; GRANT SUPER ON *.* TO s; GRANT ALL ON u_shop.* TO s;"


def may(server: ScratchServer, user: str, password: str) -> set[str]:
    login = replace(server, superuser=user, password=password)
    able = set()
    for name, sql in MAY.items():
        try:
            run_sql(login, sql)
            able.add(name)
        except ClientError as error:
            if "1227" not in str(error):
                raise
    return able


@pytest.mark.limitation("mysql-users-super")
def test_super_of_an_older_mariadb_is_made_of_its_parts_on_a_newer_one(empty: Servers) -> None:
    one = moved(empty.old, empty.new, SUPER)["s@%"]
    assert "CONNECTION ADMIN" in one.said
    assert may(empty.old, "s", "pw s") == may(empty.new, "s", "pw s") == MAY.keys()


def test_super_gives_no_more_where_it_came_from_a_newer_mariadb_without_a_word(empty: Servers) -> None:
    one = moved(empty.new, empty.old, SUPER)["s@%"]
    assert may(empty.new, "s", "pw s") == set()
    assert "includes also: BINLOG ADMIN" in one.said


def test_super_of_mysql_is_less_on_mariadb(empty: Servers) -> None:
    one = moved(empty.mysql, empty.new, "CREATE ROLE s; GRANT SUPER ON *.* TO s")["s@%"]
    assert "does not include BINLOG ADMIN" in one.said


def test_super_among_the_same_says_nothing(empty: Servers) -> None:
    run_sql(empty.new, SUPER)
    with connected(empty.new) as connector:
        (found,) = connector.accounts().fit(accounts_of(empty.new))
    assert found.findings == ()


# ---------------------------------------------------------------------------- all there is

ALL_BUT = """
CREATE ROLE whole;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES,
  LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER{more}
  ON u_shop.* TO whole;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE VIEW, SHOW VIEW,
  TRIGGER{more} ON u_shop.t TO whole;
"""


@pytest.mark.parametrize(
    ("source", "target", "more"), [("new", "old", ", DELETE HISTORY"), ("old", "mysql", "")]
)
def test_what_is_all_here_and_was_not_there_is_the_same(
    empty: Servers, source: str, target: str, more: str
) -> None:
    one, other = getattr(empty, source), getattr(empty, target)
    found = next(iter(moved(one, other, ALL_BUT.format(more=more)).values()))
    assert found.after is not None
    assert "ALL PRIVILEGES ON `u_shop`.*" in {grant.what for grant in found.after.grants}
    assert {grant.what for grant in found.fitted.account.grants} == {g.what for g in found.after.grants}


def test_all_privileges_one_by_one_are_all_privileges(empty: Servers) -> None:
    """What a newer version adds is in none of them: it lists what it was given."""
    names = {line.split("\t")[0] for line in run_sql(empty.new, "SHOW PRIVILEGES").splitlines()}
    listed = ", ".join(names - {"Grant option", "Proxy", "Usage", "Show Create Routine"})
    one = moved(empty.new, empty.old, f"CREATE ROLE every; GRANT {listed} ON *.* TO every")["every"]
    assert one.after is not None
    assert {grant.what for grant in one.after.grants} == {"ALL PRIVILEGES ON *.*"}


def test_a_privilege_that_is_not_known_is_left_out_by_name(empty: Servers) -> None:
    granted = "GRANT SELECT, SHOW CREATE ROUTINE ON u_shop.* TO s; GRANT SHOW CREATE ROUTINE ON *.* TO s"
    one = moved(empty.new, empty.old, f"CREATE ROLE s; {granted}")["s"]
    assert one.said.count("SHOW CREATE ROUTINE") == 2
    assert one.after is not None
    assert [grant.what for grant in one.after.grants] == ["SELECT ON `u_shop`.*"]


# ---------------------------------------------------------------------------- names and hosts


@pytest.mark.limitation("mysql-users-masks")
def test_a_short_mask_is_one_for_mysql_only(empty: Servers) -> None:
    one = moved(empty.mysql, empty.new, "CREATE ROLE m@'127.0.0.0/8', n@'127.0.0.0/255.0.0.0'")
    assert "roles of MariaDB" in one["m@127.0.0.0/8"].said
    users = "CREATE USER m@'127.0.0.0/8' IDENTIFIED BY 'pw m', n@'127.0.0.0/255.0.0.0' IDENTIFIED BY 'pw n'"
    run_sql(empty.old, users)
    with pytest.raises(ClientError, match="1045"):
        run_sql(replace(empty.old, superuser="m", password="pw m"), "SELECT 1")
    run_sql(replace(empty.old, superuser="n", password="pw n"), "SELECT 1")
    with connected(empty.old) as connector:
        wanted = [replace(account, source=None) for account in accounts_of(empty.old)]  # type: ignore[call-arg]
        said = {one.account.label: one.findings for one in connector.accounts().fit(wanted)}
    assert "from where nobody logs in" in said["m@127.0.0.0/8"][0].what
    assert said["n@127.0.0.0/255.0.0.0"] == ()


def test_a_name_may_be_too_long_for_mysql(empty: Servers) -> None:
    long, longer = "n" * 32, "n" * 33
    accounts = moved(empty.old, empty.mysql, f"CREATE ROLE {long}; CREATE ROLE {longer}")
    assert accounts[long].after is not None
    assert accounts[longer].after is None
    assert "32 characters" in accounts[longer].said


# ---------------------------------------------------------------------------- logins


@pytest.mark.parametrize("way", [("old", "new"), ("new", "old")])
def test_who_logs_in_on_one_mariadb_does_on_the_other(empty: Servers, way: tuple[str, str]) -> None:
    source, target = (getattr(empty, name) for name in way)
    moved(source, target, support.script(source))
    for user, password in support.PASSWORDS["mariadb"].items():
        assert not support.logs_in(source, user, password)
        assert not support.logs_in(target, user, password)


def test_parsec_is_named_where_it_is_not_there(empty: Servers) -> None:
    run_sql(empty.new, "INSTALL SONAME 'auth_parsec'")
    try:
        one = moved(
            empty.new, empty.old, "CREATE USER p@localhost IDENTIFIED VIA parsec USING PASSWORD('pw p')"
        )["p@localhost"]
        assert "it logs in by parsec" in one.said
        assert one.after is None
    finally:
        run_sql(empty.new, "DROP USER p@localhost; UNINSTALL SONAME 'auth_parsec'")
