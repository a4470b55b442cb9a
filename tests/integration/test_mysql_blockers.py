"""Who holds the locks that a dump waits for, as far as an account may see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import NewDatabase
from tests.integration.mysql_script_support import connect
from tests.integration.mysql_support import account, connected
from vya_backupdb.scratch import ScratchServer


@pytest.fixture
def database(mysql_server: ScratchServer, new_database: NewDatabase) -> str:
    made = new_database(mysql_server)
    run_sql(mysql_server, "CREATE TABLE t (a int) ENGINE=InnoDB", made)
    return made


@pytest.fixture
def holder(mysql_server: ScratchServer, database: str) -> Iterator[int]:
    """A session for whose lock another one waits."""
    with (
        closing(connect(mysql_server, database)) as holder,
        closing(connect(mysql_server, database)) as waiter,
    ):
        holder.cursor().execute("LOCK TABLES t WRITE")
        waiting = threading.Thread(target=waiter.cursor().execute, args=("SELECT * FROM t",))
        waiting.start()
        time.sleep(0.5)
        yield holder.thread_id()
        holder.cursor().execute("UNLOCK TABLES")
        waiting.join()


@pytest.mark.limitation("mysql-lock-wait")
@pytest.mark.parametrize("grant", ["ALL ON *.*", "PROCESS ON *.*"])
def test_an_account_that_sees_sessions_sees_who_blocks(
    mysql_server: ScratchServer, database: str, holder: int, grant: str
) -> None:
    with account(mysql_server, grant) as credential, connected(mysql_server, credential) as connector:
        (found,) = connector.blockers(database)
        assert found.startswith(f"session {holder} of {mysql_server.superuser}@")
        assert connector.blockers("another") == []


def test_an_account_that_sees_none_is_told_none(
    mysql_server: ScratchServer, database: str, holder: int
) -> None:
    with (
        account(mysql_server, f"SELECT ON {database}.*") as credential,
        connected(mysql_server, credential) as connector,
    ):
        assert connector.blockers(database) == []
