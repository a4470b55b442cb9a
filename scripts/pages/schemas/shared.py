"""What several documents have."""

from __future__ import annotations

from scripts.pages.schemas.words import COUNT, TEXT, Schema, keys, maybe, named, one_of, said
from vya_backupdb.cli.render import SCHEMA_VERSION

VERSION: Schema = {"schema_version": {"const": SCHEMA_VERSION}}

CODEC = one_of("zstd", "gzip", "none")
ENGINE = one_of("mysql", "postgresql")
FLAVOUR = one_of("mysql", "mariadb", "postgresql")
KIND_OF_ACCOUNT = one_of("user", "role")
CONSISTENCY = said(
    "One point in time, tables locked one after the other, or neither (users).",
    one_of("snapshot", "locked", "none"),
)
OBJECTS = said("How many of each kind.", named(COUNT))
FINDING = keys(
    {
        "severity": one_of("note", "warning", "privilege", "fault"),
        "what": TEXT,
        "object": maybe(TEXT),
        "cure": maybe(TEXT),
    }
)
