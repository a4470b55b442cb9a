"""The accounts that a server has.

How an account logs in is read from the server's tables: SHOW CREATE USER of MySQL (9.7) does not escape what
REQUIRE compares with, and of a password that has expired it leaves out for how long it was valid. What an
account is granted is told by SHOW GRANTS, which knows the names of all privileges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vya_backupdb.engines.mysql.facts import is_mariadb, on
from vya_backupdb.engines.mysql.naming import few
from vya_backupdb.engines.mysql.queries import Queries, QueryError
from vya_backupdb.engines.mysql.users.definition import NEW_ROLE, Definition, Factor, Name
from vya_backupdb.engines.mysql.users.granted import Granted
from vya_backupdb.engines.mysql.users.parsing import limit, rights_told
from vya_backupdb.engines.mysql.users.rendering import creation
from vya_backupdb.engines.mysql.users.rights import Right, arranged, as_pattern, marks
from vya_backupdb.engines.mysql.users.words import UnknownStatementError
from vya_backupdb.errors import BackupError
from vya_backupdb.log import masked
from vya_backupdb.model import Account, Finding, ServerFacts, Severity

_LIMITS: Final = {
    "max_questions": "MAX_QUERIES_PER_HOUR",
    "max_updates": "MAX_UPDATES_PER_HOUR",
    "max_connections": "MAX_CONNECTIONS_PER_HOUR",
    "max_user_connections": "MAX_USER_CONNECTIONS",
    "max_statement_time": "MAX_STATEMENT_TIME",
}
_MYSQL: Final = {
    **{
        name: name
        for name in (
            *("user", "host", "plugin", "ssl_type", "ssl_cipher", "x509_issuer", "x509_subject"),
            *("max_questions", "max_updates", "max_connections", "max_user_connections", "account_locked"),
            *("password_expired", "password_lifetime", "password_reuse_history", "password_reuse_time"),
            "password_require_current",
        )
    },
    "secret": "HEX(authentication_string)",
    "metadata": "JSON_EXTRACT(user_attributes, '$.metadata')",
    "locking": "JSON_EXTRACT(user_attributes, '$.Password_locking')",
    "further": "JSON_EXTRACT(user_attributes, '$.multi_factor_authentication')",
    "retained": "JSON_CONTAINS_PATH(user_attributes, 'one', '$.additional_password')",
}
"""What is asked of mysql.user, and how."""
_ASKED: Final = f"SELECT {', '.join(_MYSQL.values())} FROM mysql.user ORDER BY user, host"  # noqa: S608
_NO_SUCH_GRANT: Final = 1141
"""ER_NONEXISTING_GRANT."""
_AT_ONCE: Final = 100
"""Accounts whose grants are asked for at once by SHOW GRANTS: one by one, most of the time is waiting.
Those of more accounts than that are read from the server's tables."""
_DEVICES: Final = frozenset({"requires_registration", "passwordless"})


@dataclass(frozen=True, slots=True)
class Found:
    """An account of the server, without its grants."""

    name: Name
    definition: Definition
    is_role: bool
    retains: bool = False
    """A second password, which the old one was, is valid too."""
    registers: bool = False
    """A device is registered for it."""

    @property
    def is_system(self) -> bool:
        """Whether it belongs to the server itself."""
        name = self.name.name
        return name in ("root", "mariadb.sys") or name.startswith("mysql.")


