"""`init` finds real servers, and the accounts that it proposes log in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from scripts.sample.clients import ClientError, run_sql
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.model import EngineName
from vya_backupdb.operations.init.found import ask, find
from vya_backupdb.operations.init.places import Place, socket_place
from vya_backupdb.scratch import ScratchServer


def engine_of(server: ScratchServer) -> EngineName:
    return "postgresql" if server.flavour == "postgresql" else "mysql"


def by_socket(server: ScratchServer) -> Place:
    path = server.socket
    if server.flavour == "postgresql":
        path /= f".s.PGSQL.{server.port}"
    return socket_place(engine_of(server), path)


def by_tcp(server: ScratchServer) -> Place:
    return Place(engine_of(server), host=server.host, port=server.port)


def test_a_server_is_found_once_at_all_of_its_places(server: ScratchServer) -> None:
    (found,) = find([by_socket(server), by_tcp(server), Place(engine_of(server), host="127.0.0.1", port=1)])
    assert found.greeting.flavour == server.flavour
    assert (found.place, found.also) == (by_socket(server), (by_tcp(server),))
    assert found.run_by == by_socket(server).socket.owner()  # type: ignore[union-attr]
    if server.flavour != "postgresql":
        assert found.greeting.version == server.version.split("-")[0]


@pytest.mark.mariadb
def test_two_servers_of_one_version_are_two(mariadb: ScratchServer, mariadb_target: ScratchServer) -> None:
    places = [by_socket(mariadb), by_socket(mariadb_target), by_tcp(mariadb), by_tcp(mariadb_target)]
    assert [(one.place, one.also) for one in find(places)] == [
        (places[0], (places[2],)),
        (places[1], (places[3],)),
    ]


def test_an_account_without_a_password_logs_in_by_the_socket(mysql_server: ScratchServer) -> None:
    owner = Path(mysql_server.socket).owner()
    found = ask(by_socket(mysql_server))
    assert found is not None
    account = engine_named("mysql").backup_account(found.greeting, owner, login="socket", client="localhost")
    if mysql_server.flavour == "mysql":
        (remark,) = account.remarks
        run_sql(mysql_server, remark.partition(": ")[2])
    try:
        for statement in account.statements:
            run_sql(mysql_server, statement)
        done = subprocess.run(
            [
                *(str(mysql_server.binaries.client), "--no-defaults", f"--socket={mysql_server.socket}"),
                *("--protocol=socket", f"--user={owner}", "--batch", "--skip-column-names"),
                "--execute=SELECT CURRENT_USER()",
            ],
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C.UTF-8"},
            user=owner if os.getuid() == 0 else None,
        )
        assert (done.stdout, done.stderr) == (f"{owner}@localhost\n", "")
    finally:
        run_sql(mysql_server, f"DROP USER IF EXISTS '{owner}'@'localhost'")
        if mysql_server.flavour == "mysql":
            run_sql(mysql_server, "UNINSTALL PLUGIN auth_socket")


def test_what_has_to_be_put_in_is_not_taken_as_it_is(server: ScratchServer) -> None:
    found = ask(by_tcp(server))
    assert found is not None
    engine = engine_named(engine_of(server))
    for client in ("127.0.0.1", None):
        account = engine.backup_account(found.greeting, "nobody", login="password", client=client)
        with pytest.raises(ClientError, match="syntax"):
            run_sql(server, account.statements[0])
