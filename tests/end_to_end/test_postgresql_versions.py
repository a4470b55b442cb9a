"""Backups restore onto newer versions of PostgreSQL; onto older ones, what may fail is said beforehand."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.sample import load, make_roles
from scripts.sample.clients import create_database, drop_database, run_sql
from vya_backupdb.scratch import ScratchServer, find_binaries, start

from .conftest import Site
from .postgresql_fingerprint import fingerprint

pytestmark = pytest.mark.postgresql

MAJORS = sorted({binaries.version_number[0] for binaries in find_binaries("postgresql")})
UP = [(old, new) for old in MAJORS for new in MAJORS if old < new]
COMPARED = ("rows", "sequences", "large objects", "comments", "policies", "triggers", "settings")
"""What means the same in every version."""

Server = Callable[[int], ScratchServer]


@pytest.fixture(scope="module")
def of_major() -> Iterator[Server]:
    """A server of a major version, started when first asked for."""
    running: dict[int, ScratchServer] = {}
    with ExitStack() as stack:

        def get(major: int) -> ScratchServer:
            if major not in running:
                binaries = next(b for b in find_binaries("postgresql") if b.version_number[0] == major)
                running[major] = stack.enter_context(start(binaries))
            return running[major]

        yield get


@pytest.fixture
def between(of_major: Server, tmp_path: Path) -> Iterator[Callable[[int, int], Site]]:
    def make(source: int, target: int) -> Site:
        site = Site(tmp_path, of_major(source), of_major(target))
        site.write_config()
        site.run("credentials", "keygen")
        site.write_credentials()
        return site

    yield make
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.skipif(not UP, reason="there is only one version of PostgreSQL here (see scripts/engines.py)")
@pytest.mark.parametrize(("old", "new"), UP)
def test_a_backup_restores_onto_a_newer_version(
    between: Callable[[int, int], Site], old: int, new: int
) -> None:
    site = between(old, new)
    names = load(site.source, f" {old} {new}")
    make_roles(site.target)
    try:
        for name in names:
            site.backup(name)
            outcome = site.restore(name)
            assert outcome["rows_verified"]
            before, after = (fingerprint(server, name) for server in (site.source, site.target))
            assert {key: after[key] for key in COMPARED} == {key: before[key] for key in COMPARED}
    finally:
        for server in (site.source, site.target):
            for name in names:
                drop_database(server, name)


@pytest.mark.limitation("postgresql-column-versions")
@pytest.mark.skipif(not UP, reason="there is only one version of PostgreSQL here (see scripts/engines.py)")
@pytest.mark.parametrize(("old", "new"), UP)
def test_a_backup_made_by_the_tool_of_a_newer_version_restores_onto_that_one(
    between: Callable[[int, int], Site], old: int, new: int
) -> None:
    """As the manual advises for an upgrade."""
    site = between(old, new)
    name = f"moved_{old}_{new}"
    create_database(site.source, name)
    try:
        run_sql(
            site.source,
            "CREATE TABLE t (n int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET (n_distinct = 4);"
            "INSERT INTO t VALUES (1, 'x')",
            name,
        )
        site.write_config(dump={"tool": str(site.target.binaries.dump)})
        site.backup(name)
        assert site.restore(name)["rows_verified"]
        options = "SELECT attoptions FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"
        assert "n_distinct=4" in run_sql(site.target, options, name)
    finally:
        for server in (site.source, site.target):
            drop_database(server, name)


@pytest.mark.limitation("postgresql-older-target")
@pytest.mark.skipif(not UP, reason="there is only one version of PostgreSQL here (see scripts/engines.py)")
@pytest.mark.parametrize(("old", "new"), UP)
def test_an_older_target_is_named_beforehand_and_takes_what_it_knows(
    between: Callable[[int, int], Site], old: int, new: int
) -> None:
    site, database = between(new, old), f"down_{new}_{old}"
    create_database(site.source, database)
    try:
        run_sql(
            site.source,
            "CREATE TABLE t (id serial PRIMARY KEY, v text NOT NULL CHECK (v <> ''));"
            "CREATE VIEW w AS TABLE t;"
            "INSERT INTO t (v) SELECT 'v' || n FROM generate_series(1, 50) n; SELECT lo_from_bytea(101, 'x')",
            database,
        )
        site.backup(database)
        plan = site.restore(database, "--dry-run")
        assert any(f"older than the source ({new})" in warning for warning in plan["warnings"])
        assert site.restore(database)["rows"] == 50
        before, after = (fingerprint(server, database) for server in (site.source, site.target))
        assert {key: after[key] for key in COMPARED} == {key: before[key] for key in COMPARED}
    finally:
        for server in (site.source, site.target):
            drop_database(server, database)


@pytest.mark.limitation("postgresql-older-target")
@pytest.mark.skipif(18 not in MAJORS or MAJORS[0] == 18, reason="needs PostgreSQL 18 and an older one")
def test_what_an_older_target_does_not_know_is_named_with_its_statement(
    between: Callable[[int, int], Site],
) -> None:
    site, database = between(18, MAJORS[0]), "virtual_18"
    create_database(site.source, database)
    try:
        run_sql(site.source, "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2))", database)
        site.backup(database)
        words = ("restore", "--instance", "source", "--database", database, "--latest")
        done = site.run(*words, "--target-instance", "target", "--force", code=21)
        assert "CREATE TABLE public.t" in done.stderr
    finally:
        for server in (site.source, site.target):
            drop_database(server, database)
