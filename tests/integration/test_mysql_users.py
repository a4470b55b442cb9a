"""Accounts of MySQL and MariaDB: what is dumped, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import Get
from tests.integration import mysql_users_support as support
from tests.integration.mysql_support import account, connected
from tests.integration.mysql_users_support import (
    accounts_of,
    dump_of,
    fill,
    logs_in,
    prepared,
    restore,
    restore_over,
    told,
)
from vya_backupdb.engines.mysql.engine import ENGINE
from vya_backupdb.engines.mysql.users import granted, here, reading
from vya_backupdb.engines.mysql.users.definition import Name
from vya_backupdb.engines.mysql.users.granted import Granted
from vya_backupdb.errors import BackupError, MissingObject, StatementFailed, VerificationError
from vya_backupdb.model import Account, Section, SectionKind, Severity
from vya_backupdb.scratch import ScratchServer


@pytest.fixture(scope="module")
def filled(mysql_server: ScratchServer) -> Iterator[ScratchServer]:
    with prepared(mysql_server, accounts=True):
        yield mysql_server


@pytest.fixture
def source(filled: ScratchServer) -> ScratchServer:
    """A server with all accounts, whatever the test before this one has left of them."""
    if len(accounts_of(filled)) < 40:
        fill(filled, accounts=True)
    return filled


@pytest.fixture
def target(source: ScratchServer, _servers: Get) -> Iterator[ScratchServer]:
    with prepared(_servers(source.flavour, "target"), accounts=False) as server:
        yield server


def by_label(server: ScratchServer) -> dict[str, Account]:
    return {found.label: found for found in accounts_of(server)}


def test_every_account_comes_back_as_it_was(source: ScratchServer, target: ScratchServer) -> None:
    wanted = accounts_of(source)
    assert len(wanted) >= 40
    found, pending = restore(target, wanted)
    assert (found, pending) == ([], [])
    assert told(target, wanted) == told(source, wanted)
    assert {a.label for a in accounts_of(target)} == {a.label for a in wanted}
    for user, password in support.PASSWORDS[source.flavour].items():
        assert not logs_in(source, user, password)
        assert not logs_in(target, user, password)
        assert logs_in(target, user, "wrong")


def test_the_servers_own_client_makes_them_too(source: ScratchServer, target: ScratchServer) -> None:
    sections, _ = dump_of(source)
    run_sql(target, b"".join(section.body for section in sections))
    wanted = ENGINE.accounts(sections)
    assert told(target, wanted) == told(source, wanted)


def test_a_second_run_finds_everything_equal(source: ScratchServer, target: ScratchServer) -> None:
    wanted = accounts_of(source)
    restore(target, wanted)
    with connected(target) as connector:
        accounts = connector.accounts()
        present = {found.label: found for found in accounts.present([w.label for w in wanted])}
        for fitted in accounts.fit(wanted):
            assert not fitted.findings
            there = present[fitted.account.label]
            assert fitted.account == there
            assert accounts.alter(fitted.account, there) == []


def test_what_is_there_is_altered_to_be_as_it_is_wanted(source: ScratchServer, target: ScratchServer) -> None:
    """Each account is changed into the next one of the list but its name, and back again."""
    wanted = accounts_of(source)
    users = [found for found in wanted if found.host is not None and found.kind == "user"]
    with connected(target) as connector:
        accounts = connector.accounts()
        restore_over(accounts, wanted)
        before = told(target, wanted)
        for user, other in zip(users, [*users[1:], users[0]], strict=True):
            lent = _named_as(other, user)
            for wished in (lent, user):
                (there,) = accounts.present([user.label])
                (fitted,) = accounts.fit([wished])
                for statement in accounts.alter(fitted.account, there):
                    accounts.execute(statement)
                (now,) = accounts.present([user.label])
                assert now.properties == fitted.account.properties
                assert now.secrets == fitted.account.secrets
                assert {g.what for g in now.grants} == {g.what for g in fitted.account.grants}
    # MySQL has no way back from attributes to none
    after = {
        label: [line.removesuffix(" ATTRIBUTE '{}'") for line in lines]
        for label, lines in told(target, wanted).items()
    }
    different = {
        label: set(before[label]) ^ set(after[label]) for label in before if after[label] != before[label]
    }
    assert different == {}


def _named_as(account: Account, name: Account) -> Account:
    """Give an account under the name of another one, by reading its changed script."""
    old, new = (_quoted(of) for of in (account, name))
    body = b"".join(
        statement.replace(b" USER " + old, b" USER " + new, 1) + b";\n" for statement in account.create
    )
    for grant in account.grants:
        for preposition in (b" TO ", b" FROM ", b" FOR "):
            if preposition + old in grant.statement:
                head, _, tail = grant.statement.rpartition(preposition + old)
                body += head + preposition + new + tail + b";\n"
                break
    (found,) = ENGINE.accounts([Section(SectionKind.SCHEMA, body)])
    return found


def _quoted(account: Account) -> bytes:
    name, host = (part.replace("`", "``") for part in (account.name, account.host or ""))
    return f"`{name}`@`{host}`".encode()


def test_names_inject_nothing(source: ScratchServer, target: ScratchServer) -> None:
    hostile = [found for found in accounts_of(source) if found.name == support.HOSTILE]
    restore(target, hostile)
    assert run_sql(target, "SELECT COUNT(*) FROM u_shop.t").strip() == "0"
    assert told(target, hostile) == told(source, hostile)


def test_no_secret_is_where_people_look(source: ScratchServer) -> None:
    sections, notes = dump_of(source)
    accounts = ENGINE.accounts(sections)
    secrets = {secret for found in accounts for secret in found.secrets.values() if len(secret) > 12}
    assert len(secrets) >= 8
    shown = repr([(a.properties, a.marks, [g.what for g in a.grants]) for a in accounts]) + repr(notes)
    assert not [secret for secret in secrets if secret in shown]


def test_the_servers_own_accounts_are_left_out_unless_wanted(source: ScratchServer) -> None:
    names = {found.name for found in accounts_of(source)}
    assert "root" not in names
    assert not [name for name in names if name.startswith("mysql.") or name == "mariadb.sys"]
    sections, _ = dump_of(source, system=True)
    assert "root@localhost" in {found.label for found in ENGINE.accounts(sections)}


def test_marks_name_what_is_powerful(source: ScratchServer) -> None:
    found = by_label(source)
    assert found["admin@localhost"].marks == ("all privileges", "may grant")
    assert found["plain@%"].marks == ()


def test_roles_and_default_roles_are_told(source: ScratchServer) -> None:
    found = by_label(source)
    host = "@%" if source.flavour == "mysql" else ""
    assert [grant.role for grant in found["m_one@%"].grants] == [f"r1{host}"]
    assert found[f"r1{host}"].kind == "role"
    assert [g.what for g in found["m_three@%"].grants if g.what.startswith("DEFAULT")]
    assert {grant.role for grant in found[f"r2{host}"].grants} == {f"r1{host}"}  # not what r1 has


def test_only_what_is_asked_for_is_present(source: ScratchServer) -> None:
    with connected(source) as connector:
        found = connector.accounts().present(["plain@%", "nobody@nowhere"])
    assert [one.label for one in found] == ["plain@%"]


def test_unreadable_accounts_are_refused_with_the_grant_that_mends_it(source: ScratchServer) -> None:
    with account(source) as credential, connected(source, credential) as connector:
        with pytest.raises(BackupError) as raised:
            list(connector.accounts().dump())
        with pytest.raises(BackupError):
            connector.accounts().present()
        assert raised.value.cure is not None
        run_sql(source, raised.value.cure)
        with connected(source, credential) as again:
            assert len(ENGINE.accounts(list(again.accounts().dump()))) >= 40


def test_grants_on_what_is_not_there_yet_are_missing_objects(
    source: ScratchServer, target: ScratchServer
) -> None:
    run_sql(target, "DROP DATABASE u_shop")
    wanted = accounts_of(source)
    found, pending = restore(target, wanted)
    assert not found
    assert {grant.database for grant in pending} == {"u_shop"}
    assert len(pending) >= 5
    run_sql(target, support.OBJECTS)
    with connected(target) as connector:
        for grant in pending:
            connector.accounts().execute(grant.statement)
    assert told(target, wanted) == told(source, wanted)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE USER u_bad IDENTIFIED WITH 'caching_sha2_password' AS 'secret-hash-0123456789'",
        "CREATE USER u_bad IDENTIFIED VIA mysql_native_password USING 'secret-hash-0123456789'",
        "CREATE USER u_bad IDENTIFIED 'secret-hash-0123456789'",
        "CREATE USER u_bad IDENTIFIED WITH 'no_such_plugin' AS 'secret-hash-0123456789'",
    ],
)
def test_a_refused_statement_is_not_quoted(source: ScratchServer, statement: str) -> None:
    with connected(source) as connector, pytest.raises(StatementFailed) as raised:
        connector.accounts().execute(statement.encode())
    assert not isinstance(raised.value, MissingObject)
    assert "secret" not in str(raised.value)
    assert "IDENTIFIED" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        b"DROP DATABASE shop;\n",
        b"CREATE USER `a`@`%` IDENTIFIED BY 'x';\n",
        b"GRANT SELECT ON *.* TO `nobody`@`%`;\n",
        b"CREATE USER `a`@`%` ; system ls\n",
        b"SET GLOBAL read_only = 1;\n",
        b"CREATE USER `a",
    ],
)
def test_a_script_that_is_none_of_accounts_is_refused(body: bytes) -> None:
    with pytest.raises(VerificationError):
        ENGINE.accounts([Section(SectionKind.SCHEMA, body)])


def test_an_account_that_is_dropped_meanwhile_is_no_failure(source: ScratchServer) -> None:
    run_sql(source, "CREATE USER passing")
    with connected(source) as connector:
        script = iter(connector.accounts().dump())
        made = [next(script), next(script)]
        run_sql(source, "DROP USER passing")
        found = ENGINE.accounts([*made, *script])
    assert len(found) >= 40


def test_the_tables_say_the_same_of_grants_as_the_server(
    source: ScratchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many accounts are read from tables; here they are few, so both can be asked."""
    with connected(source) as connector:
        accounts = connector.accounts()
        told = {account.label: account for account in accounts.present()}
        tables = Granted(connector._queries, connector.facts)
        understood = [account for account in told.values() if tables.of(Name(account.name, account.host))]
        assert len(understood) >= 16  # most of the others have none
        monkeypatch.setattr(reading, "_AT_ONCE", 1)
        read = {account.label: account for account in accounts.present()}
    assert read == told


