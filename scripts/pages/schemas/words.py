"""JSON Schema in few words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "number", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
NOTHING: Schema = {"type": "null"}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TIME: Schema = {
    "description": "In UTC, ISO 8601.",
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$",
}


def one_of(*values: str) -> Schema:
    """Say that it is one of these texts."""
    return {"enum": list(values)}


def listed(item: Schema) -> Schema:
    """Say that it is a list of such things."""
    return {"type": "array", "items": item}


def named(value: Schema) -> Schema:
    """Say that it has any keys, with such values."""
    return {"type": "object", "additionalProperties": value}


def maybe(schema: Schema) -> Schema:
    """Say that it may also be null."""
    return any_of(schema, NOTHING)


def any_of(*schemas: Schema) -> Schema:
    """Say that it is one of these."""
    return {"anyOf": list(schemas)}


def keys(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """Say that it has exactly these keys, but perhaps not the optional ones."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def said(text: str, schema: Schema) -> Schema:
    """Add what it means."""
    return {"description": text, **schema}


def written(schema: object, indent: str = "") -> str:
    """Give a schema as JSON: what fits in a line stays in it."""
    line = json.dumps(schema)
    inner = indent + "  "
    if len(indent + line) <= 100 or not isinstance(schema, dict | list):
        return line
    if isinstance(schema, list):
        return "[\n" + ",\n".join(inner + written(part, inner) for part in schema) + f"\n{indent}]"
    parts = (f"{inner}{json.dumps(name)}: {written(part, inner)}" for name, part in schema.items())
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
