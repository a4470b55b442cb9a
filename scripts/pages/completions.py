"""etc/completions: what makes bash, zsh and fish ask the command how a line goes on, as click writes it."""

from __future__ import annotations

from click.shell_completion import get_completion_class

from vya_backupdb.cli.completion import VARIABLE
from vya_backupdb.cli.main import PROGRAM, cli

_FILES = {
    "bash": f"etc/completions/bash-completion/completions/{PROGRAM}",
    "zsh": f"etc/completions/zsh/site-functions/_{PROGRAM}",
    "fish": f"etc/completions/fish/vendor_completions.d/{PROGRAM}.fish",
}
"""Each where its shell looks for it below a `share` folder."""


def pages() -> dict[str, str]:
    """Give each file by its name in the repository."""
    found = {}
    for shell, path in _FILES.items():
        kind = get_completion_class(shell)
        assert kind is not None
        made = kind(cli, {}, PROGRAM, VARIABLE)
        found[path] = (made.source_template % made.source_vars()).strip() + "\n"
    return found
