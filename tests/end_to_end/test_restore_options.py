"""The options of `restore`, as an operator meets them, on each kind of server."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import create_database, drop_database, plain_dump, raw_dump, run_sql
from vya_backupdb.scratch import ScratchServer

from .conftest import Site

SHOP = {
    "mysql": """
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(50));
INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bo');
CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, amount INT DEFAULT 7,
  KEY by_customer (customer), CONSTRAINT order_customer FOREIGN KEY (customer) REFERENCES customers (id));
INSERT INTO orders (customer) VALUES (1), (2), (2);
CREATE TABLE log (line VARCHAR(50));
CREATE TRIGGER order_log AFTER INSERT ON orders FOR EACH ROW INSERT INTO log VALUES ('order');
CREATE TRIGGER customer_log AFTER INSERT ON customers FOR EACH ROW INSERT INTO log VALUES ('customer');
CREATE VIEW big AS SELECT * FROM orders WHERE amount > 100;
CREATE PROCEDURE p() SELECT 1;
CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO INSERT INTO log VALUES ('event');
""",
    "postgresql": """
CREATE SCHEMA app;
CREATE TABLE app.customers (id int PRIMARY KEY, name text);
INSERT INTO app.customers VALUES (1, 'Ann'), (2, 'Bo');
CREATE TABLE app.orders (id serial PRIMARY KEY, customer int NOT NULL REFERENCES app.customers,
  amount int DEFAULT 7, n int GENERATED ALWAYS AS IDENTITY);
CREATE INDEX by_customer ON app.orders (customer);
INSERT INTO app.orders (customer) VALUES (1), (2), (2);
COMMENT ON TABLE app.orders IS 'what was ordered';
COMMENT ON COLUMN app.orders.amount IS 'in crowns';
CREATE STATISTICS app.both ON customer, amount FROM app.orders;
GRANT SELECT ON app.orders TO PUBLIC;
CREATE TABLE app.log (line text);
CREATE VIEW app.big AS SELECT * FROM app.orders WHERE amount > 100;
CREATE TABLE "We.ird" (id int);
INSERT INTO "We.ird" VALUES (9);
""",
}
SHOP["mariadb"] = SHOP["mysql"]


def shop(site: Site, database: str) -> None:
    create_database(site.source, database)
    run_sql(site.source, SHOP[site.source.flavour], database)


def named(site: Site, table: str) -> str:
    """The table in SQL, and for --table."""
    return f"app.{table}" if site.postgresql else table


def count(site: Site, server: ScratchServer, database: str, table: str) -> int:
    return int(run_sql(server, f"SELECT count(*) FROM {named(site, table)}", database))


def of_tables(site: Site, server: ScratchServer, database: str) -> list[str]:
    """What makes and fills the tables orders and customers, as the server's own tool dumps it."""
    script = re.sub(r"(?m)^--.*\n", "", plain_dump(server, database).decode())
    others = re.compile(r"\b(?:big|log|PROCEDURE|EVENT)\b")
    return sorted(  # the order depends on what else there is
        text.strip()
        for text in re.split(r"(?<=[;.])\n", script)
        if re.search("orders|customers|order_log", text) and not others.search(text)
    )


@contextmanager
def a_role(site: Site, server: ScratchServer) -> Iterator[str]:
    name = f"vya_{os.urandom(3).hex()}"
    make, drop = (
        (f"CREATE ROLE {name}", f"DROP ROLE {name}")
        if site.postgresql
        else (f"CREATE USER {name}@'%'", f"DROP USER {name}@'%'")
    )
    run_sql(server, make)
    try:
        yield name
    finally:
        run_sql(server, drop)


def latest(database: str) -> tuple[str, ...]:
    """Restore the newest backup onto the target; nobody is there to answer questions."""
    newest = ("--instance", "source", "--database", database, "--latest")
    return ("restore", *newest, "--target-instance", "target")


def said(outcome: dict[str, Any]) -> str:
    return "\n".join(outcome["warnings"] + outcome["notices"])


# ---------------------------------------------------------------------------- --table


