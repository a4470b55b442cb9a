"""`backup`, `users backup`, what hooks get, and `prune`."""

from __future__ import annotations

from scripts.pages.schemas.shared import CONSISTENCY, OBJECTS, VERSION
from scripts.pages.schemas.words import (
    COUNT,
    FLAG,
    SECONDS,
    SHA256,
    TEXT,
    TIME,
    Schema,
    any_of,
    keys,
    listed,
    maybe,
    one_of,
    said,
)

_PRUNED: Schema = {
    "dry_run": FLAG,
    "databases": listed(
        keys(
            {
                "instance": TEXT,
                "database": TEXT,
                "protected": said("Why nothing of the database is deleted.", maybe(TEXT)),
                "backups": listed(
                    keys(
                        {
                            "metadata": TEXT,
                            "id": maybe(TEXT),
                            "snapshot_at": maybe(TIME),
                            "bytes": maybe(COUNT),
                            "fate": one_of("kept", "deleted", "left alone"),
                            "reasons": listed(TEXT),
                        }
                    )
                ),
            }
        )
    ),
    "leftovers": said("Files of runs that were cut off.", listed(TEXT)),
    "errors": listed(TEXT),
}
_OF_A_BACKUP: Schema = {
    "instance": TEXT,
    "database": said(
        "`@users` for users and roles; null where nothing of the instance was begun.", maybe(TEXT)
    ),
    "ok": FLAG,
    "error": maybe(TEXT),
    "seconds": SECONDS,
    "skipped": said("Why nothing was to be done.", maybe(TEXT)),
}
_WARNINGS: Schema = {
    "warnings": said("What someone should mend.", listed(TEXT)),
    "notes": said("What is for whoever restores.", listed(TEXT)),
}
_MADE = keys(
    {
        **_OF_A_BACKUP,
        "id": TEXT,
        "file": TEXT,
        "bytes": COUNT,
        "raw_bytes": said("Of the script before compression.", COUNT),
        "sha256": SHA256,
        "tables": COUNT,
        "rows": COUNT,
        "objects": OBJECTS,
        "snapshot_at": TIME,
        "consistency": CONSISTENCY,
        **_WARNINGS,
    }
)
_PLANNED = keys(
    {
        **_OF_A_BACKUP,
        "file": TEXT,
        "tool": TEXT,
        "tool_version": TEXT,
        "options": listed(TEXT),
        "estimated_bytes": COUNT,
        "consistency": CONSISTENCY,
        **_WARNINGS,
    }
)
_PLANNED_USERS = keys({**_OF_A_BACKUP, "file": TEXT, "include_system": FLAG})
_BACKED_UP: Schema = {
    "dry_run": FLAG,
    "backups": listed(
        any_of(
            said("A backup was made.", _MADE),
            said("It failed, or was skipped.", keys(_OF_A_BACKUP)),
            said("With --dry-run.", _PLANNED),
            said("With --dry-run: users and roles.", _PLANNED_USERS),
        )
    ),
    "pruned": said("With --prune.", keys(_PRUNED)),
}
BACKUP = keys(
    {**VERSION, **_BACKED_UP, "warnings": said("Of hooks, notices and pings.", listed(TEXT))},
    optional=("pruned",),
)
HOOK = keys(
    {
        **VERSION,
        "event": one_of("before", "after", "on_failure"),
        "host": TEXT,
        "instances": listed(TEXT),
        "ok": said("null before the run.", maybe(FLAG)),
        "error": said("What ended the run before its time.", maybe(TEXT)),
        **_BACKED_UP,
    },
    optional=("pruned",),
)

PRUNE = keys({**VERSION, **_PRUNED})
