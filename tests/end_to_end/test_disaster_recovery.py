"""A whole instance rebuilt on an empty server, from another machine that has the store and the key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.sample.clients import run_sql
from vya_backupdb.scratch import ScratchServer

from .conftest import Site
from .estate import ALL, Estate, changed, told


@contextmanager
def watched(server: ScratchServer) -> Iterator[None]:
    """Let the server note what it is asked."""
    if server.flavour == "postgresql":
        yield  # its catalogs tell
        return
    run_sql(
        server, "SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log = ON"
    )
    try:
        yield
    finally:
        run_sql(server, "SET GLOBAL general_log = OFF; SET GLOBAL log_output = DEFAULT")


def asked(server: ScratchServer) -> list[str]:
    """Give the statements that changed something while the server was watched, in order."""
    query = """SELECT REPLACE(CONVERT(argument USING utf8mb4), '\\n', ' ') FROM mysql.general_log
        WHERE command_type IN ('Query', 'Execute') AND argument NOT LIKE '%.seen SELECT%'
        AND argument NOT LIKE '%`seen` SELECT%'
        AND argument REGEXP '^ *(CREATE|ALTER|DROP|INSERT|GRANT|REVOKE|UPDATE|DELETE|/.![0-9]+ *CREATE)'
        ORDER BY event_time"""
    return run_sql(server, query).splitlines()


def catalogs(server: ScratchServer, databases: list[str]) -> list[str]:
    """Give how many rows PostgreSQL's catalogs and the tables have, and which transaction wrote last."""
    names = (
        *("pg_authid", "pg_auth_members", "pg_database", "pg_db_role_setting", "pg_shdescription"),
        *("pg_class", "pg_proc", "pg_constraint", "pg_default_acl", "pg_event_trigger", "t"),
    )
    query = " UNION ALL ".join(
        f"SELECT '{name}', count(*), max(xmin::text::bigint) FROM {name}" for name in names
    )
    return [run_sql(server, query, database) for database in databases]


# ---------------------------------------------------------------------------- all of it


def test_one_command_on_another_machine_rebuilds_the_whole_instance(
    site: Site, estate: Estate, tmp_path: Path
) -> None:
    site.json("backup", "--all", "--instance", "source")
    other = site.copied_to(tmp_path / "other")
    planned = other.json(*ALL, "--users", "--dry-run")
    with watched(site.target):
        done = other.json(*ALL, "--users")
        statements = [] if site.postgresql else asked(site.target)
    assert done["changed"]
    assert changed(done) == dict.fromkeys(estate.databases, True)
    for report in (planned, done):  # neither databases nor definers that the same run brings are missed
        assert "not here" not in told(report)
        assert "do not exist here" not in told(report)

    for name in estate.databases:
        assert estate.dump(site.target, name) == estate.dump(site.source, name)
    assert estate.states(site.target) == estate.states(site.source)
    assert estate.rights(site.target) == estate.rights(site.source)
    if not site.postgresql:
        events_come_last(site, estate, statements)
    wanted = ["3", "3", "7MB"] if site.postgresql else ["1", "2", "2", "2", "2"]
    assert estate.work_of_the_application(site.target) == wanted
    with watched(site.target):
        before = catalogs(site.target, estate.databases) if site.postgresql else []
        again = other.json(*ALL, "--users")
        if site.postgresql:
            assert catalogs(site.target, estate.databases) == before
        else:
            assert asked(site.target) == []
    assert not again["changed"]
    assert changed(again) == dict.fromkeys(estate.databases, False)
    planned = other.run(*ALL, "--users", "--dry-run").stdout
    assert planned.count("restored already") == 3
    assert "would be" not in planned


def events_come_last(site: Site, estate: Estate, statements: list[str]) -> None:
    """Every event is enabled after all else is made; then the one of every second acts."""
    enabled = [
        number for number, text in enumerate(statements) if text.startswith("ALTER") and "EVENT" in text
    ]
    others = [number for number, text in enumerate(statements) if number not in enabled]
    assert len(enabled) >= 3
    assert min(enabled) > max(number for number in others if "ALTER DATABASE" not in statements[number])
    _, second, _ = estate.databases
    deadline = time.monotonic() + 20
    query = f"SELECT DISTINCT triggers FROM seen WHERE port = {site.target.port}"
    while not (seen := run_sql(site.target, query, second).split()):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert seen == ["2"]