class Accounts:
    """What a server's tables say of its accounts."""

    def __init__(self, queries: Queries, facts: ServerFacts) -> None:
        self._queries = queries
        self._facts = facts
        self._default_roles: dict[Name, list[Name]] | None = None

    def all(self) -> list[Found]:
        """Give all accounts as they are now, roles first. Raises QueryError."""
        self._default_roles = None
        found = list(_mariadb(self._queries) if is_mariadb(self._facts) else _mysql(self._queries))
        return sorted(found, key=lambda account: not account.is_role)

    def with_rights(self, accounts: Sequence[Found]) -> Iterator[tuple[Found, tuple[Right, ...]]]:
        """Give accounts with what each is granted itself. Raises QueryError."""
        granted = Granted(self._queries, self._facts) if len(accounts) > _AT_ONCE else None
        for first in range(0, len(accounts), _AT_ONCE):
            some = accounts[first : first + _AT_ONCE]
            read = {found.name: granted.of(found.name) if granted else None for found in some}
            asked = [name for name, rights in read.items() if rights is None]
            told = dict(zip(asked, self._told(asked), strict=True)) if asked else {}
            for account in some:
                rights = read[account.name]
                if rights is None:
                    rights = self._in_lines(account.name, told[account.name])
                yield account, self._whole(account.name, rights)

    def _in_lines(self, name: Name, lines: Iterable[str]) -> list[Right]:
        found: list[Right] = []
        for line in lines:
            try:
                grantee, rights = rights_told(line.encode("utf-8", "surrogateescape"))
            except UnknownStatementError:
                raise BackupError(
                    f"{self._queries.instance.id}: a grant of {name.label} is not understood: {masked(line)}",
                    cure="leave it out (`users: {exclude: [...]}`), and report this line as a bug",
                ) from None
            if name.host is not None or grantee == name:  # of a role MariaDB tells also what its roles have
                found += rights
        return found

    def _whole(self, name: Name, found: list[Right]) -> tuple[Right, ...]:
        if on(self._facts, "partial_revokes"):
            found = [as_pattern(right) for right in found]
        if roles := self._defaults().get(name):
            found = [*found, Right("default", accounts=tuple(sorted(roles)))]
        return arranged(found)

    def _told(self, names: Sequence[Name]) -> list[list[str]]:
        """Give the lines of SHOW GRANTS of each; none for an account that was dropped meanwhile."""
        asked = [f"SHOW GRANTS FOR {name.sql}" for name in names]
        try:
            return [[str(line) for (line,) in rows] for rows in self._queries.rows_of_each(asked)]
        except QueryError as error:
            if error.code != _NO_SUCH_GRANT:
                raise
            if len(names) > 1:
                return [lines for name in names for lines in self._told([name])]
            self._look_for(names[0], error)
            return [[]]

    def _look_for(self, name: Name, error: QueryError) -> None:
        table = "global_priv" if is_mariadb(self._facts) else "user"
        asked = f"SELECT COUNT(*) FROM mysql.{table} WHERE user = %s AND host = %s"  # noqa: S608
        if self._queries.value(asked, name.name, name.host or ""):
            raise BackupError(
                f"{self._queries.instance.id}: {name.label} is in the server's tables and not in its memory",
                cure="FLUSH PRIVILEGES, which reads them anew (MariaDB: a name that ends in a blank?)",
            ) from error

    def _defaults(self) -> dict[Name, list[Name]]:
        """Give MySQL's default roles; MariaDB's are among the grants."""
        if self._default_roles is None:
            self._default_roles = {}
            if not is_mariadb(self._facts):
                for user, host, *role in self._queries.rows(
                    "SELECT user, host, default_role_user, default_role_host FROM mysql.default_roles"
                ):
                    self._default_roles.setdefault(Name(user, host), []).append(Name(*role))
        return self._default_roles

    def account(self, found: Found, rights: Sequence[Right]) -> Account:
        """Give it as the operations know it."""
        return made(found.name, found.definition, rights, self._facts, is_role=found.is_role)


def made(
    name: Name, definition: Definition, rights: Sequence[Right], facts: ServerFacts, *, is_role: bool
) -> Account:
    """Give an account as the operations know it, with the statements of such a server."""
    literal = on(facts, "partial_revokes")
    return Account(
        name.name,
        name.host,
        "role" if is_role else "user",
        creation(name, definition, facts.flavour),
        tuple(right.grant(name, literal=literal) for right in rights),
        definition.properties(),
        definition.secrets(),
        marks(rights),
    )


# ---------------------------------------------------------------------------- MySQL


def _mysql(queries: Queries) -> Iterator[Found]:
    roles = {Name(*row) for row in queries.rows("SELECT from_user, from_host FROM mysql.role_edges")}
    roles.update(mandatory_roles(queries))
    for values in queries.rows(_ASKED):
        row = dict(zip(_MYSQL, values, strict=True))
        name, definition = Name(row["user"], row["host"]), _definition(row)
        further = json.loads(row["further"] or "[]")
        yield Found(
            name,
            definition,
            is_role=definition.is_role or name in roles,
            retains=bool(row["retained"]),
            registers=any(factor.get(key) for factor in further for key in _DEVICES),
        )


def mandatory_roles(queries: Queries) -> list[Name]:
    """Give the roles that MySQL grants to everybody."""
    said = str(queries.value("SELECT @@GLOBAL.mandatory_roles") or "")
    if not said.strip():
        return []
    # It is a list as GRANT takes it, in which quotes may be left out.
    parts = [part.strip() for part in said.split(",")]
    names = []
    for part in parts:
        name, _, host = part.rpartition("@") if "@" in part else (part, "", "%")
        names.append(Name(name.strip("`'\" "), host.strip("`'\" ")))
    return names


