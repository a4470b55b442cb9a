"""Backups of a PostgreSQL standby."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from scripts.sample.clients import ClientError, run_sql
from tests.conftest import choose
from vya_backupdb.scratch import ScratchServer, folder, start
from vya_backupdb.scratch.account import account_for
from vya_backupdb.scratch.process import Order, Supervised, prepare

from .conftest import Site

pytestmark = pytest.mark.postgresql


@contextmanager
def standby_of(primary: ScratchServer) -> Iterator[ScratchServer]:
    """Start a hot standby that streams from the primary."""
    account = account_for("postgresql")
    server = Supervised(folder.make(account))
    try:
        data = server.folder / "data"
        source = ("-h", str(primary.socket), "-p", str(primary.port), "-U", primary.superuser)
        basebackup = str(primary.binaries.server.parent / "pg_basebackup")
        prepare((basebackup, *source, "-D", str(data), "-R", "-c", "fast"), server.folder, account)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        places = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": server.folder}
        options = [word for name, value in places.items() for word in ("-c", f"{name}={value}")]
        argv = (str(primary.binaries.server), "-D", str(data), *options)
        server.launch(Order(argv, stop_signal=signal.SIGINT, death_signal=signal.SIGQUIT), account)
        standby = replace(primary, socket=server.folder, port=port, pid=server.pid)
        wait_for(standby, "SELECT pg_is_in_recovery()", "t")
        yield standby
    finally:
        server.stop()


def wait_for(server: ScratchServer, query: str, wanted: str) -> None:
    deadline = time.monotonic() + 100
    found = None
    while found != wanted:
        assert time.monotonic() < deadline, found
        try:
            found = run_sql(server, query).strip()
        except ClientError as error:  # it is starting
            found = str(error)
        time.sleep(0.1)


@pytest.mark.limitation("postgresql-unlogged-standby")
def test_a_standby_is_backed_up_as_its_primary_and_what_it_lacks_is_named(
    postgresql_target: ScratchServer, site_of: Callable[[ScratchServer, ScratchServer], Site]
) -> None:
    name = f"streamed_{os.urandom(3).hex()}"
    with start(choose("postgresql")) as primary:
        run_sql(primary, f"CREATE DATABASE {name}")
        run_sql(primary, "CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n", name)
        run_sql(primary, "CREATE UNLOGGED TABLE u AS SELECT 1 AS n; CREATE ROLE someone LOGIN", name)
        written = run_sql(primary, "SELECT pg_current_wal_lsn()").strip()
        with standby_of(primary) as standby:
            wait_for(standby, f"SELECT pg_last_wal_replay_lsn() >= '{written}'", "t")
            site = site_of(standby, postgresql_target)
            taken = site.json("backup", "--instance", "source", "--all")["backups"]
            assert {one["database"]: one["error"] for one in taken} == dict.fromkeys(
                ("@users", "postgres", name)
            )
            (entry,) = (one for one in taken if one["database"] == name)
            (unlogged,) = (one for one in entry["warnings"] if "unlogged" in one)
            assert "public.u" in unlogged
            site.restore(name)
        assert run_sql(postgresql_target, "SELECT count(*), sum(n) FROM t", name) == "1000\t500500\n"
        assert run_sql(postgresql_target, "SELECT count(*) FROM u", name) == "0\n"
        run_sql(postgresql_target, f"DROP DATABASE {name}")
