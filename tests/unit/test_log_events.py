"""The events of the log have constant names, and facts as fields."""

from __future__ import annotations

import pytest

from scripts.pages.events import Event, NotConstantError, events, events_of


def events_in(body: str) -> list[Event]:
    source = "def f(self, name, names):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    return list(events_of(source, "m"))


def test_every_event_of_the_program_has_a_constant_name_and_known_fields() -> None:
    assert len(events()) > 30


@pytest.mark.parametrize(
    "call",
    ["log.info(name)", "log.info(f'backup of {name}')", "log.info('a %s', name)", "log.info('a', **names)"],
)
def test_an_event_whose_name_or_fields_are_not_in_the_code_is_refused(call: str) -> None:
    with pytest.raises(NotConstantError, match="m:2"):
        events_in(call)


def test_fields_are_found_where_they_are_put_together() -> None:
    body = """
facts = {"a": 1, **({"b": 2} if name else {})}
if name:
    facts["c"] = 3
log.warning("done", d=4, **facts)"""
    assert events_in(body) == [Event("done", "warning", "m", ("d", "a", "b", "c"), frozenset("bc"))]


def test_no_event_has_a_field_that_the_log_fills_itself() -> None:
    own = {"timestamp", "level", "event", "module"}
    assert [event for event in events() if own & set(event.fields)] == []


def test_events_are_named_in_one_manner() -> None:
    names = [event.name for event in events()]
    assert [name for name in names if name != name.strip() or name.endswith(".") or name[0].isupper()] == []
