from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from scripts.sample.clients import run_sql
from tests.conftest import choose
from tests.integration.postgresql_support import connected, dump, instance_of, role, superuser
from vya_backupdb.config.models import Tls
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.connection import Connection, callers_variables_hidden, connect
from vya_backupdb.engines.postgresql.connector import PostgreSQLConnector
from vya_backupdb.errors import ConfigurationError, ConnectionFailed
from vya_backupdb.scratch import ScratchServer, start

pytestmark = pytest.mark.postgresql


@pytest.fixture
def database(postgresql: ScratchServer, new_database: Callable[..., str]) -> str:
    return new_database(postgresql)


AWKWARD = [
    'it\'s "quoted"',
    "back\\slash\\",
    "co:lon:",
    "#hash=% $HOME `id`",
    " spaces ",
    "åäö 漢字 🙂",
    "*:*:*:*",
]


@pytest.mark.parametrize("password", AWKWARD)
def test_an_awkward_password_reaches_server_and_tool(
    postgresql: ScratchServer, database: str, password: str
) -> None:
    with role(postgresql, "SUPERUSER") as account:
        quoted = password.replace("'", "''")
        run_sql(postgresql, f"ALTER ROLE {account.username} PASSWORD '{quoted}'")
        credential = Credential(account.username, SecretStr(password))
        with connected(postgresql, credential) as connector:
            assert connector.facts.account == account.username
        assert dump(postgresql, database, credential).status == 0


