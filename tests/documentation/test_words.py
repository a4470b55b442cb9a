"""What the documents name is there: commands in running text, keys of configurations, exceptions."""

from __future__ import annotations

import itertools
import re
import socket
from pathlib import Path

import pytest
import yaml

from tests.command_lines import understand
from vya_backupdb.config.load import load_config

from .blocks import DOCUMENTS, ROOT, Block, Command, blocks, inline_commands
from .exceptions import MADE_BEFORE, NOT_EXECUTED, NOT_KEPT, PLACEHOLDERS
from .machine import Machine
from .reading import Reader, added, shape

EVERY = [block for document in DOCUMENTS for block in blocks(document)]
COMMANDS = [command for block in EVERY if block.language == "sh" for command in block.commands()]
CONFIGURATIONS = [block for block in EVERY if block.language == "yaml"]
INLINE = [command for document in DOCUMENTS for command in inline_commands(document)]
WHOLE = {"instances": [{"id": "prod-mariadb", "engine": "mariadb", "host": "db.example.net"}]}


def where(found: Command | Block) -> str:
    return found.where


@pytest.mark.parametrize("command", INLINE, ids=where)
def test_a_command_in_running_text_is_understood(command: Command) -> None:
    understand(command.text, named=True)


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=where)
def test_a_configuration_that_is_shown_holds(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    document = added(WHOLE, yaml.safe_load(block.text))
    document["instances"] = [{**WHOLE["instances"][0], **one} for one in document["instances"]]
    for instance in document["instances"]:
        if "socket" in instance:
            del instance["host"]
    file.write_text(yaml.safe_dump(document))
    load_config(file)


def test_every_exception_is_needed() -> None:
    texts = [command.text for command in COMMANDS]
    for one in NOT_EXECUTED:
        assert any(map(one.fits, texts)), one
    for name in MADE_BEFORE:
        assert any(name in text for text in texts), name
    everything = "\n".join((ROOT / document).read_text() for document in DOCUMENTS)
    for placeholder in PLACEHOLDERS.values():
        assert re.search(placeholder.pattern, everything), placeholder
    for section in NOT_KEPT:
        assert any(section in yaml.safe_load(block.text) for block in CONFIGURATIONS), section


def test_an_output_that_is_shown_follows_its_commands() -> None:
    for before, block in itertools.pairwise(EVERY):
        if block.language == "text":
            assert (before.document, before.language) == (block.document, "sh"), block.where


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("shop  restored  3", "  shop    restored   1,234"),
        ("rows ... all checked", "rows   3 in 4 tables, all checked"),
        ("taken 2026-11-23 05:00:00 here", "taken 2027-01-02 11:12:13 here"),
    ],
)
def test_an_output_that_is_shown_stands_for_others_of_its_shape(line: str, written: str) -> None:
    assert re.search(shape(line), written)


def test_an_output_of_another_shape_is_seen() -> None:
    assert not re.search(shape("shop  restored  3"), "shop  FAILED  3")


def test_commands_are_found_with_their_lines_and_paragraphs() -> None:
    lines = [
        "# One",
        "",
        "1. List",
        "",
        "   ```sh",
        "   # first",
        "   one \\",
        "     --two",
        "   three   # so",
    ]
    text = "\n".join([*lines, "", "   four", "   ```", ""])
    (block,) = blocks("d.md", text)
    assert block.chapter == "One"
    assert block.paragraphs() == [
        [Command("d.md:7", "one \\\n  --two"), Command("d.md:9", "three   # so")],
        [Command("d.md:11", "four")],
    ]


def test_a_command_that_fails_and_an_output_that_differs_are_told(
    on_machine: Machine, tmp_path: Path
) -> None:
    document = tmp_path / "d.md"
    document.write_text(
        "```sh\nfalse\necho one\n```\n\n```text\ntwo\n```\n\n```yaml\nstorage: {no_such: 1}\n```\n"
    )
    reader = Reader(on_machine, ())
    reader.read(str(document))
    failed, differs, invalid = reader.faults
    assert "false\n  ended with 1" in failed
    assert "not written: two\n" in differs
    assert "no_such" in invalid


def test_a_machine_keeps_what_is_done_on_it_to_itself(on_machine: Machine) -> None:
    on_machine.ran("touch /etc/vya-backupdb/x /usr/local/bin/x new")
    on_machine.rename("other")
    assert on_machine.ran("cat /proc/sys/kernel/hostname") == "other\n"
    assert socket.gethostname() != "other"
    for name in ("/etc/vya-backupdb/x", "/usr/local/bin/x", str(ROOT / "new")):
        assert not Path(name).exists()
