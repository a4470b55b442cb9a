"""Roles that are there are made what they were, and accounts that may not do it are told so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import Get, NewDatabase
from tests.integration.postgresql_support import connected, role
from tests.integration.postgresql_users_support import (
    backed_up,
    differences,
    dumpall,
    emptied,
    empty,
    fill,
    make,
    read,
    restored,
    taken_out,
)
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.users.roles import Membership, ParameterGrant, Role
from vya_backupdb.engines.postgresql.users.writing import accounts_of
from vya_backupdb.errors import BackupError, MissingObject, StatementFailed
from vya_backupdb.model import Account, Section, Severity
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql


@pytest.fixture
def source(_servers: Get) -> Iterator[ScratchServer]:
    """A server without any roles but its own."""
    yield from emptied(_servers, "no roles")


@pytest.fixture
def target(_servers: Get) -> Iterator[ScratchServer]:
    """Another one."""
    yield from emptied(_servers, "no roles, the other")


def chained(server: ScratchServer) -> bool:
    return server.binaries.version_number >= (16,)


def replaced(
    server: ScratchServer, accounts: list[Account], credential: Credential | None = None
) -> list[bytes]:
    """Make accounts that are there as they are wanted; give the statements."""
    done: list[bytes] = []
    with connected(server, credential) as connector:
        engine = connector.accounts()
        for fitted in engine.fit(accounts):
            for present in engine.present([fitted.account.label]):
                for statement in engine.alter(fitted.account, present):
                    engine.execute(statement)
                    done.append(statement)
    return done


OTHERWISE = """
ALTER ROLE app NOLOGIN CREATEDB CONNECTION LIMIT 5 VALID UNTIL '2040-01-01' PASSWORD 'new';
ALTER ROLE app SET work_mem = '1MB'; ALTER ROLE app SET app.extra = 'x'; ALTER ROLE app RESET search_path;
COMMENT ON ROLE app IS 'other';
REVOKE team FROM app; GRANT other TO app;
"""

APP = r"""
CREATE ROLE team; CREATE ROLE other;
CREATE ROLE app LOGIN BYPASSRLS PASSWORD 'old';
COMMENT ON ROLE app IS E'it''s \\ so';
ALTER ROLE app SET work_mem = '9MB'; ALTER ROLE app SET search_path = 'a b', public;
GRANT team TO app WITH ADMIN OPTION;
"""


def test_a_role_that_was_changed_is_made_as_it_was(source: ScratchServer) -> None:
    run_sql(source, APP)
    before, accounts = dumpall(source), read(backed_up(source)[0])
    run_sql(source, OTHERWISE)
    assert differences(source, accounts.values()) != []
    done = replaced(source, list(accounts.values()))
    assert differences(source, accounts.values()) == []
    after = dumpall(source).replace(" VALID UNTIL 'infinity'", "")
    assert sorted(after.splitlines()) == sorted(before.splitlines())
    assert not any(b"team" in statement and b"ALTER" in statement for statement in done)
    assert replaced(source, list(accounts.values())) == []


def test_every_kind_of_role_becomes_a_bare_one_and_what_it_was_again(source: ScratchServer) -> None:
    fill(source)
    before, accounts = dumpall(source), read(backed_up(source)[0])
    givers = {"z_last", "a_first", "g2", "g3"}
    bare = [
        Account(name, None, "role", (b'CREATE ROLE "' + name.replace('"', '""').encode() + b'"',))
        for name in accounts
        if name not in givers
    ]
    replaced(source, bare)
    with connected(source) as connector:
        there = connector.accounts().present([one.label for one in bare])
    assert not any(one.properties or one.grants for one in there)
    replaced(source, list(accounts.values()))
    assert differences(source, accounts.values()) == []
    unordered = [
        sorted(text.replace(" VALID UNTIL 'infinity'", "").splitlines()) for text in (before, dumpall(source))
    ]
    assert unordered[0] == unordered[1]


def test_options_of_memberships_are_changed_where_there_are_any(source: ScratchServer) -> None:
    if not chained(source):
        pytest.skip("memberships have options from PostgreSQL 16 on")
    run_sql(
        source,
        "CREATE ROLE team; CREATE ROLE a; CREATE ROLE b; CREATE ROLE c;"
        "GRANT team TO a WITH ADMIN TRUE, INHERIT FALSE, SET FALSE; GRANT team TO b; GRANT team TO c"
        " WITH ADMIN OPTION; SET ROLE a; GRANT team TO b WITH INHERIT FALSE; RESET ROLE",
    )
    before, accounts = dumpall(source), read(backed_up(source)[0])
    run_sql(
        source,
        "GRANT team TO c WITH INHERIT FALSE; REVOKE ADMIN OPTION FOR team FROM c;"
        "GRANT team TO b WITH ADMIN OPTION, SET FALSE;"
        "SET ROLE a; GRANT team TO b WITH INHERIT TRUE; RESET ROLE",
    )
    replaced(source, list(accounts.values()))
    assert dumpall(source) == before


def test_nothing_is_revoked_along_with_what_it_hangs_on(source: ScratchServer) -> None:
    if not chained(source):
        pytest.skip("grantors matter from PostgreSQL 16 on")
    run_sql(source, "CREATE ROLE team; CREATE ROLE a; CREATE ROLE b")
    accounts = read(backed_up(source)[0])
    run_sql(source, "GRANT team TO a WITH ADMIN OPTION; SET ROLE a; GRANT team TO b; RESET ROLE")
    before = dumpall(source)
    with pytest.raises(StatementFailed, match="dependent privileges exist"):
        replaced(source, [accounts["a"]])
    assert dumpall(source) == before


# ---------------------------------------------------------------------------- what a server cannot have


@pytest.mark.limitation("postgresql-role-labels")
def test_a_label_whose_provider_is_missing_is_left_out_and_said(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(
        source,
        "CREATE ROLE app; SET allow_system_table_mods = on;"
        "INSERT INTO pg_shseclabel SELECT oid, 'pg_authid'::regclass, 'guard', 'it''s' FROM pg_authid"
        " WHERE rolname = 'app'",
    )
    try:
        sections, _ = backed_up(source)
        app = read(sections)["app"]
        assert app.properties == {"security label guard": "it's"}
        assert app.create[1] == b"SECURITY LABEL FOR \"guard\" ON ROLE \"app\" IS 'it''s'"
        with connected(source) as connector:
            (there,) = connector.accounts().present(["app"])
        assert there.properties == app.properties
    finally:
        run_sql(source, "SET allow_system_table_mods = on; DELETE FROM pg_shseclabel")
    assert taken_out(restored(target, sections)) == [
        "role app: security label of guard left out: the provider is not loaded"
    ]


def test_a_role_that_is_neither_there_nor_restored_is_no_membership(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(source, "CREATE ROLE app; CREATE ROLE team; GRANT team, pg_monitor TO app")
    accounts = read(backed_up(source)[0])
    with connected(target) as connector:
        (fitted,) = connector.accounts().fit([accounts["app"]])
    assert [grant.what for grant in fitted.account.grants] == ["pg_monitor"]
    assert taken_out([fitted]) == [
        "role app: membership in team left out: there is no such role, here or among those to be restored"
    ]


def test_a_role_of_which_the_backup_has_no_more_than_grants_is_not_taken_for_made(
    target: ScratchServer,
) -> None:
    ghost = accounts_of([Role("ghost", made=False, memberships=(Membership("pg_monitor"),))])
    with connected(target) as connector:
        (fitted,) = connector.accounts().fit(ghost)
    (finding,) = fitted.findings
    assert finding.severity is Severity.FAULT
    assert finding.what == "the role ghost is not there, and the backup has only what it was granted"


def test_names_that_are_the_servers_own_are_refused(target: ScratchServer) -> None:
    wanted = Account("pg_of_the_future", None, "role", (b"CREATE ROLE pg_of_the_future",))
    with connected(target) as connector:
        (fitted,) = connector.accounts().fit([wanted])
    (finding,) = fitted.findings
    assert finding.severity is Severity.FAULT
    assert "the server's own by its name" in finding.what


@pytest.mark.limitation("postgresql-role-names-not-utf8")
def test_a_name_that_is_not_utf8_comes_back_where_a_server_can_have_it(
    source: ScratchServer, target: ScratchServer, new_database: NewDatabase
) -> None:
    bare = "TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'"
    for server in (source, target):
        new_database(server, "bare")
        run_sql(server, "DROP DATABASE bare")
        run_sql(server, f"CREATE DATABASE bare {bare}")
    run_sql(source, b'SET client_encoding = SQL_ASCII; CREATE ROLE "caf\xe9"; CREATE ROLE app', "bare")
    with pytest.raises(BackupError, match="not UTF-8"):
        backed_up(source)
    sections, _ = backed_up(source, maintenance_database="bare")
    with connected(target) as connector:
        fitted = {one.account.label: one for one in connector.accounts().fit(list(read(sections).values()))}
    assert [f.severity for f in fitted["caf\udce9"].findings] == [Severity.FAULT]
    assert fitted["app"].findings == ()
    with connected(target, maintenance_database="bare") as connector:
        accounts = connector.accounts()
        make(connector, accounts.fit(list(read(sections).values())))
        assert [one.label for one in accounts.present(["caf\udce9"])] == ["caf\udce9"]


def test_a_failed_statement_is_told_without_its_secret(target: ScratchServer) -> None:
    run_sql(target, "CREATE ROLE app")
    secret = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"
    with connected(target) as connector:
        accounts = connector.accounts()
        for statement in (
            f"CREATE ROLE app PASSWORD '{secret}'",
            f"CREATE ROLE x PASSWORD '{secret}' '{secret}'",
            f"CREATE ROLE x PASSWORD {secret}",
        ):
            with pytest.raises(StatementFailed) as caught:
                accounts.execute(statement.encode())
            assert "c3RvcmVk" not in str(caught.value)
            assert not isinstance(caught.value, MissingObject)
            assert caught.value.__context__ is None
        with pytest.raises(MissingObject, match='role "nobody" does not exist'):
            accounts.execute(b"GRANT nobody TO app")


def test_a_failed_grant_in_the_name_of_another_role_leaves_the_session_its_own(
    target: ScratchServer,
) -> None:
    if target.binaries.version_number < (15,):
        pytest.skip("parameters have privileges from PostgreSQL 15 on")
    run_sql(target, "CREATE ROLE giver")
    grant = Role("nobody", parameters=(ParameterGrant("work_mem", ("SET",), grantor="giver"),))
    (account,) = accounts_of([grant])
    with connected(target) as connector:
        accounts = connector.accounts()
        with pytest.raises(StatementFailed):
            accounts.execute(account.grants[0].statement)
        accounts.execute(b"CREATE ROLE proof")  # giver may not


# ---------------------------------------------------------------------------- without superuser


@pytest.mark.limitation("postgresql-role-privileges")
def test_what_an_account_may_not_give_is_left_out_and_said(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(
        source,
        """
        CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'x'; CREATE ROLE walker REPLICATION BYPASSRLS CREATEDB;
        CREATE ROLE app LOGIN PASSWORD 'app'; CREATE ROLE team; CREATE ROLE chief; CREATE ROLE there;
        GRANT team TO chief WITH ADMIN OPTION; SET ROLE chief; GRANT team TO app; RESET ROLE;
        GRANT there, pg_monitor TO app; COMMENT ON ROLE app IS 'kept';
        ALTER ROLE app SET work_mem = '5MB'; ALTER ROLE app SET log_statement = 'all';
        """,
    )
    sections, _ = backed_up(source)
    run_sql(target, "CREATE ROLE there; CREATE ROLE witness")
    with role(target, "CREATEROLE", name="maker") as maker:
        own = run_sql(target, OF_MAKER)
        fitted = restored(target, sections_without(sections, "there"), maker)
        assert differences(target, [one.account for one in fitted], maker) == []
        missing = "BYPASSRLS, CREATEDB, REPLICATION" if chained(target) else "BYPASSRLS, REPLICATION"
        expected = {
            "role boss: SUPERUSER left out: maker may not give that",
            f"role walker: {missing} left out: maker may not give that",
            "role app: setting log_statement left out: only a superuser may make it",
            "role app: membership in team: GRANTED BY chief left out, who may not grant it there",
        }
        if chained(target):
            expected |= {
                "role app: membership in there left out: maker may not grant it",
                "role app: membership in pg_monitor left out: maker may not grant it",
            }
        assert set(taken_out(fitted)) == expected
        # all that is the maker's besides is what PostgreSQL 16 gives whoever makes a role
        others = run_sql(target, OF_MAKER)
        if chained(target):
            assert others.splitlines()[0] == own.splitlines()[0]
            memberships = {line.split("\t", 1)[1] for line in others.splitlines()[1:]}
            assert memberships == {"maker\tpostgres\tt\tfalse\tfalse"}
        else:
            assert others == own
        empty(target)
        run_sql(target, "CREATE ROLE maker")


OF_MAKER = """
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles
WHERE rolname = 'maker';
SELECT roleid::regrole, member::regrole, grantor::regrole, admin_option,
    j->>'inherit_option', j->>'set_option'
