"""A whole instance rebuilt on an empty server, from another machine that has the store and the key."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from scripts.sample.clients import create_database, drop_database, run_sql
from vya_backupdb.scratch import ScratchServer

from .conftest import Site
from .estate import ALL, Estate, changed, told

README = Path(__file__).parents[2] / "README.md"


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


def readme_commands() -> list[list[str]]:
    """Give the commands of the chapter of README.md, as they are written."""
    chapter = README.read_text().partition("## Rebuild an empty server")[2].partition("\n## ")[0]
    lines = [line for line in chapter.splitlines() if line.startswith("vya-backupdb ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_the_commands_of_the_readme_rebuild_a_server(site: Site, tmp_path: Path) -> None:
    backup, dry_run, restore, users, shop, check = readme_commands()
    document = json.loads(site.config.read_text())
    for instance, name in zip(document["instances"], ("prod-mariadb", "new-mariadb"), strict=True):
        instance["id"] = name
    document["instances"][0]["databases"] = {"include": ["shop"]}
    site.change_config(instances=document["instances"][:1])
    plain = site.folder / "plain.json"
    servers = {"prod-mariadb": site.source, "new-mariadb": site.target}
    logins = {name: {"username": s.superuser, "password": s.password} for name, s in servers.items()}
    plain.write_text(json.dumps(logins))
    site.run(
        "credentials",
        "encrypt",
        "--input",
        str(plain),
        "--output",
        str(site.folder / "credentials.json"),
        "--force",
    )
    user = f"u_{os.urandom(3).hex()}"
    account = user if site.postgresql else f"{user}@'%'"

    def clear(server: ScratchServer) -> None:
        drop_database(server, "shop")
        run_sql(server, f"DROP {'ROLE' if site.postgresql else 'USER'} IF EXISTS {account}")

    create_database(site.source, "shop")
    try:
        made = f"CREATE {'ROLE' if site.postgresql else 'USER'} {account} "
        login = f"LOGIN PASSWORD '{user}'" if site.postgresql else f"IDENTIFIED BY '{user}'"
        run_sql(site.source, made + login)
        run_sql(
            site.source,
            f"CREATE TABLE t (id INT); INSERT INTO t VALUES (1); GRANT SELECT ON t TO {account}",
            "shop",
        )
        site.run(*backup)
        site.change_config(instances=document["instances"])
        assert "would be restored" in site.run(*dry_run).stdout
        assert not site.exists(site.target, "shop")
        for steps in ([restore], [users, shop, check]):
            said = [site.run(*words).stdout for words in steps]
            assert site.same("shop")
            assert (
                run_sql(replace(site.target, superuser=user, password=user), "SELECT id FROM t", "shop")
                == "1\n"
            )
            if steps[-1] is check:
                assert "same" in said[-1]
                assert user not in said[-1]  # only those of which there is something to tell are named
            clear(site.target)
    finally:
        clear(site.target)
        clear(site.source)