def test_what_is_not_understood_of_the_tables_is_asked_of_the_server(
    source: ScratchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = Name("g_global", "%")
    with connected(source) as connector:
        told = {account.label: account for account in connector.accounts().present()}
        monkeypatch.setattr(here, "_OTHERWISE", {"RELOAD": "WHAT A LATER VERSION MAY KNOW"})
        monkeypatch.setattr(granted, "_BITS", granted._BITS[:6])
        assert Granted(connector._queries, connector.facts).of(name) is None
        monkeypatch.setattr(reading, "_AT_ONCE", 1)
        read = {account.label: account for account in connector.accounts().present()}
    assert read == told


# ---------------------------------------------------------------------------- one flavour only


@pytest.mark.limitation("mysql-users-second-passwords")
def test_mysql_what_no_statement_makes_again_is_named(mysql: ScratchServer) -> None:
    with prepared(mysql, accounts=False):
        run_sql(
            mysql,
            "CREATE USER two IDENTIFIED BY 'a'; ALTER USER two IDENTIFIED BY 'b' RETAIN CURRENT PASSWORD;"
            "CREATE ROLE everybodys; SET GLOBAL mandatory_roles = 'everybodys'",
        )
        try:
            _, notes = dump_of(mysql)
        finally:
            run_sql(mysql, "SET GLOBAL mandatory_roles = ''")
    named = {note.object: note.what for note in notes}
    assert "second password" in named["two@%"]
    assert any("`everybodys`@`%`" in note.what for note in notes)


def test_mysql_partial_revokes_need_a_server_that_has_them(
    mysql: ScratchServer, mysql_target: ScratchServer
) -> None:
    with prepared(mysql, accounts=True):
        wanted = accounts_of(mysql)
    with prepared(mysql_target, accounts=False):
        run_sql(mysql_target, "SET GLOBAL partial_revokes = OFF")
        found, _ = restore(mysql_target, wanted)
        (fault,) = found
        assert (fault.severity, fault.object) == (Severity.FAULT, "partly@%")
        assert fault.cure == "SET PERSIST partial_revokes = ON"
        # `u_shop` meant one database there, and must not be a pattern here.
        grants = run_sql(mysql_target, "SHOW GRANTS FOR g_database")
    assert "GRANT ALL PRIVILEGES ON `u\\_shop`.*" in grants


def test_mysql_accounts_of_an_absent_plugin_are_faults(
    mysql: ScratchServer, mysql_target: ScratchServer
) -> None:
    with prepared(mysql, accounts=True):
        wanted = accounts_of(mysql)
    with prepared(mysql_target, accounts=False):
        run_sql(mysql_target, "UNINSTALL PLUGIN mysql_no_login")
        found, _ = restore(mysql_target, wanted)
    assert {finding.object for finding in found} == {"nologin@localhost", "factors@localhost"}


def test_mariadb_who_restores_stays_admin_only_of_roles_without_another(
    mariadb: ScratchServer, mariadb_target: ScratchServer
) -> None:
    with prepared(mariadb, accounts=True):
        wanted = accounts_of(mariadb)
    with prepared(mariadb_target, accounts=False):
        restore(mariadb_target, wanted)
        roles = run_sql(mariadb_target, "SELECT role FROM mysql.roles_mapping WHERE user = 'root'").split(
            "\n"
        )
    assert "r1" not in roles
    assert "r2" in roles


def test_mariadb_a_role_with_the_name_of_a_user_is_refused(mariadb: ScratchServer) -> None:
    with prepared(mariadb, accounts=False):
        run_sql(mariadb, "CREATE ROLE `twin@host`; CREATE USER twin@host")
        with pytest.raises(BackupError, match="twin@host"):
            dump_of(mariadb)


@pytest.mark.limitation("mysql-users-memory")
def test_mariadb_an_account_that_the_server_does_not_find_is_named(
    mariadb: ScratchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank at the end of a name is lost in the tables, and is there in the server's memory."""
    with prepared(mariadb, accounts=False):
        run_sql(mariadb, "CREATE USER 'blank '@localhost, other@localhost")
        try:
            with pytest.raises(BackupError, match="blank@localhost is in the server's tables") as raised:
                dump_of(mariadb)
            monkeypatch.setattr(reading, "_AT_ONCE", 1)  # as with more accounts
            found = {account.label for account in accounts_of(mariadb)}
            assert found == {"blank@localhost", "other@localhost"}
        finally:
            run_sql(mariadb, "DROP USER 'blank '@localhost")
    assert "FLUSH PRIVILEGES" in str(raised.value.cure)


@pytest.fixture
def checked(mysql_server: ScratchServer) -> Iterator[ScratchServer]:
    """A server that checks passwords."""
    is_mysql = mysql_server.flavour == "mysql"
    what = "COMPONENT 'file://component_validate_password'" if is_mysql else "SONAME 'simple_password_check'"
    with prepared(mysql_server, accounts=False):
        run_sql(mysql_server, f"INSTALL {what}")
        yield mysql_server
        run_sql(mysql_server, f"UNINSTALL {what}")


@pytest.mark.limitation("mysql-users-checked-passwords")
def test_a_server_that_checks_passwords_is_named_with_those_that_it_refuses(checked: ScratchServer) -> None:
    made = {
        "mysql": b"CREATE USER `without`@`%` IDENTIFIED WITH 'caching_sha2_password';\n",
        "mariadb": b"CREATE USER `without`@`%` IDENTIFIED VIA `mysql_native_password`;\n",
    }[checked.flavour]
    if checked.flavour == "mariadb":
        made += (
            b"CREATE USER `hashed`@`%` IDENTIFIED VIA `mysql_native_password` USING '*" + b"A" * 40 + b"';\n"
        )
    wanted = ENGINE.accounts([Section(SectionKind.SCHEMA, made)])
    with connected(checked) as connector:
        accounts = connector.accounts()
        for account, fitted in zip(wanted, accounts.fit(wanted), strict=True):
            (finding,) = fitted.findings
            assert finding.object == account.label
            assert finding.severity is Severity.WARNING
            with pytest.raises(StatementFailed) as raised:
                accounts.execute(account.create[0])
            assert raised.value.cure is not None
            assert ("refuses hashes" in finding.what) == (account.name == "hashed")
        if checked.flavour == "mariadb":
            run_sql(checked, "SET GLOBAL strict_password_validation = OFF")
            accounts.execute(wanted[1].create[0])
            run_sql(checked, "SET GLOBAL strict_password_validation = ON")


# ---------------------------------------------------------------------------- between the flavours


def test_mysql_to_mariadb_names_what_is_lost(mysql: ScratchServer, mariadb_target: ScratchServer) -> None:
    with prepared(mysql, accounts=True):
        wanted = accounts_of(mysql)
    with prepared(mariadb_target, accounts=False):
        found, _ = restore(mariadb_target, wanted)
        assert {"r1", "r2", "r3", "r'4`\\;"} <= {a.label for a in accounts_of(mariadb_target)}
    faults = {f.object: f.what for f in found if f.severity is Severity.FAULT}
    assert "caching_sha2_password" in faults["plain@%"]


def test_mariadb_to_mysql_names_what_is_lost(mariadb: ScratchServer, mysql_target: ScratchServer) -> None:
    with prepared(mariadb, accounts=True):
        wanted = accounts_of(mariadb)
    with prepared(mysql_target, accounts=False):
        run_sql(mysql_target, "SET GLOBAL partial_revokes = OFF")
        found, _ = restore(mysql_target, wanted)
        assert {"r1@%", "r2@%", "r3@%"} <= {a.label for a in accounts_of(mysql_target)}
    faults = {f.object: f.what for f in found if f.severity is Severity.FAULT}
    assert "mysql_native_password" in faults["plain@%"]
    assert "PUBLIC" in faults