def test_a_table_comes_back_with_all_that_is_its_own_and_nothing_else(site: Site, database: str) -> None:
    shop(site, database)
    site.backup(database)
    outcome = site.restore(database, "--table", named(site, "customers"), "--table", named(site, "orders"))
    assert outcome["rows"] == 5
    assert outcome["rows_verified"]
    assert sorted(outcome["only_tables"]) == [named(site, "customers"), named(site, "orders")]
    own = of_tables(site, site.source, database)
    assert any("by_customer" in text for text in own)
    assert of_tables(site, site.target, database) == own
    tables = run_sql(
        site.target,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = "
        + ("'app'" if site.postgresql else f"'{database}'")
        + " ORDER BY 1",
        database,
    ).split()
    assert tables == ["customers", "orders"]
    if site.postgresql:
        run_sql(site.target, "INSERT INTO app.orders (customer) VALUES (1)", database)
        assert run_sql(site.target, "SELECT max(id), max(n) FROM app.orders", database).split() == ["4", "4"]
    else:
        triggers = f"SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = '{database}'"
        assert sorted(run_sql(site.target, triggers).split()) == ["customer_log", "order_log"]


def test_a_foreign_key_to_a_table_that_is_not_there_is_left_out_and_named(site: Site, database: str) -> None:
    shop(site, database)
    site.backup(database)
    planned = site.restore(database, "--table", named(site, "orders"), "--dry-run")
    assert not site.exists(site.target, database)
    outcome = site.restore(database, "--table", named(site, "orders"))
    assert said(planned) == "\n".join(outcome["warnings"])
    statement = next(text for text in outcome["warnings"] if "FOREIGN KEY" in text)
    assert f"{named(site, 'customers')} is not there" in statement
    keys = "SELECT count(*) FROM information_schema.referential_constraints WHERE constraint_schema = " + (
        "'app'" if site.postgresql else f"'{database}'"
    )
    assert run_sql(site.target, keys, database).strip() == "0"
    # what was named adds it, once the table is there
    site.restore(database, "--table", named(site, "customers"))
    run_sql(site.target, statement.partition(": ")[2], database)
    assert run_sql(site.target, keys, database).strip() == "1"


def test_a_table_goes_into_a_database_that_holds_other_things(site: Site, database: str) -> None:
    shop(site, database)
    site.backup(database)
    site.restore(database)
    if site.postgresql:
        run_sql(site.target, "DROP VIEW app.big; DROP TABLE app.orders", database)
    else:
        run_sql(site.target, "DROP TABLE orders", database)
    run_sql(site.target, f"INSERT INTO {named(site, 'log')} VALUES ('later')", database)
    assert site.restore(database, "--table", named(site, "orders"))["rows"] == 3
    assert count(site, site.target, database, "log") == 1
    assert count(site, site.target, database, "orders") == 3


def test_a_table_that_is_there_is_refused_and_drop_replaces_it_alone(site: Site, database: str) -> None:
    shop(site, database)
    site.backup(database)
    site.restore(database)
    if site.postgresql:
        run_sql(site.target, "DROP VIEW app.big", database)
    for table in ("orders", "log"):
        columns = "(customer) VALUES (1)" if table == "orders" else "VALUES ('later')"
        run_sql(site.target, f"INSERT INTO {named(site, table)} {columns}", database)
    logged = count(site, site.target, database, "log")
    before = plain_dump(site.target, database)
    table = ("--table", named(site, "orders"))
    words = latest(database)
    done = site.run(*words, *table, code=24)
    assert "already" in done.stderr
    done = site.run(*words, *table, "--drop", code=24)  # nobody to ask
    assert plain_dump(site.target, database) == before
    assert site.restore(database, *table, "--drop")["rows"] == 3
    assert count(site, site.target, database, "orders") == 3
    assert count(site, site.target, database, "log") == logged


def test_what_depends_on_a_table_is_in_the_way_of_dropping_it(site: Site, database: str) -> None:
    if not site.postgresql:
        pytest.skip("only PostgreSQL would drop it along")
    shop(site, database)
    site.backup(database)
    site.restore(database)
    run_sql(site.target, "CREATE PUBLICATION news FOR TABLE app.orders", database)
    before = plain_dump(site.target, database)
    words = latest(database)
    done = site.run(*words, "--table", "orders", "--drop", "--force", code=24)
    assert "view app.big" in done.stderr
    assert "order" not in done.stderr.replace("app.orders", "").replace("orders", "")
    done = site.run(*words, "--table", "customers", "--drop", "--force", code=24)
    assert "orders_customer_fkey" in done.stderr
    assert plain_dump(site.target, database) == before
    run_sql(site.target, "DROP VIEW app.big", database)
    outcome = site.restore(database, "--table", "orders", "--drop")
    assert "publication news loses the table app.orders" in said(outcome)


