"""Reading the statements that make accounts and grant them something: what is dumped, and SHOW GRANTS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, Literal

from vya_backupdb.engines.mysql.users.definition import NEW_ROLE, PUBLIC, Definition, Factor, Name
from vya_backupdb.engines.mysql.users.rights import GrantOfRight, Place, Privilege, Right
from vya_backupdb.engines.mysql.users.source import SourceAccount
from vya_backupdb.engines.mysql.users.words import UnknownStatementError, Words
from vya_backupdb.model import Account

_TLS: Final = ("SUBJECT", "ISSUER", "CIPHER")
_LIMITS: Final = frozenset(
    {
        "MAX_QUERIES_PER_HOUR",
        "MAX_UPDATES_PER_HOUR",
        "MAX_CONNECTIONS_PER_HOUR",
        "MAX_USER_CONNECTIONS",
        "MAX_STATEMENT_TIME",
    }
)
_KINDS: Final = frozenset({"", "TABLE", "PROCEDURE", "FUNCTION", "PACKAGE", "PACKAGE BODY", "LIBRARY"})
"""What privileges may be about, as it stands before the name."""


def account_of(account: Account) -> tuple[Name, Definition]:
    """Give what makes an account. Raises UnknownStatementError."""
    if isinstance(account, SourceAccount) and account.definition is not None:
        return Name(account.name, account.host), account.definition
    return made_by(account.create)


def made_by(statements: Iterable[bytes]) -> tuple[Name, Definition]:
    """Read the statements that make one account. Raises UnknownStatementError."""
    name, definition = Name(PUBLIC, None), NEW_ROLE
    for statement in statements:
        name, definition = definition_in(statement, definition)
    return name, definition


def definition_in(statement: bytes, before: Definition) -> tuple[Name, Definition]:
    """Read a CREATE USER, a CREATE ROLE, or an ALTER USER of what was made before it."""
    words = Words(statement)
    is_new = words.take("CREATE")
    if is_new and words.take("ROLE"):
        before = NEW_ROLE
    elif (is_new or words.take("ALTER")) and words.take("USER"):
        before = Definition() if is_new else before
    else:
        raise UnknownStatementError
    name = words.account()
    told: dict[str, Any] = {}
    while not words.at_end():
        told.update(_clause(words))
    return name, replace(before, **told)


def _clause(words: Words) -> dict[str, object]:
    if words.take("IDENTIFIED"):
        return _factors(words)
    if words.take("REQUIRE"):
        return {"tls": tuple(_tls(words))}
    if words.take("WITH"):
        return {"limits": tuple(sorted(_limits(words)))}
    if words.take("PASSWORD"):
        return _password(words)
    if words.take("ACCOUNT"):
        return {"locked": words.one_of("LOCK", "UNLOCK") == "LOCK"}
    if words.take("FAILED_LOGIN_ATTEMPTS"):
        return {"failed_attempts": words.number()}
    if words.take("PASSWORD_LOCK_TIME"):
        return {"lock_days": -1 if words.take("UNBOUNDED") else words.number()}
    words.expect("ATTRIBUTE")
    return {"attribute": words.string()}


def _factors(words: Words) -> dict[str, object]:
    if words.take("VIA"):
        found = [Factor(words.name(), words.string() if words.take("USING") else "")]
        while words.take("OR"):
            found.append(Factor(words.name(), words.string() if words.take("USING") else ""))
        return {"factors": tuple(found), "alternatives": len(found) > 1}
    found = []
    while True:
        words.expect("WITH")
        found.append(Factor(words.string(), words.string() if words.take("AS") else ""))
        if not words.take("AND"):
            return {"factors": tuple(found)}
        words.expect("IDENTIFIED")


def _tls(words: Words) -> Iterator[tuple[str, str]]:
    if words.take("NONE"):
        return
    for key in ("SSL", "X509"):
        if words.take(key):
            yield key, ""
    for key in _TLS:
        if words.take(key):
            yield key, words.string()


def _limits(words: Words) -> Iterator[tuple[str, str]]:
    while words.word() in _LIMITS:
        key = words.next_word()
        yield key, limit(words.decimal())


def limit(value: str) -> str:
    """Give a limit without needless zeros: seconds may have decimals."""
    return value.rstrip("0").rstrip(".") if "." in value else value


def _password(words: Words) -> dict[str, object]:
    if words.take("EXPIRE"):
        if words.take("NEVER"):
            return {"lifetime": 0, "expired": False}
        if words.take("INTERVAL"):
            days = words.number()
            words.expect("DAY")
            return {"lifetime": days, "expired": False}
        return {"expired": True}
    if words.take("HISTORY"):
        return {"history": words.number()}
    if words.take("REUSE"):
        words.expect("INTERVAL")
        days = words.number()
        words.expect("DAY")
        return {"reuse_interval": days}
    words.expect("REQUIRE")
    words.expect("CURRENT")
    return {"require_current": not words.take("OPTIONAL")}


# ---------------------------------------------------------------------------- grants


def rights_in(statement: bytes) -> tuple[Name, tuple[Right, ...]]:
    """Read a GRANT, REVOKE or SET DEFAULT ROLE of a dump: to whom, and what.

    Raises UnknownStatementError.
    """
    words = Words(statement)
    grantee, rights, option = _rights(words)
    if option and words.take("WITH"):
        words.expect(option)
        words.expect("OPTION")
        rights = tuple(replace(right, option=True) for right in rights)
    if not words.at_end():
        raise UnknownStatementError
    return grantee, rights


def rights_of(account: Account) -> Iterator[Right]:
    """Give what an account is granted, as its statements say it. Raises UnknownStatementError."""
    for grant in account.grants:
        if isinstance(grant, GrantOfRight):
            yield grant.right
        else:
            yield from rights_in(grant.statement)[1]


def rights_told(line: bytes) -> tuple[Name, tuple[Right, ...]]:
    """Read a line of SHOW GRANTS as `rights_in` does.

    What MariaDB says there of passwords, TLS and limits is passed over.
    """
    words = Words(line)
    grantee, rights, option = _rights(words)
    if option and words.has(option, "OPTION"):
        rights = tuple(replace(right, option=True) for right in rights)
    return grantee, rights


def _rights(words: Words) -> tuple[Name, tuple[Right, ...], str]:
    """Read up to the grantee; the last is the word of the option that may follow."""
    if words.take("SET"):
        words.expect("DEFAULT")
        words.expect("ROLE")
        names = tuple(sorted(words.accounts()))
        words.one_of("TO", "FOR")
        return words.account(), (Right("default", accounts=names),), ""
    verb = words.one_of("GRANT", "REVOKE")
    if words.is_name() and verb == "GRANT":
        roles = list(words.accounts())
        words.expect("TO")
        return words.account(), tuple(Right("role", accounts=(role,)) for role in roles), "ADMIN"
    if verb == "GRANT" and words.take("PROXY"):
        words.expect("ON")
        proxied = words.account()
        words.expect("TO")
        return words.account(), (Right("proxy", accounts=(proxied,)),), "GRANT"
    privileges = frozenset(_privileges(words))
    place = _place(words)
    words.expect("TO" if verb == "GRANT" else "FROM")
    kind: Literal["privileges", "revoked"] = "privileges" if verb == "GRANT" else "revoked"
    return words.account(), (Right(kind, place, privileges),), "GRANT"


def _privileges(words: Words) -> Iterator[Privilege]:
    while True:
        name = [words.next_word()]
        while words.word() not in ("", "ON"):
            name.append(words.next_word())
        if words.sign("("):
            yield " ".join(name), words.name()
            while words.sign(","):
                yield " ".join(name), words.name()
            words.expect_sign(")")
        else:
            yield " ".join(name), ""
        if not words.sign(","):
            words.expect("ON")
            return


def _place(words: Words) -> Place:
    kind = []
    while words.word():
        kind.append(words.next_word())
    if " ".join(kind) not in _KINDS:
        raise UnknownStatementError
    database = None if words.sign("*") else words.name()
    words.expect_sign(".")
    return Place(database, None if words.sign("*") else words.name(), " ".join(kind))
