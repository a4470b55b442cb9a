"""Find, read and check the configuration file; every fault is named at once, with its line."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from vya_backupdb.config import document
from vya_backupdb.config.base import Model
from vya_backupdb.config.document import Document, DocumentError, Fault, read_document, written
from vya_backupdb.config.models import Config, repeated
from vya_backupdb.config.values import IDENTIFIER
from vya_backupdb.errors import ConfigurationError
from vya_backupdb.log import printable

SEARCHED = (Path("~/.config/vya-backupdb/config.yaml"), Path("/etc/vya-backupdb/config.yaml"))
_LARGEST = 4 << 20
_MOST_FAULTS = 50
_SECRET_KEYS = {"password", "passwd", "pass", "user", "username", "login", "credential"}
_CURE = "every key is described in etc/config.example.yaml"


def find_config(named: Path | None = None, searched: Iterable[Path] = SEARCHED) -> Path:
    """Give the named file, else the first of the usual places that is there. Raises ConfigurationError."""
    if named is not None:
        return named
    places = [_home(place) for place in searched]
    for place in places:
        if os.path.lexists(place):
            return place
    raise ConfigurationError(
        f"no configuration file: looked for {' and '.join(map(str, places))}",
        cure="`vya-backupdb init` writes one; or name one with --config FILE",
    )


def _home(place: Path) -> Path:
    try:
        return place.expanduser()
    except RuntimeError:  # no HOME and no entry in the list of users, as in some containers
        return place


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises ConfigurationError with one line for each fault: file, line, path in the document, what.
    """
    return config_of(_read(path), path)


def config_of(text: str, path: Path) -> Config:
    """Check a configuration as if it stood in a file. Raises ConfigurationError as `load_config` does."""
    try:
        parsed = read_document(text)
    except DocumentError as error:
        raise ConfigurationError(f"{path}:{error.line}: {error.what}") from None
    if parsed.value is None:
        raise ConfigurationError(f"{path}: empty", cure=_CURE)
    if not isinstance(parsed.value, dict):
        raise ConfigurationError(f"{path}: not a mapping of keys and values", cure=_CURE)
    config = _validated(parsed, path.absolute().parent)
    if config is None or parsed.faults:
        raise _all_faults(path, parsed.faults)
    return config


def ids_in(path: Path) -> list[str]:
    """Give the ids that a file names, whatever else is wrong in it. Raises ConfigurationError."""
    try:
        value = read_document(_read(path)).value
    except DocumentError as error:
        raise ConfigurationError(f"{path}:{error.line}: {error.what}") from None
    ids = [name for _, name in _ids(value)] if isinstance(value, dict) else []
    return [name for name in dict.fromkeys(ids) if IDENTIFIER.fullmatch(name)]


def _read(path: Path) -> str:
    try:
        # without O_NONBLOCK a named pipe that nobody writes to would hold us for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigurationError(f"{path}: not an ordinary file", cure="name the file itself")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                raw = file.read(_LARGEST + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file", cure="name another with --config FILE") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(raw) > _LARGEST:
        raise ConfigurationError(f"{path}: larger than {_LARGEST >> 20} MiB, this is no configuration file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}:{line}: not UTF-8 text", cure="save the file as UTF-8") from None


def _all_faults(path: Path, faults: list[Fault]) -> ConfigurationError:
    lines = [
        f"{path}:{fault.line}: {printable(written(fault.path) or 'document')}: {fault.what}"
        for fault in sorted(set(faults), key=lambda fault: (fault.line, written(fault.path), fault.what))
    ]
    if len(lines) > _MOST_FAULTS:
        lines[_MOST_FAULTS:] = [f"{path}: and {len(lines) - _MOST_FAULTS} more faults"]
    if len(lines) > 1:
        lines.insert(0, f"{path}: {len(set(faults))} faults")
    return ConfigurationError("\n".join(lines), cure=_CURE)


# ---------------------------------------------------------------------------- faults


def _validated(parsed: Document, folder: Path) -> Config | None:
    try:
        return Config.model_validate(parsed.value, context={"folder": folder})
    except ValidationError as error:
        for found in error.errors(include_url=False):
            parsed.fault(found["loc"], _said(found["loc"], found))
    # models find ids used twice only where all instances are faultless
    for where, name in _repeated_ids(parsed.value):
        parsed.fault(where, f"{name} is used twice")
    return None


def _ids(value: dict[Any, Any]) -> list[tuple[int, str]]:
    """Give the places and ids of the instances that have one."""
    instances = value.get("instances")
    return [
        (index, instance["id"])
        for index, instance in enumerate(instances if isinstance(instances, list) else ())
        if isinstance(instance, dict) and isinstance(instance.get("id"), str)
    ]


def _repeated_ids(value: Any) -> Iterator[tuple[document.Path, str]]:
    named = _ids(value)
    for position in repeated([name for _, name in named]):
        index, name = named[position]
        yield ("instances", index, "id"), name


def _said(path: document.Path, error: Any) -> str:
    """Say in our words what pydantic found. Values are not repeated: someone may have put a secret there."""
    kind, given = error["type"], error["input"]
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if given is None and kind not in ("missing", "rule"):
        return "has no value"
    if kind == "literal_error":
        return f"must be one of {error['ctx']['expected'].replace(chr(39), '')}{_nearest_choice(path, given)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return str(error["msg"]).replace("Input should be", "must be")
    return _WORDS.get(kind) or str(error["msg"]).removeprefix("Value error, ")


_WORDS = {
    "missing": "is missing",
    "string_type": "must be text: write it in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "model_type": "must hold keys and values",
}


def _unknown_key(path: document.Path) -> str:
    name = str(path[-1])
    known = list(_model_at(path[:-1]).model_fields)
    if name.lower() in _SECRET_KEYS:
        return "unknown key: who logs in is said in the credentials file (credentials set)"
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"unknown key, did you mean {near[0]}?"
    elsewhere = [place for place, model in _sections(Config) if name in model.model_fields]
    if elsewhere:
        return f"unknown key here, it belongs in {elsewhere[0] or 'the top level'}"
    return f"unknown key, known are {', '.join(known)}"


def _nearest_choice(path: document.Path, given: object) -> str:
    field = _model_at(path[:-1]).model_fields.get(str(path[-1]))
    choices = [str(choice) for choice in get_args(field.annotation)] if field else []
    near = difflib.get_close_matches(str(given).lower(), choices, n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else ""


def _model_at(path: document.Path) -> type[Model]:
    """Give the model of the section at a path."""
    model: type[Model] = Config
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _sections(model: type[Model], place: str = "") -> Iterator[tuple[str, type[Model]]]:
    yield place, model
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            yield from _sections(inner, f"{place}.{name}" if place else name)
