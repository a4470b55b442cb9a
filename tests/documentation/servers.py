"""The servers that the documents speak of: one with a shop and its accounts, and empty ones."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from scripts.sample.clients import literal, quoted, run_sql
from vya_backupdb.model import Flavour
from vya_backupdb.scratch import ScratchServer

ACCOUNT = "backup"
"""Who logs in for the program. It may do everything here: which privileges suffice is asked elsewhere."""


@dataclass(frozen=True)
class Known:
    """A server as a configuration names it."""

    id: str
    server: ScratchServer
    address: str
    """At which it answers on the machine."""
    username: str
    password: str = field(repr=False)

    @property
    def host(self) -> str:
        return f"{self.id}.example.net"

    @property
    def engine(self) -> str:
        return self.server.flavour

    def entry(self) -> dict[str, object]:
        """Give what a configuration says of it."""
        return {"id": self.id, "engine": self.engine, "host": self.host}


def with_shop(name: str, server: ScratchServer, address: str) -> Known:
    """Make a server that has a shop, and an account for the program."""
    clear(server)
    password = secrets.token_hex(8)
    account = {
        "postgresql": f"CREATE ROLE {ACCOUNT} SUPERUSER LOGIN PASSWORD '{password}'",
    }.get(
        server.flavour,
        f"CREATE USER {ACCOUNT}@localhost IDENTIFIED BY '{password}';"
        f"GRANT ALL ON *.* TO {ACCOUNT}@localhost WITH GRANT OPTION",
    )
    before, inside = _SHOPS[server.flavour]
    run_sql(server, account)
    run_sql(server, before)
    run_sql(server, inside, "shop")
    return Known(name, server, address, ACCOUNT, password)


def without_anything(name: str, server: ScratchServer, address: str) -> Known:
    """Make a server empty, and name its superuser."""
    clear(server)
    return Known(name, server, address, server.superuser, server.password)


def clear(server: ScratchServer) -> None:
    """Drop every database and account that is not the server's own."""
    if server.flavour == "postgresql":
        names = run_sql(
            server, "SELECT datname FROM pg_database WHERE datname <> 'postgres' AND NOT datistemplate"
        )
        for name in names.splitlines():
            run_sql(server, f"DROP DATABASE {quoted(server, name)} WITH (FORCE)")
        found = run_sql(server, "SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'")
        for role in found.splitlines():
            run_sql(server, f"DROP OWNED BY {quoted(server, role)}; DROP ROLE {quoted(server, role)}")
        return
    names = run_sql(
        server,
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN"
        " ('mysql', 'sys', 'information_schema', 'performance_schema')",
    )
    for name in names.splitlines():
        run_sql(server, f"DROP DATABASE {quoted(server, name)}")
    is_role = "is_role = 'Y'" if server.flavour == "mariadb" else "false"
    found = run_sql(
        server,
        f"SELECT user, host, {is_role} FROM mysql.user WHERE user NOT IN ('root', 'mysql', 'mariadb.sys')"
        " AND user NOT LIKE 'mysql.%'",
    )
    for line in found.splitlines():
        user, host, role = line.split("\t")
        if role == "1":
            run_sql(server, f"DROP ROLE {quoted(server, user)}")
        else:
            run_sql(server, f"DROP USER {literal(user)}@{literal(host)}")


def orders(server: ScratchServer, database: str = "shop") -> int:
    """Count the orders of a shop."""
    return int(run_sql(server, "SELECT count(*) FROM orders", database))


_TABLES = """
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(80) NOT NULL);
CREATE TABLE orders (id INT PRIMARY KEY, customer INT NOT NULL, amount INT NOT NULL,
  at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE sessions (id INT PRIMARY KEY, what VARCHAR(80));
CREATE TABLE tmp_import (id INT PRIMARY KEY);
CREATE VIEW sums AS SELECT customer, sum(amount) AS total FROM orders GROUP BY customer;
INSERT INTO customers VALUES (1, 'Åsa'), (2, 'Nils');
INSERT INTO orders (id, customer, amount) VALUES (1, 1, 100), (2, 1, 250), (3, 2, 70);
INSERT INTO sessions VALUES (1, 'x');
INSERT INTO tmp_import VALUES (1);
"""
_MYSQL = (
    """
    CREATE DATABASE shop;
    CREATE ROLE reader;
    CREATE USER app@'%' IDENTIFIED BY 'app';
    GRANT SELECT, INSERT ON shop.* TO reader;
    GRANT reader TO app@'%';
    """,
    _TABLES
    + """
    GRANT INSERT ON orders TO app@'%';
    CREATE TRIGGER no_gifts BEFORE INSERT ON orders FOR EACH ROW SET NEW.amount = GREATEST(NEW.amount, 1);
    CREATE EVENT forget ON SCHEDULE EVERY 1 DAY DO DELETE FROM sessions;
    """,
)
_SHOPS: dict[Flavour, tuple[str, str]] = {
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "postgresql": (
        """
        CREATE ROLE shop_owner NOLOGIN;
        CREATE ROLE reader NOLOGIN;
        CREATE ROLE app LOGIN PASSWORD 'app' IN ROLE reader;
        CREATE DATABASE shop OWNER shop_owner;
        """,
        f"GRANT CREATE ON SCHEMA public TO shop_owner; SET ROLE shop_owner; {_TABLES}"
        "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO reader;",
    ),
}
