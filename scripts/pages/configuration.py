"""docs/configuration.md: every key, from the models and the docstrings under their fields."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import Doc

from vya_backupdb.config.models import Config
from vya_backupdb.config.quantities import Size, format_duration

_HEAD = """\
# The configuration

<!-- Made from vya_backupdb/config/ by `make docs`. -->

A YAML file; [etc/config.example.yaml](../etc/config.example.yaml) is one with every key. Looked for are
`--config FILE`, `$VYA_BACKUPDB_CONFIG`, `~/.config/vya-backupdb/config.yaml` and
`/etc/vya-backupdb/config.yaml`, in this order.
`vya-backupdb config validate` names each fault with its line; `config show` shows what is in force.

- A **path** that is relative is so to the folder of the file; `~` is the home folder.
- A **duration** is a number with a unit: `30s`, `5m`, `1h30m`, `2d`; above zero, up to `365d`.
- A **size** is `500MB`, `2GiB` (`2G` is the same), a number of bytes, or a share: `10%`.
- A key that does not exist is a fault. An empty section is one with its defaults.
"""


@dataclass(frozen=True)
class Key:
    """A key of the configuration. `path`: as in `instances[].tls.mode`."""

    path: str
    kind: str
    default: str
    description: str


@dataclass(frozen=True)
class Section:
    """A model, where it stands: `instances[].tls`; the whole is ``."""

    path: str
    description: str
    keys: tuple[Key, ...]


def sections(model: type[BaseModel] = Config, path: str = "") -> Iterator[Section]:
    """Give the sections, each before those in it."""
    hints = get_type_hints(model, include_extras=True)
    documented = _docstrings(model)
    below = f"{path}." if path else ""
    yield Section(
        path,
        " ".join(inspect.cleandoc(model.__doc__ or "").split()),
        tuple(
            Key(below + name, _words(hints[name]), _default(field), documented.get(name, ""))
            for name, field in model.model_fields.items()
        ),
    )
    for name, hint in hints.items():
        for inner, suffix in _models(hint):
            if name in model.model_fields:
                yield from sections(inner, f"{below}{name}{suffix}")


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Give the texts that stand under the fields of a class."""
    tree = ast.parse(Path(inspect.getfile(model)).read_text())
    body = next(
        each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == model.__name__
    ).body
    found = {}
    for field, after in pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def _models(hint: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """Give the models that a field holds, and what the path says of it: `[]` for a list of them."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint, ""
    suffix = "[]" if get_origin(hint) is tuple else ""
    for part in get_args(hint):
        yield from ((model, suffix + more) for model, more in _models(part))


def _words(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        said = [each.documentation for each in hint.__metadata__ if isinstance(each, Doc)]
        return said[-1] if said else _words(parts[0])
    if origin in (Union, UnionType):
        return ", or ".join("null" if part is NoneType else _words(part) for part in parts)
    if origin is Literal:
        *others, last = (f"`{each}`" for each in parts)
        return f"{', '.join(others)} or {last}"
    if origin is tuple:
        return "list of sections" if next(_models(parts[0]), None) else f"list of {_words(parts[0])}"
    if origin is dict:
        return f"for each {_words(parts[0])} a {_words(parts[1])}"
    if issubclass(hint, BaseModel):
        return "section"
    return {bool: "`true` or `false`", int: "number"}[hint]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, BaseModel) or value is PydanticUndefined:  # a section has its own defaults
        return ""
    if isinstance(value, timedelta):
        text = format_duration(value)
    elif isinstance(value, tuple):
        text = json.dumps(value)
    else:
        text = str(value) if isinstance(value, str | Path | Size) else json.dumps(value)
    return f"`{text}`"


def page() -> str:
    text = _HEAD
    for section in sections():
        text += f"\n## {f'`{section.path}`' if section.path else 'The whole'}\n\n{section.description}\n\n"
        text += "| key | value | default | meaning |\n|---|---|---|---|\n"
        for key in section.keys:
            text += f"| `{key.path}` | {key.kind} | {key.default} | {key.description} |\n"
    return text
