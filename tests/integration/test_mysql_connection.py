from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_certificates import Certificates, signed_certificates
from tests.integration.mysql_support import (
    account,
    connected,
    dumped,
    instance_of,
    only_on,
    run_command,
    sql_string,
)
from vya_backupdb.config.models import Tls
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.connector import MySQLConnector
from vya_backupdb.engines.mysql.engine import ENGINE
from vya_backupdb.engines.mysql.queries import QueryError
from vya_backupdb.errors import ConnectionFailed
from vya_backupdb.scratch import ScratchServer, start

PASSWORDS = {
    "quotes": "a'b\"c`d",
    "hash": "#a#b # c",
    "percent": "100%s %(x)s %%",
    "backslash": "a\\nb\\\\c\\",
    "blanks": "  lead and trail\t",
    "non-ASCII": "пароль пасс 密码 é",
    "emoji": "🔑 key",
    "equals and brackets": "=a;[client]{b}$c!d&",
    "quote and hash": 'a"b#c',
    "a single quote": "'",
    "a single double quote": '"',
    "quoted whole": '"quoted"',
    "long": "x" * 200,
}


def test_it_logs_in_by_tcp_and_by_socket(mysql_server: ScratchServer) -> None:
    for keys in ({}, {"socket": mysql_server.socket}):
        with connected(mysql_server, **keys) as connector:
            assert connector.facts.flavour == mysql_server.flavour
            assert connector.facts.version.startswith(mysql_server.version)
            assert connector.facts.account.startswith("root@")


def test_a_password_is_taken_by_the_socket_before_it_was_by_tcp(mysql_server: ScratchServer) -> None:
    """MySQL remembers passwords once it has seen them; before that it wants this one as it is."""
    with (
        account(mysql_server, host="localhost") as credential,
        connected(mysql_server, credential, socket=mysql_server.socket) as connector,
    ):
        assert connector.facts.account == f"{credential.username}@localhost"


def test_facts_hold_the_settings_that_decide(mysql_server: ScratchServer) -> None:
    with connected(mysql_server) as connector:
        settings = connector.facts.settings
    assert int(settings["max_allowed_packet"]) >= 16 << 20
    assert settings["tls"] in ("offered", "absent")
    assert {"sql_mode", "lower_case_table_names", "collation_server", "log_bin", "event_scheduler"} <= set(
        settings
    )
    assert {"read_only"} <= set(settings)
    if mysql_server.flavour == "mysql":
        assert {"gtid_mode", "sql_require_primary_key"} <= set(settings)


@pytest.mark.threat("secrets-in-messages")
def test_a_wrong_password_is_one_line_without_the_password(mysql_server: ScratchServer) -> None:
    with account(mysql_server) as credential:
        wrong = Credential(credential.username, SecretStr("not-the-word"))
        with pytest.raises(ConnectionFailed, match=f"access denied .*{credential.username}") as failure:
            connected(mysql_server, wrong)
    assert "not-the-word" not in str(failure.value)
    assert failure.value.exit_code == 12
    assert failure.value.what.count("\n") == 0
    assert f"db1: {mysql_server.host}:{mysql_server.port}" in failure.value.what


@pytest.mark.parametrize("kind", PASSWORDS)
def test_every_awkward_password_reaches_server_and_tool(
    mysql_server: ScratchServer, new_database: NewDatabase, kind: str
) -> None:
    database = new_database(mysql_server)
    with account(mysql_server, f"ALL ON {database}.*", password=PASSWORDS[kind]) as credential:
        done = dumped(mysql_server, database, credential)
    assert done.returncode == 0, done.stderr
    assert b"-- Dump completed" in done.stdout