@pytest.mark.limitation("mysql-unchecked-foreign-keys")
def test_rows_that_refer_to_nothing_are_counted(site: Site, database: str) -> None:
    if site.postgresql:
        pytest.skip("PostgreSQL checks the rows itself")
    shop(site, database)
    site.backup(database)
    site.restore(database)
    run_sql(
        site.target,
        "INSERT INTO customers VALUES (3, 'Cy'); INSERT INTO orders (customer) VALUES (3)",
        database,
    )
    outcome = site.restore(database, "--table", "customers", "--drop")
    assert outcome["notices"] == [
        "1 rows of orders refer to nothing in customers (foreign key order_customer)"
    ]


def test_a_foreign_key_that_the_rows_do_not_keep_fails_by_name(site: Site, database: str) -> None:
    if not site.postgresql:
        pytest.skip("MySQL and MariaDB do not check rows that are there")
    shop(site, database)
    site.backup(database)
    site.restore(database)
    run_sql(site.target, "DROP VIEW app.big; DROP TABLE app.orders; DELETE FROM app.customers", database)
    words = latest(database)
    done = site.run(*words, "--table", "orders", code=21)
    assert "orders_customer_fkey" in done.stderr
    assert "failed_" in done.stderr
    assert count(site, site.target, database, "orders") == 3


def test_an_unknown_table_is_refused_with_the_nearest_names(site: Site, database: str) -> None:
    shop(site, database)
    site.backup(database)
    words = latest(database)
    done = site.run(*words, "--table", "ordres", code=24)
    assert named(site, "orders") in done.stderr
    assert not site.exists(site.target, database)
    site.run(*words, "--table", "", code=2)


def test_a_name_with_a_dot_is_found(site: Site, database: str) -> None:
    create_database(site.source, database)
    run_sql(site.source, f"CREATE TABLE {site.quoted('We.ird')} (id int)", database)
    run_sql(site.source, f"INSERT INTO {site.quoted('We.ird')} VALUES (9)", database)
    site.backup(database)
    assert site.restore(database, "--table", "We.ird")["rows"] == 1
    assert site.restore(database, "--table", site.quoted("We.ird"), "--drop")["rows"] == 1


def test_a_table_of_a_plain_dump_comes_back(site: Site, database: str) -> None:
    shop(site, database)
    file = site.folder / "dump.sql"
    file.write_bytes(raw_dump(site.source, database))
    outcome = site.json(
        "restore", "--file", str(file), "--target-instance", "target", "--target-database", database,
        "--table", "orders", "--table", "customers",
    )  # fmt: skip
    assert outcome["rows"] == 5
    assert count(site, site.target, database, "orders") == 3


def test_only_the_frames_of_the_table_are_read(site: Site, database: str) -> None:
    site.fill(database)
    run_sql(site.source, "CREATE TABLE other (id int); INSERT INTO other VALUES (1)", database)
    file = Path(site.backup(database, "--compression", "none")["file"])
    damaged = bytearray(file.read_bytes())
    place = damaged.index(b"x" * 80)
    damaged[place] ^= 1
    file.write_bytes(damaged)
    assert site.restore(database, "--table", "other")["rows"] == 1
    words = latest(database)
    done = site.run(*words, "--table", "t", code=22)
    assert "frame" in done.stderr
    assert run_sql(site.target, "SELECT count(*) FROM other", database).strip() == "1"


def test_restores_of_tables_and_of_the_database_are_not_taken_for_each_other(
    site: Site, database: str
) -> None:
    shop(site, database)
    site.backup(database)
    table = ("--table", named(site, "log"))
    assert site.restore(database, *table)["changed"]
    words = latest(database)
    assert "not empty" in site.run(*words, code=24).stderr  # not "restored already"
    assert site.restore(database, "--drop")["changed"]
    assert not site.restore(database)["changed"]
    assert site.restore(database, *table, "--drop")["changed"]
    assert site.restore(database, *table, "--drop")["changed"]
    assert "not empty" in site.run(*words, code=24).stderr


def test_a_table_in_a_copy_of_the_database(site: Site, database: str) -> None:
    shop(site, database)
    site.backup(database)
    copy = f"{database[:40]}_copy"
    before = plain_dump(site.source, database)
    try:
        outcome = site.json(
            "restore", "--instance", "source", "--database", database, "--latest", "--target-database", copy,
            "--table", named(site, "customers"),
        )  # fmt: skip
        assert outcome["rows"] == 2
        assert plain_dump(site.source, database) == before
    finally:
        drop_database(site.source, copy)


