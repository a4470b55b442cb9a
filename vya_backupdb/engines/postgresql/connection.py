"""Connections through libpq that the caller's surroundings cannot change.

libpq fills what it is not told from `PG*` variables, from a service file and from files in the home folder
(`~/.pgpass`, `~/.postgresql/root.crt` ...; libpq, "Parameter Key Words" and "Environment Variables"). The
files are kept out by naming each of them. The variables are taken out of the environment while a connection
is made, and put back: some (`PGSERVICE`, `PGTZ`, `PGDATESTYLE`) no parameter can override. pg_dump gets the
same connection string and no variables at all; so it holds only what its libpq knows.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg.abc import RV, Buffer, PQGen
from psycopg.adapt import Loader
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow, tuple_row
from psycopg.waiting import Ready

from vya_backupdb.config.models import Instance, Tls
from vya_backupdb.credentials.transport import secret_file
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.failures import TIMEOUT_MARK, connection_failed
from vya_backupdb.errors import ConfigurationError, ConnectionFailed

CONNECT_TIMEOUT: Final = 10
"""Seconds, for each address of a host."""

DEFAULT_PORT: Final = 5432

_KNOWS_REQUIRE_AUTH: Final = 16

NOWHERE: Final = "/dev/null/nowhere"
"""A path that cannot be there (ENOTDIR): libpq takes it as a file that does not exist, whatever it is for."""

CA_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Red Hat, SUSE and Alpine keep the system's certificate authorities."""

UNCONVERTED: Final = frozenset({"SQL_ASCII", "MULE_INTERNAL"})
"""Server encodings that have no conversion to UTF8: their bytes are taken as they are."""

_TEXT_TYPES: Final = (18, 19, 25, 1042, 1043)
"""The oids of "char", name, text, bpchar and varchar (pg_type.dat)."""

LONGEST_ANSWER: Final = 3600.0
"""Seconds that a question may take: a large database is dropped, a deferrable snapshot is waited for."""


class Connection(psycopg.Connection[TupleRow]):
    """A connection that is closed where an answer takes longer than `patience` seconds.

    libpq waits for ever: keep-alive packets notice a machine that has gone, but not a server that hangs.
    """

    patience: float = LONGEST_ANSWER

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait as the driver does. Raises OperationalError where the patience ends."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(_within(gen, self.patience), interval)
        except _NoAnswer:
            self.pgconn.finish()
            raise


class _NoAnswer(psycopg.OperationalError):
    """The patience has ended."""


def _within(gen: PQGen[RV], seconds: float) -> PQGen[RV]:
    """Carry on with a generator of the driver's, which is looked at each `interval`, for so long."""
    deadline = time.monotonic() + seconds
    try:
        state = next(gen)
        while True:
            ready = yield state
            if ready == Ready.NONE and time.monotonic() > deadline:
                raise _NoAnswer(f"no answer within {seconds:.0f} seconds")
            state = gen.send(ready)
    except StopIteration as ended:
        result: RV = ended.value
        return result


def address(instance: Instance) -> tuple[str, int]:
    """Give host and port as libpq takes them; for a socket, host is the folder that it lies in."""
    port = instance.port or DEFAULT_PORT
    if instance.socket is None:
        return instance.host or "localhost", port
    name = instance.socket.name
    if name.startswith(".s.PGSQL.") and name[9:].isdigit():
        return str(instance.socket.parent), int(name[9:])
    return str(instance.socket), port


def where(instance: Instance) -> str:
    """Give the address as a person reads it."""
    host, port = address(instance)
    if host.startswith("/"):
        return f"{host}/.s.PGSQL.{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def lock_wait(instance: Instance) -> int:
    """Give the longest wait for a lock in milliseconds: at least one (0 is for ever), at most what fits."""
    return min(max(1, int(instance.lock_wait.total_seconds() * 1000)), 2**31 - 1)


def connection_string(
    instance: Instance,
    username: str,
    database: str,
    *,
    passfile: str = NOWHERE,
    application: str,
    libpq: int = psycopg.pq.version() // 10000,
) -> str:
    """Give a connection string that holds no secret, for a libpq of that major version.

    A server that asks for the password itself, not for a proof of it, gets it over TLS or a local socket
    only; libpq before 16 cannot be told that.

    Raises ConfigurationError where TLS is to be verified and there are no authorities to verify against.
    """
    host, port = address(instance)
    tls = _tls(instance, over_socket=host.startswith("/"))
    is_private = host.startswith("/") or tls["sslmode"] not in ("disable", "prefer")
    required = {} if is_private or libpq < _KNOWS_REQUIRE_AUTH else {"require_auth": "!password"}
    return make_conninfo(
        host=host,
        port=port,
        dbname=database,
        user=username,
        passfile=passfile,
        application_name=application,
        connect_timeout=CONNECT_TIMEOUT,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=6,
        gssencmode="disable",
        **required,
        **tls,
    )


