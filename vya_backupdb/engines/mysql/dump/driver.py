"""The command that dumps one database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.transport import secret_file
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.mysql.dump.optionfile import option_file
from vya_backupdb.engines.mysql.dump.options import NO_LOGIN_PATHS_SINCE, extra_options, tool_options
from vya_backupdb.engines.mysql.dump.stderr import CURES, judge_for
from vya_backupdb.engines.mysql.dump.tools import ENVIRONMENT
from vya_backupdb.model import DumpPlan, DumpTool, ServerFacts
from vya_backupdb.streams.process import Command


@contextmanager
def dump_command(
    plan: DumpPlan, tool: DumpTool, facts: ServerFacts, instance: Instance, credential: Credential
) -> Iterator[Command]:
    """Give the command; the option file with the password lives in memory as long as the context.

    Raises ConfigurationError, CredentialsError.
    """
    extra = extra_options(instance.id, instance.dump.extra_options, tool)
    with secret_file(option_file(instance, credential, facts, tool)) as secret:
        first = [f"--defaults-file={secret.path}"]
        if tool.flavour == "mysql" and tool.version_number >= NO_LOGIN_PATHS_SINCE:
            first.append("--no-login-paths")
        yield Command(
            argv=(
                tool.path,
                *first,
                *tool_options(tool, plan.consistency),
                *plan.tool_options,
                *extra,
                "--",
                plan.database,
            ),
            environment=ENVIRONMENT,
            judge=judge_for(tool.path),
            cures=CURES,
            pass_fds=(secret.fd,),
        )
