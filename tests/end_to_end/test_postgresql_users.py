"""Roles of PostgreSQL, as an operator backs them up and gets them back when something goes wrong."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from scripts.sample.clients import run_sql
from tests.conftest import Get
from tests.integration.postgresql_users_support import dumpall, emptied
from vya_backupdb.scratch import ScratchServer

from .conftest import Site

pytestmark = pytest.mark.postgresql

BACKUP = ("users", "backup", "--instance", "source")
RESTORE = ("users", "restore", "--instance", "source", "--target-instance", "target", "--all")


@pytest.fixture
def server(_servers: Get) -> Iterator[ScratchServer]:
    yield from emptied(_servers, "no roles")


@pytest.fixture
def target(_servers: Get) -> Iterator[ScratchServer]:
    yield from emptied(_servers, "no roles, the other")


def many_roles(server: ScratchServer, count: int = 1500) -> None:
    run_sql(
        server,
        f"DO $$ BEGIN FOR i IN 1..{count} LOOP EXECUTE format('CREATE ROLE r%s', i);"
        " IF i > 1 THEN EXECUTE format('GRANT r%s TO r%s', i - 1, i); END IF; END LOOP; END $$",
    )


def cut(server: ScratchServer) -> None:
    """End the session of the product as an administrator or a failing server does."""
    run_sql(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vya-backupdb'",
    )


def test_a_restore_whose_connection_is_cut_says_so_once_and_is_made_whole_by_the_next(site: Site) -> None:
    many_roles(site.source)
    site.run(*BACKUP)
    command = subprocess.Popen(
        site.command(*RESTORE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while int(run_sql(site.target, "SELECT count(*) FROM pg_roles WHERE oid >= 16384")) < 100:
        assert command.poll() is None
        assert time.monotonic() < until
    cut(site.target)
    _, stderr = command.communicate(timeout=60)
    assert command.returncode == 21, stderr
    assert stderr.count("vya-backupdb: ") == 1
    assert "then the same command again" in stderr
    site.run(*RESTORE, "--on-conflict", "replace", "--force")
    assert dumpall(site.target) == dumpall(site.source)


def test_roles_are_replaced_in_one_go_whatever_hangs_on_whom(site: Site) -> None:
    run_sql(
        site.source,
        "CREATE ROLE adm; CREATE ROLE zadm; CREATE ROLE g; GRANT g TO zadm WITH ADMIN OPTION;"
        "SET ROLE zadm; GRANT g TO adm",
    )
    site.run(*BACKUP)
    site.run(*RESTORE)
    run_sql(
        site.target, "REVOKE g FROM adm, zadm CASCADE; CREATE ROLE new; GRANT new TO adm WITH ADMIN OPTION"
    )
    run_sql(site.target, "SET ROLE adm; GRANT new TO zadm")
    done = site.json(*RESTORE, "--on-conflict", "replace", "--force")
    assert {one["name"]: one["error"] for one in done["users"]} == {"adm": None, "g": None, "zadm": None}
    assert not site.json(*RESTORE)["changed"]


def test_what_a_role_granted_on_to_others_is_not_taken_from_them(site: Site) -> None:
    if site.target.binaries.version_number < (16,):
        pytest.skip("before 16 no membership hangs on another")
    run_sql(site.source, "CREATE ROLE adm")
    site.run(*BACKUP)
    site.run(*RESTORE)
    run_sql(site.target, "CREATE ROLE new; CREATE ROLE other; GRANT new TO adm WITH ADMIN OPTION")
    run_sql(site.target, "SET ROLE adm; GRANT new TO other")
    before = dumpall(site.target)
    done = site.run(*RESTORE, "--on-conflict", "replace", "--force", code=21)
    assert "adm: not changed: " in done.stderr
    assert "with CASCADE" in done.stderr
    assert dumpall(site.target) == before
