"""How pg_dump is called: its options, and which of the configuration's it may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.command import command
from vya_backupdb.engines.postgresql.connection import lock_wait
from vya_backupdb.engines.postgresql.stderr import Judge
from vya_backupdb.errors import ConfigurationError
from vya_backupdb.model import DumpPlan, DumpTool, PostgreSQLDefinition
from vya_backupdb.streams.process import Command


@dataclass(frozen=True, slots=True)
class _Option:
    """One option, the same in pg_dump 13 to 18, and why it is given. `{}` takes the value."""

    text: str
    why: str
    value: Callable[[DumpPlan, Instance], str | int] | None = None


def _encoding(plan: DumpPlan, _: Instance) -> str:
    definition = plan.definition
    if not isinstance(definition, PostgreSQLDefinition):
        raise TypeError("the plan of a PostgreSQL dump has a PostgreSQL definition")
    return definition.encoding


def _lock_wait(_: DumpPlan, instance: Instance) -> int:
    return lock_wait(instance)


OPTIONS: Final = (
    _Option("--format=plain", "a script that psql alone can restore"),
    _Option("--no-password", "a tool that asks for a password would wait for ever"),
    _Option(
        "--encoding={}", "the database's own: any other one may have no character for a value", _encoding
    ),
    _Option(
        "--lock-wait-timeout={}",
        "milliseconds; give up on a table that is held in ACCESS EXCLUSIVE",
        _lock_wait,
    ),
)
"""What every dump gets. Large objects, ACLs, comments, labels, publications and subscriptions are in a
whole dump by default. Not given: --enable-row-security (dumps a subset in silence), --create (the definition
is kept as data), --restrict-key (a random one protects who restores with psql), --statistics (ANALYZE makes
them anew)."""

ALLOWED: Final = frozenset(
    {
        "--load-via-partition-root",
        "--no-comments",
        "--no-security-labels",
        "--no-table-access-method",
        "--no-tablespaces",
        "--no-toast-compression",
        "--no-unlogged-table-data",
        "--quote-all-identifiers",
        "--serializable-deferrable",
    }
)
"""The options that `dump.extra_options` may hold: all leave the script whole, and none leaves out rows that
survive a crash of the server."""


def check_extra_options(instance: Instance) -> None:
    """Raise ConfigurationError for an option that is not on the list."""
    for option in instance.dump.extra_options:
        if option not in ALLOWED:
            raise ConfigurationError(
                f"{instance.id}: dump.extra_options: {option} is not allowed",
                cure="allowed are " + ", ".join(sorted(ALLOWED)),
            )


@contextmanager
def dump_command(
    plan: DumpPlan, tool: DumpTool, instance: Instance, credential: Credential
) -> Iterator[Command]:
    """Give the command that dumps one database to its stdout; its password lives as long as the context."""
    check_extra_options(instance)
    options = (*_options(plan, instance), *instance.dump.extra_options, *plan.tool_options)
    judge = Judge(Path(tool.path).name, allow_partial=instance.allow_partial)
    with command(tool, options, instance, credential, plan.database, judge=judge) as made:
        yield made


def _options(plan: DumpPlan, instance: Instance) -> Iterator[str]:
    for option in OPTIONS:
        yield option.text if option.value is None else option.text.format(option.value(plan, instance))
