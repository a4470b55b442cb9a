"""Opening a connection to MySQL or MariaDB."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pymysql
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import CLIENT, COMMAND, CR
from pymysql.cursors import Cursor

from vya_backupdb.config.models import Instance, Tls
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.failures import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    GARBLED,
    PATIENCE,
    connection_failed,
)
from vya_backupdb.errors import ConfigurationError

_WRITE_TIMEOUT: Final = 300.0
"""Seconds that a server may take no byte of a statement while it holds the connection open."""

_SEVERAL_STATEMENTS_ON: Final = b"\0\0"
_SEVERAL_STATEMENTS_OFF: Final = b"\1\0"
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 8))
"""A peer whose machine is gone is noticed after three minutes, also while a statement runs for hours."""


if TYPE_CHECKING:
    _Connection = Connection[Cursor]
else:
    _Connection = Connection  # generic in its stubs only


class Wire(_Connection):
    """A PyMySQL connection over a socket of our own, whose patience changes after the handshake."""

    _read_timeout: float | None
    _result: MySQLResult | None
    _execute_command: Callable[[int, bytes], None]
    server_capabilities: int
    _auth_plugin_name: str

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asked_plugin: str | None = None
        self._spare: socket.socket | None = None

    def connect_over(self, channel: socket.socket, read_timeout: float) -> None:
        """Shake hands over an open socket, and from then on wait `read_timeout` seconds for an answer."""
        self._spare = channel.dup()
        # PyMySQL knows it of sockets that it opens itself; a server sends no key over one of these, but takes
        # the password, which it needs where it has not seen the account since it was started
        self._secure = channel.family == socket.AF_UNIX
        try:
            self.connect(channel)
        except BaseException:
            self.release()
            raise
        self._read_timeout = read_timeout

    @contextmanager
    def several_statements(self) -> Iterator[None]:
        """Take several statements in one text, which is off otherwise (COM_SET_OPTION)."""
        self._set_option(_SEVERAL_STATEMENTS_ON)
        try:
            yield
        finally:
            if self.open:
                self._set_option(_SEVERAL_STATEMENTS_OFF)

    def _set_option(self, option: bytes) -> None:
        self._execute_command(COMMAND.COM_SET_OPTION, option)
        self._read_packet()  # type: ignore[no-untyped-call]  # so in the stubs of PyMySQL

    def warning_count(self) -> int:
        """Give the number of warnings of the last statement."""
        return self._result.warning_count if self._result is not None else 0

    def offers_tls(self) -> bool:
        """Whether the server can do TLS, used or not."""
        return bool(self.server_capabilities & CLIENT.SSL)

    @property
    def login_plugin(self) -> str:
        """The authentication plugin with which the account logged in."""
        return self._asked_plugin or self._auth_plugin_name

    def _process_auth(self, plugin_name: bytes, auth_packet: Any, handler: Any = None) -> Any:
        self._asked_plugin = plugin_name.decode("ascii", "replace")
        return super()._process_auth(plugin_name, auth_packet, handler)  # type: ignore[misc]  # not in the stubs

    def _read_query_result(self, unbuffered: bool = False) -> int:
        try:
            return super()._read_query_result(unbuffered)  # type: ignore[misc,no-any-return]
        except (AssertionError, RuntimeError, *GARBLED) as error:
            # PyMySQL says so (RuntimeError) where a server asks for a file of this machine
            self._force_close()  # type: ignore[attr-defined]
            raise pymysql.err.OperationalError(
                CR.CR_MALFORMED_PACKET, "what answers does not keep to the MySQL protocol"
            ) from error

    def cut(self) -> None:
        """End the connection from another thread, whatever it is doing: its next read or write fails."""
        spare = self._spare
        if spare is not None:
            try:
                spare.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The peer was faster.
                return

    def release(self) -> None:
        """Close the connection; never raises."""
        if self.open:
            self.close()
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()


def open_wire(
    instance: Instance,
    credential: Credential,
    *,
    read_timeout: float,
    database: str | None = None,
    patience: float = PATIENCE,
) -> Wire:
    """Connect and log in. Nothing but the arguments decides how: no option file, no environment variable.

    Raises ConnectionFailed with one line that names instance, address and reason, and what to do;
    ConfigurationError where a TLS file cannot be read.
    """
    tls: dict[str, Any] = {}
    if instance.tls is None:
        # PyMySQL's default is TLS where the server offers it; a local socket needs none.
        tls["ssl_disabled"] = instance.socket is not None
    elif instance.tls.mode == "disable":
        tls["ssl_disabled"] = True
    else:
        tls["ssl"] = _tls_context(instance.id, instance.tls)
    password = credential.password.get_secret_value() if credential.password else ""
    wire = Wire(
        host=instance.host or DEFAULT_HOST,
        port=instance.port or DEFAULT_PORT,
        user=credential.username,
        password=password.encode(),  # PyMySQL would encode a str as Latin-1
        database=database,
        charset="utf8mb4",
        autocommit=None,
        read_timeout=patience,
        write_timeout=_WRITE_TIMEOUT,
        auth_plugin_map=_REFUSED_PLUGINS,
        defer_connect=True,
        **tls,
    )
    try:
        wire.connect_over(_channel(instance, patience), read_timeout)
    except (pymysql.err.Error, OSError, RuntimeError, *GARBLED) as error:
        raise connection_failed(instance, credential, error, database=database) from error
    return wire


def _channel(instance: Instance, patience: float) -> socket.socket:
    if instance.socket is not None:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            channel.settimeout(patience)
            channel.connect(str(instance.socket))
        except BaseException:
            channel.close()
            raise
        return channel
    place = (instance.host or DEFAULT_HOST, instance.port or DEFAULT_PORT)
    channel = socket.create_connection(place, timeout=patience)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in _KEEPALIVE:
        channel.setsockopt(socket.IPPROTO_TCP, option, seconds)
    return channel


# ---------------------------------------------------------------------------- TLS


def _tls_context(instance_id: str, tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificates that MySQL makes for itself do not pass the strict check (default from Python 3.13).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = tls.mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if tls.mode in ("verify-ca", "verify-full") else ssl.CERT_NONE
    if context.verify_mode is ssl.CERT_REQUIRED:
        if tls.ca is None:
            context.load_default_certs()
        else:
            _load(instance_id, "tls.ca", tls.ca, lambda: context.load_verify_locations(cafile=tls.ca))
    if tls.cert is not None:
        certificate = tls.cert
        _load(instance_id, "tls.cert", certificate, lambda: context.load_cert_chain(certificate, tls.key, ""))
    return context


def _load(instance_id: str, key: str, path: Path, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{instance_id}: {key}: {path}: {error.args[-1] if error.args else error}",
            cure="it must be a readable PEM file; a private key has no passphrase and fits its certificate",
        ) from error


# ---------------------------------------------------------------------------- authentication plugins


class _Refused:
    """Stands for an authentication plugin that would send the password readable to whoever asks for it."""

    def __init__(self, plugin: str, connection: Connection[Any]) -> None:
        self._plugin = plugin

    def authenticate(self, packet: object) -> None:
        raise pymysql.err.OperationalError(
            CR.CR_AUTH_PLUGIN_CANNOT_LOAD, f"Authentication plugin '{self._plugin}' not configured"
        )


_REFUSED_PLUGINS: Final = {
    plugin: partial(_Refused, plugin) for plugin in ("mysql_clear_password", "dialog", "mysql_old_password")
}
