"""Whoever could log in can after a restore, with the old password, and may do what it could and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import plugins
from tests.integration.mysql_certificates import Certificates, signed_certificates
from tests.integration.mysql_logins import logins, outcome, with_objects
from tests.integration.mysql_users_support import accounts_of, restore, told
from vya_backupdb.engines.mysql.users import reading
from vya_backupdb.scratch import ScratchServer, start

LOGGED_IN = "who\t"


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    with signed_certificates() as made:
        yield made


@pytest.fixture(scope="module")
def source(mysql_server: ScratchServer, certificates: Certificates) -> Iterator[ScratchServer]:
    """A server of its own, which knows the authority of clients, with the accounts."""
    settings = {**plugins(mysql_server.binaries), **certificates.settings()}
    with (
        start(mysql_server.binaries, settings=settings) as server,
        with_objects(server, accounts=True),
    ):
        yield server


@pytest.fixture(scope="module")
def target(source: ScratchServer, certificates: Certificates) -> Iterator[ScratchServer]:
    """Another one, onto which the accounts were restored."""
    settings = {**plugins(source.binaries), **certificates.settings()}
    with start(source.binaries, settings=settings) as server, with_objects(server, accounts=False):
        wanted = accounts_of(source)
        found, pending = restore(server, wanted)
        assert (found, pending) == ([], [])
        assert told(server, wanted) == told(source, wanted)
        yield server


def test_all_log_in_with_their_passwords_and_may_do_what_they_could(
    source: ScratchServer, target: ScratchServer, certificates: Certificates
) -> None:
    allowed = 0
    different: dict[str, tuple[set[str], set[str]]] = {}
    for login in logins(source):
        before = outcome(source, login, certificates, login.password)
        assert any(line.startswith(LOGGED_IN) for line in before) == login.may_log_in, (login.name, before)
        allowed += login.may_log_in
        after = outcome(target, login, certificates, login.password)
        if before != after:
            different[login.name] = (set(before) - set(after), set(after) - set(before))
    assert different == {}
    assert allowed >= 40


def test_nobody_logs_in_with_another_password(
    source: ScratchServer, target: ScratchServer, certificates: Certificates
) -> None:
    tried = [login for login in logins(source) if login.may_log_in and login.password and login.name]
    assert len(tried) >= 35
    for login in tried:
        for server in (source, target):
            said = outcome(server, login, certificates, "another")
            assert said in (["1045"], ["1698"]), (login.name, said)


def test_the_tables_say_the_same_of_their_grants_as_the_server(
    source: ScratchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = accounts_of(source)
    monkeypatch.setattr(reading, "_AT_ONCE", 1)
    assert accounts_of(source) == told
