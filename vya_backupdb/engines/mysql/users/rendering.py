"""The statements that make and change accounts, for one flavour."""

from __future__ import annotations

import json
from typing import Final

from vya_backupdb.engines.mysql.quoting import identifier, text
from vya_backupdb.engines.mysql.users.definition import PUBLIC, Definition, Factor, Name
from vya_backupdb.model import Flavour

_LIMITS: Final = (
    "MAX_QUERIES_PER_HOUR",
    "MAX_UPDATES_PER_HOUR",
    "MAX_CONNECTIONS_PER_HOUR",
    "MAX_USER_CONNECTIONS",
)


def creation(name: Name, definition: Definition, flavour: Flavour) -> tuple[bytes, ...]:
    """Give the statements that make an account."""
    if name.host is None:
        # Nobody makes PUBLIC: it is there.
        return () if name.name == PUBLIC else (f"CREATE ROLE {name.sql}".encode(),)
    if flavour == "mysql" and definition.is_role:
        return (f"CREATE ROLE {name.sql}".encode(),)
    clauses = [f"CREATE USER {name.sql}", _identified(definition, flavour)]
    if definition.tls:
        clauses.append(_require(definition))
    if definition.limits:
        clauses.append("WITH " + " ".join(f"{key} {value}" for key, value in definition.limits))
    clauses += _state(definition)
    made = [" ".join(filter(None, clauses))]
    if definition.expired and definition.lifetime is not None:
        made.append(f"ALTER USER {name.sql} PASSWORD EXPIRE")
    return tuple(statement.encode("utf-8", "surrogateescape") for statement in made)


def alteration(name: Name, wanted: Definition, present: Definition, flavour: Flavour) -> tuple[bytes, ...]:
    """Give the statements that turn one definition of an account into another."""
    if name.host is None or wanted == present:
        return ()
    altered = f"ALTER USER {name.sql}"
    made: list[str] = []
    if len(present.factors) > 1 and flavour == "mysql" and wanted.factors[1:] != present.factors[1:]:
        numbers = range(len(present.factors), 1, -1)
        made += [f"{altered} DROP {number} FACTOR" for number in numbers]
    clauses = [altered]
    # A new password is no longer expired; nothing else takes that back.
    first = slice(None) if flavour == "mariadb" else slice(1)
    if wanted.factors[first] != present.factors[first] or (present.expired and not wanted.expired):
        clauses.append(_identified(wanted, flavour, first=True))
    if flavour == "mysql" and present.lifetime and wanted.lifetime is None:
        # Else 9.7 goes on saying the old number of days (SHOW CREATE USER) until FLUSH PRIVILEGES.
        made.append(f"{altered} PASSWORD EXPIRE NEVER")
    limits = dict(wanted.limits)
    names = [*_LIMITS, "MAX_STATEMENT_TIME"] if flavour == "mariadb" else _LIMITS
    clauses += [_require(wanted), "WITH " + " ".join(f"{key} {limits.get(key, 0)}" for key in names)]
    clauses += _state(wanted, present, flavour)
    made.append(" ".join(clauses))
    if flavour == "mysql" and wanted.factors[1:] != present.factors[1:]:
        made += [
            f"{altered} ADD {number} FACTOR {_with(factor)}"
            for number, factor in enumerate(wanted.factors[1:], 2)
        ]
    if wanted.attribute != present.attribute:
        # What is there is merged with what comes.
        members: dict[str, object] = json.loads(present.attribute or "{}")
        attributes = (json.dumps(dict.fromkeys(members)) if members else "", wanted.attribute)
        made += [f"{altered} ATTRIBUTE {text(attribute)}" for attribute in attributes if attribute]
    if wanted.expired:
        made.append(f"{altered} PASSWORD EXPIRE")
    return tuple(statement.encode("utf-8", "surrogateescape") for statement in made)


def _identified(definition: Definition, flavour: Flavour, *, first: bool = False) -> str:
    if flavour == "mariadb":
        via = " OR ".join(
            identifier(factor.plugin) + (f" USING {text(factor.secret)}" if factor.secret else "")
            for factor in definition.factors
        )
        return f"IDENTIFIED VIA {via}"
    factors = definition.factors[:1] if first else definition.factors
    return " AND ".join(_with(factor, cleared=first) for factor in factors)


def _with(factor: Factor, *, cleared: bool = False) -> str:
    """Give a factor as MySQL takes it. Without AS, ALTER USER would let the password expire at once."""
    secret = factor.secret.encode("utf-8", "surrogateescape").hex().upper()
    said = f" AS 0x{secret}" if secret else " AS ''" if cleared else ""
    return f"IDENTIFIED WITH {text(factor.plugin)}{said}"


def _require(definition: Definition) -> str:
    told = " ".join(f"{key} {text(value)}" if value else key for key, value in definition.tls)
    return f"REQUIRE {told or 'NONE'}"


def _state(
    wanted: Definition, present: Definition | None = None, flavour: Flavour | None = None
) -> list[str]:
    """Give the clauses about passwords and state; for a new account only those that it would not have."""
    alters = present is not None
    on_mysql = alters and flavour == "mysql"
    clauses = []
    if wanted.locked or alters:
        clauses.append(f"ACCOUNT {'LOCK' if wanted.locked else 'UNLOCK'}")
    if wanted.history is not None or on_mysql:
        clauses.append(f"PASSWORD HISTORY {_or_default(wanted.history)}")
    if wanted.reuse_interval is not None or on_mysql:
        days = "" if wanted.reuse_interval is None else " DAY"
        clauses.append(f"PASSWORD REUSE INTERVAL {_or_default(wanted.reuse_interval)}{days}")
    if wanted.require_current is not None or on_mysql:
        said = {None: " DEFAULT", True: "", False: " OPTIONAL"}[wanted.require_current]
        clauses.append(f"PASSWORD REQUIRE CURRENT{said}")
    if wanted.failed_attempts or wanted.lock_days or on_mysql:
        days = "UNBOUNDED" if wanted.lock_days < 0 else str(wanted.lock_days)
        clauses.append(f"FAILED_LOGIN_ATTEMPTS {wanted.failed_attempts} PASSWORD_LOCK_TIME {days}")
    if wanted.lifetime is not None:
        clauses.append(
            f"PASSWORD EXPIRE INTERVAL {wanted.lifetime} DAY" if wanted.lifetime else "PASSWORD EXPIRE NEVER"
        )
    elif alters:
        clauses.append("PASSWORD EXPIRE DEFAULT")
    elif wanted.expired:
        clauses.append("PASSWORD EXPIRE")
    if wanted.attribute and not alters:
        clauses.append(f"ATTRIBUTE {text(wanted.attribute)}")
    return clauses


def _or_default(value: int | None) -> str:
    return "DEFAULT" if value is None else str(value)