@pytest.mark.parametrize("name", ["o'hara", "a b", "per%cent", "häns", '"q"', "back\\slash", "#x"])
def test_every_awkward_user_name_reaches_server_and_tool(
    mysql_server: ScratchServer, new_database: NewDatabase, name: str
) -> None:
    database = new_database(mysql_server)
    quoted = sql_string(name)
    run_sql(
        mysql_server, f"CREATE USER {quoted}@'%' IDENTIFIED BY 'x'; GRANT ALL ON {database}.* TO {quoted}@'%'"
    )
    try:
        done = dumped(mysql_server, database, Credential(name, SecretStr("x")))
    finally:
        run_sql(mysql_server, f"DROP USER {quoted}@'%'")
    assert done.returncode == 0, done.stderr


@pytest.mark.threat("program-surroundings")
def test_an_option_file_and_variables_of_the_caller_change_nothing(
    mysql_server: ScratchServer, new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE t (a int); INSERT INTO t VALUES (4711)", database)
    hostile = "user=nobody\npassword=nothing\nport=1\nhost=127.0.0.9\nsocket=/nonexistent\n"
    (tmp_path / ".my.cnf").write_text(
        f"[client]\n{hostile}[mysqldump]\n{hostile}no-data\nwhere=1=0\n[mariadb-dump]\n{hostile}no-data\n"
    )
    (tmp_path / ".mylogin.cnf").write_bytes(b"garbage")
    for name in ("HOME", "MYSQL_HOME", "MARIADB_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_PWD", "MARIADB_PWD", "USER"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MYSQL_GROUP_SUFFIX", "hostile")
    monkeypatch.setenv("MYSQL_TEST_LOGIN_FILE", str(tmp_path / ".mylogin.cnf"))
    done = dumped(mysql_server, database)
    assert done.returncode == 0, done.stderr
    assert b"4711" in done.stdout


def test_a_locked_account_is_told(mysql_server: ScratchServer) -> None:
    with account(mysql_server) as credential:
        run_sql(mysql_server, f"ALTER USER '{credential.username}'@'%' ACCOUNT LOCK")
        with pytest.raises(ConnectionFailed, match="account is locked"):
            connected(mysql_server, credential)


def test_an_expired_password_is_told(mysql_server: ScratchServer) -> None:
    with account(mysql_server) as credential:
        run_sql(mysql_server, f"ALTER USER '{credential.username}'@'%' PASSWORD EXPIRE")
        with pytest.raises(ConnectionFailed, match="password has expired"):
            connected(mysql_server, credential)


def test_too_many_connections_of_an_account_are_told(mysql_server: ScratchServer) -> None:
    with account(mysql_server) as credential:
        run_sql(mysql_server, f"ALTER USER '{credential.username}'@'%' WITH MAX_USER_CONNECTIONS 1")
        with connected(mysql_server, credential), pytest.raises(ConnectionFailed, match="account has"):
            connected(mysql_server, credential)


def test_a_session_on_a_database_that_is_not_there_is_told(mysql_server: ScratchServer) -> None:
    with (
        connected(mysql_server) as connector,
        pytest.raises(ConnectionFailed, match=r"does not exist .*no_such_db"),
    ):
        connector.session("no_such_db")


def test_a_plugin_that_would_send_the_password_readable_is_refused_by_name(
    mysql_server: ScratchServer,
) -> None:
    only_on(mysql_server, "mariadb")
    run_sql(mysql_server, "INSTALL SONAME 'auth_pam_v1'")
    try:
        run_sql(mysql_server, "CREATE USER pammy@'%' IDENTIFIED VIA pam")
        with pytest.raises(ConnectionFailed, match="plugin dialog of 'pammy' is not supported"):
            connected(mysql_server, Credential("pammy", SecretStr("hush")))
    finally:
        run_sql(mysql_server, "DROP USER IF EXISTS pammy@'%'; UNINSTALL SONAME 'auth_pam_v1'")


def test_an_account_of_the_operating_system_is_told_over_tcp(mysql_server: ScratchServer) -> None:
    only_on(mysql_server, "mariadb")
    run_sql(mysql_server, "CREATE USER socketeer@'%' IDENTIFIED VIA unix_socket")
    try:
        with pytest.raises(ConnectionFailed, match="logs in by the name of the operating system"):
            connected(mysql_server, Credential("socketeer", None))
    finally:
        run_sql(mysql_server, "DROP USER socketeer@'%'")


def test_an_ed25519_account_logs_in(mysql_server: ScratchServer, new_database: NewDatabase) -> None:
    only_on(mysql_server, "mariadb")
    run_sql(mysql_server, "INSTALL SONAME 'auth_ed25519'")
    try:
        run_sql(mysql_server, "CREATE USER eddy@'%' IDENTIFIED VIA ed25519 USING PASSWORD('a b')")
        with connected(mysql_server, Credential("eddy", SecretStr("a b"))) as connector:
            assert connector.facts.account == "eddy@%"
    finally:
        run_sql(mysql_server, "DROP USER IF EXISTS eddy@'%'; UNINSTALL SONAME 'auth_ed25519'")


# ---------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    with signed_certificates() as made:
        yield made


@pytest.fixture(scope="module")
def tls_server(mysql_server: ScratchServer, certificates: Certificates) -> Iterator[ScratchServer]:
    """A server of its own whose certificate is for `localhost` and not for 127.0.0.1."""
    cert, key = certificates.pair("server")
    settings = {"ssl-ca": str(certificates.authority), "ssl-cert": str(cert), "ssl-key": str(key)}
    with start(mysql_server.binaries, settings=settings) as server:
        run_sql(
            server,
            "CREATE DATABASE shop; CREATE USER plain@'%' IDENTIFIED BY 'x'; GRANT ALL ON *.* TO plain@'%'",
        )
        run_sql(server, "CREATE USER cert@'%' IDENTIFIED BY 'x' REQUIRE X509; GRANT ALL ON *.* TO cert@'%'")
        run_sql(server, "CREATE USER tls@'%' IDENTIFIED BY 'x' REQUIRE SSL; GRANT ALL ON *.* TO tls@'%'")
        yield server


PLAIN = Credential("plain", SecretStr("x"))


def encrypted(connector: MySQLConnector) -> bool:
    rows = connector._queries.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    return bool(rows and rows[0][1])


@pytest.mark.parametrize(("mode", "secret"), [(None, True), ("disable", False), ("require", True)])
def test_modes_without_checking_are_as_they_say_for_us_and_for_the_tool(
    tls_server: ScratchServer, mode: str | None, *, secret: bool
) -> None:
    tls = Tls.model_validate({"mode": mode}) if mode else None
    with connected(tls_server, PLAIN, tls=tls) as connector:
        assert encrypted(connector) is secret
    done = dumped(tls_server, "shop", PLAIN, tls=tls)
    assert done.returncode == 0, done.stderr
    # A tool that did not use TLS could not log in as this account.
    wary = Credential("tls", SecretStr("x"))
    if secret:
        assert dumped(tls_server, "shop", wary, tls=tls).returncode == 0
    else:
        with pytest.raises(ConnectionFailed, match="access denied"):
            connected(tls_server, wary, tls=tls)


def test_verify_full_accepts_the_name_in_the_certificate(
    tls_server: ScratchServer, certificates: Certificates
) -> None:
    tls = Tls(mode="verify-full", ca=certificates.authority)
    with connected(tls_server, PLAIN, tls=tls, host="localhost") as connector:
        assert encrypted(connector)
    done = dumped(tls_server, "shop", PLAIN, tls=tls, host="localhost")
    assert done.returncode == 0, done.stderr


@pytest.mark.threat("secrets-tls")
def test_verify_full_refuses_another_name_and_verify_ca_does_not(
    tls_server: ScratchServer, certificates: Certificates
) -> None:
    with pytest.raises(ConnectionFailed, match="certificate is not accepted"):
        connected(tls_server, PLAIN, tls=Tls(mode="verify-full", ca=certificates.authority))
    with connected(tls_server, PLAIN, tls=Tls(mode="verify-ca", ca=certificates.authority)) as connector:
        assert encrypted(connector)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
@pytest.mark.threat("secrets-tls")
def test_a_certificate_of_another_authority_is_refused(
    tls_server: ScratchServer, certificates: Certificates, mode: str
) -> None:
    tls = Tls.model_validate({"mode": mode, "ca": certificates.stranger})
    with pytest.raises(ConnectionFailed, match="certificate is not accepted"):
        connected(tls_server, PLAIN, tls=tls, host="localhost")


@pytest.mark.threat("secrets-tls")
def test_the_tool_too_refuses_a_certificate_of_another_authority(
    tls_server: ScratchServer, certificates: Certificates
) -> None:
    good = Tls(mode="verify-full", ca=certificates.authority)
    instance = instance_of(tls_server, tls=good, host="localhost")
    stranger = instance.model_copy(update={"tls": Tls(mode="verify-full", ca=certificates.stranger)})
    with ENGINE.connect(instance, PLAIN) as connector:
        tool = ENGINE.find_tool(connector.facts, instance)
        with ENGINE.dump_command(connector.plan("shop"), tool, connector.facts, stranger, PLAIN) as command:
            done = run_command(command)
    assert done.returncode != 0
    assert command.judge(done.stderr.decode().splitlines()[-1]) == "fatal"


def test_a_client_certificate_logs_in_where_the_account_wants_one(
    tls_server: ScratchServer, certificates: Certificates
) -> None:
    wants = Credential("cert", SecretStr("x"))
    with pytest.raises(ConnectionFailed, match="access denied"):
        connected(tls_server, wants, tls=Tls(mode="require"))
    cert, key = certificates.pair("client")
    done = dumped(tls_server, "shop", wants, tls=Tls(mode="require", cert=cert, key=key))
    assert done.returncode == 0, done.stderr


@pytest.mark.threat("secrets-tls")
def test_a_server_without_tls_is_refused_where_tls_is_asked_for(mysql_server: ScratchServer) -> None:
    only_on(mysql_server, "mariadb")  # MySQL makes itself certificates
    with start(mysql_server.binaries, settings={"ssl": "OFF"}) as server:
        with pytest.raises(ConnectionFailed, match="server offers no TLS"):
            connected(server, tls=Tls(mode="require"))
        run_sql(server, "CREATE DATABASE shop; GRANT ALL ON *.* TO plain@'%' IDENTIFIED BY 'x'")
        for tls in (None, Tls(mode="disable")):
            done = dumped(server, "shop", PLAIN, tls=tls)
            assert done.returncode == 0, done.stderr


def test_several_statements_are_one_question_only_where_they_are_meant_to_be(
    mysql_server: ScratchServer,
) -> None:
    with connected(mysql_server) as connector:
        queries = connector._queries
        assert queries.rows_of_each(["SELECT 1", "SELECT 2, 3 FROM DUAL WHERE 0", "SELECT 'a;b'"]) == [
            [(1,)],
            [],
            [("a;b",)],
        ]
        with pytest.raises(QueryError) as raised:
            queries.rows_of_each(["SELECT 1", "SELECT nothing", "SET @later = 1"])
        assert raised.value.code == 1054
        assert queries.value("SELECT @later") is None
        with pytest.raises(QueryError) as raised:
            queries.rows("SELECT 1; SELECT 2")
        assert raised.value.code == 1064


def test_a_connection_that_is_lost_among_several_statements_is_named(mysql_server: ScratchServer) -> None:
    with connected(mysql_server) as connector:
        number = connector._queries.value("SELECT CONNECTION_ID()")
        run_sql(mysql_server, f"KILL {number}")
        with pytest.raises(ConnectionFailed, match="db1"):
            connector._queries.rows_of_each(["SELECT 1", "SELECT 2"])