def _tls(instance: Instance, *, over_socket: bool) -> dict[str, str]:
    tls = instance.tls or Tls()
    mode = "disable" if over_socket else "prefer" if instance.tls is None else tls.mode
    ca = str(tls.ca) if tls.ca else NOWHERE  # a file that is there turns `require` into verify-ca
    if mode.startswith("verify-") and tls.ca is None:
        found = next((bundle for bundle in CA_BUNDLES if Path(bundle).is_file()), None)
        if found is None:
            raise ConfigurationError(
                f"{instance.id}: tls.mode is {mode}, and this system has no certificate authorities",
                cure="name the server's certificate authority with tls.ca",
            )
        ca = found
    return {
        "sslmode": mode,
        "sslrootcert": ca,
        "sslcert": str(tls.cert) if tls.cert else NOWHERE,
        "sslkey": str(tls.key) if tls.key else NOWHERE,
        "sslcrl": NOWHERE,
    }


def password_file(credential: Credential) -> bytes:
    """Give the content of a libpq password file that answers for every server: the file is for one only."""
    if credential.password is None:
        return b""
    secret = credential.password.get_secret_value().replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{secret}\n".encode()


_hidden: dict[str, str] = {}
_hiders = 0
_hide_lock = threading.Lock()


@contextmanager
def callers_variables_hidden() -> Iterator[None]:
    """Take the `PG*` variables out of this process's environment, and put them back after the last user."""
    global _hiders
    with _hide_lock:
        _hiders += 1
        for name in [name for name in os.environ if name.startswith("PG")]:
            _hidden[name] = os.environ.pop(name)
    try:
        yield
    finally:
        with _hide_lock:
            _hiders -= 1
            if not _hiders:
                for name, value in _hidden.items():
                    os.environ.setdefault(name, value)
                _hidden.clear()


class AnyText(Loader):
    """Text that need not be UTF-8: other bytes become surrogate escapes."""

    def load(self, data: Buffer) -> str:
        """Decode."""
        return bytes(data).decode("utf-8", "surrogateescape")


def connect(instance: Instance, credential: Credential, database: str, *, application: str) -> Connection:
    """Open a connection in autocommit, with settings that no role or database setting takes away.

    Raises ConnectionFailed with one clear line. The password goes through a file in memory, so it is in
    no connection string and in no frame of a traceback.
    """
    if "\0" in database:
        raise ConnectionFailed(f"{instance.id}: no database can be called {database!r}")
    failure: str | None = None
    with ExitStack() as secrets:
        passfile = NOWHERE
        if credential.password is not None:
            passfile = secrets.enter_context(secret_file(password_file(credential))).path
        conninfo = connection_string(
            instance, credential.username, database, passfile=passfile, application=application
        )
        try:
            with callers_variables_hidden():
                connection = Connection.connect(
                    conninfo, autocommit=True, prepare_threshold=None, row_factory=tuple_row
                )
        except psycopg.errors.ConnectionTimeout:
            failure = TIMEOUT_MARK
        except psycopg.Error as error:
            failure = str(error)
        else:
            # a cancel request is a connection of its own, made with the same parameters: the file must last
            weakref.finalize(connection, secrets.pop_all().close)
    if failure is not None:  # raised outside of the handler, so that nothing of the driver's hangs on it
        raise connection_failed(
            failure, instance=instance.id, where=where(instance), user=credential.username, database=database
        )
    try:
        _settle(connection)
    except psycopg.Error as error:
        connection.close()
        raise ConnectionFailed(
            f"{instance.id} ({where(instance)}): the session cannot be set up: {str(error).splitlines()[0]}",
            cure="a connection pooler that forbids SET is in between? Name the server itself",
        ) from error
    return connection


def _settle(connection: Connection) -> None:
    """Fix what a role's or database's own settings could change: encoding, time limits, reading of values."""
    encoding = (connection.pgconn.parameter_status(b"server_encoding") or b"").decode()
    settings = {
        "client_encoding": "SQL_ASCII" if encoding in UNCONVERTED else "UTF8",
        "statement_timeout": "0",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "default_transaction_read_only": "off",
        "default_transaction_isolation": "read committed",
        "array_nulls": "on",  # off: {NULL} is read as the text NULL
        "transform_null_equals": "off",  # on: `x = NULL` in a view is stored as `x IS NULL`
        "IntervalStyle": "postgres",  # as pg_dump writes them
        "default_tablespace": "",
        "default_table_access_method": "heap",
    }
    version = connection.info.server_version
    if version >= 140000:
        settings["idle_session_timeout"] = "0"
    if version >= 170000:
        settings["transaction_timeout"] = "0"
    connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()).encode())
    for kind in _TEXT_TYPES:
        connection.adapters.register_loader(kind, AnyText)
