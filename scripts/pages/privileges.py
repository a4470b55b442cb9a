"""docs/privileges.md: privileges.md beside this, with the lists that the preflight and `init` have, too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from vya_backupdb.engines.account import BackupAccount, LoginKind, Need
from vya_backupdb.engines.mysql import needed as of_mysql
from vya_backupdb.engines.mysql.quoting import text
from vya_backupdb.engines.mysql.restore.target import definers_privilege
from vya_backupdb.engines.postgresql import needed as of_postgresql
from vya_backupdb.model import Flavour

_NEWEST: Final = (999,)
_NAME: Final = "vya-backupdb"
_WHO: Final = f"{text(_NAME)}@'localhost'"
_ROLE: Final = of_postgresql.quoted(_NAME)
_LOGINS: Final[tuple[tuple[LoginKind, str], ...]] = (
    ("socket", "Without a password:"),
    ("password", "With a password:"),
)


def page() -> str:
    return (
        Path(__file__)
        .with_suffix(".md")
        .read_text()
        .format(
            mysql=_of_mysql("mysql"),
            mariadb=_of_mysql("mariadb"),
            postgresql=_of_postgresql(),
            role=_ROLE,
            connect=of_postgresql.connect("shop", _ROLE),
            reads_all=of_postgresql.READS_ALL,
            passwords=_sql([f"CREATE ROLE {_ROLE} LOGIN BYPASSRLS", of_postgresql.read_passwords(_ROLE)]),
            schema=_sql(of_postgresql.read_schema("public", _ROLE)),
            narrow=_sql(_narrow()),
            restore=_sql(_restore()),
            definers=_definers(),
            restore_postgresql=_sql(
                ["CREATE ROLE restore LOGIN CREATEDB PASSWORD <'password'>", "GRANT shop_owner TO restore"]
            ),
        )
    )


def _of_mysql(flavour: Flavour) -> str:
    made = ""
    for login, how in _LOGINS:
        account = of_mysql.backup_account(flavour, _NEWEST, _NAME, login=login, client="localhost")
        made += _made(how, account, account.remarks)
    needs = list(of_mysql.needed(flavour, _NEWEST))
    if of_replicas := of_mysql.source_positions(flavour, _NEWEST):
        needs.append(of_replicas)
    return made + _table(needs)


def _of_postgresql() -> str:
    made = ""
    for login, how in _LOGINS:
        account = of_postgresql.backup_account(_NAME, login=login, client="127.0.0.1")
        made += _made(how, account, account.remarks[:1])  # the others are in the text
    return made + _table(of_postgresql.NEEDED)


def _made(how: str, account: BackupAccount, remarks: Iterable[str]) -> str:
    return f"{how}\n\n{_sql(account.statements, remarks)}\n"


def _sql(statements: Iterable[str], remarks: Iterable[str] = ()) -> str:
    lines = (*(f"{each};" for each in statements), *(f"-- {remark}" for remark in remarks))
    return "```sql\n" + "".join(f"{line}\n" for line in lines) + "```\n"


def _table(needs: Iterable[Need]) -> str:
    rows = "".join(f"| `{n.privilege}` | {n.why} | {n.where or 'all'} | {n.loss} |\n" for n in needs)
    return f"| privilege | what for | where | without it |\n| --- | --- | --- | --- |\n{rows}"


def _narrow() -> Iterator[str]:
    names = ", ".join(need.privilege for need in (*of_mysql.ON_DATABASES, of_mysql.LOCK_TABLES))
    yield f"GRANT {names} ON `shop`.* TO {_WHO}"
    flavours: tuple[tuple[Flavour, str], ...] = (("mysql", "MySQL 8.0.20 and newer"), ("mariadb", "MariaDB"))
    for flavour, title in flavours:
        privilege, place = of_mysql.routines(flavour, _NEWEST)
        yield f"GRANT {privilege} ON {place} TO {_WHO} /* {title} */"


def _restore() -> Iterator[str]:
    who = "'restore'@'localhost'"
    yield f"CREATE USER {who} IDENTIFIED BY <'password'>"
    yield f"GRANT ALL ON `shop`.* TO {who}"
    yield f"GRANT {definers_privilege('mysql', _NEWEST)} ON *.* TO {who}"
    yield f"GRANT SELECT ON `mysql`.* TO {who}"


def _definers() -> str:
    return (
        f"`{definers_privilege('mysql', _NEWEST)}` on MySQL 8.2 and newer, "
        f"`{definers_privilege('mysql', (8, 0))}` on 8.0, `{definers_privilege('mysql', (5, 7))}` on 5.7, "
        f"`{definers_privilege('mariadb', _NEWEST)}` on MariaDB"
    )
