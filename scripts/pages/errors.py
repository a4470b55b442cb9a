"""docs/errors.md: from the docstrings and exit codes of vya_backupdb/errors.py."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from vya_backupdb import errors
from vya_backupdb.errors import OTHER_STATUSES, VyaBackupDBError

_HEAD = """\
# Errors and exit statuses

<!-- Made from vya_backupdb/errors.py by `make docs`. -->

An error is one or two lines on stderr: what failed and where, then what to do. Where several faults were
found at once, each has a line of its own. With `--verbose --verbose` there is a traceback, too.

Where one thing was asked for and failed, the exit status is that of its error. Where several were asked for:
3 if some of them failed; if all failed, the status that they have in common, and where they have none, 20 for
`backup`, 21 for restores, 22 for `verify` and `drill`, 23 for `prune`. `health` ends as a monitoring plugin
does: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, also for its own faults.
"""


@dataclass(frozen=True)
class Described:
    """An error class as its docstring tells it; empty where it does not say."""

    name: str
    code: int
    meaning: str
    causes: str
    cure: str


def described() -> list[Described]:
    """Give every error class, in the order of the exit codes and then of the code."""
    return sorted(map(_described, _classes()), key=lambda each: each.code)


def _classes() -> Iterator[type[VyaBackupDBError]]:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.VyaBackupDBError):
            yield value


def _described(error: type[VyaBackupDBError]) -> Described:
    paragraphs = [" ".join(part.split()) for part in inspect.cleandoc(error.__doc__ or "").split("\n\n")]
    labelled = {label: text for label, _, text in (part.partition(": ") for part in paragraphs[1:])}
    return Described(
        error.__name__, error.exit_code, paragraphs[0], labelled.get("Causes", ""), labelled.get("Cure", "")
    )


def page() -> str:
    sections = "".join(_section(code, group) for code, group in _by_code().items())
    return f"{_HEAD}\n{table()}{sections}"


def table() -> str:
    """Give the exit statuses and what they mean as a table."""
    rows = "".join(f"| {code} | {meaning} |\n" for code, meaning in meanings().items())
    return f"| status | meaning |\n|---|---|\n{rows}"


def meanings() -> dict[int, str]:
    """Give what each exit status means."""
    found = {code: _sentence(text) for code, text in OTHER_STATUSES.items()}
    found |= {code: " ".join(_told_apart(group)) for code, group in _by_code().items()}
    return dict(sorted(found.items()))


def _by_code() -> dict[int, list[Described]]:
    return {code: list(group) for code, group in groupby(described(), key=lambda each: each.code)}


def _told_apart(group: list[Described]) -> Iterator[str]:
    """Give the meanings of what has a code; what a class says covers its subclasses."""
    below = {each.__name__ for each in VyaBackupDBError.__subclasses__()}
    yield from (
        each.meaning for each in group if each.name in below or each.code == VyaBackupDBError.exit_code
    )


def _section(code: int, group: list[Described]) -> str:
    text = f"\n## {code}\n"
    for each in group:
        text += f"\n### {each.name}\n\n{each.meaning}\n\n"
        text += f"- Typical causes: {each.causes}\n- What to do: {each.cure}\n"
    return text


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