@pytest.mark.parametrize("name", ["o'brien", 'a "b" c', "-dash", "a=b c", "åäö漢", "p%d\\"])
def test_awkward_names_of_role_and_database_reach_server_and_tool(
    postgresql: ScratchServer, new_database: Callable[..., str], name: str
) -> None:
    database = new_database(postgresql, name)
    with role(postgresql, "SUPERUSER", name=f"{name} r") as account:
        with connected(postgresql, account) as connector:
            assert connector.facts.account == account.username
            assert connector.plan(database).database == database
        done = dump(postgresql, database, account)
        assert done.status == 0
        assert b"database dump complete" in done.script


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A caller whose variables and home would lead every libpq client astray."""
    (tmp_path / ".pgpass").write_text("*:*:*:*:wrong\n")
    (tmp_path / ".pgpass").chmod(0o600)
    (tmp_path / ".pg_service.conf").write_text("[astray]\nhost=192.0.2.1\n")
    (tmp_path / ".postgresql").mkdir()
    for name in ("root.crt", "root.crl", "postgresql.crt", "postgresql.key"):
        (tmp_path / ".postgresql" / name).write_text("rubbish")
        (tmp_path / ".postgresql" / name).chmod(0o600)
    hostile = {
        "HOME": str(tmp_path),
        "PGSERVICE": "astray",
        "PGSYSCONFDIR": str(tmp_path),
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGPASSWORD": "wrong",
        "PGPASSFILE": str(tmp_path / ".pgpass"),
        "PGDATABASE": "nowhere",
        "PGOPTIONS": "-c default_transaction_read_only=on -c search_path=nowhere -c statement_timeout=1",
        "PGCLIENTENCODING": "LATIN1",
        "PGTZ": "rubbish",
        "PGDATESTYLE": "rubbish",
        "PGSSLMODE": "verify-full",
        "PGREQUIREAUTH": "gss",
        "PGTARGETSESSIONATTRS": "standby",
        "PGCHANNELBINDING": "require",
        "PGCLUSTER": "9.6/nowhere",
    }
    for variable, value in hostile.items():
        monkeypatch.setenv(variable, value)


@pytest.mark.usefixtures("hostile")
@pytest.mark.threat("program-surroundings")
def test_the_callers_variables_and_home_change_nothing(postgresql: ScratchServer, database: str) -> None:
    before = dict(os.environ)
    with connected(postgresql) as connector:
        session = connect(instance_of(postgresql), superuser(postgresql), database, application="test")
        with session:
            settings = session.execute(
                "SELECT current_setting('client_encoding'), current_setting('statement_timeout'),"
                " current_setting('default_transaction_read_only'), current_setting('TimeZone')"
            ).fetchone()
        assert settings == ("UTF8", "0", "off", "UTC")
        assert connector.plan(database)
    assert dump(postgresql, database).status == 0
    assert dict(os.environ) == before


@pytest.mark.usefixtures("hostile")
def test_without_a_password_none_is_taken_from_elsewhere(postgresql: ScratchServer) -> None:
    with pytest.raises(ConnectionFailed, match="asks 'postgres' for a password and none is stored"):
        PostgreSQLConnector(instance_of(postgresql), Credential("postgres"))


def test_the_callers_variables_come_back_after_the_last_of_several_connects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with callers_variables_hidden():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with callers_variables_hidden():
        assert "PGHOST" not in os.environ
    assert "PGHOST" not in os.environ
    leave.set()
    thread.join()
    assert os.environ["PGHOST"] == "elsewhere"


@pytest.mark.parametrize("as_file", [False, True])
def test_a_socket_is_named_by_its_folder_or_by_itself(postgresql: ScratchServer, as_file: bool) -> None:
    path = postgresql.socket / f".s.PGSQL.{postgresql.port}" if as_file else postgresql.socket
    instance = instance_of(postgresql, socket=str(path))
    with PostgreSQLConnector(instance, Credential("postgres")) as connector:
        assert connector.facts.flavour == "postgresql"


def test_settings_of_a_role_do_not_reach_into_a_session(postgresql: ScratchServer, database: str) -> None:
    hostile = {
        "statement_timeout": "1",
        "lock_timeout": "1",
        "idle_in_transaction_session_timeout": "1",
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "serializable",
        "array_nulls": "off",
        "transform_null_equals": "on",
        "IntervalStyle": "sql_standard",
        "client_encoding": "LATIN1",
    }
    with role(postgresql) as account:
        for name, value in hostile.items():
            run_sql(postgresql, f"ALTER ROLE {account.username} SET {name} = '{value}'")
        with connect(instance_of(postgresql), account, database, application="test") as session:
            found = {
                name: session.execute("SELECT current_setting(%s)", [name]).fetchone() for name in hostile
            }
    assert not {name for name, value in hostile.items() if found[name] == (value,)}


def test_bytes_of_an_sql_ascii_database_arrive_as_surrogate_escapes(
    postgresql: ScratchServer,
) -> None:
    name = f"ascii_{os.getpid()}"
    run_sql(postgresql, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
    try:
        run_sql(postgresql, b'SET client_encoding = SQL_ASCII; CREATE TABLE "caf\xe9" (a int)', name)
        with connected(postgresql) as connector:
            assert connector.contents(name) == ('table public."caf\udce9"',)
            assert connector.plan(name).object_counts["table"] == 1
        assert b'"caf\xe9"' in dump(postgresql, name).script
    finally:
        run_sql(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


# ---------------------------------------------------------------------------- what a failed login says


def failure(instance: object, credential: Credential) -> str:
    with pytest.raises(ConnectionFailed) as caught:
        PostgreSQLConnector(instance, credential)  # type: ignore[arg-type]
    error = caught.value
    assert error.cure
    assert "\n" not in error.what
    assert error.__context__ is None
    if credential.password is not None:
        assert credential.password.get_secret_value() not in str(error)
    return error.what


def test_a_wrong_password_is_named(postgresql: ScratchServer) -> None:
    what = failure(instance_of(postgresql), Credential("postgres", SecretStr("not-the-one")))
    assert (
        what
        == f"pg (127.0.0.1:{postgresql.port}): the password of 'postgres' is wrong, or there is no such role"
    )


def test_a_role_that_is_not_there_is_named(postgresql: ScratchServer) -> None:
    what = failure(instance_of(postgresql, socket=str(postgresql.socket)), Credential("nobody"))
    assert "there is no role 'nobody'" in what


def test_a_role_that_may_not_log_in_is_named(postgresql: ScratchServer) -> None:
    with role(postgresql) as account:
        run_sql(postgresql, f"ALTER ROLE {account.username} NOLOGIN")
        assert "may not log in" in failure(instance_of(postgresql), account)


def test_an_unknown_database_is_named(postgresql: ScratchServer) -> None:
    what = failure(instance_of(postgresql, maintenance_database="nowhere"), superuser(postgresql))
    assert "there is no database 'nowhere'" in what


def test_a_database_without_connect_is_named(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
    with role(postgresql) as account:
        what = failure(instance_of(postgresql, maintenance_database=database), account)
        assert f"may not connect to database '{database}'" in what


def test_a_database_that_allows_no_connections_is_named(postgresql: ScratchServer, database: str) -> None:
    run_sql(postgresql, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    what = failure(instance_of(postgresql, maintenance_database=database), superuser(postgresql))
    assert f"database '{database}' takes no connections" in what


def test_too_many_connections_are_named(postgresql: ScratchServer) -> None:
    with role(postgresql, "CONNECTION LIMIT 1") as account, connected(postgresql, account):
        assert "no connection free" in failure(instance_of(postgresql), account)


def test_a_refused_connection_is_named(postgresql: ScratchServer) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        what = failure(instance_of(postgresql, port=held.getsockname()[1]), superuser(postgresql))
    assert "nothing listens there" in what


def test_a_missing_socket_is_named(postgresql: ScratchServer, tmp_path: Path) -> None:
    what = failure(instance_of(postgresql, socket=str(tmp_path)), Credential("postgres"))
    assert what == f"pg ({tmp_path}/.s.PGSQL.{postgresql.port}): no server's socket is there"


def test_an_unknown_host_is_named(postgresql: ScratchServer) -> None:
    what = failure(instance_of(postgresql, host="nowhere.invalid"), superuser(postgresql))
    assert "the host name is not known" in what


def test_something_else_that_listens_is_named(postgresql: ScratchServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):  # the listener is closed in the end
                while True:
                    connection, _ = listener.accept()
                    connection.recv(100)
                    connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        what = failure(instance_of(postgresql, port=listener.getsockname()[1]), superuser(postgresql))
        assert "closed while logging in" in what


@pytest.mark.threat("server-answers")
def test_a_host_that_never_answers_ends_in_bounded_time(
    postgresql: ScratchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vya_backupdb.engines.postgresql.connection.CONNECT_TIMEOUT", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = datetime.now(UTC)
        what = failure(instance_of(postgresql, port=silent.getsockname()[1]), superuser(postgresql))
    assert "no answer in time" in what
    assert datetime.now(UTC) - began < timedelta(seconds=8)


# ---------------------------------------------------------------------------- TLS and pg_hba.conf


class Authority:
    """A certificate authority for one test module."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name}.crt"
        self.path.write_bytes(self._signed(self._name, self._key, authority=True))

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, private = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(self._signed(subject, key, hosts=hosts))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        private.chmod(0o600)
        return certificate, private

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        hosts: tuple[str, ...] = (),
        authority: bool = False,
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            names = [
                x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
                for host in hosts
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Walled:
    """A server with TLS and many kinds of authentication, and what is needed to get in."""

    def __init__(self, server: ScratchServer, authority: Authority, stranger: Authority) -> None:
        self.server = server
        self.authority = authority
        self.stranger = stranger


HBA = """
local all all trust
host all rejected 127.0.0.1/32 reject
hostssl all certified 127.0.0.1/32 cert
host all certified 127.0.0.1/32 reject
host all peering 127.0.0.1/32 ident
host all gssapi 127.0.0.1/32 gss
host all postgres 127.0.0.1/32 scram-sha-256
host all md5ish 127.0.0.1/32 md5
host all plain 127.0.0.1/32 password
"""


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walled]:
    folder = tmp_path_factory.mktemp("walled")
    for parent in (folder, *folder.parents):  # the server runs as another user where the tests run as root
        if parent.owner() == folder.owner() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    authority = Authority(folder, "authority")
    certificate, key = authority.issue("server", "127.0.0.1", "localhost")
    hba = folder / "pg_hba.conf"
    hba.write_text(HBA)
    for path in (authority.path, certificate, hba):
        path.chmod(0o644)
    if os.geteuid() == 0:
        import pwd

        os.chown(key, pwd.getpwnam("postgres").pw_uid, -1)
    settings: dict[str, str | int] = {
        "ssl": "on",
        "ssl_cert_file": str(certificate),
        "ssl_key_file": str(key),
        "ssl_ca_file": str(authority.path),
        "hba_file": str(hba),
    }
    with start(choose("postgresql"), settings=settings) as server:
        for name in ("certified", "rejected", "peering", "gssapi"):
            run_sql(server, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
        run_sql(
            server,
            "SET password_encryption = md5; CREATE ROLE md5ish LOGIN PASSWORD 'pw';"
            "SET password_encryption = 'scram-sha-256'; CREATE ROLE plain LOGIN PASSWORD 'pw'",
        )
        yield Walled(server, authority, Authority(folder, "stranger"))


def encrypted(walled: Walled, credential: Credential | None = None, **more: object) -> bool:
    instance = instance_of(walled.server, **more)
    with connect(instance, credential or superuser(walled.server), "postgres", application="t") as session:
        row = session.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    return row == (True,)


def test_tls_is_used_where_the_server_offers_it_and_left_where_it_is_disabled(walled: Walled) -> None:
    assert encrypted(walled)
    assert encrypted(walled, tls={"mode": "require"})
    assert not encrypted(walled, tls={"mode": "disable"})


@pytest.mark.usefixtures("hostile")
def test_a_rubbish_authority_in_the_home_folder_does_not_turn_require_into_verify(walled: Walled) -> None:
    assert encrypted(walled, tls={"mode": "require"})


def test_a_verified_server_is_talked_to_by_connection_and_tool(walled: Walled) -> None:
    tls = {"mode": "verify-full", "ca": str(walled.authority.path)}
    assert encrypted(walled, tls=tls)
    assert dump(walled.server, "postgres", tls=tls).status == 0


@pytest.mark.threat("secrets-tls")
def test_a_server_of_another_authority_is_refused(walled: Walled) -> None:
    for mode in ("verify-ca", "verify-full"):
        tls = {"mode": mode, "ca": str(walled.stranger.path)}
        what = failure(instance_of(walled.server, tls=tls), superuser(walled.server))
        assert "TLS failed" in what
        assert "certificate verify failed" in what


def test_without_an_own_authority_the_systems_are_asked(walled: Walled) -> None:
    what = failure(instance_of(walled.server, tls={"mode": "verify-full"}), superuser(walled.server))
    assert "certificate verify failed" in what


def test_without_any_authority_verifying_is_a_fault_of_the_configuration(
    walled: Walled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vya_backupdb.engines.postgresql.connection.CA_BUNDLES", ())
    with pytest.raises(ConfigurationError, match=r"pg: tls\.mode is verify-full"):
        PostgreSQLConnector(instance_of(walled.server, tls={"mode": "verify-full"}), superuser(walled.server))


@pytest.mark.threat("secrets-tls")
def test_a_server_without_tls_is_refused_where_it_is_required(postgresql: ScratchServer) -> None:
    what = failure(instance_of(postgresql, tls={"mode": "require"}), superuser(postgresql))
    assert "TLS failed (server does not support SSL" in what


def test_a_client_certificate_logs_in_without_a_password(walled: Walled) -> None:
    certificate, key = walled.authority.issue("certified")
    tls = {"mode": "require", "cert": str(certificate), "key": str(key)}
    assert encrypted(walled, Credential("certified"), tls=tls)
    assert dump(walled.server, "postgres", Credential("certified"), tls=tls).status == 0


def test_a_missing_client_certificate_is_named(walled: Walled) -> None:
    what = failure(instance_of(walled.server, tls={"mode": "require"}), Credential("certified"))
    assert "TLS failed (connection requires a valid client certificate)" in what


def test_a_login_that_pg_hba_does_not_let_in_is_named(walled: Walled) -> None:
    credential = Credential("rejected", SecretStr("pw-of-rejected"))
    what = failure(instance_of(walled.server), credential)
    assert "pg_hba.conf does not let 'rejected' in to database 'postgres'" in what
    credential = Credential("unheard-of", SecretStr("pw-of-nobody"))
    assert "pg_hba.conf" in failure(instance_of(walled.server), credential)


def test_a_login_by_system_user_that_fails_is_named(walled: Walled) -> None:
    assert "does not take this login" in failure(instance_of(walled.server), Credential("peering"))


def test_an_authentication_that_is_not_supported_is_named(walled: Walled) -> None:
    what = failure(instance_of(walled.server), Credential("gssapi", SecretStr("pw-of-gssapi")))
    assert "a way of authentication that is not supported here" in what


@pytest.mark.parametrize(("account", "more"), [("md5ish", {}), ("plain", {"tls": Tls(mode="require")})])
def test_older_ways_of_authentication_work(walled: Walled, account: str, more: dict[str, Tls]) -> None:
    credential = Credential(account, SecretStr("pw"))
    assert encrypted(walled, credential, **more)
    assert dump(walled.server, "postgres", credential, **more).status == 0


@pytest.mark.parametrize("more", [{}, {"tls": Tls(mode="disable")}])
@pytest.mark.threat("secrets-readable-logins")
def test_a_password_is_sent_readable_only_where_the_connection_is_private_for_certain(
    walled: Walled, more: dict[str, Tls]
) -> None:
    credential = Credential("plain", SecretStr("pw"))
    assert "readable" in failure(instance_of(walled.server, **more), credential)
    if walled.server.binaries.version_number >= (16,):  # the tools before cannot be told; we come first
        done = dump(walled.server, "postgres", credential, superuser(walled.server), **more)
        assert done.status != 0
        assert any("cleartext" in line for _, line in done.stderr)


def test_a_lost_connection_is_said_as_such(postgresql: ScratchServer) -> None:
    with connected(postgresql) as connector:
        run_sql(
            postgresql,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'vya-backupdb' AND pid <> pg_backend_pid()",
        )
        with pytest.raises(ConnectionFailed, match="the connection was lost"):
            connector.databases()


@pytest.mark.threat("secrets-in-messages")
def test_a_password_is_in_no_frame_of_a_failed_login(postgresql: ScratchServer) -> None:
    credential = Credential("postgres", SecretStr("very-secret-indeed"))
    with pytest.raises(ConnectionFailed) as caught:
        connect(instance_of(postgresql), credential, "postgres", application="test")
    assert caught.value.__traceback__ is not None
    trace = caught.value.__traceback__.tb_next  # the first frame is this test's
    seen = 0
    while trace is not None:
        seen += 1
        assert "very-secret-indeed" not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next
    assert seen


def test_the_driver_is_told_no_password(postgresql: ScratchServer, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    real = Connection.connect

    def spy(conninfo: str, **more: object) -> object:
        told.append(conninfo)
        return real(conninfo, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "connect", spy)
    with connected(postgresql):
        pass
    assert told
    assert not any(postgresql.password in conninfo for conninfo in told)
