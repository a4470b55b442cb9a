"""Roles go from one server to another, and come out as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.sample.clients import literal, run_sql
from tests.conftest import Get
from tests.integration.postgresql_support import connected
from tests.integration.postgresql_users_support import (
    HOSTILE,
    PASSWORDS,
    backed_up,
    differences,
    dumpall,
    emptied,
    empty,
    fill,
    logged_in,
    psql,
    read,
    restored,
    script_of,
    taken_out,
)
from vya_backupdb.model import Section, SectionKind
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql


def by_password(server: ScratchServer) -> None:
    """Let the server take passwords of both kinds."""
    file = run_sql(server, "SHOW hba_file").strip()
    lines = "'local all all trust'), ('host all all 127.0.0.1/32 md5'"
    run_sql(server, f"COPY (VALUES ({lines})) TO {literal(file)}; SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def source(_servers: Get) -> ScratchServer:
    """A server with roles of every kind."""
    server = _servers("postgresql", "roles")
    empty(server)
    fill(server)
    return server


@pytest.fixture
def empty_server(_servers: Get) -> Iterator[ScratchServer]:
    """A server without any roles but its own."""
    yield from emptied(_servers, "no roles")


@pytest.fixture(scope="module")
def sections(source: ScratchServer) -> list[Section]:
    return backed_up(source)[0]


def test_roles_of_every_kind_come_back_as_pg_dumpall_says_they_were(
    source: ScratchServer, empty_server: ScratchServer, sections: list[Section]
) -> None:
    assert taken_out(restored(empty_server, sections)) == []
    assert dumpall(empty_server) == dumpall(source)
    assert len(read(sections)) > 40


def test_the_script_is_executed_by_psql_itself(
    source: ScratchServer, empty_server: ScratchServer, sections: list[Section]
) -> None:
    psql(empty_server, script_of(sections))
    assert dumpall(empty_server) == dumpall(source)


def test_what_was_restored_is_equal_at_the_second_look(
    empty_server: ScratchServer, sections: list[Section]
) -> None:
    restored(empty_server, sections)
    assert differences(empty_server, read(sections).values()) == []


def test_a_server_is_equal_to_its_own_backup(source: ScratchServer, sections: list[Section]) -> None:
    assert differences(source, read(sections).values()) == []


def test_everybody_logs_in_with_the_old_password(
    empty_server: ScratchServer, sections: list[Section]
) -> None:
    by_password(empty_server)
    restored(empty_server, sections)
    for name, password in {**PASSWORDS, "old": "old", "boss": "boss"}.items():
        with logged_in(empty_server, name, password) as connection:
            assert connection.execute("SELECT session_user::text").fetchone() == (name,)


def test_names_do_not_become_sql(source: ScratchServer, sections: list[Section]) -> None:
    accounts = read(sections)
    assert set(HOSTILE) <= set(accounts)
    assert "victim" in accounts
    assert run_sql(source, "SELECT 1 FROM pg_roles WHERE rolname = 'victim'").strip() == "1"


def test_sections_are_each_of_one_role_and_the_kinds_follow_each_other(sections: list[Section]) -> None:
    kinds = [section.kind for section in sections]
    order = [SectionKind.HEADER, SectionKind.SCHEMA, SectionKind.POST, SectionKind.FOOTER]
    assert kinds == sorted(kinds, key=order.index)
    assert kinds.count(SectionKind.HEADER) == kinds.count(SectionKind.FOOTER) == 1
    assert all(
        (section.object is None) == (section.kind in (SectionKind.HEADER, SectionKind.FOOTER))
        for section in sections
    )


def test_a_connector_sees_what_the_account_is(source: ScratchServer) -> None:
    with connected(source) as connector:
        found = connector.accounts().present(["boss", "maker", "walker", "g2", "late", "always", "nobody"])
    accounts = {account.label: account for account in found}
    assert sorted(accounts) == ["always", "boss", "g2", "late", "maker", "walker"]
    assert accounts["boss"].marks == ("superuser",)
    assert accounts["boss"].kind == "user"
    assert accounts["walker"].marks == ("replication", "bypassrls")
    assert accounts["walker"].properties == {"inherit": "off", "replication": "on", "bypassrls": "on"}
    assert accounts["g2"].marks == ("pg_execute_server_program", "pg_monitor")
    assert accounts["late"].properties == {"valid until": "2031-02-03 02:05:06.5+00"}
    assert accounts["always"].properties == {}
