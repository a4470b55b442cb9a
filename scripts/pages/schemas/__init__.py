"""docs/schemas/*.json: what the JSON of each command looks like.

The documents are made by vya_backupdb/cli/; whoever adds a key there, adds it here. Tests hold every
document that they see to these schemas, and no key may be in it that is not in them.
"""

from __future__ import annotations

from scripts.pages.schemas.backups import BACKUP, HOOK, PRUNE
from scripts.pages.schemas.configuration import CONFIG_SHOW, CONFIG_VALIDATE, INIT, TEST_CONNECTIONS
from scripts.pages.schemas.contents import SHOW
from scripts.pages.schemas.restores import RESTORE, RESTORE_LIST, USERS_LIST, USERS_RESTORE
from scripts.pages.schemas.standing import DRILL, HEALTH, STATUS, VERIFY
from scripts.pages.schemas.words import Schema, written

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DOCUMENTS = {
    "init": ("vya-backupdb init --format json", INIT),
    "backup": ("vya-backupdb backup --format json", BACKUP),
    "hook": ("What a command of `hooks` gets on stdin", HOOK),
    "restore": ("vya-backupdb restore --format json", RESTORE),
    "restore-list": ("vya-backupdb restore list --format json", RESTORE_LIST),
    "show": ("vya-backupdb show --format json", SHOW),
    "status": ("vya-backupdb status --format json", STATUS),
    "health": ("vya-backupdb health --format json", HEALTH),
    "verify": ("vya-backupdb verify --format json", VERIFY),
    "drill": ("vya-backupdb drill --format json", DRILL),
    "prune": ("vya-backupdb prune --format json", PRUNE),
    "users-backup": ("vya-backupdb users backup --format json", BACKUP),
    "users-list": ("vya-backupdb users list --format json", USERS_LIST),
    "users-restore": ("vya-backupdb users restore --format json", USERS_RESTORE),
    "config-validate": ("vya-backupdb config validate --format json", CONFIG_VALIDATE),
    "config-show": ("vya-backupdb config show --format json", CONFIG_SHOW),
    "config-test-connections": ("vya-backupdb config test-connections --format json", TEST_CONNECTIONS),
}
"""What each document is of, by the words of its command."""


def pages() -> dict[str, str]:
    """Give the schemas by their names in the repository."""
    return {f"docs/schemas/{name}.json": written(schema) + "\n" for name, schema in schemas().items()}


def schemas() -> dict[str, Schema]:
    """Give the schema of each document; it is called as the command is."""
    return {name: {"$schema": _DIALECT, "title": title, **body} for name, (title, body) in _DOCUMENTS.items()}
