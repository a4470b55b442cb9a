"""Roles onto a server by an account that is no superuser, or that the server refuses something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import Get
from tests.integration.postgresql_support import connected, role, superuser
from tests.integration.postgresql_users_support import (
    backed_up,
    differences,
    dumpall,
    emptied,
    read,
    restored,
    taken_out,
)
from vya_backupdb.engines.postgresql.users.roles import Role
from vya_backupdb.engines.postgresql.users.writing import accounts_of
from vya_backupdb.errors import StatementFailed
from vya_backupdb.model import Section
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql


@pytest.fixture
def source(_servers: Get) -> Iterator[ScratchServer]:
    yield from emptied(_servers, "no roles")


@pytest.fixture
def target(_servers: Get) -> Iterator[ScratchServer]:
    yield from emptied(_servers, "no roles, the other")


SETTINGS = """
CREATE ROLE app LOGIN PASSWORD 'app';
ALTER ROLE app SET session_preload_libraries = 'auto_explain';
ALTER ROLE app SET app.tenant = 'x';
ALTER ROLE app SET log_statement = 'all';
ALTER ROLE app SET statement_timeout = '5s';
ALTER ROLE app SET search_path = 'a b', public;
COMMENT ON ROLE app IS 'kept'; CREATE ROLE team; GRANT team TO app;
"""


@pytest.mark.limitation("postgresql-role-privileges")
def test_settings_that_only_a_superuser_may_make_or_see_keep_nothing_else_away(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(source, SETTINGS)
    sections, _ = backed_up(source)
    with role(target, "CREATEROLE", name="maker") as maker:
        fitted = restored(target, sections, maker)
        assert taken_out(fitted) == [
            f"role app: setting {name} left out: only a superuser may make it"
            for name in ("session_preload_libraries", "app.tenant", "log_statement")
        ]
        assert differences(target, [one.account for one in fitted], maker) == []
    settings = run_sql(target, "SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = 'app' ORDER BY 1")
    assert settings.splitlines() == ['search_path="a b", public', "statement_timeout=5s"]


def test_what_somebody_else_gave_a_role_is_no_difference_for_who_may_not_give_it(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(source, SETTINGS)
    run_sql(source, "GRANT pg_monitor TO app; GRANT SET ON PARAMETER log_statement TO team")
    run_sql(source, "CREATE ROLE chief; GRANT team TO chief WITH ADMIN OPTION; CREATE ROLE one")
    run_sql(source, "SET ROLE chief; GRANT team TO one")
    sections, _ = backed_up(source)
    restored(target, sections)
    with role(target, "CREATEROLE", name="maker") as maker:
        assert differences(target, read(sections).values(), maker) == []
        with connected(target, maker) as connector:
            fitted = connector.accounts().fit(list(read(sections).values()))
        (only,) = taken_out(fitted)
        assert only.startswith("role app: whether its password is the same cannot be told")


@pytest.mark.limitation("postgresql-refused-settings")
def test_a_setting_that_the_server_does_not_take_is_left_out_and_said(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(source, "CREATE ROLE app; ALTER ROLE app SET work_mem = '7MB'; ALTER ROLE app SET app.x = 'y'")
    run_sql(source, "ALTER ROLE app SET lc_messages = 'C'; CREATE ROLE team; GRANT team TO app")
    sections, _ = backed_up(source)
    changed = [_with(section, b"lc_messages TO 'C'", b"lc_messages TO 'no_such'") for section in sections]
    changed = [_with(section, b"work_mem TO '7MB'", b"no_such_setting TO '7MB'") for section in changed]
    before = dumpall(target)
    with connected(target, superuser(target)) as connector:
        connector.accounts().fit(list(read(changed).values()))
    assert dumpall(target) == before
    fitted = restored(target, changed)
    major = target.binaries.version_number[0]
    assert sorted(taken_out(fitted)) == [
        'role app: setting lc_messages left out: invalid value for parameter "lc_messages": "no_such"',
        f"role app: setting no_such_setting left out: PostgreSQL {major} does not know it",
    ]
    assert differences(target, [one.account for one in fitted]) == []
    assert "GRANT team TO app" in dumpall(target)


SCRAM = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" + "QUJD" * 11 + ":" + "REVG" * 11


def test_a_statement_that_fails_is_in_the_servers_log_without_its_secret(target: ScratchServer) -> None:
    with connected(target) as connector:
        (account,) = accounts_of(
            [Role("app", flags=frozenset({"LOGIN"}), password=SCRAM, connection_limit=-5)]
        )
        with pytest.raises(StatementFailed, match="invalid connection limit"):
            connector.accounts().execute(account.create[0])
    logged = target.log.read_text()
    assert "invalid connection limit: -5" in logged
    assert SCRAM not in logged


def test_a_password_that_an_account_may_not_change_is_not_in_the_servers_log(target: ScratchServer) -> None:
    if target.binaries.version_number < (16,):
        pytest.skip("before 16 whoever may make roles may change all but superusers")
    run_sql(target, "CREATE ROLE app LOGIN PASSWORD 'other'")
    wanted = accounts_of([Role("app", flags=frozenset({"LOGIN", "INHERIT"}), password=SCRAM)])
    with role(target, "CREATEROLE", name="maker") as maker, connected(target, maker) as connector:
        engine = connector.accounts()
        (fitted,) = engine.fit(wanted)
        (present,) = engine.present(["app"])
        with pytest.raises(StatementFailed, match="permission denied to alter role") as caught:
            for statement in engine.alter(fitted.account, present):
                engine.execute(statement)
    assert "ADMIN option on role" in (caught.value.cure or "")
    logged = target.log.read_text()
    assert "permission denied to alter role" in logged
    assert SCRAM not in logged


def _with(section: Section, old: bytes, new: bytes) -> Section:
    return replace(section, body=section.body.replace(old, new))


def test_a_setting_that_no_role_may_have_is_tried_once_however_many_have_it(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(
        source,
        "DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE ROLE r%s', i);"
        " EXECUTE format('ALTER ROLE r%s SET app.tenant = %L', i, i);"
        " EXECUTE format('ALTER ROLE r%s SET work_mem = %L', i, i * 64); END LOOP; END $$",
    )
    accounts = list(read(backed_up(source)[0]).values())
    size = target.log.stat().st_size
    with role(target, "CREATEROLE", name="maker") as maker, connected(target, maker) as connector:
        said = taken_out(connector.accounts().fit(accounts))
    assert len(said) == 300
    assert {line.partition(": ")[2] for line in said} == {
        "setting app.tenant left out: only a superuser may make it"
    }
    assert target.log.read_text()[size:].count("permission denied to set parameter") == 2


def test_memberships_of_several_grantors_are_together_what_they_were_when_one_grants_them(
    source: ScratchServer, target: ScratchServer
) -> None:
    if source.binaries.version_number < (16,):
        pytest.skip("before 16 a membership has one grantor")
    run_sql(
        source,
        "CREATE ROLE team; CREATE ROLE app; CREATE ROLE a; CREATE ROLE b;"
        "GRANT team TO a, b WITH ADMIN OPTION;"
        "SET ROLE a; GRANT team TO app WITH INHERIT FALSE; RESET ROLE;"
        "SET ROLE b; GRANT team TO app WITH SET FALSE; RESET ROLE",
    )
    sections, _ = backed_up(source)
    with role(target, "CREATEROLE", name="maker") as maker:
        fitted = restored(target, sections, maker)
        assert differences(target, [one.account for one in fitted], maker) == []
        assert "GRANT team TO app WITH INHERIT TRUE GRANTED BY maker;" in dumpall(target)
        run_sql(target, "DROP OWNED BY app; DROP ROLE app, a, b, team")
