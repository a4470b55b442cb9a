"""docs/logging.md: every event of the log, found by reading the code."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

from vya_backupdb.log import Level

PACKAGE = Path(__file__).parents[2] / "vya_backupdb"
LEVELS = get_args(Level)

_HEAD = """\
# The log

<!-- Made from the code by `make docs`. -->

Results go to stdout, the log to stderr, to `logging.file` where it is set, or to the system's journal
(`logging.format: journald`). An event has a constant name, and its facts are fields:

```
2026-11-23T05:00:07.113Z info    backup finished  instance=prod-mariadb database=shop file=shop_20261123T050000Z.sql.zst ...
{"timestamp": "2026-11-23T05:00:07.113Z", "level": "info", "event": "backup finished", "module": "operations.backup", ...}
```

The second line is that of `--log-format json` (or `logging.format: json`). Every event has `timestamp` (UTC),
`level`, `event` and `module`; in the journal a fact is a field VYA_ and its name in capitals, so that
`journalctl VYA_DATABASE=shop` finds all that was said of a database. `seconds` and `bytes` are numbers, in the units
that they name. What looks like a secret is masked. `logging.level` says from which level on events are logged:
`--verbose` logs all, `--quiet` errors alone.

Fields in parentheses are there only where there is something to say.
"""  # noqa: E501

_OF_A_LEVEL = {
    "error": "What failed.",
    "warning": "What a person should read tomorrow.",
    "info": "Starts, ends, and what was deleted.",
    "debug": "For who looks for a fault; with `--verbose`.",
}


class NotConstantError(ValueError):
    """An event whose name or fields cannot be told from the code."""


@dataclass(frozen=True, order=True)
class Event:
    """An event at one place of the code. `sometimes`: fields that it has on a condition."""

    name: str
    level: str
    module: str
    fields: tuple[str, ...]
    sometimes: frozenset[str]


@cache
def events() -> list[Event]:
    """Give every event of the program. Raises NotConstantError."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return [event for path in paths for event in events_of(path.read_text(), _module(path))]


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def events_of(source: str, module: str) -> Iterator[Event]:
    """Give the events of a module's source. Raises NotConstantError."""
    yield from _within(ast.parse(source), (), module)


def _within(node: ast.AST, around: tuple[ast.AST, ...], module: str) -> Iterator[Event]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)) if level in LEVELS:
            yield _event(node, level, around, module)
    for child in ast.iter_child_nodes(node):
        yield from _within(child, (*around, node), module)


def _event(call: ast.Call, level: str, around: tuple[ast.AST, ...], module: str) -> Event:
    match call.args:
        case [ast.Constant(value=str(name))]:
            pass
        case _:
            raise NotConstantError(
                f"{module}:{call.lineno}: the name of an event is a literal, and all else a field"
            )
    fields: dict[str, bool] = {}
    for keyword in call.keywords:
        if keyword.arg is not None:
            fields[keyword.arg] = True
        else:
            fields |= _spread(keyword.value, around, f"{module}:{call.lineno}")
    sometimes = frozenset(field for field, always in fields.items() if not always)
    return Event(name, level, module, tuple(fields), sometimes)


def _spread(value: ast.expr, around: tuple[ast.AST, ...], place: str) -> dict[str, bool]:
    """Give the fields of `**value`, and for each whether it is always there."""
    match value:
        case ast.Name(id=name):
            scope = next(each for each in reversed(around) if isinstance(each, ast.FunctionDef))
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            of_class = next(each for each in reversed(around) if isinstance(each, ast.ClassDef))
            scope = next(
                each for each in of_class.body if isinstance(each, ast.FunctionDef) and each.name == name
            )
        case _:
            raise NotConstantError(f"{place}: fields that cannot be told from the code")
    found: dict[str, bool] = {}
    for node in ast.walk(scope):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=target)], value=ast.Dict() as given)
                | ast.AnnAssign(target=ast.Name(id=target), value=ast.Dict() as given)
            ) if target == name:
                found |= _keys(given, place)
            case ast.Return(value=ast.Dict() as given) if scope.name == name:
                found |= _keys(given, place)
            case ast.Assign(
                targets=[ast.Subscript(value=ast.Name(id=target), slice=ast.Constant(value=str(key)))]
            ) if target == name:
                found[key] = False
    if not found:
        raise NotConstantError(f"{place}: fields that cannot be told from the code")
    return found


def _keys(given: ast.Dict, place: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for key, value in zip(given.keys, given.values, strict=True):
        match key, value:
            case ast.Constant(value=str(name)), _:
                found[name] = True
            case None, ast.IfExp(body=ast.Dict() as one, orelse=ast.Dict() as other):
                found |= dict.fromkeys([*_keys(one, place), *_keys(other, place)], False)
            case _:
                raise NotConstantError(f"{place}: fields that cannot be told from the code")
    return found


def page() -> str:
    by_level: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for event in sorted(events()):
        by_level[event.level][event.name].append(event)
    sections = "".join(_section(level, by_level[level]) for level in reversed(LEVELS))
    return _HEAD + sections


def _section(level: str, by_name: dict[str, list[Event]]) -> str:
    rows = "".join(
        f"| {name} | {_fields(places)} | {_modules(places)} |\n" for name, places in by_name.items()
    )
    return f"\n## {level}\n\n{_OF_A_LEVEL[level]}\n\n| event | fields | module |\n|---|---|---|\n{rows}"


def _fields(places: list[Event]) -> str:
    """Give the fields of an event; in parentheses those that it has not always, or not at every place."""
    names = dict.fromkeys(field for place in places for field in place.fields)
    always = {field for field in names if all(field in place.fields for place in places)}
    always -= {field for place in places for field in place.sometimes}
    return ", ".join(name if name in always else f"({name})" for name in names)


def _modules(places: list[Event]) -> str:
    return ", ".join(dict.fromkeys(place.module for place in places))