def test_what_a_table_cannot_be_made_without_is_named_beforehand(site: Site, database: str) -> None:
    create_database(site.source, database)
    if site.postgresql:
        script = """
            CREATE TYPE mood AS ENUM ('a'); CREATE SEQUENCE numbers;
            CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE parent (p int);
            CREATE TABLE t (id int DEFAULT nextval('numbers'), m mood, n int DEFAULT f()) INHERITS (parent);
        """
        needed = ["public.mood", "public.numbers", "public.f", "public.parent"]
    elif site.source.flavour == "mariadb":
        script, needed = (
            "CREATE SEQUENCE numbers; CREATE TABLE t (id int DEFAULT nextval(numbers))",
            ["numbers"],
        )
    else:
        pytest.skip("MySQL's tables need nothing")
    run_sql(site.source, script, database)
    site.backup(database)
    words = latest(database)
    done = site.run(*words, "--table", "t", code=24)
    for name in needed:
        assert name in done.stderr
    assert not site.exists(site.target, database)
    site.restore(database)
    run_sql(site.target, "DROP TABLE t", database)
    assert site.restore(database, "--table", "t")["changed"]


def test_a_partitioned_table_comes_with_its_partitions(site: Site, database: str) -> None:
    create_database(site.source, database)
    if site.postgresql:
        script = """
            CREATE TABLE t (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
            CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1) PARTITION BY RANGE (id);
            CREATE TABLE t11 PARTITION OF t1 FOR VALUES FROM (0) TO (10);
            CREATE TABLE t2 PARTITION OF t DEFAULT; CREATE INDEX ON t (k);
        """
    else:
        script = "CREATE TABLE t (id int, k int) PARTITION BY LIST (k) (PARTITION a VALUES IN (1, 2));"
    run_sql(site.source, script + "INSERT INTO t VALUES (1, 1), (2, 2)", database)
    site.backup(database)
    assert site.restore(database, "--table", "t")["rows"] == 2
    assert site.same(database)
    if site.postgresql:
        outcome = site.restore(database, "--table", "t1", "--drop")
        assert outcome["rows"] == 1
        (attach,) = [text for text in outcome["warnings"] if "ATTACH" in text]
        assert "public.t1" in attach
        run_sql(site.target, attach.partition(": ")[2], database)
        assert site.same(database)
        run_sql(site.target, "CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3)", database)
        words = latest(database)
        done = site.run(*words, "--table", "t", "--drop", "--force", code=24)
        assert "t3" in done.stderr


# ---------------------------------------------------------------------------- --no-owner


def test_without_owners_everything_belongs_to_the_account_that_restores(site: Site, database: str) -> None:
    shop(site, database)
    with a_role(site, site.source) as role:
        if site.postgresql:
            run_sql(
                site.source,
                f"""
                ALTER DATABASE {database} OWNER TO {role}; ALTER TABLE app.orders OWNER TO {role};
                GRANT SELECT ON app.log TO {role}; GRANT CONNECT ON DATABASE {database} TO {role};
                CREATE FUNCTION app.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
                ALTER FUNCTION app.f() OWNER TO {role};
                """,
                database,
            )
        else:
            run_sql(
                site.source,
                f"""
                CREATE DEFINER={role}@'%' TRIGGER other BEFORE INSERT ON log
                    FOR EACH ROW SET @x = 'DEFINER=a@b';
                CREATE DEFINER={role}@'%' VIEW mine AS SELECT 1 AS a;
                CREATE DEFINER={role}@'%' PROCEDURE q() SELECT 'DEFINER=`a`@`b`';
                CREATE DEFINER={role}@'%' FUNCTION g() RETURNS int DETERMINISTIC
                    SQL SECURITY INVOKER RETURN 1;
                CREATE DEFINER={role}@'%' EVENT later ON SCHEDULE EVERY 1 YEAR DO SELECT 1;
                """,
                database,
            )
        try:
            site.backup(database)
        finally:
            drop_database(site.source, database)
    words = latest(database)
    if site.postgresql:
        done = site.run(*words, code=24)
        assert role in done.stderr
        assert "--no-owner" in done.stderr
    outcome = site.restore(database, "--no-owner")
    text = said(outcome)
    assert role in text
    if site.postgresql:
        owners = run_sql(
            site.target,
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'app' UNION "
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()",
            database,
        ).split()
        assert owners == [site.target.superuser]
        assert (
            f"left out, because the role {role} is not on the server: GRANT SELECT ON TABLE app.log" in text
        )
        assert "rights" in text
        assert "app.f" in text
    else:
        asked = f"""
            SELECT definer FROM information_schema.triggers WHERE trigger_schema = '{database}'
            UNION SELECT definer FROM information_schema.views WHERE table_schema = '{database}'
            UNION SELECT definer FROM information_schema.routines WHERE routine_schema = '{database}'
            UNION SELECT definer FROM information_schema.events WHERE event_schema = '{database}'"""
        (definer,) = run_sql(site.target, asked).split()
        assert definer.startswith(f"{site.target.superuser}@")
        assert "DEFINER=`a`@`b`" in run_sql(site.target, "CALL q()", database)
        (rights,) = [line for line in text.splitlines() if "rights" in line]
        assert "procedure q" in rights
        assert "function g" not in rights


