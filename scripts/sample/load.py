"""Loading the sample data into a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scripts.sample.clients import literal, quoted, run_sql
from scripts.sample.render import copy, insert, script
from scripts.sample.rows import tables
from vya_backupdb.scratch import ScratchServer

_FOLDER = Path(__file__).parent
_SHOP = "Vya Shop-Örebro 2.0"
_ARCHIVE = "archive-größe.2025"


def database_names(suffix: str = "") -> tuple[str, str]:
    """Give the names of the two databases: with space, dash, dot, upper case and non-ASCII letters."""
    return _SHOP + suffix, _ARCHIVE + suffix


def make_roles(server: ScratchServer) -> None:
    """Make the accounts that own objects of the sample data, where they are not there yet."""
    if server.flavour == "postgresql":
        run_sql(server, _POSTGRESQL_ROLES)
    else:
        run_sql(server, _MYSQL_ACCOUNTS)


def load(server: ScratchServer, suffix: str = "") -> tuple[str, str]:
    """Make accounts, both databases and all that is in them; give the databases' names."""
    make_roles(server)
    shop, archive = database_names(suffix)
    if server.flavour == "postgresql":
        run_sql(server, _postgresql_databases(server, shop, archive))
        run_sql(server, script(_postgresql_shop()), shop)
        run_sql(server, _read("archive_postgresql"), archive)
    else:
        run_sql(server, _mysql_databases(server, shop, archive))
        run_sql(server, script(_mysql_shop(server.flavour)), shop)
        run_sql(server, _read("archive_mysql_family"), archive)
    return shop, archive


def _read(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


# ---------------------------------------------------------------------------- MySQL and MariaDB

_MYSQL_ACCOUNTS = """
CREATE USER IF NOT EXISTS shop_app@localhost ACCOUNT LOCK;
GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON *.* TO shop_app@localhost;
"""


def _mysql_databases(server: ScratchServer, shop: str, archive: str) -> str:
    return (
        f"CREATE DATABASE {quoted(server, shop)} CHARACTER SET utf8mb4 COLLATE utf8mb4_swedish_ci;\n"
        f"CREATE DATABASE {quoted(server, archive)} CHARACTER SET latin1 COLLATE latin1_german2_ci;\n"
    )


def _mysql_shop(flavour: str) -> Iterator[str]:
    yield _read("shop_mysql_family")
    yield "START TRANSACTION;\n"
    for table in tables():
        yield from insert(table)
    yield "COMMIT;\n"
    yield _read("shop_mysql_family_after")
    yield _read(f"shop_{flavour}")


# ---------------------------------------------------------------------------- PostgreSQL

_POSTGRESQL_ROLES = "".join(
    f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
    CREATE ROLE "{name}" {options};
  END IF;
END $$;
"""
    for name, options in (
        ("shop_owner", "NOLOGIN"),
        ("shop_app", "LOGIN"),
        ("shop_reader", "NOLOGIN"),
        ("Shop Ädmin", "LOGIN CREATEDB"),
    )
)


def _postgresql_databases(server: ScratchServer, shop: str, archive: str) -> str:
    shop, archive = quoted(server, shop), quoted(server, archive)
    return f"""
CREATE DATABASE {shop} OWNER shop_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'
  CONNECTION LIMIT 50;
COMMENT ON DATABASE {shop} IS {literal("the shop; it's the big one")};
REVOKE ALL ON DATABASE {shop} FROM PUBLIC;
GRANT CONNECT ON DATABASE {shop} TO shop_app, shop_reader;
GRANT CREATE, TEMPORARY ON DATABASE {shop} TO "Shop Ädmin" WITH GRANT OPTION;
ALTER DATABASE {shop} SET statement_timeout = '10min';
ALTER DATABASE {shop} SET "shop.motto" = 'it''s "quoted", \\ and 100 %';
ALTER ROLE shop_app IN DATABASE {shop} SET search_path = shop, public;
ALTER ROLE "Shop Ädmin" IN DATABASE {shop} SET work_mem = '8MB';
CREATE DATABASE {archive} OWNER "Shop Ädmin" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE {archive} SET datestyle = 'German';
"""


def _postgresql_shop() -> Iterator[str]:
    yield _read("shop_postgresql")
    yield "BEGIN;\n"
    for table in tables():
        yield from copy(table, "shop")
    yield "COMMIT;\n"
    yield _read("shop_postgresql_after")
