"""The program's entry: global options, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import cast

import click

from vya_backupdb.cli.completion import completed
from vya_backupdb.cli.context import CliContext
from vya_backupdb.cli.lazy import LazyGroup
from vya_backupdb.cli.render import guarded_output, message, to_stderr, write_output
from vya_backupdb.errors import Refused, VyaBackupDBError
from vya_backupdb.log import Format

PROGRAM = "vya-backupdb"
_HELP = {"help_option_names": ["-h", "--help"]}
_COMMANDS = {
    # name: (where, one line of help)
    "init": ("vya_backupdb.cli.init:command", "Find servers, write a first configuration."),
    "backup": ("vya_backupdb.cli.backup:command", "Back up databases, each into a file of its own."),
    "restore": ("vya_backupdb.cli.restore:command", "Restore a database; list what can be restored."),
    "show": ("vya_backupdb.cli.show:command", "Show one backup: tables, sizes, options, warnings."),
    "extract": ("vya_backupdb.cli.extract:command", "Write the SQL of single tables, or of a part."),
    "status": ("vya_backupdb.cli.status:command", "How the backups of every database stand."),
    "health": ("vya_backupdb.cli.health:command", "For monitoring: what of the backups needs somebody."),
    "verify": ("vya_backupdb.cli.verify:command", "Prove that backups are whole."),
    "drill": ("vya_backupdb.cli.drill:command", "Prove that backups restore, in a throw-away server."),
    "prune": ("vya_backupdb.cli.prune:command", "Delete backups that the retention does not keep."),
    "notify": ("vya_backupdb.cli.notify:command", "Send a notice to whom the configuration names."),
    "users": ("vya_backupdb.cli.users:group", "Users, roles and grants: back up, list, restore."),
    "config": (
        "vya_backupdb.cli.config:command",
        "Validate and show the configuration, try its connections.",
    ),
    "credentials": ("vya_backupdb.cli.credentials:command", "Encrypt credentials, manage their key."),
}


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from importlib.metadata import version

    write_output(f"{PROGRAM} {version(PROGRAM)}\n")
    context.exit()


@click.group(
    cls=LazyGroup,
    commands_at=_COMMANDS,
    context_settings=_HELP,
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration; else ~/.config/vya-backupdb/config.yaml, /etc/vya-backupdb/config.yaml.",
)
@click.option("-v", "--verbose", count=True, help="Log more; twice: with tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="Log errors only.")
@click.option("--log-format", type=click.Choice(["console", "json", "journald"]), help="How log lines look.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    allow_from_autoenv=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.pass_obj
def cli(
    state: CliContext, config_file: Path | None, verbose: int, quiet: bool, log_format: str | None
) -> None:
    """Back up MySQL, MariaDB and PostgreSQL servers, database by database, and restore them.

    Every option can come from the environment: VYA_BACKUPDB_QUIET=1, VYA_BACKUPDB_BACKUP_ALL=1.
    """
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other")
    state.config_file = config_file
    state.verbose = verbose
    state.quiet = quiet
    state.log_format = cast("Format | None", log_format)


# ---------------------------------------------------------------------------- running it


class Ended(BaseException):
    """A signal asks this process to end; raised in the main thread, so that everything is cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _end(number: int, _: FrameType | None) -> None:
    raise Ended(number)


@contextmanager
def _endable() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP of a lost terminal, end the block as Ctrl-C does, each time they come."""
    # whoever ignores it lets us inherit that, and then no exit status of a dump tool can be known
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    replaced = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP, and means it
            replaced[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)


def _without_core_dumps() -> None:
    """Let neither this process nor its children leave their memory on disk: there are passwords in it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and give its exit status."""
    _without_core_dumps()
    state = CliContext()
    with _endable(), guarded_output():
        return _guarded(lambda: _invoke(arguments, state), state)


def _invoke(arguments: Sequence[str] | None, state: CliContext) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if (answered := completed(cli, PROGRAM, state)) is not None:
        return answered
    try:
        # not cli.main(): that one takes any EPIPE, also of a database connection, for a closed stdout
        with cli.make_context(PROGRAM, given, obj=state) as context:
            status = cli.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    return status if isinstance(status, int) else 0


def _guarded(work: Callable[[], int], state: CliContext) -> int:
    """Run, and turn whatever is raised into a message and an exit status."""
    try:
        return work()
    except VyaBackupDBError as error:
        _say(error, message(error), state)
        return error.exit_code
    except click.ClickException as error:
        return _usage(error)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__context__, EOFError):  # the input ended where something was asked
            refusal = Refused("the question was not answered", cure="nothing was changed")
            _say(error, message(refusal), state)
            return refusal.exit_code
        _say(error, "interrupted", state)
        return 130
    except Ended as ended:
        _say(ended, f"ended by {signal.Signals(ended.number).name}", state)
        return 128 + ended.number
    except Exception as error:
        cure = "" if state.tracebacks else "\n  run again with --verbose --verbose for the traceback"
        _say(error, f"unexpected fault: {type(error).__name__}: {error}{cure}", state)
        return 1


def _say(error: BaseException, text: str, state: CliContext) -> None:
    if state.tracebacks:
        import traceback

        to_stderr("".join(traceback.format_exception(error)))
    to_stderr(f"{PROGRAM}: {text}")


def _usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        to_stderr(context.get_help())
        return 2
    command = context.command_path if context is not None else PROGRAM
    to_stderr(f"{PROGRAM}: {error.format_message()}\n  see: {command} --help")
    return 2 if isinstance(error, click.UsageError) else error.exit_code
