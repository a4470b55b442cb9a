"""An instance of several databases that need one another, with accounts that own, define and use them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from scripts.sample.clients import create_database, drop_database, literal, plain_dump, run_sql
from vya_backupdb.scratch import ScratchServer

ALL = ("restore", "--instance", "source", "--all", "--latest", "--target-instance", "target")
"""Restores them all."""

PASSWORD = "old pass'word"

_SEEN = re.compile(rb"^INSERT INTO `seen`.*\n", re.MULTILINE)
"""What an event writes, from its first second on."""


@dataclass(frozen=True)
class Estate:
    """Three databases and three accounts: `owner` owns and defines, `app` logs in, `reader` is its role."""

    source: ScratchServer
    mark: str

    @property
    def postgresql(self) -> bool:
        return self.source.flavour == "postgresql"

    @property
    def databases(self) -> list[str]:
        return [f"e_{self.mark}_{letter}" for letter in "abc"]

    @property
    def owner(self) -> str:
        return f"owner_{self.mark}"

    @property
    def app(self) -> str:
        return f"app_{self.mark}"

    @property
    def reader(self) -> str:
        return f"reader_{self.mark}"

    def make(self) -> None:
        """Make all of it on the source."""
        for script, database in self._scripts():
            run_sql(self.source, script, database)

    def remove(self, server: ScratchServer) -> None:
        for name in self.databases:
            drop_database(server, name)
        for name in (self.app, self.owner, self.reader):
            host = "" if self.postgresql or name == self.reader else "@'%'"
            run_sql(server, f"DROP {self._kind(name)} IF EXISTS {name}{host}")

    def _kind(self, name: str) -> str:
        return "ROLE" if self.postgresql or name == self.reader else "USER"

    def dump(self, server: ScratchServer, database: str) -> list[bytes]:
        """Give the lines of a dump of the server's own tool, without what an event writes at its time."""
        return _SEEN.sub(b"", plain_dump(server, database)).splitlines()

    def rights(self, server: ScratchServer) -> list[str]:
        """Give what the server says of the three accounts."""
        if self.postgresql:
            names = ", ".join(map(literal, (self.owner, self.app, self.reader)))
            query = f"""SELECT rolname, rolcanlogin, rolconnlimit, rolpassword, rolconfig FROM pg_authid a
                LEFT JOIN (SELECT setrole, setconfig rolconfig FROM pg_db_role_setting
                  WHERE setdatabase = 0) s
                ON s.setrole = a.oid WHERE rolname IN ({names})
                UNION ALL SELECT roleid::regrole::text, NULL, NULL, member::regrole::text, NULL
                FROM pg_auth_members WHERE member::regrole::text IN ({names}) ORDER BY 1, 4"""
            return run_sql(server, query).splitlines()
        asked = (f"{self.owner}@'%'", f"{self.app}@'%'", self.reader)
        return [line for name in asked for line in run_sql(server, f"SHOW GRANTS FOR {name}").splitlines()]

    def states(self, server: ScratchServer) -> list[str]:
        """Give what acts by itself, with its state, and the settings of the databases."""
        names = ", ".join(map(literal, self.databases))
        if self.postgresql:
            found = run_sql(
                server,
                f"""SELECT datname, datconnlimit, datacl::text, rolname, setconfig FROM pg_database d
                LEFT JOIN pg_db_role_setting ON setdatabase = d.oid LEFT JOIN pg_authid r ON r.oid = setrole
                WHERE datname IN ({names}) ORDER BY 1, 4""",
            )
            return found.splitlines() + [
                f"{name}: {line}"
                for name in self.databases
                for line in run_sql(
                    server, "SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1", name
                ).splitlines()
            ]
        return run_sql(
            server,
            f"""SELECT event_schema, event_name, definer, status, event_type, execute_at, interval_value,
                interval_field, starts, ends, on_completion, time_zone, sql_mode
            FROM information_schema.events WHERE event_schema IN ({names}) ORDER BY 1, 2;
            SELECT schema_name, default_character_set_name, default_collation_name
            FROM information_schema.schemata WHERE schema_name IN ({names}) ORDER BY 1""",
        ).splitlines()

    def work_of_the_application(self, server: ScratchServer) -> list[str]:
        """Log in as `app` with the old password; read and write what it may, in every database."""
        login = replace(server, superuser=self.app, password=PASSWORD)
        if self.postgresql:
            return [
                run_sql(login, f"INSERT INTO t VALUES ({number}, 'x'); {query}", name).strip()
                for name, number, query in zip(
                    self.databases,
                    (7, 8, 9),
                    ("SELECT count(*) FROM v", "SELECT f()", "SHOW work_mem"),
                    strict=True,
                )
            ]
        a, b, c = self.databases
        queries = (
            (
                a,
                "INSERT INTO t VALUES (7, 'x'); UPDATE t SET v = 'y' WHERE id = 7;"
                f"SELECT COUNT(*) FROM `{b}`.moved",
            ),
            (a, "SELECT COUNT(*) FROM v"),
            (a, "CALL p()"),
            (c, "SELECT COUNT(*) FROM v"),
            (b, "SELECT COUNT(*) FROM t"),
        )
        return [run_sql(login, query, name).strip() for name, query in queries]

    # ------------------------------------------------------------------ what is in it

    def _scripts(self) -> list[tuple[str, str | None]]:
        for name in self.databases:
            create_database(self.source, name)
        return self._postgresql() if self.postgresql else self._mysql()

    def _mysql(self) -> list[tuple[str, str | None]]:
        a, b, c = self.databases
        owner, app, reader = f"{self.owner}@'%'", f"{self.app}@'%'", self.reader
        password = PASSWORD.replace("'", "''")
        accounts = f"""
            CREATE ROLE {reader}; CREATE USER {owner} IDENTIFIED BY 'x{self.mark}';
            CREATE USER {app} IDENTIFIED BY '{password}' WITH MAX_USER_CONNECTIONS 7;
            GRANT {reader} TO {app}; GRANT SELECT ON `{b}`.* TO {reader};
            GRANT ALL ON `{a}`.* TO {owner}; GRANT ALL ON `{b}`.* TO {owner}; GRANT ALL ON `{c}`.* TO {owner};
            ALTER DATABASE `{b}` CHARACTER SET latin1;
            {self._default_role(reader, app)}"""
        table = (
            "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9)); INSERT INTO t VALUES (1, 'one'), (2, 'two');"
        )
        own = f"CREATE DEFINER={owner}"
        first = f"""{table}
            {own} VIEW v AS SELECT x.id, y.v FROM t x JOIN `{b}`.t y USING (id);
            {own} VIEW n AS SELECT `{c}`.f() AS n;
            {own} PROCEDURE p() SELECT COUNT(*) FROM `{c}`.v;
            {own} TRIGGER moves AFTER INSERT ON t FOR EACH ROW INSERT INTO `{b}`.moved VALUES (NEW.id);
            {own} EVENT every_second ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00' ENABLE
              DO INSERT INTO `{b}`.seen SELECT @@port, COUNT(*) FROM `{c}`.v;
            {own} EVENT off ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00' DISABLE
              DO INSERT INTO `{b}`.seen VALUES (0, 0);
            {own} EVENT elsewhere ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01 00:00:00' DISABLE ON SLAVE
              DO INSERT INTO `{b}`.seen VALUES (0, 0);
            {own} EVENT once ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE
              COMMENT 'later' DO INSERT INTO `{b}`.seen VALUES (0, 0);
            {own} EVENT then_gone ON SCHEDULE AT '2037-01-01 00:00:00' DO SET @x = 'ä';"""
        function = f"""{table}
            {own} FUNCTION f() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM `{a}`.t)"""
        second = f"""CREATE TABLE moved (id INT); CREATE TABLE seen (port INT, triggers INT);
            {own} VIEW w AS SELECT `{a}`.v.id FROM `{a}`.v;"""
        third = f"""{own} VIEW v AS SELECT t.*, f() AS n FROM t, `{a}`.v WHERE t.id = `{a}`.v.id;
            {own} TRIGGER z BEFORE UPDATE ON t FOR EACH ROW SET NEW.v = UPPER(NEW.v);"""
        grants = f"""
            GRANT INSERT, SELECT, UPDATE (v) ON `{a}`.t TO {app}; GRANT SELECT ON `{a}`.v TO {app};
            GRANT EXECUTE ON PROCEDURE `{a}`.p TO {app}; GRANT SELECT ON `{c}`.v TO {app}"""
        ordered = ((table, b), (function, c), (first, a), (second, b), (third, c))
        return [(accounts, None), *ordered, (grants, None)]

    def _default_role(self, reader: str, app: str) -> str:
        word = "FOR" if self.source.flavour == "mariadb" else "TO"
        return f"SET DEFAULT ROLE {reader} {word} {app}"

    def _postgresql(self) -> list[tuple[str, str | None]]:
        a, b, c = self.databases
        owner, app, reader = self.owner, self.app, self.reader
        password = PASSWORD.replace("'", "''")
        accounts = f"""
            CREATE ROLE {reader}; CREATE ROLE {owner}; GRANT {reader} TO {owner};
            CREATE ROLE {app} LOGIN PASSWORD '{password}' CONNECTION LIMIT 7; GRANT {reader} TO {app};
            ALTER ROLE {app} SET lock_timeout = '7s';"""
        for name in self.databases:
            accounts += f"""ALTER DATABASE {name} OWNER TO {owner}; REVOKE ALL ON DATABASE {name} FROM PUBLIC;
                GRANT CONNECT ON DATABASE {name} TO {app};"""
        accounts += f"""ALTER DATABASE {a} SET statement_timeout = '77s';
            ALTER DATABASE {b} CONNECTION LIMIT 17;
            ALTER ROLE {app} IN DATABASE {c} SET work_mem = '7MB';
            COMMENT ON DATABASE {b} IS 'the second'"""
        objects = f"""CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9));
            INSERT INTO t VALUES (1, 'one'), (2, 'two');
            ALTER TABLE t OWNER TO {owner}; CREATE VIEW v AS SELECT * FROM t; ALTER VIEW v OWNER TO {owner};
            CREATE FUNCTION f() RETURNS bigint LANGUAGE sql SECURITY DEFINER
              AS 'SELECT count(*) FROM public.t'; ALTER FUNCTION f() OWNER TO {owner};
            GRANT SELECT ON v TO {reader}; GRANT INSERT ON t TO {app};
            ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO {reader};
            CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'begin perform 1; end';
            CREATE EVENT TRIGGER acts ON ddl_command_end EXECUTE FUNCTION told();
            CREATE EVENT TRIGGER off ON sql_drop EXECUTE FUNCTION told(); ALTER EVENT TRIGGER off DISABLE"""
        return [(accounts, None), *((objects, name) for name in self.databases)]


def new_estate(source: ScratchServer) -> Estate:
    return Estate(source, os.urandom(3).hex())


@contextmanager
def scheduler_on(server: ScratchServer) -> Iterator[None]:
    if server.flavour == "postgresql":
        yield
        return
    before = run_sql(server, "SELECT @@GLOBAL.event_scheduler").strip()
    run_sql(server, "SET GLOBAL event_scheduler = ON")
    yield
    run_sql(server, f"SET GLOBAL event_scheduler = {before}")


def changed(done: Any) -> dict[str, bool]:
    return {one["database"]: one["restore"]["changed"] for one in done["databases"] if one["restore"]}


def told(done: Any) -> str:
    """Give all warnings and notices."""
    return "\n".join(
        text
        for one in done["databases"]
        if one["restore"]
        for text in (*one["restore"]["warnings"], *one["restore"]["notices"])
    )