def _definition(row: dict[str, Any]) -> Definition:
    further = json.loads(row["further"] or "[]")
    locking = json.loads(row["locking"] or "{}")
    first = Factor(row["plugin"], _text(bytes.fromhex(row["secret"] or "")))
    required = row["password_require_current"]
    return Definition(
        factors=(first, *(Factor(f["plugin"], f.get("authentication_string") or "") for f in further)),
        tls=_tls({"": 0, "ANY": 1, "X509": 2, "SPECIFIED": 3}[row["ssl_type"]], row),
        limits=_limits(row),
        expired=row["password_expired"] == "Y",  # noqa: S105
        lifetime=row["password_lifetime"],
        locked=row["account_locked"] == "Y",
        history=row["password_reuse_history"],
        reuse_interval=row["password_reuse_time"],
        require_current=None if required is None else required == "Y",
        failed_attempts=locking.get("failed_login_attempts", 0),
        lock_days=locking.get("password_lock_time_days", 0),
        attribute="" if row["metadata"] in (None, "{}") else row["metadata"],
    )


def _tls(kind: int, row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    if kind == 3:
        columns = {"SUBJECT": "x509_subject", "ISSUER": "x509_issuer", "CIPHER": "ssl_cipher"}
        told = ((key, _text(row.get(column))) for key, column in columns.items())
        return tuple((key, value) for key, value in told if value)
    return ((), (("SSL", ""),), (("X509", ""),))[kind]


def _limits(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    told = ((key, limit(str(row.get(column, 0)))) for column, key in _LIMITS.items())
    return tuple(sorted((key, value) for key, value in told if value != "0"))


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value or "")


# ---------------------------------------------------------------------------- MariaDB


def _mariadb(queries: Queries) -> Iterator[Found]:
    for user, host, said in queries.rows(
        "SELECT User, Host, Priv FROM mysql.global_priv ORDER BY User, Host"
    ):
        told: dict[str, Any] = json.loads(said, strict=False, parse_float=str)
        if told.get("is_role"):
            yield Found(Name(user, None), NEW_ROLE, is_role=True)
            continue
        first = _factor(told)
        either = told.get("auth_or") or [{}]
        factors = tuple(_factor(factor) if factor else first for factor in either)
        lifetime = told.get("password_lifetime", -1)
        yield Found(
            Name(user, host),
            Definition(
                factors=factors,
                alternatives=len(factors) > 1,
                tls=_tls(told.get("ssl_type", 0), told),
                limits=_limits(told),
                expired=told.get("password_last_changed") == 0,
                lifetime=None if lifetime < 0 else lifetime,
                locked=told.get("account_locked", False),
            ),
            is_role=False,
        )


def _factor(told: dict[str, Any]) -> Factor:
    return Factor(told.get("plugin") or "mysql_native_password", told.get("authentication_string") or "")


# ---------------------------------------------------------------------------- what cannot be taken along


def notes(queries: Queries, facts: ServerFacts, accounts: Iterable[Found]) -> Iterator[Finding]:
    """Say what of these accounts no statement can make again."""
    chosen = list(accounts)

    def warn(what: str, cure: str | None, holds: Callable[[Found], bool]) -> Iterator[Finding]:
        labels = [account.name.label for account in chosen if holds(account)]
        if labels:
            yield Finding(Severity.WARNING, what, few(labels), cure)

    yield from warn(
        "the second password that is still valid is not in the backup",
        "discard it where it is not needed any more (ALTER USER ... DISCARD OLD PASSWORD)",
        lambda account: account.retains,
    )
    yield from warn(
        "the devices that are registered are not in the backup",
        "register them again after a restore",
        lambda account: account.registers,
    )
    yield from warn(
        "the age of passwords begins anew with a restore",
        None,
        lambda account: bool(account.definition.lifetime),
    )
    if is_mariadb(facts):
        return
    with_history = {
        Name(*row) for row in queries.rows("SELECT DISTINCT user, host FROM mysql.password_history")
    }
    yield from warn(
        "the former passwords that may not be used again are not in the backup",
        None,
        lambda account: account.name in with_history,
    )
    if roles := mandatory_roles(queries):
        told = few(role.sql for role in roles)
        yield Finding(
            Severity.WARNING,
            f"everybody has the roles of mandatory_roles, which is a setting of the server: {told}",
            cure="set mandatory_roles on the target as well",
        )
    if on(facts, "partial_revokes"):
        yield Finding(
            Severity.WARNING,
            "partial_revokes is on: global grants may leave databases out, whose names are no patterns",
            cure="set partial_revokes on the target as well",
        )
