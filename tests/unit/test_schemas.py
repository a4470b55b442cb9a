"""docs/schemas: one for the JSON of every command, strict, and the tests hold documents to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.pages.tree import commands
from tests import documents
from vya_backupdb.cli.main import PROGRAM, main

NAMES = sorted(documents.validators())


def test_every_command_that_writes_json_has_a_schema() -> None:
    writing = {
        each.path.removeprefix(f"{PROGRAM} ").replace(" ", "-")
        for each in commands().all()
        for option in each.options
        if option.names.startswith("--format ") and "json" in option.names
    }
    assert set(NAMES) == {*writing, "hook"}


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(documents.validators()[name].schema)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Give the parts of a schema that have keys."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


@pytest.mark.parametrize("name", NAMES)
def test_no_key_is_allowed_that_is_not_described(name: str) -> None:
    found = list(objects(documents.validators()[name].schema))
    assert found
    assert all(each["additionalProperties"] is False for each in found)


@pytest.fixture
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `restore list` writes of an empty store."""
    config = tmp_path / "config.yaml"
    config.write_text("instances: [{id: a, engine: mysql, host: b}]\nstorage: {path: store}\n")
    assert main(["--config", str(config), "restore", "list", "--format", "json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_document_with_a_key_too_many_or_too_few_is_told(written: dict[str, Any]) -> None:
    words = ["--config", "x", "restore", "list", "--format", "json"]
    documents.hold(words, json.dumps(written))
    assert documents.faults("restore-list", {**written, "more": 1})
    assert documents.faults("restore-list", {"schema_version": 1})
    with pytest.raises(AssertionError, match=r"restore-list.json: \$: .*'more'"):
        documents.hold(words, json.dumps({**written, "more": 1}))


def test_what_a_command_writes_in_this_process_is_held_to_its_schema(
    written: dict[str, Any], monkeypatch: pytest.MonkeyPatch, documents_at_fault: list[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("vya_backupdb.cli.render.SCHEMA_VERSION", 2)
    assert main(["--config", str(tmp_path / "config.yaml"), "restore", "list", "--format", "json"]) == 0
    assert documents_at_fault == ["docs/schemas/restore-list.json: $.schema_version: 1 was expected"]
    documents_at_fault.clear()
