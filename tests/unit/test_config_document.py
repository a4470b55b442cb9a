from __future__ import annotations

import pytest

from vya_backupdb.config.document import DocumentError, Fault, read_document, written


def values(text: str) -> dict[str, object]:
    value = read_document(text).value
    assert isinstance(value, dict)
    return value


def test_every_value_remembers_its_line() -> None:
    document = read_document("a:\n  - b: 1\n  - c:\n      d: x\n")
    assert document.value == {"a": [{"b": 1}, {"c": {"d": "x"}}]}
    assert document.line(("a", 1, "c", "d")) == 4
    assert document.line(("a", 1, "nothing of the kind")) == 3


def test_words_that_old_yaml_took_for_other_things_are_text() -> None:
    text = "a: no\nb: 12:30\nc: 2026-11-23\nd: 0x10\ne: on\nf: 1_000\ng: 99999999999999999999\n"
    assert list(values(text).values()) == [
        "no", "12:30", "2026-11-23", "0x10", "on", "1_000", 1e20,
    ]  # fmt: skip


def test_numbers_truth_and_nothing_are_read() -> None:
    assert read_document("[1, -2, 3.5, true, False, null, ~, ]").value == [
        1,
        -2,
        3.5,
        True,
        False,
        None,
        None,
    ]


def test_a_key_written_twice_is_a_fault() -> None:
    document = read_document("a: 1\nb:\n  c: 2\n  c: 3\n")
    assert document.faults == [Fault(4, ("b", "c"), "written twice, first on line 3")]


def test_merge_keys_share_settings_and_own_keys_win() -> None:
    document = read_document("base: &b {x: 1, y: 2}\nother:\n  <<: *b\n  y: 3\n")
    assert isinstance(document.value, dict)
    assert document.value["other"] == {"x": 1, "y": 3}
    assert document.faults == []
    assert document.line(("other", "y")) == 4
    assert document.line(("other", "x")) == 1


@pytest.mark.parametrize(
    "text", ["a: !!python/object:os.system x", "a: !!binary aGk=", "a: !x y", "a: !!int x"]
)
def test_tags_are_faults(text: str) -> None:
    document = read_document(text)
    assert [fault.path for fault in document.faults] == [("a",)]


LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LAUGHS, 1),
        ("x: &a\n  - *a\n", 1),
        ("[" * 100_000, 1),
        ("a:\n" + "".join(" " * depth + "b:\n" for depth in range(1, 100)), 33),
        ("a: 1\nb: 'x\n", 2),
        ("a: 1\n b: 2\n", 2),
        ("a: [1\nb: 2\n", 2),
        ("a: 1\nb: \x07\n", 2),
        ("a: *nowhere\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("a:\n\t- b\n", 2),
    ],
)
def test_what_is_not_yaml_or_too_much_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(text)
    assert caught.value.line in (line, line + 1)  # libyaml sees some faults only on the next line


def test_an_unquoted_text_with_a_comment_behind_it_is_noted() -> None:
    document = read_document("a: b # c\nd: 'e' # f\ng: h#i\nj: # k\n")
    assert document.commented == {("a",), ("j",)}


def test_anchors_can_be_refused() -> None:
    with pytest.raises(DocumentError, match="anchors"):
        read_document("a: &x\n", anchors=False)


def test_a_path_is_written_as_people_read_it() -> None:
    assert written(("instances", 0, "dump", "stall_timeout")) == "instances[0].dump.stall_timeout"


def test_of_several_merged_mappings_the_first_wins() -> None:
    assert values("a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc: {<<: [*a, *b]}\n")["c"] == {"x": 1, "y": 3}
