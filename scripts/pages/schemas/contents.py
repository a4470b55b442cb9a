"""`show`."""

from __future__ import annotations

from scripts.pages.schemas.shared import CODEC, CONSISTENCY, ENGINE, FINDING, FLAVOUR, OBJECTS, VERSION
from scripts.pages.schemas.words import (
    COUNT,
    FLAG,
    NOTHING,
    SHA256,
    TEXT,
    TIME,
    WHOLE,
    any_of,
    keys,
    listed,
    maybe,
    named,
    one_of,
    said,
)

_SERVER = keys(
    {
        "engine": ENGINE,
        "flavour": FLAVOUR,
        "version": TEXT,
        "version_number": listed(COUNT),
        "account": TEXT,
        "settings": named(TEXT),
    }
)
_TOOL = keys(
    {
        "path": TEXT,
        "flavour": FLAVOUR,
        "version": TEXT,
        "version_number": listed(COUNT),
        "notes": listed(TEXT),
    }
)
_MYSQL_DEFINITION = keys(
    {"charset": TEXT, "collation": TEXT, "comment": TEXT, "encryption": FLAG, "engine": {"const": "mysql"}}
)
_POSTGRESQL_DEFINITION = keys(
    {
        "owner": TEXT,
        "encoding": TEXT,
        "locale_provider": TEXT,
        "collate": TEXT,
        "ctype": TEXT,
        "locale": maybe(TEXT),
        "icu_rules": maybe(TEXT),
        "tablespace": TEXT,
        "connection_limit": WHOLE,
        "is_template": FLAG,
        "acl": maybe(listed(TEXT)),
        "settings": listed(keys({"name": TEXT, "value": TEXT, "role": maybe(TEXT)})),
        "comment": maybe(TEXT),
        "security_labels": listed(said("Provider and label.", listed(TEXT))),
        "lacks": listed(TEXT),
        "engine": {"const": "postgresql"},
    }
)
SHOW = keys(
    {
        **VERSION,
        "file": TEXT,
        "kind": one_of("backup", "plain dump"),
        "engine": ENGINE,
        "codec": CODEC,
        "bytes": COUNT,
        "raw_bytes": COUNT,
        "rows": COUNT,
        "tables": listed(
            keys(
                {
                    "name": TEXT,
                    "rows": COUNT,
                    "raw_bytes": said("Of its rows, in the script.", COUNT),
                    "bytes": said("Of its rows, in the file; null for a plain dump.", maybe(COUNT)),
                }
            )
        ),
        "metadata": said("Whether there is a metadata record; without, what it tells is null.", FLAG),
        "id": maybe(TEXT),
        "run_id": maybe(TEXT),
        "made_by": maybe(TEXT),
        "hostname": maybe(TEXT),
        "instance": maybe(TEXT),
        "database": maybe(TEXT),
        "server": maybe(_SERVER),
        "tool": maybe(_TOOL),
        "options": maybe(listed(TEXT)),
        "consistency": maybe(CONSISTENCY),
        "started_at": maybe(TIME),
        "snapshot_at": maybe(TIME),
        "finished_at": maybe(TIME),
        "positions": maybe(named(TEXT)),
        "positions_after": maybe(named(TEXT)),
        "definition": any_of(_MYSQL_DEFINITION, _POSTGRESQL_DEFINITION, NOTHING),
        "warnings": maybe(listed(FINDING)),
        "left_out": maybe(keys({"tables": listed(TEXT), "rows": listed(TEXT)})),
        "sha256": maybe(SHA256),
        "largest_statement": maybe(COUNT),
        "objects": maybe(OBJECTS),
    }
)
