"""The account that `init` proposes backs up everything, and with one privilege less it does not."""

from __future__ import annotations

import io
import json
import re
import secrets
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
import zstandard

from scripts.sample.clients import create_database, drop_database, run_sql
from tests.conftest import Get, choose, plugins
from vya_backupdb.cli.main import main
from vya_backupdb.engines.mysql.needed import needed, source_positions
from vya_backupdb.engines.postgresql.needed import NEEDED, READS_ALL
from vya_backupdb.model import EngineName, Flavour
from vya_backupdb.operations.init import places
from vya_backupdb.operations.init.places import Place, socket_place
from vya_backupdb.scratch import ScratchServer, start

PASSWORD = "a pass word 7"
ACCOUNT = "vya-least"

MYSQL_FAMILY = """
CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'row of t');
CREATE TABLE old (a int) ENGINE=MyISAM; INSERT INTO old VALUES (4711);
CREATE VIEW v AS SELECT * FROM t;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @x = 1;
CREATE PROCEDURE p() SELECT 1;
CREATE FUNCTION f() RETURNS int DETERMINISTIC NO SQL RETURN 1;
CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1;
"""
OF_MARIADB = "CREATE SEQUENCE s; CREATE TABLE h (a int) WITH SYSTEM VERSIONING"
OF_MYSQL = "CREATE LIBRARY lib LANGUAGE JAVASCRIPT AS 'export function x() {}'"
POSTGRESQL = """
CREATE SCHEMA app;
CREATE TABLE app.t (id serial PRIMARY KEY, v text); INSERT INTO app.t (v) VALUES ('row of t');
CREATE TABLE secret (a int); INSERT INTO secret VALUES (4711);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE VIEW v AS SELECT * FROM app.t; CREATE MATERIALIZED VIEW m AS SELECT * FROM app.t;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""
IN_THE_DUMP = {
    False: ["row of t", "4711", "VIEW `v`", "tr", "PROCEDURE `p`", "FUNCTION `f`", "EVENT `e`"],
    True: ["row of t", "4711", "VIEW public.v", "VIEW public.m", "FUNCTION public.f", "setval("],
}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(
    scope="module",
    params=[pytest.param(f, marks=getattr(pytest.mark, f)) for f in ("mysql", "mariadb", "postgresql")],
)
def server(request: pytest.FixtureRequest, _servers: Get) -> Iterator[ScratchServer]:
    """A server with a binary log; MySQL has one unless told otherwise."""
    flavour: Flavour = request.param
    if flavour != "mariadb":
        yield _servers(flavour, "source")
        return
    binaries = choose(flavour)
    with start(binaries, settings={"log-bin": "binlog", "server-id": 1, **plugins(binaries)}) as started:
        yield started


@pytest.fixture(scope="module")
def database(server: ScratchServer) -> Iterator[str]:
    """A database with what each privilege is for."""
    name = f"t_{secrets.token_hex(4)}"
    create_database(server, name)
    objects = POSTGRESQL
    if server.flavour != "postgresql":
        objects = MYSQL_FAMILY + (OF_MYSQL if server.flavour == "mysql" else OF_MARIADB)
    run_sql(server, objects, name)
    yield name
    drop_database(server, name)


@dataclass
class Machine:
    """What `init` has written, and what the account that it proposes may do."""

    config: Path
    server: ScratchServer
    database: str
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, Any, str]:
        """Give exit status, document, and everything that was said."""
        self.capsys.readouterr()
        status = main(["--config", str(self.config), *words, "--format", "json"])
        done = self.capsys.readouterr()
        return status, json.loads(done.out) if done.out else None, done.out + done.err

    @property
    def who(self) -> str:
        return f'"{ACCOUNT}"' if self.server.flavour == "postgresql" else f"'{ACCOUNT}'@'localhost'"

    def switch(self, privilege: str, *, given: bool) -> None:
        """Take a privilege away, or give it back."""
        if privilege == READS_ALL:
            change = "GRANT {} TO {}" if given else "REVOKE {} FROM {}"
        elif self.server.flavour == "postgresql":
            change = f"ALTER ROLE {{1}} {'' if given else 'NO'}{{0}}"
        else:
            change = "GRANT {} ON *.* TO {}" if given else "REVOKE {} ON *.* FROM {}"
        run_sql(self.server, change.format(privilege, self.who))


@pytest.fixture
def machine(
    server: ScratchServer,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Machine]:
    """Take every step from `init` to the first backup, as they are named."""
    engine: EngineName = "postgresql" if server.flavour == "postgresql" else "mysql"
    path = server.socket / f".s.PGSQL.{server.port}" if engine == "postgresql" else server.socket
    there = [socket_place(engine, path), Place(engine, host=server.host, port=server.port)]
    monkeypatch.setattr(places, "well_known", lambda: there)
    config = tmp_path / "config.yaml"
    made = Machine(config, server, database, capsys)
    status, document, said = made.run("init", "--force", "--account", ACCOUNT)
    assert status == 0, said
    assert made.run("config", "validate")[0] == 0
    written = yaml.safe_load(config.read_text())
    written["storage"] = {"path": "store", "min_free": "1MiB"}
    (instance,) = written["instances"]
    instance |= {"databases": {"include": [database]}, "dump": {"tool": str(server.binaries.dump)}}
    config.write_text(json.dumps(written))
    (account,) = document["instances"][0]["accounts"]
    with ExitStack() as stack:
        stack.callback(run_sql, server, f"DROP {'ROLE' if engine == 'postgresql' else 'USER'} {made.who}")
        for statement in account["statements"]:
            run_sql(server, statement.replace("<'password'>", f"'{PASSWORD}'"))
        for words in (shlex.split(step["command"])[1:] for step in document["next"]):
            if "credentials" in words:
                with monkeypatch.context() as patched:
                    patched.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PASSWORD.encode())))
                    assert main(words) == 0
        yield made


def test_the_account_that_is_proposed_backs_up_everything_and_needs_all_that_it_has(machine: Machine) -> None:
    status, document, said = machine.run("config", "test-connections")
    assert status == 0, said
    assert [one for one in document["instances"][0]["findings"] if "GRANT" in (one["cure"] or "")] == []
    status, document, said = machine.run("backup", "--all")
    assert status == 0, said
    scripts = {one["database"]: script(one["file"]) for one in document["backups"]}
    for name in IN_THE_DUMP[machine.server.flavour == "postgresql"]:
        assert name.encode() in scripts[machine.database], name
    assert ACCOUNT.encode() in scripts["@users"]
    assert re.search(rb"IDENTIFIED (WITH|VIA) .*(AS 0x|USING )|PASSWORD 'SCRAM-SHA-256", scripts["@users"])
    assert "GRANT" not in said
    assert "ALTER ROLE" not in said
    for need in _needs(machine.server):
        machine.switch(need, given=False)
        status, document, said = machine.run("backup", "--all")
        assert need in said or status != 0, f"nobody misses {need}"
        machine.switch(need, given=True)
    assert machine.run("backup", "--all")[0] == 0


def script(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()


def _needs(server: ScratchServer) -> list[str]:
    if server.flavour == "postgresql":
        return [need.privilege for need in NEEDED]
    return [need.privilege for need in needed(server.flavour, server.binaries.version_number)]


def test_on_a_replica_of_mariadb_one_more_privilege_is_needed(machine: Machine) -> None:
    if machine.server.flavour != "mariadb":
        pytest.skip("mariadb only")
    run_sql(machine.server, "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1; START SLAVE SQL_THREAD")
    try:
        _, _, said = machine.run("config", "test-connections")
        need = source_positions("mariadb", machine.server.binaries.version_number)
        assert need is not None
        assert f"GRANT {need.privilege} ON *.* TO" in said
        machine.switch(need.privilege, given=True)
        status, document, said = machine.run("backup", "--all")
        assert status == 0
        assert need.privilege not in said
        path = next(one["file"] for one in document["backups"] if one["database"] == machine.database)
        positions = machine.run("show", "--file", path)[1]["positions"]
        assert positions["source_host"] == "127.0.0.1"
    finally:
        run_sql(machine.server, "STOP SLAVE; RESET SLAVE ALL")