# ---------------------------------------------------------------------------- --stop-on-error


def failing(site: Site, database: str) -> Path:
    """A plain dump of which one statement after the rows fails, and the next does not."""
    create_database(site.source, database)
    if site.postgresql:
        run_sql(site.source, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)", database)
        run_sql(site.source, "CREATE RULE r AS ON DELETE TO t DO NOTHING", database)
        run_sql(site.source, "CREATE RULE s AS ON UPDATE TO t DO NOTHING", database)
        script = raw_dump(site.source, database)
        script = script.replace(b"ON DELETE TO public.t ", b"ON DELETE TO public.nowhere ")
    else:
        run_sql(site.source, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)", database)
        run_sql(site.source, "CREATE TRIGGER tr1 BEFORE INSERT ON t FOR EACH ROW SET @a = 1", database)
        run_sql(site.source, "CREATE TRIGGER tr2 BEFORE DELETE ON t FOR EACH ROW SET @a = 1", database)
        run_sql(site.source, "CREATE VIEW v AS SELECT a FROM t", database)
        script = raw_dump(site.source, database).replace(b"BEFORE DELETE ON `t`", b"BEFORE DELETE ON `u`")
        script = script.replace(b"BEFORE DELETE ON t", b"BEFORE DELETE ON u")
    file = site.folder / "failing.sql"
    file.write_bytes(script)
    return file


def test_the_first_failure_after_the_rows_stops_the_restore_if_that_is_asked(
    site: Site, database: str
) -> None:
    file = failing(site, database)
    words = ("restore", "--file", str(file), "--target-instance", "target", "--target-database", database)
    done = site.run(*words, "--stop-on-error", code=21)
    assert "statement" in done.stderr
    place = int(done.stderr.partition("at byte ")[2].partition(" of the script")[0].replace(",", ""))
    at = file.read_bytes()[place : place + 200]
    assert b"nowhere" in at or b"BEFORE DELETE ON" in at
    assert "all rows are there" in done.stderr
    assert "half loaded" in done.stderr
    assert not list(site.store.rglob("failed_*"))
    assert run_sql(site.target, "SELECT count(*) FROM t", database).strip() == "1"


def test_without_it_the_rest_goes_on_and_what_failed_is_kept(site: Site, database: str) -> None:
    file = failing(site, database)
    words = ("restore", "--file", str(file), "--target-instance", "target", "--target-database", database)
    done = site.run(*words, code=21)
    (kept,) = site.store.rglob("failed_*")
    assert str(kept) in done.stderr
    assert "at byte" in kept.read_text()
    later = "pg_rules WHERE rulename = 's'" if site.postgresql else "v"
    assert run_sql(site.target, f"SELECT count(*) FROM {later}", database).strip() == "1"


def test_a_refused_statement_is_named_with_its_line_in_the_file(site: Site, database: str) -> None:
    site.fill(database, rows=5)
    script = raw_dump(site.source, database).splitlines(keepends=True)
    bad = b"\\! touch /tmp/never\n" if site.postgresql else b"USE elsewhere;\n"
    middle = next(i for i, line in enumerate(script) if line.startswith(b"CREATE TABLE"))
    end = next(i for i in range(middle, len(script)) if script[i].rstrip().endswith(b";"))
    script.insert(end + 1, bad)
    file = site.folder / "bad.sql"
    file.write_bytes(b"".join(script))
    done = site.run(
        "restore", "--file", str(file), "--target-instance", "target", "--target-database", database, code=24
    )
    assert f"line {end + 2} (byte {len(b''.join(script[: end + 1])):,}) of the script" in done.stderr


