"""A dump that waits for a lock ends in time, and names who holds it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg
import pymysql
import pytest

from scripts.sample.clients import run_sql

from .conftest import Site

Holding = Callable[[str], int]


@pytest.fixture
def holding(site: Site, database: str) -> Iterator[Holding]:
    """`holding(sql)` leaves a transaction behind that has executed, or still executes, a statement."""
    site.fill(database, rows=10)
    site.write_config(dump={"stall_timeout": "2s"}, lock_wait="2s" if site.postgresql else "2m")
    with ExitStack() as stack:
        yield lambda sql: stack.enter_context(_held(site, database, sql))


@contextmanager
def _held(site: Site, database: str, sql: str) -> Iterator[int]:
    where = {
        "host": site.source.host,
        "port": site.source.port,
        "user": site.source.superuser,
        "password": site.source.password,
    }
    if site.postgresql:
        with psycopg.connect(**where, dbname=database) as connection:
            worker = threading.Thread(target=_run, args=(connection.execute, sql))
            worker.start()
            worker.join(1)
            yield connection.info.backend_pid
            connection.cancel()
            worker.join()
        return
    with pymysql.connect(**where, database=database) as session, session.cursor() as cursor:
        number = session.thread_id()
        worker = threading.Thread(target=_run, args=(cursor.execute, sql))
        worker.start()
        worker.join(1)
        yield number
        run_sql(site.source, f"KILL {number}")
        worker.join()


def _run(execute: Callable[[str], object], sql: str) -> None:
    with suppress(psycopg.Error, pymysql.err.Error):
        execute(sql)


def told(site: Site, database: str) -> str:
    return site.run("backup", "--instance", "source", "--database", database, code=20).stderr


@pytest.mark.limitation("mysql-lock-wait")
def test_who_has_locked_a_table_is_named(site: Site, database: str, holding: Holding) -> None:
    lock = "LOCK TABLE t IN ACCESS EXCLUSIVE MODE" if site.postgresql else "LOCK TABLES t WRITE"
    number = holding(lock)
    said = told(site, database)
    if site.postgresql:  # tables are locked before the dump begins
        assert f"a table stays locked: public.t (process {number})" in said
        return
    assert f"it may wait for session {number} of {site.source.superuser}" in said
    if site.source.flavour != "mariadb":
        assert f"`{' '.join(lock.split()[:4])}" in said


@pytest.mark.limitation("mysql-lock-wait")
def test_who_waits_with_a_change_is_named_and_for_whom(site: Site, database: str, holding: Holding) -> None:
    if site.postgresql:
        pytest.skip("MySQL and MariaDB only")
    reader = holding("SELECT * FROM t")
    altering = holding("ALTER TABLE t ADD COLUMN b int")
    said = told(site, database)
    if site.source.flavour == "mysql":
        # mysqldump has asked for the definition, for which the change waits: the server ends it at once
        assert "(1213)" in said
        assert "a change of the table" in said
        return
    assert f"session {altering} of {site.source.superuser}" in said
    assert "`ALTER TABLE t ADD`" in said
    assert f"session {reader} of {site.source.superuser}" in said
