"""Users of MySQL and MariaDB by the command: secrets, hostile names and files, grants that wait."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.sample.clients import ClientError, create_database, run_sql
from tests.integration import mysql_users_support as support
from tests.integration.mysql_support import sql_string
from vya_backupdb.archive.source import open_source
from vya_backupdb.archive.writer import ArchiveWriter
from vya_backupdb.catalog.record import read_record, record_bytes
from vya_backupdb.engines.mysql.engine import ENGINE
from vya_backupdb.model import Flavour, Section, SectionKind
from vya_backupdb.operations.dump import archive_file
from vya_backupdb.scratch import ScratchServer
from vya_backupdb.streams.codec import Codec

from .conftest import Site

Get = Callable[[Flavour, str], ScratchServer]

BACKUP = ("users", "backup", "--instance", "source")
LIST = ("users", "list", "--instance", "source")
RESTORE = ("users", "restore", "--instance", "source", "--target-instance", "target", "--all")
REPLACE = ("--on-conflict", "replace", "--force")


@pytest.fixture
def server(mysql_server: ScratchServer) -> ScratchServer:
    return mysql_server


@pytest.fixture
def target(mysql_server: ScratchServer, _servers: Get) -> ScratchServer:
    return _servers(mysql_server.flavour, "target")


@pytest.fixture
def accounts(site: Site) -> Iterator[Site]:
    """Accounts of every kind on the source, none on the target, and the objects on both."""
    with support.prepared(site.source, accounts=True), support.prepared(site.target, accounts=False):
        yield site


@pytest.fixture
def empty(site: Site) -> Iterator[Site]:
    """No accounts on either."""
    with support.prepared(site.source, accounts=False), support.prepared(site.target, accounts=False):
        yield site


def tampered(file: Path, change: Callable[[Section], list[Section]]) -> Path:
    """Write a backup anew with other sections, its index, checksum and metadata fitting."""
    record = read_record(file.with_name(file.name.removesuffix(".sql.zst") + ".json"))
    with open_source(file, ENGINE.reader) as source:
        sections = [new for old in source.sections(frozenset(SectionKind)) for new in change(old)]
    path, codec = file.with_name("evil.sql.zst"), Codec.named("zstd")
    with path.open("wb") as sink, ArchiveWriter(sink, codec, 1) as archive:
        for section in sections:
            archive.write(section)
        written = archive.finish()
    made = record.model_copy(update={"file": archive_file(codec, path, written)})
    path.with_name("evil.json").write_bytes(record_bytes(made))
    path.with_name("evil.sha256").write_text(f"{written.sha256}  {path.name}\n")
    return path


# ---------------------------------------------------------------------------- secrets


def hashes(site: Site) -> set[str]:
    """Give pieces of all that the source keeps of passwords, as text and in hexadecimal."""
    if site.source.flavour == "mysql":
        asked = (
            "SELECT HEX(authentication_string) FROM mysql.user WHERE plugin LIKE '%password'"
            " UNION SELECT HEX(user_attributes->>'$.multi_factor_authentication[0].authentication_string')"
            " FROM mysql.user"
        )
    else:
        asked = "SELECT HEX(Priv) FROM mysql.global_priv"
    found = set()
    for line in run_sql(site.source, asked).split():
        value = bytes.fromhex(line) if line != "NULL" else b""
        if site.source.flavour == "mariadb":
            told = json.loads(value, strict=False)
            parts = [told, *told.get("auth_or", [])]
            texts = [str(part.get("authentication_string", "")).encode() for part in parts]
        else:
            texts = [value]
        found |= {text for text in texts if len(text) > 30}
    pieces = set()
    for text in found:
        for start in range(0, len(text) - 12, 6):
            piece = text[start : start + 12]
            pieces |= {piece.decode(errors="replace"), piece.hex(), piece.hex().upper()}
    return pieces


def test_no_hash_is_in_anything_but_the_file(accounts: Site) -> None:
    site = accounts
    secrets = hashes(site)
    assert len(secrets) > 100
    log = site.folder / "log.json"
    site.change_config(logging={"level": "debug", "file": str(log), "format": "json"})
    wordy = ("--verbose", "--verbose")
    run_sql(site.target, "DROP DATABASE u_shop")  # some grants wait, and the journal has their statements
    said = [site.run(*wordy, *BACKUP), site.run(*wordy, *BACKUP, "--format", "json")]
    (file,) = {Path(one["file"]) for one in json.loads(said[1].stdout)["backups"]}
    said += [site.run(*wordy, *LIST), site.run(*wordy, *LIST, "--format", "json")]
    said += [site.run(*wordy, *RESTORE, "--dry-run", "--format", "json"), site.run(*wordy, *RESTORE)]
    users = [one for one in site.json(*LIST)["users"] if one["kind"] == "user" and one["host"] == "localhost"]
    for one in users[:12]:  # another password, another plugin: differences are told
        name = f"{sql_string(one['name'])}@localhost"
        run_sql(site.target, f"ALTER USER {name} IDENTIFIED BY 'another one'")
    said.append(site.run(*wordy, *RESTORE, "--dry-run", code=24))
    said.append(site.run(*wordy, *RESTORE, "--format", "json", code=24))
    said.append(site.run(*wordy, *RESTORE, *REPLACE, "--format", "json"))
    said.append(site.run(*wordy, "restore", "list"))
    said.append(site.run(*wordy, "show", "--file", str(file)))
    with open_source(file, ENGINE.reader) as source:
        script = b"".join(section.body for section in source.sections(frozenset(SectionKind)))
    assert sum(secret in script.decode() for secret in secrets) >= 40
    texts = [done.stdout + done.stderr for done in said] + [log.read_text()]
    kept = [path for path in site.store.rglob("*") if path.is_file() and not path.name.endswith(".sql.zst")]
    texts += [path.read_text(errors="replace") for path in kept]
    assert any(path.name == "journal.jsonl" for path in kept)
    assert any("grants pending" in text for text in texts)
    assert sorted({secret for text in texts for secret in secrets if secret in text}) == []
    for path in (path for path in site.store.rglob("*") if path.is_file()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_the_server_says_of_a_hash_is_not_told(accounts: Site) -> None:
    """Hashes that it refuses, or takes for the beginning of something else."""
    site = accounts
    (entry,) = site.json(*BACKUP)["backups"]
    secret = "5ECRE7" * 8
    hidden = secret.encode().hex().upper()

    def broken(section: Section) -> list[Section]:
        if section.object != "plain@%" or section.kind is not SectionKind.SCHEMA:
            return [section]
        if site.source.flavour == "mysql":
            made = f"IDENTIFIED WITH 'caching_sha2_password' AS 0x{hidden}"
        else:
            made = f"IDENTIFIED VIA mysql_native_password USING '{secret}'".replace("mysql_n", "`mysql_n")
            made = made.replace("password USING", "password` USING")
        return [Section(section.kind, f"CREATE USER `plain`@`%` {made};\n".encode(), section.object)]

    file = tampered(Path(entry["file"]), broken)
    words = ("users", "restore", "--file", str(file), "--target-instance", "target", "--user", "plain")
    done = site.run("--verbose", "--verbose", *words, code=21)
    said = done.stdout + done.stderr + "".join(path.read_text() for path in site.store.rglob("*.jsonl"))
    assert "plain@%: not made" in said
    assert "5ECRE7" not in said
    assert secret[:6].encode().hex().upper() not in said


# ---------------------------------------------------------------------------- names


def test_names_run_nothing_whatever_the_servers_make_of_quotes(empty: Site) -> None:
    site = empty
    names = [
        "a'b", 'a"b', "a`b", "a\\", "a\\'b", "';DROP TABLE u_shop.t;--", '";DROP TABLE u_shop.t;#',
        "`;DROP TABLE u_shop.t;", "*/ DROP /*", "/*!DROP*/", "-- x", "#x", "a;b", "a\nb", "a\r\n;c", "%_\\%",
        "PUBLIC'", "\\! ls", "DELIMITER x", "0x41", "\u00e9\u65e5",
    ]  # fmt: skip
    hosts = ["%", "h'", 'h"', "h`x", "h\\", "%;DROP"]
    made = ["CREATE DATABASE IF NOT EXISTS `d\\\\'\"``;--`"]
    for number, name in enumerate(names):
        host = hosts[number % len(hosts)]
        account = f"{sql_string(name)}@{sql_string(host)}"
        quoted = "`" + name.replace("`", "``") + "`"
        made.append(f"CREATE USER {account} IDENTIFIED BY {sql_string('pw ' + name)}")
        made.append(f"GRANT SELECT ON `d\\\\'\"``;--`.* TO {account}")
        made.append(f"GRANT SELECT ON {quoted}.* TO {account}")
        made.append(f"CREATE ROLE {sql_string('r' + name)}")
        made.append(f"GRANT {sql_string('r' + name)} TO {account}")
    run_sql(site.source, ";\n".join(made))
    try:
        for server in (site.source, site.target):
            run_sql(server, "SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
        (entry,) = site.json(*BACKUP)["backups"]
        assert entry["objects"] == {"user": len(names), "role": len(names)}
        done = site.json(*RESTORE)
        assert all(one["changed"] and not one["error"] for one in done["users"])
        again = site.json(*RESTORE)
        assert {one["plan"] for one in again["users"]} == {"same"}
        for server in (site.source, site.target):
            assert run_sql(server, "SELECT COUNT(*) FROM u_shop.t").strip() == "0"
        wanted = support.accounts_of(site.source)
        assert support.told(site.target, wanted) == support.told(site.source, wanted)
        run_sql(replace(site.target, superuser="a'b", password="pw a'b"), "SELECT 1")
    finally:
        for server in (site.source, site.target):
            run_sql(server, "SET GLOBAL sql_mode = DEFAULT")
        run_sql(site.source, "DROP DATABASE IF EXISTS `d\\\\'\"``;--`")


# ---------------------------------------------------------------------------- files


HARM = [
    (SectionKind.SCHEMA, "plain@%", "DROP DATABASE u_shop;\n", "(DROP DATABASE ...)"),
    (
        SectionKind.SCHEMA,
        "plain@%",
        "ALTER USER `here`@`localhost` ACCOUNT LOCK;\n",
        "it changes here@localhost",
    ),
    (SectionKind.SCHEMA, "plain@%", "ALTER USER `plain`@`%` ATTRIBUTE '", "ends inside of"),
    (
        SectionKind.POST,
        "g_table@%",
        "GRANT ALL PRIVILEGES ON *.* TO `plain`@`%`;\n",
        "in the part of g_table@%",
    ),
    (
        SectionKind.POST,
        "g_table@%",
        "GRANT SELECT ON *.* TO `g_table`@`%`, `plain`@`%`;\n",
        "(GRANT SELECT ...)",
    ),
    (SectionKind.HEADER, None, "SET GLOBAL read_only = 0;\n", "(SET GLOBAL ...)"),
]
"""What is added to which part of a file, and what is said of it."""


def test_a_file_that_was_tampered_with_is_refused_and_nothing_of_it_is_done(accounts: Site) -> None:
    site = accounts
    (entry,) = site.json(*BACKUP)["backups"]
    file = tampered(Path(entry["file"]), lambda section: [section])
    assert len(site.json("users", "list", "--file", str(file))["users"]) >= 40
    for kind, of, more, told in HARM:

        def changed(old: Section, part: object = (kind, of), more: str = more) -> list[Section]:
            is_it = (old.kind, old.object) == part
            return [Section(old.kind, old.body + more.encode(), old.object)] if is_it else [old]

        file = tampered(Path(entry["file"]), changed)
        onto = ("users", "restore", "--file", str(file), "--target-instance", "target", "--all")
        done = site.run(*onto, code=22)
        assert told in done.stderr
        assert "statement" in done.stderr
        assert "Traceback" not in done.stderr
    assert support.accounts_of(site.target) == []
    assert run_sql(site.target, "SELECT COUNT(*) FROM u_shop.t").strip() == "0"


def test_a_file_without_its_metadata_is_refused(accounts: Site) -> None:
    (entry,) = accounts.json(*BACKUP)["backups"]
    alone = accounts.folder / "alone.sql.zst"
    alone.write_bytes(Path(entry["file"]).read_bytes())
    words = ("users", "restore", "--file", str(alone), "--target-instance", "target", "--all")
    assert "its metadata is missing" in accounts.run(*words, code=24).stderr


# ---------------------------------------------------------------------------- grants that wait


def test_replacing_an_account_lets_grants_on_what_is_not_there_wait(empty: Site, database: str) -> None:
    site = empty
    create_database(site.source, database)
    run_sql(site.source, "CREATE TABLE t (a INT, b INT); CREATE PROCEDURE p() SELECT 1", database)
    name = f"w_{os.urandom(3).hex()}"
    run_sql(
        site.source,
        f"CREATE USER {name} IDENTIFIED BY 'old'; GRANT SELECT ON `{database}`.t TO {name};"
        f"GRANT EXECUTE ON PROCEDURE `{database}`.p TO {name}; GRANT SELECT ON u_shop.t TO {name}",
    )
    site.json(*BACKUP)
    site.backup(database)
    run_sql(site.target, f"CREATE USER {name} IDENTIFIED BY 'new'; GRANT DELETE ON u_shop.t TO {name}")

    (done,) = site.json(*RESTORE, *REPLACE)["users"]
    assert not done["error"]
    assert done["changed"]
    assert len(done["pending"]) == 2
    assert not support.logs_in(site.target, name, "old")
    assert "DELETE" not in run_sql(site.target, f"SHOW GRANTS FOR {name}")
    assert "GRANT SELECT ON `u_shop`.`t`" in run_sql(site.target, f"SHOW GRANTS FOR {name}")
    again = site.json(*RESTORE)
    assert [one["plan"] for one in again["users"]] == ["pending"]
    assert not again["changed"]

    restored = site.restore(database)
    assert sum("as it was waiting" in notice for notice in restored["notices"]) == 2
    assert [one["plan"] for one in site.json(*RESTORE)["users"]] == ["same"]
    login = replace(site.target, superuser=name, password="old")
    assert run_sql(login, "SELECT COUNT(*) FROM t", database).strip() == "0"
    with pytest.raises(ClientError):
        run_sql(login, "DELETE FROM t", database)
