"""What the global options say, and what every command builds on: configuration, log, credentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vya_backupdb import log

if TYPE_CHECKING:
    from vya_backupdb.config.models import Config
    from vya_backupdb.credentials.vault import Vault


@dataclass
class CliContext:
    """The global options; filled by the group before a command runs."""

    config_file: Path | None = None
    verbose: int = 0
    quiet: bool = False
    log_format: log.Format | None = None
    _config: Config | None = field(default=None, repr=False)

    @property
    def tracebacks(self) -> bool:
        """Whether faults are shown with a traceback."""
        return self.verbose >= 2

    def config_path(self) -> Path:
        """Give the path of the configuration. Raises ConfigurationError."""
        from vya_backupdb.config.load import find_config

        return find_config(self.config_file)

    def config(self) -> Config:
        """Load the configuration, once, and log as it and the options say. Raises ConfigurationError."""
        if self._config is None:
            from vya_backupdb.config.load import load_config

            self._config = load_config(self.config_path())
            self._log(self._config)
        return self._config

    def vault(self) -> Vault:
        """Read and decrypt the credentials of the configuration. Raises CredentialsError."""
        from vya_backupdb.operations.credentials import open_vault

        return open_vault(self.config())

    def instances(self, named: Sequence[str] = ()) -> tuple[str, ...]:
        """Give the ids of the named instances, all where none is named. Raises ConfigurationError."""
        config = self.config()
        if not named:
            return tuple(instance.id for instance in config.instances)
        return tuple(config.instance(name).id for name in dict.fromkeys(named))

    def _log(self, config: Config) -> None:
        wanted = config.logging
        log.configure(
            level=self._level(wanted.level), style=self.log_format or wanted.format, file=wanted.file
        )

    def _level(self, configured: log.Level) -> log.Level:
        if self.quiet:
            return "error"
        return "debug" if self.verbose else configured


pass_context = click.make_pass_decorator(CliContext)
