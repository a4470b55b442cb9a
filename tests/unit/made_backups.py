"""Backups of a store, made without any server."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vya_backupdb.catalog.publish import make_folder, published
from vya_backupdb.catalog.record import ArchiveFile, BackupRecord, Contents, sealed
from vya_backupdb.catalog.store import RECORD_SUFFIX, Store
from vya_backupdb.model import DumpTool, MySQLDefinition, ServerFacts

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def make_record(
    name: str = "shop.sql.zst", *, at: datetime = MOMENT, size: int = 4, database: str = "shop"
) -> BackupRecord:
    return BackupRecord(
        id="b1",
        run_id="r1",
        made_by="vya-backupdb test",
        hostname="db1",
        instance="main",
        database=database,
        server=ServerFacts(
            "mysql", "mariadb", "10.11.14", (10, 11, 14), "backup@localhost", {"log_bin": "1"}
        ),
        tool=DumpTool("/usr/bin/mariadb-dump", "mariadb", "10.11.14", (10, 11, 14)),
        options=("--quick",),
        consistency="snapshot",
        started_at=at,
        snapshot_at=at,
        finished_at=at + timedelta(seconds=1),
        positions={},
        positions_after={},
        definition=MySQLDefinition("utf8mb4", "utf8mb4_general_ci"),
        file=ArchiveFile(
            name=name, bytes=size, sha256="a" * 64, codec="zstd", level=3, raw_bytes=9, manifest_offset=2
        ),
        contents=Contents(tables=1, rows=2, largest_statement=3, objects={"table": 1}),
    )


def put(store: Store, database: str = "shop", *, at: datetime = MOMENT, instance: str = "main") -> Path:
    slot = store.slot(instance, database, at)
    slot.open()
    file = slot.file(".sql.zst")
    with published(file) as sink:
        sink.write(b"data")
    return slot.publish_record(make_record(file.name, at=at, database=database))


def resized(record: Path, size: int) -> None:
    """Give a backup a file of another size, and the record that tells it."""
    record.with_name(record.name.replace(RECORD_SUFFIX, ".sql.zst")).write_bytes(b"x" * size)
    document = document_of(record)
    document["file"]["bytes"] = size
    record.write_bytes(sealed_document(document))


def document_of(record: Path) -> dict[str, Any]:
    """Give a record without its check, for `sealed_document` to write with other values."""
    document: dict[str, Any] = json.loads(record.read_text())
    del document["check"]
    return document


def sealed_document(document: dict[str, Any]) -> bytes:
    """Give what is stored of a record, whatever it says."""
    return sealed(json.dumps(document, indent=2).encode())


def new_store(folder: Path) -> Store:
    """An empty store of the machine `here`, with the folder of the instance `main`."""
    made = Store(folder, "here")
    make_folder(made.instance_folder("main"))
    return made


def configured(store: Store, instance: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    """The configuration of that instance and store, as a document."""
    return {
        "instances": [{"id": "main", "engine": "mysql", "host": "db", **(instance or {})}],
        "storage": {"path": str(store.root), "hostname": store.hostname, "min_free": "1MiB"},
        **rest,
    }
