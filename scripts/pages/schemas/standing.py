"""`status`, `health`, and the proofs: `verify`, `drill`."""

from __future__ import annotations

from scripts.pages.schemas.shared import OBJECTS, VERSION
from scripts.pages.schemas.words import (
    COUNT,
    FLAG,
    SECONDS,
    TEXT,
    TIME,
    WHOLE,
    any_of,
    keys,
    listed,
    maybe,
    one_of,
    said,
)

STATUS = any_of(
    keys(
        {
            **VERSION,
            "databases": listed(
                keys(
                    {
                        "instance": TEXT,
                        "database": TEXT,
                        "last_good": maybe(
                            keys(
                                {
                                    "id": TEXT,
                                    "snapshot_at": TIME,
                                    "file": TEXT,
                                    "bytes": COUNT,
                                    "rows": COUNT,
                                    "verified_at": maybe(TIME),
                                }
                            )
                        ),
                        "age_seconds": maybe(WHOLE),
                        "trend": said("Size against the median of those before it.", maybe(SECONDS)),
                        "last_attempt": maybe(keys({"at": TIME, "ok": FLAG, "error": maybe(TEXT)})),
                        "last_verified_at": maybe(TIME),
                        "last_drill": maybe(
                            keys({"at": TIME, "ok": FLAG, "error": maybe(TEXT), "file": maybe(TEXT)})
                        ),
                        "usual_interval_seconds": maybe(COUNT),
                        "expected_at": maybe(TIME),
                        "overdue_from": maybe(TIME),
                        "backups": COUNT,
                        "damaged": listed(TEXT),
                        "problems": listed(
                            keys({"level": one_of("WARNING", "CRITICAL"), "what": TEXT, "cure": maybe(TEXT)})
                        ),
                    }
                )
            ),
        }
    ),
    said(
        "With --summary.",
        keys(
            {
                **VERSION,
                "instances": listed(
                    keys(
                        {
                            "instance": TEXT,
                            "databases": COUNT,
                            "without_good_backup": COUNT,
                            "last_attempt_failed": COUNT,
                            "damaged": COUNT,
                            "oldest_age_seconds": maybe(WHOLE),
                            "bytes_of_last": COUNT,
                        }
                    )
                ),
            }
        ),
    ),
)
HEALTH = keys(
    {
        **VERSION,
        "status": one_of("OK", "WARNING", "CRITICAL", "UNKNOWN"),
        "checked_at": TIME,
        "databases": COUNT,
        "free_bytes": maybe(COUNT),
        "problems": listed(
            keys(
                {
                    "level": one_of("WARNING", "CRITICAL"),
                    "instance": maybe(TEXT),
                    "database": maybe(TEXT),
                    "what": TEXT,
                    "cure": maybe(TEXT),
                }
            )
        ),
    }
)

VERIFY = keys(
    {
        **VERSION,
        "ok": FLAG,
        "verified": listed(
            keys(
                {
                    "ok": FLAG,
                    "file": TEXT,
                    "backup": maybe(TEXT),
                    "instance": maybe(TEXT),
                    "database": maybe(TEXT),
                    "snapshot_at": maybe(TIME),
                    "rows": COUNT,
                    "seconds": SECONDS,
                    "damages": listed(
                        keys(
                            {
                                "what": TEXT,
                                "frame": said("Counted from 1.", maybe(COUNT)),
                                "table": maybe(TEXT),
                                "offset": said("Of the frame in the file, in bytes.", maybe(COUNT)),
                            }
                        )
                    ),
                    "whole_tables": said("Those that can be restored by themselves.", listed(TEXT)),
                }
            )
        ),
        "unread": listed(keys({"metadata": TEXT, "error": TEXT})),
        "not_reached": said("How many the time of --for did not suffice for.", COUNT),
    }
)
_DRILLED_DATABASE = keys(
    {
        "ok": FLAG,
        "database": TEXT,
        "file": maybe(TEXT),
        "backup": maybe(TEXT),
        "snapshot_at": maybe(TIME),
        "tables": COUNT,
        "rows": COUNT,
        "objects": OBJECTS,
        "checks": listed(keys({"query": TEXT, "ok": FLAG, "said": TEXT})),
        "seconds": keys({"restore": SECONDS, "proofs": SECONDS}),
        "failures": listed(TEXT),
        "notices": listed(TEXT),
    }
)
DRILL = keys(
    {
        **VERSION,
        "ok": FLAG,
        "drills": listed(
            keys(
                {
                    "instance": TEXT,
                    "server": said("null: there is none that fits.", maybe(TEXT)),
                    "other_version": said("How its version is not that of the backup.", maybe(TEXT)),
                    "users": maybe(
                        keys(
                            {
                                "ok": FLAG,
                                "file": maybe(TEXT),
                                "restored": COUNT,
                                "accounts": COUNT,
                                "error": maybe(TEXT),
                            }
                        )
                    ),
                    "stand_ins": said("Owners and definers that were made without rights.", listed(TEXT)),
                    "seconds": keys(
                        dict.fromkeys(("start", "users", "restore", "recovery", "proofs"), SECONDS)
                    ),
                    "kept": said(
                        "With --keep: how to reach the server, and to end it.",
                        maybe(keys({"connect": TEXT, "end": TEXT})),
                    ),
                    "notices": listed(TEXT),
                    "databases": listed(_DRILLED_DATABASE),
                }
            )
        ),
    }
)
