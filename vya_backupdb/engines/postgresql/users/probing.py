"""Which settings of roles a server would refuse: it is asked by making them, and all is rolled back.

No catalog tells: whether a setting is known at all is hidden from who may not read it, whether its value is
taken is up to code (`lc_messages`, settings of extensions), and names with a dot are a superuser's affair.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import psycopg

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.failures import one_line
from vya_backupdb.engines.postgresql.users.writing import setting_statement

Setting = tuple[str, tuple[str, ...]]
"""(name, values)."""

_ABOUT_ROLES: Final = frozenset({"role", "session_authorization"})
"""Their values are roles, which may still have to be made."""

_TOGETHER: Final = 100
"""So many are tried at once; one by one only where one of them is refused."""

_CANNOT_CHANGE: Final = "55P02"
"""cant_change_runtime_param, for the driver an OperationalError as the loss of the connection is one."""


def refusals(
    connection: Connection, account: str, settings: Collection[Setting], *, lock_wait: int
) -> Mapping[Setting, str]:
    """Say of each setting that the server does not take from this connection why it does not.

    They are tried on the role `account`, which any account may do with its own. `lock_wait`: milliseconds.
    """
    asked = sorted(one for one in set(settings) if one[0].lower() not in _ABOUT_ROLES)
    first = {name: (name, values) for name, values in reversed(asked)}
    found = _refused(connection, account, list(first.values()), lock_wait)
    names = {name: why for (name, _), (why, whole) in found.items() if whole}
    rest = [one for one in asked if one[0] not in names and one != first[one[0]]]
    found |= _refused(connection, account, rest, lock_wait)
    reasons = {one: why for one, (why, _) in found.items()}
    return {one: why for one in asked if (why := names.get(one[0]) or reasons.get(one))}


def _refused(
    connection: Connection, account: str, settings: Sequence[Setting], lock_wait: int
) -> dict[Setting, tuple[str, bool]]:
    """Give those that are refused: why, and whether any other value would be too."""
    found: dict[Setting, tuple[str, bool]] = {}
    for start in range(0, len(settings), _TOGETHER):
        together = settings[start : start + _TOGETHER]
        if _refusal(connection, account, together, lock_wait) is None:
            continue
        for one in together:
            if (error := _refusal(connection, account, [one], lock_wait)) is not None:
                whole = isinstance(
                    error, psycopg.errors.UndefinedObject | psycopg.errors.InsufficientPrivilege
                )
                found[one] = _reason(connection, error), whole
    return found


def _refusal(
    connection: Connection, account: str, settings: Sequence[Setting], lock_wait: int
) -> psycopg.Error | None:
    statements = [setting_statement(account, name, values) for name, values in settings]
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(b"SET LOCAL lock_timeout = %d" % lock_wait)
            connection.execute(b"; ".join(statements))
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate != _CANNOT_CHANGE:
            raise
        return error
    return None


def _reason(connection: Connection, error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.UndefinedObject):
        return f"PostgreSQL {connection.info.server_version // 10000} does not know it"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "only a superuser may make it"
    return one_line(error.diag.message_primary or str(error))
