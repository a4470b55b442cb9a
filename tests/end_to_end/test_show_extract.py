"""Looking into a backup and taking parts out of it, without any server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.sample.clients import create_database, drop_database, plain_dump, raw_dump, run_sql
from vya_backupdb.archive.reader import Archive, open_archive
from vya_backupdb.model import SectionKind
from vya_backupdb.operations.choose import choose_file
from vya_backupdb.operations.extract import Extract, ExtractRequest
from vya_backupdb.operations.show import opened

from .conftest import Site

KEYS = {
    *(
        "schema_version",
        "file",
        "kind",
        "engine",
        "codec",
        "bytes",
        "raw_bytes",
        "rows",
        "tables",
        "metadata",
    ),
    *("id", "run_id", "made_by", "hostname", "instance", "database", "server", "tool", "options"),
    *("consistency", "started_at", "snapshot_at", "finished_at", "positions", "positions_after"),
    *("definition", "warnings", "left_out", "sha256", "largest_statement", "objects"),
}

FUNCTION = (
    "create function f() returns trigger language plpgsql as 'begin new.id := new.id; return new; end';"
)


@pytest.fixture
def shop(site: Site, database: str) -> str:
    """A database with a small and a large table, binary values, an index, a trigger."""
    site.fill(database, rows=30_000)
    binary = "bytea" if site.postgresql else "blob"
    value = r"'\x00ff5c270a0d1a'" if site.postgresql else "x'00ff5c270a0d1a'"
    trigger = (
        f"{FUNCTION}create trigger tr before insert on small for each row execute function f();"
        if site.postgresql
        else "\ndelimiter $$\ncreate trigger tr before insert on small for each row begin "
        "set new.id = new.id; end$$\ndelimiter ;\n"
    )
    run_sql(
        site.source,
        f"create table small (id int primary key, data {binary}, note varchar(50));"
        "create index small_note on small (note);"
        "create table hollow (id int primary key);"
        f"insert into small values (1, {value}, 'it''s; -- here'), (2, null, 'two');" + trigger,
        database,
    )
    return database


@pytest.fixture
def elsewhere(site: Site, database: str) -> Iterator[str]:
    """An empty database on the target."""
    name = f"{database}_e"
    create_database(site.target, name)
    yield name
    drop_database(site.target, name)


def table(site: Site, name: str) -> str:
    return f"public.{name}" if site.postgresql else name


def selected(database: str) -> tuple[str, ...]:
    return ("--instance", "source", "--database", database)


def extracted(site: Site, *words: str) -> bytes:
    done = subprocess.run(site.command("extract", *words), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------------------- show


def test_show_tells_what_is_known_of_a_backup(site: Site, shop: str) -> None:
    entry = site.backup(shop)
    shown = site.json("show", *selected(shop))
    assert set(shown) == KEYS
    assert (shown["file"], shown["sha256"], shown["rows"]) == (entry["file"], entry["sha256"], 30_002)
    tables = {each["name"]: each for each in shown["tables"]}
    assert {name: each["rows"] for name, each in tables.items()} == {
        table(site, "t"): 30_000, table(site, "small"): 2, table(site, "hollow"): 0,
    }  # fmt: skip
    assert tables[table(site, "t")]["raw_bytes"] > 30_000 * 90
    assert 0 < tables[table(site, "t")]["bytes"] < shown["bytes"]
    text = site.run("show", *selected(shop)).stdout
    assert entry["sha256"] in text
    assert "30,000" in text


def test_show_names_what_was_left_out(site: Site, shop: str) -> None:
    site.write_config(tables={"exclude": [f"{shop}.hollow"], "exclude_rows": [f"{shop}.t"]})
    site.backup(shop)
    left_out = {"tables": [table(site, "hollow")], "rows": [table(site, "t")]}
    assert site.json("show", *selected(shop))["left_out"] == left_out
    assert f"rows of {table(site, 't')}" in site.run("show", *selected(shop)).stdout


def test_show_needs_neither_metadata_nor_configuration_nor_server(site: Site, shop: str) -> None:
    entry = site.backup(shop)
    alone = site.folder / "alone.sql.zst"
    shutil.copy(entry["file"], alone)
    shown = site.json("--config", "/nonexistent", "show", "--file", str(alone))
    assert set(shown) == KEYS
    assert (shown["metadata"], shown["id"], shown["rows"]) == (False, None, 30_002)
    assert shown["engine"] == ("postgresql" if site.postgresql else "mysql")


def test_show_reads_a_plain_dump(site: Site, shop: str) -> None:
    plain = site.folder / "plain.sql"
    plain.write_bytes(raw_dump(site.source, shop))
    shown = site.json("show", "--file", str(plain))
    assert (shown["kind"], shown["rows"], len(shown["tables"])) == ("plain dump", 30_002, 3)
    assert shown["tables"][0]["bytes"] is None


def test_show_refuses_what_is_no_dump(site: Site) -> None:
    other = site.folder / "other.sql"
    other.write_text("hello\n")
    assert "no script of" in site.run("show", "--file", str(other), code=24).stderr


# ---------------------------------------------------------------------------- extract


def test_an_extracted_table_is_made_by_the_servers_client(site: Site, shop: str, elsewhere: str) -> None:
    site.backup(shop)
    if site.postgresql:
        run_sql(site.target, FUNCTION, elsewhere)
    run_sql(site.target, extracted(site, *selected(shop), "--table", "small"), elsewhere)
    whole = plain_dump(site.target, elsewhere)
    assert b"tr" in whole
    assert b"small_note" in whole
    query = "select * from small order by id" if site.postgresql else "select id, hex(data), note from small"
    assert run_sql(site.target, query, elsewhere) == run_sql(site.source, query, shop)


def test_schema_and_rows_of_a_table_together_make_it(site: Site, shop: str, elsewhere: str) -> None:
    site.backup(shop)
    schema = extracted(site, *selected(shop), "--table", "t", "--schema-only")
    rows = extracted(site, *selected(shop), "--table", "t", "--rows-only")
    assert b"xxxxx" not in schema
    assert b"CREATE TABLE" not in rows
    for script in (schema, rows):
        run_sql(site.target, script, elsewhere)
    assert run_sql(site.target, "select count(*) from t", elsewhere).strip() == "30000"


def test_all_rows_can_be_extracted(site: Site, shop: str) -> None:
    site.backup(shop)
    rows = extracted(site, *selected(shop), "--rows-only")
    assert rows.count(b"xxxxx") > 0
    assert b"two" in rows
    assert b"CREATE" not in rows


def test_nothing_is_read_but_the_frames_that_are_needed(site: Site, shop: str) -> None:
    file = Path(site.backup(shop)["file"])
    whole = extracted(site, *selected(shop), "--table", "small")
    with open_archive(file) as archive:
        others = [
            f for f in archive.manifest.frames if f.kind is SectionKind.ROWS and f.object == table(site, "t")
        ]
    data = bytearray(file.read_bytes())
    for frame in others:
        data[frame.offset : frame.offset + frame.length] = bytes(frame.length)
    file.write_bytes(data)
    assert others
    assert extracted(site, *selected(shop), "--table", "small") == whole
    site.run("extract", *selected(shop), "--table", "t", code=22)


def test_the_bytes_read_are_those_of_the_frames_that_are_needed(
    site: Site, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(site.backup(shop)["file"])
    chosen = choose_file(file)
    read: list[int] = []
    pread = os.pread

    def counted(descriptor: int, length: int, offset: int) -> bytes:
        data = pread(descriptor, length, offset)
        read.append(len(data))
        return data

    with opened(chosen) as (engine, source):
        assert isinstance(source, Archive)
        frames = source.manifest.frames
        monkeypatch.setattr(os, "pread", counted)
        wanted = ExtractRequest((table(site, "small"),), schema=False)
        for _ in Extract(engine, source, wanted).pieces():
            pass
    large = sum(frame.length for frame in frames if frame.object == table(site, "t"))
    others = sum(frame.length for frame in frames if frame.object != table(site, "t"))
    assert 0 < sum(read) <= 2 * others < large


def test_a_plain_dump_can_be_extracted_from(site: Site, shop: str, elsewhere: str) -> None:
    plain = site.folder / "plain.sql"
    plain.write_bytes(raw_dump(site.source, shop))
    script = extracted(site, "--file", str(plain), "--table", "hollow", "--table", "t")
    run_sql(site.target, script, elsewhere)
    assert run_sql(site.target, "select count(*) from t", elsewhere).strip() == "30000"
    assert b"small" not in script


def test_an_unknown_table_is_refused_with_the_nearest_names(site: Site, shop: str) -> None:
    site.backup(shop)
    refused = site.run("extract", *selected(shop), "--table", "smal", code=24).stderr
    assert f"the nearest names are {table(site, 'small')}" in refused


def test_a_file_that_exists_is_not_overwritten(site: Site, shop: str) -> None:
    site.backup(shop)
    target = site.folder / "out.sql"
    target.write_text("precious")
    site.run("extract", *selected(shop), "--table", "small", "--output", str(target), code=24)
    assert target.read_text() == "precious"


def test_an_output_file_is_whole_or_not_there(site: Site, shop: str) -> None:
    file = Path(site.backup(shop)["file"])
    target = site.folder / "out.sql"
    site.run("extract", *selected(shop), "--table", "t", "--output", str(target))
    assert target.read_bytes() == extracted(site, *selected(shop), "--table", "t")
    target.unlink()
    with open_archive(file) as archive:
        frame = next(f for f in archive.manifest.frames if f.object == table(site, "t"))
    data = bytearray(file.read_bytes())
    data[frame.offset + frame.length // 2] ^= 0xFF
    file.write_bytes(data)
    site.run("extract", *selected(shop), "--table", "t", "--output", str(target), code=22)
    assert [path.name for path in site.folder.glob("out.sql*")] == []


def test_a_reader_that_goes_away_ends_it_quietly(site: Site, shop: str) -> None:
    site.backup(shop)
    command = site.command("extract", *selected(shop), "--table", "t")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(1000)) == 1000
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_what_else_a_table_needs_is_said(site: Site, database: str) -> None:
    create_database(site.source, database)
    run_sql(
        site.source,
        "create table parent (id int primary key);"
        "create table child (id int primary key, p int, foreign key (p) references parent (id))",
        database,
    )
    site.backup(database)
    done = site.run("extract", *selected(database), "--table", "child")
    assert f"note: {table(site, 'child')} needs where it is loaded: {table(site, 'parent')}" in done.stderr
    both = site.run("extract", *selected(database), "--table", "child", "--table", "parent")
    assert both.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--instance", "source"),
        ("--file", "x", "--database", "shop"),
        ("--file", "x", "--latest"),
        ("--file", "x", "--table", "t", "--schema-only", "--rows-only"),
        ("--file", "x"),
        ("--file", "x", "--table", ""),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(site: Site, words: tuple[str, ...]) -> None:
    site.run("extract", *words, code=2)


def test_json_of_show_has_a_version(site: Site, shop: str) -> None:
    site.backup(shop)
    done = site.run("show", *selected(shop), "--format", "json")
    assert json.loads(done.stdout)["schema_version"] == 1


def test_an_extract_that_nobody_can_read_is_a_fault(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    site.backup(database)
    words = site.command("extract", "--instance", "source", "--database", database, "--schema-only")
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *words]
    done = subprocess.run(closed, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 23
    assert "--output" in done.stderr
