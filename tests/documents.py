"""Every JSON document that a test sees is held to its schema in docs/schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any

import click
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from vya_backupdb.cli import render

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"


@cache
def validators() -> Mapping[str, Draft202012Validator]:
    """Give what holds a document to its schema, by the name of the schema."""
    return {path.stem: Draft202012Validator(json.loads(path.read_text())) for path in FOLDER.iterdir()}


def faults(name: str, document: object) -> list[str]:
    """Give how a document differs from its schema."""
    found = best_match(validators()[name].iter_errors(document))
    return [] if found is None else [f"docs/schemas/{name}.json: {found.json_path}: {found.message}"]


def name_of(words: Sequence[str]) -> str:
    """Give the name of the schema for a command line."""
    for one, other in zip(words, [*words[1:], ""], strict=True):
        if f"{one}-{other}" in validators():
            return f"{one}-{other}"
        if one in validators():
            return one
    raise ValueError(f"no document is known of {' '.join(words)}")


def hold(words: Sequence[str], text: str) -> None:
    """Hold what a command line has written to its schema."""
    found = faults(name_of(words), json.loads(text))
    assert not found, found[0]


def watch(found: list[str]) -> None:
    """From now on, note in `found` how documents that are written in this process differ from their schemas.

    What is written outside a command has none.
    """

    def held(make: Callable[[Mapping[str, object]], str]) -> Callable[[Mapping[str, object]], str]:
        @wraps(make)
        def make_and_hold(document: Mapping[str, object]) -> str:
            text = make(document)
            if (context := click.get_current_context(silent=True)) is not None:
                read: dict[str, Any] = json.loads(text)
                name = "hook" if "event" in read else name_of(context.command_path.split())
                found.extend(faults(name, read))
            return text

        return make_and_hold

    render.document_text = held(render.document_text)
