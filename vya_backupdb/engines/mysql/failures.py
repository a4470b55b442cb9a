"""What goes wrong with a connection to MySQL or MariaDB, said for people."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from typing import Final

import pymysql
from pymysql.constants import CR

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.errors import ConnectionFailed, NoAnswer

DEFAULT_HOST: Final = "localhost"
DEFAULT_PORT: Final = 3306

PATIENCE: Final = 10.0
"""Seconds for the TCP connection, and for each packet of the handshake."""

GARBLED: Final = (struct.error, ValueError, LookupError, TypeError, AttributeError)
"""What PyMySQL raises for bytes that are no greeting of a MySQL server."""

_LOST: Final = frozenset(
    {0, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, CR.CR_MALFORMED_PACKET, 1053, 1927, 3169, 4031}
)
"""Codes after which a connection is of no use: gone, lost, garbled, server shutdown (1053), killed (1927 on
MariaDB, 3169 on MySQL), ended for idleness (4031)."""

_LONGEST: Final = 2000
"""Characters of a message: it may quote a statement."""


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone with this error."""
    if isinstance(error, pymysql.err.Error):
        return code_of(error) in _LOST or isinstance(error, pymysql.err.InterfaceError)
    return isinstance(error, OSError)


def code_of(error: BaseException) -> int:
    """Give the server's or client's error number; -1 where there is none."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, int) else -1


def message_of(error: BaseException) -> str:
    """Give the message of an error with its number, on one line and without control characters."""
    said = str(error.args[-1]) if error.args else str(error)
    if len(said) > _LONGEST:
        said = said[:_LONGEST] + " ..."
    said = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", said).strip()
    code = code_of(error)
    return f"{said} ({code})" if code > 0 else said


_ASK_DBA: Final = "let the server's administrator mend the account"

_REASONS: Final[dict[int, tuple[str, str]]] = {
    1040: ("the server has too many connections", "try again later, or raise max_connections"),
    1044: ("the account may not use the database", "grant it a privilege on the database"),
    1045: (
        "access denied",
        "check user name and password (credentials set), and that the account may log in from this host, "
        "without TLS or with the TLS that is configured",
    ),
    1049: ("the database does not exist", "check its name"),
    1129: ("the server blocks this host after many failed connections", "FLUSH HOSTS on the server"),
    1130: (
        "this host is not allowed to connect",
        "let the server's administrator create the account for this host",
    ),
    1203: ("the account has too many connections", "try again later, or raise max_user_connections"),
    1226: ("the account has used up a resource limit", "try again later, or raise the limit of the account"),
    1251: ("the server asks for an outdated authentication protocol", _ASK_DBA),
    1698: (
        "access denied: the account logs in by the name of the operating system's user",
        "use the socket, run as that user, or create another account",
    ),
    1820: ("the account's password has expired", "set a new password"),
    1862: ("the account's password has expired", "set a new password"),
    3032: ("the server is in offline mode", "try again later"),
    3118: ("the account is locked", _ASK_DBA),
    3159: (
        "the server takes only connections with TLS",
        "set tls: {mode: require} for the instance",
    ),
    4031: ("the server closed the connection for idleness", "try again"),
    4151: ("the account is locked", _ASK_DBA),
    CR.CR_SSL_CONNECTION_ERROR: (
        "the server offers no TLS",
        "enable it on the server, or set tls: {mode: disable}",
    ),
}


def address(instance: Instance) -> str:
    """Give where an instance is reached, as a person would write it."""
    if instance.socket is not None:
        return str(instance.socket)
    return f"{instance.host or DEFAULT_HOST}:{instance.port or DEFAULT_PORT}"


def connection_failed(
    instance: Instance, credential: Credential, error: BaseException, *, database: str | None = None
) -> ConnectionFailed:
    """Turn what went wrong with a connection into one line for people; it never holds the password."""
    what, cure = _explain(instance, credential, error, database)
    kind = NoAnswer if _is_timeout(error) else ConnectionFailed
    return kind(f"{instance.id}: {address(instance)}: {what}", cure=cure)


def _is_timeout(error: BaseException | None) -> bool:
    """Whether it comes of waiting for too long; PyMySQL wraps that."""
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__ or error.__context__
    return error is not None


def _explain(
    instance: Instance, credential: Credential, error: BaseException, database: str | None
) -> tuple[str, str]:
    code = code_of(error)
    if code == CR.CR_CONN_HOST_ERROR:
        # PyMySQL wraps what the socket said.
        error = getattr(error, "original_exception", error)
    if isinstance(error, OSError):
        return _explain_network(instance, error)
    if code == CR.CR_AUTH_PLUGIN_CANNOT_LOAD:
        named = re.search(r"plugin '(?:b')?(\w+)", str(error))
        plugin = named.group(1) if named else "unknown"
        return (
            f"the authentication plugin {plugin} of {credential.username!r} is not supported",
            "let the account use caching_sha2_password, mysql_native_password, ed25519 or a socket login",
        )
    if code in _REASONS:
        reason, cure = _REASONS[code]
        subject = f" ({database})" if database and code in (1044, 1049) else f" ({credential.username!r})"
        return f"{reason}{subject}: {message_of(error)}", cure
    if isinstance(error, RuntimeError):
        return (
            f"the authentication plugin of {credential.username!r} needs a Python package: {error}",
            "install vya-backupdb with the extra ed25519",
        )
    if code in (CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR):
        return f"the connection was lost: {message_of(error)}", "look into the server's log, then try again"
    if isinstance(error, (pymysql.err.InternalError, *GARBLED)):
        return "what answers does not speak the MySQL protocol", "check host and port"
    return message_of(error), "look into the server's log"


def _explain_network(instance: Instance, error: OSError) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"TLS: the server's certificate is not accepted: {error.verify_message}",
            "give the authority that signed it in tls.ca and connect by a name that the certificate holds",
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS failed: {error.reason or error}",
            "check the TLS versions and the certificates of both sides, or set tls: {mode: disable}",
        )
    if isinstance(error, socket.gaierror):
        return f"the host name is unknown: {error.strerror}", "check host, or the machine's name resolution"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused", "check that the server runs and listens there"
    if isinstance(error, FileNotFoundError) and instance.socket:
        return "there is no such socket", "check that the server runs, and the path"
    if isinstance(error, PermissionError):
        return "permission denied", "run as a user who may use the socket"
    if isinstance(error, TimeoutError):
        return (
            f"no answer within {PATIENCE:.0f} seconds",
            "check host and port, firewalls, and that the server is not frozen",
        )
    return f"unreachable: {error.strerror or error}", "check host and port, and the network"
