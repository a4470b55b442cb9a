"""YAML as plain values that remember their lines: strict, bounded, and without surprises.

Scalars are read as YAML 1.2's core schema has them, so `id: no` and `id: 2026-11-23` are text and `12:30`
is not a number of minutes. Keys are unique. Aliases and merge keys work, within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml
from yaml.error import MarkedYAMLError

if TYPE_CHECKING:
    from yaml import SafeLoader as _SafeLoader
else:
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]

_DEEPEST = 32
"""libyaml's composer recurses in C: 100,000 open brackets would crash the interpreter."""
_MOST_VALUES = 100_000
"""Aliases of aliases grow without bound ("billion laughs")."""
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML does not allow (1.2, chapter 5.1)."""

_TAG = "tag:yaml.org,2002:"
_MERGE, _STR, _NULL, _BOOL, _INT, _FLOAT = (
    _TAG + name for name in ("merge", "str", "null", "bool", "int", "float")
)
_SCALARS: dict[str, Callable[[str], object]] = {
    _STR: str,
    _NULL: lambda _: None,
    _BOOL: lambda text: text.lower() == "true",
    _INT: int,
    _FLOAT: float,
}


class _Loader(_SafeLoader):
    """Composes nodes with the scalars of YAML 1.2's core schema (chapter 10.3), and merge keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    (_NULL, r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (_INT, r"^[-+]?[0-9]{1,18}$", list("-+0123456789")),
    (_FLOAT, r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    (_MERGE, r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


class DocumentError(ValueError):
    """The text is not YAML, or not YAML that is read here."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


@dataclass(frozen=True, order=True)
class Fault:
    """Something wrong at a place of the document; `path` is `()` for the whole."""

    line: int
    path: Path
    what: str


@dataclass
class Document:
    """The values of a text, where each stands, and what is wrong with them so far."""

    value: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    commented: set[Path] = field(default_factory=set)
    """Unquoted scalars with a comment behind them: ` #` may have been meant as text."""

    def line(self, path: Path) -> int:
        """Give the line of a value, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path, what: str) -> None:
        """Note a fault at a path."""
        self.faults.append(Fault(self.line(path), path, what))


def read_document(text: str, *, anchors: bool = True) -> Document:
    """Read one YAML document; `anchors` False refuses anchors and aliases. Raises DocumentError."""
    if found := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise DocumentError(line, f"the character U+{ord(found[0]):04X} is not allowed in YAML")
    try:
        _check_depth(text, anchors=anchors)
        node = yaml.compose(text, Loader=_Loader)
    except MarkedYAMLError as error:
        raise _not_yaml(error) from None
    walk = _Walk(text.splitlines())
    if node is not None:
        walk.document.lines[()] = node.start_mark.line + 1
        walk.document.value = walk.value(node, ())
    return walk.document


def _not_yaml(error: MarkedYAMLError) -> DocumentError:
    mark = error.problem_mark or error.context_mark
    if error.problem == "but found another document":
        return DocumentError(mark.line + 1 if mark else 1, "a second document (---) begins here")
    line = mark.line + 1 if mark else 1
    what = f"not YAML: {error.problem or error.context}"
    if error.context and error.context_mark and error.context_mark.line + 1 != line:
        what += f", {error.context} that begins on line {error.context_mark.line + 1}"
    return DocumentError(line, what)


def _check_depth(text: str, *, anchors: bool) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise DocumentError(_line(event), f"nested more than {_DEEPEST} levels deep")
        if not anchors and getattr(event, "anchor", None):
            raise DocumentError(_line(event), "anchors (&) and aliases (*) are not read here")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Walk:
    """Turns nodes into values and notes lines and faults on the way."""

    def __init__(self, text: list[str]) -> None:
        self.document = Document()
        self._text = text
        self._count = 0

    def value(self, node: yaml.Node, path: Path) -> object:
        self._count += 1
        if self._count > _MOST_VALUES or len(path) > _DEEPEST:
            raise DocumentError(
                node.start_mark.line + 1, "too much: an alias that holds itself, or aliases of aliases"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]

    def _item(self, node: yaml.Node, path: Path) -> object:
        self.document.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        first_line: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                self._merge(value, path, merged)
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode):
                self.document.faults.append(Fault(line, path, "a key must be a word"))
                continue
            name = str(key.value)
            if name in own:
                what = f"written twice, first on line {first_line[name]}"
                self.document.faults.append(Fault(line, (*path, name), what))
                continue
            first_line[name] = line
            self.document.lines[*path, name] = line
            own[name] = self.value(value, (*path, name))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: Path, into: dict[str, object]) -> None:
        """Take the keys of other mappings, the first of them first; lines are those they stand on."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                line = source.start_mark.line + 1
                self.document.faults.append(Fault(line, (*path, "<<"), "not a mapping"))
                continue
            for name, value in self._mapping(source, path).items():
                into.setdefault(name, value)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        text = str(node.value)
        if not node.style:
            end = node.end_mark
            rest = self._text[end.line][end.column :] if end.line < len(self._text) else ""
            if rest.lstrip().startswith("#"):
                self.document.commented.add(path)
        try:
            return _SCALARS[node.tag](text)
        except (KeyError, ValueError):
            self.document.fault(path, "tags (!...) are not read here: write text in quotes")
            return None


def written(path: Path) -> str:
    """Write a path as people read it: `instances[0].dump.stall_timeout`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
