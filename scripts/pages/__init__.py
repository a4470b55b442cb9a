"""What tells a user about the command, made from the code: `make docs` writes it, a test compares."""

from __future__ import annotations

from pathlib import Path

from scripts.pages import commands, completions, configuration, errors, events, man, privileges, schemas

ROOT = Path(__file__).parents[2]


def pages() -> dict[str, str]:
    """Give every page that is made, by its path in the repository."""
    return {
        "docs/commands.md": commands.page(),
        "docs/configuration.md": configuration.page(),
        "docs/errors.md": errors.page(),
        "docs/logging.md": events.page(),
        "docs/privileges.md": privileges.page(),
        **completions.pages(),
        **man.pages(),
        **schemas.pages(),
    }
