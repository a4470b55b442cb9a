"""What `init` tells: the servers, the SQL of their accounts, and what is to be done then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vya_backupdb.cli.render import plain
from vya_backupdb.engines.account import BackupAccount
from vya_backupdb.operations.init.document import Chosen
from vya_backupdb.operations.init.home import Home
from vya_backupdb.operations.init.write import Step

_LOGINS = {
    "socket": "without a password: by the socket, as the user {} of this machine",
    "password": "with a password, which takes the place of <...>, in quotes",
}


def as_json(chosen: Chosen, made: Sequence[BackupAccount]) -> dict[str, object]:
    """Give a server and its accounts for a document."""
    server, place = chosen.server, chosen.server.place
    return {
        "id": chosen.id,
        "flavour": server.greeting.flavour,
        "version": server.greeting.version,
        "answers": server.answers,
        "socket": place.socket,
        "host": place.host,
        "port": place.port,
        "run_by": server.run_by,
        "also": [str(each) for each in server.also],
        "accounts": plain(made),
    }


def lines(
    where: Home,
    chosen: Sequence[Chosen],
    made: dict[str, tuple[BackupAccount, ...]],
    steps: Sequence[Step],
    *,
    replaces: bool,
) -> Iterator[str]:
    """Give what people read; `replaces`: there was a configuration before."""
    for one in chosen:
        also = f" (also {', '.join(map(str, one.server.also))})" if one.server.also else ""
        yield f"{one.id}: {one.server}{also}"
    yield f"{where.config}: {'replaced' if replaces else 'written'}"
    for one in chosen:
        yield ""
        several = " one of these" if len(made[one.id]) > 1 else ""
        yield f"{one.id}: an administrator of the server executes{several} (nothing was executed):"
        for account in made[one.id]:
            yield ""
            yield f"  -- {_LOGINS[account.login].format(where.user)}"
            yield from (f"  {statement};" for statement in account.statements)
            yield from (f"  -- {remark}" for remark in account.remarks)
    yield ""
    yield "Then:"
    width = max(len(step.command) for step in steps)
    yield from (f"  {step.command.ljust(width)}  # {step.why}" for step in steps)
