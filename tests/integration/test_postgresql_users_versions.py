"""Roles go between versions of PostgreSQL: what the other one cannot have is taken out, and said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from scripts.sample.clients import run_sql
from tests.integration.postgresql_support import connected
from tests.integration.postgresql_users_support import (
    backed_up,
    differences,
    empty,
    fill,
    make,
    read,
    restored,
    taken_out,
)
from vya_backupdb.engines.postgresql.users.roles import Membership, Role
from vya_backupdb.engines.postgresql.users.writing import accounts_of
from vya_backupdb.model import Account
from vya_backupdb.scratch import ScratchServer, find_binaries, start

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def versions() -> Iterator[dict[int, ScratchServer]]:
    """A server of each major version that is here, without roles."""
    found = {binaries.version_number[0]: binaries for binaries in find_binaries("postgresql")}
    if min(found) >= 16 or max(found) < 16:
        pytest.skip("a version before 16 and one from then on are needed")
    with ExitStack() as stack:
        chosen = (min(found), max(found))
        yield {major: stack.enter_context(start(found[major])) for major in chosen}


@pytest.fixture
def old(versions: dict[int, ScratchServer]) -> ScratchServer:
    """A server of before 16."""
    empty(versions[min(versions)])
    return versions[min(versions)]


@pytest.fixture
def new(versions: dict[int, ScratchServer]) -> ScratchServer:
    empty(versions[max(versions)])
    return versions[max(versions)]


def granted(account: Account) -> set[str]:
    return {grant.what for grant in account.grants}


def test_roles_of_an_older_server_are_the_same_on_a_newer_one(old: ScratchServer, new: ScratchServer) -> None:
    fill(old)
    run_sql(old, "CREATE ROLE of_two; GRANT plain, told TO of_two; GRANT pg_monitor TO walker")
    before, _ = backed_up(old)
    assert taken_out(restored(new, before)) == []
    assert differences(new, read(before).values()) == []
    after, _ = backed_up(new)
    wanted, found = read(before), read(after)
    assert wanted.keys() == found.keys()
    for label, account in wanted.items():
        there = found[label]
        assert (account.properties, account.secrets, account.marks, granted(account)) == (
            there.properties,
            there.secrets,
            there.marks,
            granted(there),
        )


@pytest.mark.limitation("postgresql-grantors")
def test_a_grantor_who_may_not_grant_any_more_gives_way_to_the_superuser(
    old: ScratchServer, new: ScratchServer
) -> None:
    run_sql(
        old,
        "CREATE ROLE app; CREATE ROLE anna; CREATE ROLE boss SUPERUSER;"
        "SET ROLE boss; GRANT app TO anna; RESET ROLE",
    )
    before, _ = backed_up(old)
    assert granted(read(before)["anna"]) == {"app GRANTED BY boss"}
    said = taken_out(restored(new, before))
    assert said == ["role anna: membership in app: GRANTED BY boss left out, who may not grant it there"]
    assert differences(new, read(before).values()) == []


def test_who_is_made_able_to_grant_by_the_superuser_is_the_grantor_of_what_follows(
    old: ScratchServer, new: ScratchServer
) -> None:
    run_sql(
        old,
        """
        CREATE ROLE app; CREATE ROLE boss CREATEROLE; CREATE ROLE lead; CREATE ROLE anna;
        SET SESSION AUTHORIZATION boss; GRANT app TO lead WITH ADMIN OPTION; RESET SESSION AUTHORIZATION;
        SET ROLE lead; GRANT app TO anna; RESET ROLE
        """,
    )
    before, _ = backed_up(old)
    said = taken_out(restored(new, before))
    assert said == ["role lead: membership in app: GRANTED BY boss left out, who may not grant it there"]
    assert differences(new, read(before).values()) == []


def test_a_circle_of_grantors_is_broken_and_said(new: ScratchServer) -> None:
    circle = [
        Role("app"),
        Role("a", memberships=(Membership("app", admin=True, grantor="b"),)),
        Role("b", memberships=(Membership("app", admin=True, grantor="a"),)),
    ]
    with connected(new) as connector:
        fitted = connector.accounts().fit(accounts_of(circle))
        make(connector, fitted)
    assert taken_out(fitted) == [
        "role a: membership in app: GRANTED BY b left out, who may not grant it there"
    ]


@pytest.mark.limitation("postgresql-membership-options")
def test_what_an_older_server_does_not_know_is_left_out_and_said(
    old: ScratchServer, new: ScratchServer
) -> None:
    run_sql(
        new,
        """
        CREATE ROLE app; CREATE ROLE other; CREATE ROLE sees; CREATE ROLE acts; CREATE ROLE nothing;
        CREATE ROLE leads; CREATE ROLE silent NOINHERIT; CREATE ROLE twice;
        ALTER ROLE sees SET transaction_timeout = '3s'; ALTER ROLE sees SET work_mem = '5MB';
        GRANT app TO sees WITH SET FALSE; GRANT app TO acts WITH INHERIT FALSE;
        GRANT app TO nothing WITH INHERIT FALSE, SET FALSE;
        GRANT app TO leads WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
        GRANT app TO silent WITH INHERIT TRUE; GRANT pg_maintain, pg_monitor TO silent;
        GRANT app TO twice; SET ROLE leads; GRANT app TO twice WITH ADMIN TRUE; RESET ROLE
        """,
    )
    before, _ = backed_up(new)
    said = taken_out(restored(old, before))
    assert differences(old, read(before).values()) == []
    server = f"PostgreSQL {old.binaries.version_number[0]}"
    as_its_own = f"in {server} it is as the role's own"
    assert said == [
        f"role acts: membership in app: INHERIT FALSE left out, {as_its_own} INHERIT says",
        f"role leads: membership in app: INHERIT FALSE left out, {as_its_own} INHERIT says",
        f"role leads: membership in app: SET FALSE left out, which {server} does not know",
        "role nothing: membership in app left out: it is WITH INHERIT FALSE, SET FALSE, "
        f"and in {server} it would not be",
        f"role sees: setting transaction_timeout left out: {server} does not know it",
        f"role sees: membership in app: SET FALSE left out, which {server} does not know",
        f"role silent: membership in app: INHERIT TRUE left out, {as_its_own} NOINHERIT says",
        f"role silent: membership in pg_maintain left out: {server} has no such role",
    ]
    memberships = run_sql(
        old,
        "SELECT member::regrole, roleid::regrole, admin_option FROM pg_auth_members"
        " WHERE member >= 16384 ORDER BY 1::text, 2::text",
    )
    assert memberships.splitlines() == [
        "acts\tapp\tf",
        "leads\tapp\tt",
        "sees\tapp\tf",
        "silent\tapp\tf",
        "silent\tpg_monitor\tf",
        "twice\tapp\tt",
    ]
