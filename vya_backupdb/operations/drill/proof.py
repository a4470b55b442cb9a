"""What a restored database must be: whole, sound, and as its checks say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vya_backupdb.archive.source import open_source
from vya_backupdb.engines.base import Engine, Proofs
from vya_backupdb.errors import Fault, VerificationError
from vya_backupdb.model import Answer, Severity
from vya_backupdb.operations.checks import check_objects
from vya_backupdb.operations.choose import Chosen
from vya_backupdb.operations.opened import OpenInstance

CHECK_SECONDS: Final = 3600
"""The longest that a query of the configuration may take."""

_SHOWN: Final = 80
"""Characters of a value that are shown."""

_DAMAGED: Final = "take another backup of it (--datetime T), and look at what this one was made from"


@dataclass
class Proof:
    """What was found of one restored database."""

    tables: int = 0
    """Those whose rows were counted."""
    rows: int = 0
    objects: Mapping[str, int] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CheckResult:
    """A query of the configuration, and what it returned."""

    query: str
    ok: bool
    said: str
    """What it returned, for people."""


def prove(place: OpenInstance, database: str, chosen: Chosen, checks: Sequence[str]) -> Proof:
    """Ask the server for everything that proves the database. Raises ConnectionFailed, RestoreError."""
    proof = Proof()
    proof.objects = dict(place.connector.object_counts(database))
    try:
        check_objects(database, chosen.record, proof.objects)
    except VerificationError as error:
        proof.faults.append((error.what.removeprefix(f"{database}: "), _DAMAGED))
    with place.connector.proofs(database) as proofs:
        _count(proof, proofs, _expected(chosen, place.engine))
        for finding in proofs.integrity():
            if finding.severity is Severity.FAULT:
                proof.faults.append((finding.what, _DAMAGED))
            else:
                proof.notices.append(f"{finding.what}: {finding.cure}" if finding.cure else finding.what)
        for query in checks:
            result = judged(query, proofs.ask(query, CHECK_SECONDS))
            proof.checks.append(result)
            if not result.ok:
                cure = "look at the data (--keep leaves the server), or mend the check (`checks`)"
                proof.faults.append((f"the check {_short(query)} {result.said}", cure))
    return proof


def _expected(chosen: Chosen, engine: Engine) -> Mapping[str, int]:
    with open_source(chosen.path, engine.reader) as source:
        return source.expected_rows() or source.scan().tables


def _count(proof: Proof, proofs: Proofs, expected: Mapping[str, int]) -> None:
    counted = proofs.row_counts(expected)
    proof.tables, proof.rows = len(counted), sum(counted.values())
    proof.faults += [(what, _DAMAGED) for what in differences(counted, expected)]


def differences(counted: Mapping[str, int], expected: Mapping[str, int]) -> Iterator[str]:
    """Say of which tables the server has other numbers of rows than the backup, whichever has more."""
    for table in sorted({*counted, *expected}):
        wanted = expected.get(table, 0)
        if table not in counted and wanted:
            yield f"{table}: is not there, and {wanted:,} rows of it are in the backup"
        elif table in counted and counted[table] != wanted:
            yield f"{table}: {counted[table]:,} rows in the server, {wanted:,} in the backup"


def judged(query: str, answer: Answer) -> CheckResult:
    """Say whether an answer is the one row that is true which a check must give."""
    if answer.error is not None:
        return CheckResult(query, ok=False, said=f"failed: {answer.error}")
    if answer.rows is None:
        return CheckResult(query, ok=False, said="returned no rows, for it is no query")
    if answer.rows != 1:
        how_many = "no row" if answer.rows == 0 else "more than one row"
        return CheckResult(query, ok=False, said=f"returned {how_many}, not one")
    value = "NULL" if answer.value is None else _short(str(answer.value))
    kind = "" if isinstance(answer.value, bool | None) else f" ({type(answer.value).__name__})"
    return CheckResult(query, ok=answer.is_true, said=f"returned {value}{'' if answer.is_true else kind}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} ..."
