"""`vya-backupdb init`: a first configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import click

from vya_backupdb.cli.context import CliContext, pass_context
from vya_backupdb.cli.first_steps import as_json, lines
from vya_backupdb.cli.render import (
    agreed,
    confirmation,
    emit,
    force_option,
    format_option,
    note,
    plain,
)
from vya_backupdb.config.values import IDENTIFIER
from vya_backupdb.engines.account import Greeting
from vya_backupdb.errors import ConnectionFailed, Refused
from vya_backupdb.model import EngineName, Flavour
from vya_backupdb.operations.init import found as servers
from vya_backupdb.operations.init import places
from vya_backupdb.operations.init.document import Chosen
from vya_backupdb.operations.init.found import Server
from vya_backupdb.operations.init.home import ADMINISTRATORS, home
from vya_backupdb.operations.init.places import Place
from vya_backupdb.operations.init.write import accounts, next_steps, write_config


@click.command("init")
@click.option(
    "--engine",
    type=click.Choice(["mysql", "mariadb", "postgresql"]),
    help="Only such servers; with --host or --socket: what it is.",
)
@click.option("--host", metavar="NAME", help="This server; no other is looked for. Needs --engine.")
@click.option("--port", type=click.IntRange(1, 65535), help="Its port, if it is not the usual one.")
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The server with this socket; no other is looked for. Needs --engine.",
)
@click.option("--id", "given_id", metavar="ID", help="The id of the server of --host or --socket.")
@click.option("--account", metavar="NAME", help="Name of the accounts; else that of who makes the backups.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The configuration; else that of --config, else the usual place.",
)
@force_option
@format_option
@pass_context
def command(
    context: CliContext,
    engine: Flavour | None,
    host: str | None,
    port: int | None,
    socket: Path | None,
    given_id: str | None,
    account: str | None,
    output: Path | None,
    force: bool,
    format: str,
) -> None:
    """Find the servers of this machine, and write a first configuration.

    \b
    vya-backupdb init
    vya-backupdb init --engine mysql --host db1.example.net --id prod-mysql-01

    Servers are looked for at the usual sockets and at ports of the loopback, without a login, and each is
    asked about. Shown is the SQL that makes the least privileged account for backups, which an administrator
    executes, and what is to be done then. Nothing is changed on any server; MariaDB's log may tell of
    connections without a login.
    """
    where = home(output or context.config_file)
    name = account or where.account
    if name in ADMINISTRATORS:
        raise click.UsageError(f"--account: {name} is an administrator of servers: take another name")
    named = _named_place(engine, host, port, socket, given_id)
    replaces = os.path.lexists(where.config)
    if replaces:
        confirmation(force=force)(f"{where.config} is there already. Replace it?")
    if named is not None and engine is not None:
        chosen = [_named(named, engine, given_id)]
    else:
        chosen = _asked(_found(engine), force=force)
    write_config(where.config, chosen, where)
    made = {one.id: accounts(one, name, where) for one in chosen}
    steps = list(next_steps(where.config, chosen, name, where))
    document = {
        "file": where.config,
        "replaced": replaces,
        "account": name,
        "instances": [as_json(one, made[one.id]) for one in chosen],
        "next": plain(steps),
    }
    emit(format, document, *lines(where, chosen, made, steps, replaces=replaces))


# ---------------------------------------------------------------------------- which servers


def _named_place(
    engine: Flavour | None, host: str | None, port: int | None, socket: Path | None, given_id: str | None
) -> Place | None:
    """Give the place that the options name; None: servers are to be looked for."""
    if host is None and socket is None:
        if port is not None or given_id is not None:
            raise click.UsageError("--port and --id need --host or --socket")
        return None
    if engine is None:
        raise click.UsageError("--host and --socket need --engine")
    if host is not None and socket is not None:
        raise click.UsageError("--host and --socket exclude each other")
    if given_id is not None and not IDENTIFIER.fullmatch(given_id):
        raise click.BadParameter("take 1 to 64 of A-Z a-z 0-9 . _ -", param_hint="--id")
    kind: EngineName = "postgresql" if engine == "postgresql" else "mysql"
    if socket is None:
        return Place(kind, host=host, port=port)
    if port is not None:
        raise click.UsageError("--port is for --host: a socket has it in its name")
    place = places.socket_place(kind, socket.absolute())
    if kind == "postgresql" and place.port is None:
        raise click.UsageError("--socket takes the socket itself, as /run/postgresql/.s.PGSQL.5432")
    return place


def _named(place: Place, engine: Flavour, given_id: str | None) -> Chosen:
    patience = servers.PATIENCE if place.is_local else servers.REMOTE_PATIENCE
    server = servers.ask(place, patience)
    if server is None:
        note(f"{place} does not answer: its version is taken for the newest")
        server = Server(place, Greeting(engine), answers=False)
    elif server.greeting.flavour != engine:
        note(f"{place} is {server.title}")
    return Chosen(given_id or _default_id(server, ()), server)


def _found(engine: Flavour | None) -> list[Server]:
    """Look for servers. Raises ConnectionFailed where there is none."""
    looked_at = places.well_known()
    found = servers.find(looked_at)
    if engine is not None:
        found = [server for server in found if server.greeting.flavour == engine]
    if not found:
        raise ConnectionFailed(
            f"no server of {engine or 'MySQL, MariaDB or PostgreSQL'} answers on this machine, at "
            + ", ".join(map(str, looked_at)),
            cure="start it, or name one: --engine ENGINE with --host NAME or --socket PATH",
        )
    return found


def _asked(found: Sequence[Server], *, force: bool) -> list[Chosen]:
    """Ask about each server. Raises Refused where none is chosen, or nobody is there to be asked."""
    chosen: list[Chosen] = []
    for server in found:
        if not agreed(f"Back up {server}?", force=force, default=True):
            continue
        ids = [one.id for one in chosen]
        default = _default_id(server, ids)
        chosen.append(Chosen(default if force else _asked_id(default, ids), server))
    if not chosen:
        raise Refused("no server was chosen", cure="nothing was written")
    return chosen


def _asked_id(default: str, taken: Sequence[str]) -> str:
    def checked(value: str) -> str:
        if not IDENTIFIER.fullmatch(value):
            raise click.BadParameter("take 1 to 64 of A-Z a-z 0-9 . _ -")
        if value in taken:
            raise click.BadParameter("another has it")
        return value

    return click.prompt("Its id", default=default, err=True, value_proc=checked)


def _default_id(server: Server, taken: Sequence[str]) -> str:
    place, flavour = server.place, server.greeting.flavour
    name = flavour if place.is_local else re.sub(r"[^A-Za-z0-9._-]", "-", f"{flavour}-{place.host}")[:60]
    return next(each for each in (name, *(f"{name}-{n}" for n in range(2, 100))) if each not in taken)