FROM (SELECT m.*, to_json(m) AS j FROM pg_auth_members m) m WHERE member = 'maker'::regrole ORDER BY 1::text
"""


def sections_without(sections: list[Section], name: str) -> list[Section]:
    return [section for section in sections if section.object != name]


def test_an_account_that_makes_roles_gets_no_more_of_them_than_it_must(
    source: ScratchServer, target: ScratchServer
) -> None:
    if not chained(target):
        pytest.skip("whoever makes a role is a member of it from PostgreSQL 16 on")
    run_sql(source, "CREATE ROLE app")
    accounts = list(read(backed_up(source)[0]).values())
    with role(target, "CREATEROLE", name="maker") as maker:
        run_sql(target, "ALTER ROLE maker SET createrole_self_grant = 'set, inherit'")
        with connected(target, maker) as connector:
            make(connector, connector.accounts().fit(accounts))
        assert run_sql(target, OF_MAKER).splitlines()[1:] == ["app\tmaker\tpostgres\tt\tfalse\tfalse"]
        run_sql(target, "DROP ROLE app")


def test_an_account_that_may_make_no_roles_is_told_so(source: ScratchServer, target: ScratchServer) -> None:
    run_sql(source, "CREATE ROLE app; CREATE ROLE there")
    accounts = list(read(backed_up(source)[0]).values())
    run_sql(target, "CREATE ROLE there")
    with role(target, name="nobody_much") as account, connected(target, account) as connector:
        fitted = {one.account.label: one for one in connector.accounts().fit(accounts)}
    assert [f.what for f in fitted["app"].findings] == ["nobody_much may not create roles"]
    assert fitted["app"].findings[0].severity is Severity.FAULT
    assert fitted["there"].findings == ()


def test_a_superuser_who_is_not_the_first_grants_in_that_ones_name(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(source, "CREATE ROLE app; CREATE ROLE team; GRANT team TO app")
    sections, _ = backed_up(source)
    with role(target, "SUPERUSER", name="admin") as admin:
        assert taken_out(restored(target, sections, admin)) == []
        assert differences(target, read(sections).values(), admin) == []
        grantor = run_sql(
            target, "SELECT grantor::regrole FROM pg_auth_members WHERE member = 'app'::regrole"
        )
        assert grantor.strip() == "postgres"
        run_sql(target, "REVOKE team FROM app; DROP ROLE app; DROP ROLE team")
