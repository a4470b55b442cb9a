"""What `show`, `extract` and `verify` do with hostile files: they need no server, and change nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from vya_backupdb.cli.main import main

MYSQL = b"-- MySQL dump 10.13  Distrib 9.7.4\n\n%s\n-- Dump completed on 2026-01-01\n"
POSTGRESQL = b"--\n-- PostgreSQL database dump\n--\n\n%s\n\n--\n-- PostgreSQL database dump complete\n--\n"

FILES: dict[str, bytes | Callable[[Path], None]] = {
    "commands of mysql": MYSQL % b"system touch probe\n\\! touch probe\nsource /etc/passwd\ntee probe\n",
    "commands of psql": POSTGRESQL % b"\\! touch probe\n\\o probe\n\\copy t to 'probe'\n\\i /etc/passwd\n",
    "statements that leave": MYSQL % b"USE mysql;\nDROP DATABASE mysql;\n/*!999999 SET @a = */ SHUTDOWN;\n",
    "programs": POSTGRESQL % b"COPY t FROM PROGRAM 'touch probe';\nALTER SYSTEM SET x = 1;\n",
    "control characters": MYSQL % b"CREATE TABLE `\x1b[2J\x1b]0;x\x07` (`\xe2\x80\xae` int);\n",
    "a bomb": zstandard.compress(MYSQL % (b"INSERT INTO `t` VALUES (1);\n" * 5_000)),
    "a bomb that is cut short": zstandard.compress(b"-- " + b"x" * (100 << 20))[:-4],
    "an index that is none": b"-- vya-backupdb archive 1\n" + b"[" * 100_000,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a named pipe": os.mkfifo,
    "a folder": Path.mkdir,
}


@pytest.mark.threat("files-read")
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("command", ["show", "extract", "verify"])
def test_a_hostile_file_is_read_and_nothing_else(
    command: str,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(
        "instances: [{id: main, engine: mysql, host: db}]\nstorage: {path: store}\n"
    )
    path, content = tmp_path / "hostile.sql", FILES[kind]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    output = ("--schema-only", "--output", str(tmp_path / "out")) if command == "extract" else ()
    status = main(["--config", str(tmp_path / "config.yaml"), command, "--file", str(path), *output])
    told = capsysbinary.readouterr()
    assert status in (0, 22, 23, 24), told.err.decode()
    assert b"Traceback" not in told.err
    assert all(line.isprintable() for line in (told.out + told.err).decode().splitlines())
    assert {entry.name for entry in tmp_path.iterdir()} <= {"config.yaml", "hostile.sql", "out", "store"}
