"""What the readers make of scripts whose statements and rows are known."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.fuzz.checks import MYSQL, POSTGRESQL, WHOLE, Dialect, Outcome, check, read
from tests.unit.made_scripts import Made, mysql_scripts, postgresql_scripts
from vya_backupdb.model import Action

DICE = st.randoms(use_true_random=False)


def executed(dialect: Dialect, outcome: Outcome) -> list[bytes]:
    """Give what is executed, without SET; a COPY with its lines."""
    found = []
    for section in outcome.sections:
        for statement in dialect.statements(section):
            if statement.copy_data is not None:
                found.append(statement.text + b";\n" + bytes(statement.copy_data))
            elif statement.action is Action.EXECUTE and b"SET " not in statement.text[:20]:
                found.append(statement.text)
    return found


def holds(dialect: Dialect, made: Made, dice: random.Random) -> None:
    """Hold a whole script to what it was made of, and cut sections and chunks to the whole."""
    whole = read(dialect, [made.script], WHOLE)
    assert whole.error == ""
    assert executed(dialect, whole) == made.statements
    counted: Counter[str] = Counter()
    for section in whole.sections:
        counted[section.object or ""] += section.rows
    assert +counted == +made.rows
    check(dialect, made.script, dice)


@given(mysql_scripts(), DICE)
@settings(max_examples=150, deadline=None)
def test_a_mysql_script_gives_the_statements_and_rows_that_it_was_made_of(
    made: Made, dice: random.Random
) -> None:
    holds(MYSQL, made, dice)


@given(postgresql_scripts(), DICE)
@settings(max_examples=150, deadline=None)
def test_a_postgresql_script_gives_the_statements_and_rows_that_it_was_made_of(
    made: Made, dice: random.Random
) -> None:
    holds(POSTGRESQL, made, dice)
