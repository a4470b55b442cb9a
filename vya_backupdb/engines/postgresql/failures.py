"""What went wrong at a server, said in one line: why a login failed, and what the server said.

libpq tells a failed login only as text (psycopg gives no SQLSTATE for it), and the server's part of it may
be translated (`lc_messages`): what is not recognised is passed on as the server said it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import psycopg

from vya_backupdb.errors import ConnectionFailed, NoAnswer

TIMEOUT_MARK: Final = "connection timeout expired"

_LONGEST = 600


@dataclass(frozen=True, slots=True)
class _Cause:
    pattern: str
    meaning: str
    cure: str
    quote: bool = False
    """Whether the server's own words say more than the meaning does."""


_SET = "vya-backupdb credentials set {instance}"
_CAUSES: Final = (
    _Cause(TIMEOUT_MARK, "no answer in time", "check host and port, and the firewalls in between"),
    _Cause(
        r"Connection refused",
        "nothing listens there",
        "check host and port, whether the server runs, and its listen_addresses",
    ),
    _Cause(
        r"^(.*socket.*)?No such file or directory",
        "no server's socket is there",
        "check socket and port, and whether the server runs (its unix_socket_directories)",
    ),
    _Cause(
        r"could not translate host name|Name or service not known|Temporary failure in name resolution",
        "the host name is not known",
        "check host, or this machine's DNS",
    ),
    _Cause(
        r"No route to host|Network is unreachable|Host is (unreachable|down)|Connection timed out",
        "the host cannot be reached",
        "check host, and the network in between",
    ),
    _Cause(
        r"Permission denied", "the socket may not be opened", "run as a user who may, or use host and port"
    ),
    _Cause(
        r"no password supplied|empty password",
        "the server asks {user!r} for a password and none is stored",
        f"store it: {_SET}",
    ),
    _Cause(
        r"password authentication failed",
        "the password of {user!r} is wrong, or there is no such role",
        f"store the right one: {_SET}",
    ),
    _Cause(
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "the server's pg_hba.conf does not let {user!r} in to database {database!r} from here",
        "add a line for it to pg_hba.conf and reload, or change tls, host or the account",
        quote=True,
    ),
    _Cause(
        r"(?i)(peer|ident|certificate|LDAP|PAM|RADIUS|BSD|OAuth) authentication failed",
        "the server does not take this login for {user!r}",
        "run as the system user, or with the certificate, that pg_hba.conf and pg_ident.conf ask for",
        quote=True,
    ),
    _Cause(
        r'database ".*" does not exist',
        "there is no database {database!r}",
        "check the name; maintenance_database in the configuration says where lists are read",
    ),
    _Cause(
        r'role ".*" does not exist',
        "there is no role {user!r}",
        f"create it, or store another account: {_SET}",
    ),
    _Cause(
        r"is not permitted to log in",
        "the role {user!r} may not log in",
        "ALTER ROLE ... LOGIN, or another account",
    ),
    _Cause(
        r"permission denied for database",
        "{user!r} may not connect to database {database!r}",
        "GRANT CONNECT ON DATABASE ... TO ...",
    ),
    _Cause(
        r"too many (clients|connections)|remaining connection slots",
        "the server has no connection free",
        "raise max_connections, or the limit of the role or database, or try again later",
        quote=True,
    ),
    _Cause(
        r"the database system is (starting up|shutting down|in recovery mode|not (yet )?accepting)",
        "the server takes no connections at the moment",
        "wait until it is up, then try again",
        quote=True,
    ),
    _Cause(
        r"not currently accepting connections|cannot connect to invalid database",
        "database {database!r} takes no connections",
        "ALTER DATABASE ... ALLOW_CONNECTIONS true; an invalid one can only be dropped",
        quote=True,
    ),
    _Cause(
        r"requested a cleartext password",
        "the server asks for the password of {user!r} readable, and the connection need not be encrypted",
        "set tls: {{mode: require}} for the instance, or let pg_hba.conf ask for scram-sha-256",
    ),
    _Cause(
        r"authentication method \S+ (is )?not supported|SASL authentication mechanism|"
        r"authentication method requirement|GSSAPI|SSPI|Kerberos|OAUTHBEARER",
        "the server asks for a way of authentication that is not supported here",
        "let pg_hba.conf ask for scram-sha-256, peer or cert",
        quote=True,
    ),
    _Cause(
        r"SSL|TLS|certificate|private key file",
        "TLS failed",
        "check tls.mode, ca, cert and key in the configuration, and the server's certificate",
        quote=True,
    ),
    _Cause(
        r"server closed the connection|Connection reset|could not receive data|EOF detected",
        "the connection was closed while logging in",
        "is that a PostgreSQL server? Look at its log",
        quote=True,
    ),
)
_OTHER = _Cause("", "the login failed", "look at the server's log", quote=True)


def connection_failed(text: str, *, instance: str, where: str, user: str, database: str) -> ConnectionFailed:
    """Turn libpq's words for a failed login into the error."""
    said = _reason(text)
    cause = next((cause for cause in _CAUSES if re.search(cause.pattern, said)), _OTHER)
    meaning = cause.meaning.format(user=user, database=database)
    if cause.quote and said:
        meaning += f" ({said})"
    kind = NoAnswer if re.search(rf"{TIMEOUT_MARK}|timed out", said) else ConnectionFailed
    return kind(f"{instance} ({where}): {meaning}", cure=cause.cure.format(instance=instance))


def _reason(text: str) -> str:
    """Give the sentence that matters: of the last attempt, without the address and the severity."""
    first = text.split("Multiple connection attempts failed", 1)[0]
    reasons = [
        part.rpartition(" failed: ")[2] if " failed: " in part else part for part in first.splitlines()
    ]
    fatal = [part for part in reasons if "FATAL" in part]
    chosen = (fatal or [part for part in reasons if part.strip()] or [""])[0]
    return one_line(re.sub(r"^\s*(connection failed:\s*)?(FATAL:\s*)?", "", chosen))


def one_line(text: str) -> str:
    """Give the text in one line of bounded length that does nothing to a terminal."""
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(
            c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
        )
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def server_says(error: psycopg.Error) -> str:
    """Give the server's message with its detail, hint and context, in one line."""
    told = error.diag
    if not told.message_primary:
        return one_line(str(error))
    parts = [told.message_primary]
    parts += [
        f"{name}: {value}"
        for name, value in (
            ("detail", told.message_detail),
            ("hint", told.message_hint),
            ("context", told.context),
        )
        if value
    ]
    return one_line("; ".join(parts))
