"""`users list`, `users restore`, `restore`, `restore list`."""

from __future__ import annotations

from scripts.pages.schemas.shared import CODEC, KIND_OF_ACCOUNT, OBJECTS, VERSION
from scripts.pages.schemas.words import (
    COUNT,
    FLAG,
    NOTHING,
    SECONDS,
    TEXT,
    TIME,
    Schema,
    any_of,
    keys,
    listed,
    maybe,
    named,
    one_of,
    said,
)

USERS_LIST = keys(
    {
        **VERSION,
        "file": TEXT,
        "users": listed(
            keys(
                {
                    "name": TEXT,
                    "host": maybe(TEXT),
                    "kind": KIND_OF_ACCOUNT,
                    "plugin": maybe(TEXT),
                    "roles": listed(TEXT),
                    "grants": COUNT,
                    "marks": said("What makes it powerful.", listed(TEXT)),
                    "properties": named(TEXT),
                }
            )
        ),
    }
)
_RESTORED_USERS = listed(
    keys(
        {
            "name": TEXT,
            "host": maybe(TEXT),
            "kind": KIND_OF_ACCOUNT,
            "plan": one_of("create", "same", "pending", "differs", "impossible", "own"),
            "differences": listed(TEXT),
            "notes": said("What the server cannot have of it, and why.", listed(TEXT)),
            "needed_by": said("Who has this role, where it was not asked for itself.", maybe(TEXT)),
            "half_made": said("A restore that was cut off had begun it.", FLAG),
            "changed": FLAG,
            "pending": said("Grants that wait for what they are on.", listed(TEXT)),
            "error": maybe(TEXT),
        }
    )
)
USERS_RESTORE = keys(
    {
        **VERSION,
        "dry_run": FLAG,
        "changed": FLAG,
        "instance": TEXT,
        "file": TEXT,
        "conflict": said("Why nothing was changed.", maybe(TEXT)),
        "users": _RESTORED_USERS,
    }
)
_RESTORED: Schema = {
    "dry_run": FLAG,
    "changed": FLAG,
    "instance": TEXT,
    "database": TEXT,
    "file": TEXT,
    "backup": said("The id of the backup; null for a plain dump.", maybe(TEXT)),
    "only_tables": said("Those of --table.", listed(TEXT)),
    "tables": COUNT,
    "rows": COUNT,
    "rows_verified": FLAG,
    "objects": OBJECTS,
    "restored_before": FLAG,
    "loaded_before": FLAG,
    "events_wait": FLAG,
    "warnings": listed(TEXT),
    "notices": listed(TEXT),
    "seconds": SECONDS,
}
_RESTORED_ALL: Schema = {
    "dry_run": FLAG,
    "changed": FLAG,
    "instance": TEXT,
    "users": said("With --users.", maybe(_RESTORED_USERS)),
    "databases": listed(
        keys(
            {
                "database": TEXT,
                "ok": FLAG,
                "error": maybe(TEXT),
                "outdated": said("That its backup is older than the others'.", maybe(TEXT)),
                "restore": maybe(keys(_RESTORED)),
            }
        )
    ),
    "without_backup_then": said("Databases that had no backup yet at that time.", listed(TEXT)),
}
RESTORE = any_of(
    said("Of one database.", keys({**VERSION, **_RESTORED})),
    said("With --all.", keys({**VERSION, **_RESTORED_ALL})),
)
RESTORE_LIST = keys(
    {
        **VERSION,
        "backups": listed(
            any_of(
                keys(
                    {
                        "host": TEXT,
                        "instance": TEXT,
                        "database": TEXT,
                        "content": one_of("database", "users"),
                        "snapshot_at": TIME,
                        "file": TEXT,
                        "bytes": COUNT,
                        "raw_bytes": COUNT,
                        "codec": CODEC,
                        "server": TEXT,
                        "tables": COUNT,
                        "rows": COUNT,
                        "warnings": COUNT,
                        "left_out": keys({"tables": COUNT, "rows": COUNT}),
                        "id": TEXT,
                        "error": NOTHING,
                    }
                ),
                said("Its metadata cannot be read.", keys({"host": TEXT, "metadata": TEXT, "error": TEXT})),
            )
        ),
    }
)