# ---------------------------------------------------------------------------- --allow-references


REFERRING = """
CREATE TABLE t (id INT PRIMARY KEY, n INT GENERATED ALWAYS AS (id + 1));
INSERT INTO t (id) VALUES (1), (2);
CREATE TABLE log (line VARCHAR(50));
CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO {db}.log VALUES ('trigger');
CREATE PROCEDURE p() INSERT INTO {db}.log VALUES ('procedure');
CREATE FUNCTION f() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM {db}.log);
CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DISABLE DO INSERT INTO {db}.log VALUES ('event');
CREATE EVENT live ON SCHEDULE EVERY 1 SECOND STARTS '2037-01-01' DO INSERT INTO {db}.log VALUES ('event');
"""


@pytest.fixture
def copy(site: Site, database: str) -> Iterator[str]:
    name = f"{database[:40]}_copy"
    yield name
    drop_database(site.source, name)


@pytest.mark.limitation("mysql-copy-references")
def test_a_copy_that_names_the_original_is_refused_unless_that_is_allowed(
    site: Site, database: str, copy: str
) -> None:
    if site.postgresql:
        pytest.skip("nothing in a PostgreSQL database can name another one")
    create_database(site.source, database)
    script = REFERRING.format(db=site.quoted(database))
    if site.source.flavour == "mariadb":
        script += (
            "CREATE SEQUENCE s; CREATE TABLE drawn (id INT DEFAULT nextval(s)); INSERT INTO drawn VALUES (1);"
        )
    run_sql(site.source, script, database)
    site.backup(database)
    before = plain_dump(site.source, database)
    words = ("restore", "--instance", "source", "--database", database, "--latest", "--target-database", copy)
    done = site.run(*words, code=24)
    for kind in ("trigger tr", "procedure p", "function f", "event e"):
        assert kind in done.stderr
    assert "--allow-references" in done.stderr
    assert not site.exists(site.source, copy)

    outcome = site.json(*words, "--allow-references")
    named = [text for text in outcome["warnings"] if database in text]
    for kind in ("trigger tr", "procedure p", "function f", "event e", "event live"):
        assert kind in named[0]
    if site.source.flavour == "mariadb":
        assert "table drawn" in named[0]
    assert plain_dump(site.source, database) == before
    assert any("EVENT `live`" in text for text in outcome["notices"])
    enabled = f"SELECT event_name, status FROM information_schema.events WHERE event_schema = '{copy}'"
    assert set(run_sql(site.source, enabled).split()) == {"e", "live", "DISABLED"}
    # what was told: the copy's trigger works on the original
    run_sql(site.source, "INSERT INTO t (id) VALUES (3)", copy)
    assert run_sql(site.source, "SELECT line FROM log", database).split() == ["trigger"]
    assert run_sql(site.source, "SELECT COUNT(*) FROM log", copy).strip() == "0"


def test_a_copy_that_names_nobody_needs_no_leave_and_leaves_the_original_alone(
    site: Site, database: str, copy: str
) -> None:
    shop(site, database)
    if not site.postgresql:  # MariaDB keeps what was typed
        of = site.quoted(database)
        run_sql(site.source, f"CREATE TRIGGER {of}.typed AFTER DELETE ON {of}.orders FOR EACH ROW SET @x = 1")
    site.backup(database)
    before = plain_dump(site.source, database)
    site.json(
        "restore", "--instance", "source", "--database", database, "--latest", "--target-database", copy
    )
    if not site.postgresql:
        where = "information_schema.triggers WHERE trigger_name = 'typed' AND event_object_table = 'orders'"
        found = run_sql(site.source, f"SELECT trigger_schema FROM {where}").split()
        assert sorted(found) == sorted([database, copy])
    insert = f"INSERT INTO {named(site, 'orders')} (customer) VALUES (1)"
    run_sql(site.source, insert, copy)
    assert plain_dump(site.source, database) == before
    assert count(site, site.source, copy, "orders") == 4


def test_the_reports_are_documents(site: Site, database: str) -> None:
    shop(site, database)
    site.backup(database)
    done = site.run(
        "restore", "--instance", "source", "--database", database, "--latest", "--target-instance", "target",
        "--table", named(site, "log"),
    )  # fmt: skip
    assert "only the tables" in done.stdout
    entries = [json.loads(line) for line in next(site.store.rglob("journal.jsonl")).read_text().splitlines()]
    assert entries[-1]["tables"] == [named(site, "log")]
